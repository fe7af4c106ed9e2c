//! JavaScript values that outlive the call that brought them.
//!
//! They lie in one JavaScript array of the environment: a reference of Node-API for each would cost
//! more, and takes no numbers and no strings.

#![expect(
    unsafe_code,
    reason = "napi's own arrays copy what is put into them and keep no place"
)]

use std::cell::RefCell;
use std::ptr;

use napi::bindgen_prelude::{Object, ObjectRef};
use napi::{Env, JsValue, sys};

use super::js::{self, Value};

/// The values that an environment keeps.
#[derive(Default)]
pub struct Shelf(RefCell<Inner>);

#[derive(Default)]
struct Inner {
    array: Option<ObjectRef<false>>,
    free: Vec<u32>,
    length: u32,
}

/// The place of a value on the shelf. To be given back with [`Shelf::take`].
#[derive(Debug)]
pub struct Place(u32);

impl Shelf {
    pub fn put(&self, env: &Env, value: Value) -> js::Result<Place> {
        let mut inner = self.0.borrow_mut();
        if inner.array.is_none() {
            let mut raw = ptr::null_mut();
            // SAFETY: the environment is the one that we were called from.
            let status = unsafe { sys::napi_create_array(env.raw(), &mut raw) };
            napi::check_status!(status)?;
            let array = Object::from_raw(env.raw(), raw);
            inner.array = Some(js::read(js::value(&array))?);
        }
        let place = inner.free.pop().unwrap_or_else(|| {
            inner.length += 1;
            inner.length - 1
        });
        set(env, inner.array(env)?, place, value)?;
        Ok(Place(place))
    }

    /// What lies there, which stays.
    pub fn get(&self, env: &Env, place: &Place) -> js::Result<Value> {
        let array = self.0.borrow().array(env)?;
        let mut raw = ptr::null_mut();
        // SAFETY: both are of this environment.
        let status = unsafe { sys::napi_get_element(env.raw(), array.raw(), place.0, &mut raw) };
        js::finish(env, status, raw)
    }

    /// What lay there.
    pub fn take(&self, env: &Env, place: Place) -> js::Result<Value> {
        let value = self.get(env, &place)?;
        let nothing = js::make(env, ())?;
        let mut inner = self.0.borrow_mut();
        set(env, inner.array(env)?, place.0, nothing)?;
        inner.free.push(place.0);
        Ok(value)
    }

    /// Lets go of everything, while the environment still is.
    pub fn clear(&self, env: &Env) {
        if let Some(array) = self.0.take().array {
            // Nothing to be done about a reference that cannot be given back.
            let _ = array.unref(env);
        }
    }
}

impl Inner {
    fn array(&self, env: &Env) -> js::Result<Value> {
        match &self.array {
            Some(array) => Ok(js::value(&array.get_value(env)?)),
            None => Err(js::Thrown("nothing was put there".into())),
        }
    }
}

fn set(env: &Env, array: Value, place: u32, value: Value) -> js::Result<()> {
    // SAFETY: all are of this environment.
    let status = unsafe { sys::napi_set_element(env.raw(), array.raw(), place, value.raw()) };
    js::finish(env, status, value.raw()).map(|_| ())
}
