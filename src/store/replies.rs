//! What a server says over a socket, one reply after the other.

use futures_util::stream::{Stream, unfold};
use redis::{RedisError, Value, parse_redis_value_async};
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncRead, BufReader};

/// Everything that is read. After an error nothing more can be understood.
pub(super) fn replies(
    reading: impl AsyncRead + Unpin + Send,
) -> impl Stream<Item = Result<Value, RedisError>> + Send {
    // The parser alone reads a hundred bytes at a time.
    let reading = BufReader::with_capacity(AT_ONCE, reading);
    unfold(
        (Default::default(), false, reading),
        |(mut decoder, mut has_begun, mut reading)| async move {
            let integer = match has_begun {
                true => None,
                false => integer(&mut reading).await,
            };
            let reply = match integer {
                Some(integer) => Ok(Value::Int(integer)),
                None => {
                    let reply = parse_redis_value_async(&mut decoder, &mut reading).await;
                    has_begun = !decoder.buffer().is_empty();
                    reply
                }
            };
            Some((reply, (decoder, has_begun, reading)))
        },
    )
}

/// The integer that comes next, where all of it is here. Nearly all answers to runs are one, and the parser of
/// whatever an answer may be takes much longer.
async fn integer(reading: &mut (impl AsyncBufRead + Unpin)) -> Option<i64> {
    // What went wrong shows again to the parser.
    let here = reading.fill_buf().await.ok()?;
    let digits = here.strip_prefix(b":")?;
    let end = digits.iter().position(|byte| *byte == b'\r')?;
    let number = std::str::from_utf8(&digits[..end]).ok()?.parse().ok()?;
    if digits.get(end + 1) != Some(&b'\n') {
        return None;
    }
    reading.consume(1 + end + 2);
    Some(number)
}

/// In bytes: the answers to a crowd.
const AT_ONCE: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures_util::StreamExt;
    use tokio::io::{AsyncWriteExt, duplex};

    use super::*;

    /// What is heard of bytes that come so many at a time.
    async fn heard(said: &[u8], at_once: usize) -> Vec<Value> {
        let (mut server, reading) = duplex(at_once);
        let saying = said.to_vec();
        let server = tokio::spawn(async move {
            server.write_all(&saying).await.unwrap();
        });
        let mut replies = pin!(replies(reading));
        let mut heard = Vec::new();
        while let Some(Ok(value)) = replies.next().await {
            heard.push(value);
        }
        server.await.unwrap();
        heard
    }

    #[tokio::test]
    async fn integers_are_heard_in_their_place_among_other_replies_however_they_are_cut() {
        let said = b":1\r\n:-7\r\n$2\r\n:5\r\n:9007199254740991\r\n*2\r\n:3\r\n$-1\r\n:0\r\n+OK\r\n:12\r\n";
        let expected = [
            Value::Int(1),
            Value::Int(-7),
            Value::BulkString(b":5".to_vec()),
            Value::Int(9_007_199_254_740_991),
            Value::Array(vec![Value::Int(3), Value::Nil]),
            Value::Int(0),
            Value::Okay,
            Value::Int(12),
        ];
        for at_once in 1..=said.len() {
            assert_eq!(heard(said, at_once).await, expected, "{at_once} at once");
        }
    }

    #[tokio::test]
    async fn what_is_no_integer_is_an_error_and_the_end_too() {
        for said in [&b":1x\r\n"[..], b":\r\n", b":1\rx", b":12", b""] {
            assert_eq!(heard(said, 64).await, []);
        }
    }
}
