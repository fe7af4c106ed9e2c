use std::io;
use std::sync::Arc;
use std::time::Duration;

use redis::{ErrorKind, RedisError};

use crate::election::Failure;

/// What an error means to the caller, and to the connection it came over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    pub failure: Failure,
    /// Nothing good is to be expected from this connection any more.
    pub reconnect: bool,
}

/// Sorts the error of a command into one of the three decisions that a caller has.
pub(super) fn classify(error: &RedisError) -> Verdict {
    let verdict = |failure, reconnect| Verdict { failure, reconnect };
    match error.kind() {
        ErrorKind::AuthenticationFailed => {
            let cause = "the server refuses the credentials".into();
            verdict(Failure::Denied { cause }, true)
        }
        ErrorKind::Server(_) | ErrorKind::Extension => {
            let cause = server_words(error);
            let says = |codes: &[&str]| codes.iter().any(|code| has_code(&cause, code));
            let denied = says(DENIED) || denies_command(&cause);
            let reconnect = says(RECONNECT);
            let cause = Arc::from(cause);
            match denied {
                true => verdict(Failure::Denied { cause }, reconnect),
                false => verdict(Failure::Refused { cause }, reconnect),
            }
        }
        _ => verdict(
            Failure::Unknown {
                cause: io_words(error).into(),
            },
            true,
        ),
    }
}

/// What a command of the log-in that was answered with an error means: denied, unless that passes.
pub(super) fn refused_login(error: &RedisError) -> Failure {
    match classify(error).failure {
        Failure::Refused { cause } if cause.starts_with("ERR") && !turned_away(&cause) => {
            Failure::Denied { cause }
        }
        failure => failure,
    }
}

/// The server does not know a command, or its user may not call it: nothing that a person cannot fix.
/// Proxies have words of their own for that.
pub(super) fn denies_command(words: &str) -> bool {
    let lower = words.to_ascii_lowercase();
    has_code(words, "NOPERM")
        || LACKING.iter().any(|said| lower.contains(said))
        || SCRIPT_DENIED.iter().any(|said| words.contains(said))
}

/// EVALSHA itself is missing or not permitted; EVAL may be there.
pub(super) fn refuses_evalsha(error: &RedisError) -> bool {
    let words = server_words(error);
    // What a script is refused is another matter.
    denies_command(&words) && words.to_ascii_lowercase().contains("evalsha")
}

/// The server has as many clients as it takes.
pub(super) fn turned_away(words: &str) -> bool {
    words.contains("max number of clients")
}

/// A script of somebody keeps the server from doing anything else.
pub(super) fn is_busy(error: &RedisError) -> bool {
    error.code() == Some("BUSY")
}

/// An I/O error in plain words: `connection refused`.
pub(super) fn plain(error: &io::Error) -> String {
    match error.kind() {
        // The kind would only say `other error`.
        io::ErrorKind::Other => error.to_string(),
        _ if error.kind().to_string() == "uncategorized error" => error.to_string(),
        kind => kind.to_string(),
    }
}

/// The words of the server, as it said them: `READONLY You can't write against a read only replica.`
pub(super) fn server_words(error: &RedisError) -> String {
    let code = error.code().unwrap_or("ERR");
    let detail = error.detail().unwrap_or_default();
    // A server that does not know a command repeats its arguments, among them a password.
    let detail = detail
        .split(", with args beginning with")
        .next()
        .unwrap_or_default();
    format!("{code} {detail}").trim_end().to_owned()
}

fn io_words(error: &RedisError) -> String {
    match io_error(error) {
        Some(error) => plain(error),
        None if error.kind() == ErrorKind::Parse => {
            unreadable(error.detail().unwrap_or_default()).into()
        }
        None => error.to_string(),
    }
}

/// What the socket said, where it was the socket.
pub(super) fn io_error(error: &RedisError) -> Option<&io::Error> {
    use std::error::Error;
    let source = error
        .source()?
        .downcast_ref::<Arc<dyn Error + Send + Sync>>()?;
    source.downcast_ref()
}

