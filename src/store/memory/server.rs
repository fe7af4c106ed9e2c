use std::sync::Arc;
use std::time::Duration;

use crate::election::UNTOLD;

/// What a script learns of the server that runs it (INFO and TIME).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    pub run_id: Arc<str>,
    pub replid: Arc<str>,
    /// The server's wall clock, in microseconds since 1970.
    pub wall_micros: u64,
    pub uptime: Duration,
    /// It was promoted from a replica at some time: `second_repl_offset` is not -1.
    pub promoted: bool,
    /// A server that asks may do without an incarnation (`failoverUnsafe`).
    pub failover_unsafe: bool,
    incarnation: Arc<str>,
}

/// What a server tells of its incarnation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tells {
    All,
    ReplidAlone,
    Nothing,
}

impl Server {
    pub fn new(run_id: &str, replid: &str) -> Self {
        Server {
            run_id: run_id.into(),
            replid: replid.into(),
            wall_micros: 0,
            uptime: Duration::ZERO,
            promoted: false,
            failover_unsafe: false,
            // A replica keeps its run id when it is promoted, and a failover and back brings the old
            // one back: the run id alone does not name a data set.
            incarnation: format!("{run_id}:{replid}").into(),
        }
    }

    /// The same server, telling so much of its incarnation.
    pub fn telling(mut self, tells: Tells) -> Self {
        match tells {
            Tells::All => {}
            Tells::ReplidAlone => self.incarnation = format!("{UNTOLD}{}", self.replid).into(),
            Tells::Nothing => self.incarnation = format!("{UNTOLD}0").into(),
        }
        self
    }

    pub fn is_untold(&self) -> bool {
        self.incarnation.starts_with(UNTOLD)
    }

    /// The server's present life and data set, `run_id:master_replid`, as far as it tells them.
    pub fn incarnation(&self) -> &Arc<str> {
        &self.incarnation
    }
}
