//! What listeners are told, as JavaScript objects.

use std::sync::Arc;

use napi::Env;
use napi::bindgen_prelude::Object;

use super::js::{self, Value};
use crate::election::{Primary, Token};

/// One `PrimaryChange`.
pub enum Telling {
    Elected(Value),
    Lost {
        token: Token,
        reason: &'static str,
    },
    Resigned {
        token: Option<Token>,
        reason: &'static str,
    },
    PrimaryChanged(Option<Primary>),
    Unavailable(Arc<str>),
    Available,
}

/// What a late listener is told first.
pub struct Present {
    pub unavailable: Option<Arc<str>>,
    pub lease: Option<Value>,
    /// `None` where nothing is known yet.
    pub primary: Option<Option<Primary>>,
}

impl Present {
    pub fn tellings(self) -> Vec<Telling> {
        let unavailable = self.unavailable.map(Telling::Unavailable);
        let standing = match self.lease {
            Some(lease) => Some(Telling::Elected(lease)),
            None => self.primary.map(Telling::PrimaryChanged),
        };
        unavailable.into_iter().chain(standing).collect()
    }
}

impl Telling {
    /// A new object for every listener: none can spoil another's.
    pub fn to_js(&self, env: &Env, prefix: &str) -> js::Result<Object<'static>> {
        let mut object = js::object(env)?;
        let kind = match self {
            Telling::Elected(_) => "elected",
            Telling::Lost { .. } => "lost",
            Telling::Resigned { .. } => "resigned",
            Telling::PrimaryChanged(_) => "primary-changed",
            Telling::Unavailable(_) => "unavailable",
            Telling::Available => "available",
        };
        js::set(&mut object, "type", Some(kind))?;
        js::set(&mut object, "prefix", Some(prefix))?;
        match self {
            Telling::Elected(lease) => js::set(&mut object, "lease", Some(*lease))?,
            Telling::Lost { token, reason } => {
                js::set(&mut object, "token", Some(number(*token)))?;
                js::set(&mut object, "reason", Some(*reason))?;
            }
            Telling::Resigned { token, reason } => {
                js::set(&mut object, "token", token.map(number))?;
                js::set(&mut object, "reason", Some(*reason))?;
            }
            Telling::PrimaryChanged(primary) => {
                let primary = match primary {
                    Some(primary) => js::value(&primary_to_js(env, primary)?),
                    None => js::make(env, ())?,
                };
                js::set(&mut object, "primary", Some(primary))?;
            }
            Telling::Unavailable(cause) => js::set(&mut object, "cause", Some(&**cause))?,
            Telling::Available => {}
        }
        Ok(object)
    }
}

pub fn primary_to_js(env: &Env, primary: &Primary) -> js::Result<Object<'static>> {
    let mut object = js::object(env)?;
    js::set(&mut object, "serverId", Some(&*primary.server))?;
    js::set(&mut object, "token", Some(number(primary.token)))?;
    Ok(object)
}

/// A token is a safe integer by its own rule.
pub fn number(token: Token) -> f64 {
    token.get() as f64
}
