#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| theriac_fuzz::payload::json(bytes));
