use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinHandle;
use tracing::Span;

use super::change::{CampaignChange, Sink};
use super::inbox::Inbox;
use super::metrics::{ROUND_TRIPS, Trying};
use super::shared::{CampaignInput, Shared};
use crate::election::{
    Answer, Command, Election, Event, Failure, Message, Notice, Output, Reason, Reply, Request,
    Time,
};
use crate::store::{Answers, Store, Target, escaped};

/// One election and all around it.
///
/// It does nothing by itself, and is told the time: by [`ServedCampaigns`](super::campaigns::ServedCampaigns), of
/// which it is one of many.
pub(super) struct CampaignSlot {
    number: u64,
    election: Election,
    store: Arc<dyn Store>,
    target: Target,
    /// The last handle is gone.
    abandoned: bool,
    /// How many requests have no answer.
    unanswered: usize,
    /// While messages are of use.
    hearing: Option<MessageListener>,
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
    sink: Sink,
    /// Every log line is within it.
    span: Span,
    /// For when it is in the list of alarms.
    pub alarm_at: Option<Time>,
}

/// What a campaign hears.
pub(super) enum CampaignHappening {
    Start(Box<CampaignSlot>),
    Asked(CampaignInput),
    Reply(Request, Result<Reply, Failure>),
    Message(Message),
}

impl CampaignHappening {
    /// A store said it, and not the outside.
    pub fn is_of_store(&self) -> bool {
        match self {
            CampaignHappening::Start(_) | CampaignHappening::Asked(_) => false,
            CampaignHappening::Reply(..) | CampaignHappening::Message(_) => true,
        }
    }
}

/// What all campaigns are told.
pub(super) type CampaignInbox = Inbox<CampaignHappening>;

impl Answers for CampaignInbox {
    fn answer(&self, campaign: u64, request: Request, answer: Result<Reply, Failure>) {
        self.put(campaign, CampaignHappening::Reply(request, answer));
    }
}

/// What all campaigns share.
pub(super) struct CampaignBackground {
    pub inbox: Arc<CampaignInbox>,
    pub answers: Arc<dyn Answers>,
}

impl CampaignSlot {
    pub fn new(
        number: u64,
        election: Election,
        store: Arc<dyn Store>,
        target: Target,
        shared: Arc<Shared>,
        sink: Sink,
        span: Span,
    ) -> Self {
        CampaignSlot {
            number,
            election,
            store,
            target,
            abandoned: false,
            unanswered: 0,
            hearing: None,
            trying: Trying::default(),
            campaigning: false,
            drain_until: None,
            established: 0,
            resigned: 0,
            leaving: VecDeque::new(),
            shared,
            sink,
            span,
            alarm_at: None,
        }
    }

    /// Nobody can ask for anything any more, and nothing is on its way.
    pub fn has_ended(&self) -> bool {
        self.abandoned && self.unanswered == 0 && self.election.poll_timeout().is_none()
    }

    /// When [`CampaignSlot::step`] is to be called.
    pub fn next_timeout(&self) -> Option<Time> {
        let timeouts = [self.election.poll_timeout(), self.drain_until];
        timeouts.into_iter().flatten().min()
    }

    /// Hears something, or that a time has come.
    pub fn step(
        &mut self,
        now: Time,
        happening: Option<CampaignHappening>,
        background: &CampaignBackground,
    ) {
        // A wait can be late. The time goes first: no reply that comes after the step-down
        // deadline revives a term.
        if self.election.poll_timeout().is_some_and(|at| at <= now) {
            self.election.handle_timeout(now);
        }
        if let Some(happening) = happening {
            self.hear(now, happening);
        }
        if self.drain_until.is_some_and(|at| at <= now) {
            self.end_drain(now);
        }
        self.carry_out(now, background);
    }

    /// It broke.
    pub fn fail(&self) {
        let token = self.shared.fail();
        self.span
            .in_scope(|| tracing::error!("the campaign failed"));
        (self.sink)(CampaignChange::Failed { token });
    }

