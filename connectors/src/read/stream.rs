//! Bytes of a file, decompressed, in a buffer that knows its offset.

use std::{
    fs::File,
    io::{self, Cursor, Read, Seek, SeekFrom},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use flate2::read::MultiGzDecoder;

/// What a read asks for at least.
const CHUNK: usize = 64 * 1024;

/// Where bytes come from.
#[derive(Clone, Debug)]
pub(super) enum Origin {
    /// A file.
    Path(PathBuf),
    /// Bytes in memory under a name.
    Memory(String, bytes::Bytes),
}

impl Origin {
    pub(super) fn name(&self) -> String {
        match self {
            Self::Path(path) => path.display().to_string(),
            Self::Memory(name, _) => name.clone(),
        }
    }

    /// Size as it lies on disk.
    pub(super) fn size(&self) -> io::Result<u64> {
        match self {
            Self::Path(path) => Ok(std::fs::metadata(path)?.len()),
            Self::Memory(_, bytes) => Ok(bytes.len() as u64),
        }
    }
}

/// How a file is compressed, by its magic bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compression {
    None,
    Gzip,
    Zstd,
}

impl Compression {
    pub(super) fn of(magic: &[u8]) -> Self {
        match magic {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            _ => Self::None,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::None => "plain",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }
}

struct Counted<R> {
    inner: R,
    count: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.count.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

fn beyond(offset: u64, end: u64) -> io::Error {
    let reason = format!("the position {offset} lies behind the end {end}: the file is shorter than it was");
    io::Error::new(io::ErrorKind::UnexpectedEof, reason)
}

/// A stream of decompressed bytes.
pub(super) struct Stream {
    reader: Box<dyn Read + Send>,
    compression: Compression,
    taken: Arc<AtomicU64>,
    buffer: Vec<u8>,
    start: usize,
    offset: u64,
    ended: bool,
    follow: bool,
    /// Why the compressed stream could not be read to its end.
    pub(super) damage: Option<String>,
}

impl Stream {
    /// Opens at a decompressed offset.
    pub(super) fn open(origin: &Origin, offset: u64, follow: bool) -> io::Result<Self> {
        match origin {
            Origin::Path(path) => Self::from_file(File::open(path)?, offset, follow),
            Origin::Memory(_, bytes) => Self::from_reader(Cursor::new(bytes.clone()), offset, follow),
        }
    }

    pub(super) fn from_file(file: File, offset: u64, follow: bool) -> io::Result<Self> {
        Self::from_reader(file, offset, follow)
    }

    fn from_reader<R: Read + Seek + Send + 'static>(
        mut inner: R,
        offset: u64,
        follow: bool,
    ) -> io::Result<Self> {
        let mut magic = [0; 4];
        let mut filled = 0;
        while filled < magic.len() {
            match inner.read(&mut magic[filled..]) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        let compression = Compression::of(&magic[..filled]);
        let plain = compression == Compression::None;
        if plain && offset > 0 {
            let end = inner.seek(SeekFrom::End(0))?;
            if end < offset {
                return Err(beyond(offset, end));
            }
        }
        inner.seek(SeekFrom::Start(if plain { offset } else { 0 }))?;
        let taken = Arc::new(AtomicU64::new(0));
        let counted = Counted { inner, count: Arc::clone(&taken) };
        let reader: Box<dyn Read + Send> = match compression {
            Compression::None => Box::new(counted),
            Compression::Gzip => Box::new(MultiGzDecoder::new(io::BufReader::with_capacity(CHUNK, counted))),
            Compression::Zstd => Box::new(zstd::stream::read::Decoder::new(counted)?),
        };
        let begin = if plain { offset } else { 0 };
        let mut stream = Self { compression, taken, offset: begin, follow, ..Self::from_pipe(reader) };
        stream.skip_to(offset)?;
        Ok(stream)
    }

    /// Bytes as they come, to their end.
    pub(super) fn from_pipe(reader: Box<dyn Read + Send>) -> Self {
        Self {
            reader,
            compression: Compression::None,
            taken: Arc::default(),
            buffer: Vec::new(),
            start: 0,
            offset: 0,
            ended: false,
            follow: false,
            damage: None,
        }
    }

    fn skip_to(&mut self, offset: u64) -> io::Result<()> {
        while self.offset < offset {
            if self.data().is_empty() && self.fill()? == 0 {
                return Err(beyond(offset, self.offset));
            }
            let step = usize::try_from(offset - self.offset).unwrap_or(usize::MAX).min(self.data().len());
            self.consume(step);
        }
        Ok(())
    }

    /// Bytes that are there, from [`Self::offset`] on.
    pub(super) fn data(&self) -> &[u8] {
        &self.buffer[self.start..]
    }

    /// Offset of the first byte of [`Self::data`] in the decompressed file.
    pub(super) const fn offset(&self) -> u64 {
        self.offset
    }

    pub(super) const fn compression(&self) -> Compression {
        self.compression
    }

    /// Bytes taken from disk since the last call.
    pub(super) fn bytes_taken(&self) -> u64 {
        self.taken.swap(0, Ordering::Relaxed)
    }

    /// Whether the end was reached: nothing will follow [`Self::data`].
    pub(super) const fn ended(&self) -> bool {
        self.ended
    }

    pub(super) fn consume(&mut self, bytes: usize) {
        self.start += bytes;
        self.offset += bytes as u64;
    }

    /// Reads at least one byte if there is one; asks for as many as there are, so that a long
    /// record is looked through a bounded number of times. 0 at the end (of a file that is
    /// followed: for now).
    pub(super) fn fill(&mut self) -> io::Result<usize> {
        if self.ended {
            return Ok(0);
        }
        self.buffer.drain(..self.start);
        self.start = 0;
        let held = self.buffer.len();
        self.buffer.resize(held + held.max(CHUNK), 0);
        let read = loop {
            match self.reader.read(&mut self.buffer[held..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other,
            }
        };
        self.buffer.truncate(held + *read.as_ref().unwrap_or(&0));
        match read {
            Ok(0) => {
                self.ended = !self.follow;
                Ok(0)
            }
            Ok(read) => Ok(read),
            Err(error) if self.compression == Compression::None => Err(error),
            Err(error) => {
                self.damage =
                    Some(format!("the {} stream is broken off or damaged: {error}", self.compression.name()));
                self.ended = true;
                Ok(0)
            }
        }
    }

    /// The file that was followed will not grow any more.
    pub(super) const fn stop_following(&mut self) {
        self.follow = false;
    }
}
