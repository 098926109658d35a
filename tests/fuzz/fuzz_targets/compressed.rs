#![no_main]

use libfuzzer_sys::fuzz_target;
use theriac_connectors::read::Format;

// The format is told from the content here, so this reaches the sniffing as well.
fuzz_target!(|bytes: &[u8]| theriac_fuzz::read_to_end("input", Format::Auto, bytes));
