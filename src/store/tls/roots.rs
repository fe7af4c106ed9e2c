use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;

use super::{Roots, pem, refuse};
use crate::election::ConfigError;

/// Those whose signatures are believed.
///
/// # Errors
///
/// When one that was given cannot be read, or none was given at all. Of those that everybody trusts,
/// what cannot be read is left out: nobody chose it.
pub(super) fn read(roots: &Roots) -> Result<RootCertStore, ConfigError> {
    let mut store = RootCertStore::empty();
    match roots {
        Roots::Given(text) => {
            for certificate in pem::certificates("redis: tls.ca", text)? {
                add(&mut store, certificate)?;
            }
        }
        Roots::Public(text) => {
            store.add_parsable_certificates(pem::all_certificates(text));
        }
    }
    Ok(store)
}

fn add(store: &mut RootCertStore, certificate: CertificateDer<'_>) -> Result<(), ConfigError> {
    let added = store.add(certificate);
    added.map_err(|_| {
        let rule = "certificates that can be read";
        refuse("redis: tls.ca", rule, "one that cannot")
    })
}
