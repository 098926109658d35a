//! Files as one source.

use std::path::Path;

use serde::{Deserialize, Serialize};
use theriac_contract::{Fetch, Source, SourceError};

use super::{
    parquet::ParquetFile,
    records::{Place, RecordFile, Step},
    settings::{FileSettings, Format},
    stream::Origin,
};

enum Reader {
    Records(Box<RecordFile>),
    Parquet(Box<ParquetFile>),
}

struct Slot {
    origin: Origin,
    place: Place,
    reader: Option<Reader>,
}

/// Files in the order of their names, one after another; all at once if they are followed.
pub(super) struct FileSource {
    settings: FileSettings,
    slots: Vec<Slot>,
    /// Not followed: the file that is being read. Followed: whose turn it is.
    turn: usize,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Position {
    /// File that is being read, or whose turn it is; the number of files at the end.
    file: usize,
    /// Its place; of all files if they are followed.
    places: Vec<Place>,
}

impl FileSource {
    pub(super) fn new(origins: Vec<Origin>, settings: FileSettings) -> Self {
        let slot = |origin: Origin| {
            let place = Place { path: origin.name(), ..Place::default() };
            Slot { origin, place, reader: None }
        };
        Self { settings, slots: origins.into_iter().map(slot).collect(), turn: 0 }
    }

    fn open(&mut self, index: usize) -> Result<&mut Reader, SourceError> {
        let slot = &mut self.slots[index];
        let reader = match slot.reader.take() {
            Some(reader) => reader,
            None => {
                let mut settings = self.settings.clone();
                if let Some(key) = &settings.file_attribute {
                    let name = slot.origin.name();
                    let file = Path::new(&name).file_name().map(|name| name.to_string_lossy().into_owned());
                    let file = file.unwrap_or(name);
                    let stem = file.split_once('.').map_or(file.as_str(), |(stem, _)| stem);
                    settings.resource.insert(key.clone(), stem.into());
                }
                let parquet = match settings.format {
                    Format::Parquet => true,
                    Format::Auto => is_parquet(&slot.origin)
                        .map_err(|source| SourceError::Io { origin: slot.origin.name(), source })?,
                    _ => false,
                };
                let (origin, place) = (slot.origin.clone(), slot.place.clone());
                if parquet && !settings.follow {
                    Reader::Parquet(Box::new(ParquetFile::open(origin, settings, place)?))
                } else {
                    Reader::Records(Box::new(RecordFile::open(origin, settings, place)?))
                }
            }
        };
        Ok(slot.reader.insert(reader))
    }

    fn step(&mut self, index: usize, bytes_max: usize) -> Result<Step, SourceError> {
        let reader = self.open(index)?;
        let (step, place) = match reader {
            Reader::Records(file) => {
                let step = file.read(bytes_max);
                (step?, file.place())
            }
            Reader::Parquet(file) => {
                let step = file.read(bytes_max);
                (step?, file.place())
            }
        };
        self.slots[index].place = place;
        Ok(step)
    }
}

fn is_parquet(origin: &Origin) -> std::io::Result<bool> {
    use std::io::Read;
    let mut magic = Vec::new();
    match origin {
        Origin::Path(path) => drop(std::fs::File::open(path)?.take(4).read_to_end(&mut magic)?),
        Origin::Memory(_, bytes) => magic.extend_from_slice(&bytes[..bytes.len().min(4)]),
    }
    Ok(magic == b"PAR1")
}

impl Source for FileSource {
    fn name(&self) -> &str {
        &self.settings.name
    }

    fn fetch(&mut self, bytes_max: usize) -> Result<Fetch, SourceError> {
        if self.settings.follow {
            for _ in 0..self.slots.len() {
                let index = self.turn % self.slots.len();
                self.turn = (index + 1) % self.slots.len();
                if let Step::Some(fetched) = self.step(index, bytes_max)? {
                    return Ok(Fetch::Batch(fetched));
                }
            }
            return Ok(Fetch::Idle);
        }
        while self.turn < self.slots.len() {
            if let Step::Some(fetched) = self.step(self.turn, bytes_max)? {
                return Ok(Fetch::Batch(fetched));
            }
            self.slots[self.turn].reader = None;
            self.turn += 1;
        }
        Ok(Fetch::End)
    }

    fn position(&self) -> String {
        let places = if self.settings.follow {
            self.slots.iter().map(|slot| slot.place.clone()).collect()
        } else {
            self.slots.get(self.turn).map(|slot| slot.place.clone()).into_iter().collect()
        };
        serde_json::to_string(&Position { file: self.turn, places }).unwrap_or_default()
    }

    fn seek(&mut self, position: &str) -> Result<(), SourceError> {
        let fail = |reason: String| SourceError::Unreadable { origin: self.settings.name.clone(), reason };
        let Position { file, places } = serde_json::from_str(position)
            .map_err(|error| fail(format!("`{position}` is no position in files: {error}")))?;
        if file > self.slots.len()
            || (!self.settings.follow && places.is_empty() != (file == self.slots.len()))
        {
            return Err(fail(format!(
                "the position names file {file} of {}: files were removed",
                self.slots.len()
            )));
        }
        if !self.settings.follow
            && file < self.slots.len()
            && places[0].path != self.slots[file].origin.name()
        {
            return Err(fail(format!(
                "the position lies in {}, where {} is now: the list of files has changed",
                places[0].path,
                self.slots[file].origin.name()
            )));
        }
        if let Some(place) =
            places.iter().find(|place| !self.slots.iter().any(|slot| slot.origin.name() == place.path))
        {
            return Err(fail(format!("the position lies in {}, which is not among the files", place.path)));
        }
        for slot in &mut self.slots {
            slot.reader = None;
            let known = places.iter().find(|place| place.path == slot.origin.name()).cloned();
            slot.place = known.unwrap_or_else(|| Place { path: slot.origin.name(), ..Place::default() });
        }
        self.turn = file;
        // Opens now, so that a place that does not exist any more is said here.
        if !self.settings.follow
            && file < self.slots.len()
            && self.slots[file].place != (Place { path: self.slots[file].origin.name(), ..Place::default() })
        {
            self.open(file)?;
        }
        Ok(())
    }

    fn bytes_total(&self) -> Option<u64> {
        if self.settings.follow {
            return None;
        }
        self.slots.iter().map(|slot| slot.origin.size().ok()).sum()
    }
}
