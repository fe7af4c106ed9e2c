use std::fmt::{self, Display, Write};
use std::ops::Range;
use std::sync::LazyLock;

use super::Target;
use super::keys::Keys;
use super::outgoing::{Digits, Outgoing, head};
use crate::election::{Command, Reason, Token};

/// A Lua script, embedded at compile time behind the prelude that all of them share.
#[derive(Debug)]
pub(super) struct Script {
    text: &'static str,
    sha1: String,
}

/// One call of a script, written as it goes over the wire but for how the script itself is named.
pub(super) struct Invocation {
    pub script: &'static Script,
    /// How many arguments are in `written`.
    arguments: usize,
    /// The number of keys, the keys, and all that the script is told.
    written: Vec<u8>,
    /// Where the first key is in it.
    key: Range<usize>,
}

impl Script {
    pub fn new(text: &'static str) -> Self {
        Script {
            text,
            sha1: redis::Script::new(text).get_hash().to_owned(),
        }
    }

    /// Which command was refused, as far as the server's words tell: the script itself, what it calls
    /// in the line that they name, or one of all that it calls.
    pub fn refused_command(&self, words: &str) -> String {
        if !words.to_ascii_lowercase().contains("script") {
            return "EVAL".into();
        }
        let line = words.rsplit_once("@user_script:").and_then(|(_, rest)| {
            let rest = rest.trim_start();
            let end = rest.find(|c: char| !c.is_ascii_digit());
            let number: usize = rest[..end.unwrap_or(rest.len())].parse().ok()?;
            self.text.lines().nth(number.checked_sub(1)?)
        });
        let called = line.map(calls).unwrap_or_default();
        if let [command] = called[..] {
            return command.into();
        }
        let mut all = calls(self.text);
        all.sort_unstable();
        all.dedup();
        format!("one of {}", all.join(", "))
    }
}

impl Invocation {
    /// Written where `memory` is.
    pub fn new(memory: Vec<u8>, script: &'static Script, key: impl Display) -> Self {
        Invocation::begin(memory, script, 1, key)
    }

    pub fn with_two_keys(
        memory: Vec<u8>,
        script: &'static Script,
        key: impl Display,
        second: impl Display,
    ) -> Self {
        Invocation::begin(memory, script, 2, key).with(second)
    }

    fn begin(mut memory: Vec<u8>, script: &'static Script, keys: u8, first: impl Display) -> Self {
        memory.clear();
        memory.reserve(USUAL_LENGTH);
        let mut invocation = Invocation {
            script,
            arguments: 0,
            written: memory,
            key: 0..0,
        };
        invocation.put(keys);
        invocation.key = invocation.put(first);
        invocation
    }

    pub fn with(mut self, argument: impl Display) -> Self {
        self.put(argument);
        self
    }

    /// Writes an argument, and says where it is.
    fn put(&mut self, argument: impl Display) -> Range<usize> {
        let begins = self.written.len();
        // Writing to memory does not fail.
        let _ = write!(Written(&mut self.written), "{argument}");
        let length = self.written.len() - begins;
        let mut digits = Digits::default();
        let head = head(b'$', length, &mut digits);
        self.written.extend_from_slice(head);
        self.written[begins..].rotate_right(head.len());
        self.written.extend_from_slice(b"\r\n");
        self.arguments += 1;
        begins + head.len()..begins + head.len() + length
    }

    /// The script that a command about the record of an election calls.
    pub fn script_of(command: &Command) -> &'static Script {
        match command {
            Command::Acquire { .. } => &ACQUIRE,
            Command::Renew { .. } => &RENEW,
            Command::Release { .. } => &RELEASE,
            Command::Inspect => &INSPECT,
            Command::AskToResign { .. } => &REQUEST_RESIGN,
        }
    }

    /// What an election asks about its record, written where `memory` is.
    pub fn of_election(
        memory: Vec<u8>,
        keys: Keys,
        target: &Target,
        failover_unsafe: bool,
        command: &Command,
    ) -> Self {
        let may_be_untold = if failover_unsafe { "1" } else { "" };
        let script = Invocation::script_of(command);
        let called = match command {
            Command::Acquire { .. } | Command::Release { .. } => {
                Invocation::with_two_keys(memory, script, keys.record(), keys.standbys())
            }
            _ => Invocation::new(memory, script, keys.record()),
        };
        let called = called.with(keys.changes()).with(may_be_untold);
        match command {
            Command::Acquire {
                identity,
                ttl,
                floor,
                watched,
                eager,
                rank,
                signs,
                nonce,
            } => called
                .with(identity)
                .with(&target.server)
                .with(ttl.as_millis())
                .with(floor.get())
                .with(OrEmpty(watched.as_ref()))
                .with(OrEmpty(eager.map(|eager| eager.as_millis())))
                .with(nonce)
                .with(&target.entry)
                .with(rank)
                .with(OrEmpty(signs.then_some(1))),
            Command::Renew {
                identity,
                token,
                ttl,
                over,
                nonce,
            } => called
                .with(identity)
                .with(&target.server)
                .with(token.get())
                .with(ttl.as_millis())
                .with(OrEmpty(over.as_ref()))
                .with(nonce),
            Command::Release {
                identity,
                listeners,
                reason,
                nonce,
            } => called
                .with(identity)
                .with(listeners)
                .with(nonce)
                .with(&target.entry)
                .with(unclaimed_or(*reason)),
            Command::Inspect => called,
            Command::AskToResign { token } => called.with(OrEmpty(token.map(Token::get))),
        }
    }

    /// The first key, by which a cluster finds the place of all of them.
    pub fn key(&self) -> &[u8] {
        &self.written[self.key.clone()]
    }

    /// In the short form, for a server that knows the script; or in the long form, which also makes it
    /// known.
    pub fn put_into(&self, outgoing: &mut Outgoing, by_hash: bool) {
        let (name, script) = match by_hash {
            true => ("EVALSHA", &*self.script.sha1),
            false => ("EVAL", self.script.text),
        };
        outgoing.begin_command(2 + self.arguments);
        outgoing.argument(name.as_bytes());
        outgoing.argument(script.as_bytes());
        outgoing.append(&self.written);
    }

    /// What it was written in, to be used again.
    pub fn into_memory(self) -> Vec<u8> {
        self.written
    }
}

