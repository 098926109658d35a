//! Live sources and real executors. Rounds cannot be had again, so the driver keeps them.

use std::{sync::Arc, thread, time::Duration};

use anyhow::Result;
use theriac_connectors::{
    executor::{self, Clock, Pool},
    host::Host,
    read::{self, FileSettings},
};
use theriac_contract::{Command, Fetch, Interval, Source, Timestamp};
use theriac_engine::{Environment, EnvironmentError, Next, Repeatable, Round};

use super::ROUND_BYTES;
use crate::{
    config::{ClockConfig, Config, SourceConfig},
    output::note,
};

/// How long to wait before asking idle sources again.
const PATIENCE: Duration = Duration::from_millis(50);
/// With nothing coming in, how often time alone makes a round.
const HEARTBEAT: Interval = Interval::from_seconds(1);

/// What runs under `theriac run` and `theriac watch`.
pub(crate) struct Live {
    sources: Vec<(Box<dyn Source>, bool)>,
    pool: Pool,
    clock: Clock,
    wall: bool,
    until_end: bool,
    last_round: Timestamp,
    ended: bool,
}

impl Live {
    /// Opens sources and executors of a configuration. With `until_end`, files are read to
    /// their ends and no further.
    pub(crate) fn open(config: &Config, clock: Clock, until_end: bool) -> Result<Self> {
        let mut sources: Vec<Box<dyn Source>> = Vec::new();
        for source in &config.sources {
            sources.push(match source {
                SourceConfig::File(settings) => {
                    read::open(&FileSettings { follow: !until_end, ..settings.clone() })?
                }
                SourceConfig::Host(settings) => Box::new(Host::new(settings.clone(), Arc::clone(&clock))?),
            });
        }
        Self::with_sources(config, sources, clock, until_end)
    }

    /// The same with sources that are already open.
    pub(crate) fn with_sources(
        config: &Config,
        sources: Vec<Box<dyn Source>>,
        clock: Clock,
        until_end: bool,
    ) -> Result<Self> {
        let executor = Arc::from(executor::build(&config.act, config.kafka.as_ref(), &clock)?);
        Ok(Self {
            sources: sources.into_iter().map(|source| (source, false)).collect(),
            pool: Pool::new(&config.act.pool, executor, Arc::clone(&clock)),
            clock,
            wall: config.clock == ClockConfig::Wall,
            until_end,
            last_round: Timestamp::MIN,
            ended: false,
        })
    }
}

impl Live {
    /// The positions of the sources in one of the whole.
    fn positions(&self, position: &str) -> Result<Vec<String>, EnvironmentError> {
        let positions: Vec<String> =
            serde_json::from_str(position).map_err(|e| EnvironmentError::Foreign(e.to_string()))?;
        if positions.len() != self.sources.len() {
            let text = format!("it had {} sources, there are {}", positions.len(), self.sources.len());
            return Err(EnvironmentError::Foreign(text));
        }
        Ok(positions)
    }
}

impl Environment for Live {
    fn next(&mut self) -> Result<Next, EnvironmentError> {
        if self.ended {
            return Ok(Next::End);
        }
        let mut round = Round { completions: self.pool.completions(), ..Round::default() };
        let mut quiet = true;
        for (source, ended) in self.sources.iter_mut().filter(|(_, ended)| !ended) {
            let fetched = source.fetch(ROUND_BYTES);
            for notice in source.notices() {
                note!("{notice}");
            }
            match fetched? {
                Fetch::Batch(fetched) => {
                    quiet = false;
                    round.telemetry.extend(fetched.telemetry);
                    round.rejects.extend(fetched.rejects);
                    round.bytes += fetched.bytes;
                }
                Fetch::Idle => {}
                Fetch::End => *ended = true,
            }
        }
        let now = (self.clock)();
        if quiet && self.until_end && self.sources.iter().all(|(_, ended)| *ended) {
            self.ended = true;
            round.end = true;
            return Ok(Next::Round(round));
        }
        // The clock moves time only when everything that was said has been heard: files
        // may hold the past.
        if quiet && self.wall {
            round.reached = Some(now);
        }
        let nothing = quiet && round.completions.is_empty();
        if nothing && now.since(self.last_round) < HEARTBEAT {
            thread::sleep(PATIENCE);
            return Ok(Next::Idle);
        }
        self.last_round = now;
        Ok(Next::Round(round))
    }

    fn dispatch(&mut self, commands: &[Command]) {
        for command in commands {
            self.pool.submit(command.clone());
        }
    }

    fn position(&self) -> String {
        let positions: Vec<String> = self.sources.iter().map(|(source, _)| source.position()).collect();
        serde_json::to_string(&positions).unwrap_or_default()
    }

    fn seek(&mut self, position: &str) -> Result<(), EnvironmentError> {
        let positions = self.positions(position)?;
        for ((source, ended), position) in self.sources.iter_mut().zip(positions) {
            source.seek(&position)?;
            *ended = false;
        }
        Ok(())
    }

    fn repeatable(&self) -> Repeatable {
        if self.sources.iter().all(|(source, _)| source.repeatable()) {
            Repeatable::Telemetry
        } else {
            Repeatable::Nothing
        }
    }

    fn again(&mut self, position: &str) -> Result<Round, EnvironmentError> {
        let positions = self.positions(position)?;
        let mut round = Round::default();
        for ((source, _), position) in self.sources.iter_mut().zip(positions) {
            let fetched = source.again(&position)?;
            round.telemetry.extend(fetched.telemetry);
            round.rejects.extend(fetched.rejects);
            round.bytes += fetched.bytes;
        }
        Ok(round)
    }
}
