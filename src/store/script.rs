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
