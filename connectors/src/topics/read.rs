//! Reading committed records.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    fs::File,
    io::{BufReader, ErrorKind, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use theriac_contract::{StoredRecord, TopicError};

use super::{
    corrupt, frame, io_error,
    place::{Extent, Place, Segment},
};

/// Distance of the marks in a segment.
const MARK_BYTES: u64 = 256 << 10;

/// Where offsets are found, learnt by reading: for each segment marks at a distance, and
/// where the last reading ended.
#[derive(Default)]
pub(super) struct Marks {
    segments: RefCell<BTreeMap<(Place, u64), Known>>,
}

#[derive(Default)]
struct Known {
    /// Offset to position.
    marks: BTreeMap<u64, u64>,
    last: (u64, u64),
}

impl Marks {
    /// The nearest known offset at or before `offset`, and its position.
    fn near(&self, place: Place, base: u64, offset: u64) -> (u64, u64) {
        let start = (base, frame::MAGIC.len() as u64);
        let segments = self.segments.borrow();
        let Some(known) = segments.get(&(place, base)) else { return start };
        let mark = known.marks.range(..=offset).next_back().map_or(start, |(at, position)| (*at, *position));
        if known.last.0 <= offset { mark.max(known.last) } else { mark }
    }

    fn learn(&self, place: Place, base: u64, offset: u64, position: u64) {
        let mut segments = self.segments.borrow_mut();
        let known = segments.entry((place, base)).or_default();
        known.last = (offset, position);
        let before = known.marks.range(..=offset).next_back().map_or(0, |(_, position)| *position);
        if position >= before + MARK_BYTES {
            known.marks.insert(offset, position);
        }
    }

    /// Forgets segments that are gone.
    pub(super) fn forget(&self, place: Place, start: u64) {
        self.segments.borrow_mut().retain(|(of, base), _| *of != place || *base >= start);
    }
}

/// Frames of one segment, one after the other.
pub(super) struct Frames {
    path: PathBuf,
    file: BufReader<File>,
    /// Offset that the next frame must have.
    offset: u64,
    position: u64,
    /// Committed length.
    bytes: u64,
    body: Vec<u8>,
}

impl Frames {
    /// Begins at an offset whose position is known.
    pub(super) fn open(
        path: PathBuf,
        segment: Segment,
        offset: u64,
        position: u64,
    ) -> Result<Self, TopicError> {
        let file = File::open(&path).map_err(io_error("opening", &path))?;
        let mut file = BufReader::with_capacity(64 << 10, file);
        let mut magic = [0; frame::MAGIC.len()];
        file.read_exact(&mut magic).map_err(|error| end_of_file(&path, 0, error))?;
        if &magic != frame::MAGIC {
            return Err(corrupt(&path, 0, "a segment begins with `theriac1`, this file does not"));
        }
        file.seek(SeekFrom::Start(position)).map_err(io_error("reading", &path))?;
        Ok(Self { path, file, offset, position, bytes: segment.bytes, body: Vec::new() })
    }

    /// The next record; none at the committed end.
    pub(super) fn next(&mut self) -> Result<Option<StoredRecord>, TopicError> {
        if self.position == self.bytes {
            return Ok(None);
        }
        let at = self.position;
        let mut prefix = [0; frame::PREFIX];
        self.file.read_exact(&mut prefix).map_err(|error| end_of_file(&self.path, at, error))?;
        let length = frame::body_length(prefix);
        let end = at + (frame::PREFIX + length) as u64;
        if end > self.bytes {
            let reason =
                format!("a record of {length} bytes reaches beyond the committed end {}", self.bytes);
            return Err(corrupt(&self.path, at, reason));
        }
        // Not more memory than the file has bytes, whatever is committed.
        self.body.clear();
        let body = self.file.by_ref().take(length as u64).read_to_end(&mut self.body);
        if body.map_err(io_error("reading", &self.path))? < length {
            return Err(end_of_file(&self.path, at, ErrorKind::UnexpectedEof.into()));
        }
        let record = frame::decode(prefix, &self.body).map_err(|reason| corrupt(&self.path, at, reason))?;
        if record.offset != self.offset {
            let reason = format!("offset {} was expected, not {}", self.offset, record.offset);
            return Err(corrupt(&self.path, at, reason));
        }
        self.offset += 1;
        self.position = end;
        Ok(Some(record))
    }
}

fn end_of_file(path: &Path, position: u64, error: std::io::Error) -> TopicError {
    if error.kind() == ErrorKind::UnexpectedEof {
        corrupt(path, position, "the file ends before its committed end")
    } else {
        io_error("reading", path)(error)
    }
}

/// Committed records from `from` on, which lies between start and end.
pub(super) fn records(
    dir: &Path,
    place: Place,
    extent: &Extent,
    marks: &Marks,
    from: u64,
    bytes_max: usize,
) -> Result<Vec<StoredRecord>, TopicError> {
    let mut records = Vec::new();
    let mut bytes = 0;
    let first = extent.segments.partition_point(|segment| segment.base <= from).saturating_sub(1);
    for segment in &extent.segments[first.min(extent.segments.len())..] {
        let next = from + records.len() as u64;
        if next >= extent.end {
            break;
        }
        let (offset, position) = marks.near(place, segment.base, next);
        let mut frames = Frames::open(place.segment(dir, segment.base), *segment, offset, position)?;
        while let Some(record) = frames.next()? {
            marks.learn(place, segment.base, frames.offset, frames.position);
            if record.offset < from {
                continue;
            }
            bytes += frame::size(&record.record);
            records.push(record);
            if bytes >= bytes_max {
                return Ok(records);
            }
        }
    }
    Ok(records)
}
