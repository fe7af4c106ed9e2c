use std::fs;
use std::path::Path;

use rcgen::KeyPair;

use super::super::handmade::{Handmade, der, extension, names, rsa_key};
use super::*;

fn handmade() -> (Handmade, KeyPair) {
    let key = KeyPair::generate().unwrap();
    (Handmade::new(&["redis"], &key), key)
}

#[test]
fn the_parts_of_a_certificate_are_read() {
    let (mut made, key) = handmade();
    made.dates = ("19700102000000Z", "20500101000000Z");
    let certificate = made.sign(&key);
    let read = Certificate::read(&certificate).unwrap();
    assert!(read.first_version && read.is_self_issued());
    assert_eq!(read.not_before, Duration::from_secs(86_400));
    assert_eq!(read.not_after, Duration::from_secs(2_524_608_000));
    assert_eq!(read.key, made.key);
    assert_eq!(read.common_name(), Some("redis"));
    assert_eq!(read.rsa_bits(), None);
    made.issuer = names(&["another"]);
    assert!(
        !Certificate::read(&made.sign(&key))
            .unwrap()
            .is_self_issued()
    );
}

#[test]
fn a_date_is_counted_by_the_calendar() {
    let date = |text: &str| {
        let tag = if text.len() < 15 {
            UTC_TIME
        } else {
            GENERALIZED_TIME
        };
        let all = der(tag, text.as_bytes());
        Reader(&all).time().map(|time| time.as_secs())
    };
    for (text, seconds) in [
        ("700101000000Z", Some(0)),
        ("500101000000Z", Some(0)),
        ("491231235959Z", Some(2_524_607_999)),
        ("000229120000Z", Some(951_825_600)),
        ("20240301000000Z", Some(1_709_251_200)),
        ("21000301000000Z", Some(4_107_542_400)),
        ("99991231235959Z", Some(253_402_300_799)),
        ("00000101000000Z", Some(0)),
        ("241301000000Z", None),
        ("240100000000Z", None),
        ("240101240000Z", None),
        ("240101006000Z", None),
        ("240101000060Z", None),
        ("240101000000", None),
        ("240101000000+0000", None),
        ("24010100000xZ", None),
    ] {
        assert_eq!(date(text), seconds, "{text}");
    }
}

#[test]
fn a_common_name_counts_alone_and_in_ascii() {
    let (mut made, key) = handmade();
    for (subject, name) in [
        (names(&[]), None),
        (names(&["a"]), Some("a")),
        (names(&["a", "a"]), None),
        (names(&["ä"]), None),
        // BMPString
        (
            der(
                0x30,
                &der(
                    0x31,
                    &der(0x30, &[der(0x06, COMMON_NAME), der(0x1e, b"\0a")].concat()),
                ),
            ),
            None,
        ),
        // A tag that goes on in the next byte.
        (
            {
                let pair = [der(0x06, &[0x55, 4, 10]), der(0x1f, b"Ours")].concat();
                let sets = [der(0x31, &der(0x30, &pair)), names(&["a"])[2..].to_vec()].concat();
                der(0x30, &sets)
            },
            None,
        ),
        // An organisation before it.
        (
            {
                let pair = [der(0x06, &[0x55, 4, 10]), der(0x13, b"Ours")].concat();
                let sets = [der(0x31, &der(0x30, &pair)), names(&["a"])[2..].to_vec()].concat();
                der(0x30, &sets)
            },
            Some("a"),
        ),
        (
            der(0x30, &der(0x31, &der(0x30, &der(0x06, COMMON_NAME)))),
            None,
        ),
    ] {
        made.subject = subject;
        let certificate = made.sign(&key);
        assert_eq!(Certificate::read(&certificate).unwrap().common_name(), name);
    }
}

