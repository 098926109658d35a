//! A file of records: CSV, JSON, text. Reads on from any place, and follows growth and rotation.

use std::{fs::File, io, path::Path};

use serde::{Deserialize, Serialize};
use theriac_contract::{Fetched, Reject, SourceError, Timestamp, telemetry::Attributes};

use super::{
    framing::{Frame, Framing, at_rest, next},
    settings::{FileSettings, Format},
    sniff::{self, SAMPLE_BYTES},
    stream::{Compression, Origin, Stream},
    table::Table,
};
use crate::decode::{Rows, flat_json::FlatDecoder, otlp_json, text::TextDecoder};

/// Where reading of one file stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Place {
    /// The file.
    pub(super) path: String,
    /// Next byte, decompressed.
    pub(super) offset: u64,
    /// Lines before it.
    pub(super) line: u64,
    /// Records before it.
    pub(super) row: u64,
    /// Bytes from which the columns were learnt, so that they are learnt alike again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sampled: Option<u64>,
    /// Time of the last text line that had one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) last: Option<Timestamp>,
    /// In the middle of a line that is too long.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) skipping: bool,
    /// The end was reached and what was to be said of it was said.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) closed: bool,
    /// Device and inode of a file that is followed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) identity: Option<(u64, u64)>,
}

/// Device and inode: what stays when a file is renamed.
#[cfg(unix)]
pub(super) fn identity(metadata: &std::fs::Metadata) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    Some((metadata.dev(), metadata.ino()))
}

/// Not known here: rotation is told from a shorter file alone.
#[cfg(not(unix))]
pub(super) fn identity(_: &std::fs::Metadata) -> Option<(u64, u64)> {
    None
}

enum Decoder {
    Table(Box<Table>),
    Flat(FlatDecoder),
    Otlp(Attributes),
    Text(TextDecoder),
}

impl Decoder {
    fn decode(&mut self, text: &str, row: u64, rows: &mut Rows) -> Result<(), String> {
        match self {
            Self::Table(table) => table.decode(text, row, rows),
            Self::Flat(flat) => flat.decode(text, rows),
            Self::Text(lines) => lines.decode(text, row, rows),
            Self::Otlp(defaults) => {
                otlp_json::decode_with(text.as_bytes(), defaults, rows).map_err(|error| error.reason)
            }
        }
    }
}

/// What a read came to.
pub(super) enum Step {
    Some(Fetched),
    Idle,
    End,
}

/// One file of records that is open.
pub(super) struct RecordFile {
    origin: Origin,
    settings: FileSettings,
    stream: Stream,
    framing: Framing,
    decoder: Option<Decoder>,
    place: Place,
    rows: Rows,
}

fn io_error(origin: &Origin, source: io::Error) -> SourceError {
    SourceError::Io { origin: origin.name(), source }
}

impl RecordFile {
    /// Opens at `place`; at the start if it is new.
    pub(super) fn open(
        origin: Origin,
        settings: FileSettings,
        mut place: Place,
    ) -> Result<Self, SourceError> {
        let fail = |source| io_error(&origin, source);
        let mut notes = Rows::default();
        let stream = match (&origin, settings.follow) {
            (Origin::Path(path), true) => open_followed(path, &mut place, &mut notes).map_err(fail)?,
            _ => Stream::open(&origin, place.offset, false).map_err(fail)?,
        };
        if settings.follow && stream.compression() != Compression::None {
            let reason = "a compressed file cannot be followed: set `follow: false`, or name the file that is being written".to_owned();
            return Err(SourceError::Unreadable { origin: origin.name(), reason });
        }
        place.path = origin.name();
        Ok(Self { origin, settings, stream, framing: Framing::Lines, decoder: None, place, rows: notes })
    }

    pub(super) fn place(&self) -> Place {
        let last = match &self.decoder {
            Some(Decoder::Text(text)) => text.last(),
            _ => self.place.last,
        };
        Place { last, ..self.place.clone() }
    }

