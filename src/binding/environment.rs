//! What one JavaScript environment (the main thread, or a worker) has, and the one queue through which
//! everything reaches it. It knows no feature: those keep what is theirs here, under their own types.

use std::any::{Any, TypeId};
use std::cell::{Cell, RefCell};
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use napi::Env;

use super::node::Bell;
use crate::driver::{LeaseCell, soon};
use crate::election::Time;
use crate::store::Numbered;

/// Something to be done on an environment's own thread.
pub type Act = Box<dyn FnOnce(&Env, &Rc<Environment>) + Send>;

/// What lets something go when its environment ends.
pub trait Member: Any {
    /// What to wait for, if anything is on its way then.
    fn leave(&self) -> Option<Leaving>;
}

pub struct Leaving {
    pub timeout: Duration,
    pub wait: Box<dyn FnOnce(Time)>,
}

/// What one feature keeps for an environment.
pub trait Feature: Any {
    /// All that came in one turn of the event loop has been done.
    fn turned(&self, _: &Env, _: &Rc<Environment>) {}

    /// The environment ends: its members are about to leave.
    fn leaving(&self) {}
}

/// The way into an environment, from any thread. It is called once for all that waits.
#[derive(Clone)]
pub struct Channel {
    bell: Arc<Bell>,
    /// Unbounded: no 'lost' is ever dropped.
    acts: Arc<Mutex<Vec<Act>>>,
}

impl Channel {
    pub fn send(&self, act: impl FnOnce(&Env, &Rc<Environment>) + Send + 'static) {
        if self.put(Box::new(act)) {
            // What comes with it is told together.
            let channel = self.clone();
            soon(move || channel.ring());
        }
    }

    /// From the thread of the environment: in between JavaScript does what follows from the present call.
    pub fn send_behind_this(&self, act: impl FnOnce(&Env, &Rc<Environment>) + Send + 'static) {
        if self.put(Box::new(act)) {
            self.ring();
        }
    }

    /// Whether it is the first, so that somebody has to be called.
    fn put(&self, act: Act) -> bool {
        let mut acts = self.acts.lock().unwrap_or_else(PoisonError::into_inner);
        acts.push(act);
        acts.len() == 1
    }

    fn ring(&self) {
        // An environment that has ended needs to hear nothing any more.
        if !self.bell.ring() {
            self.take();
        }
    }

