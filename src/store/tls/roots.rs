use rustls::crypto::WebPkiSupportedAlgorithms;

use super::verifier::Verifier;
use super::{Roots, pem, refuse};
use crate::election::ConfigError;

/// The verifier that believes these CAs.
///
/// # Errors
///
/// When one that was given cannot be read, or none was given at all. Of those that everybody trusts,
/// what cannot be read is left out: nobody chose it.
pub(super) fn read(
    roots: &Roots,
    algorithms: WebPkiSupportedAlgorithms,
) -> Result<Verifier, ConfigError> {
    let mut verifier = Verifier::new(algorithms);
    match roots {
        Roots::Given(text) => {
            for ca in pem::certificates("redis: tls.ca", text)? {
                if !verifier.trust_given(ca) {
                    let rule = "certificates that can be read";
                    return Err(refuse("redis: tls.ca", rule, "one that cannot"));
                }
            }
        }
        Roots::Public(text) => {
            for ca in pem::all_certificates(text) {
                verifier.trust(&ca);
            }
        }
    }
    Ok(verifier)
}
