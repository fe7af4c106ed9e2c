#![cfg_attr(
    not(test),
    expect(
        unused_qualifications,
        reason = "napi-derive spells out the path of a well-known symbol"
    )
)]

use std::rc::{Rc, Weak};
use std::sync::Arc;

use napi::bindgen_prelude::{JavaScriptClassExt, Object, ObjectRef, This, Unknown};
use napi::{Env, JsValue, Property, PropertyAttributes};
use napi_derive::napi;

use super::campaign::Campaign;
use super::change::number;
use super::error::PrimaryLeaseError;
use super::fence::Asker;
use super::js;
use super::promise;
use crate::driver::{LeaseCell, now};

/// Primaryship of one election, from its grant to its loss or release.
///
/// The same object comes out of `establishPrimaryServer` and in the `elected` change. It is made
/// by an election only, and is not renewed or revived once it was lost: the next election gives
/// a new one, with a larger token.
#[napi]
pub struct PrimaryLease {
    cell: Arc<LeaseCell>,
    campaign: Weak<Campaign>,
    prefix: String,
    name: Arc<str>,
    server_id: String,
    /// The number of the latest resign before this lease's campaign began.
    era: u64,
}

#[napi]
impl PrimaryLease {
    /// The prefix of the election, without the scope.
    #[napi(getter, catch_unwind)]
    pub fn prefix(&self) -> String {
        self.prefix.clone()
    }

    /// The name of the lease, for whatever keeps its highest token: `primary:<prefix>`, with a scope
    /// `primary:<prefix>:<scope>`. Tokens compare only under one name; `fence` and `command` use it too.
    #[napi(getter, catch_unwind)]
    pub fn name(&self) -> String {
        self.name.to_string()
    }

    /// The name of this server, for people.
    #[napi(getter, catch_unwind)]
    pub fn server_id(&self) -> String {
        self.server_id.clone()
    }

    /// The fencing token: a safe integer that rises with every grant of this election. Hand it to
    /// whatever the primary writes to, and let that refuse a smaller one than it has seen.
    #[napi(getter, catch_unwind)]
    pub fn token(&self) -> f64 {
        number(self.cell.token())
    }

    /// Whether this server is primary at this very moment: compares the clock with the deadline,
    /// so it is right even just after the event loop or the whole process stood still. Once
    /// false it stays false.
    #[napi(getter, catch_unwind)]
    pub fn is_held(&self) -> bool {
        self.cell.is_held(now())
    }

    /// For how long it is held even if no further renewal is confirmed, in ms; 0 when it is not.
    #[napi(getter, catch_unwind)]
    pub fn remaining_ms(&self) -> f64 {
        self.cell.remaining(now()).as_secs_f64() * 1_000.0
    }

