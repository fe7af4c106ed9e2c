//! TLS over a socket that is open: one configuration per source.

mod pem;
mod roots;
mod stream;
mod unverified;
mod words;

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::ring;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, SupportedProtocolVersion, version};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;

use crate::election::{ConfigError, Failure};

pub(super) use stream::TlsSocket;
pub(super) use words::failure_of;

/// How the server shows who it is, and how we do. Never shown in full: there is a key among it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct TlsOptions {
    pub roots: Roots,
    /// Our certificate and what leads from it to a CA, as PEM.
    pub certificate: Option<String>,
    /// The key of our certificate, as PEM.
    pub key: Option<String>,
    /// The name that the certificate of the server has to have, instead of its host.
    pub server_name: Option<String>,
    /// Without it any server is believed.
    pub verify: bool,
    pub min_version: TlsVersion,
    pub max_version: TlsVersion,
}

/// Whose signatures are believed, as PEM.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Roots {
    /// The caller's own.
    Given(String),
    /// Those that everybody trusts.
    Public(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TlsVersion {
    V1_2,
    V1_3,
}

impl Default for TlsOptions {
    /// Nobody is trusted.
    fn default() -> Self {
        TlsOptions {
            roots: Roots::Public(String::new()),
            certificate: None,
            key: None,
            server_name: None,
            verify: true,
            min_version: TlsVersion::V1_2,
            max_version: TlsVersion::V1_3,
        }
    }
}

impl fmt::Debug for TlsOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsOptions")
            .field("server_name", &self.server_name)
            .field("verify", &self.verify)
            .field("min_version", &self.min_version)
            .field("max_version", &self.max_version)
            .finish_non_exhaustive()
    }
}

/// What connections to a server are encrypted with. Equal where the options are.
#[derive(Clone)]
pub struct Tls {
    options: Arc<TlsOptions>,
    connector: TlsConnector,
}

impl Tls {
    /// Reads the certificates and the key, which takes milliseconds where there are many.
    ///
    /// # Errors
    ///
    /// Names what cannot be used, and repeats none of it.
    pub fn new(options: TlsOptions) -> Result<Self, ConfigError> {
        if let Some(name) = &options.server_name {
            read_name(name)?;
        }
        let provider = Arc::new(ring::default_provider());
        let versions = versions(options.min_version, options.max_version)?;
        let config = ClientConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&versions)
            .map_err(|_| refuse("redis: tls", "of a version that there is", "none"))?;
        let config = match options.verify {
            true => config.with_root_certificates(roots::read(&options.roots)?),
            false => config
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(unverified::Unverified)),
        };
        let mut config = match pem::identity(&options, &provider)? {
            Some(identity) => config.with_client_cert_resolver(Arc::new(identity)),
            None => config.with_no_client_auth(),
        };
        // What is resumed would not be verified anew.
        config.resumption = Resumption::disabled();
        Ok(Tls {
            options: Arc::new(options),
            connector: TlsConnector::from(Arc::new(config)),
        })
    }

    /// Encrypts what goes over `socket`, to the server at `host`.
    pub(super) async fn encrypt<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        socket: S,
        host: &str,
    ) -> Result<TlsSocket<S>, Failure> {
        let name = self.options.server_name.as_deref().unwrap_or(host);
        let denied = |error: ConfigError| Failure::Denied {
            cause: error.to_string().into(),
        };
        let server_name = read_name(name).map_err(denied)?;
        match self.connector.connect(server_name, socket).await {
            Ok(stream) => Ok(TlsSocket::new(stream)),
            Err(error) => Err(failure_of(&error)),
        }
    }
}

impl PartialEq for Tls {
    fn eq(&self, other: &Self) -> bool {
        self.options == other.options
    }
}

impl Eq for Tls {}

impl Hash for Tls {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.options.hash(state);
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.options.fmt(f)
    }
}

fn read_name(name: &str) -> Result<ServerName<'static>, ConfigError> {
    let read = ServerName::try_from(name.to_owned());
    read.map_err(|_| {
        let shown = name.chars().take(100).collect::<String>();
        refuse("redis: tls.servername", "a host name or an address", &shown)
    })
}

fn versions(
    min: TlsVersion,
    max: TlsVersion,
) -> Result<Vec<&'static SupportedProtocolVersion>, ConfigError> {
    let all = [
        (TlsVersion::V1_3, &version::TLS13),
        (TlsVersion::V1_2, &version::TLS12),
    ];
    let wanted = all
        .into_iter()
        .filter(|(version, _)| (min..=max).contains(version));
    let wanted: Vec<_> = wanted.map(|(_, version)| version).collect();
    match wanted.is_empty() {
        true => Err(refuse(
            "redis: tls.maxVersion",
            "tls.minVersion or above",
            "less",
        )),
        false => Ok(wanted),
    }
}

fn refuse(field: &'static str, rule: &str, value: &str) -> ConfigError {
    ConfigError {
        field,
        rule: rule.into(),
        value: value.into(),
    }
}
