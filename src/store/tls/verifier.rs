//! Decides whether a server is the one that was meant: as webpki does, and beyond that where Node believes a
//! private CA and webpki does not.
//!
//! - A certificate that was itself given as a CA, byte for byte, and names itself as its issuer, may be the
//!   server's own (`openssl req -x509` makes such). No signature needs to be believed then: its dates, its
//!   purpose and its name are checked, and the server has to have its key.
//! - A certificate without any alternative name is valid for the DNS name that is its one common name,
//!   unless a CA above it is constrained to some names: webpki applies that to alternative names alone.
//!
//! And less than webpki in one thing: a CA that has expired is believed no more.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{
    WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
    verify_tls13_signature_with_raw_key,
};
use rustls::pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme,
};
use webpki::RawPublicKeyEntity;

use super::certificate::Certificate;

#[derive(Debug)]
pub(super) struct Verifier {
    roots: RootCertStore,
    /// From when to when each of the roots is valid.
    dates: Vec<(Duration, Duration)>,
    /// The CAs that the caller has given.
    given: Vec<CertificateDer<'static>>,
    algorithms: WebPkiSupportedAlgorithms,
}

/// Why a certificate is refused, where that has no name in the library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Objection {
    FirstVersion,
    WeakKey(usize),
    NotForServers,
    ExpiredCa,
    ConstrainedCa,
}

impl Verifier {
    pub fn new(algorithms: WebPkiSupportedAlgorithms) -> Self {
        Verifier {
            roots: RootCertStore::empty(),
            dates: Vec::new(),
            given: Vec::new(),
            algorithms,
        }
    }

    /// Believes what this CA has signed. False where it cannot be read.
    pub fn trust(&mut self, ca: &CertificateDer<'static>) -> bool {
        let Some(read) = Certificate::read(ca) else {
            return false;
        };
        let added = self.roots.add(ca.clone()).is_ok();
        if added {
            self.dates.push((read.not_before, read.not_after));
        }
        added
    }

    /// The same, and it may be shown by a server itself.
    pub fn trust_given(&mut self, ca: CertificateDer<'static>) -> bool {
        let added = self.trust(&ca);
        self.given.push(ca);
        added
    }

