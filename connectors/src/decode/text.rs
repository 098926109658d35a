//! Plain text log lines, and severities by name.

use std::borrow::Cow;

use theriac_contract::{
    Timestamp,
    telemetry::{LogRow, canonical},
};

use super::{Rows, time};
use crate::read::FileSettings;

/// Severity number of a level's name, as OpenTelemetry numbers them; 0 if it is none.
pub(crate) fn severity_number(level: &str) -> u8 {
    // The longest name has thirteen letters.
    let mut lower = [0; 13];
    let Some(lower) = lower.get_mut(..level.len()) else { return 0 };
    lower.copy_from_slice(level.as_bytes());
    lower.make_ascii_lowercase();
    match &*lower {
        b"trace" | b"verbose" => 1,
        b"debug" | b"debu" | b"dbg" => 5,
        b"info" | b"information" | b"informational" => 9,
        b"notice" => 10,
        b"warn" | b"warning" => 13,
        b"error" | b"err" | b"severe" | b"fail" | b"failure" => 17,
        b"critical" | b"crit" | b"fatal" | b"alert" | b"emerg" | b"panic" => 21,
        _ => 0,
    }
}

/// The first word among the first hundred bytes that names a level.
fn level(line: &str) -> (&str, u8) {
    let head = &line[..line.floor_char_boundary(100)];
    let bytes = head.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        if !bytes[at].is_ascii_alphabetic() {
            at += 1;
            continue;
        }
        let end = at + bytes[at..].iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
        let word = &head[at..end];
        match severity_number(word) {
            0 => at = end,
            number => return (word, number),
        }
    }
    ("", 0)
}

/// The timestamp at the beginning of a line, in brackets or not: one word or two.
fn leading_time(line: &str) -> Option<Timestamp> {
    let line = line.trim_start_matches(['[', '(', '<', ' ', '\t']);
    let end_of_word = |from: usize| {
        let mut rest = line.bytes().skip(from);
        let length = rest.position(|byte| matches!(byte, b' ' | b'\t' | b']' | b')' | b'>' | b'|'));
        length.map_or(line.len(), |length| from + length)
    };
    let first = end_of_word(0);
    // No form of two words begins with one that is an instant itself, but for numbers.
    let short = |end: usize| calendar(line[..end].trim_end_matches([',', ':', ';']));
    short(first).or_else(|| {
        let second = end_of_word((first + 1).min(line.len()));
        read_time(&line[..second]).or_else(|| read_time(&line[..first]))
    })
}

/// The form in which most lines have it. `10:00:00,123` is how Java and Python write fractions.
fn calendar(text: &str) -> Option<Timestamp> {
    let bytes = text.trim_end().as_bytes();
    time::calendar(bytes, b'.').or_else(|| time::calendar(bytes, b','))
}

/// The instant that a text is, if it begins as instants do.
fn read_time(text: &str) -> Option<Timestamp> {
    let text = text.trim_end_matches([',', ':', ';']);
    let bytes = text.as_bytes();
    if bytes.len() < 10 {
        return None;
    }
    let date = bytes[..4].iter().all(u8::is_ascii_digit);
    if !date && !bytes.iter().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b',')) {
        return None;
    }
    calendar(text).or_else(|| match memchr::memchr(b',', bytes) {
        Some(_) => time::read(&text.replace(',', ".")),
        None => time::read(text),
    })
}

/// Lines of text to log records.
pub(crate) struct TextDecoder {
    resource: String,
    start: Option<Timestamp>,
    step: i64,
    last: Option<Timestamp>,
}

impl TextDecoder {
    pub(crate) fn new(settings: &FileSettings) -> Self {
        Self {
            resource: canonical(&settings.resource),
            start: settings.start,
            step: settings.step.map_or(0, |step| step.0),
            last: None,
        }
    }

    /// The time of the last line that had one: part of the position, for lines that have none.
    pub(crate) const fn last(&self) -> Option<Timestamp> {
        self.last
    }

    pub(crate) const fn set_last(&mut self, last: Option<Timestamp>) {
        self.last = last;
    }

