use std::future::poll_fn;
use std::mem::swap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use futures_util::task::AtomicWaker;

use super::run_change::RunInput;
use crate::election::Failure;
use crate::election::run::{RunOutcome, RunRequest};
use crate::store::RunAnswers;

/// What all runs are told, with the number of each, in order: by the threads of event loops, by stores, by
/// whoever listens. It is taken all at once.
#[derive(Default)]
pub(super) struct RunInbox {
    waiting: Mutex<Vec<(u64, RunInput)>>,
    reader: AtomicWaker,
}

impl RunInbox {
    /// Tells a run something.
    pub fn put(&self, run: u64, input: RunInput) {
        self.leave(run, input);
        self.reader.wake();
    }

    /// The same, heard with the next that is [put](RunInbox::put), or after [`RunInbox::wake`]: to wake another
    /// thread costs more than all the rest.
    pub fn leave(&self, run: u64, input: RunInput) {
        self.waiting().push((run, input));
    }

    /// What was left is to be heard.
    pub fn wake(&self) {
        if !self.waiting().is_empty() {
            self.reader.wake();
        }
    }

    /// Waits until something is here, and takes all of it. `taken` is empty, and its memory is used again.
    /// Dropping the future loses nothing.
    pub async fn take(&self, taken: &mut Vec<(u64, RunInput)>) {
        poll_fn(|context| {
            self.reader.register(context.waker());
            swap(&mut *self.waiting(), taken);
            match taken.is_empty() {
                true => Poll::Pending,
                false => Poll::Ready(()),
            }
        })
        .await;
    }

    /// Nothing is left half-written under this lock, so a panic elsewhere does not spoil it.
    fn waiting(&self) -> MutexGuard<'_, Vec<(u64, RunInput)>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RunAnswers for RunInbox {
    fn answer(&self, run: u64, request: RunRequest, answer: Result<RunOutcome, Failure>) {
        self.put(run, RunInput::Answer(request, answer));
    }

    fn sent(&self, run: u64, id: u64) {
        self.put(run, RunInput::Sent(id));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::task::yield_now;

    use super::*;

    #[tokio::test]
    async fn all_that_waits_is_taken_in_its_order() {
        let inbox = RunInbox::default();
        inbox.leave(1, RunInput::Release);
        inbox.put(2, RunInput::Abandon);
        let mut taken = Vec::new();
        inbox.take(&mut taken).await;
        assert!(matches!(
            taken[..],
            [(1, RunInput::Release), (2, RunInput::Abandon)]
        ));
    }

    #[tokio::test]
    async fn what_is_left_is_taken_with_what_is_put() {
        let inbox = Arc::new(RunInbox::default());
        let reading = inbox.clone();
        let reader = tokio::spawn(async move {
            let mut taken = Vec::new();
            reading.take(&mut taken).await;
            taken.len()
        });
        yield_now().await;
        inbox.leave(1, RunInput::Release);
        yield_now().await;
        assert!(!reader.is_finished());
        inbox.wake();
        assert_eq!(reader.await.unwrap(), 1);
    }
}
