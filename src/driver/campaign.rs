use std::collections::VecDeque;
use std::future::pending;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, Sleep, sleep};
use tracing::Span;

use super::change::CampaignChange;
use super::metrics::{ROUND_TRIPS, Trying};
use super::shared::{CampaignInput, Shared};
use crate::election::{
    Answer, Command, Election, Event, Failure, Message, Notice, Output, Reason, Reply, Request,
    Time,
};
use crate::store::{Store, Target, escaped};

/// The loop around one election.
pub(super) struct CampaignLoop {
    election: Election,
    store: Arc<dyn Store>,
    target: Target,
    inputs: UnboundedReceiver<CampaignInput>,
    /// The last handle is gone.
    abandoned: bool,
    replies: FuturesUnordered<BoxFuture<'static, (Request, Result<Reply, Failure>)>>,
    /// Subscribed while there is a campaign.
    messages: Option<UnboundedReceiver<Message>>,
    trying: Trying,
    campaigning: bool,
    /// When the lease is let go, though there is work under it.
    drain_until: Option<Time>,
    /// The numbers of the latest establishing call and the latest resign that the election was
    /// told of.
    established: u64,
    resigned: u64,
    /// The numbers of the resigns without an answer.
    leaving: VecDeque<u64>,
    shared: Arc<Shared>,
    sink: Arc<dyn Fn(CampaignChange) + Send + Sync>,
    clock: fn() -> Time,
    /// When the alarm rings, if it is set.
    alarm_at: Option<Time>,
    /// Every log line is within it.
    span: Span,
}

enum CampaignHappening {
    CampaignInput(Option<CampaignInput>),
    Reply(Request, Result<Reply, Failure>),
    Message(Option<Message>),
    Timeout,
}

impl CampaignLoop {
    pub fn new(
        election: Election,
        store: Arc<dyn Store>,
        target: Target,
        inputs: UnboundedReceiver<CampaignInput>,
        shared: Arc<Shared>,
        sink: Arc<dyn Fn(CampaignChange) + Send + Sync>,
        clock: fn() -> Time,
    ) -> Self {
        CampaignLoop {
            election,
            store,
            target,
            inputs,
            abandoned: false,
            replies: FuturesUnordered::new(),
            messages: None,
            trying: Trying::default(),
            campaigning: false,
            drain_until: None,
            established: 0,
            resigned: 0,
            leaving: VecDeque::new(),
            shared,
            sink,
            clock,
            alarm_at: None,
            span: Span::none(),
        }
    }

    pub fn within(self, span: Span) -> Self {
        CampaignLoop { span, ..self }
    }

    pub async fn run(mut self) {
        let mut alarm = pin!(sleep(Duration::ZERO));
        loop {
            self.carry_out();
            let idle = self.replies.is_empty() && self.election.poll_timeout().is_none();
            if self.abandoned && idle {
                return;
            }
            let happening = self.wait(alarm.as_mut()).await;
            let now = (self.clock)();
            // A wait can be late. The time goes first: no reply that comes after the step-down
            // deadline revives a term.
            if self.election.poll_timeout().is_some_and(|at| at <= now) {
                self.election.handle_timeout(now);
            }
            self.hear(now, happening);
            if self.drain_until.is_some_and(|at| at <= now) {
                self.end_drain(now);
            }
        }
    }

    async fn wait(&mut self, mut alarm: Pin<&mut Sleep>) -> CampaignHappening {
        let timeouts = [self.election.poll_timeout(), self.drain_until];
        let wake_at = timeouts.into_iter().flatten().min();
        // One that rings too early is cheaper than one that is set anew each time.
        if let Some(at) = wake_at
            && self.alarm_at.is_none_or(|set| at < set)
        {
            let now = (self.clock)();
            alarm.as_mut().reset(Instant::now() + at.since(now));
            self.alarm_at = Some(at);
        }
        let alarm_is_set = self.alarm_at.is_some();
        let messages = async {
            match &mut self.messages {
                Some(messages) => messages.recv().await,
                None => pending().await,
            }
        };
        // What the outside asked for comes before what the store says: a resign that is under way
        // here must not be overtaken by a grant.
        tokio::select! {
            biased;
            input = self.inputs.recv(), if !self.abandoned => CampaignHappening::CampaignInput(input),
            () = alarm, if alarm_is_set => {
                self.alarm_at = None;
                CampaignHappening::Timeout
            }
            Some((request, reply)) = self.replies.next() => CampaignHappening::Reply(request, reply),
            message = messages => CampaignHappening::Message(message),
        }
    }

