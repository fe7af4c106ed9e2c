//! Each with a certificate that was made for it, in a whole greeting with a server that has it.

use std::io::{Read, Write};
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, CustomExtension, DnType,
    ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, KeyPair, KeyUsagePurpose, NameConstraints,
    SanType, date_time_ymd,
};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::PrivateKeyDer;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ClientConnection, ServerConfig, ServerConnection};

use super::super::handmade::{Handmade, extension, names, rsa_key};
use super::*;

type Ca = CertifiedIssuer<'static, KeyPair>;

/// A server's certificate, what it sends along, and its key.
struct Shown {
    chain: Vec<CertificateDer<'static>>,
    key: KeyPair,
}

impl Shown {
    fn sent_along(mut self, der: &CertificateDer<'static>) -> Self {
        self.chain.push(der.clone());
        self
    }
}

fn key() -> KeyPair {
    KeyPair::generate().unwrap()
}

fn ca_with(change: impl FnOnce(&mut CertificateParams)) -> Ca {
    let mut wanted = named("the CA");
    wanted.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    change(&mut wanted);
    CertifiedIssuer::self_signed(wanted, key()).unwrap()
}

fn ca() -> Ca {
    ca_with(|_| {})
}

fn named(name: &str) -> CertificateParams {
    let mut wanted = CertificateParams::default();
    wanted.distinguished_name.push(DnType::CommonName, name);
    wanted
}

/// For `redis.test`, by an alternative name.
fn server_by(ca: &Ca, change: impl FnOnce(&mut CertificateParams)) -> Shown {
    let mut wanted = named("a server");
    wanted.subject_alt_names = vec![SanType::DnsName("redis.test".try_into().unwrap())];
    change(&mut wanted);
    let key = key();
    let certificate = wanted.signed_by(&key, ca).unwrap();
    Shown {
        chain: vec![certificate.der().clone()],
        key,
    }
}

/// For `redis.test` by its common name alone.
fn server_in_subject(ca: &Ca) -> Shown {
    server_by(ca, |wanted| {
        wanted.subject_alt_names.clear();
        wanted.distinguished_name = named("redis.test").distinguished_name;
    })
}

/// What `openssl req -x509` makes.
fn self_signed(change: impl FnOnce(&mut CertificateParams)) -> Shown {
    let ca = ca_with(|wanted| {
        wanted.subject_alt_names = vec![SanType::DnsName("redis.test".try_into().unwrap())];
        change(wanted);
    });
    let chain = vec![ca.der().clone()];
    let key = KeyPair::from_pem(&ca.key().serialize_pem()).unwrap();
    Shown { chain, key }
}

fn handmade(change: impl FnOnce(&mut Handmade)) -> Shown {
    let key = key();
    let mut made = Handmade::new(&["redis.test"], &key);
    change(&mut made);
    Shown {
        chain: vec![made.sign(&key)],
        key,
    }
}

fn verifier() -> Verifier {
    Verifier::new(default_provider().signature_verification_algorithms)
}

fn given(cas: &[&CertificateDer<'static>]) -> Verifier {
    let mut verifier = verifier();
    for ca in cas {
        assert!(verifier.trust_given((*ca).clone()));
    }
    verifier
}

fn public(ca: &CertificateDer<'static>) -> Verifier {
    let mut verifier = verifier();
    assert!(verifier.trust(ca));
    verifier
}

/// Greets in both versions of TLS, which have to agree.
fn greet(verifier: Verifier, shown: &Shown, name: &str) -> Result<(), Error> {
    let verifier = Arc::new(verifier);
    let [newer, older] = [&TLS13, &TLS12].map(|version| {
        let provider = Arc::new(default_provider());
        let key = PrivateKeyDer::try_from(shown.key.serialize_der()).unwrap();
        let key = provider.key_provider.load_private_key(key).unwrap();
        let certified = Arc::new(CertifiedKey::new(shown.chain.clone(), key));
        let server = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[version])
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(Always(certified)));
        let client = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[version])
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(verifier.clone())
            .with_no_client_auth();
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let client = ClientConnection::new(Arc::new(client), name).unwrap();
        let server = ServerConnection::new(Arc::new(server)).unwrap();
        exchange(client, server)
    });
    assert_eq!(format!("{newer:?}"), format!("{older:?}"));
    newer
}

