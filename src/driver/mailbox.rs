use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use futures_util::task::AtomicWaker;

/// What a loop is told, in order. A channel of tokio's would take two kilobytes for each run of a job,
/// which is told two things.
#[derive(Debug)]
pub(super) struct Mailbox<T> {
    letters: Mutex<VecDeque<T>>,
    closed: AtomicBool,
    reader: AtomicWaker,
}

/// The way into a mailbox, which is closed with the last clone.
#[derive(Debug)]
pub(super) struct Sender<T>(Arc<Closing<T>>);

#[derive(Debug)]
struct Closing<T>(Arc<Mailbox<T>>);

pub(super) fn mailbox<T>() -> (Sender<T>, Arc<Mailbox<T>>) {
    let mailbox = Arc::new(Mailbox {
        letters: Mutex::default(),
        closed: AtomicBool::new(false),
        reader: AtomicWaker::new(),
    });
    (Sender(Arc::new(Closing(mailbox.clone()))), mailbox)
}

impl<T> Sender<T> {
    pub fn send(&self, letter: T) {
        self.0.0.put(letter);
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        Sender(self.0.clone())
    }
}

impl<T> Drop for Closing<T> {
    fn drop(&mut self) {
        self.0.closed.store(true, Ordering::Release);
        self.0.reader.wake();
    }
}

impl<T> Mailbox<T> {
    pub fn put(&self, letter: T) {
        let mut letters = self.letters.lock().unwrap_or_else(PoisonError::into_inner);
        letters.push_back(letter);
        drop(letters);
        self.reader.wake();
    }

    /// The next letter; `None` when there is none and never will be. Dropping the future loses nothing.
    pub async fn next(&self) -> Option<T> {
        poll_fn(|context| self.poll(context)).await
    }

    fn poll(&self, context: &mut Context<'_>) -> Poll<Option<T>> {
        self.reader.register(context.waker());
        // Closed first: what was put before it must not be missed.
        let closed = self.closed.load(Ordering::Acquire);
        let mut letters = self.letters.lock().unwrap_or_else(PoisonError::into_inner);
        match letters.pop_front() {
            Some(letter) => Poll::Ready(Some(letter)),
            None if closed => Poll::Ready(None),
            None => Poll::Pending,
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::task::yield_now;

    use super::mailbox;

    #[tokio::test]
    async fn letters_come_in_order_and_then_the_end() {
        let (sender, mailbox) = mailbox();
        let other = sender.clone();
        sender.send(1);
        other.send(2);
        drop(sender);
        assert_eq!(mailbox.next().await, Some(1));
        other.send(3);
        drop(other);
        assert_eq!(mailbox.next().await, Some(2));
        assert_eq!(mailbox.next().await, Some(3));
        assert_eq!(mailbox.next().await, None);
    }

    #[tokio::test]
    async fn a_reader_that_waits_is_woken_by_a_letter_and_by_the_end() {
        let (sender, mailbox) = mailbox();
        let reader = tokio::spawn(async move { (mailbox.next().await, mailbox.next().await) });
        yield_now().await;
        sender.send('a');
        yield_now().await;
        drop(sender);
        assert_eq!(reader.await.unwrap(), (Some('a'), None));
    }
}
