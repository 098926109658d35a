#![no_main]

use libfuzzer_sys::fuzz_target;
use theriac_connectors::read::Format;

fuzz_target!(|bytes: &[u8]| theriac_fuzz::read_to_end("input.json", Format::OtlpJson, bytes));
