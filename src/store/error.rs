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
            let denied = says(DENIED) || SCRIPT_DENIED.iter().any(|words| cause.contains(words));
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
    use std::error::Error;
    match error
        .source()
        .and_then(|source| source.downcast_ref::<io::Error>())
    {
        Some(error) => plain(error),
        None => error.to_string(),
    }
}

/// Redis 6.2 puts an error inside a script into a sentence of its own, with a dash before the code.
fn has_code(words: &str, code: &str) -> bool {
    words.split([' ', '-', ':']).any(|word| word == code)
}

const DENIED: &[&str] = &["NOAUTH", "WRONGPASS", "NOPERM", "WRONGTYPE"];
/// What a script is told about a permission that its user lacks, where no code says it.
const SCRIPT_DENIED: &[&str] = &[
    "The user executing the script",
    "can't run this command",
    "ACL failure",
];
const RECONNECT: &[&str] = &["READONLY", "LOADING", "MASTERDOWN", "NOAUTH"];

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
