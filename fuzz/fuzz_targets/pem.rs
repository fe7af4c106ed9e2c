#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../readers.rs"]
#[allow(dead_code, reason = "each target has its own of them")]
mod readers;

fuzz_target!(|text: &str| readers::read_pem(text));
