//! What the server says, and what follows from it.

use std::mem::replace;
use std::sync::Arc;

use redis::RedisError;
use tokio::time::Instant;

use super::super::error::{Verdict, classify, denies_command, is_busy};
use super::super::script::Script;
use super::super::wire::{ChannelChange, Heard, Said};
use super::super::words::told;
use super::{Engine, unknown};
use crate::election::Failure;

impl Engine {
    /// Hears what is already here, without waiting.
    pub(super) fn hear_all(&mut self) {
        let now = Instant::now();
        while let Some(wire) = self.state.wire_mut()
            && let Some(said) = wire.ready()
        {
            self.hear(said, now);
        }
    }

    pub(super) fn hear(&mut self, said: Said, now: Instant) {
        let Some(wire) = self.state.wire_mut() else {
            return;
        };
        let heard = wire.hear(said, now);
        for (ask, failure) in wire.take_overtaken() {
            ask.fail(failure);
        }
        match heard {
            Heard::Answered(ask, Ok(value)) => {
                self.subscriptions.resume();
                let subscribed = |channel: &str| self.subscriptions.is_confirmed(channel);
                let answered = ask.answer(&value, subscribed);
                if answered.untold && !replace(&mut self.warned.untold, true) {
                    tracing::warn!(redis = %self.connecting.source(), "failoverUnsafe: the server does not answer INFO in scripts, so a failover that loses writes can leave two primaries for a while");
                }
                match answered.odd {
                    Some(failure) => self.lose(failure),
                    None => self.connecting.note_use(),
                }
            }
            Heard::Answered(ask, Err(error)) => {
                let verdict = of_script(&error, ask.script());
                ask.fail(verdict.failure.clone());
                match verdict.reconnect {
                    true => self.lose(verdict.failure),
                    false => self.connecting.note_use(),
                }
            }
            Heard::Confirmed(ChannelChange::Subscribe, channels) => {
                self.subscriptions.confirm(channels);
            }
            Heard::Confirmed(ChannelChange::Unsubscribe, channels) => {
                self.subscriptions.confirm_end(&channels);
            }
            Heard::Refused(change, channels, error) => {
                self.handle_refused(change, channels, &error)
            }
            Heard::Message(push) => {
                self.metrics.note_message();
                self.subscriptions.deliver(&push);
            }
            Heard::Nothing => {}
            Heard::End(error) => {
                let closed = error.is_connection_dropped() || error.is_io_error();
                self.lose(match closed {
                    true => unknown("connection closed"),
                    false => classify(&error).failure,
                });
            }
        }
    }

    fn handle_refused(
        &mut self,
        change: ChannelChange,
        channels: Vec<Arc<str>>,
        error: &RedisError,
    ) {
        // That passes: it is asked again when a command has been answered.
        if is_busy(error) && change == ChannelChange::Subscribe {
            return self.subscriptions.postpone(channels);
        }
        let verdict = classify(error);
        if verdict.reconnect {
            return self.lose(verdict.failure);
        }
        if channels.len() > 1
            && let Some(wire) = self.state.wire_mut()
        {
            // It may be about one of them.
            for channel in channels {
                wire.change(change, &[channel], Instant::now());
            }
        } else if !replace(&mut self.warned.subscribing, true) {
            let failure = told(verdict.failure, self.connecting.source());
            let cause = failure.cause();
            tracing::warn!(redis = %self.connecting.source(), %cause, "subscribing is refused: polling instead of messages");
        }
    }
}

/// What the error of a script means, naming the command that was denied.
fn of_script(error: &RedisError, script: Option<&Script>) -> Verdict {
    let mut verdict = classify(error);
    if let Failure::Denied { cause } = &verdict.failure
        && denies_command(cause)
        && let Some(script) = script
    {
        let command = script.refused_command(cause);
        let cause = format!("{command} is refused: {cause}").into();
        verdict.failure = Failure::Denied { cause };
    }
    verdict
}
