use std::sync::{Arc, LazyLock};

use redis::Cmd;

use super::Target;
use super::keys::Keys;
use crate::election::{Command, Token, Version};

/// A Lua script, embedded at compile time behind the prelude that all of them share.
#[derive(Debug)]
pub(super) struct Script {
    text: &'static str,
    sha1: String,
}

/// One call of a script.
#[derive(Debug)]
pub(super) struct Invocation {
    pub script: &'static Script,
    pub keys: Vec<Arc<str>>,
    arguments: Vec<Vec<u8>>,
}

impl Script {
    pub fn new(text: &'static str) -> Self {
        Script {
            text,
            sha1: redis::Script::new(text).get_hash().to_owned(),
        }
    }

    pub fn sha1(&self) -> &str {
        &self.sha1
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
    pub fn new(
        script: &'static Script,
        keys: Vec<Arc<str>>,
        arguments: impl IntoIterator<Item = impl Into<Vec<u8>>>,
    ) -> Self {
        Invocation {
            script,
            keys,
            arguments: arguments.into_iter().map(Into::into).collect(),
        }
    }

    /// What an election asks about its record.
    pub fn of_election(target: &Target, keys: Keys, command: &Command) -> Self {
        let server = target.server.to_string();
        let channel = keys.changes.to_string();
        let (script, arguments): (&'static Script, _) = match command {
            Command::Acquire {
                identity,
                ttl,
                floor,
                watched,
                eager,
                nonce,
            } => (
                &ACQUIRE,
                vec![
                    channel,
                    identity.to_string(),
                    server,
                    ttl.as_millis().to_string(),
                    integer(*floor),
                    version(watched.as_ref()),
                    eager.map_or_else(String::new, |eager| eager.as_millis().to_string()),
                    nonce.to_string(),
                ],
            ),
            Command::Renew {
                identity,
                token,
                ttl,
                over,
                nonce,
            } => (
                &RENEW,
                vec![
                    channel,
                    identity.to_string(),
                    server,
                    integer(*token),
                    ttl.as_millis().to_string(),
                    version(over.as_ref()),
                    nonce.to_string(),
                ],
            ),
            Command::Release {
                identity,
                listeners,
                nonce,
            } => (
                &RELEASE,
                vec![
                    channel,
                    identity.to_string(),
                    listeners.to_string(),
                    nonce.to_string(),
                ],
            ),
            Command::Inspect => (&INSPECT, vec![channel]),
        };
        Invocation::new(script, vec![keys.record], arguments)
    }

    /// The short form, for a server that knows the script.
    pub fn by_hash(&self) -> Cmd {
        self.command("EVALSHA", &self.script.sha1)
    }

    /// The long form, which also makes the script known.
    pub fn by_text(&self) -> Cmd {
        self.command("EVAL", self.script.text)
    }

    fn command(&self, name: &str, script: &str) -> Cmd {
        let mut command = redis::cmd(name);
        command
            .arg(script)
            .arg(self.keys.len())
            .arg(self.keys.iter().map(|key| &**key).collect::<Vec<&str>>())
            .arg(&self.arguments[..]);
        command
    }
}

/// The commands that a piece of a script calls by their names.
fn calls(text: &str) -> Vec<&str> {
    let after = text.split("call('").skip(1);
    after.filter_map(|rest| rest.split('\'').next()).collect()
}

fn integer(token: Token) -> String {
    token.get().to_string()
}

fn version(version: Option<&Version>) -> String {
    version.map_or_else(String::new, Version::to_string)
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

#[cfg(test)]
mod tests {
    use super::*;

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
