use super::inbox::Inbox;
use super::run_change::RunInput;
use crate::election::Failure;
use crate::election::run::{RunOutcome, RunRequest};
use crate::store::RunAnswers;

/// What all runs are told.
pub(super) type RunInbox = Inbox<RunInput>;

impl RunAnswers for RunInbox {
    fn answer(&self, run: u64, request: RunRequest, answer: Result<RunOutcome, Failure>) {
        self.put(run, RunInput::Answer(request, answer));
    }

    fn sent(&self, run: u64, id: u64) {
        self.put(run, RunInput::Sent(id));
    }
}
