//! What a server says over a socket, one reply after the other.

use futures_util::stream::{Stream, unfold};
use redis::{RedisError, Value, parse_redis_value_async};
use tokio::io::AsyncRead;

/// Everything that is read. After an error nothing more can be understood.
pub(super) fn replies(
    reading: impl AsyncRead + Unpin + Send,
) -> impl Stream<Item = Result<Value, RedisError>> + Send {
    unfold(
        (Default::default(), reading),
        |(mut decoder, mut reading)| async {
            let reply = parse_redis_value_async(&mut decoder, &mut reading).await;
            Some((reply, (decoder, reading)))
        },
    )
}
