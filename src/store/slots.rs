//! Where the keys of a cluster lie, and which commands would need more than one of its slots.

use crc::{CRC_16_XMODEM, Crc};
use redis::{RedisError, Value};

use super::FenceOutcome;
use super::error::classify;
use crate::election::Failure;

/// What is answered in the place of the script, if the answer to COMMAND GETKEYS forbids to send it.
/// `own` is the key that the script declares.
///
/// A command without keys crosses no slot, and one that the server cannot read it refuses itself.
pub(super) fn refusal(
    own: &str,
    answer: Result<Value, RedisError>,
) -> Option<Result<FenceOutcome, Failure>> {
    let keys = match answer {
        Ok(Value::Array(keys)) => keys,
        Ok(_) => return None,
        Err(error) => {
            let verdict = classify(&error);
            return match verdict.failure {
                Failure::Denied { cause } if !verdict.reconnect => Some(Err(Failure::Denied {
                    cause: format!(
                        "COMMAND GETKEYS, which a command in a cluster needs, is refused: {cause}"
                    )
                    .into(),
                })),
                Failure::Refused { cause } if cause.starts_with("ERR ") => None,
                failure => Some(Err(failure)),
            };
        }
    };
    let crossing = keys.iter().find_map(|key| match key {
        Value::BulkString(key) if slot(key) != slot(own.as_bytes()) => Some(key),
        _ => None,
    })?;
    let shown: String = String::from_utf8_lossy(crossing).chars().take(80).collect();
    let tag = String::from_utf8_lossy(hashed_part(own.as_bytes()));
    Some(Ok(FenceOutcome::Unfit {
        why: format!(
            "the key {shown:?} is in slot {} of the cluster and {own:?} in slot {}: write {:?} into the key",
            slot(crossing),
            slot(own.as_bytes()),
            format!("{{{tag}}}"),
        )
        .into(),
    }))
}

fn slot(key: &[u8]) -> u16 {
    Crc::<u16>::new(&CRC_16_XMODEM).checksum(hashed_part(key)) % 16_384
}

/// What stands between the first brace and the next closing one, unless that is nothing: the hash tag
/// of the cluster's specification.
fn hashed_part(key: &[u8]) -> &[u8] {
    let tag = key.iter().position(|b| *b == b'{').and_then(|open| {
        let rest = &key[open + 1..];
        let close = rest.iter().position(|b| *b == b'}')?;
        (close > 0).then(|| &rest[..close])
    });
    tag.unwrap_or(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_tag_is_between_the_first_pair_of_braces() {
        for (key, part) in [
            ("mail", "mail"),
            ("{mail}", "mail"),
            ("app:fence:{mail}:x", "mail"),
            ("{app}:fence:{mail}", "app"),
            ("{}:fence:{mail}", "{}:fence:{mail}"),
            ("a{{b}}c", "{b"),
            ("a{b", "a{b"),
            ("a}b{c}", "c"),
            ("", ""),
        ] {
            let found = hashed_part(key.as_bytes());
            assert_eq!(String::from_utf8_lossy(found), part, "{key}");
        }
    }

    #[test]
    fn slots_are_those_of_the_clusters_specification() {
        // Its own check value, and what CLUSTER KEYSLOT says.
        assert_eq!(slot(b"123456789"), 0x31c3);
        assert_eq!(slot(b"{user1000}.following"), slot(b"user1000"));
        assert_eq!(slot(b"foo"), 12_182);
    }
}
