//! The past, at full speed. Nothing can be acted upon, so commands are answered as dry
//! runs: an answer says what would have been done, at the time it was asked.

use theriac_contract::{Command, Completion, Fetch, Source, Verdict};
use theriac_engine::{Environment, EnvironmentError, Next, Repeatable, Round};

use super::ROUND_BYTES;
use crate::output::note;

/// A source that ends.
pub(crate) struct Replay {
    source: Box<dyn Source>,
    answers: Vec<Completion>,
    ended: bool,
}

impl Replay {
    pub(crate) fn new(source: Box<dyn Source>) -> Self {
        Self { source, answers: Vec::new(), ended: false }
    }
}

/// The answer to a command in the past: what it would do, in words.
pub(super) fn dry_run(command: &Command) -> Completion {
    let parameters: Vec<String> =
        command.action.parameters.iter().map(|(name, value)| format!(" {name}={value}")).collect();
    Completion {
        attempt_key: command.attempt_key(),
        at: command.issued,
        executor: "replay".to_owned(),
        verdict: Verdict::Succeeded,
        detail: format!("would {} {}{}", command.action.verb, command.action.target, parameters.concat()),
    }
}

impl Environment for Replay {
    fn next(&mut self) -> Result<Next, EnvironmentError> {
        if self.ended {
            return Ok(Next::End);
        }
        let mut round = Round { completions: std::mem::take(&mut self.answers), ..Round::default() };
        let fetched = self.source.fetch(ROUND_BYTES);
        for notice in self.source.notices() {
            note!("{notice}");
        }
        match fetched? {
            Fetch::Batch(fetched) => {
                round.telemetry = fetched.telemetry;
                round.rejects = fetched.rejects;
                round.bytes = fetched.bytes;
            }
            Fetch::Idle | Fetch::End => {
                self.ended = true;
                round.end = true;
            }
        }
        Ok(Next::Round(round))
    }

    fn dispatch(&mut self, commands: &[Command]) {
        self.answers.extend(commands.iter().map(dry_run));
    }

    fn position(&self) -> String {
        let answers = serde_json::to_value(&self.answers).unwrap_or_default();
        serde_json::json!({ "source": self.source.position(), "answers": answers, "ended": self.ended })
            .to_string()
    }

    fn seek(&mut self, position: &str) -> Result<(), EnvironmentError> {
        let foreign = |reason: String| EnvironmentError::Foreign(reason);
        let stored: serde_json::Value = serde_json::from_str(position).map_err(|e| foreign(e.to_string()))?;
        let source =
            stored["source"].as_str().ok_or_else(|| foreign("it was no replay of files".to_owned()))?;
        self.source.seek(source)?;
        self.answers =
            serde_json::from_value(stored["answers"].clone()).map_err(|e| foreign(e.to_string()))?;
        self.ended = stored["ended"].as_bool().unwrap_or_default();
        Ok(())
    }

    fn repeatable(&self) -> Repeatable {
        Repeatable::Rounds
    }
}