    fn hear(&mut self, now: Time, happening: CampaignHappening) {
        match happening {
            // A caller that starts it hears of that.
            CampaignHappening::Start(_) => {}
            CampaignHappening::Asked(input) => self.hear_asked(now, input),
            CampaignHappening::Reply(request, reply) => {
                self.unanswered -= 1;
                self.trying.of_election(&request.command, &reply);
                if reply.is_ok() && matches!(request.command, Command::Renew { .. }) {
                    ROUND_TRIPS.observe(now.since(request.sent_at));
                }
                self.election.handle_reply(now, request, reply);
            }
            CampaignHappening::Message(message) => self.election.handle_message(now, message),
        }
    }

    fn hear_asked(&mut self, now: Time, input: CampaignInput) {
        match input {
            CampaignInput::Establish { number } => {
                self.established = number;
                self.campaigning = true;
                self.election.campaign(now);
            }
            CampaignInput::Listen(listening) => self.election.listen(now, listening),
            CampaignInput::Fail { token, others_work } => {
                self.election.fail(now, token, others_work);
            }
            CampaignInput::StepAside { token } => self.election.step_aside(now, token),
            CampaignInput::Drain { until } if self.campaigning => {
                let before = self.drain_until.unwrap_or(until);
                self.drain_until = Some(until.min(before));
            }
            CampaignInput::Drain { .. } => {}
            CampaignInput::Resign { reason, number } => {
                self.resigned = number;
                self.resign(now, reason);
            }
            CampaignInput::Suspend => {
                let _within = self.span.enter();
                tracing::debug!("the event loop hangs: standing no more until it turns");
                self.election.suspend(now);
            }
            CampaignInput::Resume => {
                let _within = self.span.enter();
                tracing::debug!("the event loop turns again");
                self.election.resume(now);
            }
            CampaignInput::Abandon => {
                self.abandoned = true;
                self.resign(now, Reason::Exit);
            }
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

    fn send(&mut self, request: Request, background: &CampaignBackground) {
        let looks = matches!(request.command, Command::Acquire { .. } | Command::Inspect);
        if looks && self.hearing.is_none() {
            // Before the question: a message in between must not be missed.
            let messages = self.store.subscribe(&self.target);
            let inbox = background.inbox.clone();
            self.hearing = Some(MessageListener::start(self.number, messages, inbox));
        }
        self.unanswered += 1;
        self.trying.sends(false);
        self.store
            .ask(&self.target, self.number, request, &background.answers);
    }

    fn carry_out(&mut self, now: Time, background: &CampaignBackground) {
        while let Some(output) = self.election.poll_output() {
            match output {
                Output::Send(request) => self.send(request, background),
                Output::Event(event) => self.tell(now, event),
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
                        self.hearing = None;
                    }
                    self.shared.end_resign(self.resigned);
                    (self.sink)(CampaignChange::Ended {
                        resign: self.resigned,
                    });
                }
            }
        }
    }

    fn tell(&mut self, now: Time, event: Event) {
        let _within = self.span.clone().entered();
        let change = match event {
            Event::Elected(grant) => {
                tracing::info!(token = grant.token.get(), "elected");
                // A primary learns from the answers to its renewals. Each of them would also wake it as a message.
                self.hearing = None;
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
                let left = step_down_at.since(now).as_millis();
                // Where it goes on, a warning with the cause follows.
                tracing::info!(token = token.get(), left_ms = left, "a renewal is late");
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
            self.end_drain(now);
        }
    }
}

/// Passes the messages of one election on, until it is dropped.
struct MessageListener(JoinHandle<()>);

impl MessageListener {
    fn start(
        campaign: u64,
        mut messages: UnboundedReceiver<Message>,
        inbox: Arc<CampaignInbox>,
    ) -> Self {
        MessageListener(tokio::spawn(async move {
            while let Some(message) = messages.recv().await {
                inbox.put(campaign, CampaignHappening::Message(message));
            }
        }))
    }
}

impl Drop for MessageListener {
    fn drop(&mut self) {
        self.0.abort();
    }
}