/// What an answer was that could not be read, from what the parser says of it.
fn unreadable(said: &str) -> &'static str {
    let at_first_byte = said.starts_with("Parse error at 1\n");
    if said.contains("end of input") {
        "the connection was closed in the middle of an answer"
    } else if at_first_byte && said.contains(TLS_ALERT) {
        "the server answers in TLS: does it want TLS?"
    } else {
        "the answer cannot be read: not a Redis server?"
    }
}

/// No connection, within the time that there was.
pub(super) fn no_connection(bound: Duration, address: &str) -> Arc<str> {
    format!("no connection within {} ms ({address})", bound.as_millis()).into()
}

/// It waited behind others, and never left.
pub(super) fn not_sent(bound: Duration, address: &str) -> Failure {
    let bound = bound.as_millis();
    Failure::Refused {
        cause: format!("the server is behind: not sent within {bound} ms ({address})").into(),
    }
}

/// Redis 6.2 puts an error inside a script into a sentence of its own, with a dash before the code.
pub(super) fn has_code(words: &str, code: &str) -> bool {
    words.split([' ', '-', ':']).any(|word| word == code)
}

const DENIED: &[&str] = &["NOAUTH", "WRONGPASS", "NOPERM", "WRONGTYPE"];
/// What is said of a command that is not there, by servers, within their scripts, and by proxies.
const LACKING: &[&str] = &[
    "unknown command",
    "unknown redis command",
    "unsupported command",
];
/// What a script is told about a permission that its user lacks, where no code says it.
const SCRIPT_DENIED: &[&str] = &[
    "The user executing the script",
    "can't run this command",
    "ACL failure",
];
const RECONNECT: &[&str] = &["READONLY", "LOADING", "MASTERDOWN", "NOAUTH"];

/// The first byte of a TLS record that is an alert, as the parser names it.
const TLS_ALERT: &str = "Unexpected `21`";

