use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Duration;

use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::time::{Instant, sleep};

use super::*;
use crate::driver::LeaseCell;
use crate::election::{Command, Config, Nonce, Outcome, Random, Record, Token, Version};
use crate::store::Answering;

const TTL: Duration = Duration::from_secs(1);

/// Answers every command as the test says, after a time; without a word it answers as a server
/// that grants and confirms everything.
#[derive(Debug, Default)]
struct FakeStore {
    answers: Mutex<VecDeque<(Duration, Result<(), Failure>)>>,
    sent: Mutex<Vec<Command>>,
}

impl Store for FakeStore {
    fn send(&self, _: &Target, request: &Request) -> Answering<Reply> {
        self.sent.lock().unwrap().push(request.command.clone());
        let answer = self.answers.lock().unwrap().pop_front();
        let (after, answer) = answer.unwrap_or((Duration::from_millis(1), Ok(())));
        let reply = reply_to(&request.command);
        Box::pin(async move {
            sleep(after).await;
            answer.map(|()| reply)
        })
    }

    fn subscribe(&self, _: &Target) -> UnboundedReceiver<Message> {
        mpsc::unbounded_channel().1
    }
}

fn reply_to(command: &Command) -> Reply {
    let (outcome, identity) = match command {
        Command::Acquire { identity, .. } => (Outcome::Granted, *identity),
        Command::Renew { identity, .. } => (Outcome::Renewed, *identity),
        Command::Release { identity, .. } => (Outcome::Released, *identity),
        Command::Inspect | Command::AskToResign { .. } => unreachable!("no scene looks on"),
    };
    Reply {
        outcome,
        record: Some(Record {
            version: Version {
                seq: 1,
                epoch: 1,
                incarnation: "run".into(),
            },
            nonce: Nonce::new(1),
            token: Token::new(7),
            holder: Some(identity),
            server: "server".into(),
            ttl: TTL,
            released: outcome == Outcome::Released,
            same_incarnation: true,
            ranks: Default::default(),
        }),
        listeners: Some(0),
        asked: false,
    }
}

/// The clock of a test: tokio's, which stands still until everybody waits.
fn clock() -> Time {
    static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    let start = *START.get_or_init(Instant::now);
    // Never zero, and the paused clocks of two tests may differ.
    Time::from_micros(1 << 40) + Instant::now().saturating_duration_since(start)
}

struct Scene {
    store: Arc<FakeStore>,
    inputs: UnboundedSender<CampaignInput>,
    shared: Arc<Shared>,
    changes: UnboundedReceiver<CampaignChange>,
}

fn scene(answers: Vec<(Duration, Result<(), Failure>)>) -> Scene {
    let store = Arc::new(FakeStore {
        answers: Mutex::new(answers.into()),
        ..FakeStore::default()
    });
    let (inputs, received) = mpsc::unbounded_channel();
    let (told, changes) = mpsc::unbounded_channel();
    let shared = Arc::new(Shared::default());
    let campaign = CampaignLoop::new(
        Election::new(Config::new(TTL), Random::from_seed(1)),
        store.clone(),
        Target {
            name: "test".into(),
            server: "server".into(),
            entry: "1 0 - server".into(),
        },
        received,
        shared.clone(),
        Arc::new(move |change| drop(told.send(change))),
        clock,
    );
    tokio::spawn(campaign.run());
    Scene {
        store,
        inputs,
        shared,
        changes,
    }
}

impl Scene {
    fn ask(&self, input: CampaignInput) {
        self.inputs.send(input).unwrap();
    }

    async fn next(&mut self) -> CampaignChange {
        self.changes.recv().await.expect("the campaign goes on")
    }

    async fn elected(&mut self) -> Arc<LeaseCell> {
        self.ask(CampaignInput::Establish { number: 1 });
        let CampaignChange::Elected(cell) = self.next().await else {
            panic!("not elected");
        };
        let answer = self.next().await;
        assert!(
            matches!(
                answer,
                CampaignChange::Answer {
                    establish: 1,
                    answer: Answer::Elected(_)
                }
            ),
            "{answer:?}"
        );
        cell
    }
}

#[tokio::test(start_paused = true)]
async fn a_primary_is_renewed_until_it_resigns_and_then_released() {
    let mut scene = scene(vec![]);
    let cell = scene.elected().await;
    sleep(TTL * 5).await;
    assert!(cell.is_held(clock()));
    let number = scene.shared.begin_resign();
    assert!(!cell.is_held(clock()), "before anything is sent");
    scene.ask(CampaignInput::Resign {
        reason: Reason::Resigned,
        number,
    });
    assert!(matches!(
        scene.next().await,
        CampaignChange::Resigned {
            token: Some(_),
            reason: Reason::Resigned
        }
    ));
    assert!(matches!(
        scene.next().await,
        CampaignChange::Ended { resign: 1 }
    ));
    let sent = scene.store.sent.lock().unwrap();
    assert!(matches!(sent.last(), Some(Command::Release { .. })));
    assert!(sent.len() > 10, "{}", sent.len());
}

