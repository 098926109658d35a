//! Where one record ends and the next begins.

/// How a format frames its records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// A record a line.
    Lines,
    /// A line, and the lines after it that belong to it.
    Text {
        /// Bytes after which no more lines are joined.
        bytes_max: usize,
    },
    /// A record a line, but for line ends inside quotes.
    Csv {
        /// Separator of cells.
        delimiter: u8,
    },
    /// JSON values one after another, over as many lines as they like; an array around
    /// them is taken off.
    Documents,
}

/// What lies at the front of the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// `data[..content]` is a record; `data[..next]` is done with. Empty content: nothing here.
    Record { content: usize, next: usize },
    /// `data[..content]` cannot be a record, for this reason; reading goes on at `next`.
    Broken { content: usize, next: usize, reason: &'static str },
    /// The record is not complete.
    More,
}

fn line(data: &[u8], ended: bool) -> Frame {
    match memchr::memchr(b'\n', data) {
        Some(end) => {
            let content = if end > 0 && data[end - 1] == b'\r' { end - 1 } else { end };
            Frame::Record { content, next: end + 1 }
        }
        None if ended => Frame::Record { content: data.len(), next: data.len() },
        None => Frame::More,
    }
}

/// Frames the front of `data`; `ended` when nothing follows it.
pub(super) fn next(framing: Framing, data: &[u8], ended: bool) -> Frame {
    match framing {
        Framing::Lines => line(data, ended),
        Framing::Text { bytes_max } => text(data, ended, bytes_max),
        Framing::Csv { delimiter } => csv(data, ended, delimiter),
        Framing::Documents => document(data, ended),
    }
}

/// Frames the front of `data` where more may come, but nothing has for now: a line that is whole is
/// not held back for the sake of lines that may belong to it.
pub(super) fn at_rest(framing: Framing, data: &[u8]) -> Frame {
    match framing {
        Framing::Text { .. } if data.ends_with(b"\n") => next(framing, data, true),
        _ => Frame::More,
    }
}

/// Which lines belong to the one that a record begins with: indented ones, and stack traces.
#[derive(Clone, Copy, Debug)]
pub(super) struct Joined {
    /// Where records are indented themselves, indentation says nothing.
    indented: bool,
    trace: Trace,
}

/// Where in a trace of Python a record is: its last line is not indented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trace {
    None,
    Head,
    /// Indented lines have followed the head.
    Body,
}

const PYTHON: &[u8] = b"Traceback (most recent call last)";
/// Beginnings of lines that go on with what a trace began, though they are not indented.
const LEADS: [&[u8]; 4] = [b"Caused by: ", b"Suppressed: ", b"During handling of", PYTHON];

fn is_indented(line: &[u8]) -> bool {
    line.first().is_some_and(|byte| matches!(byte, b' ' | b'\t'))
}

impl Joined {
    /// A record begins with this line.
    pub(super) fn begin(line: &[u8]) -> Self {
        let trace = if line.starts_with(PYTHON) { Trace::Head } else { Trace::None };
        Self { indented: is_indented(line), trace }
    }

    /// Whether the next line belongs to it. Empty ones do.
    pub(super) fn takes(&mut self, line: &[u8]) -> bool {
        if line.is_empty() || is_indented(line) && !self.indented {
            if self.trace == Trace::Head && !line.is_empty() {
                self.trace = Trace::Body;
            }
            return true;
        }
        if LEADS.iter().any(|lead| line.starts_with(lead)) {
            self.trace = if line.starts_with(PYTHON) { Trace::Head } else { self.trace };
            return true;
        }
        // `ValueError: …` ends a trace of Python.
        let ends = self.trace == Trace::Body;
        self.trace = Trace::None;
        let name = line.iter().take_while(|byte| !matches!(byte, b':' | b' '));
        ends && name.into_iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_'))
    }
}

fn text(data: &[u8], ended: bool, bytes_max: usize) -> Frame {
    let first = line(data, ended);
    let Frame::Record { mut content, mut next } = first else { return first };
    if data[..content].trim_ascii().is_empty() {
        return first;
    }
    let mut joined = Joined::begin(&data[..content]);
    loop {
        match line(&data[next..], ended) {
            Frame::Record { .. } if next == data.len() => return Frame::Record { content, next },
            Frame::Record { content: length, next: step } => {
                let fits = next + length <= bytes_max;
                if !fits || !joined.takes(&data[next..next + length]) {
                    return Frame::Record { content, next };
                }
                // Empty lines at the end are no part of it.
                if length > 0 {
                    content = next + length;
                }
                next += step;
            }
            // However the next line ends, it is too long to be joined; one more for the carriage
            // return that is no part of it.
            _ if data.len() > bytes_max.saturating_add(1) => return Frame::Record { content, next },
            other => return other,
        }
    }
}

fn csv(data: &[u8], ended: bool, delimiter: u8) -> Frame {
    let first = line(data, ended);
    if let Frame::Record { content, .. } = first
        && memchr::memchr(b'"', &data[..content]).is_none()
    {
        return first;
    }
    let (mut quoted, mut cell_start) = (false, true);
    for (at, byte) in data.iter().enumerate() {
        match byte {
            b'"' if quoted => quoted = false,
            // A quote right after a closing quote is an escaped one: the cell goes on.
            b'"' if cell_start || (at > 0 && data[at - 1] == b'"') => quoted = true,
            b'\n' if !quoted => {
                let content = if at > 0 && data[at - 1] == b'\r' { at - 1 } else { at };
                return Frame::Record { content, next: at + 1 };
            }
            _ => {}
        }
        cell_start = *byte == delimiter && !quoted;
    }
    match (ended, quoted) {
        (false, _) => Frame::More,
        (true, false) => Frame::Record { content: data.len(), next: data.len() },
        (true, true) => unclosed(data),
    }
}

