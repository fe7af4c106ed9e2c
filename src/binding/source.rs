//! Where Redis is, as the layer hands it over: a URL, or the fields of a connection.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use napi::bindgen_prelude::{Either, External};
use napi_derive::napi;

use super::error::{Cause, Result, invalid};
use crate::driver::store;
use crate::store::{
    Backend, Endpoint, IpFamily, RedisSource, Roots, SentinelSource, Source, Tls, TlsOptions,
    TlsVersion, check_key_prefix,
};

/// A connection in ioredis's words.
#[napi(object)]
pub struct RedisFields {
    /// All but `tls` is read from it then.
    pub url: Option<String>,
    pub host: Option<String>,
    pub port: Option<u32>,
    pub path: Option<String>,
    pub db: Option<u32>,
    pub username: Option<String>,
    pub password: Option<String>,
    pub key_prefix: Option<String>,
    pub connection_name: Option<String>,
    pub family: Option<u32>,
    /// In ms.
    pub connect_timeout: Option<u32>,
    pub tls: Option<TlsFields>,
    /// Instead of a host and a port.
    pub sentinel: Option<SentinelFields>,
}

/// A master that sentinels know.
#[napi(object)]
pub struct SentinelFields {
    pub name: String,
    pub sentinels: Vec<EndpointFields>,
    pub username: Option<String>,
    pub password: Option<String>,
    pub tls: Option<TlsFields>,
    /// Where from here what a sentinel calls `host:port` is.
    pub nat_map: Option<HashMap<String, EndpointFields>>,
    /// Sentinels that these know of are asked too.
    pub learns: bool,
}

#[napi(object)]
pub struct EndpointFields {
    pub host: String,
    pub port: u32,
}

/// TLS in Node's words; certificates and keys as text, in PEM.
#[napi(object)]
pub struct TlsFields {
    pub ca: Option<String>,
    /// Trusted where there is no `ca`.
    pub public_ca: Option<String>,
    pub cert: Option<String>,
    pub key: Option<String>,
    pub servername: Option<String>,
    pub reject_unauthorized: bool,
    pub min_version: Option<String>,
    pub max_version: Option<String>,
}

/// A URL, or the fields of a connection.
#[napi]
pub type PlainSource = Either<String, RedisFields>;

/// A store that runs use, open for as long as JavaScript keeps it.
pub struct OpenStore(pub Arc<dyn Backend>);

/// Opens what the leases of runs are asked for with.
#[napi(catch_unwind, ts_return_type = "ExternalObject<unknown>")]
pub fn open_store(redis: PlainSource) -> Result<External<OpenStore>> {
    let store = store(&source(redis)?).map_err(Cause::from)?;
    Ok(External::new(OpenStore(store)))
}

pub fn source(given: PlainSource) -> std::result::Result<Source, Cause> {
    let fields = match given {
        Either::A(url) => return Ok(Source::parse_url(&url)?),
        Either::B(fields) => fields,
    };
    let tls = fields.tls.map(tls).transpose()?;
    if let Some(url) = fields.url {
        return Ok(match (Source::parse_url(&url)?, tls) {
            (Source::Redis(source), Some(tls)) => Source::Redis(source.encrypted(tls)),
            (source, _) => source,
        });
    }
    let defaults = RedisSource::default();
    let key_prefix = fields.key_prefix.unwrap_or_default();
    check_key_prefix(&key_prefix)?;
    Ok(Source::Redis(RedisSource {
        host: fields.host.unwrap_or(defaults.host),
        port: fields.port.map_or(defaults.port, |port| port as u16),
        path: fields.path.map(Into::into),
        db: fields.db.unwrap_or(defaults.db),
        username: fields.username,
        password: fields.password,
        key_prefix,
        connection_name: fields.connection_name,
        family: match fields.family {
            None | Some(0) => IpFamily::Any,
            Some(4) => IpFamily::V4,
            Some(6) => IpFamily::V6,
            Some(other) => {
                return Err(invalid(format!(
                    "redis: family must be 0, 4 or 6, got {other}"
                )));
            }
        },
        sentinel: fields.sentinel.map(sentinel).transpose()?.map(Box::new),
        connect_timeout: fields
            .connect_timeout
            .map_or(defaults.connect_timeout, |ms| {
                Duration::from_millis(ms.into())
            }),
        tls,
    }))
}

fn tls(fields: TlsFields) -> std::result::Result<Tls, Cause> {
    let defaults = TlsOptions::default();
    let version = |name: Option<String>, default| match name.as_deref() {
        None => Ok(default),
        Some("TLSv1.2") => Ok(TlsVersion::V1_2),
        Some("TLSv1.3") => Ok(TlsVersion::V1_3),
        Some(_) => Err(invalid(
            "redis: tls.minVersion and tls.maxVersion must be TLSv1.2 or TLSv1.3",
        )),
    };
    Ok(Tls::new(TlsOptions {
        roots: match fields.ca {
            Some(ca) => Roots::Given(ca),
            None => Roots::Public(fields.public_ca.unwrap_or_default()),
        },
        certificate: fields.cert,
        key: fields.key,
        server_name: fields.servername,
        verify: fields.reject_unauthorized,
        min_version: version(fields.min_version, defaults.min_version)?,
        max_version: version(fields.max_version, defaults.max_version)?,
    })?)
}

fn sentinel(fields: SentinelFields) -> std::result::Result<SentinelSource, Cause> {
    let endpoint = |fields: EndpointFields| Endpoint {
        host: fields.host,
        port: fields.port as u16,
    };
    let mapped = fields.nat_map.unwrap_or_default().into_iter();
    Ok(SentinelSource {
        name: fields.name,
        sentinels: fields.sentinels.into_iter().map(endpoint).collect(),
        username: fields.username,
        password: fields.password,
        tls: fields.tls.map(tls).transpose()?,
        nat_map: mapped
            .map(|(announced, at)| (announced, endpoint(at)))
            .collect(),
        learns: fields.learns,
    })
}
