use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

use super::{Answering, Answers};
use crate::election::{Failure, Reply, Request};

/// Passes the answer to one request on to a caller that waits for it.
pub(super) struct OneAnswer(Mutex<Option<oneshot::Sender<Result<Reply, Failure>>>>);

impl OneAnswer {
    pub fn awaited() -> (Arc<dyn Answers>, Answering<Reply>) {
        let (sender, answered) = oneshot::channel();
        let answering = async {
            answered.await.unwrap_or_else(|_| {
                let cause = "the store was closed".into();
                Err(Failure::Unknown { cause })
            })
        };
        let answers = OneAnswer(Mutex::new(Some(sender)));
        (Arc::new(answers), Box::pin(answering))
    }
}

impl Answers for OneAnswer {
    fn answer(&self, _: u64, _: Request, answer: Result<Reply, Failure>) {
        let sender = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(sender) = sender {
            // The caller may have stopped waiting.
            let _ = sender.send(answer);
        }
    }
}
