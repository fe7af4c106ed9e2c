//! What one JavaScript environment (the main thread, or a worker) has: its campaigns, its
//! listeners, its logger, and the one queue through which everything reaches it.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::io;
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use napi::bindgen_prelude::{Function, Unknown};
use napi::threadsafe_function::{
    ThreadsafeFunction, ThreadsafeFunctionCallMode, UnknownReturnValue,
};
use napi::{Env, Status, sys};
use tokio::time::sleep;

use super::backends::Backends;
use super::campaign::Campaign;
use super::error::Result;
use super::exit;
use super::fence;
use super::guarded::Work;
use super::inspector;
use super::js::{self, Value};
use super::listener::{self, Listener};
use super::logging::{self, Line, Logger};
use super::runs::{Job, Runner};
use super::shelf::Shelf;
use crate::driver::{Change, Heartbeat, RunChange, runtime};
use crate::store::Backend;

/// What comes to an environment from elsewhere.
pub enum Delivery {
    Change {
        campaign: u64,
        change: Change,
    },
    /// The present is to be told to a late listener.
    Present {
        listener: u64,
    },
    /// What became of the lease of a run.
    Run {
        job: u64,
        change: RunChange,
    },
    /// The time has come to do something.
    Due(Act),
    Line(Line),
    /// To be answered as soon as the event loop turns.
    Ping,
}

/// Whose lease a delivery is about.
enum Concerned {
    Campaign(u64),
    Job(u64),
    Nobody,
}

impl Delivery {
    fn concerned(&self) -> Concerned {
        match self {
            Delivery::Change { campaign, .. } => Concerned::Campaign(*campaign),
            Delivery::Run { job, .. } => Concerned::Job(*job),
            _ => Concerned::Nobody,
        }
    }
}

/// Something to be done on an environment's own thread.
pub type Act = Box<dyn FnOnce(&Env, &Rc<Environment>) + Send>;

/// Weak: it keeps neither the process nor Jest alive. Unbounded: no 'lost' is ever dropped.
type Queue = ThreadsafeFunction<Delivery, UnknownReturnValue, (), Status, false, true, 0>;

/// The way into an environment, from any thread.
#[derive(Clone)]
pub struct Channel(Arc<Queue>);

impl Channel {
    /// Whether the process lives on while something may come this way.
    #[expect(unsafe_code, reason = "napi's own wrapper wants the queue for itself")]
    fn keep_alive(&self, env: &Env, keep: bool) {
        // SAFETY: the queue is alive as long as this channel, and we are on its thread. It fails only
        // where the environment is ending, and nothing lives on.
        unsafe {
            match keep {
                true => sys::napi_ref_threadsafe_function(env.raw(), self.0.raw()),
                false => sys::napi_unref_threadsafe_function(env.raw(), self.0.raw()),
            };
        }
    }

    pub fn send(&self, delivery: Delivery) {
        // An environment that has ended needs to hear nothing any more.
        let _ = self
            .0
            .call(delivery, ThreadsafeFunctionCallMode::NonBlocking);
    }
}

