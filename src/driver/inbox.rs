use std::future::poll_fn;
use std::mem::swap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use futures_util::task::AtomicWaker;

/// What many are told, with the number of each, in order: by the threads of event loops, by stores, by whoever
/// listens. It is taken all at once.
pub(super) struct Inbox<I> {
    waiting: Mutex<Vec<(u64, I)>>,
    reader: AtomicWaker,
}

impl<I> Inbox<I> {
    /// Tells one of them something.
    pub fn put(&self, number: u64, input: I) {
        self.leave(number, input);
        self.reader.wake();
    }

    /// The same, heard with the next that is [put](Inbox::put), or after [`Inbox::wake`]: to wake another
    /// thread costs more than all the rest.
    pub fn leave(&self, number: u64, input: I) {
        self.waiting().push((number, input));
    }

    /// What was left is to be heard.
    pub fn wake(&self) {
        if !self.waiting().is_empty() {
            self.reader.wake();
        }
    }

    /// Waits until something is here, and takes all of it. `taken` is empty, and its memory is used again.
    /// Dropping the future loses nothing.
    pub async fn take(&self, taken: &mut Vec<(u64, I)>) {
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
    fn waiting(&self) -> MutexGuard<'_, Vec<(u64, I)>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<I> Default for Inbox<I> {
    fn default() -> Self {
        Inbox {
            waiting: Mutex::default(),
            reader: AtomicWaker::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::task::yield_now;

    use super::*;

    #[tokio::test]
    async fn all_that_waits_is_taken_in_its_order() {
        let inbox = Inbox::default();
        inbox.leave(1, "first");
        inbox.put(2, "second");
        let mut taken = Vec::new();
        inbox.take(&mut taken).await;
        assert_eq!(taken, [(1, "first"), (2, "second")]);
    }

    #[tokio::test]
    async fn what_is_left_is_taken_with_what_is_put() {
        let inbox = Arc::new(Inbox::default());
        let reading = inbox.clone();
        let reader = tokio::spawn(async move {
            let mut taken = Vec::new();
            reading.take(&mut taken).await;
            taken.len()
        });
        yield_now().await;
        inbox.leave(1, "left");
        yield_now().await;
        assert!(!reader.is_finished());
        inbox.wake();
        assert_eq!(reader.await.unwrap(), 1);
    }
}
