use std::cell::Cell;

use std::collections::VecDeque;

use crate::election::{Event, Identity, Output, Request, Time, Token};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Planted {
    /// The window is measured from the reply.
    WindowFromReply,
    /// Neither the window nor the watch has its drift margin.
    NoDriftMargins,
    /// The step-down deadline is the window's end.
    NoStepDownMargin,
    /// One timer for the deadline and the retries: each retry pushes the deadline back.
    SharedTimer,
    /// The send time of the latest retry is lent to the answer of an earlier request.
    SentAtOfLatest,
    /// A renewal does not compare the identity.
    RenewAnyIdentity,
    /// A release does not compare the identity.
    ReleaseAnyIdentity,
    /// A release does not compare the incarnation.
    ReleaseAnyIncarnation,
    /// A grant's token is the last one plus 1, whatever the clock and the floor say.
    TokenFromOne,
    /// A re-assertion writes without comparing the version.
    ReassertBlindly,
    /// An acquire recognises its own lost reply in another incarnation too.
    LostReplyAnyIncarnation,
    /// The version has no `seq`.
    NoSeq,
    /// The version has no `epoch`.
    NoEpoch,
    /// The version has no incarnation.
    NoIncarnation,
    /// The incarnation is the run id without the replication id.
    RunIdAlone,
    /// A watch counts from the send of the poll that showed the version.
    WatchFromSend,
    /// A watch is ripe after one's own ttl, whatever the record's.
    WatchOwnTtl,
    /// An identity is kept for the life of the process.
    IdentityPerProcess,
    /// A resign forgets an acquire in flight.
    ResignForgetsAcquire,
    /// A reply that comes after the step-down deadline revives the term.
    LateReplyRevives,
    /// A record's epoch is the caller's draw alone, whose duplicate brings it back.
    EpochFromCaller,
    /// Failed work gives the lease back at once, though other work under it goes on.
    FailureForgetsOthers,
    /// A resigned holder writes its record again although its release may have been done.
    ReassertAfterRelease,
    /// A message's time counts for a watch although its nonce is not that of the write.
    NonceIgnored,
    /// A write is published with its command's own nonce, which a repetition names again.
    NonceOfCommand,
    /// The floor is raised by what a message says.
    FloorFromMessages,
    /// Every message may make a candidate ask.
    MessagesUnbounded,
    /// A record of which a field cannot be read is lost for its holder.
    UnreadableIsLost,
    /// A caller that resigns is answered only when nothing is on its way any more.
    ResignAwaitsRelease,
    /// Where the server does not tell its incarnation, a lower `seq` is taken for a late reply.
    UntoldLowerSeqIsOld,
    /// Where the server does not tell its incarnation, a released record is taken at once.
    UntoldReleasedAtOnce,
    /// Where the server does not tell its incarnation, a record that names a candidate is its grant.
    UntoldLostReplyGranted,

    /// A server that has heard of a higher rank takes nothing.
    RankForbids,
    /// A server that has heard of a higher rank waits for a ttl and more.
    RankDelaysUnbounded,
    /// A request to resign is shown to every term.
    RequestOfAnyTerm,
    /// A request to resign is a write like any other, with a version of its own.
    RequestCounts,
    /// That a renewal is late is told after the term, too.
    LateAfterLost,

    // Of run leases alone.
    /// A grant whose reply came after its own step-down deadline is believed.
    LateGrantBelieved,
    /// An acquire that nobody heard the answer of is not taken back.
    WithdrawNotSent,
    /// A withdrawal frees the lease and not the tick.
    WithdrawKeepsTick,
    /// A withdrawal that finds nothing leaves nothing behind for the acquire that it overtook.
    WithdrawLeavesNoMark,
    /// A grant does not remember the tick.
    TickNotStored,
    /// A tick is refused to the one who took it and whose reply was lost.
    TickRefusesItsTaker,
    /// A late duplicate of an acquire takes the lease that its run has released.
    ReleasedGrantedAgain,
    /// A release frees the lease at once, whatever its minHold.
    MinHoldIgnored,
    /// A token is the clock alone, whatever the last one was.
    TokenForgotten,
    /// A caller that ends a run waits for the answer to its release, though the lease has run out.
    ReleaseAwaitsReply,
    /// A tick is refused as run though its holder has not begun.
    PendingCountsAsRun,
    /// A grant is taken back though its run has begun.
    WithdrawnAfterItBegan,
    /// One question may take all of the time that its caller has.
    OneQuestionTakesAll,
    /// Each message of a release makes every waiter ask.
    EveryMessageAsks,
    /// A time that the store keeps is believed however far away it is.
    StoredTimeBelieved,
    /// A release that was lost is sent again after its pause, though this process asks for the lease before that.
    LostReleaseWaits,
    /// A grant is renewed though nobody has taken it.
    KeptForNobody,

    // Of the connection's engine.
    /// A connection is in doubt when one command is late, whatever else is answered on it.
    LateIsInDoubt,
    /// A renewal that is late behind others is given up, and asked for again.
    LateIsAskedAgain,
    /// However late the answers come, renewals are asked for as often.
    AsOftenWhenBehind,
    /// What is held waits behind the runs that came before it.
    FirstComeFirstSent,
    /// However far behind the server is, all that waits is sent.
    AllSentAtOnce,
}