    fn hear(&mut self, now: Time, happening: CampaignHappening) {
        match happening {
            CampaignHappening::CampaignInput(Some(CampaignInput::Establish { number })) => {
                self.established = number;
                self.campaigning = true;
                if self.messages.is_none() {
                    self.messages = Some(self.store.subscribe(&self.target));
                }
                self.election.campaign(now);
            }
            CampaignHappening::CampaignInput(Some(CampaignInput::Listen(listening))) => {
                self.election.listen(now, listening);
            }
            CampaignHappening::CampaignInput(Some(CampaignInput::Fail { token, others_work })) => {
                self.election.fail(now, token, others_work);
            }
            CampaignHappening::CampaignInput(Some(CampaignInput::StepAside { token })) => {
                self.election.step_aside(now, token);
            }
            CampaignHappening::CampaignInput(Some(CampaignInput::Drain { until }))
                if self.campaigning =>
            {
                let before = self.drain_until.unwrap_or(until);
                self.drain_until = Some(until.min(before));
            }
            CampaignHappening::CampaignInput(Some(CampaignInput::Drain { .. })) => {}
            CampaignHappening::CampaignInput(Some(CampaignInput::Resign { reason, number })) => {
                self.resigned = number;
                self.resign(now, reason);
            }
            CampaignHappening::CampaignInput(Some(CampaignInput::Suspend)) => {
                let _within = self.span.enter();
                tracing::debug!("the event loop hangs: standing no more until it turns");
                self.election.suspend(now);
            }
            CampaignHappening::CampaignInput(Some(CampaignInput::Resume)) => {
                let _within = self.span.enter();
                tracing::debug!("the event loop turns again");
                self.election.resume(now);
            }
            CampaignHappening::CampaignInput(None) => {
                self.abandoned = true;
                self.resign(now, Reason::Exit);
            }
            CampaignHappening::Reply(request, reply) => {
                self.trying.of_election(&request.command, &reply);
                if reply.is_ok() && matches!(request.command, Command::Renew { .. }) {
                    ROUND_TRIPS.observe(now.since(request.sent_at));
                }
                self.election.handle_reply(now, request, reply)
            }
            CampaignHappening::Message(Some(message)) => self.election.handle_message(now, message),
            CampaignHappening::Message(None) => self.messages = None,
            CampaignHappening::Timeout => {}
        }
    }

    /// The work under the lease has had its time, or has none left.
    fn end_drain(&mut self, now: Time) {
        self.resigned = self.shared.begin_resign();
        (self.sink)(CampaignChange::Undrained {
            resign: self.resigned,
        });
        self.resign(now, Reason::Resigned);
    }

    fn resign(&mut self, now: Time, reason: Reason) {
        self.drain_until = None;
        self.campaigning = false;
        self.leaving.push_back(self.resigned);
        self.election.resign(now, reason);
    }