    /// Adds record number `row` (from 0): a line, and those that belong to it.
    pub(crate) fn decode(&mut self, line: &str, row: u64, rows: &mut Rows) -> Result<(), String> {
        if line.trim().is_empty() {
            return Ok(());
        }
        let counted = self.start.map(|start| {
            let rows = i64::try_from(row).unwrap_or(i64::MAX);
            Timestamp(start.0.saturating_add(self.step.saturating_mul(rows)))
        });
        let found = leading_time(line);
        let time = found.or(self.last.filter(|_| self.step == 0)).or(counted).ok_or(
            "no time: the line does not begin with a timestamp and no line before it did; set `start` (and `step`) to number the lines",
        )?;
        self.last = found.or(self.last);
        let (severity_text, severity_number) = level(line);
        let body = if line.contains('\r') { line.replace("\r\n", "\n").into() } else { Cow::from(line) };
        rows.logs.push(&LogRow {
            time,
            observed_time: None,
            resource: &self.resource,
            scope: "{}",
            severity_number,
            severity_text,
            event_name: "",
            body: &body,
            attributes: "{}",
            trace_id: None,
            span_id: None,
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The same without a short way, word by word and name by name.
    mod slowly {
        use super::*;

        pub(super) fn level(line: &str) -> (&str, u8) {
            let head = &line[..line.floor_char_boundary(100)];
            let words = head.split(|c: char| !c.is_ascii_alphabetic());
            words.map(|word| (word, severity_number(word))).find(|(_, number)| *number > 0).unwrap_or(("", 0))
        }

        fn severity_number(level: &str) -> u8 {
            const NAMES: [(&str, u8); 22] = [
                ("trace", 1),
                ("verbose", 1),
                ("debug", 5),
                ("debu", 5),
                ("dbg", 5),
                ("info", 9),
                ("information", 9),
                ("informational", 9),
                ("notice", 10),
                ("warn", 13),
                ("warning", 13),
                ("error", 17),
                ("err", 17),
                ("severe", 17),
                ("fail", 17),
                ("failure", 17),
                ("critical", 21),
                ("crit", 21),
                ("fatal", 21),
                ("alert", 21),
                ("emerg", 21),
                ("panic", 21),
            ];
            NAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(level)).map_or(0, |(_, number)| *number)
        }

        pub(super) fn leading_time(line: &str) -> Option<Timestamp> {
            let line = line.trim_start_matches(['[', '(', '<', ' ', '\t']);
            let mut ends =
                line.char_indices().filter(|(_, c)| matches!(c, ' ' | '\t' | ']' | ')' | '>' | '|'));
            let first = ends.next().map_or(line.len(), |(at, _)| at);
            let second = ends.next().map_or(line.len(), |(at, _)| at);
            let read = |text: &str| {
                let text = text.trim_end_matches([',', ':', ';']).replace(',', ".");
                let date = text.len() >= 10 && text.as_bytes()[..4].iter().all(u8::is_ascii_digit);
                let epoch = text.len() >= 10 && text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
                (date || epoch).then(|| text.parse().ok()).flatten()
            };
            read(&line[..second]).or_else(|| read(&line[..first]))
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(5000))]

        #[test]
        fn lines_are_read_as_they_are_slowly(
            date in "[\\[(< ]{0,2}(20[0-9]{2}[-/][0-9]{1,2}[-/][0-9]{1,2}|[0-9]{6,19}|[a-z]{0,3})",
            time in "[T ,|]{0,2}([0-9]{1,2}:[0-9]{2}(:[0-9]{2})?([.,][0-9]{1,10})?)?(Z|[+]01:00| [+-][0-9]{4})?",
            rest in "[]) ,:;|>]{0,2}[ -~é]{0,20}",
            level in "(INFO|warning|Err|errors|FATAL|informational|)",
        ) {
            let line = format!("{date}{time}{rest}{level} {rest}");
            prop_assert_eq!(leading_time(&line), slowly::leading_time(&line), "{}", line);
            prop_assert_eq!(super::level(&line), slowly::level(&line), "{}", line);
        }
    }

    #[test]
    fn finds_time_and_level() {
        let at = Some(Timestamp(1_396_310_400_123_000_000));
        assert_eq!(leading_time("2014-04-01 00:00:00,123 INFO x"), at);
        assert_eq!(leading_time("[2014-04-01T00:00:00.123Z] x"), at);
        assert_eq!(leading_time("1396310400.5 x y z"), Some(Timestamp(1_396_310_400_500_000_000)));
        assert_eq!(leading_time("hello 2014"), None);
        assert_eq!(leading_time("é"), None);
        assert_eq!(super::level("2014-04-01 [WARN] no error"), ("WARN", 13));
        assert_eq!(super::level("quiet"), ("", 0));
    }
}
