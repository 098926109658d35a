//! A record as bytes; the layout is in the documentation of the module above.

use theriac_contract::{
    Record, StoredRecord, Timestamp,
    seeded::{self, Bug},
};

/// First bytes of every segment.
pub(super) const MAGIC: &[u8; 8] = b"theriac1";

/// Length and checksum before the body.
pub(super) const PREFIX: usize = 8;

/// Largest frame that the format allows.
pub(super) const BYTES_MAX: usize = u32::MAX as usize / 2;

/// Bytes of the frame of a record.
pub(super) fn size(record: &Record) -> usize {
    let headers: usize = record.headers.iter().map(|(name, value)| 8 + name.len() + value.len()).sum();
    PREFIX + 8 + 8 + 4 + record.key.len() + 4 + headers + record.value.len()
}

/// Appends the frame of a record, which must be of at most [`BYTES_MAX`] bytes.
pub(super) fn encode(offset: u64, record: &Record, out: &mut Vec<u8>) {
    let start = out.len();
    let length = (size(record) - PREFIX) as u32;
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&offset.to_le_bytes());
    out.extend_from_slice(&record.timestamp.0.to_le_bytes());
    put(&record.key, out);
    out.extend_from_slice(&(record.headers.len() as u32).to_le_bytes());
    for (name, value) in &record.headers {
        put(name.as_bytes(), out);
        put(value, out);
    }
    out.extend_from_slice(&record.value);
    let checksum = checksum(&length.to_le_bytes(), &out[start + PREFIX..]);
    out[start + 4..start + PREFIX].copy_from_slice(&checksum.to_le_bytes());
}

fn put(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
    out.extend_from_slice(bytes);
}

fn checksum(length: &[u8], body: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(length);
    hasher.update(body);
    hasher.finalize()
}

/// Length of the body that a prefix announces.
pub(super) fn body_length(prefix: [u8; PREFIX]) -> usize {
    u32::from_le_bytes([prefix[0], prefix[1], prefix[2], prefix[3]]) as usize
}

/// Checks and reads a frame; says what is wrong with it otherwise.
pub(super) fn decode(prefix: [u8; PREFIX], body: &[u8]) -> Result<StoredRecord, String> {
    let stored = u32::from_le_bytes([prefix[4], prefix[5], prefix[6], prefix[7]]);
    let found = checksum(&prefix[..4], body);
    if stored != found && !seeded::on(Bug::RecordChecksumIgnored) {
        return Err(format!("the checksum of the record is {stored:08x}, its bytes give {found:08x}"));
    }
    let mut rest = Rest(body);
    let record = rest.record();
    record.ok_or_else(|| "the fields of the record do not fit its length".to_owned())
}

struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn record(&mut self) -> Option<StoredRecord> {
        let offset = u64::from_le_bytes(self.array()?);
        let timestamp = Timestamp(i64::from_le_bytes(self.array()?));
        let key = self.piece()?.to_vec();
        let count = u32::from_le_bytes(self.array()?);
        let mut headers = Vec::new();
        for _ in 0..count {
            let name = String::from_utf8(self.piece()?.to_vec()).ok()?;
            headers.push((name, self.piece()?.to_vec()));
        }
        Some(StoredRecord { offset, record: Record { timestamp, key, headers, value: self.0.to_vec() } })
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }

    fn piece(&mut self) -> Option<&'a [u8]> {
        let length = u32::from_le_bytes(self.array()?) as usize;
        let (piece, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(piece)
    }
}
