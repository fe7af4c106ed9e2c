//! Many standbys and one release: how many of them ask before all have heard who was faster.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use super::scene::{OTHER, held_by, released_by, reply};
use crate::election::{
    Command, Config, Election, Identity, Message, Outcome, Output, Random, Record, Request, Time,
    WriteKind,
};

const STANDBYS: usize = 1_000;
/// Between two polls, in microseconds.
const RELEASED_AT: u64 = 2_000_000;

enum Happening {
    Hears(Message),
    Alarm,
    Asks(Box<Request>),
    Answered(Box<Request>, Outcome, Record),
}

/// What happens to whom, by time and order.
#[derive(Default)]
struct Crowd {
    queue: BinaryHeap<Reverse<(u64, usize)>>,
    happenings: Vec<Option<(usize, Happening)>>,
}

impl Crowd {
    fn push(&mut self, at: u64, who: usize, what: Happening) {
        self.queue.push(Reverse((at, self.happenings.len())));
        self.happenings.push(Some((who, what)));
    }

    fn pop(&mut self) -> Option<(u64, usize, Happening)> {
        let Reverse((at, place)) = self.queue.pop()?;
        let (who, what) = self.happenings[place].take()?;
        Some((at, who, what))
    }
}

/// One whose caller has been answered: it has seen the record change.
fn standby(seed: u128) -> Election {
    let mut election = Election::new(Config::new(Duration::from_secs(5)), Random::from_seed(seed));
    election.listen(Time::ZERO, true);
    election.campaign(Time::ZERO);
    let mut now = Time::ZERO;
    for seq in 0..2 {
        let sent = std::iter::from_fn(|| election.poll_output()).find_map(|output| match output {
            Output::Send(request) => Some(request),
            _ => None,
        });
        let answer = reply(Outcome::Refused, held_by(OTHER, 5, seq));
        election.handle_reply(now, sent.expect("it polls"), answer);
        if seq == 0 {
            now = election.poll_timeout().expect("it will poll");
            election.handle_timeout(now);
        }
    }
    while election.poll_output().is_some() {}
    election
}

/// A release reaches everybody within some ms, a script takes the store 50 us, and a round trip a tenth of
/// a ms; `heard_after` is how long it takes until all have heard of a grant.
fn scripts_for_one_vacancy(heard_after: u64) -> (usize, u64) {
    let mut standbys: Vec<Election> = (0..STANDBYS as u128).map(standby).collect();
    let mut crowd = Crowd::default();
    let mut draw = Random::from_seed(1);
    let released = Message {
        change: WriteKind::Released,
        record: released_by(OTHER, 5, 2),
        listeners: STANDBYS as u32,
    };
    for who in 0..STANDBYS {
        let at = RELEASED_AT + draw.below(heard_after);
        crowd.push(at, who, Happening::Hears(released.clone()));
    }
    let (mut scripts, mut store_free_at, mut taken): (usize, u64, Option<(u64, Identity)>) =
        (0, 0, None);
    while let Some((now, who, what)) = crowd.pop() {
        if now > RELEASED_AT + 500_000 {
            break;
        }
        let time = Time::from_micros(now);
        let standby = &mut standbys[who];
        match what {
            Happening::Hears(message) => standby.handle_message(time, message),
            Happening::Alarm => standby.handle_timeout(time),
            Happening::Answered(request, outcome, record) => {
                standby.handle_reply(time, *request, reply(outcome, record));
            }
            Happening::Asks(request) => {
                let Command::Acquire { identity, .. } = request.command else {
                    continue;
                };
                scripts += 1;
                store_free_at = store_free_at.max(now) + 50;
                let outcome = match taken {
                    None => {
                        taken = Some((now, identity));
                        let granted = Message {
                            change: WriteKind::Granted,
                            record: held_by(identity, 6, 3),
                            listeners: 0,
                        };
                        for other in 0..STANDBYS {
                            let at = store_free_at + draw.below(heard_after);
                            crowd.push(at, other, Happening::Hears(granted.clone()));
                        }
                        Outcome::Granted
                    }
                    Some(_) => Outcome::Refused,
                };
                let holder = taken.map_or(OTHER, |(_, identity)| identity);
                let answered = Happening::Answered(request, outcome, held_by(holder, 6, 3));
                crowd.push(store_free_at + 50, who, answered);
                continue;
            }
        }
        let standby = &mut standbys[who];
        while let Some(output) = standby.poll_output() {
            if let Output::Send(request) = output {
                crowd.push(now + 50, who, Happening::Asks(Box::new(request)));
            }
        }
        if let Some(at) = standby.poll_timeout() {
            crowd.push(at.as_micros().max(now + 1), who, Happening::Alarm);
        }
    }
    let (filled_at, _) = taken.expect("nobody took it");
    (scripts, filled_at - RELEASED_AT)
}

#[test]
fn of_a_thousand_standbys_few_ask_for_a_released_record_and_one_has_it_soon() {
    for heard_after in [1_000, 5_000, 10_000] {
        let (scripts, filled_after) = scripts_for_one_vacancy(heard_after);
        println!(
            "heard of within {heard_after} us: {scripts} scripts, filled after {filled_after} us"
        );
        assert!(scripts <= 50, "{scripts}");
        assert!(filled_after <= 50_000, "{filled_after}");
    }
}