pub struct Environment {
    pub id: u64,
    pub channel: Channel,
    /// The present campaign of each prefix, and replaced ones that have not ended.
    pub campaigns: RefCell<Vec<Rc<Campaign>>>,
    pub listeners: RefCell<Vec<Rc<Listener>>>,
    /// The guarded work that is going on.
    pub work: RefCell<Vec<Rc<Work>>>,
    pub logger: RefCell<Logger>,
    /// The runs whose leases have not been released.
    pub jobs: RefCell<HashMap<u64, Rc<Job>>>,
    /// Those that are closing, for a while.
    pub runners: RefCell<HashMap<u64, Weak<Runner>>>,
    pub shelf: Shelf,
    /// Those who wait for the answer of a resource.
    pub fences: RefCell<HashMap<u64, fence::Waiting>>,
    /// What they ask and has not been sent, in the order of the calls: the first is being copied.
    pub unsent: RefCell<VecDeque<fence::Unsent>>,
    pub backends: Backends,
    /// It is ending: nothing new is begun.
    pub closed: Cell<bool>,
    heartbeat: OnceCell<Heartbeat>,
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
            self.channel.keep_alive(env, keep);
        }
    }

    pub fn campaign(&self, prefix: &str) -> Option<Rc<Campaign>> {
        // The newest is the last.
        let campaigns = self.campaigns.borrow();
        let campaign = campaigns.iter().rfind(|c| c.prefix == prefix);
        campaign.cloned()
    }

    /// The campaign with this number, unless it has ended.
    pub fn numbered(&self, campaign: u64) -> Option<Rc<Campaign>> {
        let campaigns = self.campaigns.borrow();
        campaigns.iter().find(|c| c.number == campaign).cloned()
    }

    /// Lets go of a lease that may have reached nobody.
    fn give_up(self: &Rc<Self>, env: &Env, concerned: Concerned) {
        let why = js::Thrown("delivering a change broke".into());
        match concerned {
            Concerned::Campaign(number) => {
                if let Some(campaign) = self.numbered(number) {
                    campaign.give_up(env, self, &why);
                }
            }
            Concerned::Job(number) => {
                let job = self.jobs.borrow().get(&number).cloned();
                if let Some(job) = job {
                    job.give_up(env, self, &why.0);
                }
            }
            Concerned::Nobody => {}
        }
    }

    /// The life of this environment's event loop, asked for from the first call on.
    pub fn heartbeat(&self) -> io::Result<Heartbeat> {
        if let Some(heartbeat) = self.heartbeat.get() {
            return Ok(heartbeat.clone());
        }
        let channel = self.channel.clone();
        let heartbeat = Heartbeat::start(move || channel.send(Delivery::Ping))?;
        Ok(self.heartbeat.get_or_init(|| heartbeat).clone())
    }

    /// Does something on this environment's thread when `time` has passed, if it is still there. That
    /// keeps nothing alive.
    pub fn after(&self, time: Duration, act: impl FnOnce(&Env, &Rc<Environment>) + Send + 'static) {
        let channel = self.channel.clone();
        // Without a runtime there is nothing to wait for either.
        if let Ok(runtime) = runtime() {
            runtime.spawn(async move {
                sleep(time).await;
                channel.send(Delivery::Due(Box::new(act)));
            });
        }
    }

    /// The store of what a caller gave as `redis`.
    pub fn backend(&self, env: &Env, redis: Value) -> Result<Arc<dyn Backend>> {
        self.backends.of(env, redis)
    }

    fn deliver(self: &Rc<Self>, env: &Env, delivery: Delivery) {
        match delivery {
            Delivery::Change { campaign, change } => {
                if let Some(campaign) = self.numbered(campaign) {
                    campaign.hear(env, self, change);
                }
            }
            Delivery::Present { listener } => listener::tell_present(env, self, listener),
            Delivery::Run { job, change } => {
                let job = self.jobs.borrow().get(&job).cloned();
                if let Some(job) = job {
                    job.hear(env, self, change);
                }
            }
            Delivery::Due(act) => act(env, self),
            Delivery::Line(line) => logging::write(env, self, line),
            Delivery::Ping => {
                if let Some(heartbeat) = self.heartbeat.get() {
                    // Whoever stands at a breakpoint does not hang.
                    heartbeat.beat(inspector::is_open(env));
                }
            }
        }
    }
}

// Nothing is dropped when the thread ends: by then the environment is gone, and with it what our
// references pointed to. The clean-up hook empties the state in time.
thread_local! {
    static PRESENT: ManuallyDrop<RefCell<Option<Rc<Environment>>>> =
        const { ManuallyDrop::new(RefCell::new(None)) };
}

static IDS: AtomicU64 = AtomicU64::new(1);

/// The environment that we are called from, made at the first call.
pub fn present(env: &Env) -> napi::Result<Rc<Environment>> {
    if let Some(present) = existing() {
        return Ok(present);
    }
    let environment = Rc::new(Environment {
        id: IDS.fetch_add(1, Ordering::Relaxed),
        channel: Channel(Arc::new(queue(env)?)),
        campaigns: RefCell::default(),
        listeners: RefCell::default(),
        work: RefCell::default(),
        logger: RefCell::new(Logger::Console),
        jobs: RefCell::default(),
        runners: RefCell::default(),
        shelf: Shelf::default(),
        fences: RefCell::default(),
        unsent: RefCell::default(),
        backends: Backends::default(),
        closed: Cell::new(false),
        heartbeat: OnceCell::new(),
        numbers: Cell::new(0),
        awaited: Cell::new(0),
    });
    // What cannot be let go at its end gets no lease.
    exit::watch(env)?;
    logging::attach(&environment);
    PRESENT.with(|present| *present.borrow_mut() = Some(environment.clone()));
    Ok(environment)
}

/// The environment of this thread, if there is one.
pub fn existing() -> Option<Rc<Environment>> {
    PRESENT.with(|present| present.borrow().clone())
}

/// The number of this thread's environment, by which a log line finds it.
pub fn id() -> Option<u64> {
    existing().map(|environment| environment.id)
}

/// Forgets the environment of this thread, while its references are still good.
pub fn forget() {
    let environment = PRESENT.with(|present| present.borrow_mut().take());
    drop(environment);
}

fn queue(env: &Env) -> napi::Result<Queue> {
    // The work is done where the delivery is unpacked; there is nothing left for the function.
    let nothing = js::function(env, "primaryLease", |_, _| {})?;
    let nothing: Function<'_, Unknown<'_>, UnknownReturnValue> = js::read(nothing)?;
    nothing
        .build_threadsafe_function::<Delivery>()
        .callee_handled::<false>()
        .weak::<true>()
        .build_callback(|context| {
            let (env, delivery) = (context.env, context.value);
            let Some(environment) = existing() else {
                return Ok(());
            };
            let concerned = delivery.concerned();
            let delivered = || environment.deliver(&env, delivery);
            if catch_unwind(AssertUnwindSafe(delivered)).is_err() {
                tracing::error!(environment = environment.id, "delivering a change broke");
                // A second panic ends here too.
                let given_up = || environment.give_up(&env, concerned);
                let _ = catch_unwind(AssertUnwindSafe(given_up));
            }
            Ok(())
        })
}
