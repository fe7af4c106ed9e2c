//! What it means when a server does not greet back.

use redis::{ErrorKind, RedisError};

use super::error::{has_code, server_words, turned_away};

/// The server does not want this HELLO, and may well serve the older protocol. It is not asked
/// what it calls that: proxies and servers of other makers have words of their own.
pub(super) fn wants_older_protocol(error: &RedisError, with_password: bool) -> bool {
    match error.kind() {
        ErrorKind::RESP3NotSupported => true,
        ErrorKind::Server(_) | ErrorKind::Extension => {
            refuses_hello(&server_words(error), with_password)
        }
        _ => false,
    }
}

fn refuses_hello(words: &str, with_password: bool) -> bool {
    // A server that asks for a password that was just given has not understood the HELLO.
    if has_code(words, "NOAUTH") {
        return with_password;
    }
    let credentials = has_code(words, "WRONGPASS") || words.starts_with("ERR AUTH");
    !credentials && !passes(words)
}

/// The server answers nothing else at present, whatever it is asked.
pub(super) fn passes(words: &str) -> bool {
    PASSING.iter().any(|code| has_code(words, code)) || turned_away(words)
}

/// What is answered to whatever is asked, for now.
const PASSING: [&str; 3] = ["LOADING", "BUSY", "MASTERDOWN"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_words_refuse_hello_the_older_protocol_is_tried() {
        for words in [
            "ERR unknown command 'HELLO'",
            "ERR unknown command `HELLO`",
            "NOPROTO unsupported protocol version",
            "ERR unsupported command 'hello'",
            "unsupported command 'hello'",
            "ERR Protocol error",
            "ERR invalid request",
            "ERR wrong number of arguments for 'hello' command",
            "ERR HELLO is disabled",
            "NOPERM this user has no permissions to run the 'hello' command",
            "ERR",
        ] {
            assert!(refuses_hello(words, false), "{words}");
            assert!(refuses_hello(words, true), "{words}");
        }
    }

    #[test]
    fn credentials_and_what_passes_are_no_refusal_of_hello() {
        for words in [
            "WRONGPASS invalid username-password pair or user is disabled.",
            "ERR AUTH <password> called without any password configured for the default user.",
            "LOADING Redis is loading the dataset in memory",
            "BUSY Redis is busy running a script.",
            "MASTERDOWN ConnectionState with MASTER is down",
            "ERR max number of clients reached",
            "ERR max number of clients + cluster connections reached",
        ] {
            assert!(!refuses_hello(words, false), "{words}");
            assert!(!refuses_hello(words, true), "{words}");
        }
    }

    #[test]
    fn who_wants_a_password_that_was_given_has_not_understood_hello() {
        let words = "NOAUTH Authentication required.";
        assert!(refuses_hello(words, true));
        assert!(!refuses_hello(words, false));
    }
}
