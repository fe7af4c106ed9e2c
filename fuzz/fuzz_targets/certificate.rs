//! The reader of certificates: it never breaks, and reads no other key than webpki does.

#![no_main]

use libfuzzer_sys::fuzz_target;
use webpki::EndEntityCert;

#[path = "../../src/store/tls/certificate.rs"]
mod certificate;

use certificate::Certificate;

fuzz_target!(|der: &[u8]| {
    let Some(read) = Certificate::read(der) else {
        return;
    };
    let _ = (read.common_name(), read.rsa_bits(), read.is_for_servers());
    let _ = (read.has_name_constraints(), read.is_self_issued());
    let given = der.into();
    if let Ok(known) = EndEntityCert::try_from(&given) {
        assert!(!read.first_version);
        assert_eq!(known.subject_public_key_info().as_ref(), read.key);
        let names = known.valid_dns_names().count();
        assert!(names == 0 || read.has_alternative_names());
    }
});