/// What is said of a command whose time is over, whoever notices it first.
pub(super) fn no_answer(bound: Duration, address: &str) -> String {
    format!("no answer within {} ms ({address})", bound.as_millis())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(code: &str, detail: &str) -> RedisError {
        redis::make_extension_error(code.into(), Some(detail.into()))
    }

    #[test]
    fn an_answer_that_passes_is_refused() {
        for code in [
            "LOADING",
            "READONLY",
            "OOM",
            "MISCONF",
            "BUSY",
            "MASTERDOWN",
            "NOREPLICAS",
            "TRYAGAIN",
            "CLUSTERDOWN",
            "MOVED",
            "ERR",
        ] {
            let verdict = classify(&server(code, "some words"));
            let cause = format!("{code} some words").into();
            assert_eq!(verdict.failure, Failure::Refused { cause });
        }
    }

    #[test]
    fn an_answer_that_only_a_person_can_mend_is_denied() {
        for code in ["NOAUTH", "WRONGPASS", "NOPERM", "WRONGTYPE"] {
            let verdict = classify(&server(code, "some words"));
            let cause = format!("{code} some words").into();
            assert_eq!(verdict.failure, Failure::Denied { cause });
        }
        let within = "The user executing the script can't run this command or subcommand";
        let verdict = classify(&server("ERR", within));
        assert!(matches!(verdict.failure, Failure::Denied { .. }));
    }

    #[test]
    fn a_command_that_is_missing_is_denied_whoever_says_so() {
        for (code, detail) in [
            ("ERR", "unknown command 'EVAL'"),
            (
                "ERR",
                "unknown command `EVAL`, with args beginning with: `x`, ",
            ),
            ("unsupported", "command 'eval'"),
            (
                "ERR",
                "Unknown Redis command called from script script: ab12, on @user_script:2.",
            ),
            (
                "ERR",
                "Error running script (call to f_ab): @user_script:2: @user_script: 2: Unknown Redis command called from Lua script",
            ),
        ] {
            let verdict = classify(&server(code, detail));
            assert!(
                matches!(verdict.failure, Failure::Denied { .. }),
                "{code} {detail}"
            );
        }
    }

    #[test]
    fn evalsha_may_be_missing_alone() {
        for (code, detail, alone) in [
            (
                "ERR",
                "unknown command `EVALSHA`, with args beginning with: `ab`, ",
                true,
            ),
            ("unsupported", "command 'evalsha'", true),
            (
                "NOPERM",
                "this user has no permissions to run the 'evalsha' command",
                true,
            ),
            (
                "NOPERM",
                "this user has no permissions to access one of the keys",
                false,
            ),
            (
                "ERR",
                "Unknown Redis command called from script script: ab, on @user_script:2.",
                false,
            ),
            ("LOADING", "evalsha", false),
        ] {
            assert_eq!(
                refuses_evalsha(&server(code, detail)),
                alone,
                "{code} {detail}"
            );
        }
    }

    #[test]
    fn a_log_in_that_is_refused_is_denied_unless_that_passes() {
        for (code, detail, denied) in [
            ("ERR", "invalid password", true),
            ("ERR", "Client sent AUTH, but no password is set", true),
            ("ERR", "DB index is out of range", true),
            ("ERR", "unknown command 'SELECT'", true),
            ("WRONGPASS", "invalid", true),
            ("NOPERM", "select", true),
            ("LOADING", "Redis is loading the dataset in memory", false),
            ("BUSY", "Redis is busy running a script.", false),
            ("MASTERDOWN", "Link with MASTER is down", false),
            ("ERR", "max number of clients reached", false),
            ("upstream", "failure", false),
        ] {
            let failure = refused_login(&server(code, detail));
            assert_eq!(
                matches!(failure, Failure::Denied { .. }),
                denied,
                "{code} {detail}"
            );
        }
    }

    #[test]
    fn an_answer_that_cannot_be_read_says_what_the_server_may_be() {
        for (bytes, words) in [
            (
                &b"HTTP/1.1 400 Bad Request\r\n"[..],
                "the answer cannot be read: not a Redis server?",
            ),
            (
                b"\x15\x03\x03\x00\x02\x02\x0a",
                "the server answers in TLS: does it want TLS?",
            ),
            (b"$5\r\n\x15", "unexpected end of file"),
        ] {
            let error = redis::parse_redis_value(bytes).unwrap_err();
            assert_eq!(io_words(&error), words);
        }
    }

    #[test]
    fn no_answer_is_an_unknown_outcome() {
        let dropped = RedisError::from(io::Error::from(io::ErrorKind::BrokenPipe));
        let cause = "broken pipe".into();
        let failure = Failure::Unknown { cause };
        assert_eq!(
            classify(&dropped),
            Verdict {
                failure,
                reconnect: true
            }
        );
    }

    #[test]
    fn a_server_that_cannot_serve_us_is_left() {
        for (code, left) in [
            ("READONLY", true),
            ("LOADING", true),
            ("MASTERDOWN", true),
            ("NOAUTH", true),
            ("OOM", false),
            ("BUSY", false),
            ("NOPERM", false),
            ("WRONGTYPE", false),
        ] {
            assert_eq!(classify(&server(code, "")).reconnect, left, "{code}");
        }
    }

    #[test]
    fn an_error_that_an_old_server_wraps_is_recognised() {
        let wrapped = server(
            "ERR",
            "Error running script (call to f_6b1bf): @user_script:1: -READONLY You can't write against a read only replica.",
        );
        assert!(classify(&wrapped).reconnect);
    }

    #[test]
    fn the_arguments_that_a_server_repeats_are_left_out() {
        let repeated = server(
            "ERR",
            "unknown command 'HELLO', with args beginning with: '3' 'AUTH' 'default' 'secret' ",
        );
        assert_eq!(server_words(&repeated), "ERR unknown command 'HELLO'");
    }
}
