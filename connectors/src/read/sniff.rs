//! What a file is, from its name and first bytes.

use super::{framing::Framing, settings::Format};

/// Bytes of a file (decompressed) that decide on its format and the types of its columns.
pub(super) const SAMPLE_BYTES: usize = 64 * 1024;

const UTF8_MARK: &[u8] = &[0xef, 0xbb, 0xbf];

/// Length of a UTF-8 byte order mark at the front.
pub(super) fn mark(sample: &[u8]) -> usize {
    if sample.starts_with(UTF8_MARK) { UTF8_MARK.len() } else { 0 }
}

/// What other files begin with, what they are, and the mend.
const FOREIGN: [(&[u8], &str); 7] = [
    (b"PK\x03\x04", "a zip archive or a spreadsheet: unpack it, or save the sheet as CSV"),
    (b"BZh9", "compressed with bzip2: unpack it (bunzip2), or pack it with gzip or zstd"),
    (b"\xfd7zXZ\0", "compressed with xz: unpack it (unxz), or pack it with gzip or zstd"),
    (b"\x89PNG", "an image"),
    (b"%PDF-", "a PDF document: export the table in it as CSV"),
    (b"\x7fELF", "a program"),
    (b"SQLite format 3\0", "an SQLite database: export a table of it as CSV"),
];

/// Refuses files of other kinds, UTF-16, and bytes that are no text at all.
pub(super) fn check_text(sample: &[u8]) -> Result<(), String> {
    if let Some((_, what)) = FOREIGN.iter().find(|(magic, _)| sample.starts_with(magic)) {
        return Err(format!(
            "the file is {what}; what can be read is CSV, Parquet, JSON lines, OTLP/JSON and text"
        ));
    }
    let head = &sample[..sample.len().min(256)];
    let zeros = head.iter().filter(|byte| **byte == 0).count();
    if sample.starts_with(&[0xff, 0xfe])
        || sample.starts_with(&[0xfe, 0xff])
        || (head.len() >= 8 && zeros * 5 >= head.len() * 2)
    {
        return Err("the file is UTF-16 or binary, not UTF-8 text; if it is UTF-16, convert it: iconv -f UTF-16 -t UTF-8".to_owned());
    }
    Ok(())
}

/// The name without what says how it is compressed.
fn plain_name(name: &str) -> String {
    let name = name.to_ascii_lowercase();
    let plain = [".gz", ".gzip", ".zst", ".zstd"].iter().find_map(|end| name.strip_suffix(end));
    plain.map_or(name.clone(), str::to_owned)
}

/// Whether a folder's file of this name is taken for telemetry.
pub(super) fn is_telemetry(name: &str) -> bool {
    let plain = plain_name(name);
    [".csv", ".tsv", ".parquet", ".pq", ".json", ".jsonl", ".ndjson", ".log", ".txt"]
        .iter()
        .any(|end| plain.ends_with(end))
}

/// The format of a file. `Auto` never comes back.
pub(super) fn format(name: &str, sample: &[u8]) -> Format {
    if sample.starts_with(b"PAR1") {
        return Format::Parquet;
    }
    let plain = plain_name(name);
    let ends = |ends: &[&str]| ends.iter().any(|end| plain.ends_with(end));
    let text = &sample[mark(sample)..];
    let first = text.iter().find(|byte| !byte.is_ascii_whitespace());
    if ends(&[".parquet", ".pq"]) {
        return Format::Parquet;
    }
    if ends(&[".csv", ".tsv"]) {
        return Format::Csv;
    }
    if first == Some(&b'{') || ends(&[".json", ".jsonl", ".ndjson"]) {
        let head = &text[..text.len().min(8192)];
        let otlp = [&b"\"resourceMetrics\""[..], b"\"resourceLogs\"", b"\"resourceSpans\""];
        let found = otlp.iter().any(|key| memchr::memmem::find(head, key).is_some());
        return if found { Format::OtlpJson } else { Format::JsonLines };
    }
    if ends(&[".log"]) {
        return Format::Text;
    }
    let mut lines = text.split(|byte| *byte == b'\n');
    let (first, second) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    let separator = delimiter(first);
    let count = |line: &[u8]| line.iter().filter(|byte| **byte == separator).count();
    if count(first) > 0 && count(first) == count(second) { Format::Csv } else { Format::Text }
}

/// The separator that the first line has most of, outside quotes.
pub(super) fn delimiter(first: &[u8]) -> u8 {
    let mut best = (0, b',');
    for candidate in [b',', b'\t', b';', b'|'] {
        let mut quoted = false;
        let count = first.iter().filter(|byte| {
            quoted ^= **byte == b'"';
            **byte == candidate && !quoted
        });
        let count = count.count();
        if count > best.0 {
            best = (count, candidate);
        }
    }
    best.1
}

/// JSON stands one value a line, unless the first line is one that pretty-printing leaves.
pub(super) fn json_framing(sample: &[u8]) -> Framing {
    let text = sample[mark(sample)..].trim_ascii_start();
    let first = text.split(|byte| *byte == b'\n').next().unwrap_or_default().trim_ascii_end();
    let open = matches!(first.last(), Some(b'{' | b'[' | b','));
    if first.first() == Some(&b'[') || open { Framing::Documents } else { Framing::Lines }
}
