use std::collections::{HashMap, HashSet};
use std::fmt;
use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::mpsc::UnboundedSender;

use super::connection::Push;
use super::reply::{announces_renewal_of, decode_message};
use super::run::decode_release;
use crate::election::{Identity, Message};

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

/// A term that is renewed over this very connection.
struct Renewing {
    identity: Identity,
    /// As a message names it.
    shown: String,
}

/// Who receives the messages of which channel, and what the present connection is subscribed to.
#[derive(Default)]
pub(super) struct Subscriptions {
    receivers: HashMap<Arc<str>, Vec<Receiver>>,
    /// Who renews the election of a channel from here.
    renewing: HashMap<Arc<str>, Renewing>,
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

    /// The channel of the next receiver that is dropped. Waits for ever while there is none.
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
            self.renewing.remove(channel);
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

    /// The term of this identity is renewed: its own messages are no news.
    pub fn note_renewing(&mut self, channel: &Arc<str>, identity: Identity) {
        let known = self.renewing.get(channel);
        if self.receivers.contains_key(channel)
            && known.is_none_or(|renewing| renewing.identity != identity)
        {
            let shown = identity.to_string();
            let renewing = Renewing { identity, shown };
            self.renewing.insert(channel.clone(), renewing);
        }
    }

    /// Whether it is about a renewal of who alone receives it. With thousands of elections these are half of
    /// all that a server says.
    fn is_echo(&self, channel: &str, receivers: &[Receiver], payload: &[u8]) -> bool {
        receivers.len() == 1
            && self
                .renewing
                .get(channel)
                .is_some_and(|renewing| announces_renewal_of(payload, renewing.shown.as_bytes()))
    }

    pub fn deliver(&self, push: &Push) {
        let Ok(channel) = std::str::from_utf8(&push.channel) else {
            return;
        };
        let Some(receivers) = self.receivers.get(channel) else {
            return;
        };
        if self.is_echo(channel, receivers, &push.payload) {
            return;
        }
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

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

    use super::*;

    const MINE: Identity = Identity::new(1);

    fn subscribed(count: usize) -> (Subscriptions, Vec<UnboundedReceiver<Message>>) {
        let mut subscriptions = Subscriptions::default();
        let receivers = (0..count).map(|_| {
            let (sender, receiver) = unbounded_channel();
            subscriptions.add("channel".into(), Receiver::Changes(sender));
            receiver
        });
        let receivers = receivers.collect();
        (subscriptions, receivers)
    }

    fn push(change: &str, identity: Identity) -> Push {
        let payload = format!("1 {change} 7 00ff ab:cd 00ef 17 {identity} 5000 0 0 server one");
        Push {
            channel: b"channel".to_vec(),
            payload: payload.into_bytes(),
        }
    }

    fn heard(receivers: &mut [UnboundedReceiver<Message>]) -> Vec<usize> {
        let heard = receivers.iter_mut().map(|receiver| {
            let mut count = 0;
            while receiver.try_recv().is_ok() {
                count += 1;
            }
            count
        });
        heard.collect()
    }

    #[test]
    fn who_renews_does_not_hear_of_its_own_renewals_and_hears_of_all_else() {
        let (mut subscriptions, mut receivers) = subscribed(1);
        subscriptions.deliver(&push("renewed", MINE));
        assert_eq!(heard(&mut receivers), [1]);
        subscriptions.note_renewing(&"channel".into(), MINE);
        subscriptions.deliver(&push("renewed", MINE));
        assert_eq!(heard(&mut receivers), [0]);
        for other in [push("renewed", Identity::new(2)), push("released", MINE)] {
            subscriptions.deliver(&other);
            assert_eq!(heard(&mut receivers), [1]);
        }
    }

    #[test]
    fn others_in_the_same_process_hear_of_it() {
        let (mut subscriptions, mut receivers) = subscribed(2);
        subscriptions.note_renewing(&"channel".into(), MINE);
        subscriptions.deliver(&push("renewed", MINE));
        assert_eq!(heard(&mut receivers), [1, 1]);
    }
}
