//! Where rounds come from and where commands go.

use theriac_contract::{Command, Completion, Reject, SourceError, Telemetry, Timestamp};

/// What came in at once.
#[derive(Clone, Debug, Default)]
pub struct Round {
    /// Telemetry in the order of its source.
    pub telemetry: Vec<Telemetry>,
    /// Input that could not be read.
    pub rejects: Vec<Reject>,
    /// Answers of executors.
    pub completions: Vec<Completion>,
    /// Event time that has been reached whether or not telemetry says so; none in a replay
    /// of the past, where telemetry alone moves time.
    pub reached: Option<Timestamp>,
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

    /// Whether the rounds after a checkpoint can be had again by restoring its state and
    /// calling [`Environment::next`] (with the same commands dispatched in between). If
    /// not, the driver keeps the rounds themselves in the topics `telemetry` and `journal`.
    fn repeatable(&self) -> bool;
}
