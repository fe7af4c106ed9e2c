//! What went wrong with an encrypted connection, in words that say what to do: which of the CA, the name, the
//! date, the key or the client certificate it is.

use std::io;

use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError, Error, InvalidMessage, PeerIncompatible};

use super::verifier::Objection;
use super::{Roots, TlsOptions};
use crate::election::Failure;

/// Why a server was not believed, or did not believe us. What only a person can fix is denied.
pub(super) fn of_greeting(error: &io::Error, options: &TlsOptions, name: &str) -> Failure {
    match of_tls(error) {
        Some(Error::InvalidCertificate(error)) => denied(format!(
            "the certificate of the server {}",
            objection(error, options, name)
        )),
        Some(error) => of_server(error, options.certificate.is_some()),
        None if error.kind() == io::ErrorKind::UnexpectedEof => {
            unknown("the server hangs up at the greeting in TLS: no TLS there?")
        }
        None => unknown(&format!(
            "{} at the greeting in TLS: no TLS there?",
            error.kind()
        )),
    }
}

/// The same, of an error at a later reading: in TLS 1.3 the server looks at our certificate only when we
/// take the greeting for done. `None` where the error is none of TLS.
pub(super) fn of_reading(error: &io::Error, options: &TlsOptions) -> Option<Failure> {
    let error = of_tls(error)?;
    Some(of_server(error, options.certificate.is_some()))
}

/// What may be wanted by a server that hangs up after the greeting, without a word.
pub(super) fn of_silence(options: &TlsOptions) -> &'static str {
    match options.certificate {
        None => {
            "the server hangs up after the greeting in TLS: does it want a client certificate (tls.cert)?"
        }
        Some(_) => {
            "the server hangs up after the greeting in TLS: does it know our client certificate (tls.cert)?"
        }
    }
}

/// The error of TLS in one of a socket.
fn of_tls(error: &io::Error) -> Option<&Error> {
    error.get_ref()?.downcast_ref()
}

fn of_server(error: &Error, with_certificate: bool) -> Failure {
    match error {
        Error::AlertReceived(alert) => alerted(*alert, with_certificate),
        Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
            unknown("the server does not answer in TLS: no TLS there?")
        }
        Error::PeerIncompatible(PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig) => {
            denied(VERSIONS.into())
        }
        error => unknown(&format!("TLS fails: {error}")),
    }
}

fn alerted(alert: AlertDescription, with_certificate: bool) -> Failure {
    use AlertDescription as Alert;
    match alert {
        Alert::ProtocolVersion => denied(VERSIONS.into()),
        Alert::CertificateRequired | Alert::NoCertificate => {
            denied("the server wants a client certificate: give tls.cert and tls.key".into())
        }
        Alert::HandshakeFailure | Alert::InsufficientSecurity if !with_certificate => denied(
            format!("{NOTHING_IN_COMMON}, or it wants a client certificate (tls.cert and tls.key)"),
        ),
        Alert::HandshakeFailure | Alert::InsufficientSecurity => denied(NOTHING_IN_COMMON.into()),
        Alert::UnrecognisedName => denied(
            "the server does not know the name that it is called by: give tls.servername".into(),
        ),
        Alert::UnknownCA => refused_certificate("it does not know its CA"),
        Alert::CertificateExpired => refused_certificate("it is out of date"),
        Alert::CertificateRevoked => refused_certificate("it is revoked"),
        Alert::DecryptError => refused_certificate("its signature is wrong"),
        Alert::BadCertificate
        | Alert::UnsupportedCertificate
        | Alert::CertificateUnknown
        | Alert::AccessDenied => {
            refused_certificate("it is not made for clients, or not for this server")
        }
        alert => unknown(&format!("the server breaks off in TLS ({alert:?})")),
    }
}

fn refused_certificate(why: &str) -> Failure {
    denied(format!(
        "the server refuses our client certificate (tls.cert): {why}"
    ))
}

