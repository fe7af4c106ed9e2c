use std::collections::BTreeMap;
use std::fmt;

use super::Tls;

/// A host and a port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// A name or an address.
    pub host: String,
    pub port: u16,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

/// Which master is meant, and the sentinels that know where it is.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SentinelSource {
    /// Under which the sentinels watch the master.
    pub name: String,
    /// At least one.
    pub sentinels: Vec<Endpoint>,
    /// Of the sentinels, which have users and passwords of their own.
    pub username: Option<String>,
    /// Never shown, as that of the master.
    pub password: Option<String>,
    pub tls: Option<Tls>,
    /// Where from here what a sentinel calls `host:port` is.
    pub nat_map: BTreeMap<String, Endpoint>,
    /// Sentinels that the given ones know of are asked too.
    pub learns: bool,
}

impl Default for SentinelSource {
    fn default() -> Self {
        SentinelSource {
            name: String::new(),
            sentinels: Vec::new(),
            username: None,
            password: None,
            tls: None,
            nat_map: BTreeMap::new(),
            learns: true,
        }
    }
}

impl SentinelSource {
    /// Where from here an address is that a sentinel gave.
    pub(super) fn reached(&self, announced: Endpoint) -> Endpoint {
        let key = format!("{}:{}", announced.host, announced.port);
        self.nat_map.get(&key).cloned().unwrap_or(announced)
    }
}

impl fmt::Display for SentinelSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.name)?;
        if let Some(first) = self.sentinels.first() {
            write!(f, " by sentinel {first}")?;
        }
        match self.sentinels.len() {
            0 | 1 => Ok(()),
            many => write!(f, " and {} more", many - 1),
        }
    }
}

impl fmt::Debug for SentinelSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SentinelSource")
            .field("name", &self.name)
            .field("sentinels", &self.sentinels)
            .field("username", &self.username)
            .field("password", &self.password.as_ref().map(|_| "***"))
            .field("tls", &self.tls)
            .field("nat_map", &self.nat_map)
            .field("learns", &self.learns)
            .finish()
    }
}
