use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::RedisSource;

/// Asks whoever gave a source to read it again. What comes of it is told by
/// [`CredentialStore::use_credentials`](super::CredentialStore::use_credentials).
pub type ReadAgain = Arc<dyn Fn() + Send + Sync>;

/// Who reads a source again: its environment, its layer, and its number there.
pub type Reader = [u64; 3];

/// The source of a store, whose credentials may change while it is used: passwords are rotated.
pub(super) struct PresentSource {
    source: Mutex<Arc<RedisSource>>,
    /// The server has refused the credentials, and has not taken any since.
    refused: AtomicBool,
    readers: Mutex<Vec<(Reader, ReadAgain)>>,
}

impl PresentSource {
    pub fn new(source: Arc<RedisSource>) -> Self {
        PresentSource {
            source: Mutex::new(source),
            refused: AtomicBool::new(false),
            readers: Mutex::default(),
        }
    }

    pub fn get(&self) -> Arc<RedisSource> {
        lock(&self.source).clone()
    }

    pub fn add_reader(&self, reader: Reader, read_again: ReadAgain) {
        let mut readers = lock(&self.readers);
        readers.retain(|(known, _)| *known != reader);
        readers.push((reader, read_again));
    }

    /// The server has taken the credentials.
    pub fn accepted(&self) {
        self.refused.store(false, Ordering::Release);
    }

    /// The server has refused the log-in.
    pub fn refused(&self) {
        self.refused.store(true, Ordering::Release);
        let readers: Vec<_> = lock(&self.readers).iter().map(|(_, r)| r.clone()).collect();
        for read_again in readers {
            read_again();
        }
    }

    /// Logs in with these from now on, where the present ones are refused. Says whether they are others.
    pub fn renew(&self, username: Option<String>, password: Option<String>) -> bool {
        let mut source = lock(&self.source);
        let same = source.username == username && source.password == password;
        if same || !self.refused.load(Ordering::Acquire) {
            return false;
        }
        *source = Arc::new(RedisSource {
            username,
            password,
            ..RedisSource::clone(&source)
        });
        true
    }
}

impl fmt::Debug for PresentSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

/// Plain data that a panic elsewhere leaves whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    fn with(password: &str) -> RedisSource {
        RedisSource {
            password: Some(password.into()),
            ..RedisSource::default()
        }
    }

    #[test]
    fn credentials_that_work_are_not_replaced() {
        let present = PresentSource::new(with("old").into());
        assert!(!present.renew(None, Some("new".into())));
        present.refused();
        assert!(!present.renew(None, Some("old".into())));
        assert!(present.renew(None, Some("new".into())));
        assert_eq!(*present.get(), with("new"));
        present.accepted();
        assert!(!present.renew(None, Some("another".into())));
        assert_eq!(*present.get(), with("new"));
    }

    #[test]
    fn each_reader_is_asked_once_for_each_refusal() {
        let present = PresentSource::new(with("old").into());
        let asked = Arc::new(AtomicUsize::new(0));
        for reader in [[1, 1, 1], [1, 1, 2], [1, 1, 1]] {
            let asked = asked.clone();
            let read_again = move || {
                asked.fetch_add(1, Ordering::SeqCst);
            };
            present.add_reader(reader, Arc::new(read_again));
        }
        present.refused();
        assert_eq!(asked.load(Ordering::SeqCst), 2);
    }
}