/// What is wrong with the certificate of a server.
fn objection(error: &CertificateError, options: &TlsOptions, name: &str) -> String {
    use CertificateError as Bad;
    match error {
        Bad::UnknownIssuer => unknown_issuer(options),
        Bad::ExpiredContext { time, not_after } => format!("expired {} ago", span(*not_after, *time)),
        Bad::Expired => "has expired".into(),
        Bad::NotValidYetContext { time, not_before } => {
            format!("is valid only in {}: is the clock right?", span(*time, *not_before))
        }
        Bad::NotValidForNameContext { presented, .. } => misnamed(presented, name),
        Bad::NotValidForName => misnamed(&[], name),
        Bad::InvalidPurpose | Bad::InvalidPurposeContext { .. } => {
            format!("{}", Objection::NotForServers)
        }
        Bad::UnhandledCriticalExtension => {
            "has a critical extension that is not known: make one without".into()
        }
        Bad::BadSignature => "has a signature that is wrong, or made with a key of less than 2048 bits".into(),
        Bad::UnsupportedSignatureAlgorithmContext { .. }
        | Bad::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            "is signed in a way that is not supported: sign it with SHA-256 and a key of RSA, P-256, P-384 or Ed25519"
                .into()
        }
        Bad::BadEncoding => "cannot be read".into(),
        Bad::Other(other) => match (other.0.downcast_ref(), other.0.downcast_ref()) {
            (Some(objection), _) => format!("{}", objection as &Objection),
            (_, Some(webpki::Error::CaUsedAsEndEntity)) => {
                "is that of a CA (CA:TRUE): make one with basicConstraints=CA:FALSE, or give it itself as tls.ca where it \
                 has signed itself"
                    .into()
            }
            (_, Some(webpki::Error::EndEntityUsedAsCa)) => {
                "is signed with one that is not of a CA: make that with basicConstraints=CA:TRUE".into()
            }
            (_, Some(webpki::Error::NameConstraintViolation)) => {
                "has a name that its CA may not vouch for".into()
            }
            _ => format!("is refused: {other}"),
        },
        error => format!("is refused: {error}"),
    }
}

fn unknown_issuer(options: &TlsOptions) -> String {
    let trusted = match options.roots {
        Roots::Given(_) => "by none of the CAs in tls.ca",
        Roots::Public(_) => "by no CA that Node trusts: give its own as tls.ca",
    };
    format!("is signed {trusted} (or the server does not send those in between)")
}

fn misnamed(presented: &[String], name: &str) -> String {
    if presented.is_empty() {
        return format!(
            "has no name that is {name}: give tls.servername, or make one with subjectAltName=DNS:… or IP:…"
        );
    }
    // A library's own way to show them: DnsName("a").
    let names = presented.iter().take(MOST_NAMES).map(|shown| {
        let quoted = shown
            .split_once('(')
            .map(|(_, rest)| rest.trim_end_matches(')'));
        quoted.unwrap_or(shown).trim_matches('"').to_owned()
    });
    let names = names.collect::<Vec<_>>().join(", ");
    format!("is for {names}, not for {name}: give tls.servername")
}

/// How long it is from one time to the other, roughly.
fn span(from: UnixTime, to: UnixTime) -> String {
    match to.as_secs().saturating_sub(from.as_secs()) / 3600 {
        hours @ ..48 => format!("{hours} h"),
        hours => format!("{} days", hours / 24),
    }
}

fn denied(cause: String) -> Failure {
    Failure::Denied {
        cause: cause.into(),
    }
}

fn unknown(cause: &str) -> Failure {
    Failure::Unknown {
        cause: cause.into(),
    }
}

const VERSIONS: &str = "the server speaks no version of TLS that is wanted here: 1.2 or 1.3 (tls.minVersion, tls.maxVersion)";
const NOTHING_IN_COMMON: &str = "the server has no version, cipher or kind of key that is supported here (RSA, P-256, P-384 and \
                                 Ed25519)";
const MOST_NAMES: usize = 8;

#[cfg(test)]
mod tests;
