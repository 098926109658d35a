//! Which decoder takes a payload of a stream: as its headers say, as the stream's settings
//! say, or as it looks.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use theriac_contract::telemetry::Attributes;

use super::{
    BadRecord, DecodeError, Memo, Rows, Signal, arrow_ipc, flat_json::FlatDecoder, noted, otlp_json,
    otlp_proto, remote_write, text::TextDecoder,
};
use crate::read::FileSettings;

/// How records of a stream are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// Told from each record.
    #[default]
    Auto,
    /// OTLP in protobuf, as the OpenTelemetry Collector writes to Kafka: an export request of
    /// metrics, logs or traces.
    OtlpProto,
    /// OTLP/JSON export requests.
    OtlpJson,
    /// Prometheus remote write 1.0 or 2.0, in Snappy's block format or not compressed.
    PrometheusRemoteWrite,
    /// Flat points, log records or spans in JSON: an object, several one a line, or an array.
    Json,
    /// An Arrow IPC stream with the columns of points, logs or spans.
    ArrowIpc,
    /// Log lines.
    Text,
}

impl Encoding {
    /// Name in the configuration and in dead letters.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::OtlpProto => "otlp_proto",
            Self::OtlpJson => "otlp_json",
            Self::PrometheusRemoteWrite => "prometheus_remote_write",
            Self::Json => "json",
            Self::ArrowIpc => "arrow_ipc",
            Self::Text => "text",
        }
    }
}

/// Decodes payloads of one stream; keeps what it has learnt of keys. What it makes of a
/// payload does not depend on the payloads before it.
pub struct PayloadDecoder {
    encoding: Encoding,
    signal: Option<Signal>,
    defaults: Attributes,
    memo: Memo,
    flat: FlatDecoder,
    text: TextDecoder,
}

impl PayloadDecoder {
    /// A decoder for payloads of this encoding; `defaults` are resource attributes for
    /// everything in them, what a payload says itself comes first.
    #[must_use]
    pub fn new(encoding: Encoding, defaults: Attributes) -> Self {
        let settings = FileSettings { resource: defaults.clone(), ..FileSettings::default() };
        let (flat, text) = (FlatDecoder::new(&settings), TextDecoder::new(&settings));
        Self { encoding, signal: None, defaults, memo: Memo::default(), flat, text }
    }

    /// Says what the OTLP requests in protobuf of the stream hold. Without it their records
    /// tell.
    #[must_use]
    pub const fn holding(mut self, signal: Signal) -> Self {
        self.signal = Some(signal);
        self
    }

    /// Decodes one payload and appends its rows. A header `content-type` or `MessageFormat`
    /// comes before the encoding of the stream. Records that cannot be decoded go to
    /// [`Rows::bad`].
    ///
    /// # Errors
    /// If nothing can be decoded of the payload as a whole.
    pub fn decode(
        &mut self,
        payload: &[u8],
        headers: &[(String, Vec<u8>)],
        rows: &mut Rows,
    ) -> Result<(), DecodeError> {
        // What was learnt here holds for this stream alone.
        std::mem::swap(&mut self.memo, &mut rows.memo);
        let before = rows.bad.len();
        let decoded =
            announced(headers, self.encoding).and_then(|form| self.decode_form(form, payload, rows));
        std::mem::swap(&mut self.memo, &mut rows.memo);
        noted::limit(rows, before);
        decoded
    }

    fn decode_form(&mut self, form: Form, payload: &[u8], rows: &mut Rows) -> Result<(), DecodeError> {
        match form {
            // What Kafka calls a tombstone, and protobuf a message without fields.
            _ if payload.is_empty() => Ok(()),
            Form::Of(Encoding::Auto) => self.sniffed(payload, rows),
            Form::Of(Encoding::OtlpProto) => {
                let survey = otlp_proto::survey(payload)?;
                otlp_proto::decode_surveyed(payload, &survey, self.signal, &self.defaults, rows)
            }
            Form::Of(Encoding::OtlpJson) => {
                let defaults = &self.defaults;
                each_line(payload, rows, |text, rows| {
                    otlp_json::decode_with(text.as_bytes(), defaults, rows).map_err(|error| error.reason)
                })
            }
            Form::Of(Encoding::PrometheusRemoteWrite) => {
                remote_write::decode_with(payload, &self.defaults, rows)
            }
            Form::Of(Encoding::Json) => each_line(payload, rows, |text, rows| self.flat(text, rows)),
            Form::Of(Encoding::ArrowIpc) => {
                arrow_ipc::decode_with(payload, &self.defaults, rows)
            }
            Form::Of(Encoding::Text) => self.lines(payload, rows),
            Form::Json => self.json(payload, rows),
            Form::Protobuf => self.protobuf(payload, rows).map_err(|tried| {
                DecodeError::new(format!(
                    "its header says protobuf, but it is {tried}: set `encoding` to what it is, or mend the header"
                ))
            }),
        }
    }

