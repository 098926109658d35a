//! Readers of telemetry over any bytes.

use theriac_connectors::read::{FileSettings, Format, from_bytes};
use theriac_contract::{Fetch, Interval};

use crate::spare_caught_panics;

/// Fetches beyond which a reader is taken to go round in circles; each passes at least one
/// byte of an input of at most a few kilobytes, or of what it decompresses to.
const FETCHES_MAX: usize = 1 << 20;

/// Tables, numbered or with a time column.
pub fn csv(bytes: &[u8]) {
    read_to_end("input.csv", Format::Csv, bytes);
}

/// Flat points, logs and spans.
pub fn json_lines(bytes: &[u8]) {
    read_to_end("input.jsonl", Format::JsonLines, bytes);
}

/// OTLP/JSON requests.
pub fn otlp_json(bytes: &[u8]) {
    read_to_end("input.json", Format::OtlpJson, bytes);
}

/// Parquet tables.
pub fn parquet(bytes: &[u8]) {
    spare_caught_panics();
    read_to_end("input.parquet", Format::Parquet, bytes);
}

/// Log lines of files, and as they come from standard input.
pub fn text(bytes: &[u8]) {
    read_to_end("input.log", Format::Text, bytes);
}

/// Any of these, also packed. The format is told from the content here, so this reaches the
/// sniffing as well.
pub fn compressed(bytes: &[u8]) {
    spare_caught_panics();
    read_to_end("input", Format::Auto, bytes);
}

/// Reads `bytes` to the end: no panic, no endless loop, rejects within their limits, and
/// the first position taken up again gives the same number of rows and rejects.
fn read_to_end(name: &str, format: Format, bytes: &[u8]) {
    let numbered = bytes.first().filter(|byte| *byte % 2 == 0);
    let settings = FileSettings {
        format,
        line_bytes_max: 512,
        reject_bytes_max: 64,
        step: numbered.map(|byte| Interval::from_seconds(i64::from(*byte))),
        ..FileSettings::default()
    };
    let size = 1 + usize::from(bytes.last().copied().unwrap_or(0)) * 8;
    let whole = count(name, bytes, &settings, size, false);
    assert_eq!(
        whole,
        count(name, bytes, &settings, size, true),
        "a position taken up again changes the rows"
    );
}

/// Rows and rejects; `None` if the file as a whole cannot be read.
fn count(
    name: &str,
    bytes: &[u8],
    settings: &FileSettings,
    size: usize,
    reopen: bool,
) -> Option<(usize, usize)> {
    let mut source = from_bytes(name, bytes.to_vec(), settings);
    let (mut rows, mut rejects) = (0, 0);
    for turn in 0..FETCHES_MAX {
        match source.fetch(size) {
            Ok(Fetch::Batch(fetched)) => {
                rows += fetched.telemetry.iter().map(theriac_contract::Telemetry::rows).sum::<usize>();
                rejects += fetched.rejects.len();
                assert!(fetched.rejects.iter().all(|reject| reject.bytes.len() <= settings.reject_bytes_max));
            }
            Ok(Fetch::Idle) => panic!("a file that is not followed never rests"),
            Ok(Fetch::End) => return Some((rows, rejects)),
            Err(_) => return None,
        }
        if reopen && turn < 4 {
            let position = source.position();
            source = from_bytes(name, bytes.to_vec(), settings);
            source.seek(&position).expect("a position that was just given is good");
        }
    }
    panic!("reading does not come to an end")
}
