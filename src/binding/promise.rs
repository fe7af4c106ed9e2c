use std::rc::Rc;

use napi::Env;
use napi::bindgen_prelude::{Object, ToNapiValue};

use super::environment::{self, Environment};
use super::error::{Cause, Error};
use super::node::RawPromise;

/// A promise that a caller waits for. It keeps the process alive until it is settled.
pub struct Deferred {
    env: Env,
    raw: RawPromise,
}

impl Deferred {
    pub fn pending(
        env: &Env,
        environment: &Rc<Environment>,
    ) -> napi::Result<(Self, Object<'static>)> {
        let (raw, promise) = RawPromise::new(env)?;
        environment.keep_alive(env, true);
        let env = Env::from_raw(env.raw());
        Ok((Deferred { env, raw }, promise))
    }

    pub fn resolve(self, value: impl ToNapiValue) {
        self.let_go();
        self.raw.resolve(value);
    }

    pub fn reject(self, cause: Cause) {
        self.reject_with(cause, &[]);
    }

    /// With an error that has these numbers as properties.
    pub fn reject_with(self, cause: Cause, numbers: &[(&str, f64)]) {
        self.let_go();
        self.raw.reject(Error::from(cause), numbers);
    }

    fn let_go(&self) {
        if let Some(environment) = environment::existing() {
            environment.keep_alive(&self.env, false);
        }
    }
}
