//! How a run of a job ended, and who is told.

use std::rc::Rc;

use napi::Env;

use crate::binding::environment::Environment;
use crate::binding::js::Value;
use crate::election::scoped::Refusal;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// With the word that the outside has for the reason.
    By(&'static str),
    /// It took longer than `maxRun`.
    Overrun,
}

impl Loss {
    /// The word that the outside has for it.
    pub fn word(self) -> &'static str {
        match self {
            Loss::By(reason) => reason,
            Loss::Overrun => "overrun",
        }
    }
}

/// How a run ended, or why it never began.
pub enum Ending {
    Refused(Refusal),
    /// Its runner was closed.
    Closed,
    Returned {
        token: f64,
        value: Value,
    },
    Threw {
        token: f64,
        error: Value,
    },
    /// The lease was lost during the run, which ended all the same: with a value or with an error.
    Lost {
        token: f64,
        loss: Loss,
        result: Option<Result<Value, Value>>,
    },
    /// Something of ours broke.
    Broke,
}

/// Who is told the end of a run, once.
pub trait Caller {
    fn answer(self: Box<Self>, env: &Env, environment: &Rc<Environment>, ending: Ending);

    /// Whether the process is to live until it is told.
    fn keep_alive(&self, keep: bool);

    /// What stands in the log beside the resource.
    fn prefix(&self) -> Option<&str> {
        None
    }
}
