//! What a handshake that failed means, in words that say what to do.

use std::io;

use rustls::{AlertDescription, CertificateError, Error, InvalidMessage};

use crate::election::Failure;
use crate::store::error::plain;

/// What an error of an encrypted socket means. What only a person can mend is denied.
pub(in crate::store) fn failure_of(error: &io::Error) -> Failure {
    match of_tls(error) {
        Some(error) => told(error),
        None if error.kind() == io::ErrorKind::UnexpectedEof => unknown(
            "the server hangs up at the greeting: no TLS there, or none of the versions and ciphers that it wants?",
        ),
        None => unknown(&format!("{} at the greeting: no TLS there?", plain(error))),
    }
}

/// The error of TLS in one of a socket.
fn of_tls(error: &io::Error) -> Option<&Error> {
    error.get_ref()?.downcast_ref()
}

fn told(error: &Error) -> Failure {
    match error {
        Error::InvalidCertificate(error) => denied(certificate(error)),
        Error::AlertReceived(alert) => alerted(*alert),
        Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
            unknown("the server does not answer in TLS: no TLS there?")
        }
        error => unknown(&format!("TLS: {error}")),
    }
}

fn certificate(error: &CertificateError) -> String {
    error.to_string()
}

fn alerted(alert: AlertDescription) -> Failure {
    unknown(&format!("the server refuses: {alert:?}"))
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