    /// Looks at the front of the file and decides how to read it. False while there is too
    /// little of it.
    fn prepare(&mut self) -> Result<bool, SourceError> {
        if self.decoder.is_some() {
            return Ok(true);
        }
        let origin = self.origin.clone();
        let fail = |source| io_error(&origin, source);
        let unreadable = |reason| SourceError::Unreadable { origin: origin.name(), reason };
        // At the start the sample is what will be read; later it is read once more.
        let mut front = if self.place.offset > 0 { Some(self.front()?) } else { None };
        let known = self.place.sampled.and_then(|bytes| usize::try_from(bytes).ok());
        let limit = known.unwrap_or(SAMPLE_BYTES).min(SAMPLE_BYTES);
        let stream = front.as_mut().unwrap_or(&mut self.stream);
        while stream.data().len() < limit && stream.fill().map_err(fail)? > 0 {}
        let sample = &stream.data()[..stream.data().len().min(limit)];
        let ended = match self.place.sampled {
            // Learnt before: the sample was all of the file if it is shorter than samples are.
            Some(_) => limit < SAMPLE_BYTES && !self.settings.follow,
            None => stream.ended() && sample.len() == stream.data().len(),
        };
        if sample.is_empty() {
            return Ok(false);
        }
        sniff::check_text(sample).map_err(unreadable)?;
        let mark = sniff::mark(sample);
        let format = match self.settings.format {
            Format::Auto => sniff::format(&self.origin.name(), sample),
            given => given,
        };
        let (mut skip, mut sampled) = (mark, sample.len() as u64);
        let decoder = match format {
            Format::Csv => {
                let text = &sample[mark..];
                let first = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
                let given = self.settings.delimiter.and_then(|char| u8::try_from(char).ok());
                let delimiter = given.unwrap_or_else(|| sniff::delimiter(first));
                self.framing = Framing::Csv { delimiter };
                let full = sample.len() >= SAMPLE_BYTES;
                let mut table = Table::learn(text, ended, delimiter, &self.settings).map_err(unreadable)?;
                if table.is_none() && full {
                    (table, sampled) = self.learn_further(delimiter)?;
                }
                let Some(table) = table else { return Ok(false) };
                skip += table.header_bytes;
                Decoder::Table(Box::new(table))
            }
            Format::JsonLines | Format::OtlpJson => {
                if !ended && sample.len() < SAMPLE_BYTES && memchr::memchr(b'\n', sample).is_none() {
                    return Ok(false);
                }
                self.framing = sniff::json_framing(sample);
                if format == Format::OtlpJson {
                    Decoder::Otlp(self.settings.resource.clone())
                } else {
                    Decoder::Flat(FlatDecoder::new(&self.settings))
                }
            }
            Format::Text => {
                self.framing = Framing::Text { bytes_max: self.settings.line_bytes_max };
                let mut text = TextDecoder::new(&self.settings);
                text.set_last(self.place.last);
                Decoder::Text(text)
            }
            Format::Auto | Format::Parquet => {
                return Err(unreadable("Parquet cannot be read from inside another compression or while it is followed: decompress it first".to_owned()));
            }
        };
        self.place.sampled = Some(sampled);
        if front.is_none() {
            while self.stream.data().len() < skip && self.stream.fill().map_err(fail)? > 0 {}
            self.place.line += memchr::memchr_iter(b'\n', &self.stream.data()[..skip]).count() as u64;
            self.stream.consume(skip);
            self.place.offset = self.stream.offset();
        }
        self.decoder = Some(decoder);
        Ok(true)
    }

    /// The file once more, from its start to the end that it has now.
    fn front(&self) -> Result<Stream, SourceError> {
        let reopened = match &self.origin {
            Origin::Path(path) => reopened(path, self.place.identity),
            Origin::Memory(..) => Ok(None),
        };
        let opened = reopened.and_then(|file| match file {
            Some(file) => Stream::from_file(file, 0, false),
            None => Stream::open(&self.origin, 0, false),
        });
        opened.map_err(|source| io_error(&self.origin, source))
    }