thread_local! {
    static PLANTED: Cell<Option<Planted>> = const { Cell::new(None) };
}

impl Planted {
    /// What the simulation of elections has to find.
    pub const OF_ELECTIONS: [Planted; 37] = [
        Planted::WindowFromReply,
        Planted::NoDriftMargins,
        Planted::NoStepDownMargin,
        Planted::SharedTimer,
        Planted::SentAtOfLatest,
        Planted::RenewAnyIdentity,
        Planted::ReleaseAnyIdentity,
        Planted::ReleaseAnyIncarnation,
        Planted::TokenFromOne,
        Planted::ReassertBlindly,
        Planted::LostReplyAnyIncarnation,
        Planted::NoSeq,
        Planted::NoEpoch,
        Planted::NoIncarnation,
        Planted::RunIdAlone,
        Planted::WatchFromSend,
        Planted::WatchOwnTtl,
        Planted::IdentityPerProcess,
        Planted::ResignForgetsAcquire,
        Planted::LateReplyRevives,
        Planted::EpochFromCaller,
        Planted::ReassertAfterRelease,
        Planted::NonceIgnored,
        Planted::NonceOfCommand,
        Planted::FloorFromMessages,
        Planted::MessagesUnbounded,
        Planted::UnreadableIsLost,
        Planted::ResignAwaitsRelease,
        Planted::FailureForgetsOthers,
        Planted::UntoldLowerSeqIsOld,
        Planted::UntoldReleasedAtOnce,
        Planted::UntoldLostReplyGranted,
        Planted::RankForbids,
        Planted::RankDelaysUnbounded,
        Planted::RequestOfAnyTerm,
        Planted::RequestCounts,
        Planted::LateAfterLost,
    ];

    /// What the simulation of run leases has to find, some of it mistakes in both.
    pub const OF_RUNS: [Planted; 23] = [
        Planted::WindowFromReply,
        Planted::NoDriftMargins,
        Planted::NoStepDownMargin,
        Planted::LateReplyRevives,
        Planted::RenewAnyIdentity,
        Planted::ReleaseAnyIdentity,
        Planted::LateGrantBelieved,
        Planted::WithdrawNotSent,
        Planted::WithdrawKeepsTick,
        Planted::WithdrawLeavesNoMark,
        Planted::TickNotStored,
        Planted::TickRefusesItsTaker,
        Planted::ReleasedGrantedAgain,
        Planted::MinHoldIgnored,
        Planted::TokenForgotten,
        Planted::ReleaseAwaitsReply,
        Planted::PendingCountsAsRun,
        Planted::WithdrawnAfterItBegan,
        Planted::OneQuestionTakesAll,
        Planted::EveryMessageAsks,
        Planted::StoredTimeBelieved,
        Planted::LostReleaseWaits,
        Planted::KeptForNobody,
    ];

    /// What the simulation of overload has to find.
    pub const OF_OVERLOAD: [Planted; 5] = [
        Planted::LateIsInDoubt,
        Planted::LateIsAskedAgain,
        Planted::AsOftenWhenBehind,
        Planted::FirstComeFirstSent,
        Planted::AllSentAtOnce,
    ];

    pub fn is_on(self) -> bool {
        PLANTED.get() == Some(self)
    }

    /// Plants one mistake, or none, in everything that this thread runs from here on.
    pub fn plant(variant: Option<Planted>) {
        PLANTED.set(variant);
    }
}

/// What some mistakes remember, which the rules have no need to.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    identity: Option<Identity>,
    last_sent: Time,
}

impl Memory {
    pub fn note_sent(&mut self, now: Time) {
        self.last_sent = now;
    }

    pub fn report_late(&self, outputs: &mut VecDeque<Output>) {
        if Planted::LateAfterLost.is_on() {
            outputs.push_back(Output::Event(Event::RenewalLate {
                token: Token::NONE,
                step_down_at: self.last_sent,
            }));
        }
    }

    pub fn mistake_request(&self, now: Time, mut request: Request) -> Request {
        if Planted::WindowFromReply.is_on() {
            request.sent_at = now;
        }
        if Planted::SentAtOfLatest.is_on() {
            request.sent_at = self.last_sent;
        }
        request
    }

    pub fn mistake_identity(&mut self, identity: Identity) -> Identity {
        if Planted::IdentityPerProcess.is_on() {
            return *self.identity.get_or_insert(identity);
        }
        identity
    }
}
