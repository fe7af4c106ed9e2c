use std::sync::Arc;
use std::time::Duration;

use rustls::OtherError;
use rustls::pki_types::ServerName;

use super::*;

fn after(hours: u64) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(hours * 3600))
}

fn told(error: Error, options: &TlsOptions) -> Failure {
    let error = io::Error::new(io::ErrorKind::InvalidData, error);
    of_greeting(&error, options, "redis.test")
}

#[test]
fn what_is_wrong_with_a_certificate_is_denied_and_named() {
    use CertificateError as Bad;
    let other = |error: webpki::Error| Bad::Other(OtherError(Arc::new(error)));
    let time = after(1000);
    for (error, words) in [
        (Bad::UnknownIssuer, "by no CA that Node trusts"),
        (
            Bad::ExpiredContext {
                time,
                not_after: after(999),
            },
            "expired 1 h ago",
        ),
        (
            Bad::ExpiredContext {
                time,
                not_after: after(900),
            },
            "expired 4 days ago",
        ),
        (Bad::Expired, "has expired"),
        (
            Bad::NotValidYetContext {
                time,
                not_before: after(1010),
            },
            "is valid only in 10 h: is the clock right?",
        ),
        (
            Bad::NotValidForNameContext {
                expected: ServerName::try_from("redis.test").unwrap(),
                presented: vec!["DnsName(\"a.test\")".into(), "IpAddress(10.0.0.1)".into()],
            },
            "is for a.test, 10.0.0.1, not for redis.test",
        ),
        (Bad::NotValidForName, "has no name that is redis.test"),
        (Bad::InvalidPurpose, "not for servers"),
        (Bad::UnhandledCriticalExtension, "a critical extension"),
        (Bad::BadSignature, "a signature that is wrong"),
        (Bad::BadEncoding, "cannot be read"),
        (Bad::Revoked, "is refused"),
        (other(webpki::Error::CaUsedAsEndEntity), "CA:FALSE"),
        (other(webpki::Error::EndEntityUsedAsCa), "CA:TRUE"),
        (
            other(webpki::Error::NameConstraintViolation),
            "may not vouch",
        ),
        (
            other(webpki::Error::PathLenConstraintViolated),
            "is refused",
        ),
        (
            Bad::Other(OtherError(Arc::new(Objection::WeakKey(1024)))),
            "1024 bits",
        ),
    ] {
        let failure = told(error.into(), &TlsOptions::default());
        assert!(matches!(failure, Failure::Denied { .. }), "{failure:?}");
        let cause = failure.cause();
        assert!(
            cause.starts_with("the certificate of the server "),
            "{cause}"
        );
        assert!(cause.contains(words), "{cause}");
    }
}

#[test]
fn what_the_server_says_is_told_apart() {
    use AlertDescription as Alert;
    let with_certificate = TlsOptions {
        certificate: Some("ours".into()),
        ..TlsOptions::default()
    };
    for (alert, denied, words) in [
        (Alert::ProtocolVersion, true, "no version of TLS"),
        (
            Alert::CertificateRequired,
            true,
            "wants a client certificate",
        ),
        (Alert::HandshakeFailure, true, "kind of key"),
        (Alert::UnrecognisedName, true, "tls.servername"),
        (Alert::UnknownCA, true, "does not know its CA"),
        (Alert::CertificateExpired, true, "out of date"),
        (Alert::CertificateRevoked, true, "revoked"),
        (Alert::DecryptError, true, "signature is wrong"),
        (Alert::BadCertificate, true, "not made for clients"),
        (Alert::InternalError, false, "breaks off in TLS"),
    ] {
        let failure = told(Error::AlertReceived(alert), &with_certificate);
        assert_eq!(
            matches!(failure, Failure::Denied { .. }),
            denied,
            "{failure:?}"
        );
        assert!(failure.cause().contains(words), "{failure:?}");
    }
    let asked = told(
        Error::AlertReceived(Alert::HandshakeFailure),
        &TlsOptions::default(),
    );
    assert!(asked.cause().contains("or it wants a client certificate"));
    let asked = told(
        Error::AlertReceived(Alert::HandshakeFailure),
        &with_certificate,
    );
    assert!(!asked.cause().contains("client certificate"));
}

#[test]
fn a_server_that_breaks_off_may_well_speak_no_tls() {
    let options = TlsOptions::default();
    for kind in [io::ErrorKind::UnexpectedEof, io::ErrorKind::ConnectionReset] {
        let failure = of_greeting(&kind.into(), &options, "redis.test");
        assert!(matches!(failure, Failure::Unknown { .. }), "{failure:?}");
        assert!(failure.cause().contains("no TLS there?"), "{failure:?}");
        assert_eq!(of_reading(&kind.into(), &options), None);
    }
    let failure = told(
        Error::InvalidMessage(InvalidMessage::InvalidContentType),
        &options,
    );
    assert!(failure.cause().contains("no TLS there?"), "{failure:?}");
}