#[test]
fn extensions_say_what_a_certificate_is_for() {
    let (mut made, key) = handmade();
    made.first_version = false;
    let servers = der(0x30, &der(0x06, SERVER_AUTHENTICATION));
    let clients = der(0x30, &der(0x06, &[0x2b, 6, 1, 5, 5, 7, 3, 2]));
    for (extensions, is_for_servers) in [
        (vec![], true),
        (vec![extension(15, true, &[3, 2, 7, 0x80])], true),
        (vec![extension(15, true, &[3, 2, 5, 0x20])], true),
        (vec![extension(15, true, &[3, 2, 3, 0x08])], true),
        // Signs certificates alone.
        (vec![extension(15, true, &[3, 2, 2, 0x04])], false),
        (vec![extension(15, true, &[3, 1, 0])], false),
        (vec![extension(15, true, &[3, 2, 7, 0x80, 0])], false),
        (vec![extension(37, false, &servers)], true),
        (vec![extension(37, false, &clients)], false),
        (
            vec![extension(37, false, &[&servers[..], &[0]].concat())],
            false,
        ),
        (
            vec![
                extension(15, true, &[3, 2, 2, 0x04]),
                extension(37, false, &servers),
            ],
            false,
        ),
    ] {
        made.extensions = extensions;
        let certificate = made.sign(&key);
        let read = Certificate::read(&certificate).unwrap();
        assert_eq!(
            read.is_for_servers(),
            is_for_servers,
            "{:x?}",
            made.extensions
        );
    }
    made.extensions = vec![
        extension(30, false, &[]),
        extension(17, false, &[]),
        extension(99, true, &[]),
    ];
    let certificate = made.sign(&key);
    let read = Certificate::read(&certificate).unwrap();
    assert!(read.has_name_constraints() && read.has_alternative_names());
}

#[test]
fn the_length_of_an_rsa_key_is_that_of_its_modulus() {
    let (mut made, key) = handmade();
    for bits in [1024, 2048, 4096] {
        made.key = rsa_key(bits);
        let certificate = made.sign(&key);
        assert_eq!(
            Certificate::read(&certificate).unwrap().rsa_bits(),
            Some(bits)
        );
    }
}

#[test]
fn what_is_no_certificate_to_the_last_byte_is_none() {
    let (mut made, key) = handmade();
    let whole = made.sign(&key).to_vec();
    for length in 0..whole.len() {
        assert!(Certificate::read(&whole[..length]).is_none(), "{length}");
    }
    assert!(Certificate::read(&[&whole[..], &[0]].concat()).is_none());
    // A length that could be shorter, and one that is not said.
    assert!(Certificate::read(&[&[0x30, 0x83, 0], &whole[2..]].concat()).is_none());
    assert!(Certificate::read(&[&[0x30, 0x80], &whole[4..], &[0, 0]].concat()).is_none());
    // Extensions without the version that has them, and one twice.
    made.extensions = vec![extension(17, false, &[])];
    assert!(Certificate::read(&made.sign(&key)).is_none());
    made.first_version = false;
    assert!(Certificate::read(&made.sign(&key)).is_some());
    made.extensions = vec![extension(17, false, &[]), extension(17, true, &[])];
    assert!(Certificate::read(&made.sign(&key)).is_none());
}

/// Whatever the fuzzer has found, and every certificate with every byte of it changed.
#[test]
fn whatever_is_read_nothing_breaks() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/certificate");
    let mut files = 0;
    for file in fs::read_dir(corpus).unwrap() {
        read_all(&fs::read(file.unwrap().path()).unwrap());
        files += 1;
    }
    assert!(files > 10, "{files}");
    let (mut made, key) = handmade();
    made.first_version = false;
    made.extensions = vec![
        extension(15, true, &[3, 2, 7, 0x80]),
        extension(37, false, &[0x30, 0]),
    ];
    for key_of_server in [made.key.clone(), rsa_key(1024)] {
        made.key = key_of_server;
        let whole = made.sign(&key).to_vec();
        for at in 0..whole.len() {
            for byte in [
                0,
                1,
                0x7f,
                0x80,
                0x81,
                0x84,
                0xff,
                whole[at] ^ 1,
                whole[at] ^ 0x20,
            ] {
                let mut changed = whole.clone();
                changed[at] = byte;
                read_all(&changed);
            }
        }
    }
}

fn read_all(der: &[u8]) {
    let Some(read) = Certificate::read(der) else {
        return;
    };
    let _ = (read.common_name(), read.rsa_bits(), read.is_for_servers());
    let _ = (read.has_name_constraints(), read.is_self_issued());
}
