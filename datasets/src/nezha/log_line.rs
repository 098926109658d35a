//! Severity, logger and message out of a log line, which is nested in three ways.
//!
//! The column holds the JSON of the container runtime, `{"log", "stream", "time"}`. Its `log`
//! is again JSON with `message` and `severity`, or text in one of these forms:
//!
//! ```text
//! 16:59:14.315 INFO  t.s.TravelServiceImpl#532 TraceID: … SpanID: … message
//! 05:18:42.995 INFO  - TraceID: … SpanID: … message
//! TraceID: … SpanID: … message
//! ```
//!
//! The clock in the line is the container's (UTC+8 in one data set) and is not read. The ids
//! are left out of the message: they are columns of their own.

use serde::Deserialize;
use serde_json::{Map, Value};
use theriac_contract::telemetry::{Attributes, canonical};

/// What the container runtime wrote.
#[derive(Deserialize)]
struct Runtime {
    log: String,
    #[serde(default)]
    stream: String,
}

/// A line taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LogLine {
    /// OpenTelemetry severity number, 0 if the line has none.
    pub(super) severity_number: u8,
    /// As the line has it, empty if it has none.
    pub(super) severity_text: String,
    /// Canonical scope: the logger.
    pub(super) scope: String,
    /// Message.
    pub(super) body: String,
    /// Canonical attributes: line of the code, stream, and the fields of structured lines.
    pub(super) attributes: String,
}

/// Takes a line apart.
///
/// # Errors
/// If the column is not the JSON of the container runtime.
pub(super) fn parse(column: &str) -> Result<LogLine, serde_json::Error> {
    let runtime: Runtime = serde_json::from_str(column)?;
    let text = runtime.log.trim_end_matches(['\n', '\r']);
    let mut attributes = Attributes::new();
    if !runtime.stream.is_empty() {
        attributes.insert("log.iostream".to_owned(), runtime.stream.into());
    }
    let structured: Option<Map<String, Value>> =
        if text.starts_with('{') { serde_json::from_str(text).ok() } else { None };
    let line = match structured {
        Some(fields) if fields.get("message").is_some_and(Value::is_string) => object(fields, attributes),
        _ => plain(text, attributes),
    };
    Ok(line)
}

/// A structured line: the message is the body, what is no column of its own an attribute.
fn object(fields: Map<String, Value>, mut attributes: Attributes) -> LogLine {
    let (mut severity, mut scope, mut body) = (String::new(), Attributes::new(), String::new());
    for (key, value) in fields {
        match (key.as_str(), value) {
            ("message", Value::String(text)) => body = without_ids(&text).to_owned(),
            ("severity" | "level", Value::String(text)) => severity = text,
            ("name", Value::String(text)) => {
                scope.insert("name".to_owned(), text.into());
            }
            ("timestamp", _) => {}
            (_, value) => {
                attributes.insert(key, value);
            }
        }
    }
    LogLine {
        severity_number: severity_number(&severity),
        severity_text: severity,
        scope: canonical(&scope),
        body,
        attributes: canonical(&attributes),
    }
}

fn plain(text: &str, mut attributes: Attributes) -> LogLine {
    let after_clock = match text.split_once(' ') {
        Some((clock, rest)) if is_clock(clock) => rest,
        _ => text,
    };
    let (first, rest) = after_clock.split_once(' ').unwrap_or((after_clock, ""));
    let number = severity_number(first);
    let mut scope = Attributes::new();
    let (severity, message) = if number == 0 { ("", after_clock) } else { (first, rest.trim_start()) };
    let mut body = message;
    if number > 0
        && let Some((place, rest)) = message.split_once(' ')
    {
        if place == "-" {
            body = rest;
        } else if let Some((logger, line)) = place.rsplit_once('#')
            && let Ok(line) = line.parse::<u64>()
        {
            scope.insert("name".to_owned(), logger.into());
            attributes.insert("code.line.number".to_owned(), line.into());
            body = rest;
        }
    }
    LogLine {
        severity_number: number,
        severity_text: severity.to_owned(),
        scope: canonical(&scope),
        body: without_ids(body).to_owned(),
        attributes: canonical(&attributes),
    }
}