    fn take(&self) -> Vec<Act> {
        std::mem::take(&mut *self.acts.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

pub struct Environment {
    pub id: u64,
    pub channel: Channel,
    /// It is ending: nothing new is begun.
    pub closed: Cell<bool>,
    members: RefCell<Numbered<u64, Rc<dyn Member>>>,
    features: RefCell<Numbered<TypeId, Rc<dyn Feature>>>,
    /// The leases that are held, or were until now.
    cells: RefCell<Numbered<u64, Arc<LeaseCell>>>,
    numbers: Cell<u64>,
    /// How many promises keep the process alive.
    awaited: Cell<usize>,
}

impl Environment {
    /// A number that was not used before here.
    pub fn next_number(&self) -> u64 {
        self.numbers.set(self.numbers.get() + 1);
        self.numbers.get()
    }

    pub fn add(&self, number: u64, member: Rc<dyn Member>) {
        self.members.borrow_mut().insert(number, member);
    }

    pub fn remove(&self, number: u64) {
        let removed = self.members.borrow_mut().remove(&number);
        drop(removed);
    }

    /// The member with this number, if it is of this kind.
    pub fn member<T: Member>(&self, number: u64) -> Option<Rc<T>> {
        let member: Rc<dyn Any> = self.members.borrow().get(&number)?.clone();
        member.downcast().ok()
    }

    /// All members, which are about to leave.
    pub fn leaving(&self) -> Vec<Rc<dyn Member>> {
        let features: Vec<_> = self.features.borrow().values().cloned().collect();
        for feature in features {
            feature.leaving();
        }
        self.members.borrow().values().cloned().collect()
    }

    /// What a feature keeps here; made at the first call.
    pub fn feature<T: Feature + Default>(&self) -> Rc<T> {
        let mut features = self.features.borrow_mut();
        let kept = features
            .entry(TypeId::of::<T>())
            .or_insert_with(|| Rc::<T>::default());
        let kept: Rc<dyn Any> = kept.clone();
        kept.downcast().unwrap_or_default()
    }

    pub fn begin_lease(&self, number: u64, cell: Arc<LeaseCell>) {
        self.cells.borrow_mut().insert(number, cell);
    }

    pub fn end_lease(&self, number: u64) {
        if let Some(cell) = self.cells.borrow_mut().remove(&number) {
            cell.end();
        }
    }

    /// The work under it is over.
    pub fn finish_lease(&self, number: u64, now: Time) {
        if let Some(cell) = self.cells.borrow_mut().remove(&number) {
            cell.finish(now);
        }
    }

    pub fn lease(&self, number: u64) -> Option<Arc<LeaseCell>> {
        self.cells.borrow().get(&number).cloned()
    }

    /// Reads a lease; nothing of one that has ended.
    pub fn read_lease<T: Default>(&self, number: u64, read: impl FnOnce(&LeaseCell) -> T) -> T {
        self.cells
            .borrow()
            .get(&number)
            .map_or_else(T::default, |cell| read(cell))
    }

    /// One promise more, or one less, keeps the process alive.
    pub fn keep_alive(&self, env: &Env, keep: bool) {
        let before = self.awaited.get();
        let after = if keep {
            before + 1
        } else {
            before.saturating_sub(1)
        };
        self.awaited.set(after);
        if (before == 0) != (after == 0) {
            self.channel.bell.keep_alive(env, keep);
        }
    }

    fn turn(self: &Rc<Self>, env: &Env) {
        for act in self.channel.take() {
            guarded(|| act(env, self));
        }
        let features: Vec<_> = self.features.borrow().values().cloned().collect();
        for feature in features {
            guarded(|| feature.turned(env, self));
        }
    }
}

/// A panic ends what was being done, and nothing beside it.
pub fn guarded(act: impl FnOnce()) {
    if catch_unwind(AssertUnwindSafe(act)).is_err() {
        tracing::error!(environment = id(), "delivering a change failed");
    }
}

// Nothing is dropped when the thread ends: by then the environment is gone, and with it what our
// references pointed to. The clean-up hook empties the state in time.
thread_local! {
    static PRESENT: ManuallyDrop<RefCell<Option<Rc<Environment>>>> =
        const { ManuallyDrop::new(RefCell::new(None)) };
}

static IDS: AtomicU64 = AtomicU64::new(1);

/// The environment of this thread, and whether it was made by this call.
pub fn present(env: &Env) -> napi::Result<(Rc<Environment>, bool)> {
    if let Some(present) = existing() {
        return Ok((present, false));
    }
    let environment = Rc::new(Environment {
        id: IDS.fetch_add(1, Ordering::Relaxed),
        channel: Channel {
            bell: Arc::new(Bell::new(env, hear)?),
            acts: Arc::default(),
        },
        closed: Cell::new(false),
        members: RefCell::default(),
        features: RefCell::default(),
        cells: RefCell::default(),
        numbers: Cell::new(0),
        awaited: Cell::new(0),
    });
    PRESENT.with(|present| *present.borrow_mut() = Some(environment.clone()));
    Ok((environment, true))
}

/// The environment of this thread, if there is one.
pub fn existing() -> Option<Rc<Environment>> {
    PRESENT.with(|present| present.borrow().clone())
}

/// Reads a lease of this thread's environment.
pub fn read_lease<T: Default>(number: f64, read: impl FnOnce(&LeaseCell) -> T) -> T {
    PRESENT.with(|present| match &*present.borrow() {
        Some(environment) => environment.read_lease(number as u64, read),
        None => T::default(),
    })
}

/// The number of this thread's environment, by which a log line finds it.
pub fn id() -> Option<u64> {
    existing().map(|environment| environment.id)
}

/// Forgets the environment of this thread, while its references are still good.
pub fn forget() {
    let environment = PRESENT.with(|present| present.borrow_mut().take());
    if let Some(environment) = environment {
        environment.channel.bell.silence();
        let members = environment.members.take();
        let features = environment.features.take();
        drop((members, features));
    }
}

fn hear(env: &Env) {
    if let Some(environment) = existing() {
        environment.turn(env);
    }
}
