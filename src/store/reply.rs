use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use redis::Value;

use crate::election::{
    Failure, Identity, Message, Outcome, Ranks, Record, Reply, Token, Version, WriteKind,
};

/// What a script answered, as `scripts/record.lua` describes it.
///
/// `subscribed`: this connection is itself among those that received the message.
///
/// Anything that no script of ours would say is [`Failure::Unknown`]: the connection is out of
/// step, or somebody else answers.
pub(super) fn decode_reply(value: &Value, subscribed: bool) -> Result<Reply, Failure> {
    parse_reply(value, subscribed).unwrap_or_else(|| {
        Err(Failure::Unknown {
            cause: "the answer is not one of this package's scripts".into(),
        })
    })
}

/// What arrived on the changes channel; `None` for what is not a message of this protocol version.
pub(super) fn decode_message(payload: &[u8]) -> Option<Message> {
    if payload.len() > LONGEST_MESSAGE {
        return None;
    }
    let text = String::from_utf8_lossy(payload);
    let fields: Vec<&str> = text.splitn(13, ' ').collect();
    let [
        "1",
        change,
        seq,
        epoch,
        run,
        nonce,
        token,
        identity,
        ttl,
        released,
        listeners,
        ranks,
        server,
    ] = fields[..]
    else {
        return None;
    };
    let change = match change {
        "created" => WriteKind::Created,
        "granted" => WriteKind::Granted,
        "renewed" => WriteKind::Renewed,
        "released" => WriteKind::Released,
        _ => return None,
    };
    let record = record([
        seq, epoch, run, nonce, token, identity, ttl, released, "1", server, ranks,
    ])?;
    Some(Message {
        change,
        record,
        listeners: listeners.parse().ok()?,
    })
}

/// More than any of ours has. Anybody may publish, and thousands are remembered for a while.
const LONGEST_MESSAGE: usize = 2_048;

fn parse_reply(value: &Value, subscribed: bool) -> Option<Result<Reply, Failure>> {
    let Value::Array(values) = value else {
        return None;
    };
    let fields: Vec<Cow<str>> = values.iter().map(text).collect::<Option<_>>()?;
    let fields: Vec<&str> = fields.iter().map(AsRef::as_ref).collect();
    let (outcome, heard, rest) = match fields[..] {
        ["denied", why] => return Some(Err(Failure::Denied { cause: why.into() })),
        [outcome, heard, ref rest @ ..] => (outcome, heard, rest),
        _ => return None,
    };
    let outcome = match outcome {
        "granted" => Outcome::Granted,
        "refused" => Outcome::Refused,
        "renewed" => Outcome::Renewed,
        "stale" => Outcome::Stale,
        "lost" => Outcome::Lost,
        "released" => Outcome::Released,
        "not-mine" => Outcome::NotMine,
        "seen" => Outcome::Seen,
        "asked" => Outcome::Asked,
        "not-held" => Outcome::NotHeld,
        _ => return None,
    };
    let (record, asked) = match rest {
        [] => (None, false),
        [record_fields @ .., asked] => {
            let record_shown = record(record_fields.try_into().ok()?)?;
            (Some(record_shown), flag(asked)?)
        }
    };
    let listeners = match heard {
        "-1" => None,
        heard => Some(integer(heard)?.saturating_sub(u64::from(subscribed))),
    };
    Some(Ok(Reply {
        outcome,
        record,
        listeners: listeners.map(|others| u32::try_from(others).unwrap_or(u32::MAX)),
        asked,
    }))
}

fn record(fields: [&str; 11]) -> Option<Record> {
    let [
        seq,
        epoch,
        run,
        nonce,
        token,
        identity,
        ttl,
        released,
        same_incarnation,
        server,
        ranks,
    ] = fields;
    Some(Record {
        version: Version {
            seq: integer(seq)?,
            epoch: u64::from_str_radix(epoch, 16).ok()?,
            incarnation: run.into(),
        },
        nonce: nonce.parse().ok()?,
        token: Token::new(integer(token)?),
        holder: holder(identity),
        server: Arc::from(server),
        ttl: Duration::from_millis(integer(ttl)?),
        released: flag(released)?,
        same_incarnation: flag(same_incarnation)?,
        ranks: Ranks::parse(ranks),
    })
}

/// `None` where there is none, and for what no candidate of ours is called.
fn holder(identity: &str) -> Option<Identity> {
    let ours = identity.len() == 32 && identity.bytes().all(|b| b.is_ascii_hexdigit());
    ours.then(|| identity.parse().ok()).flatten()
}

fn flag(text: &str) -> Option<bool> {
    match text {
        "0" => Some(false),
        "1" => Some(true),
        _ => None,
    }
}

/// Digits only, and none beyond what Lua and JavaScript represent exactly: our scripts say no such.
fn integer(text: &str) -> Option<u64> {
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    let number = digits.then(|| text.parse().ok())?;
    number.filter(|number| *number <= Token::MAX.get())
}

