//! Records of plain text: lines, with what belongs to the line before it joined to it.

use std::{
    io::{self, Read},
    path::Path,
};

use super::{
    framing::Joined,
    stream::{Origin, Stream},
};

/// Bytes of a record at most; the rest of it is left out, and told.
pub const RECORD_BYTES_MAX: usize = 256 * 1024;

/// Records of one file or pipe.
pub struct Records {
    stream: Stream,
    record: Vec<u8>,
    lines: u64,
    cut: u64,
}

impl Records {
    /// Records of a file, plain or compressed (gzip, zstd).
    ///
    /// # Errors
    /// If it cannot be opened.
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Self::new(Stream::open(&Origin::Path(path.to_owned()), 0, false)?))
    }

    /// Records of a pipe.
    #[must_use]
    pub fn from_pipe(reader: Box<dyn Read + Send>) -> Self {
        Self::new(Stream::from_pipe(reader))
    }

    const fn new(stream: Stream) -> Self {
        Self { stream, record: Vec::new(), lines: 0, cut: 0 }
    }

    /// Reads more; false at the end.
    fn fill(&mut self) -> io::Result<bool> {
        let read = self.stream.fill()?;
        match self.stream.damage.take() {
            Some(damage) => Err(io::Error::new(io::ErrorKind::InvalidData, damage)),
            None => Ok(read > 0),
        }
    }

    /// The next record without its last line end: a line, and the lines after it that belong to it.
    /// It is given when the line after it has come, for that may still belong to it. Empty lines
    /// between records are passed over.
    ///
    /// # Errors
    /// If the file cannot be read, or a compressed one is damaged.
    pub fn next_record(&mut self) -> io::Result<Option<&[u8]>> {
        self.record.clear();
        let mut joined: Option<Joined> = None;
        while let Some((length, whole)) = self.line()? {
            let line = trimmed(&self.stream.data()[..length]);
            let blank = line.iter().all(u8::is_ascii_whitespace);
            if let Some(joined) = &mut joined {
                if !joined.takes(line) {
                    break;
                }
            } else if !blank {
                joined = Some(Joined::begin(line));
            }
            if !blank {
                let separator = usize::from(!self.record.is_empty());
                let room = RECORD_BYTES_MAX.saturating_sub(self.record.len() + separator);
                if separator == 1 && room > 0 {
                    self.record.push(b'\n');
                }
                self.record.extend_from_slice(&line[..line.len().min(room)]);
                self.cut += u64::from(line.len() > room);
            }
            self.stream.consume(length);
            self.lines += 1;
            if !whole {
                self.skip_line()?;
            }
        }
        Ok((!self.record.is_empty()).then_some(self.record.as_slice()))
    }

    /// Length of the next line with its end, and whether that is all of it; none at the end.
    fn line(&mut self) -> io::Result<Option<(usize, bool)>> {
        let mut looked = 0;
        loop {
            let data = self.stream.data();
            if let Some(at) = memchr::memchr(b'\n', &data[looked..]) {
                return Ok(Some((looked + at + 1, true)));
            }
            looked = data.len();
            if looked > RECORD_BYTES_MAX {
                return Ok(Some((looked, false)));
            }
            if !self.fill()? {
                return Ok((looked > 0).then_some((looked, true)));
            }
        }
    }

    /// Leaves out the rest of a line that is too long.
    fn skip_line(&mut self) -> io::Result<()> {
        loop {
            let data = self.stream.data();
            let end = memchr::memchr(b'\n', data).map(|at| at + 1);
            let length = end.unwrap_or(data.len());
            self.stream.consume(length);
            if end.is_some() || !self.fill()? {
                return Ok(());
            }
        }
    }

    /// Lines that were read.
    #[must_use]
    pub const fn lines(&self) -> u64 {
        self.lines
    }

    /// Records that were longer than [`RECORD_BYTES_MAX`].
    #[must_use]
    pub const fn cut(&self) -> u64 {
        self.cut
    }

    /// Bytes that were read, decompressed.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.stream.offset()
    }
}

fn trimmed(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn records(text: &str) -> Vec<String> {
        let mut records = Records::from_pipe(Box::new(Cursor::new(text.as_bytes().to_vec())));
        let mut all = Vec::new();
        while let Some(record) = records.next_record().unwrap() {
            all.push(String::from_utf8(record.to_vec()).unwrap());
        }
        assert_eq!(records.bytes(), text.len() as u64);
        assert_eq!(records.lines(), text.lines().count() as u64);
        all
    }

    #[test]
    fn traces_are_a_part_of_what_they_follow() {
        let java =
            "ERROR a\njava.io.IOException: b\n\tat c.d(E.java:1)\nCaused by: f\n\t... 3 more\nINFO g\n";
        assert_eq!(
            records(java),
            ["ERROR a", "java.io.IOException: b\n\tat c.d(E.java:1)\nCaused by: f\n\t... 3 more", "INFO g"]
        );
        let python = "ERROR a\nTraceback (most recent call last):\n  File \"x\", line 1\n    b()\nValueError: c\nINFO d";
        assert_eq!(records(python), [&python[..python.len() - 7], "INFO d"]);
    }

    #[test]
    fn lines_are_records() {
        assert_eq!(records("a\r\nb\n\n\nc"), ["a", "b", "c"]);
        assert_eq!(records(" 1 a\n 2 b\n"), [" 1 a", " 2 b"], "all of them are indented");
        assert_eq!(records(""), Vec::<String>::new());
        assert_eq!(records("\n \n"), Vec::<String>::new());
    }

    #[test]
    fn what_is_too_long_is_cut_and_told() {
        let text = format!("{}\nb\n", "a".repeat(3 * RECORD_BYTES_MAX));
        let mut records = Records::from_pipe(Box::new(Cursor::new(text.into_bytes())));
        assert_eq!(records.next_record().unwrap().map(<[u8]>::len), Some(RECORD_BYTES_MAX));
        assert_eq!(records.next_record().unwrap(), Some(b"b".as_slice()));
        assert_eq!(records.next_record().unwrap(), None);
        assert_eq!((records.cut(), records.lines()), (1, 2));
    }
}
