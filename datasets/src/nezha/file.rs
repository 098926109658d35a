//! One file of a day: unpacked and read row by row.

use std::{fs::File, io::Read, path::PathBuf};

use csv::{ByteRecord, ReaderBuilder};
use theriac_contract::{Interval, Reject, SourceError, Timestamp};

use super::row::{Columns, Row};

/// Bytes of a file, unpacked, that are read at most.
const UNPACKED_BYTES_MAX: u64 = 256 << 20;
/// Bytes of a rejected row that are kept.
const REJECT_BYTES_MAX: usize = 4096;

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Signal {
    Points,
    Logs,
    Spans,
}

impl Signal {
    /// All, in the order in which they are given.
    pub(super) const ALL: [Self; 3] = [Self::Points, Self::Logs, Self::Spans];
}

/// A file of a day.
#[derive(Clone, Debug)]
pub(super) struct InputFile {
    pub(super) path: PathBuf,
    pub(super) signal: Signal,
    /// The minute that it is named after, near the end of what it covers; for the metrics of
    /// a day, midnight before it.
    pub(super) at: Timestamp,
    /// As it lies on disk.
    pub(super) bytes: u64,
}

/// A row, or why there is none.
pub(super) struct Item {
    /// The same for rows that are the same; none if this concerns the file as a whole.
    pub(super) fingerprint: Option<[u8; 16]>,
    pub(super) row: Result<Row, Reject>,
}

impl InputFile {
    /// Name in rejects and errors.
    pub(super) fn origin(&self) -> String {
        self.path.display().to_string()
    }

    /// How far before and after [`Self::at`] its rows may lie.
    const fn reach(&self) -> (Interval, Interval) {
        match self.signal {
            Signal::Points => (Interval::from_seconds(3_600), Interval::from_seconds(25 * 3_600)),
            Signal::Logs | Signal::Spans => (Interval::from_seconds(600), Interval::from_seconds(600)),
        }
    }

    /// Event time at which it is opened.
    pub(super) const fn opens(&self) -> Timestamp {
        match self.signal {
            Signal::Points => self.at.minus(self.reach().0),
            Signal::Logs | Signal::Spans => self.at.minus(Interval::from_seconds(120)),
        }
    }

    /// Event time that no row of it is after.
    pub(super) const fn closes(&self) -> Timestamp {
        self.at.plus(self.reach().1)
    }

    /// Reads it whole, in the order of the file.
    ///
    /// # Errors
    /// If it cannot be opened. What is damaged or malformed is rejected row by row.
    pub(super) fn read(&self) -> Result<Vec<Item>, SourceError> {
        let io = |source| SourceError::Io { origin: self.origin(), source };
        let file = File::open(&self.path).map_err(io)?;
        let mut unpacked = Vec::new();
        let decoder = zstd::Decoder::new(file).map_err(io)?;
        let end = decoder.take(UNPACKED_BYTES_MAX).read_to_end(&mut unpacked);
        let fault = match end {
            Err(error) => Some(format!("{error}; rows after this are lost: get the file again")),
            Ok(_) if unpacked.len() as u64 == UNPACKED_BYTES_MAX => {
                Some(format!("it is longer than {UNPACKED_BYTES_MAX} bytes; split it"))
            }
            Ok(_) => None,
        };
        if fault.is_some() {
            // A row that was cut could be read as another one.
            let whole = unpacked.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
            unpacked.truncate(whole);
        }
        let mut items = self.rows(&unpacked);
        if let Some(reason) = fault {
            items.push(self.reject(&unpacked, unpacked.len() as u64, None, reason));
        }
        Ok(items)
    }

    fn rows(&self, text: &[u8]) -> Vec<Item> {
        let mut reader = ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text);
        let mut items = Vec::new();
        let mut record = ByteRecord::new();
        let mut columns: Option<Columns> = None;
        let mut width = 0;
        // Reading from memory into bytes cannot fail.
        while let Ok(true) = reader.read_byte_record(&mut record) {
            let (offset, line) = record.position().map_or((0, 0), |at| (at.byte(), at.line()));
            // Ends of lines before the row, blank lines and what follows a carriage return, count
            // as part of it.
            let lead = &text[offset as usize..];
            let lead = &lead[..lead.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count()];
            let offset = offset + lead.len() as u64;
            let line = line + lead.iter().filter(|byte| **byte == b'\n').count() as u64;
            let end = reader.position().byte();
            let here = &text[..(end as usize).min(text.len())];
            let Some(known) = &columns else {
                width = record.len();
                match Columns::find(self.signal, &record) {
                    Ok(found) => columns = Some(found),
                    Err(reason) => {
                        let reason = format!("{reason}; the file is left out");
                        items.push(self.reject(here, offset, None, reason));
                        return items;
                    }
                }
                continue;
            };
            let row = if record.len() == width {
                known.read(&record).and_then(|row| self.in_reach(row))
            } else {
                Err(format!("{} columns; the first line names {width}", record.len()))
            };
            match row {
                Ok(row) => items.push(Item { fingerprint: Some(fingerprint(&record)), row: Ok(row) }),
                Err(reason) => items.push(self.reject(here, offset, Some(line), reason)),
            }
        }
        items
    }

    fn in_reach(&self, row: Row) -> Result<Row, String> {
        let (before, after) = self.reach();
        if row.time < self.at.minus(before) || row.time > self.at.plus(after) {
            return Err(format!(
                "its time is {}, too far from {}, which the file is named after",
                row.time, self.at
            ));
        }
        Ok(row)
    }

    /// Rejects the end of `text` from `offset` on; without a line, the file.
    fn reject(&self, text: &[u8], offset: u64, line: Option<u64>, reason: String) -> Item {
        let bytes = text.get(offset as usize..).unwrap_or_default().trim_ascii_end();
        let fingerprint = line.map(|_| short(blake3::Hasher::new().update(bytes)));
        let bytes = bytes[..bytes.len().min(REJECT_BYTES_MAX)].to_vec();
        Item {
            fingerprint,
            row: Err(Reject { origin: self.origin(), offset, line, reason, bytes, ..Reject::default() }),
        }
    }
}

fn fingerprint(record: &ByteRecord) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new();
    for column in record {
        hasher.update(&(column.len() as u64).to_le_bytes());
        hasher.update(column);
    }
    short(&hasher)
}

fn short(hasher: &blake3::Hasher) -> [u8; 16] {
    let mut short = [0; 16];
    hasher.finalize_xof().fill(&mut short);
    short
}
