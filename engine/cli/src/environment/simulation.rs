//! A simulated fleet: its telemetry goes through the real decoder, commands change it.

use theriac_connectors::decode::{Rows, otlp_json};
use theriac_contract::{Command, Completion, Interval, Reject, Timestamp, Verdict};
use theriac_datasets::simulator::World;
use theriac_engine::{Environment, EnvironmentError, Next, Repeatable, Round};

/// The simulator as an environment: one round for each step of simulated time.
pub(crate) struct Simulation {
    /// The fleet.
    pub(crate) world: World,
    /// As if what it says could not be had again: the driver then keeps it.
    pub(crate) live: bool,
    step: Interval,
    horizon: Timestamp,
    told: Vec<Completion>,
    ended: bool,
}

impl Simulation {
    pub(crate) fn new(world: World, step: Interval, horizon: Timestamp) -> Self {
        Self { world, live: false, step, horizon, told: Vec::new(), ended: false }
    }
}

impl Environment for Simulation {
    fn next(&mut self) -> Result<Next, EnvironmentError> {
        if self.ended {
            return Ok(Next::End);
        }
        let to = self.world.now().plus(self.step).min(self.horizon);
        let emitted = self.world.advance(to);
        self.ended = to >= self.horizon;
        let completions = self.told.drain(..).chain(emitted.completions).collect();
        let mut round = Round { completions, reached: Some(to), end: self.ended, ..Round::default() };
        let mut rows = Rows::default();
        for line in &emitted.otlp {
            round.bytes += line.len() as u64;
            if let Err(error) = otlp_json::decode(line.as_bytes(), &mut rows) {
                round.rejects.push(Reject {
                    origin: "simulator".to_owned(),
                    reason: error.to_string(),
                    bytes: line.clone().into_bytes(),
                    ..Reject::default()
                });
            }
        }
        round.telemetry = rows.take();
        Ok(Next::Round(round))
    }

    fn dispatch(&mut self, commands: &[Command]) {
        for command in commands {
            if command.action.verb == "notify" {
                // There is nobody in the simulation; being told always succeeds.
                self.told.push(Completion {
                    attempt_key: command.attempt_key(),
                    at: command.issued,
                    executor: "simulator".to_owned(),
                    verdict: Verdict::Succeeded,
                    detail: "a person was told".to_owned(),
                });
            } else {
                self.world.apply(command);
            }
        }
    }

    fn position(&self) -> String {
        serde_json::json!({ "simulated_to": self.world.now() }).to_string()
    }

    fn seek(&mut self, position: &str) -> Result<(), EnvironmentError> {
        Err(EnvironmentError::Foreign(format!(
            "a simulation is restored from its state, not from {position}"
        )))
    }

    fn state(&self) -> String {
        serde_json::json!({ "world": self.world, "told": self.told, "ended": self.ended }).to_string()
    }

    fn restore(&mut self, state: &str) -> Result<(), EnvironmentError> {
        let foreign = |e: serde_json::Error| EnvironmentError::Foreign(e.to_string());
        let mut stored: serde_json::Value = serde_json::from_str(state).map_err(foreign)?;
        self.world = serde_json::from_value(stored["world"].take()).map_err(foreign)?;
        self.told = serde_json::from_value(stored["told"].take()).map_err(foreign)?;
        self.ended = stored["ended"].as_bool().unwrap_or_default();
        Ok(())
    }

    fn repeatable(&self) -> Repeatable {
        if self.live { Repeatable::Nothing } else { Repeatable::Rounds }
    }
}