/// Why a lease was released, in the log: one that nobody knew of was never claimed.
pub(super) fn unclaimed_or(reason: Option<Reason>) -> &'static str {
    reason.map_or("unclaimed", Reason::word)
}

impl fmt::Debug for Invocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Invocation")
            .field("key", &String::from_utf8_lossy(self.key()))
            .finish_non_exhaustive()
    }
}

/// Without the detour over what may fail.
struct Written<'a>(&'a mut Vec<u8>);

impl Write for Written<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

/// Nothing is said as an empty argument.
struct OrEmpty<T>(Option<T>);

impl<T: Display> Display for OrEmpty<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(value) => value.fmt(f),
            None => Ok(()),
        }
    }
}

/// In bytes.
const USUAL_LENGTH: usize = 256;

/// The commands that a piece of a script calls by their names.
fn calls(text: &str) -> Vec<&str> {
    let after = text.split("call('").skip(1);
    after.filter_map(|rest| rest.split('\'').next()).collect()
}

static ACQUIRE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(concat!(
        include_str!("scripts/record.lua"),
        include_str!("scripts/acquire.lua")
    ))
});
static RENEW: LazyLock<Script> = LazyLock::new(|| {
    Script::new(concat!(
        include_str!("scripts/record.lua"),
        include_str!("scripts/renew.lua")
    ))
});
static RELEASE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(concat!(
        include_str!("scripts/record.lua"),
        include_str!("scripts/release.lua")
    ))
});
static INSPECT: LazyLock<Script> = LazyLock::new(|| {
    Script::new(concat!(
        include_str!("scripts/record.lua"),
        include_str!("scripts/inspect.lua")
    ))
});
static REQUEST_RESIGN: LazyLock<Script> = LazyLock::new(|| {
    Script::new(concat!(
        include_str!("scripts/record.lua"),
        include_str!("scripts/request_resign.lua")
    ))
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_written_as_the_protocol_wants_it() {
        static SCRIPT: LazyLock<Script> = LazyLock::new(|| Script::new("return 1"));
        let invocation = Invocation::with_two_keys(Vec::new(), &SCRIPT, "lease:{mail}", "tick")
            .with(format_args!("{} {}", 7, "x"))
            .with(OrEmpty(None::<u64>));
        assert_eq!(invocation.key(), b"lease:{mail}");
        let mut outgoing = Outgoing::default();
        invocation.put_into(&mut outgoing, false);
        let expected = "*7\r\n$4\r\nEVAL\r\n$8\r\nreturn 1\r\n$1\r\n2\r\n$12\r\nlease:{mail}\r\n\
                        $4\r\ntick\r\n$3\r\n7 x\r\n$0\r\n\r\n";
        assert_eq!(String::from_utf8_lossy(outgoing.next()), expected);
    }

    #[test]
    fn the_command_that_a_script_was_refused_is_found_by_the_line() {
        let script = Script::new("local a\nlocal t = redis.call('TIME')\nredis.pcall('SET', 1)\n");
        for (words, command) in [
            ("ERR unknown command 'EVAL'", "EVAL"),
            (
                "NOPERM this user has no permissions to run the 'eval' command",
                "EVAL",
            ),
            (
                "ERR Unknown Redis command called from script script: ab12, on @user_script:2.",
                "TIME",
            ),
            (
                "ERR Error running script (call to f_ab): @user_script:2: @user_script: 2: Unknown Redis command called from Lua script",
                "TIME",
            ),
            (
                "ERR The user executing the script can't run this command or subcommand script: ab, on @user_script:3.",
                "SET",
            ),
            (
                "ERR Unknown Redis command called from script",
                "one of SET, TIME",
            ),
            (
                "ERR Unknown Redis command called from script script: ab12, on @user_script:1.",
                "one of SET, TIME",
            ),
            (
                "ERR Unknown Redis command called from script script: ab12, on @user_script:99.",
                "one of SET, TIME",
            ),
        ] {
            assert_eq!(script.refused_command(words), command, "{words}");
        }
    }
}
