//! What a listener is told, as plain data.

use napi_derive::napi;

use crate::election::{Primary, Token};

/// A lease that was granted, as plain data. `isHeld(id)` says whether it is held.
#[napi(object, object_from_js = false)]
#[derive(Clone)]
pub struct GrantedLease {
    pub id: f64,
    pub token: f64,
    /// By which name resources know it.
    pub name: String,
    pub server_id: String,
    pub campaign: f64,
    /// The number of the latest resign before its campaign began.
    pub era: f64,
    /// How long work in flight has to stop after its end, in ms.
    pub grace: f64,
}

/// Who is primary, as this server sees it.
#[napi(object, object_from_js = false)]
#[derive(Clone)]
pub struct PlainPrimary {
    pub server_id: String,
    pub token: f64,
}

/// What a listener is told. The layer alone is told `leaving` (a lease is about to be let go) and `undrained` (the
/// work under it has had its time).
#[napi(object, object_from_js = false)]
#[derive(Clone)]
pub struct PlainChange {
    #[napi(
        js_name = "type",
        ts_type = "'elected' | 'lost' | 'resigned' | 'primary-changed' | 'unavailable' | 'available' | 'renewal-late' | 'renewed' | 'leaving' | 'undrained'"
    )]
    pub kind: &'static str,
    pub prefix: String,
    pub lease: Option<GrantedLease>,
    pub token: Option<f64>,
    pub reason: Option<String>,
    pub primary: Option<PlainPrimary>,
    pub cause: Option<String>,
    /// How long the lease was held that has ended, in seconds.
    pub held: Option<f64>,
}

impl PlainChange {
    pub fn new(kind: &'static str, prefix: &str) -> Self {
        PlainChange {
            kind,
            prefix: prefix.into(),
            lease: None,
            token: None,
            reason: None,
            primary: None,
            cause: None,
            held: None,
        }
    }

    pub fn elected(prefix: &str, lease: GrantedLease) -> Self {
        PlainChange {
            lease: Some(lease),
            ..Self::new("elected", prefix)
        }
    }

    pub fn of_token(kind: &'static str, prefix: &str, token: f64) -> Self {
        PlainChange {
            token: Some(token),
            ..Self::new(kind, prefix)
        }
    }

    pub fn primary_changed(prefix: &str, primary: Option<&Primary>) -> Self {
        PlainChange {
            primary: primary.map(Into::into),
            ..Self::new("primary-changed", prefix)
        }
    }

    pub fn unavailable(prefix: &str, cause: &str) -> Self {
        PlainChange {
            cause: Some(cause.into()),
            ..Self::new("unavailable", prefix)
        }
    }
}

impl From<&Primary> for PlainPrimary {
    fn from(primary: &Primary) -> Self {
        PlainPrimary {
            server_id: primary.server.to_string(),
            token: number(primary.token),
        }
    }
}

/// A token is a safe integer by its own rule.
pub fn number(token: Token) -> f64 {
    token.get() as f64
}