fn exchange(mut client: ClientConnection, mut server: ServerConnection) -> Result<(), Error> {
    while client.is_handshaking() || server.is_handshaking() {
        let mut bytes = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut bytes).unwrap();
        }
        server.read_tls(&mut &bytes[..]).unwrap();
        server.process_new_packets().unwrap();
        bytes.clear();
        while server.wants_write() {
            server.write_tls(&mut bytes).unwrap();
        }
        let mut left = &bytes[..];
        while !left.is_empty() {
            client.read_tls(&mut left).unwrap();
            client.process_new_packets()?;
        }
    }
    client.writer().write_all(b"PING").unwrap();
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).unwrap();
    server.read_tls(&mut &bytes[..]).unwrap();
    server.process_new_packets().unwrap();
    let mut heard = [0; 4];
    server.reader().read_exact(&mut heard).unwrap();
    assert_eq!(&heard, b"PING");
    Ok(())
}

#[derive(Debug)]
struct Always(Arc<CertifiedKey>);

impl ResolvesServerCert for Always {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.clone())
    }
}

/// The refusal in the library's words or in ours.
#[track_caller]
fn refused(verifier: Verifier, shown: &Shown, name: &str, words: &str) {
    let error = greet(verifier, shown, name).expect_err("believed");
    assert!(matches!(error, Error::InvalidCertificate(_)), "{error:?}");
    let said = format!("{error:?}");
    assert!(said.contains(words), "{said}");
}

#[test]
fn a_server_is_believed_for_its_alternative_names_by_the_ca_that_has_signed_it() {
    let (ours, another) = (ca(), ca());
    let shown = server_by(&ours, |wanted| {
        let address = SanType::IpAddress("127.0.0.1".parse().unwrap());
        wanted.subject_alt_names.push(address);
    });
    for verifier in [
        given(&[ours.der()]),
        public(ours.der()),
        given(&[another.der(), ours.der()]),
    ] {
        greet(verifier, &shown, "redis.test").unwrap();
    }
    greet(given(&[ours.der()]), &shown, "127.0.0.1").unwrap();
    refused(
        given(&[ours.der()]),
        &shown,
        "another.test",
        "NotValidForName",
    );
    refused(given(&[ours.der()]), &shown, "127.0.0.2", "NotValidForName");
    // Another CA of the same name.
    refused(
        given(&[another.der()]),
        &shown,
        "redis.test",
        "BadSignature",
    );
    refused(verifier(), &shown, "redis.test", "UnknownIssuer");
}

#[test]
fn a_server_without_the_key_of_its_certificate_is_refused() {
    let ca = ca();
    let mut shown = server_by(&ca, |_| {});
    shown.key = key();
    refused(given(&[ca.der()]), &shown, "redis.test", "BadSignature");
    for mut shown in [self_signed(|_| {}), handmade(|_| {})] {
        let itself = shown.chain[0].clone();
        shown.key = key();
        refused(given(&[&itself]), &shown, "redis.test", "BadSignature");
    }
}

#[test]
fn a_self_signed_ca_may_be_the_server_itself_where_it_was_given() {
    let shown = self_signed(|_| {});
    let itself = &shown.chain[0];
    greet(given(&[itself]), &shown, "redis.test").unwrap();
    refused(given(&[itself]), &shown, "another.test", "NotValidForName");
    refused(public(itself), &shown, "redis.test", "CaUsedAsEndEntity");
    refused(verifier(), &shown, "redis.test", "CaUsedAsEndEntity");
}

#[test]
fn only_the_certificate_that_was_given_itself_is_believed_by_itself() {
    let shown = self_signed(|_| {});
    // The same key and the same names, made again.
    let again = CertifiedIssuer::self_signed(
        {
            let mut wanted = named("the CA");
            wanted.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            wanted
        },
        KeyPair::from_pem(&shown.key.serialize_pem()).unwrap(),
    )
    .unwrap();
    refused(
        given(&[again.der()]),
        &shown,
        "redis.test",
        "CaUsedAsEndEntity",
    );
    // Signed by another.
    let ca = ca();
    let shown = server_by(&ca, |_| {});
    refused(
        given(&[&shown.chain[0]]),
        &shown,
        "redis.test",
        "UnknownIssuer",
    );
}

