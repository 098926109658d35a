//! The frame of a request: resources, scopes, records; and where in it something lies.

use crate::decode::{
    BadRecord, DecodeError, Rows, Signal,
    noted::Noted,
    wire::{Fields, Value, room},
};

/// Longer payloads are refused; nothing sends requests of this size.
const PAYLOAD_BYTES_MAX: usize = 256 << 20;

/// What a payload holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Survey {
    /// The signal of its records, if they tell.
    pub(crate) signal: Option<Signal>,
    /// Resources.
    pub(crate) resources: usize,
    /// Metrics, log records or spans.
    pub(crate) records: usize,
    /// Whether there are fields beside the resources.
    pub(crate) foreign: bool,
    /// Whether a resource or scope stands behind what it is of, or in pieces.
    pub(crate) scattered: bool,
}

/// Checks the frame, and tells the signal.
///
/// # Errors
/// If the frame is broken.
pub(crate) fn survey(payload: &[u8]) -> Result<Survey, DecodeError> {
    if payload.len() > PAYLOAD_BYTES_MAX {
        return Err(DecodeError::new(format!(
            "the payload has {} bytes; the limit is {PAYLOAD_BYTES_MAX}: send smaller batches",
            payload.len()
        )));
    }
    let mut survey = Survey::default();
    let mut guess = None;
    frame(payload, &mut survey, &mut guess).map_err(|reason| {
        let group = survey.resources.saturating_sub(1);
        DecodeError::new(format!("not an OTLP protobuf request: {reason} (resource {group})"))
    })?;
    survey.signal = guess.map(|(signal, _)| signal);
    Ok(survey)
}

fn frame(payload: &[u8], survey: &mut Survey, guess: &mut Guess) -> Result<(), String> {
    let mut groups = Fields::new(payload);
    while let Some((number, group)) = groups.next()? {
        if number != 1 {
            survey.foreign = true;
            continue;
        }
        survey.resources += 1;
        room("resources", survey.resources, 0)?;
        let mut scopes = Fields::new(group.bytes("resource group")?);
        let mut first = true;
        while let Some((number, scope)) = scopes.next()? {
            match number {
                1 => {
                    scope.bytes("resource")?;
                    survey.scattered |= !first;
                }
                2 => scope_frame(scope.bytes("scope group")?, survey, guess)?,
                _ => {}
            }
            first = false;
        }
    }
    Ok(())
}

fn scope_frame(scope: &[u8], survey: &mut Survey, guess: &mut Guess) -> Result<(), String> {
    let mut records = Fields::new(scope);
    let mut first = true;
    while let Some((number, record)) = records.next()? {
        match number {
            1 => {
                record.bytes("scope")?;
                survey.scattered |= !first;
            }
            2 => {
                let record = record.bytes("record")?;
                survey.records += 1;
                room("records", survey.records, 0)?;
                // The first of those that tell best.
                if guess.is_none_or(|(_, tells)| tells < Tells::Surely) {
                    let told = classify(record);
                    if told.map(|(_, tells)| tells) > guess.map(|(_, tells)| tells) {
                        *guess = told;
                    }
                }
            }
            _ => {}
        }
        first = false;
    }
    Ok(())
}

/// How well a record tells its signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Tells {
    /// By fields that records of other signals have as well, if they lack their times.
    Perhaps,
    /// By fields that only records of this signal have, but need not have.
    Likely,
    /// By fields that every record of this signal has, and no other.
    Surely,
}

type Guess = Option<(Signal, Tells)>;

/// The signal of a record. The three kinds of record use the same numbers for fields of
/// different wire types; times tell log records from spans, data tell metrics from both.
fn classify(record: &[u8]) -> Guess {
    let mut guess = None;
    let mut fields = Fields::new(record);
    while let Ok(Some((number, value))) = fields.next() {
        let told = match (number, value) {
            // `time_unix_nano` and `observed_time_unix_nano`; start and end.
            (1 | 11, Value::Fixed64(_)) => return Some((Signal::Logs, Tells::Surely)),
            (7 | 8, Value::Fixed64(_)) => return Some((Signal::Spans, Tells::Surely)),
            // A sum: the only thing of this number that has a length.
            (7, Value::Bytes(_)) => return Some((Signal::Points, Tells::Surely)),
            // Severity and dropped attributes, flags, attributes.
            (2 | 7, Value::Varint(_)) | (8, Value::Fixed32(_)) | (6, Value::Bytes(_)) => {
                (Signal::Logs, Tells::Likely)
            }
            // Kind and dropped things, flags, links, status.
            (6 | 10 | 12 | 14, Value::Varint(_)) | (16, Value::Fixed32(_)) | (13 | 15, Value::Bytes(_)) => {
                (Signal::Spans, Tells::Likely)
            }
            // The other data; also the body of a log record and the name of a span.
            (5 | 9 | 10 | 11, Value::Bytes(_)) => (Signal::Points, Tells::Perhaps),
            _ => continue,
        };
        if guess.is_none_or(|(_, tells)| tells < told.1) {
            guess = Some(told);
        }
    }
    guess
}