    fn carry_out(&mut self) {
        while let Some(output) = self.election.poll_output() {
            match output {
                Output::Send(request) => {
                    self.trying.sends(false);
                    let answering = self.store.send(&self.target, &request);
                    self.replies
                        .push(Box::pin(async move { (request, answering.await) }));
                }
                Output::Event(event) => self.tell(event),
                Output::Answer(answer) => {
                    let _within = self.span.clone().entered();
                    match &answer {
                        Answer::Unavailable { cause } => tracing::warn!(
                            %cause,
                            "no answer from redis in establishTimeout: establishPrimaryServer answers \
                             undefined, and whether a server is primary is not known; still trying"
                        ),
                        Answer::Denied { .. } => self.campaigning = false,
                        _ => {}
                    }
                    (self.sink)(CampaignChange::Answer {
                        establish: self.established,
                        answer,
                    });
                }
                Output::Extended { step_down_at } => {
                    let now = (self.clock)();
                    let kept = self.shared.extend_term(now, step_down_at);
                    // A resign that is on its way here has ended the lease, not the clock.
                    if !kept && !self.shared.resign_asked_after(self.resigned) {
                        self.election.handle_expired(now);
                    }
                }
                Output::Asked { token, .. } => {
                    self.span.in_scope(|| {
                        tracing::info!(token = token.get(), "asked to resign: letting another server take over");
                    });
                    (self.sink)(CampaignChange::Asked { token });
                }
                Output::Notice(Notice::NobodyListens) => self.span.in_scope(|| {
                    tracing::warn!(
                        "this server only looked at the answer, and stands no more: when the primary goes, \
                         no server takes over, unless another one stands. There are two ways out: do the work \
                         in whilePrimary(prefix, run), or listen with onPrimaryChange(prefix, listener)"
                    );
                }),
                Output::Unconfirmed => {
                    let _within = self.span.clone().entered();
                    tracing::warn!("no answer from redis to a resign, still releasing");
                    if let Some(resign) = self.leaving.pop_front() {
                        (self.sink)(CampaignChange::Unconfirmed { resign });
                    }
                }
                Output::Ended => {
                    self.leaving.clear();
                    if !self.campaigning {
                        self.messages = None;
                    }
                    self.shared.end_resign(self.resigned);
                    (self.sink)(CampaignChange::Ended {
                        resign: self.resigned,
                    });
                }
            }
        }
    }

    fn tell(&mut self, event: Event) {
        let _within = self.span.clone().entered();
        let change = match event {
            Event::Elected(grant) => {
                tracing::info!(token = grant.token.get(), "elected");
                CampaignChange::Elected(self.shared.begin_term(grant, self.resigned))
            }
            Event::Lost { token, reason } => {
                self.shared.end_term();
                tracing::warn!(
                    token = token.get(),
                    reason = reason.word(),
                    "lost the lease"
                );
                CampaignChange::Lost { token, reason }
            }
            Event::Resigned { token, reason } => {
                self.shared.end_term();
                tracing::info!(
                    token = token.map(|token| token.get()),
                    reason = reason.word(),
                    "resigned"
                );
                CampaignChange::Resigned { token, reason }
            }
            Event::RenewalLate {
                token,
                step_down_at,
            } => {
                let left = step_down_at.since((self.clock)()).as_millis();
                tracing::warn!(token = token.get(), left_ms = left, "a renewal is late");
                CampaignChange::RenewalLate { token }
            }
            Event::Renewed { token, .. } => {
                tracing::info!(token = token.get(), "renewed after all");
                CampaignChange::Renewed { token }
            }
            Event::PrimaryChanged(primary) => {
                match &primary {
                    Some(primary) => tracing::info!(
                        server_id = %escaped(&primary.server),
                        token = primary.token.get(),
                        "another server is primary"
                    ),
                    None => tracing::info!("no server is primary"),
                }
                CampaignChange::PrimaryChanged(primary)
            }
            Event::Unavailable { cause } => {
                tracing::warn!(%cause, "redis is unavailable");
                CampaignChange::Unavailable { cause }
            }
            Event::Available => {
                tracing::info!("redis is available again");
                CampaignChange::Available
            }
        };
        let lost = matches!(change, CampaignChange::Lost { .. });
        (self.sink)(change);
        if lost && self.drain_until.is_some() {
            self.end_drain((self.clock)());
        }
    }
}

#[cfg(test)]
mod tests;
