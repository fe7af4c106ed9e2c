//! A panic in the background is a lost lease and a log line, and neither the end of the process nor
//! of the elections beside it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use primary_lease::driver::{Change, Handle, Heartbeat, Start, now};
use primary_lease::election::{
    Answer, Command, Config, Failure, Message, Outcome, Reason, Record, Reply, Request, Token,
    Version,
};
use primary_lease::store::{Answering, Store, Target};
use tokio::sync::mpsc;

const TTL: Duration = Duration::from_millis(500);

/// Grants and confirms everything, and panics at the `nth` command.
#[derive(Debug)]
struct Planted {
    nth: u32,
    sent: AtomicU32,
    /// In the answer, rather than in the sending.
    late: bool,
}

impl Store for Planted {
    fn send(&self, _: &Target, request: &Request) -> Answering<Reply> {
        let planted = self.sent.fetch_add(1, Ordering::Relaxed) + 1 == self.nth;
        let reply = reply_to(&request.command);
        if planted && !self.late {
            panic!("planted in the sending");
        }
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(1)).await;
            if planted {
                panic!("planted in the answer");
            }
            reply
        })
    }

    fn subscribe(&self, _: &Target) -> mpsc::UnboundedReceiver<Message> {
        mpsc::unbounded_channel().1
    }
}

fn reply_to(command: &Command) -> Result<Reply, Failure> {
    let (outcome, holder) = match command {
        Command::Acquire { identity, .. } => (Outcome::Granted, Some(*identity)),
        Command::Renew { identity, .. } => (Outcome::Renewed, Some(*identity)),
        Command::Release { identity, .. } => (Outcome::Released, Some(*identity)),
        Command::Inspect => (Outcome::Seen, None),
    };
    Ok(Reply {
        outcome,
        record: Some(Record {
            version: Version {
                seq: 1,
                epoch: 1,
                run: "run".into(),
            },
            token: Token::new(7),
            holder,
            server: "server".into(),
            ttl: TTL,
            released: outcome == Outcome::Released,
            same_run: true,
        }),
        listeners: Some(0),
    })
}

fn campaign(nth: u32, late: bool) -> (Handle, mpsc::UnboundedReceiver<Change>) {
    let (told, changes) = mpsc::unbounded_channel();
    let handle = Handle::start(Start {
        store: Arc::new(Planted {
            nth,
            sent: AtomicU32::new(0),
            late,
        }),
        target: Target {
            name: "test".into(),
            server: "server".into(),
        },
        config: Config::new(TTL),
        sink: Box::new(move |change| drop(told.send(change))),
        heartbeat: Heartbeat::start(|| {}).unwrap(),
        span: tracing::Span::none(),
    })
    .unwrap();
    handle.listen(true);
    handle.establish();
    (handle, changes)
}

#[tokio::test]
async fn a_panic_in_the_loop_ends_the_lease_that_it_renewed_and_no_other() {
    // With RUST_BACKTRACE set, printing one takes longer than the ttl, on the campaigns' own thread.
    std::panic::set_hook(Box::new(|panic| eprintln!("{panic}")));
    let (_other, mut undisturbed) = campaign(u32::MAX, false);
    for late in [false, true] {
        let (handle, mut changes) = campaign(3, late);
        let Some(Change::Elected(cell)) = changes.recv().await else {
            panic!("not elected");
        };
        let answer = changes.recv().await;
        assert!(
            matches!(
                answer,
                Some(Change::Answer {
                    answer: Answer::Elected(_),
                    ..
                })
            ),
            "{answer:?}"
        );
        let failed = changes.recv().await;
        assert!(
            matches!(failed, Some(Change::Failed { token: Some(token) }) if token == cell.token()),
            "{failed:?}"
        );
        assert!(!cell.is_held(now()));
        // Nobody waits for what is dead, at the exit least of all.
        let number = handle.resign(Reason::Exit);
        let begun = now();
        assert!(primary_lease::driver::wait_ended(
            &[(handle, number)],
            TTL * 10
        ));
        assert!(now().since(begun) < TTL);
    }
    let Some(Change::Elected(cell)) = undisturbed.recv().await else {
        panic!("not elected");
    };
    tokio::time::sleep(TTL * 2).await;
    assert!(cell.is_held(now()), "the runtime goes on");
}