/// Where the walk is, for paths and offsets of what cannot be decoded.
pub(super) struct Place<'p> {
    noted: Noted<'p>,
    signal: Signal,
    /// As in [`Survey`].
    pub(super) scattered: bool,
    resource: usize,
    scope: usize,
    record: usize,
}

impl<'p> Place<'p> {
    pub(super) const fn new(payload: &'p [u8], signal: Signal, scattered: bool, rows: &Rows) -> Self {
        let noted = Noted::new(payload, rows);
        Self { noted, signal, scattered, resource: 0, scope: 0, record: 0 }
    }

    pub(super) const fn signal(&self) -> Signal {
        self.signal
    }

    pub(super) const fn next_resource(&mut self) {
        self.resource += 1;
        self.scope = 0;
    }

    pub(super) const fn next_scope(&mut self) {
        self.scope += 1;
        self.record = 0;
    }

    pub(super) const fn next_record(&mut self) {
        self.record += 1;
    }

    pub(super) fn bad_resource(&mut self, bad: &mut Vec<BadRecord>, raw: &[u8], reason: String) {
        let path = || format!("{}[{}].resource", self.signal.lists()[0], self.resource);
        self.noted.note(bad, raw, path, reason);
    }

    pub(super) fn bad_scope(&mut self, bad: &mut Vec<BadRecord>, raw: &[u8], reason: String) {
        let [outer, middle, _] = self.signal.lists();
        let path = || format!("{outer}[{}].{middle}[{}].scope", self.resource, self.scope);
        self.noted.note(bad, raw, path, reason);
    }

    /// Notes the record that the walk is at, or what lies `below` it.
    pub(super) fn bad(&mut self, bad: &mut Vec<BadRecord>, raw: &[u8], below: &str, reason: String) {
        let [outer, middle, inner] = self.signal.lists();
        let Self { resource, scope, record, .. } = *self;
        let path = || format!("{outer}[{resource}].{middle}[{scope}].{inner}[{record}]{below}");
        self.noted.note(bad, raw, path, reason);
    }

    /// Says how much was not noted.
    pub(super) fn finish(self, rows: &mut Rows) {
        self.noted.finish(rows);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_tell_their_signal() {
        let fixed = |number: u8| [&[number << 3 | 1][..], &[0; 8]].concat();
        let length = |number: u8| vec![number << 3 | 2, 0];
        for number in [1, 11] {
            assert_eq!(classify(&[length(5), fixed(number)].concat()), Some((Signal::Logs, Tells::Surely)));
        }
        for number in [7, 8] {
            assert_eq!(classify(&[length(5), fixed(number)].concat()), Some((Signal::Spans, Tells::Surely)));
        }
        assert_eq!(classify(&length(7)), Some((Signal::Points, Tells::Surely)));
        for number in [5, 9, 10, 11] {
            assert_eq!(classify(&length(number)), Some((Signal::Points, Tells::Perhaps)));
        }
        assert_eq!(classify(&[length(5), vec![2 << 3, 9]].concat()), Some((Signal::Logs, Tells::Likely)));
        assert_eq!(classify(&[length(5), vec![6 << 3, 2]].concat()), Some((Signal::Spans, Tells::Likely)));
        assert_eq!(classify(&length(1)), None);
    }

    #[test]
    fn a_broken_frame_is_refused() {
        assert_eq!(survey(&[]), Ok(Survey::default()));
        for broken in
            [&[0x0a][..], &[0x0a, 5, 1], &[0x08, 1], &[0x0a, 2, 0x12, 9], &[0x0a, 2, 0x10, 9], &[0x0b]]
        {
            assert!(
                survey(broken).unwrap_err().reason.starts_with("not an OTLP protobuf request: "),
                "{broken:?}"
            );
        }
        let empty = Survey { resources: 1, ..Survey::default() };
        assert_eq!(survey(&[0x0a, 0]), Ok(empty));
        assert_eq!(survey(&[0x0a, 0, 0x10, 1]), Ok(Survey { foreign: true, ..empty }));
        assert_eq!(survey(&[0x0a, 4, 0x0a, 0, 0x12, 0]), Ok(empty));
        for scattered in [[0x0a, 4, 0x12, 0, 0x0a, 0], [0x0a, 4, 0x0a, 0, 0x0a, 0]] {
            assert_eq!(survey(&scattered), Ok(Survey { scattered: true, ..empty }));
        }
    }
}
