//! TLS over a socket that is open: one configuration per source.

mod certificate;
#[cfg(test)]
mod handmade;
mod pem;
mod roots;
mod stream;
mod unverified;
mod verifier;
mod words;

use std::collections::HashSet;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::io;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use rustls::client::Resumption;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::ring;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, SupportedProtocolVersion, version};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;

use crate::election::{ConfigError, Failure};

pub(super) use stream::TlsSocket;

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
            .map_err(|_| refuse("redis: tls", "of a version that is supported", "another"))?;
        let verifier: Arc<dyn ServerCertVerifier> = match options.verify {
            true => {
                let algorithms = provider.signature_verification_algorithms;
                Arc::new(roots::read(&options.roots, algorithms)?)
            }
            false => Arc::new(unverified::Unverified),
        };
        let config = config
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let mut config = match pem::identity(&options, &provider)? {
            Some(identity) => config.with_client_cert_resolver(Arc::new(identity)),
            None => config.with_no_client_auth(),
        };
        // What is resumed would not be verified again.
        config.resumption = Resumption::disabled();
        Ok(Tls {
            options: Arc::new(options),
            connector: TlsConnector::from(Arc::new(config)),
        })
    }

    /// Encrypts what goes over `socket`, to the server at `host`, which is at `address` for people.
    pub(super) async fn encrypt<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        socket: S,
        host: &str,
        address: &str,
    ) -> Result<TlsSocket<S>, Failure> {
        if !self.options.verify {
            warn_once(address);
        }
        let name = self.options.server_name.as_deref().unwrap_or(host);
        let denied = |error: ConfigError| Failure::Denied {
            cause: error.to_string().into(),
        };
        let server_name = read_name(name).map_err(denied)?;
        match self.connector.connect(server_name, socket).await {
            Ok(stream) => Ok(TlsSocket::new(stream)),
            Err(error) => Err(words::of_greeting(&error, &self.options, name)),
        }
    }
}

impl Tls {
    /// What an error of an encrypted socket means after the greeting, if it is one of TLS: in its version
    /// 1.3 the server looks at our certificate only then.
    pub(super) fn failure(&self, error: &io::Error) -> Option<Failure> {
        words::of_reading(error, &self.options)
    }

    /// What may be wanted by a server that hangs up after the greeting, without a word.
    pub(super) fn wanted(&self) -> &'static str {
        words::of_silence(&self.options)
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

/// Says of a server, once in the life of the process, that it could be any.
fn warn_once(address: &str) {
    static WARNED: LazyLock<Mutex<HashSet<String>>> = LazyLock::new(Mutex::default);
    let mut warned = WARNED.lock().unwrap_or_else(PoisonError::into_inner);
    if warned.insert(address.to_owned()) {
        tracing::warn!(
            redis = address,
            "tls.rejectUnauthorized is false: any server is accepted, and can read the password"
        );
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_certificate_or_a_key_is_shown() {
        let options = TlsOptions {
            roots: Roots::Given("hush".into()),
            certificate: Some("hush".into()),
            key: Some("hush".into()),
            ..TlsOptions::default()
        };
        assert!(!format!("{options:?} {options:#?}").contains("hush"));
        let refusal = Tls::new(options).unwrap_err().to_string();
        assert!(!refusal.contains("hush"), "{refusal}");
    }

    #[test]
    fn what_differs_in_any_option_is_not_the_same() {
        let tls = |change: fn(&mut TlsOptions)| {
            let mut options = TlsOptions::default();
            change(&mut options);
            Tls::new(options).unwrap()
        };
        let same = tls(|_| {});
        assert_eq!(same, tls(|_| {}));
        for other in [
            tls(|options| options.verify = false),
            tls(|options| options.roots = Roots::Public("others".into())),
            tls(|options| options.server_name = Some("redis.test".into())),
            tls(|options| options.min_version = TlsVersion::V1_3),
            tls(|options| options.max_version = TlsVersion::V1_2),
        ] {
            assert_ne!(same, other);
        }
    }
}
