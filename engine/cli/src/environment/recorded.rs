//! The rounds of a live run once more, as its folder keeps them. What executors answered then
//! was about other plans; commands are answered as dry runs, as in every replay.

use std::path::Path;

use anyhow::Result;
use theriac_connectors::topics::Embedded;
use theriac_contract::{Command, Completion, SourceError, Topic, Topics};
use theriac_engine::{Environment, EnvironmentError, Next, Repeatable, journal::Entry};

use super::replay::dry_run;
use crate::{output::Wrong, wiring};

/// Rounds from the topics `journal` and `telemetry` of a folder.
pub(crate) struct Recorded {
    origin: String,
    topics: Embedded,
    /// Tells recordings apart: a digest of the first entry.
    recording: String,
    /// Offset of the next entry.
    next: u64,
    answers: Vec<Completion>,
}

impl Recorded {
    /// Opens the folder of `theriac run` or `theriac watch --record`.
    pub(crate) fn open(folder: &Path) -> Result<Self> {
        let origin = folder.display().to_string();
        let wrong = |text: String| Wrong(format!("{origin} {text}"));
        let stored = wiring::topics_folder(folder);
        if !stored.is_dir() {
            let text = "is no recorded folder: name one that `theriac run` or `theriac watch --record` wrote";
            return Err(wrong(text.to_owned()).into());
        }
        let topics =
            Embedded::open_to_read(&stored).map_err(|error| wrong(format!("cannot be read: {error}")))?;
        if topics.end(Topic::Journal, 0) == 0 {
            return Err(wrong("holds no round yet: nothing was recorded".to_owned()).into());
        }
        if topics.end(Topic::Telemetry, 0) == 0 {
            let text = "holds no telemetry: a replay or a demo keeps none, as its input can be read again; \
                        replay that input instead";
            return Err(wrong(text.to_owned()).into());
        }
        let kept = (topics.start(Topic::Journal, 0), topics.start(Topic::Telemetry, 0));
        if kept != (0, 0) {
            let text = "does not begin with its first round any more: retention has removed the oldest telemetry; \
                        raise `retention_bytes` and `retention_age` of `topics` before recording";
            return Err(wrong(text.to_owned()).into());
        }
        let first = topics.read(Topic::Journal, 0, 0, 1)?.remove(0);
        let recording = blake3::hash(&first.record.value).to_hex()[..16].to_owned();
        Ok(Self { origin, topics, recording, next: 0, answers: Vec::new() })
    }
}

impl Environment for Recorded {
    fn next(&mut self) -> Result<Next, EnvironmentError> {
        if self.next >= self.topics.end(Topic::Journal, 0) {
            return Ok(Next::End);
        }
        let read = Entry::read(&self.topics, self.next).and_then(|entry| entry.round(&self.topics));
        let mut round = read.map_err(|error| SourceError::Unreadable {
            origin: self.origin.clone(),
            reason: error.to_string(),
        })?;
        round.completions = std::mem::take(&mut self.answers);
        self.next += 1;
        Ok(Next::Round(round))
    }

    fn dispatch(&mut self, commands: &[Command]) {
        self.answers.extend(commands.iter().map(dry_run));
    }

    fn position(&self) -> String {
        serde_json::json!({ "recording": self.recording, "next": self.next, "answers": self.answers })
            .to_string()
    }

    fn seek(&mut self, position: &str) -> Result<(), EnvironmentError> {
        let foreign = |reason: String| EnvironmentError::Foreign(reason);
        let mut stored: serde_json::Value =
            serde_json::from_str(position).map_err(|e| foreign(e.to_string()))?;
        if stored["recording"] != self.recording.as_str() {
            return Err(foreign(format!("it was no replay of what was recorded in {}", self.origin)));
        }
        self.next = stored["next"].as_u64().ok_or_else(|| foreign(format!("{position} has no `next`")))?;
        self.answers =
            serde_json::from_value(stored["answers"].take()).map_err(|e| foreign(e.to_string()))?;
        Ok(())
    }

    fn repeatable(&self) -> Repeatable {
        Repeatable::Rounds
    }
}
