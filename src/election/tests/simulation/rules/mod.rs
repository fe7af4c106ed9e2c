//! The checkers of DESIGN's rules, each on its own, from true time and the register's own history.

mod deadline;
mod events;
mod exclusion;
mod fence;
mod messages;
mod takeover;
mod tokens;
mod window;
mod writes;

pub use deadline::Deadline;
pub use events::Events;
pub use exclusion::{Exclusion, Term};
pub use fence::Fence;
pub use messages::Messages;
pub use takeover::Takeover;
pub use tokens::Tokens;
pub use window::{Arithmetic, Window};
pub use writes::{Write, Writes};

use super::family::Family;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    R1,
    R2,
    R3,
    R4,
    R5,
    R6,
    R7,
    R8,
    /// What messages cause is bounded, whoever sends them.
    Messages,
    Liveness,
}

impl Rule {
    pub const ALL: [Rule; 10] = [
        Rule::R1,
        Rule::R2,
        Rule::R3,
        Rule::R4,
        Rule::R5,
        Rule::R6,
        Rule::R7,
        Rule::R8,
        Rule::Messages,
        Rule::Liveness,
    ];
}

#[derive(Clone, Debug)]
pub struct Violation {
    pub rule: Rule,
    pub at: u64,
    pub message: String,
}

/// What a checker says: nothing, or what is wrong.
pub type Verdict = Result<(), String>;

/// All checkers, and the first violation that they saw.
pub struct Rules {
    family: Family,
    /// The rules that end a run; the others are counted. All but a family's exceptions, unless a
    /// test of the checkers wants to hear of one alone.
    heard: Vec<Rule>,
    pub violation: Option<Violation>,
    pub counted: Vec<Rule>,
    pub exclusion: Exclusion,
    pub tokens: Tokens,
    pub fence: Fence,
    pub deadlines: Vec<Deadline>,
    pub windows: Vec<Window>,
    pub takeover: Takeover,
    pub events: Vec<Events>,
    pub messages: Vec<Messages>,
    pub writes: Writes,
}

impl Rules {
    pub fn new(family: Family, heard: &[Rule]) -> Self {
        Rules {
            family,
            heard: heard.to_vec(),
            violation: None,
            counted: Vec::new(),
            exclusion: Exclusion::default(),
            tokens: Tokens::default(),
            fence: Fence::default(),
            deadlines: Vec::new(),
            windows: Vec::new(),
            takeover: Takeover::default(),
            events: Vec::new(),
            messages: Vec::new(),
            writes: Writes::default(),
        }
    }

    pub fn hear(&mut self, rule: Rule, at: u64, verdict: Verdict) {
        let Err(message) = verdict else { return };
        if !self.family.asserts(rule) {
            self.counted.push(rule);
        } else if self.violation.is_none() && self.heard.contains(&rule) {
            self.violation = Some(Violation { rule, at, message });
        }
    }
}

/// A true time or a span, for people.
pub fn seconds(micros: u64) -> String {
    format!("{}.{:06} s", micros / 1_000_000, micros % 1_000_000)
}