/// A quote that is never closed: its first line is given up, and the next one tried.
fn unclosed(data: &[u8]) -> Frame {
    let next = memchr::memchr(b'\n', data).map_or(data.len(), |end| end + 1);
    Frame::Broken { content: next, next, reason: "a quote is opened and never closed" }
}

fn document(data: &[u8], ended: bool) -> Frame {
    let blank =
        data.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b',' | b'[' | b']'));
    let blank = blank.count();
    if blank > 0 {
        return Frame::Record { content: 0, next: blank };
    }
    if data.first().is_some_and(|byte| *byte != b'{') {
        return line(data, ended);
    }
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    for (at, byte) in data.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => {
                // `{"` at the start of a line inside an object: the one before was cut off.
                if at >= 2 && data[at - 2..at] == *b"\n{" && depth > 1 {
                    return Frame::Broken { content: at - 1, next: at - 1, reason: "the object is cut off" };
                }
                quoted = !quoted;
            }
            b'{' | b'[' if !quoted => depth += 1,
            b'}' | b']' if !quoted => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return Frame::Record { content: at + 1, next: at + 1 };
                }
            }
            // JSON text holds no line end inside quotes: what opened them is broken.
            b'\n' if quoted => {
                return Frame::Broken {
                    content: at,
                    next: at + 1,
                    reason: "a quote is not closed on its line",
                };
            }
            _ => {}
        }
    }
    match ended {
        false => Frame::More,
        true if data.is_empty() => Frame::Record { content: 0, next: 0 },
        true => Frame::Broken { content: data.len(), next: data.len(), reason: "the object is cut off" },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(framing: Framing, mut data: &[u8]) -> Vec<String> {
        let mut records = Vec::new();
        while !data.is_empty() {
            let (content, next) = match super::next(framing, data, true) {
                Frame::Record { content, next } => (content, next),
                Frame::Broken { content, next, .. } => {
                    records.push("broken".into());
                    data = &data[next..];
                    let _ = content;
                    continue;
                }
                Frame::More => unreachable!("the data has ended"),
            };
            if content > 0 {
                records.push(String::from_utf8_lossy(&data[..content]).into_owned());
            }
            data = &data[next..];
        }
        records
    }

    #[test]
    fn csv_records_span_lines_inside_quotes_only() {
        let csv = Framing::Csv { delimiter: b',' };
        assert_eq!(records(csv, b"a,\"x\ny\"\nb,2\r\n5\" pipe,3\n"), ["a,\"x\ny\"", "b,2", "5\" pipe,3"]);
        assert_eq!(records(csv, b"\"a \"\"b\n\"\" c\",1\nd\n"), ["\"a \"\"b\n\"\" c\",1", "d"]);
        assert_eq!(records(csv, b"\"never\na,1\n"), ["broken", "a,1"]);
    }

    #[test]
    fn text_keeps_traces_with_what_they_follow() {
        let text = Framing::Text { bytes_max: 100 };
        let java = b"ERROR a\njava.io.E: b\r\n\tat c.d(E.java:1)\r\nCaused by: f\n\nINFO g\n";
        let trace = "java.io.E: b\r\n\tat c.d(E.java:1)\r\nCaused by: f";
        assert_eq!(records(text, java), ["ERROR a", trace, "INFO g"]);
        let python = b"Traceback (most recent call last):\n  File x\nValueError: c\nINFO d";
        assert_eq!(
            records(text, python),
            ["Traceback (most recent call last):\n  File x\nValueError: c", "INFO d"]
        );
        assert_eq!(records(text, b" 1 a\n 2 b\n"), [" 1 a", " 2 b"]);
        let long = format!("a\n{}", " 2345678\n".repeat(40));
        assert_eq!(records(text, long.as_bytes())[0].len(), 1 + 11 * 9, "no more lines than fit");
    }

    #[test]
    fn a_line_does_not_wait_for_one_that_is_too_long_to_be_joined() {
        let text = Framing::Text { bytes_max: 10 };
        let mut data = b"ab\n ".to_vec();
        assert_eq!(super::next(text, &data, false), Frame::More);
        data.resize(11, b'x');
        assert_eq!(super::next(text, &data, false), Frame::More, "it may be a carriage return");
        data.resize(12, b'x');
        assert_eq!(super::next(text, &data, false), Frame::Record { content: 2, next: 3 });
    }

    #[test]
    fn a_whole_line_is_not_held_back_at_rest() {
        let text = Framing::Text { bytes_max: 100 };
        assert_eq!(super::next(text, b"a\n", false), Frame::More);
        assert_eq!(at_rest(text, b"a\n"), Frame::Record { content: 1, next: 2 });
        assert_eq!(at_rest(text, b"a\nb"), Frame::More);
        assert_eq!(at_rest(Framing::Lines, b"a"), Frame::More);
    }

    #[test]
    fn documents_span_lines_and_arrays() {
        let found = records(Framing::Documents, b"[\n {\n \"a\": \"}]\\\"\"\n },\n {\"b\": [1]}\n]\n");
        assert_eq!(found, ["{\n \"a\": \"}]\\\"\"\n }", "{\"b\": [1]}"]);
        assert_eq!(records(Framing::Documents, b"{\n \"a\": {\n{\"b\": 1}"), ["broken", "{\"b\": 1}"]);
    }
}
