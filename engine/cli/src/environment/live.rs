//! Live sources and real executors. Rounds cannot be had again, so the driver keeps them.

use std::{sync::Arc, thread, time::Duration};

use anyhow::Result;
use theriac_connectors::{
    executor::{self, Clock, Pool},
    host::Host,
    read::{self, FileSettings},
};
use theriac_contract::{Command, Fetch, Gather, Interval, Source, Timestamp};
use theriac_engine::{Environment, EnvironmentError, Next, PART, Repeatable, Round};

use super::ROUND_BYTES;
use crate::config::{ClockConfig, Config, SourceConfig};

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
    shards: Option<Shards>,
    last_round: Timestamp,
    /// All sources have ended, and the stages know.
    ended: bool,
}

/// The other shards of a fleet, and what they are told of this one.
struct Shards {
    gather: Box<dyn Gather>,
    /// After so long without telemetry this shard is quiet.
    quiet_after: Interval,
    quiet: bool,
    /// When telemetry came in last.
    heard: Timestamp,
}

impl Shards {
    /// Whether telemetry stopped coming in or came again, if that is news.
    fn news(&mut self, idle: bool, now: Timestamp) -> Option<bool> {
        if !idle {
            self.heard = now;
        }
        let quiet = idle && now.since(self.heard) >= self.quiet_after;
        (std::mem::replace(&mut self.quiet, quiet) != quiet).then_some(quiet)
    }
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
            shards: None,
            last_round: Timestamp::MIN,
            ended: false,
        })
    }
}

impl Live {
    /// Joins what detection notices with what other shards notice.
    #[cfg_attr(not(feature = "kafka"), expect(dead_code, reason = "only a fleet on Kafka has shards"))]
    pub(crate) fn among_shards(self, gather: Box<dyn Gather>, quiet_after: Interval) -> Self {
        let heard = (self.clock)();
        Self { shards: Some(Shards { gather, quiet_after, quiet: false, heard }), ..self }
    }

    /// The positions of the sources, and among shards, in one of the whole.
    fn positions(&self, position: &str) -> Result<(Vec<String>, Option<String>), EnvironmentError> {
        let mut positions: Vec<String> =
            serde_json::from_str(position).map_err(|e| EnvironmentError::Foreign(e.to_string()))?;
        let shards = usize::from(self.shards.is_some());
        if positions.len() != self.sources.len() + shards {
            let text =
                format!("it had {} sources, there are {}", positions.len(), self.sources.len() + shards);
            return Err(EnvironmentError::Foreign(text));
        }
        let among = self.shards.as_ref().and_then(|_| positions.pop());
        Ok((positions, among))
    }

    /// What all shards have noticed and may be judged.
    fn gather(&mut self, round: &mut Round) -> Result<(), EnvironmentError> {
        let Some(shards) = &mut self.shards else { return Ok(()) };
        round.noticed = shards.gather.fetch()?;
        for notice in shards.gather.notices() {
            tracing::warn!("{notice}");
        }
        Ok(())
    }
}

impl Environment for Live {
    fn next(&mut self) -> Result<Next, EnvironmentError> {
        let through = self.shards.as_ref().is_none_or(|shards| shards.gather.is_through());
        if self.ended && through {
            return Ok(Next::End);
        }
        let mut round = Round { completions: self.pool.completions(), ..Round::default() };
        let mut idle = true;
        for (source, ended) in self.sources.iter_mut().filter(|(_, ended)| !ended) {
            let fetched = tracing::trace_span!(target: PART, "fetch").in_scope(|| source.fetch(ROUND_BYTES));
            for notice in source.notices() {
                tracing::warn!("{notice}");
            }
            match fetched? {
                Fetch::Batch(fetched) => {
                    idle = false;
                    round.telemetry.extend(fetched.telemetry);
                    round.rejects.extend(fetched.rejects);
                    round.bytes += fetched.bytes;
                }
                Fetch::Idle => {}
                Fetch::End => *ended = true,
            }
        }
        self.gather(&mut round)?;
        let now = (self.clock)();
        if !self.ended && idle && self.until_end && self.sources.iter().all(|(_, ended)| *ended) {
            self.ended = true;
            round.end = true;
            return Ok(Next::Round(round));
        }
        // The clock moves time only when everything that was said has been heard: files
        // may hold the past.
        if idle && self.wall {
            round.reached = Some(now);
        }
        round.quiet = self.shards.as_mut().filter(|_| !self.ended).and_then(|shards| shards.news(idle, now));
        let nothing =
            idle && round.completions.is_empty() && round.noticed.is_empty() && round.quiet.is_none();
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
        let sources = self.sources.iter().map(|(source, _)| source.position());
        let shards = self.shards.iter().map(|shards| shards.gather.position());
        serde_json::to_string(&sources.chain(shards).collect::<Vec<_>>()).unwrap_or_default()
    }

    fn seek(&mut self, position: &str) -> Result<(), EnvironmentError> {
        let (positions, among) = self.positions(position)?;
        for ((source, ended), position) in self.sources.iter_mut().zip(positions) {
            source.seek(&position)?;
            *ended = false;
        }
        if let (Some(shards), Some(position)) = (&mut self.shards, among) {
            shards.gather.seek(&position)?;
        }
        Ok(())
    }

    fn joins_shards(&self) -> bool {
        self.shards.is_some()
    }

    fn repeatable(&self) -> Repeatable {
        if self.sources.iter().all(|(source, _)| source.repeatable()) {
            Repeatable::Telemetry
        } else {
            Repeatable::Nothing
        }
    }

    fn again(&mut self, position: &str) -> Result<Round, EnvironmentError> {
        let (positions, among) = self.positions(position)?;
        let mut round = Round::default();
        for ((source, _), position) in self.sources.iter_mut().zip(positions) {
            let fetched = source.again(&position)?;
            round.telemetry.extend(fetched.telemetry);
            round.rejects.extend(fetched.rejects);
            round.bytes += fetched.bytes;
        }
        if let (Some(shards), Some(position)) = (&mut self.shards, among) {
            round.noticed = shards.gather.again(&position)?;
        }
        Ok(round)
    }
}
