use std::collections::{HashMap, HashSet};
use std::fmt;
use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::mpsc::UnboundedSender;

use super::connection::Push;
use super::reply::decode_message;
use super::run::decode_release;
use crate::election::Message;

/// Who hears the messages of a channel, each kind of channel in its own words.
#[derive(Clone, Debug)]
pub(super) enum Receiver {
    /// The changes of an election's record.
    Changes(UnboundedSender<Message>),
    /// The releases of a run lease: after how long it can be had.
    Releases(UnboundedSender<Duration>),
}

impl Receiver {
    async fn closed(&self) {
        match self {
            Receiver::Changes(sender) => sender.closed().await,
            Receiver::Releases(sender) => sender.closed().await,
        }
    }

    fn is_closed(&self) -> bool {
        match self {
            Receiver::Changes(sender) => sender.is_closed(),
            Receiver::Releases(sender) => sender.is_closed(),
        }
    }

    /// False for what is no message of this protocol version.
    fn deliver(&self, payload: &[u8]) -> bool {
        // A receiver that was dropped is forgotten by its departure.
        match self {
            Receiver::Changes(sender) => decode_message(payload).is_some_and(|message| {
                let _ = sender.send(message);
                true
            }),
            Receiver::Releases(sender) => decode_release(payload).is_some_and(|delay| {
                let _ = sender.send(delay);
                true
            }),
        }
    }
}

/// Who receives the messages of which channel, and what the present connection is subscribed to.
#[derive(Default)]
pub(super) struct Subscriptions {
    receivers: HashMap<Arc<str>, Vec<Receiver>>,
    /// Confirmed by the server, and not yet confirmed as ended.
    confirmed: HashSet<Arc<str>>,
    /// What the server had no time for.
    postponed: HashSet<Arc<str>>,
    /// What the server has never been told of.
    fresh: HashSet<Arc<str>>,
    /// What was subscribed to over an earlier connection, and the server is to be told again.
    again: Vec<Arc<str>>,
    /// What nobody receives any more, and the server is to be told.
    ended: Vec<Arc<str>>,
    /// One per receiver; ends with it.
    departures: FuturesUnordered<Pin<Box<dyn Future<Output = Arc<str>> + Send>>>,
}

impl Subscriptions {
    pub fn add(&mut self, channel: Arc<str>, receiver: Receiver) {
        let departure = (channel.clone(), receiver.clone());
        self.departures.push(Box::pin(async move {
            departure.1.closed().await;
            departure.0
        }));
        let receivers = self.receivers.entry(channel.clone()).or_default();
        receivers.push(receiver);
        if receivers.len() == 1 {
            self.fresh.insert(channel);
        }
    }

    /// The channel of the next receiver that is dropped. Waits without end while there is none.
    pub async fn departed(&mut self) -> Arc<str> {
        match self.departures.next().await {
            Some(channel) => channel,
            None => pending().await,
        }
    }

    /// Forgets the receivers that were dropped.
    pub fn prune(&mut self, channel: &Arc<str>) {
        let Some(receivers) = self.receivers.get_mut(channel) else {
            return;
        };
        receivers.retain(|receiver| !receiver.is_closed());
        if receivers.is_empty() {
            self.receivers.remove(channel);
            if !self.fresh.remove(channel) {
                self.ended.push(channel.clone());
            }
        }
    }

    /// Nobody receives anything.
    pub fn is_empty(&self) -> bool {
        self.receivers.is_empty()
    }

    pub fn postpone(&mut self, channels: Vec<Arc<str>>) {
        self.postponed.extend(channels);
    }

    /// Postponed no longer.
    pub fn resume(&mut self) {
        let postponed = self.postponed.drain();
        let wanted = postponed.filter(|channel| self.receivers.contains_key(channel));
        self.fresh.extend(wanted);
    }

    /// A connection begins, without any.
    pub fn begin(&mut self) {
        self.disconnect();
        self.again = self.receivers.keys().cloned().collect();
        self.again.retain(|channel| !self.fresh.contains(channel));
    }

    /// What is to be subscribed to now.
    pub fn take_fresh(&mut self) -> Vec<Arc<str>> {
        self.fresh.drain().collect()
    }

    /// What is to be subscribed to when there is nothing more urgent.
    pub fn take_again(&mut self) -> Vec<Arc<str>> {
        let mut again = std::mem::take(&mut self.again);
        again.retain(|channel| self.receivers.contains_key(channel));
        again
    }

    /// What is to be ended now.
    pub fn take_ended(&mut self) -> Vec<Arc<str>> {
        std::mem::take(&mut self.ended)
    }

    pub fn confirm(&mut self, channels: Vec<Arc<str>>) {
        self.confirmed.extend(channels);
    }

    pub fn confirm_end(&mut self, channels: &[Arc<str>]) {
        for channel in channels {
            self.confirmed.remove(channel);
        }
    }

    pub fn disconnect(&mut self) {
        self.confirmed.clear();
        self.postponed.clear();
        self.again.clear();
        self.ended.clear();
    }

    pub fn is_confirmed(&self, channel: &str) -> bool {
        self.confirmed.contains(channel)
    }

    pub fn deliver(&self, push: &Push) {
        let channel = std::str::from_utf8(&push.channel).ok();
        let Some(receivers) = channel.and_then(|channel| self.receivers.get(channel)) else {
            return;
        };
        for receiver in receivers {
            if !receiver.deliver(&push.payload) {
                tracing::debug!(channel, "not a message of this protocol version");
            }
        }
    }
}

impl fmt::Debug for Subscriptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscriptions")
            .field("channels", &self.receivers.keys())
            .field("confirmed", &self.confirmed)
            .finish_non_exhaustive()
    }
}
