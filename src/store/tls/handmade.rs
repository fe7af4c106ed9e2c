//! Certificates that no library would make.

use rcgen::{KeyPair, PublicKeyData, SigningKey};
use rustls::pki_types::CertificateDer;

/// An element of DER.
pub(crate) fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = match content.len() {
        length @ ..0x80 => vec![length as u8],
        length @ ..0x100 => vec![0x81, length as u8],
        length => vec![0x82, (length >> 8) as u8, length as u8],
    };
    [&[tag], &length[..], content].concat()
}

pub(crate) struct Handmade {
    pub first_version: bool,
    pub issuer: Vec<u8>,
    pub subject: Vec<u8>,
    pub dates: (&'static str, &'static str),
    pub key: Vec<u8>,
    /// Each a whole extension.
    pub extensions: Vec<Vec<u8>>,
}

impl Handmade {
    /// One of the first version of X.509, self-issued and valid for long.
    pub fn new(common_names: &[&str], key: &KeyPair) -> Self {
        let subject = names(common_names);
        Handmade {
            first_version: true,
            issuer: subject.clone(),
            subject,
            dates: ("200101000000Z", "491231235959Z"),
            key: key.subject_public_key_info(),
            extensions: Vec::new(),
        }
    }

    pub fn sign(&self, by: &KeyPair) -> CertificateDer<'static> {
        // ecdsa-with-SHA256
        let algorithm = der(0x30, &der(0x06, &[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2]));
        let date = |text: &str| der(if text.len() == 13 { 0x17 } else { 0x18 }, text.as_bytes());
        let version = match self.first_version {
            true => vec![],
            false => der(0xa0, &[2, 1, 2]),
        };
        let extensions = match self.extensions.is_empty() {
            true => vec![],
            false => der(0xa3, &der(0x30, &self.extensions.concat())),
        };
        let fields = [
            version,
            der(0x02, &[42]),
            algorithm.clone(),
            self.issuer.clone(),
            der(0x30, &[date(self.dates.0), date(self.dates.1)].concat()),
            self.subject.clone(),
            self.key.clone(),
            extensions,
        ];
        let signed = der(0x30, &fields.concat());
        let signature = [vec![0], by.sign(&signed).unwrap()].concat();
        let all = [signed, algorithm, der(0x03, &signature)].concat();
        CertificateDer::from(der(0x30, &all))
    }
}

/// A subject of common names.
pub(crate) fn names(common_names: &[&str]) -> Vec<u8> {
    let name = |name: &&str| {
        let pair = [der(0x06, &[0x55, 4, 3]), der(0x0c, name.as_bytes())].concat();
        der(0x31, &der(0x30, &pair))
    };
    der(
        0x30,
        &common_names.iter().flat_map(name).collect::<Vec<u8>>(),
    )
}

/// An extension under `id-ce`.
pub(crate) fn extension(number: u8, critical: bool, value: &[u8]) -> Vec<u8> {
    let critical = if critical { der(0x01, &[0xff]) } else { vec![] };
    let fields = [der(0x06, &[0x55, 0x1d, number]), critical, der(0x04, value)];
    der(0x30, &fields.concat())
}

/// The structure around an RSA key of so many bits.
pub(crate) fn rsa_key(bits: usize) -> Vec<u8> {
    let modulus = [vec![0, 0x80], vec![1; bits / 8 - 1]].concat();
    let key = der(0x30, &[der(0x02, &modulus), der(0x02, &[1, 0, 1])].concat());
    let id = der(0x06, &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1]);
    let algorithm = der(0x30, &[id, der(0x05, &[])].concat());
    der(
        0x30,
        &[algorithm, der(0x03, &[vec![0], key].concat())].concat(),
    )
}