    /// Learns the columns of a CSV that has no whole row in its sample. Lines that are too
    /// long to be records tell nothing of columns; they are passed over here and rejected when
    /// they are read. Gives the bytes that were looked at, too: the same next time.
    fn learn_further(&self, delimiter: u8) -> Result<(Option<Table>, u64), SourceError> {
        let unreadable = |reason| SourceError::Unreadable { origin: self.origin.name(), reason };
        let fail = |source| io_error(&self.origin, source);
        // Two more for the line end, which is no part of the record.
        let most = self.settings.line_bytes_max.saturating_add(2);
        let end = self.place.sampled.unwrap_or(u64::MAX);
        let mut stream = self.front()?;
        let (mut sample, mut enough, mut passing) = (Vec::new(), SAMPLE_BYTES, false);
        loop {
            if stream.data().is_empty() {
                stream.fill().map_err(fail)?;
            }
            let finished = stream.data().is_empty() && stream.ended();
            if finished || stream.offset() >= end || sample.len() >= enough {
                let text = &sample[sniff::mark(&sample)..];
                let all = finished && !self.settings.follow;
                let table = Table::learn(text, all, delimiter, &self.settings).map_err(unreadable)?;
                if table.is_some() || (finished && self.settings.follow) {
                    return Ok((table, stream.offset()));
                }
                if finished || sample.len() / 2 > most {
                    return Err(unreadable(format!(
                        "no complete row in the first {} bytes: this is no CSV, or a quote is not closed",
                        stream.offset()
                    )));
                }
                enough = enough.max(sample.len()) * 2;
            }
            let data = stream.data();
            let (length, whole) = match memchr::memchr(b'\n', data) {
                Some(end) => (end + 1, true),
                None => (data.len(), stream.ended()),
            };
            passing |= length > most;
            if passing && sample.is_empty() {
                return Err(unreadable(format!(
                    "the first line is longer than {} bytes, the limit `line_bytes_max`: this is no CSV",
                    self.settings.line_bytes_max
                )));
            }
            if whole || passing {
                if !passing {
                    sample.extend_from_slice(&data[..length]);
                }
                passing &= !whole;
                stream.consume(length);
            } else {
                stream.fill().map_err(fail)?;
            }
        }
    }

    /// Reads records until about `bytes_max` bytes are passed.
    pub(super) fn read(&mut self, bytes_max: usize) -> Result<Step, SourceError> {
        let mut fetched = Fetched::default();
        if !self.prepare()? {
            return self.nothing_yet();
        }
        let start = self.stream.offset();
        while self.stream.offset() - start < bytes_max.max(1) as u64 {
            let data = self.stream.data();
            let frame = match (data.is_empty(), self.place.skipping) {
                (true, _) => Frame::More,
                (false, true) => match memchr::memchr(b'\n', data) {
                    Some(end) => Frame::Record { content: 0, next: end + 1 },
                    None => Frame::Record { content: 0, next: data.len() },
                },
                (false, false) => next(self.framing, data, self.stream.ended()),
            };
            match frame {
                // Given up in the same way whether all of it is in the buffer or not.
                Frame::Record { content, .. } | Frame::Broken { content, .. }
                    if content > self.settings.line_bytes_max =>
                {
                    self.too_long(&mut fetched);
                }
                Frame::Record { content, next } => self.record(content, next, &mut fetched),
                Frame::Broken { content, next, reason } => {
                    self.reject(
                        content,
                        format!("{reason}: it is left out, reading goes on behind it"),
                        &mut fetched,
                    );
                    self.pass(next);
                }
                // One more for the carriage return that is no part of the record.
                Frame::More if self.stream.data().len() > self.settings.line_bytes_max.saturating_add(1) => {
                    self.too_long(&mut fetched)
                }
                Frame::More => {
                    let read = self.stream.fill().map_err(|error| io_error(&self.origin, error))?;
                    if read == 0 && self.stream.data().is_empty() {
                        break;
                    }
                    if read == 0 && !self.stream.ended() {
                        match at_rest(self.framing, self.stream.data()) {
                            Frame::Record { content, next } => self.record(content, next, &mut fetched),
                            // The last line of a growing file is not finished.
                            _ => break,
                        }
                    }
                }
            }
        }
        let moved = self.stream.offset() > start;
        fetched.bytes = self.stream.bytes_taken();
        fetched.telemetry = self.rows.take();
        if !moved && self.stream.ended() && self.stream.data().is_empty() && !self.settings.follow {
            return Ok(self.end(fetched));
        }
        if moved || !fetched.rejects.is_empty() { Ok(Step::Some(fetched)) } else { self.at_end_of_growth() }
    }

