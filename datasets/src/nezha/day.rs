//! The source of one day: all its files, merged in the order of event time.
//!
//! Event time is cut into windows of [`WINDOW`]. In each, the rows of all open files are
//! given as points, then logs, then spans, each in the order of time, so that no signal runs
//! ahead of another by more than a window. A minute file is opened when the windows come
//! within two minutes of its name. What a window holds depends on the files alone, so its
//! number is all that a position needs.

use std::collections::{BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};
use theriac_contract::{Fetch, Fetched, Interval, Source, SourceError, Timestamp};

use super::{
    file::{InputFile, Item, Signal},
    row::{Batches, Row},
};

/// Shorter than the time that late rows are usually waited for (five seconds).
const WINDOW: Interval = Interval::from_seconds(2);
/// Neighbouring files repeat rows of each other. Files of one signal that are named after
/// minutes further apart than this do not.
const NEIGHBOURS: Interval = Interval::from_seconds(300);
/// Rows of one batch at most.
const BATCH_ROWS_MAX: usize = 8192;

/// A day of a data set.
pub(super) struct Day {
    name: String,
    day: String,
    /// In the order of [`InputFile::opens`].
    files: Vec<InputFile>,
    /// The next file to open.
    next: usize,
    open: Vec<OpenFile>,
    /// Rows of the latest files, for leaving out what their neighbours repeat.
    seen: Vec<Seen>,
    /// The first window that was not given yet.
    window: i64,
}

/// Rows of a file that were not given yet.
struct OpenFile {
    signal: Signal,
    rows: VecDeque<Row>,
}

struct Seen {
    signal: Signal,
    at: Timestamp,
    fingerprints: BTreeSet<[u8; 16]>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Position {
    day: String,
    files: usize,
    bytes: u64,
    window: i64,
}

const fn window_of(time: Timestamp) -> i64 {
    time.0.div_euclid(WINDOW.0)
}

impl Day {
    /// A day at its beginning. `files` are in the order of their times.
    pub(super) fn new(day: &str, start: Timestamp, mut files: Vec<InputFile>) -> Self {
        files.sort_by_key(InputFile::opens);
        let window = files.first().map_or(start, InputFile::opens);
        Self {
            name: format!("nezha {day}"),
            day: day.to_owned(),
            files,
            next: 0,
            open: Vec::new(),
            seen: Vec::new(),
            window: window_of(window),
        }
    }

    fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    /// The next window in which something happens; none at the end.
    fn next_window(&self) -> Option<i64> {
        let opens = self.files.get(self.next).map(|file| window_of(file.opens()));
        let rows = self.open.iter().filter_map(|file| file.rows.front()).map(|row| window_of(row.time));
        rows.chain(opens).min().map(|window| window.max(self.window))
    }

    /// Takes in a file that was read, without what its neighbours had.
    fn take_in(&mut self, index: usize, items: Vec<Item>, fetched: &mut Fetched) {
        let file = &self.files[index];
        let (signal, at) = (file.signal, file.at);
        self.seen.retain(|seen| seen.signal != signal || at.since(seen.at) <= NEIGHBOURS);
        let mut rows = Vec::with_capacity(items.len());
        let mut fingerprints = BTreeSet::new();
        for item in items {
            if let Some(fingerprint) = item.fingerprint {
                let mut others = self.seen.iter().filter(|seen| seen.signal == signal);
                fingerprints.insert(fingerprint);
                if others.any(|seen| seen.fingerprints.contains(&fingerprint)) {
                    continue;
                }
            }
            match item.row {
                Ok(row) => rows.push(row),
                Err(reject) => fetched.rejects.push(reject),
            }
        }
        rows.sort_by_key(|row| row.time);
        self.seen.push(Seen { signal, at, fingerprints });
        self.open.push(OpenFile { signal, rows: rows.into() });
        fetched.bytes += file.bytes;
    }

