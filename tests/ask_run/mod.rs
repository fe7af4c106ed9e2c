//! One command of a run, and a future for its answer.

use std::sync::{Arc, Mutex};

use primary_lease::election::Failure;
use primary_lease::election::run::{RunOutcome, RunRequest};
use primary_lease::store::{Answering, RunAnswers, RunStore};
use tokio::sync::oneshot;

pub trait AskRun: RunStore {
    /// Sends it, and answers within its bound.
    fn ask_run(&self, resource: &str, request: &RunRequest) -> Answering<RunOutcome> {
        let (sender, answered) = oneshot::channel();
        let answers: Arc<dyn RunAnswers> = Arc::new(Alone(Mutex::new(Some(sender))));
        self.send_run(&resource.into(), 1, request.clone(), &answers);
        Box::pin(async { answered.await.expect("an answer") })
    }
}

impl<T: RunStore + ?Sized> AskRun for T {}

/// Waits for one answer.
struct Alone(Mutex<Option<oneshot::Sender<Result<RunOutcome, Failure>>>>);

impl RunAnswers for Alone {
    fn answer(&self, _: u64, _: RunRequest, answer: Result<RunOutcome, Failure>) {
        let sender = self.0.lock().unwrap().take();
        // A caller that asked may have stopped waiting.
        let _ = sender.expect("one answer alone").send(answer);
    }

    fn sent(&self, _: u64, _: u64) {}
}