#[test]
fn what_is_believed_by_itself_has_dates_and_a_purpose_too() {
    for (change, words) in [
        (
            Box::new(|wanted: &mut CertificateParams| wanted.not_after = date_time_ymd(2020, 1, 1))
                as Box<dyn FnOnce(&mut CertificateParams)>,
            "Expired",
        ),
        (
            Box::new(|wanted| wanted.not_before = date_time_ymd(2100, 1, 1)),
            "NotValidYet",
        ),
        (
            Box::new(|wanted| {
                wanted.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
            }),
            "NotForServers",
        ),
        (
            Box::new(|wanted| wanted.key_usages = vec![KeyUsagePurpose::KeyCertSign]),
            "NotForServers",
        ),
        (
            Box::new(|wanted| {
                let mut odd = CustomExtension::from_oid_content(&[1, 2, 3], vec![5, 0]);
                odd.set_criticality(true);
                wanted.custom_extensions.push(odd);
            }),
            "CriticalExtension",
        ),
    ] {
        let shown = self_signed(change);
        refused(given(&[&shown.chain[0]]), &shown, "redis.test", words);
    }
    let shown = self_signed(|wanted| {
        wanted.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        wanted.key_usages = vec![
            KeyUsagePurpose::KeyCertSign,
            KeyUsagePurpose::DigitalSignature,
        ];
    });
    greet(given(&[&shown.chain[0]]), &shown, "redis.test").unwrap();
}

#[test]
fn a_common_name_counts_where_there_is_no_alternative_name() {
    let ca = ca();
    let shown = server_in_subject(&ca);
    for verifier in [given(&[ca.der()]), public(ca.der())] {
        greet(verifier, &shown, "redis.test").unwrap();
    }
    greet(given(&[ca.der()]), &shown, "REDIS.test").unwrap();
    refused(
        given(&[ca.der()]),
        &shown,
        "another.test",
        "NotValidForName",
    );
    // The chain is looked at as always.
    refused(verifier(), &shown, "redis.test", "UnknownIssuer");
    let both = server_by(&ca, |wanted| {
        wanted.subject_alt_names = vec![SanType::IpAddress("127.0.0.1".parse().unwrap())];
        wanted.distinguished_name = named("redis.test").distinguished_name;
    });
    refused(given(&[ca.der()]), &both, "redis.test", "NotValidForName");
    let shown = self_signed(|wanted| {
        wanted.subject_alt_names.clear();
        wanted.distinguished_name = named("redis.test").distinguished_name;
    });
    greet(given(&[&shown.chain[0]]), &shown, "redis.test").unwrap();
    refused(
        given(&[&shown.chain[0]]),
        &shown,
        "another.test",
        "NotValidForName",
    );
}

#[test]
fn a_common_name_is_no_address_and_no_choice_of_names() {
    let address = handmade(|made| {
        made.subject = names(&["127.0.0.1"]);
        made.issuer = made.subject.clone();
    });
    refused(
        given(&[&address.chain[0]]),
        &address,
        "127.0.0.1",
        "NotValidForName",
    );
    let two = handmade(|made| {
        made.subject = names(&["redis.test", "another.test"]);
        made.issuer = made.subject.clone();
    });
    refused(
        given(&[&two.chain[0]]),
        &two,
        "redis.test",
        "NotValidForName",
    );
}

#[test]
fn a_star_stands_for_one_part_of_a_host() {
    for (pattern, host, is_name) in [
        ("redis.test", "redis.test", true),
        ("Redis.Test", "redis.test.", true),
        ("redis", "redis", true),
        ("*.redis.test", "a.redis.test", true),
        ("*.redis.test", "a.b.redis.test", false),
        ("*.redis.test", "redis.test", false),
        ("*.test", "redis.test", false),
        ("*", "redis", false),
        ("*.", "redis.", false),
        ("r*.redis.test", "r1.redis.test", false),
        ("a.*.test", "a.b.test", false),
        ("", "redis", false),
    ] {
        assert_eq!(is_name_of(pattern, host), is_name, "{pattern} {host}");
    }
}

