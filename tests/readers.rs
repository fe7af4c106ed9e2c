//! The readers of what a caller writes, on the corpus of the fuzzer: URLs, and certificates and keys in PEM.

use std::fs;
use std::path::Path;

#[path = "../fuzz/readers.rs"]
mod readers;

/// Whatever the fuzzer has found, and each of it cut off, and with single characters changed.
fn of_corpus(name: &str, read: impl Fn(&str), changes: usize) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/corpus")
        .join(name);
    let mut files = 0;
    for file in fs::read_dir(corpus).unwrap() {
        let text = String::from_utf8(fs::read(file.unwrap().path()).unwrap()).unwrap();
        read(&text);
        let step = (text.len() / changes).max(1);
        for (at, changed) in text.char_indices().step_by(step) {
            let (before, after) = (&text[..at], &text[at + changed.len_utf8()..]);
            read(before);
            for by in ["", "\0", "@", "/", "%", ":", "?", "]", "-", "\n", "é"] {
                read(&format!("{before}{by}{after}"));
            }
        }
        files += 1;
    }
    assert!(files > 10, "{files}");
}

#[test]
fn whatever_url_is_read_nothing_breaks_and_no_password_is_shown() {
    of_corpus("url", readers::read_url, usize::MAX);
}

#[test]
fn whatever_pem_is_read_nothing_breaks_and_nothing_of_it_is_shown() {
    of_corpus("pem", readers::read_pem, 40);
}