    /// Tells the encoding from the bytes.
    fn sniffed(&mut self, payload: &[u8], rows: &mut Rows) -> Result<(), DecodeError> {
        if looks_like_json(payload) {
            return self.json(payload, rows);
        }
        if payload.starts_with(&arrow_ipc::CONTINUATION) || payload.starts_with(arrow_ipc::FILE_MARK) {
            return self.decode_form(Form::Of(Encoding::ArrowIpc), payload, rows);
        }
        let tried = match self.protobuf(payload, rows) {
            Ok(()) => return Ok(()),
            Err(tried) => tried,
        };
        match std::str::from_utf8(payload) {
            Ok(text) if !text.chars().any(is_binary) => self.lines(payload, rows),
            _ => Err(DecodeError::new(format!(
                "it cannot be told how the payload is written: it is no JSON, no Arrow IPC, {tried}, no text in UTF-8; set `encoding` to what it is: otlp_proto, otlp_json, prometheus_remote_write, json, arrow_ipc or text"
            ))),
        }
    }

    /// OTLP if the payload holds records of it, else remote write. The error says what it is not.
    fn protobuf(&mut self, payload: &[u8], rows: &mut Rows) -> Result<(), String> {
        let survey = otlp_proto::survey(payload);
        if let Ok(survey) = &survey
            && (survey.signal.is_some() || (self.signal.is_some() && survey.records > 0))
        {
            return otlp_proto::decode_surveyed(payload, survey, self.signal, &self.defaults, rows)
                .map_err(|error| error.reason);
        }
        let not_written = match remote_write::is_request(payload) {
            Ok(()) => {
                let decoded = remote_write::decode_with(payload, &self.defaults, rows);
                return decoded.map_err(|error| error.reason);
            }
            Err(reason) => reason,
        };
        let not_otlp = match survey {
            // A request without records.
            Ok(survey) if survey.resources > 0 && survey.records == 0 && !survey.foreign => return Ok(()),
            Ok(_) => "not an OTLP protobuf request: it has no records".to_owned(),
            Err(error) => error.reason,
        };
        Err(format!("{not_otlp}, no Prometheus remote write request ({not_written})"))
    }

    /// OTLP/JSON or flat JSON.
    fn json(&mut self, payload: &[u8], rows: &mut Rows) -> Result<(), DecodeError> {
        let head = &payload[..payload.len().min(OTLP_KEY_BYTES)];
        let otlp = OTLP_KEYS.iter().any(|key| memchr::memmem::find(head, key).is_some());
        let form = match self.encoding {
            given @ (Encoding::OtlpJson | Encoding::Json) => given,
            _ if otlp => Encoding::OtlpJson,
            _ => Encoding::Json,
        };
        self.decode_form(Form::Of(form), payload, rows)
    }

    /// One object, or an array of them.
    fn flat(&mut self, text: &str, rows: &mut Rows) -> Result<(), String> {
        if !text.trim_start().starts_with('[') {
            return self.flat.decode(text, rows);
        }
        let objects: Vec<&RawValue> =
            serde_json::from_str(text).map_err(|error| format!("not an array of objects: {error}"))?;
        for (at, object) in objects.into_iter().enumerate() {
            if let Err(reason) = self.flat.decode(object.get(), rows) {
                rows.bad.push(BadRecord {
                    offset: offset(text.as_bytes(), object.get()),
                    path: format!("[{at}]"),
                    reason,
                    bytes: object.get().as_bytes().to_vec(),
                });
            }
        }
        Ok(())
    }

    /// Log lines.
    fn lines(&mut self, payload: &[u8], rows: &mut Rows) -> Result<(), DecodeError> {
        // A line without a time has that of the line before it, in the same payload.
        self.text.set_last(None);
        for (number, line) in utf8(payload)?.lines().enumerate() {
            if self.text.decode(line, number as u64, rows).is_err() {
                rows.bad.push(BadRecord {
                    offset: offset(payload, line),
                    path: format!("line {}", number + 1),
                    reason: "no time: the line does not begin with a timestamp, nor does one before it in this record; write one, as 2026-11-24T10:00:00Z, or send records as JSON or OTLP".to_owned(),
                    bytes: line.as_bytes().to_vec(),
                });
            }
        }
        Ok(())
    }
}

/// What a record's headers and its stream's settings make of its encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Of(Encoding),
    /// JSON, OTLP or flat.
    Json,
    /// Protobuf, OTLP or remote write: both are sent as `application/x-protobuf`.
    Protobuf,
}

