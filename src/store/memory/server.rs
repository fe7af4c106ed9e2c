use std::sync::Arc;
use std::time::Duration;

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
    incarnation: Arc<str>,
}

impl Server {
    pub fn new(run_id: &str, replid: &str) -> Self {
        Server {
            run_id: run_id.into(),
            replid: replid.into(),
            wall_micros: 0,
            uptime: Duration::ZERO,
            promoted: false,
            // A replica keeps its run id when it is promoted, and a failover and back brings the old
            // one back: the run id alone does not name a data set.
            incarnation: format!("{run_id}:{replid}").into(),
        }
    }

    /// The server's present life and data set, `run_id:master_replid`.
    pub fn incarnation(&self) -> &Arc<str> {
        &self.incarnation
    }
}