    /// The roots that are valid now.
    fn roots_at(&self, now: Duration) -> Cow<'_, RootCertStore> {
        let valid = |(from, to): &(Duration, Duration)| (*from..=*to).contains(&now);
        if self.dates.iter().all(valid) {
            return Cow::Borrowed(&self.roots);
        }
        let roots = self.roots.roots.iter().zip(&self.dates);
        let roots = roots.filter(|(_, dates)| valid(dates));
        Cow::Owned(roots.map(|(root, _)| root.clone()).collect())
    }

    /// Whether one of the CAs signed it, or one whose certificate the server has sent along.
    fn check_chain(
        &self,
        certificate: &ParsedCertificate<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Error> {
        let check = |roots: &RootCertStore| {
            let algorithms = self.algorithms.all;
            verify_server_cert_signed_by_trust_anchor(
                certificate,
                roots,
                intermediates,
                now,
                algorithms,
            )
        };
        let roots = self.roots_at(Duration::from_secs(now.as_secs()));
        check(&roots).map_err(|error| match roots {
            Cow::Owned(_) if check(&self.roots).is_ok() => Objection::ExpiredCa.into(),
            _ => error,
        })
    }

    /// Whether a CA above it may vouch for some names alone.
    fn is_constrained(
        &self,
        certificate: &Certificate<'_>,
        intermediates: &[CertificateDer<'_>],
    ) -> bool {
        let sent = intermediates.iter().map(|der| Certificate::read(der));
        // One that cannot be read may say anything.
        let Some(sent) = sent.collect::<Option<Vec<_>>>() else {
            return true;
        };
        let is_above = |subject: &[u8]| {
            certificate.issuer == subject || sent.iter().any(|sent| sent.issuer == subject)
        };
        let mut roots = self.roots.roots.iter();
        sent.iter().any(Certificate::has_name_constraints)
            || roots.any(|root| root.name_constraints.is_some() && is_above(&root.subject))
    }
}

/// Whether a certificate that is believed by itself may be this server's now.
fn check_itself(certificate: &Certificate<'_>, now: UnixTime) -> Result<(), Error> {
    let seconds = Duration::from_secs(now.as_secs());
    if seconds < certificate.not_before {
        let not_before = UnixTime::since_unix_epoch(certificate.not_before);
        return Err(CertificateError::NotValidYetContext {
            time: now,
            not_before,
        }
        .into());
    }
    if seconds > certificate.not_after {
        let not_after = UnixTime::since_unix_epoch(certificate.not_after);
        return Err(CertificateError::ExpiredContext {
            time: now,
            not_after,
        }
        .into());
    }
    match certificate.is_for_servers() {
        true => Ok(()),
        false => Err(Objection::NotForServers.into()),
    }
}

/// Whether a name stands for a host: in full, or with a star in the place of its first part.
fn is_name_of(pattern: &str, host: &str) -> bool {
    let host = host.trim_end_matches('.');
    match pattern.strip_prefix("*.") {
        // No star for all names of a whole top-level domain.
        Some(rest) if rest.contains('.') => {
            let behind = host.split_once('.').map(|(_, behind)| behind);
            behind.is_some_and(|behind| behind.eq_ignore_ascii_case(rest))
        }
        Some(_) => false,
        None => pattern.eq_ignore_ascii_case(host),
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let certificate = Certificate::read(end_entity).ok_or(CertificateError::BadEncoding)?;
        if let Some(bits) = certificate.rsa_bits().filter(|bits| *bits < LEAST_RSA_BITS) {
            return Err(Objection::WeakKey(bits).into());
        }
        let given = certificate.is_self_issued() && self.given.iter().any(|ca| ca == end_entity);
        let parsed = match certificate.first_version {
            true if given => None,
            true => return Err(Objection::FirstVersion.into()),
            false => Some(ParsedCertificate::try_from(end_entity)?),
        };
        match &parsed {
            Some(parsed) if !given => self.check_chain(parsed, intermediates, now)?,
            _ => check_itself(&certificate, now)?,
        }
        // One without any extension has no alternative names either.
        let refusal = match &parsed {
            Some(parsed) => match verify_server_name(parsed, server_name) {
                Ok(()) => return Ok(ServerCertVerified::assertion()),
                Err(refusal) => refusal,
            },
            None => not_valid_for(server_name),
        };
        let (ServerName::DnsName(host), false, Some(name)) = (
            server_name,
            certificate.has_alternative_names(),
            certificate.common_name(),
        ) else {
            return Err(refusal);
        };
        if !is_name_of(name, host.as_ref()) {
            return Err(refusal);
        }
        let chain = if given { &[][..] } else { intermediates };
        match self.is_constrained(&certificate, chain) {
            true => Err(Objection::ConstrainedCa.into()),
            false => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let Some(key) = key_of_first_version(certificate) else {
            return verify_tls12_signature(message, certificate, signed, &self.algorithms);
        };
        let bad = || Error::from(CertificateError::BadSignature);
        let key = RawPublicKeyEntity::try_from(&key).map_err(|_| bad())?;
        let mut mapping = self.algorithms.mapping.iter();
        let (_, algorithms) = mapping
            .find(|(scheme, _)| *scheme == signed.scheme)
            .ok_or_else(bad)?;
        let mut algorithms = algorithms.iter();
        let verified = algorithms.any(|algorithm| {
            let verified = key.verify_signature(*algorithm, message, signed.signature());
            verified.is_ok()
        });
        verified
            .then(HandshakeSignatureValid::assertion)
            .ok_or_else(bad)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        match key_of_first_version(certificate) {
            Some(key) => {
                verify_tls13_signature_with_raw_key(message, &key, signed, &self.algorithms)
            }
            None => verify_tls13_signature(message, certificate, signed, &self.algorithms),
        }
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// The key of a certificate that the library cannot read.
fn key_of_first_version<'a>(
    certificate: &'a CertificateDer<'_>,
) -> Option<SubjectPublicKeyInfoDer<'a>> {
    let read = Certificate::read(certificate)?;
    read.first_version.then(|| read.key.into())
}

fn not_valid_for(name: &ServerName<'_>) -> Error {
    let presented = Vec::new();
    let expected = name.to_owned();
    CertificateError::NotValidForNameContext {
        expected,
        presented,
    }
    .into()
}

impl fmt::Display for Objection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Objection::FirstVersion => f.write_str(
                "is of version 1 of X.509: sign it anew with extensions (openssl x509 -req -extfile with \
                 subjectAltName)",
            ),
            Objection::WeakKey(bits) => {
                write!(f, "has an RSA key of {bits} bits: make one of {LEAST_RSA_BITS}")
            }
            Objection::NotForServers => f.write_str(
                "is not for servers: make one with extendedKeyUsage=serverAuth and keyUsage=digitalSignature",
            ),
            Objection::ExpiredCa => f.write_str("is signed by a CA whose own certificate is out of date"),
            Objection::ConstrainedCa => f.write_str(
                "has its name in the subject alone, and its CA is constrained to some names: make one with \
                 subjectAltName",
            ),
        }
    }
}

impl std::error::Error for Objection {}

impl From<Objection> for Error {
    fn from(objection: Objection) -> Self {
        CertificateError::Other(OtherError(Arc::new(objection))).into()
    }
}

/// Shorter ones are not verified by ring, nor by OpenSSL at its present level.
const LEAST_RSA_BITS: usize = 2048;

#[cfg(test)]
mod tests;