    fn record(&mut self, content: usize, next: usize, fetched: &mut Fetched) {
        if self.place.skipping {
            self.place.skipping = self.stream.data()[next - 1] != b'\n';
            return self.pass(next);
        }
        let record = &self.stream.data()[..content];
        if !record.trim_ascii().is_empty() {
            let decoded = match (std::str::from_utf8(record), &mut self.decoder) {
                (Ok(text), Some(decoder)) => decoder.decode(text, self.place.row, &mut self.rows),
                (Ok(_), None) => Ok(()),
                (Err(error), _) => Err(format!(
                    "not UTF-8 at byte {} of the file: convert the file to UTF-8",
                    self.stream.offset() + error.valid_up_to() as u64
                )),
            };
            if let Err(reason) = decoded {
                self.reject(content, reason, fetched);
            }
            self.bad_records(fetched);
            self.place.row += 1;
        }
        self.pass(next);
    }

    fn bad_records(&mut self, fetched: &mut Fetched) {
        for mut bad in std::mem::take(&mut self.rows.bad) {
            bad.bytes.truncate(self.settings.reject_bytes_max);
            let otlp = matches!(self.decoder, Some(Decoder::Otlp(_)));
            let reason = if otlp { format!("{}: {}", bad.path, bad.reason) } else { bad.reason };
            fetched.rejects.push(Reject {
                origin: self.origin.name(),
                offset: self.stream.offset() + bad.offset as u64,
                line: Some(self.place.line + 1),
                reason,
                bytes: bad.bytes,
                part: otlp.then_some(bad.path),
                ..Reject::default()
            });
        }
    }

    /// Gives up on a record that is longer than memory is allowed to be.
    fn too_long(&mut self, fetched: &mut Fetched) {
        let held = self.stream.data();
        let first = memchr::memchr(b'\n', held);
        let content = first.unwrap_or(held.len());
        let reason = format!(
            "the record is longer than {} bytes, the limit `line_bytes_max` (or a quote or bracket is never closed): its first line is left out",
            self.settings.line_bytes_max
        );
        self.reject(content, reason, fetched);
        self.place.skipping = first.is_none();
        self.pass(first.map_or(content, |end| end + 1));
    }

    fn pass(&mut self, next: usize) {
        self.place.line += memchr::memchr_iter(b'\n', &self.stream.data()[..next]).count() as u64;
        self.stream.consume(next);
        self.place.offset = self.stream.offset();
    }

    fn reject(&self, content: usize, reason: String, fetched: &mut Fetched) {
        fetched.rejects.push(Reject {
            origin: self.origin.name(),
            offset: self.stream.offset(),
            line: Some(self.place.line + 1),
            reason,
            bytes: self.stream.data()[..content.min(self.settings.reject_bytes_max)].to_vec(),
            ..Reject::default()
        });
    }

