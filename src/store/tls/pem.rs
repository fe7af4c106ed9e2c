//! Certificates and keys out of what a caller read from files.

use std::sync::Arc;

use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{Error, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SigningKey};

use super::certificate::Certificate;
use super::{TlsOptions, refuse};
use crate::election::ConfigError;

/// The certificates of a text, at least one.
pub(super) fn certificates(
    field: &'static str,
    text: &str,
) -> Result<Vec<CertificateDer<'static>>, ConfigError> {
    let rule = "at least one certificate in PEM (BEGIN CERTIFICATE)";
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
    match read {
        Ok(read) if read.is_empty() => Err(refuse(field, rule, none(text))),
        Ok(read) => Ok(read),
        Err(error) => Err(refuse(field, rule, broken(&error))),
    }
}

/// Those that can be read.
pub(super) fn all_certificates(text: &str) -> impl Iterator<Item = CertificateDer<'static>> {
    CertificateDer::pem_slice_iter(text.as_bytes()).filter_map(Result::ok)
}

/// How we show who we are. A server that asks for it is sent the one certificate that there is.
pub(super) fn identity(
    options: &TlsOptions,
    provider: &CryptoProvider,
) -> Result<Option<ClientCertificate>, ConfigError> {
    let (certificate, key) = match (&options.certificate, &options.key) {
        (Some(certificate), Some(key)) => (certificate, key),
        (None, None) => return Ok(None),
        (Some(_), None) => return Err(refuse(KEY, "given with tls.cert", "none")),
        (None, Some(_)) => return Err(refuse(CERT, "given with tls.key", "none")),
    };
    let chain = certificates(CERT, certificate)?;
    let key = provider.key_provider.load_private_key(private_key(key)?);
    let rule = "an RSA key of 2048 bits and more, or one for ECDSA or Ed25519";
    let key = key.map_err(|_| refuse(KEY, rule, "another"))?;
    if !is_key_of(&*key, &chain[0]) {
        return Err(refuse(KEY, "the key of tls.cert", "another one"));
    }
    let certified = CertifiedKey::new(chain, key);
    Ok(Some(ClientCertificate(Arc::new(certified))))
}

/// False where they do not belong together; what cannot be compared here, the server compares.
fn is_key_of(key: &dyn SigningKey, certificate: &CertificateDer<'_>) -> bool {
    match (key.public_key(), Certificate::read(certificate)) {
        (Some(public), Some(certificate)) => public.as_ref() == certificate.key,
        _ => true,
    }
}

fn private_key(text: &str) -> Result<PrivateKeyDer<'static>, ConfigError> {
    if text.contains("ENCRYPTED") {
        let rule = "a key without a passphrase (openssl pkey -in key.pem -out plain.pem)";
        return Err(refuse(KEY, rule, "an encrypted one"));
    }
    let rule = "a private key in PEM (BEGIN PRIVATE KEY)";
    PrivateKeyDer::from_pem_slice(text.as_bytes()).map_err(|error| {
        refuse(
            KEY,
            rule,
            match error {
                Error::NoItemsFound => none(text),
                error => broken(&error),
            },
        )
    })
}

fn none(text: &str) -> &'static str {
    if text.contains("BEGIN CERTIFICATE") {
        "a certificate alone"
    } else if text.contains("PRIVATE KEY") {
        "a private key alone"
    } else {
        "none"
    }
}

fn broken(error: &Error) -> &'static str {
    match error {
        Error::MissingSectionEnd { .. } => "one without an end",
        _ => "one that cannot be read",
    }
}

/// The one certificate that we have. Unlike with rustls's own way it may be of the first version of X.509.
#[derive(Debug)]
pub(super) struct ClientCertificate(Arc<CertifiedKey>);

impl ResolvesClientCert for ClientCertificate {
    fn resolve(&self, _: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let fits = self.0.key.choose_scheme(schemes).is_some();
        fits.then(|| self.0.clone())
    }

    fn has_certs(&self) -> bool {
        true
    }
}

const CERT: &str = "redis: tls.cert";
const KEY: &str = "redis: tls.key";