    /// Opens what is due in a window.
    fn open_due(&mut self, window: i64, fetched: &mut Fetched) -> Result<(), SourceError> {
        let due = self.files[self.next..].iter().take_while(|file| window_of(file.opens()) <= window);
        // All or nothing: if one cannot be read, the window is not begun.
        let read: Vec<Vec<Item>> = due.map(InputFile::read).collect::<Result<_, _>>()?;
        for items in read {
            self.take_in(self.next, items, fetched);
            self.next += 1;
        }
        Ok(())
    }

    /// Gives the rows of a window, with those before it of a file that opened in it. Returns
    /// their size as text.
    fn give(&mut self, window: i64, batches: &mut Batches) -> usize {
        let mut size = 0;
        for signal in Signal::ALL {
            let mut rows: Vec<Row> = Vec::new();
            for file in self.open.iter_mut().filter(|file| file.signal == signal) {
                let count = file.rows.partition_point(|row| window_of(row.time) <= window);
                rows.extend(file.rows.drain(..count));
            }
            rows.sort_by_key(|row| row.time);
            for row in &rows {
                size += row.size;
                batches.push(row, BATCH_ROWS_MAX);
            }
            batches.cut();
        }
        self.open.retain(|file| !file.rows.is_empty());
        size
    }

    /// Puts everything as it is when the windows before this one have been given.
    fn go_to(&mut self, window: i64) -> Result<(), SourceError> {
        self.window = window;
        self.next = self.files.partition_point(|file| window_of(file.opens()) < window);
        self.open.clear();
        self.seen.clear();
        for index in 0..self.next {
            let file = &self.files[index];
            // A row that is left to give is in reach of every file that has it.
            if window_of(file.closes()) < window {
                continue;
            }
            let items = file.read()?;
            self.take_in(index, items, &mut Fetched::default());
        }
        for file in &mut self.open {
            let count = file.rows.partition_point(|row| window_of(row.time) < window);
            file.rows.drain(..count);
        }
        self.open.retain(|file| !file.rows.is_empty());
        Ok(())
    }
}

impl Source for Day {
    fn name(&self) -> &str {
        &self.name
    }

    fn fetch(&mut self, bytes_max: usize) -> Result<Fetch, SourceError> {
        let mut fetched = Fetched::default();
        let mut batches = Batches::default();
        let mut size = 0;
        let mut any = false;
        while let Some(window) = self.next_window() {
            let rejected = fetched.rejects.len();
            match self.open_due(window, &mut fetched) {
                Ok(()) => {
                    size += fetched.rejects[rejected..].iter().map(|reject| reject.bytes.len()).sum::<usize>()
                }
                // What was read before is given first; the next fetch meets the error again.
                Err(_) if any => break,
                Err(error) => return Err(error),
            }
            size += self.give(window, &mut batches);
            self.window = window + 1;
            any |= size > 0 || !fetched.rejects.is_empty();
            if size >= bytes_max.max(1) {
                break;
            }
        }
        fetched.telemetry = batches.take();
        Ok(if any { Fetch::Batch(fetched) } else { Fetch::End })
    }

    fn position(&self) -> String {
        let (files, bytes) = (self.files.len(), self.bytes());
        let position = Position { day: self.day.clone(), files, bytes, window: self.window };
        serde_json::to_string(&position).unwrap_or_default()
    }

    fn seek(&mut self, position: &str) -> Result<(), SourceError> {
        let unreadable = |reason| SourceError::Unreadable { origin: self.name.clone(), reason };
        let position: Position = serde_json::from_str(position)
            .map_err(|error| unreadable(format!("`{position}` is no position: {error}")))?;
        if position.day != self.day {
            return Err(unreadable(format!("the position is of the day {}", position.day)));
        }
        if (position.files, position.bytes) != (self.files.len(), self.bytes()) {
            return Err(unreadable(format!(
                "the position was taken in {} files of {} bytes, now there are {} of {}; put back the files or begin anew",
                position.files,
                position.bytes,
                self.files.len(),
                self.bytes()
            )));
        }
        self.go_to(position.window)
    }

    fn bytes_total(&self) -> Option<u64> {
        Some(self.bytes())
    }
}
