//! Who looks after the fleet: theriac, theriac with a part of it taken away, or one of the policies that
//! know nothing of it.

use std::{fmt, str::FromStr, sync::Arc};

use anyhow::Result;
use theriac_connectors::topics::Memory;
use theriac_contract::{Fact, Interval, ObjectError, Objects, Topic, Topics};
use theriac_datasets::fleet::{
    Setup,
    baseline::{ClusterLike, NaiveRestart, Nothing, Policy, RandomSafe, RestartLoop, Runbook},
    episode::JUDGED,
    score::Event,
};
use theriac_engine::{Driver, Setup as LoopSetup};

use super::{ablation::Ablation, listener::Listener};
use crate::{config::Config, environment::Fleet, wiring};

/// A healer in tables and files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Healer {
    /// The engine as configured.
    Theriac,
    /// The engine without something.
    Without(Ablation),
    /// A policy of the simulator, B0 to B5.
    Baseline(u8),
}

impl Healer {
    /// What it is, for people.
    pub(super) const fn description(self) -> &'static str {
        match self {
            Self::Theriac => "theriac as configured",
            Self::Without(ablation) => ablation.description(),
            Self::Baseline(0) => "nobody acts",
            Self::Baseline(1) => "restarts the service that looks worst",
            Self::Baseline(2) => "what a cluster does by itself",
            Self::Baseline(3) => "a runbook of fixed thresholds",
            Self::Baseline(4) => "restarts everything for ever",
            Self::Baseline(_) => "something at random that is held to be safe",
        }
    }

    /// The policy, if it is one.
    pub(super) fn policy(self, seed: u64) -> Option<Box<dyn Policy>> {
        let Self::Baseline(number) = self else { return None };
        Some(match number {
            0 => Box::new(Nothing),
            1 => Box::new(NaiveRestart::default()),
            2 => Box::new(ClusterLike::default()),
            3 => Box::new(Runbook::default()),
            4 => Box::new(RestartLoop::default()),
            _ => Box::new(RandomSafe::new(seed)),
        })
    }
}

impl fmt::Display for Healer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Theriac => f.write_str("theriac"),
            Self::Without(ablation) => write!(f, "{ablation}"),
            Self::Baseline(number) => write!(f, "b{number}"),
        }
    }
}

impl FromStr for Healer {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let all = || {
            [Self::Theriac]
                .into_iter()
                .chain(Ablation::ALL.map(Self::Without))
                .chain((0..6).map(Self::Baseline))
        };
        all().find(|healer| healer.to_string() == text).ok_or_else(|| {
            let names: Vec<String> = all().map(|healer| healer.to_string()).collect();
            format!("there is no healer `{text}`; there are {}", names.join(", "))
        })
    }
}

/// Checkpoints of an episode: it is played whole or not at all.
struct Nowhere;

impl Objects for Nowhere {
    fn put(&self, _: &str, _: Vec<u8>) -> Result<(), ObjectError> {
        Ok(())
    }

    fn get(&self, name: &str) -> Result<Vec<u8>, ObjectError> {
        Err(ObjectError::Unreadable { name: name.to_owned(), reason: "nothing is kept".to_owned() })
    }

    fn list(&self) -> Result<Vec<String>, ObjectError> {
        Ok(Vec::new())
    }

    fn delete(&self, _: &str) -> Result<(), ObjectError> {
        Ok(())
    }
}

/// Lets the engine look after a fleet up to its horizon. Gives the fleet as it is then, and what was said
/// and done. What is on the topics is kept in the folder of the configuration, if it is to be looked into.
pub(super) fn look_after(config: &Config, fleet: Fleet, keep: bool) -> Result<(Fleet, Vec<Event>)> {
    let playbooks = config.playbooks()?;
    let mut settings = config.engine();
    settings.checkpoint.rounds = u64::MAX;
    settings.checkpoint.every = Interval(i64::MAX);
    let setup = LoopSetup {
        settings,
        configuration: config.digest(&playbooks)?,
        introductions: match &config.topology {
            Some(_) => config.topology()?,
            None => vec![Fact::TopologyGiven { topology: fleet.given() }],
        },
        playbooks,
    };
    let topics: Box<dyn Topics> =
        if keep { wiring::open_topics(config)? } else { Box::new(Memory::forgetting(&Topic::ALL)) };
    let mut listener = Listener::default();
    let (mut driver, _) = Driver::open(setup, fleet, topics, Arc::new(Nowhere), &mut listener)?;
    while driver.advance(&mut listener)?.is_some() {
        listener.stamp(driver.environment.seconds());
    }
    let mut log = listener.log;
    log.append(&mut driver.environment.log);
    // What was said in a round is said before what is done about it.
    log.sort_by(|a, b| a.at.total_cmp(&b.at));
    Ok((driver.environment, log))
}

/// When an episode is over, in simulated time.
pub(super) fn end_of(setup: &Setup) -> u64 {
    setup.faults.first().map_or(0, |fault| fault.at) + JUDGED
}
