//! Standard input, line by line, as a source of log records.

use std::{
    io::BufRead,
    sync::mpsc::{Receiver, TryRecvError, sync_channel},
    thread,
};

use theriac_connectors::{
    executor::Clock,
    read::{self, FileSettings, Format},
};
use theriac_contract::{Fetch, Interval, Source, SourceError};

const NAME: &str = "stdin";
/// Lines that wait at most; whoever writes then waits, too.
const WAITING_MAX: usize = 10_000;

/// Lines of standard input. One without a time of its own happened when it was read.
pub(super) struct Lines {
    waiting: Receiver<Vec<u8>>,
    clock: Clock,
    lines: u64,
}

impl Lines {
    /// Begins to read.
    pub(super) fn new(clock: Clock) -> Self {
        let (sender, waiting) = sync_channel(WAITING_MAX);
        thread::spawn(move || {
            let mut input = std::io::stdin().lock();
            loop {
                let mut line = Vec::new();
                match input.read_until(b'\n', &mut line) {
                    Ok(length) if length > 0 && sender.send(line).is_ok() => {}
                    _ => break,
                }
            }
        });
        Self { waiting, clock, lines: 0 }
    }
}

impl Source for Lines {
    fn name(&self) -> &str {
        NAME
    }

    fn fetch(&mut self, bytes_max: usize) -> Result<Fetch, SourceError> {
        let mut bytes = Vec::new();
        while bytes.len() < bytes_max {
            match self.waiting.try_recv() {
                Ok(line) => {
                    bytes.extend(line);
                    self.lines += 1;
                }
                Err(TryRecvError::Empty) if bytes.is_empty() => return Ok(Fetch::Idle),
                Err(TryRecvError::Disconnected) if bytes.is_empty() => return Ok(Fetch::End),
                Err(_) => break,
            }
        }
        let settings = FileSettings {
            format: Format::Text,
            start: Some((self.clock)()),
            step: Some(Interval(0)),
            resource: [("service.name".to_owned(), NAME.into())].into(),
            ..FileSettings::default()
        };
        read::from_bytes(NAME, bytes, &settings).fetch(usize::MAX)
    }

    fn position(&self) -> String {
        self.lines.to_string()
    }

    fn seek(&mut self, position: &str) -> Result<(), SourceError> {
        // What was read from a pipe is gone; only the count goes on.
        self.lines = position.parse().map_err(|_| SourceError::Unreadable {
            origin: NAME.to_owned(),
            reason: format!("position `{position}` is not a number of lines"),
        })?;
        Ok(())
    }

    fn bytes_total(&self) -> Option<u64> {
        None
    }
}
