use super::{Verdict, seconds};
use crate::election::{Answer, Event, Token};

/// R7: `elected` and `lost` alternate per campaign, nothing follows `resigned`, and the rest of
/// what the outside is promised about the order of events.
#[derive(Default)]
pub struct Events {
    campaigning: bool,
    held: Option<Token>,
    /// A renewal is late, and it was told so.
    late: bool,
    /// A late renewal was confirmed; that is to be told next.
    owes_renewed: bool,
    highest: Token,
    unavailable: bool,
    /// Since when, in true time, a caller waits for an answer.
    asked: Option<u64>,
    last_primary: Option<Event>,
}

impl Events {
    pub fn campaign(&mut self, now: u64) {
        self.campaigning = true;
        self.asked.get_or_insert(now);
    }

    pub fn event(&mut self, event: &Event) -> Verdict {
        if !self.campaigning {
            return Err(format!("{event:?} outside a campaign"));
        }
        if std::mem::take(&mut self.owes_renewed) && !matches!(event, Event::Renewed { .. }) {
            return Err(format!(
                "{event:?} and not that a late renewal was confirmed"
            ));
        }
        match event {
            Event::RenewalLate { token, .. } => {
                if self.held != Some(*token) || std::mem::replace(&mut self.late, true) {
                    return Err(format!(
                        "the renewal of {token} is late, which is not held, or twice"
                    ));
                }
            }
            Event::Renewed { token, .. } => {
                if self.held != Some(*token) || !std::mem::take(&mut self.late) {
                    return Err(format!("renewed {token}, and it was not late"));
                }
            }
            Event::Elected(grant) => {
                if let Some(held) = self.held {
                    return Err(format!(
                        "elected with token {} while holding {held}",
                        grant.token
                    ));
                }
                if grant.token <= self.highest {
                    return Err(format!(
                        "elected with token {} after {}",
                        grant.token, self.highest
                    ));
                }
                self.held = Some(grant.token);
                self.highest = grant.token;
                // The outside knows of another primary now: itself.
                self.last_primary = None;
            }
            Event::Lost { token, .. } => {
                self.late = false;
                if self.held.take() != Some(*token) {
                    return Err(format!("lost token {token}, which is not held"));
                }
            }
            Event::Resigned { token, .. } => {
                self.campaigning = false;
                self.late = false;
                let held = self.held.take();
                if held != *token {
                    return Err(format!("resigned {token:?} while holding {held:?}"));
                }
                // A new campaign begins with a clean slate.
                self.last_primary = None;
                self.unavailable = false;
            }
            Event::PrimaryChanged(_) => {
                if self.last_primary.as_ref() == Some(event) {
                    return Err(format!("{event:?} twice"));
                }
                self.last_primary = Some(event.clone());
            }
            Event::Unavailable { .. } => {
                if std::mem::replace(&mut self.unavailable, true) {
                    return Err("unavailable twice".into());
                }
            }
            Event::Available => {
                if !std::mem::replace(&mut self.unavailable, false) {
                    return Err("available, and was not unavailable".into());
                }
            }
        }
        Ok(())
    }

    pub fn extended(&mut self, token: Option<Token>) -> Verdict {
        if self.owes_renewed {
            return Err("nobody was told that a late renewal was confirmed".into());
        }
        self.owes_renewed = self.late;
        match self.held {
            Some(held) if Some(held) == token => Ok(()),
            held => Err(format!("extended {token:?} while holding {held:?}")),
        }
    }

    pub fn answer(&mut self, answer: &Answer) -> Verdict {
        if self.asked.take().is_none() {
            return Err(format!("answered {answer:?} and nobody asked"));
        }
        Ok(())
    }

    /// A denied campaign has ended without a `Resigned`.
    pub fn denied(&mut self) {
        self.campaigning = false;
        self.last_primary = None;
        self.unavailable = false;
    }

    pub fn unanswered_since(&self, since: u64) -> Verdict {
        match self.asked {
            Some(asked) if asked <= since => Err(format!(
                "an establishing caller has had no answer since {}",
                seconds(asked)
            )),
            _ => Ok(()),
        }
    }
}