/// `HH:MM:SS.mmm`.
fn is_clock(text: &str) -> bool {
    text.len() == 12
        && text.bytes().enumerate().all(|(at, byte)| match at {
            2 | 5 => byte == b':',
            8 => byte == b'.',
            _ => byte.is_ascii_digit(),
        })
}

/// A message without the `TraceID: … SpanID: …` that it may begin with.
fn without_ids(message: &str) -> &str {
    let after = |text: &'_ str, label: &str| -> Option<usize> {
        let rest = text.strip_prefix(label)?;
        let id = rest.find(' ').unwrap_or(rest.len());
        Some(label.len() + id)
    };
    let text = message.trim_start();
    let Some(trace) = after(text, "TraceID: ") else { return message };
    let rest = text[trace..].trim_start();
    match after(rest, "SpanID: ") {
        Some(span) => rest[span..].trim_start(),
        None => rest,
    }
}

/// OpenTelemetry's number of a severity, 0 if it is none.
fn severity_number(text: &str) -> u8 {
    match text.to_ascii_uppercase().as_str() {
        "TRACE" => 1,
        "DEBUG" => 5,
        "INFO" => 9,
        "NOTICE" => 10,
        "WARN" | "WARNING" => 13,
        "ERROR" => 17,
        "CRITICAL" | "FATAL" => 21,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(log: &str) -> String {
        serde_json::json!({ "log": log, "stream": "stdout", "time": "2023-01-29T08:59:14.3Z" }).to_string()
    }

    fn line(severity_number: u8, severity_text: &str, scope: &str, body: &str, attributes: &str) -> LogLine {
        let [severity_text, scope, body, attributes] =
            [severity_text, scope, body, attributes].map(ToOwned::to_owned);
        LogLine { severity_number, severity_text, scope, body, attributes }
    }

    #[test]
    fn reads_every_form() {
        let stream = r#"{"log.iostream":"stdout"}"#;
        let cases = [
            (
                "16:59:14.315 WARN  t.s.TravelServiceImpl#532 TraceID: 96b4 SpanID: a118 [get] Route: 1\n",
                line(
                    13,
                    "WARN",
                    r#"{"name":"t.s.TravelServiceImpl"}"#,
                    "[get] Route: 1",
                    r#"{"code.line.number":532,"log.iostream":"stdout"}"#,
                ),
            ),
            (
                "05:18:42.995 INFO  - TraceID: 04c8 SpanID: 274f Get Ads by Category finish\n",
                line(9, "INFO", "{}", "Get Ads by Category finish", stream),
            ),
            (
                "TraceID: 04c8 SpanID: 827e GetCartAsync called with userId=1\n",
                line(0, "", "{}", "GetCartAsync called with userId=1", stream),
            ),
            (
                r#"{"severity":"error","name":"currency","pid":1,"message":"TraceID: 1 SpanID: 2 no rate","timestamp":"x"}"#,
                line(
                    17,
                    "error",
                    r#"{"name":"currency"}"#,
                    "no rate",
                    r#"{"log.iostream":"stdout","pid":1}"#,
                ),
            ),
            ("{not JSON", line(0, "", "{}", "{not JSON", stream)),
            (r#"{"message":7}"#, line(0, "", "{}", r#"{"message":7}"#, stream)),
            ("ERROR", line(17, "ERROR", "{}", "", stream)),
            ("", line(0, "", "{}", "", stream)),
            ("TraceID: ", line(0, "", "{}", "", stream)),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(&column(text)).expect("it is JSON"), expected, "{text}");
        }
    }

    #[test]
    fn refuses_what_the_runtime_did_not_write() {
        for text in ["", "plain", "{}", r#"{"log":1}"#, r#"{"log":"a"}trailing"#] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn takes_any_text(text in "\\PC*") {
            let line = parse(&column(&text)).expect("it is JSON");
            proptest::prop_assert!(line.severity_number <= 24);
            proptest::prop_assert!(line.body.len() <= text.len());
        }
    }
}
