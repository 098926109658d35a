//! What is to be played, and how it went.

use std::{fs, path::PathBuf, sync::Arc};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use theriac_datasets::fleet::{
    Benign, Chooser, Draw, HELD_OUT, Mode, Nanos, Record, SECOND, Setup, Topology, World, draw_benign,
    record,
    score::Episode,
    setup_in,
    trial::{Yardstick, onset, play_noted, play_scored, played, played_quietly},
};

use super::healer::{Healer, end_of, look_after};
use crate::{config::Config, environment::Fleet};

/// Time without a fault.
const WEEK: Nanos = 7 * 86_400 * SECOND;
/// Fault-free time is played in pieces, each on a fleet of its own.
pub(super) const PIECE: Nanos = 86_400 * SECOND;

/// One thing to be played.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Job {
    /// A fault.
    Fault { code: &'static str, mode: Mode, seed: u64 },
    /// A day without one.
    Quiet { seed: u64 },
}

impl Job {
    /// All jobs of a campaign.
    pub(super) fn all(chooser: &Chooser, episodes: u64, weeks: f64, seed: u64) -> Vec<Self> {
        let fault = |Draw { code, mode, seed }| Self::Fault { code, mode, seed };
        let pieces = libm::ceil(weeks * (WEEK / PIECE) as f64) as u64;
        let quiet = (0..pieces).map(|number| Self::Quiet { seed: seed + number });
        chooser.draw(episodes).into_iter().map(fault).chain(quiet).collect()
    }

    /// How its faults come.
    const fn mode(self) -> Mode {
        match self {
            Self::Fault { mode, .. } => mode,
            Self::Quiet { .. } => Mode::Single,
        }
    }

    /// Its name in the file of results.
    pub(super) fn key(self) -> String {
        match self {
            Self::Fault { code, mode: Mode::Single, seed } => format!("{code}/{seed}"),
            Self::Fault { code, mode, seed } => format!("{code}/{seed}/{mode}"),
            Self::Quiet { seed } => format!("quiet/{seed}"),
        }
    }
}

/// How fleets are set up.
#[derive(Clone, Debug)]
pub(super) struct Stage {
    /// What they are made of.
    pub(super) topology: Arc<Topology>,
    /// What passes before a fault.
    pub(super) warm_up: Nanos,
    /// Disturbances a day that are no faults.
    pub(super) disturbances: f64,
    /// The engine's configuration.
    pub(super) config: Config,
    /// Where what the engine wrote in each episode is kept; nowhere, as a rule.
    pub(super) keep: Option<PathBuf>,
}

impl Stage {
    fn episode(&self, mode: Mode, record: &'static Record, seed: u64) -> Arc<Setup> {
        let mut setup = setup_in(mode, record, seed, &self.topology, self.warm_up);
        setup.telemetry = true;
        setup.benign = self.benign(seed, end_of(&setup));
        Arc::new(setup)
    }

    /// What disturbs without being wrong, up to `end`.
    fn benign(&self, seed: u64, end: Nanos) -> Vec<Benign> {
        draw_benign(seed, 0, end, self.disturbances)
    }

    fn quiet(&self, seed: u64) -> Arc<Setup> {
        let mut setup = Setup::new(seed, self.topology.clone());
        setup.fluid = true;
        setup.telemetry = true;
        setup.benign = self.benign(seed, PIECE);
        Arc::new(setup)
    }
}

/// How a job went with a healer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Played {
    /// [`Job::key`].
    pub(super) job: String,
    /// Who looked after the fleet.
    pub(super) healer: String,
    /// How its faults came.
    #[serde(default, skip_serializing_if = "Mode::is_single")]
    pub(super) mode: Mode,
    /// Whether nobody has seen this kind of fault while building.
    pub(super) held_out: bool,
    /// For the scorer.
    pub(super) episode: Episode,
}

/// What a fault costs with nobody and with who knows the truth; none for a quiet day.
pub(super) fn measure(stage: &Stage, job: Job) -> Option<Yardstick> {
    let Job::Fault { code, mode, seed } = job else { return None };
    Yardstick::of(&onset(&stage.episode(mode, record(code)?, seed)))
}

/// Plays a job.
pub(super) fn play(stage: &Stage, job: Job, healer: Healer, yardstick: Option<&Yardstick>) -> Result<Played> {
    let mut config = match healer {
        Healer::Without(ablation) => ablation.from(stage.config.clone()),
        _ => stage.config.clone(),
    };
    if let Some(folder) = &stage.keep {
        config.data_dir = folder.join(format!("{healer}-{}", job.key().replace('/', "-")));
        if config.data_dir.exists() {
            fs::remove_dir_all(&config.data_dir).with_context(|| config.data_dir.display().to_string())?;
        }
    }
    let keep = stage.keep.is_some();
    let episode = match (job, yardstick) {
        (Job::Fault { code, mode, seed }, Some(yardstick)) => {
            let record = record(code).ok_or_else(|| anyhow::anyhow!("there is no fault {code}"))?;
            let setup = stage.episode(mode, record, seed);
            match healer.policy(seed) {
                Some(mut policy) => play_scored(&setup, yardstick, policy.as_mut()),
                None => {
                    let (fleet, log) = look_after(&config, Fleet::new(&setup, end_of(&setup), true), keep)?;
                    played(fleet.world, yardstick, log)
                }
            }
        }
        (Job::Fault { seed, .. } | Job::Quiet { seed }, _) => {
            let setup = stage.quiet(seed);
            match healer.policy(seed) {
                Some(mut policy) => {
                    let mut world = World::new(&setup);
                    let log = play_noted(&mut world, policy.as_mut(), PIECE);
                    played_quietly(&world, log)
                }
                None => {
                    let (fleet, log) = look_after(&config, Fleet::new(&setup, PIECE, true), keep)?;
                    played_quietly(&fleet.world, log)
                }
            }
        }
    };
    let held_out = episode.causes().any(|cause| HELD_OUT.contains(&cause.code.as_str()));
    Ok(Played { job: job.key(), healer: healer.to_string(), mode: job.mode(), held_out, episode })
}