    /// Aborted when the lease is lost or released, with a `PrimaryLeaseError` of the code
    /// `ERR_LEASE_LOST` as its reason; where a drain waits for the work to stop, it is aborted as
    /// that begins, and the lease is held until it is over. The event loop has to turn to hear of a
    /// loss; `isHeld` does not need it.
    #[napi(getter, catch_unwind, ts_return_type = "AbortSignal")]
    pub fn signal(&self, env: &Env, this: This) -> napi::Result<Object<'static>> {
        let signal = js::get(env, js::value(&this.object), SIGNAL)?;
        Ok(Object::from_raw(env.raw(), signal.raw()))
    }

    /// Throws `ERR_LEASE_LOST` unless the lease is held at this moment.
    #[napi(catch_unwind)]
    pub fn assert_held(&self, env: &Env) -> napi::Result<()> {
        match self.is_held() {
            true => Ok(()),
            false => Err(self.lost().into_napi(env)),
        }
    }

    /// Asks a resource in Redis whether it has seen a newer token of this election, and shows it this
    /// one: from here on it refuses every smaller one. `resource` is any name of 1 to 200 characters,
    /// without control characters or braces. Its record, the hash `fence:{<resource>}`, has no expiry.
    /// Redis must not evict such keys: set `maxmemory-policy` to `noeviction` or one of `volatile-*`.
    ///
    /// Rejects with `ERR_STALE_TOKEN` when a newer token has been seen (`token` and `highest` are in the
    /// error, both safe integers), `ERR_LEASE_LOST` when the lease is not held any more (nothing is
    /// sent), `ERR_STORE_UNAVAILABLE` without an answer in `ttl / 6`, at least 1,000 ms, or in what is
    /// left of the lease, `ERR_STORE_DENIED` and `ERR_INVALID_CONFIG`. What is no token in the record, as
    /// a number above 2^53 - 1, is `ERR_STORE_DENIED` with the key and the value.
    #[napi(
        catch_unwind,
        ts_args_type = "resource: string",
        ts_return_type = "Promise<void>"
    )]
    pub fn fence(&self, env: &Env, resource: Unknown) -> napi::Result<Object<'static>> {
        self.asker().ask(env, js::value(&resource), None)
    }

    /// Does what `fence(resource)` does and, if the token passes, applies a Redis command in the same
    /// step: nothing can come between. `args` are the command and its arguments, at most 7,000 in all,
    /// each at most 512 MB and together less than 1 GB, else `ERR_INVALID_CONFIG`; any command that Redis
    /// allows within a script. `keyPrefix` is **not** put before its keys. Do not change a `Buffer` above
    /// 256 KB before the promise is settled: it is copied while the event loop turns.
    ///
    /// Commands and fences of one lease are applied in the order of the calls, whether they are awaited
    /// or not, or not at all; one without an answer never behind a later one of the same resource, even
    /// over another connection. They have a connection of their own: a slow or large one delays those
    /// behind it, and no renewal.
    ///
    /// Resolves with the reply, as RESP2 has it: integers are numbers, bytes a string where they are
    /// valid UTF-8 (and a string can be so long) and else a `Buffer`, nil is `null`. Integers beyond
    /// 2^53 - 1 are bigints where the command is `INCR`, `INCRBY`, `DECR`, `DECRBY` or `HINCRBY`; others
    /// are a `ReplyError` that says that the command was applied, since Redis rounds them in a script.
    ///
    /// Rejects as `fence` does; while a large request is sent or a large reply arrives, it waits. After
    /// `ERR_STORE_UNAVAILABLE` the command may or may not have been applied, unless the message says
    /// that it was not; it is never repeated. An error of the command's own is a `ReplyError` in the
    /// words of Redis, with their first as its `code`: also `OOM`, where the command alone would meet it.
    ///
    /// In a cluster all keys of the command have to share the resource's slot: write `{<resource>}` into
    /// them. Others are `ERR_INVALID_CONFIG`, and nothing is sent.
    #[napi(
        catch_unwind,
        ts_args_type = "resource: string, args: (string | Uint8Array)[]",
        ts_return_type = "Promise<unknown>"
    )]
    pub fn command(
        &self,
        env: &Env,
        resource: Unknown,
        args: Unknown,
    ) -> napi::Result<Object<'static>> {
        let args = js::value(&args);
        self.asker().ask(env, js::value(&resource), Some(args))
    }

    /// Resigns, without waiting for any work: `isHeld` is false and `signal` aborted before anything
    /// is sent, the campaign ends, and another server can take over at once. Resolves when Redis has
    /// confirmed it, and at the latest when the lease has run out without that: less than `ttl` after
    /// its last renewal. Redis is asked to release it for one `ttl` more. Never rejects. A second call
    /// changes nothing. On an older lease of the same campaign it ends the campaign all the same.
    #[napi(catch_unwind, ts_return_type = "Promise<void>")]
    pub fn release(&self, env: &Env) -> napi::Result<Object<'static>> {
        self.cell.end();
        match self.campaign.upgrade() {
            Some(campaign) => campaign.release(env, self.era),
            None => promise::settled(env),
        }
    }

    /// The same as `release()`, for `await using`.
    #[napi(
        catch_unwind,
        well_known_symbol = "asyncDispose",
        ts_return_type = "Promise<void>"
    )]
    pub fn async_dispose(&self, env: &Env) -> napi::Result<Object<'static>> {
        self.release(env)
    }

    fn asker(&self) -> Asker<'_> {
        Asker {
            fence: self.campaign.upgrade().map(|c| c.fence.clone()),
            cell: &self.cell,
            of: &self.prefix,
        }
    }

    fn lost(&self) -> PrimaryLeaseError {
        PrimaryLeaseError::lease_lost(&self.prefix, self.cell.token().get())
    }
}

/// Where the object keeps its signal: JavaScript's own property, so that it lives as long.
const SIGNAL: &str = "_signal";

/// A lease whose term has not ended yet.
pub struct Term {
    pub cell: Arc<LeaseCell>,
    object: ObjectRef<false>,
    controller: ObjectRef<false>,
}

impl Term {
    pub fn begin(env: &Env, cell: Arc<LeaseCell>, campaign: &Rc<Campaign>) -> js::Result<Term> {
        let controller = js::construct(env, js::global(env, "AbortController")?, &[])?;
        let signal = js::get(env, controller, "signal")?;
        let lease = PrimaryLease {
            cell: cell.clone(),
            campaign: Rc::downgrade(campaign),
            prefix: campaign.prefix.clone(),
            name: campaign.fence.lease().clone(),
            server_id: campaign.options.server_id.clone(),
            era: campaign.ends.era(),
        };
        let instance = lease.into_instance(env)?;
        let mut object = instance.as_object(env);
        let property = Property::new()
            .with_utf8_name(SIGNAL)?
            .with_value(&signal)
            .with_property_attributes(PropertyAttributes::Default);
        napi::bindgen_prelude::JsObjectValue::define_properties(&mut object, &[property])?;
        Ok(Term {
            cell,
            object: js::read(js::value(&object))?,
            controller: js::read(controller)?,
        })
    }

    pub fn object(&self, env: &Env) -> js::Result<js::Value> {
        Ok(js::value(&self.object.get_value(env)?))
    }

    /// Aborts the signal.
    pub fn abort(&self, env: &Env, prefix: &str) -> js::Result<()> {
        let token = self.cell.token().get();
        let error = match self.cell.is_held(now()) {
            true => PrimaryLeaseError::lease_ending(prefix, token),
            false => PrimaryLeaseError::lease_lost(prefix, token),
        };
        let error = error.to_js(env)?;
        let controller = js::value(&self.controller.get_value(env)?);
        js::invoke(env, controller, "abort", &[js::value(&error)])?;
        Ok(())
    }

    /// Lets go of the JavaScript objects.
    pub fn drop_references(self: Rc<Self>, env: &Env) {
        if let Some(term) = Rc::into_inner(self) {
            // Nothing to be done about a reference that cannot be given back.
            let _ = term.object.unref(env);
            let _ = term.controller.unref(env);
        }
    }
}
