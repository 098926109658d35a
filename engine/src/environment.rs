//! Where rounds come from and where commands go.

use theriac_contract::{Command, Completion, Noticed, Reject, SourceError, Telemetry, Timestamp};

/// What came in at once.
#[derive(Clone, Debug, Default)]
pub struct Round {
    /// Telemetry in the order of its source.
    pub telemetry: Vec<Telemetry>,
    /// Input that could not be read.
    pub rejects: Vec<Reject>,
    /// What the detection of all shards noticed, where the environment joins it.
    pub noticed: Vec<Noticed>,
    /// Answers of executors.
    pub completions: Vec<Completion>,
    /// Event time that has been reached whether or not telemetry says so; none in a replay
    /// of the past, where telemetry alone moves time.
    pub reached: Option<Timestamp>,
    /// Whether telemetry has stopped coming in, or comes again: other shards do not wait for the
    /// detection of one that has nothing to read.
    pub quiet: Option<bool>,
    /// No telemetry will follow: everything may be sealed.
    pub end: bool,
    /// Bytes of input that were read, for progress.
    pub bytes: u64,
}

/// What an environment has to say.
#[derive(Debug)]
pub enum Next {
    /// A round.
    Round(Round),
    /// Nothing now; it has waited a little.
    Idle,
    /// There will be no more rounds.
    End,
}

/// What of the rounds after a position can be had again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeatable {
    /// All of them, by restoring a state and calling [`Environment::next`], with the same
    /// commands dispatched in between.
    Rounds,
    /// Their telemetry, from the input's own log, by [`Environment::again`]. Answers and time are
    /// kept in the journal.
    Telemetry,
    /// Nothing: the driver keeps telemetry in a topic of its own.
    Nothing,
}

/// The environment cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum EnvironmentError {
    /// A source failed.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// A stored position or state is of another environment.
    #[error("the data folder was written with other input: {0}")]
    Foreign(String),
}

/// The world outside the loop: files being replayed, a simulator, or live sources with
/// real executors.
pub trait Environment {
    /// The next round.
    ///
    /// # Errors
    /// If a source as a whole fails.
    fn next(&mut self) -> Result<Next, EnvironmentError>;

    /// Sends commands; called only once their intents are durable.
    fn dispatch(&mut self, commands: &[Command]);

    /// Where it is, as one short line of JSON; kept with every round.
    fn position(&self) -> String;

    /// Goes to a position that [`Environment::position`] gave.
    ///
    /// # Errors
    /// If it is a position of another environment.
    fn seek(&mut self, position: &str) -> Result<(), EnvironmentError>;

    /// All that is needed to go on from here, as JSON; kept with every checkpoint.
    fn state(&self) -> String {
        self.position()
    }

    /// Takes over a state that [`Environment::state`] gave.
    ///
    /// # Errors
    /// If it is the state of another environment.
    fn restore(&mut self, state: &str) -> Result<(), EnvironmentError> {
        self.seek(state)
    }

    /// Whether what detection notices comes back with later rounds, joined with what other shards
    /// noticed. If not, the loop is the only one.
    fn joins_shards(&self) -> bool {
        false
    }

    /// What of the rounds after a checkpoint can be had again. What cannot, the driver keeps in
    /// the topics `telemetry` and `journal`.
    fn repeatable(&self) -> Repeatable;

    /// The telemetry, rejects and joined ticks of the round that led from the present position to `position`,
    /// once more. Called where telemetry is [`Repeatable::Telemetry`] only.
    ///
    /// # Errors
    /// If it cannot be had any more.
    fn again(&mut self, position: &str) -> Result<Round, EnvironmentError> {
        Err(EnvironmentError::Foreign(format!("what was read up to `{position}` cannot be read again")))
    }
}
