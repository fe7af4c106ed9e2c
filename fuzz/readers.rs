//! What holds of every text that a caller may give: of the fuzzer's, and of the corpus in `cargo test`.

use primary_lease::store::{Roots, Source, Tls, TlsOptions};

/// The reader of URLs: it never breaks, and what it shows is the same whatever the passwords are.
pub fn read_url(text: &str) {
    let source = match Source::parse_url(text) {
        Ok(source) => source,
        Err(refusal) => return drop(refusal.to_string()),
    };
    let mut other = source.clone();
    if let Source::Redis(other) = &mut other {
        let passwords = [
            Some(&mut other.password),
            other.sentinel.as_mut().map(|of| &mut of.password),
        ];
        for password in passwords.into_iter().flatten().flatten() {
            password.insert_str(0, "another ");
        }
    }
    assert_eq!(format!("{source} {source:?}"), format!("{other} {other:?}"));
    assert!(source.is_same(&source));
}

/// The reader of CAs, certificates and keys, which NUL characters part here: it never breaks, and shows none of it.
pub fn read_pem(text: &str) {
    let mut parts = text.split('\0').map(ToOwned::to_owned);
    let options = TlsOptions {
        roots: Roots::Given(parts.next().unwrap_or_default()),
        certificate: parts.next(),
        key: parts.next(),
        ..TlsOptions::default()
    };
    let shown = format!("{:?}", TlsOptions::default());
    assert_eq!(format!("{options:?}"), shown);
    match Tls::new(options) {
        Ok(tls) => assert_eq!(format!("{tls:?}"), shown),
        // Our own words, never the caller's, however long that is.
        Err(refusal) => assert!(refusal.to_string().len() < 200, "{refusal}"),
    }
}
