//! Hears of failovers from the sentinels, and looks for the master again.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::stream::StreamExt;
use redis::{PushKind, Value};
use tokio::io::{AsyncWriteExt, split};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};

use super::super::backoff::Backoff;
use super::super::connection::{Connection, Push, message};
use super::super::deadline::Deadline;
use super::super::jitter::random;
use super::super::outgoing::Outgoing;
use super::super::replies::replies;
use super::super::socket::{Progress, Socket};
use super::super::{Endpoint, RedisSource};
use super::Sentinels;
use super::asking::way_to;

/// Listens to every sentinel, and looks for the master when one of them tells of a failover or is heard
/// again, once a second at most. Ends when nobody needs the master any more.
pub(super) async fn keep_watch(sentinels: Weak<Sentinels>) {
    let stirred = Arc::new(Notify::new());
    let mut listeners: HashMap<Endpoint, HeardSentinel> = HashMap::new();
    while let Some(watched) = sentinels.upgrade()
        && !watched.is_unused()
    {
        let all = watched.all();
        listeners.retain(|at, _| all.contains(at));
        for at in all {
            let way = way_to(&watched.source, &watched.given, &at);
            let name = &watched.given.name;
            let listen = || HeardSentinel::start(way, name.clone(), stirred.clone());
            listeners.entry(at).or_insert_with(listen);
        }
        drop(watched);
        if timeout(LONGEST_ROUND, stirred.notified()).await.is_err() {
            continue;
        }
        let Some(watched) = sentinels.upgrade() else {
            return;
        };
        let begun = Instant::now();
        if watched.look(&Deadline::new(begun + LONGEST_LOOK)).await {
            stirred.notify_one();
        }
        drop(watched);
        sleep_until(begun + BETWEEN_LOOKS).await;
    }
}

/// Hears one sentinel, until it is dropped.
struct HeardSentinel(JoinHandle<()>);

impl HeardSentinel {
    fn start(way: RedisSource, name: String, stirred: Arc<Notify>) -> Self {
        HeardSentinel(tokio::spawn(async move {
            let mut backoff = Backoff::new(random());
            loop {
                sleep(backoff.next_pause(LONGEST_PAUSE)).await;
                let until = Instant::now() + way.connect_timeout.min(LONGEST_ATTEMPT);
                let opened = timeout_at(
                    until,
                    Connection::open_any(&way, until, &Progress::default()),
                )
                .await;
                if let Ok(Ok(connection)) = opened
                    && let Some(socket) = connection.into_socket()
                {
                    hear(socket, &name, &stirred, || backoff.reset()).await;
                }
            }
        }))
    }
}

impl Drop for HeardSentinel {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Hears a sentinel until its connection ends.
async fn hear(socket: Socket, name: &str, stirred: &Notify, mut begun: impl FnMut()) {
    let (reading, mut writing) = split(socket);
    let mut subscribe = Outgoing::default();
    subscribe.begin_command(2);
    subscribe.argument(b"SUBSCRIBE");
    subscribe.argument(CHANNEL);
    if writing.write_all(subscribe.next()).await.is_err() {
        return;
    }
    let mut replies = pin!(replies(reading));
    while let Some(Ok(said)) = replies.next().await {
        match heard(said) {
            // What it told before, nobody has heard.
            SentinelSaid::Subscribed => {
                begun();
                stirred.notify_one();
            }
            SentinelSaid::Refused => {
                begun();
                tracing::debug!("subscribing to a sentinel is refused: it is asked now and then");
                stirred.notify_one();
                return sleep(WITHOUT_MESSAGES).await;
            }
            SentinelSaid::Switched(master) if master == name => stirred.notify_one(),
            SentinelSaid::Switched(_) | SentinelSaid::Nothing => {}
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum SentinelSaid {
    Subscribed,
    Refused,
    /// The master of this name is another.
    Switched(String),
    Nothing,
}

/// What a sentinel says means, in either protocol.
fn heard(said: Value) -> SentinelSaid {
    let message = match said {
        Value::Push {
            kind: PushKind::Subscribe,
            ..
        } => return SentinelSaid::Subscribed,
        Value::Push { kind, data } => message(kind, data),
        Value::Array(fields) => match <[Value; 3]>::try_from(fields) {
            Ok([kind, channel, payload]) => {
                if kind == Value::BulkString(b"subscribe".into()) {
                    return SentinelSaid::Subscribed;
                }
                message(PushKind::Message, vec![channel, payload])
            }
            Err(_) => None,
        },
        Value::ServerError(_) => return SentinelSaid::Refused,
        _ => None,
    };
    match message {
        Some(Push { channel, payload }) if channel == CHANNEL => {
            let name = payload.split(|byte| *byte == b' ').next();
            SentinelSaid::Switched(String::from_utf8_lossy(name.unwrap_or_default()).into_owned())
        }
        _ => SentinelSaid::Nothing,
    }
}

const CHANNEL: &[u8] = b"+switch-master";
/// However many messages come.
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);
/// What is told later is heard later.
const LONGEST_LOOK: Duration = Duration::from_secs(2);
const LONGEST_ROUND: Duration = Duration::from_secs(5);
const LONGEST_ATTEMPT: Duration = Duration::from_secs(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
const WITHOUT_MESSAGES: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: &str) -> Value {
        Value::BulkString(text.into())
    }

    fn switched(channel: &str) -> Vec<Value> {
        vec![bulk(channel), bulk("main 10.0.0.1 1 10.0.0.2 2")]
    }

    #[test]
    fn a_failover_is_heard_in_either_protocol() {
        let data = switched("+switch-master");
        let older = [vec![bulk("message")], data.clone()].concat();
        let newer = Value::Push {
            kind: PushKind::Message,
            data,
        };
        for said in [newer, Value::Array(older)] {
            assert_eq!(heard(said), SentinelSaid::Switched("main".into()));
        }
    }

    #[test]
    fn the_beginning_is_heard_in_either_protocol() {
        let data = vec![bulk("+switch-master"), Value::Int(1)];
        let older = [vec![bulk("subscribe")], data.clone()].concat();
        let newer = Value::Push {
            kind: PushKind::Subscribe,
            data,
        };
        for said in [newer, Value::Array(older)] {
            assert_eq!(heard(said), SentinelSaid::Subscribed);
        }
    }

    #[test]
    fn what_is_not_about_a_failover_is_nothing() {
        let other = Value::Push {
            kind: PushKind::Message,
            data: switched("+sdown"),
        };
        for said in [other, Value::Okay, Value::Nil, Value::Array(vec![])] {
            assert_eq!(heard(said), SentinelSaid::Nothing);
        }
    }
}
