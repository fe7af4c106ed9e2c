use super::Failure;
use super::{Config, Message, Output, Random, Reason, Reply, Request, Time};

/// One candidate of one election.
#[derive(Debug)]
pub struct Election {}

impl Election {
    pub fn new(_config: Config, _random: Random) -> Self {
        todo!()
    }

    /// A caller waits for an answer: [`Output::Answer`] follows. Starts the campaign, or starts it
    /// again after [`Output::Ended`], or joins the one under way.
    pub fn campaign(&mut self, _now: Time) {
        todo!()
    }

    /// Whether somebody listens for an election. Without, a campaign that has answered watches but
    /// does not stand.
    pub fn listen(&mut self, _now: Time, _listening: bool) {
        todo!()
    }

    /// Ends the campaign: no event after its `Resigned`. [`Output::Ended`] follows once nothing is
    /// on its way any more.
    pub fn resign(&mut self, _now: Time, _reason: Reason) {
        todo!()
    }

    /// The store's answer to `request`, or why there is none.
    pub fn handle_reply(&mut self, _now: Time, _request: Request, _reply: Result<Reply, Failure>) {
        todo!()
    }

    /// A message from the changes channel.
    pub fn handle_message(&mut self, _now: Time, _message: Message) {
        todo!()
    }

    /// The time given by [`Election::poll_timeout`] has come.
    pub fn handle_timeout(&mut self, _now: Time) {
        todo!()
    }

    /// Somebody who looked at the lease has already been told that it is not held any more (the
    /// deadline had passed when they looked): it must not be extended.
    pub fn handle_expired(&mut self, _now: Time) {
        todo!()
    }

    /// When [`Election::handle_timeout`] is to be called, if nothing happens before.
    pub fn poll_timeout(&self) -> Option<Time> {
        todo!()
    }

    /// The next thing to do, in order.
    pub fn poll_output(&mut self) -> Option<Output> {
        todo!()
    }
}