#[tokio::test(start_paused = true)]
async fn a_primary_whose_store_is_silent_steps_down_at_its_deadline() {
    let silence = Failure::Unknown {
        cause: "silence".into(),
    };
    let mut answers = vec![(Duration::from_millis(1), Ok(()))];
    answers.extend((0..100).map(|_| (TTL / 6, Err(silence.clone()))));
    let mut scene = scene(answers);
    let cell = scene.elected().await;
    let elected_at = clock();
    assert!(matches!(
        scene.next().await,
        CampaignChange::Unavailable { .. }
    ));
    let CampaignChange::Lost { token, reason } = scene.next().await else {
        panic!("not lost");
    };
    assert_eq!((token, reason), (Token::new(7), Reason::StoreLost));
    assert!(!cell.is_held(clock()));
    let held = clock().since(elected_at);
    let term = Config::new(TTL).term();
    assert!(
        (term - Duration::from_millis(5)..=term + Duration::from_millis(5)).contains(&held),
        "{held:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_resign_that_a_silent_store_does_not_confirm_is_answered_and_ends_later() {
    let silence = Failure::Unknown {
        cause: "silence".into(),
    };
    let mut answers = vec![(Duration::from_millis(1), Ok(()))];
    answers.extend((0..100).map(|_| (TTL / 6, Err(silence.clone()))));
    let mut scene = scene(answers);
    scene.elected().await;
    let begun = clock();
    let number = scene.shared.begin_resign();
    scene.ask(CampaignInput::Resign {
        reason: Reason::Resigned,
        number,
    });
    assert!(matches!(
        scene.next().await,
        CampaignChange::Resigned { .. }
    ));
    let answered = scene.next().await;
    assert!(
        matches!(answered, CampaignChange::Unconfirmed { resign: 1 }),
        "{answered:?}"
    );
    assert!(clock().since(begun) <= Config::new(TTL).window());
    // The end of the process goes on waiting for this one.
    assert!(matches!(
        scene.next().await,
        CampaignChange::Ended { resign: 1 }
    ));
    assert!(clock().since(begun) > TTL);
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_somebody_saw_expired_is_lost_though_its_renewal_was_confirmed() {
    let mut scene = scene(vec![]);
    let cell = scene.elected().await;
    // Somebody whose clock reads later than the deadline looks.
    assert!(!cell.is_held(clock() + TTL));
    assert!(matches!(
        scene.next().await,
        CampaignChange::Lost {
            reason: Reason::Expired,
            ..
        }
    ));
}

#[tokio::test(start_paused = true)]
async fn a_grant_after_a_resign_was_asked_for_is_never_held() {
    let slow = Duration::from_millis(50);
    let mut scene = scene(vec![(slow, Ok(()))]);
    scene.ask(CampaignInput::Establish { number: 1 });
    sleep(slow / 2).await;
    // Asked for, and not heard of by the loop yet.
    let number = scene.shared.begin_resign();
    let CampaignChange::Elected(cell) = scene.next().await else {
        panic!("not elected");
    };
    assert!(!cell.is_held(clock()));
    scene.ask(CampaignInput::Resign {
        reason: Reason::Exit,
        number,
    });
    while !matches!(scene.next().await, CampaignChange::Ended { resign: 1 }) {}
    let sent = scene.store.sent.lock().unwrap();
    assert!(matches!(sent.last(), Some(Command::Release { .. })));
}

#[tokio::test(start_paused = true)]
async fn the_loop_ends_with_its_last_handle_once_the_lease_was_released() {
    let mut scene = scene(vec![]);
    scene.elected().await;
    let Scene {
        store,
        inputs,
        mut changes,
        ..
    } = scene;
    drop(inputs);
    while changes.recv().await.is_some() {}
    let sent = store.sent.lock().unwrap();
    assert!(matches!(sent.last(), Some(Command::Release { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_drain_that_nobody_ends_lets_the_lease_go_at_its_time() {
    let mut scene = scene(vec![]);
    let cell = scene.elected().await;
    let began = clock();
    // Of several times the earliest counts.
    for ttls in [3, 2, 4] {
        let until = began + TTL * ttls;
        scene.ask(CampaignInput::Drain { until });
    }
    sleep(TTL * 2 - Duration::from_millis(1)).await;
    assert!(cell.is_held(clock()), "renewed until then");
    assert!(matches!(
        scene.next().await,
        CampaignChange::Undrained { resign: 1 }
    ));
    assert!(!cell.is_held(clock()));
    assert_eq!(clock().since(began), TTL * 2);
    assert!(matches!(
        scene.next().await,
        CampaignChange::Resigned { token: Some(_), .. }
    ));
    assert!(matches!(
        scene.next().await,
        CampaignChange::Ended { resign: 1 }
    ));
    let sent = scene.store.sent.lock().unwrap();
    assert!(matches!(sent.last(), Some(Command::Release { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_is_lost_in_a_drain_is_not_stood_for_again() {
    let mut scene = scene(vec![]);
    let cell = scene.elected().await;
    scene.ask(CampaignInput::Listen(true));
    scene.ask(CampaignInput::Drain {
        until: clock() + TTL * 100,
    });
    sleep(TTL).await;
    assert!(!cell.is_held(clock() + TTL));
    assert!(matches!(scene.next().await, CampaignChange::Lost { .. }));
    assert!(matches!(
        scene.next().await,
        CampaignChange::Undrained { resign: 1 }
    ));
    assert!(matches!(
        scene.next().await,
        CampaignChange::Resigned { token: None, .. }
    ));
    assert!(matches!(
        scene.next().await,
        CampaignChange::Ended { resign: 1 }
    ));
}

#[tokio::test(start_paused = true)]
async fn a_resign_ends_the_drain_before_it() {
    let mut scene = scene(vec![]);
    scene.elected().await;
    scene.ask(CampaignInput::Drain {
        until: clock() + TTL,
    });
    let number = scene.shared.begin_resign();
    scene.ask(CampaignInput::Resign {
        reason: Reason::Resigned,
        number,
    });
    assert!(matches!(
        scene.next().await,
        CampaignChange::Resigned { .. }
    ));
    assert!(matches!(
        scene.next().await,
        CampaignChange::Ended { resign: 1 }
    ));
    sleep(TTL * 2).await;
    assert!(scene.changes.try_recv().is_err(), "nothing follows");
}
