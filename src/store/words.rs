//! What a server says, on its way to people.

use std::borrow::Cow;
use std::fmt::Write;
use std::sync::Arc;

use super::RedisSource;
use crate::election::Failure;

/// Somebody else's text as it can be shown: on one line, and without what a terminal obeys.
pub fn escaped(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_odd) {
        return text.into();
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        // Writing to a string does not fail.
        let _ = match c {
            '\n' | '\r' | '\t' => write!(shown, "{}", c.escape_default()),
            c if is_odd(c) && u32::from(c) < 0x100 => write!(shown, "\\x{:02x}", u32::from(c)),
            c if is_odd(c) => write!(shown, "{}", c.escape_unicode()),
            c => shown.write_char(c),
        };
    }
    shown.into()
}

/// Control characters, the separators of lines, and what changes the direction of the text.
fn is_odd(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A failure as callers and the log are told of it: escaped, of readable length, with the address of
/// the server and without the password. Telling twice changes nothing.
pub(super) fn told(failure: Failure, source: &RedisSource) -> Failure {
    let cause = tell(failure.cause(), source);
    with_cause(&failure, cause)
}

/// The same failure, said in other words.
pub(super) fn with_cause(failure: &Failure, cause: Arc<str>) -> Failure {
    match failure {
        Failure::Unknown { .. } => Failure::Unknown { cause },
        Failure::Refused { .. } => Failure::Refused { cause },
        Failure::Denied { .. } => Failure::Denied { cause },
    }
}

fn tell(cause: &str, source: &RedisSource) -> Arc<str> {
    let address = source.address();
    let hide = |cause: String, secret: &str| cause.replace(secret, "***");
    let cause = source.secrets().fold(cause.to_owned(), hide);
    let mut shown = escaped(&cause).into_owned();
    if let Some((end, _)) = shown.char_indices().nth(LONGEST) {
        shown.truncate(end);
        shown.push('…');
    }
    if !shown.contains(&address) {
        let kept = shown.trim_end_matches(['.', ' ']).len();
        shown.truncate(kept);
        // Writing to a string does not fail.
        let _ = write!(shown, " ({address})");
    }
    shown.into()
}

/// In characters; no server has that much to say for itself.
const LONGEST: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    fn source() -> RedisSource {
        RedisSource {
            password: Some("hush".into()),
            ..RedisSource::default()
        }
    }

    #[test]
    fn what_a_terminal_obeys_is_shown_instead() {
        for (text, shown) in [
            (
                "plain words, ünïcode — 漢字 👍",
                "plain words, ünïcode — 漢字 👍",
            ),
            ("\u{1b}[31mred\u{1b}[0m", "\\x1b[31mred\\x1b[0m"),
            ("a\r\nb\tc\0", "a\\r\\nb\\tc\\x00"),
            ("\u{9b}2J\u{7f}", "\\x9b2J\\x7f"),
            ("\u{202e}drawkcab\u{2028}", "\\u{202e}drawkcab\\u{2028}"),
        ] {
            assert_eq!(escaped(text), shown);
            assert_eq!(escaped(shown), shown, "twice");
        }
    }

    #[test]
    fn a_failure_is_told_with_the_address_and_without_the_password() {
        let failure = |cause: &str| Failure::Refused {
            cause: cause.into(),
        };
        let source = source();
        for (cause, expected) in [
            ("OOM no memory.", "OOM no memory (localhost:6379)"),
            ("ERR hush\u{7}", "ERR ***\\x07 (localhost:6379)"),
            ("refused (localhost:6379)", "refused (localhost:6379)"),
        ] {
            let once = told(failure(cause), &source);
            assert_eq!(once, failure(expected));
            assert_eq!(told(once.clone(), &source), once);
        }
    }

    #[test]
    fn a_long_speech_is_cut() {
        let cause = "ü".repeat(5000).into();
        let told = told(Failure::Denied { cause }, &source());
        assert!(told.cause().chars().count() < 1100);
        assert!(told.cause().ends_with("… (localhost:6379)"), "{told:?}");
    }
}
