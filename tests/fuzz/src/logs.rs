//! Log lines: records, templates, and what a miner exports.

use std::io::Cursor;

use theriac_connectors::read::{RECORD_BYTES_MAX, Records};
use theriac_templates::{FRAMES_MAX, Miner, Settings, Stack};

/// Text as records of a pipe: all lines are counted, and no record is longer than the limit.
pub fn records(bytes: &[u8]) {
    let mut records = Records::from_pipe(Box::new(Cursor::new(bytes.to_vec())));
    while let Some(record) = records.next_record().expect("memory can be read") {
        assert!(!record.trim_ascii().is_empty() && record.len() <= RECORD_BYTES_MAX);
    }
    assert_eq!(records.bytes(), bytes.len() as u64, "not all was read");
    let lines = bytes.split(|byte| *byte == b'\n').count() as u64 - u64::from(bytes.is_empty() || bytes.ends_with(b"\n"));
    assert_eq!(records.lines(), lines);
}

/// Lines through a miner with narrow limits, which is exported and taken up in the middle. The
/// first byte chooses between lines and what somebody says that a miner has exported.
pub fn templates(bytes: &[u8]) {
    let Some((kind, bytes)) = bytes.split_first() else { return };
    let Ok(text) = str::from_utf8(bytes) else { return };
    let settings = Settings { templates_max: 8, patterns_max: 24, line_bytes_max: 200, tokens_max: 40 };
    if let Some(stack) = Stack::read(text) {
        assert!(!stack.exception.is_empty() && stack.frames.len() <= FRAMES_MAX);
    }
    let miner = match kind % 4 {
        0 => Miner::import(text).ok(),
        _ => Some(Miner::new(settings)),
    };
    let Some(mut miner) = miner else { return };
    let mut other = Miner::import(&miner.export()).expect("what was exported is taken up");
    for (at, line) in text.split('\n').enumerate() {
        if at % 5 == 4 {
            other = Miner::import(&other.export()).expect("what was exported is taken up");
        }
        let (program, line) = (u64::from(kind % 3 == 2 && at % 2 == 1), line);
        let mined = miner.add_of(program, line);
        assert_eq!(mined, other.add_of(program, line), "another name after it was taken up");
        assert!(miner.text(mined.template).is_some(), "a template without a text");
        for parameter in miner.parameters(line) {
            assert!(!parameter.text.is_empty());
        }
    }
    assert_eq!(miner.export(), other.export());
    assert!(kind % 4 == 0 || miner.len() <= settings.templates_max);
}