#[test]
fn a_common_name_under_a_ca_that_is_constrained_counts_for_nothing() {
    let constraints = || {
        Some(NameConstraints {
            permitted_subtrees: vec![GeneralSubtree::DnsName("elsewhere.test".into())],
            excluded_subtrees: vec![],
        })
    };
    let root = ca_with(|wanted| wanted.name_constraints = constraints());
    let shown = server_in_subject(&root);
    refused(given(&[root.der()]), &shown, "redis.test", "ConstrainedCa");
    // A root that has signed nothing of it does not count.
    let (another, root) = (
        root,
        ca_with(|wanted| wanted.distinguished_name = named("root").distinguished_name),
    );
    let shown = server_in_subject(&root);
    greet(given(&[root.der(), another.der()]), &shown, "redis.test").unwrap();

    let intermediate = |constraints| {
        let mut wanted = named("between");
        wanted.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        wanted.name_constraints = constraints;
        CertifiedIssuer::signed_by(wanted, key(), &root).unwrap()
    };
    let free = intermediate(None);
    let shown = server_in_subject(&free).sent_along(free.der());
    greet(given(&[root.der()]), &shown, "redis.test").unwrap();
    let bound = intermediate(constraints());
    let shown = server_in_subject(&bound).sent_along(bound.der());
    refused(given(&[root.der()]), &shown, "redis.test", "ConstrainedCa");
    // One that cannot be read may say anything.
    let shown = server_in_subject(&free).sent_along(free.der());
    let shown = shown.sent_along(&CertificateDer::from(vec![0x30, 0]));
    refused(given(&[root.der()]), &shown, "redis.test", "ConstrainedCa");
    // An alternative name is looked at by webpki.
    let shown = server_by(&another, |_| {});
    refused(
        given(&[another.der()]),
        &shown,
        "redis.test",
        "NameConstraintViolation",
    );
    let constrained = handmade(|made| {
        made.first_version = false;
        made.extensions = vec![extension(30, false, &[0x30, 0])];
    });
    refused(
        given(&[&constrained.chain[0]]),
        &constrained,
        "redis.test",
        "ConstrainedCa",
    );
}

#[test]
fn a_certificate_of_the_first_version_counts_where_it_was_given_itself() {
    let shown = handmade(|_| {});
    greet(given(&[&shown.chain[0]]), &shown, "redis.test").unwrap();
    refused(
        given(&[&shown.chain[0]]),
        &shown,
        "another.test",
        "NotValidForName",
    );
    refused(
        public(&shown.chain[0]),
        &shown,
        "redis.test",
        "FirstVersion",
    );
    let expired = handmade(|made| made.dates = ("200101000000Z", "210101000000Z"));
    refused(
        given(&[&expired.chain[0]]),
        &expired,
        "redis.test",
        "Expired",
    );
    let ca = ca();
    let shown = handmade(|made| made.issuer = names(&["the CA"]));
    refused(given(&[ca.der()]), &shown, "redis.test", "FirstVersion");
    refused(
        given(&[&shown.chain[0]]),
        &shown,
        "redis.test",
        "FirstVersion",
    );
}

#[test]
fn a_short_rsa_key_is_refused_by_name() {
    let shown = handmade(|made| made.key = rsa_key(1024));
    refused(
        given(&[&shown.chain[0]]),
        &shown,
        "redis.test",
        "WeakKey(1024)",
    );
}

#[test]
fn what_cannot_be_read_is_refused() {
    let mut shown = self_signed(|_| {});
    shown.chain[0] = CertificateDer::from(b"no certificate".to_vec());
    refused(verifier(), &shown, "redis.test", "BadEncoding");
    assert!(!verifier().trust(&shown.chain[0]));
}

#[test]
fn a_ca_that_has_expired_is_believed_no_more() {
    let expired = ca_with(|wanted| wanted.not_after = date_time_ymd(2020, 1, 1));
    let shown = server_by(&expired, |_| {});
    for verifier in [given(&[expired.der()]), public(expired.der())] {
        refused(verifier, &shown, "redis.test", "ExpiredCa");
    }
    // Others beside it are.
    let ours = ca_with(|wanted| wanted.distinguished_name = named("ours").distinguished_name);
    let shown = server_by(&ours, |_| {});
    greet(given(&[expired.der(), ours.der()]), &shown, "redis.test").unwrap();
    refused(
        given(&[expired.der()]),
        &shown,
        "redis.test",
        "UnknownIssuer",
    );
}