fn text(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::BulkString(bytes) => Some(String::from_utf8_lossy(bytes)),
        Value::SimpleString(text) => Some(text.into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::election::Nonce;

    const IDENTITY: &str = "000102030405060708090a0b0c0d0e0f";

    fn array(fields: &[&str]) -> Value {
        Value::Array(
            fields
                .iter()
                .map(|field| Value::BulkString(field.as_bytes().to_vec()))
                .collect(),
        )
    }

    fn full<'a>() -> Vec<&'a str> {
        vec![
            "granted",
            "3",
            "7",
            "00000000000000ff",
            "ab:cd",
            "000000000000beef",
            "1700000000000000",
            IDENTITY,
            "5000",
            "0",
            "1",
            "server one",
            "1001,1000",
            "1",
        ]
    }

    fn full_record() -> Record {
        Record {
            version: Version {
                seq: 7,
                epoch: 255,
                incarnation: "ab:cd".into(),
            },
            nonce: Nonce::new(0xbeef),
            token: Token::new(1_700_000_000_000_000),
            holder: Some(IDENTITY.parse().unwrap()),
            server: "server one".into(),
            ttl: Duration::from_secs(5),
            released: false,
            same_incarnation: true,
            ranks: Ranks::parse("1001,1000"),
        }
    }

    #[test]
    fn a_reply_brings_the_whole_record() {
        let reply = decode_reply(&array(&full()), false).unwrap();
        assert_eq!(
            reply,
            Reply {
                outcome: Outcome::Granted,
                record: Some(full_record()),
                listeners: Some(3),
                asked: true,
            }
        );
    }

    #[test]
    fn one_who_is_subscribed_itself_is_not_counted_among_the_others() {
        let reply = decode_reply(&array(&full()), true).unwrap();
        assert_eq!(reply.listeners, Some(2));
        let alone = decode_reply(&array(&["stale", "0"]), true).unwrap();
        assert_eq!(alone.listeners, Some(0));
        let unpublished = decode_reply(&array(&["stale", "-1"]), true).unwrap();
        assert_eq!(unpublished.listeners, None);
        assert_eq!(unpublished.record, None);
    }

    #[test]
    fn a_denial_says_why() {
        let denied = decode_reply(&array(&["denied", "INFO server has no run_id"]), false);
        let cause = "INFO server has no run_id".into();
        assert_eq!(denied, Err(Failure::Denied { cause }));
    }

    #[test]
    fn an_unknown_holder_is_none() {
        for odd in ["", "somebody", "+00102030405060708090a0b0c0d0e0f"] {
            let mut fields = full();
            fields[7] = odd;
            let reply = decode_reply(&array(&fields), false).unwrap();
            assert_eq!(reply.record.unwrap().holder, None, "{odd:?}");
        }
    }

    #[test]
    fn whatever_else_is_said_is_an_unknown_outcome() {
        let mut odd = vec![
            Value::Nil,
            Value::Okay,
            Value::Int(1),
            Value::Array(vec![]),
            Value::Array(vec![Value::Nil, Value::Nil]),
            array(&["granted"]),
            array(&["elected", "1"]),
            array(&["granted", "many"]),
            array(&["granted", "-2"]),
        ];
        for (index, wrong) in [
            (2, "-1"),
            (2, ""),
            // 2^53, and beyond 64 bits.
            (2, "9007199254740992"),
            (3, "xyz"),
            (5, "xyz"),
            (6, "+5"),
            (6, "1e3"),
            (6, "9007199254740992"),
            (6, "99999999999999999999999"),
            (8, "long"),
            (9, "2"),
            (10, "yes"),
        ] {
            let mut fields = full();
            fields[index] = wrong;
            odd.push(array(&fields));
        }
        let mut short = full();
        short.pop();
        odd.push(array(&short));
        for value in odd {
            let reply = decode_reply(&value, true);
            assert!(matches!(reply, Err(Failure::Unknown { .. })), "{value:?}");
        }
    }

    #[test]
    fn a_message_brings_the_record_and_its_listeners() {
        let payload = format!(
            "1 released 7 00000000000000ff ab:cd 000000000000beef 1700000000000000 {IDENTITY} 5000 1 4 1001,1000 server one"
        );
        let expected = Message {
            change: WriteKind::Released,
            record: Record {
                released: true,
                ..full_record()
            },
            listeners: 4,
        };
        assert_eq!(decode_message(payload.as_bytes()), Some(expected));
    }

    fn created(protocol: &str, change: &str, seq: &str, token: &str) -> Vec<u8> {
        let known = "00000000000000ff ab:cd 000000000000beef";
        format!("{protocol} {change} {seq} {known} {token} - 5000 0 0 - ").into()
    }

    #[test]
    fn a_message_of_a_created_record_has_no_holder() {
        let message = decode_message(&created("1", "created", "0", "0")).unwrap();
        assert_eq!(message.record.holder, None);
        assert_eq!(&*message.record.server, "");
    }

    #[test]
    fn odd_messages_are_ignored() {
        let beyond = "9007199254740992";
        let run = "ab".repeat(LONGEST_MESSAGE / 2);
        let endless =
            format!("1 created 0 00000000000000ff {run} 000000000000beef 0 - 5000 0 0 - ");
        let odd: [&[u8]; 9] = [
            b"",
            b"hello",
            b"\xff\xfe \x00",
            &created("2", "created", "0", "0"),
            &created("1", "deposed", "0", "0"),
            &created("1", "created", beyond, "0"),
            &created("1", "created", "0", beyond),
            b"1 created 0 00000000000000ff ab:cd 000000000000beef 0 - 5000 0 0 -",
            endless.as_bytes(),
        ];
        for payload in odd {
            let shown = String::from_utf8_lossy(payload);
            assert_eq!(decode_message(payload), None, "{shown}");
        }
    }
}