    /// What is left to say when a file that is not followed has been read.
    fn end(&mut self, mut fetched: Fetched) -> Step {
        let reason = match self.stream.damage.take() {
            Some(damage) => Some(format!(
                "{damage}; what came before byte {} (decompressed) was kept: copy or pack the file again",
                self.place.offset
            )),
            None if self.place.offset == 0 && !self.place.closed => {
                Some("the file is empty: there is nothing to read".to_owned())
            }
            None => None,
        };
        if let (Some(reason), false) = (reason, self.place.closed) {
            self.place.closed = true;
            self.reject(0, reason, &mut fetched);
            return Step::Some(fetched);
        }
        Step::End
    }

    fn nothing_yet(&mut self) -> Result<Step, SourceError> {
        if self.stream.ended() && !self.settings.follow {
            let fetched = Fetched { bytes: self.stream.bytes_taken(), ..Fetched::default() };
            let left = self.stream.data().len();
            self.pass(left);
            return Ok(self.end(fetched));
        }
        self.at_end_of_growth()
    }

    /// A followed file gives nothing now: it was rotated, or it rests.
    fn at_end_of_growth(&mut self) -> Result<Step, SourceError> {
        let Origin::Path(path) = &self.origin else { return Ok(Step::Idle) };
        let path = path.clone();
        let Ok(metadata) = std::fs::metadata(&path) else { return Ok(Step::Idle) };
        let held = self.stream.offset() + self.stream.data().len() as u64;
        let renamed = identity(&metadata) != self.place.identity;
        let truncated = !renamed && metadata.len() < held;
        if !(renamed || truncated) {
            return Ok(Step::Idle);
        }
        if renamed && !self.stream.ended() {
            // Whoever wrote the old file has gone on to the new one: its last line is whole.
            self.stream.stop_following();
            return self.read(usize::MAX);
        }
        let mut fetched = Fetched::default();
        let left = self.stream.data().len();
        if truncated && left > 0 {
            self.reject(
                left,
                "the file was cut to nothing while its last line was unfinished".to_owned(),
                &mut fetched,
            );
        }
        let file = File::open(&path).map_err(|error| io_error(&self.origin, error))?;
        let place = Place { path: self.origin.name(), identity: identity(&metadata), ..Place::default() };
        self.stream = Stream::from_file(file, 0, true).map_err(|error| io_error(&self.origin, error))?;
        self.place = place;
        self.decoder = None;
        // What cells came to holds for the columns of the old file.
        self.rows = Rows::default();
        if fetched.rejects.is_empty() { self.read(1) } else { Ok(Step::Some(fetched)) }
    }
}

/// The file of this identity: at its path, or renamed within its folder.
fn reopened(path: &Path, wanted: Option<(u64, u64)>) -> io::Result<Option<File>> {
    let Some(wanted) = wanted else { return Ok(None) };
    let is_it = |path: &Path| std::fs::metadata(path).is_ok_and(|found| identity(&found) == Some(wanted));
    if is_it(path) {
        return File::open(path).map(Some);
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut names: Vec<_> = std::fs::read_dir(folder)?.filter_map(|entry| Some(entry.ok()?.path())).collect();
    names.sort();
    names.into_iter().find(|name| is_it(name)).map(File::open).transpose()
}

/// Opens a file that is followed, at its place: in the file it was read from, even if that
/// was renamed meanwhile.
fn open_followed(path: &Path, place: &mut Place, rows: &mut Rows) -> io::Result<Stream> {
    if let Some(file) = reopened(path, place.identity)?
        && file.metadata()?.len() >= place.offset
    {
        return Stream::from_file(file, place.offset, true);
    }
    if place.offset > 0 {
        rows.bad.push(crate::decode::BadRecord {
            offset: 0,
            path: String::new(),
            reason: format!("the file that was read up to byte {} is gone or was cut: what was written to it afterwards is not known; reading begins again at the start", place.offset),
            bytes: Vec::new(),
        });
    }
    let file = File::open(path)?;
    *place = Place { identity: identity(&file.metadata()?), ..Place::default() };
    Stream::from_file(file, 0, true)
}