/// The encoding that headers announce, else that of the stream.
fn announced(headers: &[(String, Vec<u8>)], encoding: Encoding) -> Result<Form, DecodeError> {
    let header = |name: &str| {
        let found = headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.and_then(|(_, value)| std::str::from_utf8(value).ok()).map(str::to_ascii_lowercase)
    };
    // Written by the Rust engine of OpenTelemetry's Arrow project.
    match header("MessageFormat").as_deref().map(str::trim) {
        Some("otlp") => return Ok(Form::Of(Encoding::OtlpProto)),
        Some("otap") => {
            return Err(DecodeError::new(
                "the header `MessageFormat` says OTAP (OpenTelemetry Arrow), which cannot be read: have the exporter write OTLP",
            ));
        }
        _ => {}
    }
    let Some(content) = header("content-type") else { return Ok(Form::Of(encoding)) };
    let mut parts = content.split(';').map(str::trim);
    let media = parts.next().unwrap_or_default();
    let message = parts.find_map(|part| part.strip_prefix("proto=")).map(|name| name.trim_matches('"'));
    Ok(match (media, message) {
        ("application/x-protobuf" | "application/protobuf", Some(message))
            if message.starts_with("io.prometheus.write.") || message == "prometheus.writerequest" =>
        {
            Form::Of(Encoding::PrometheusRemoteWrite)
        }
        ("application/x-protobuf" | "application/protobuf", _) => match encoding {
            Encoding::OtlpProto | Encoding::PrometheusRemoteWrite => Form::Of(encoding),
            _ => Form::Protobuf,
        },
        ("application/json" | "application/x-ndjson", _) => Form::Json,
        ("application/vnd.apache.arrow.stream", _) => Form::Of(Encoding::ArrowIpc),
        ("text/plain", _) => Form::Of(Encoding::Text),
        // Whatever it is called, the settings of the stream stand.
        _ => Form::Of(encoding),
    })
}

/// How OTLP/JSON's requests begin, within so many bytes.
const OTLP_KEYS: [&[u8]; 3] = [b"\"resourceMetrics\"", b"\"resourceLogs\"", b"\"resourceSpans\""];
const OTLP_KEY_BYTES: usize = 8192;

const UTF8_MARK: &str = "\u{feff}";

/// Whether what begins with a bracket goes on as JSON does: `[2026-…]` or `[main]` begin log lines.
fn looks_like_json(payload: &[u8]) -> bool {
    let payload = payload.strip_prefix(UTF8_MARK.as_bytes()).unwrap_or(payload);
    let mut bytes = payload.iter().filter(|byte| !byte.is_ascii_whitespace());
    matches!((bytes.next(), bytes.next()), (Some(b'{'), Some(b'"' | b'}')) | (Some(b'['), Some(b'{' | b']')))
}

/// Whether a character is one that text does not have.
fn is_binary(character: char) -> bool {
    character.is_control() && !matches!(character, '\t' | '\n' | '\r' | '\x1b')
}

fn utf8(payload: &[u8]) -> Result<&str, DecodeError> {
    let text = std::str::from_utf8(payload)
        .map_err(|error| DecodeError::new(format!("not UTF-8 at byte {}", error.valid_up_to())))?;
    Ok(text.strip_prefix(UTF8_MARK).unwrap_or(text))
}

/// Where `part` lies in `payload`.
fn offset(payload: &[u8], part: &str) -> usize {
    (part.as_ptr() as usize).saturating_sub(payload.as_ptr() as usize)
}

/// Decodes a text of JSON: one value, or one a line. A line that cannot be decoded is noted,
/// unless that is true of all of them.
fn each_line(
    payload: &[u8],
    rows: &mut Rows,
    mut decode: impl FnMut(&str, &mut Rows) -> Result<(), String>,
) -> Result<(), DecodeError> {
    let text = utf8(payload)?;
    let before = rows.bad.len();
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let one = lines.clone().nth(1).is_none();
    // Of lines with a value each, the first value ends before the text does.
    if one || serde_json::from_str::<&RawValue>(text).is_ok() {
        decode(text, rows).map_err(DecodeError::new)?;
        rows.bad[before..].iter_mut().for_each(|bad| bad.offset += offset(payload, text));
        return Ok(());
    }
    let (mut first, mut good) = (None, false);
    for (number, line) in lines {
        let before = rows.bad.len();
        match decode(line, rows) {
            Ok(()) => good = true,
            Err(reason) => {
                first.get_or_insert_with(|| format!("line {}: {reason}", number + 1));
                let bytes = line.as_bytes().to_vec();
                rows.bad.push(BadRecord { offset: 0, path: String::new(), reason, bytes });
            }
        }
        for bad in &mut rows.bad[before..] {
            bad.offset += offset(payload, line);
            let below = std::mem::take(&mut bad.path);
            let below = if below.is_empty() { below } else { format!(": {below}") };
            bad.path = format!("line {}{below}", number + 1);
        }
    }
    match (good, first, serde_json::from_str::<&RawValue>(text)) {
        (false, Some(first), Err(whole)) => {
            rows.bad.truncate(before);
            Err(DecodeError::new(format!("neither one JSON value ({whole}) nor one a line ({first})")))
        }
        _ => Ok(()),
    }
}
