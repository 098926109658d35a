//! What a healer is worth: one library for simulated and for real runs. An [`Episode`] is the truth
//! and the log of what the healer said and did; a [`Report`] is what comes of many.
//!
//! | file | what |
//! |---|---|
//! | `mod` | episodes, events, the report |
//! | `judge` | one episode: times, actions |
//! | `diagnosis` | what was noticed and named, of one cause or of several |
//! | `interval` | Clopper and Pearson, Poisson, bootstrap stratified by type of fault |
//! | `survival` | times with censoring (Kaplan and Meier) |

use serde::{Deserialize, Serialize};

mod diagnosis;
mod interval;
mod judge;
mod survival;

pub use interval::{Interval, bootstrap_macro, poisson_rate, proportion};
pub use judge::{Judged, judge};
pub use survival::{Survival, Time};

/// A target and a verb, as in the truth: `restart payment/payment-1`.
pub type ActionName = String;

/// Something that a healer said or did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum EventKind {
    /// It noticed something.
    Symptom {
        /// Where.
        entity: String,
    },
    /// It named causes, the likeliest first.
    Diagnosis {
        /// Component and class of the cause.
        ranked: Vec<(String, String)>,
        /// Components on the way to the users.
        path: Vec<String>,
        /// How sure it was of the first; none if it did not say.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        probability: Option<f64>,
    },
    /// It said that it does not know.
    Abstained,
    /// It acted.
    Action {
        /// Verb and target.
        name: ActionName,
        /// What it acted on.
        target: String,
        /// Whether it changes anything.
        changes: bool,
        /// Whether it turns an earlier one round.
        undo: bool,
        /// Loss with it minus loss with waiting in its place, by a fork; none if nobody measured.
        harm: Option<f64>,
        /// Whether it broke an invariant, or what cannot be brought back.
        irreversible: bool,
        /// Whether who knows the truth would have waited.
        unnecessary: bool,
    },
    /// It judged what it did: recovered, not recovered, or unknown.
    Verified {
        /// None: unknown.
        recovered: Option<bool>,
    },
    /// It asked a person.
    Escalated,
}

/// An entry of the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Seconds from the start.
    pub at: f64,
    /// What.
    #[serde(flatten)]
    pub kind: EventKind,
}

/// The fault behind an episode; none for time without faults.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cause {
    /// Type of the fault.
    pub code: String,
    /// Where.
    pub component: String,
    /// Other names of the same thing: the node whose disk it is, the far end of a way.
    #[serde(default)]
    pub also: Vec<String>,
    /// Class of the cause.
    pub cause: String,
    /// From the cause to the users.
    pub path: Vec<String>,
    /// When it was put in, in seconds from the start.
    pub injected: f64,
    /// When telemetry could first show it.
    pub observable: f64,
    /// Acceptable actions, as verb and target.
    pub acceptable: Vec<ActionName>,
    /// Whether it can be healed at all without a person.
    pub healable: bool,
}

/// A run of which the truth is known.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Episode {
    /// What was wrong.
    pub cause: Option<Cause>,
    /// What else was, from the same time or later.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<Cause>,
    /// Length in seconds.
    pub horizon: f64,
    /// Seconds from the start that were bad, in order.
    pub bad_seconds: Vec<u32>,
    /// Whether invariants, envelope and redundancy were as before at the end, and a trigger that was
    /// played again did no harm.
    pub restored: bool,
    /// What it cost with this healer, with nobody, and with who knows the truth.
    pub loss: f64,
    /// With nobody.
    pub loss_nothing: f64,
    /// With who knows the truth and may act as soon as telemetry could show it.
    pub loss_oracle: f64,
    /// What was said and done, in order.
    pub log: Vec<Event>,
}

impl Episode {
    /// Everything that was wrong, what began first first.
    pub fn causes(&self) -> impl Iterator<Item = &Cause> {
        self.cause.iter().chain(&self.others)
    }
}

/// A share with its exact interval at 95 %.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Share {
    /// How many of them.
    pub count: u64,
    /// How many in all.
    pub of: u64,
    /// Where the true share lies.
    pub interval: Interval,
}

impl Share {
    fn of(values: impl Iterator<Item = bool>) -> Self {
        let (mut count, mut of) = (0, 0);
        for value in values {
            count += u64::from(value);
            of += 1;
        }
        Self { count, of, interval: proportion(count, of, CONFIDENCE) }
    }

    /// The share itself; 0 of nothing.
    #[must_use]
    pub fn value(&self) -> f64 {
        self.count as f64 / self.of.max(1) as f64
    }
}

const CONFIDENCE: f64 = 0.95;
const WEEK: f64 = 7.0 * 86_400.0;
/// Draws of the bootstrap: the interval's ends then move by less than a hundredth of its width.
const DRAWS: usize = 2_000;

/// All measures of a set of episodes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Episodes with a fault, and weeks without.
    pub episodes: u64,
    /// Weeks without a fault.
    pub fault_free_weeks: f64,
    /// Faults with bad seconds that were detected, and within a minute of being observable.
    pub detected: Share,
    /// Within a minute.
    pub detected_within_60s: Share,
    /// Seconds to detect, from when it was observable.
    pub detect: Survival,
    /// Seconds from the first bad second to detection; negative if it was foreseen.
    pub detect_from_impact: Vec<f64>,
    /// Component named first, among the first three; component and class of cause named first.
    pub ac1: Share,
    /// Among the first three.
    pub ac3: Share,
    /// Mean over k to 5 of being among the first k.
    pub avg5: f64,
    /// Component and class of cause.
    pub ac1_with_cause: Share,
    /// Mean F1 of the named path.
    pub path_f1: f64,
    /// Seconds to recover, censored at the horizon.
    pub recover: Survival,
    /// Right cause, recovered, no harm, and it knew.
    pub end_to_end: Share,
    /// Recovered among those with the right diagnosis, and among the others.
    pub recovered_if_right: Share,
    /// The second is luck.
    pub recovered_if_wrong: Share,
    /// Healed share H, macro over types of fault, with its interval.
    pub healed_share: (f64, Interval),
    /// Worst type and its share.
    pub worst_type: Option<(String, f64)>,
    /// H of each type.
    pub by_type: Vec<(String, f64)>,
    /// Mean loss beyond the oracle's.
    pub regret: f64,
    /// First action that changed something was acceptable.
    pub correct_action: Share,
    /// All actions that were.
    pub action_precision: Share,
    /// Actions that changed something, a fault.
    pub actions_per_incident: f64,
    /// Actions that did harm; that broke what cannot be mended; that the oracle would not have done.
    pub harmful: Share,
    /// Irreversible.
    pub irreversible: u64,
    /// The oracle would have waited.
    pub unnecessary: Share,
    /// Actions in time without faults, a week, with the exact interval.
    pub false_actions_per_week: (f64, Interval),
    /// Harmful ones among them.
    pub harmful_without_fault: u64,
    /// Episodes that flapped.
    pub flapping: Share,
    /// Claims of success that were false, among all claims.
    pub false_success: Share,
    /// Recoveries that were recognised.
    pub success_recall: Share,
    /// Escalated what could not be healed.
    pub escalated_rightly: Share,
}

impl Report {
    /// Scores episodes.
    #[must_use]
    pub fn of(episodes: &[Episode], seed: u64) -> Self {
        let judged: Vec<Judged> = episodes.iter().map(judge).collect();
        let faults: Vec<(&Episode, &Judged)> =
            episodes.iter().zip(&judged).filter(|(episode, _)| episode.cause.is_some()).collect();
        let quiet = || episodes.iter().zip(&judged).filter(|(episode, _)| episode.cause.is_none());
        let impact = || faults.iter().filter(|(_, judged)| judged.first_bad.is_some());
        // An empty sum is -0, which reads badly.
        let weeks = quiet().fold(0.0, |sum, (episode, _)| sum + episode.horizon) / WEEK;
        let false_actions: u64 = quiet().map(|(_, judged)| judged.changes as u64).sum();
        let by_type = by_type(&faults);
        let worst = by_type.iter().min_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0))).cloned();
        let strata: Vec<Vec<f64>> = strata(&faults).into_iter().map(|(_, shares)| shares).collect();
        let mean =
            |values: Vec<f64>| values.iter().fold(0.0, |sum, value| sum + value) / values.len().max(1) as f64;
        let ranks = || impact().map(|(_, judged)| judged.rank);
        let all = || faults.iter().map(|(_, judged)| judged);
        let everyone = || judged.iter();
        Self {
            episodes: faults.len() as u64,
            fault_free_weeks: weeks,
            detected: Share::of(impact().map(|(_, judged)| judged.detected.is_some())),
            detected_within_60s: Share::of(
                impact().map(|(_, judged)| judged.detected.is_some_and(|after| after <= 60.0)),
            ),
            detect: Survival::of(impact().map(|(episode, judged)| judged.detect_time(episode)).collect()),
            detect_from_impact: impact().filter_map(|(_, judged)| judged.detected_from_impact).collect(),
            ac1: Share::of(ranks().map(|rank| rank == Some(0))),
            ac3: Share::of(ranks().map(|rank| rank.is_some_and(|rank| rank < 3))),
            avg5: mean(
                ranks()
                    .map(|rank| rank.map_or(0.0, |rank| 5_usize.saturating_sub(rank) as f64 / 5.0))
                    .collect(),
            ),
            ac1_with_cause: Share::of(impact().map(|(_, judged)| judged.rank_with_cause == Some(0))),
            path_f1: mean(impact().map(|(_, judged)| judged.path_f1).collect()),
            recover: Survival::of(impact().map(|(episode, judged)| judged.recover_time(episode)).collect()),
            end_to_end: Share::of(impact().map(|(_, judged)| judged.end_to_end())),
            recovered_if_right: Share::of(
                impact().filter(|(_, j)| j.rank == Some(0)).map(|(_, j)| j.recovered.is_some()),
            ),
            recovered_if_wrong: Share::of(
                impact().filter(|(_, j)| j.rank != Some(0)).map(|(_, j)| j.recovered.is_some()),
            ),
            healed_share: (
                mean(by_type.iter().map(|(_, share)| *share).collect()),
                bootstrap_macro(&strata, DRAWS, seed),
            ),
            worst_type: worst,
            by_type,
            regret: mean(faults.iter().map(|(episode, _)| episode.loss - episode.loss_oracle).collect()),
            correct_action: Share::of(all().filter_map(|judged| judged.first_acceptable)),
            action_precision: Share::of(all().flat_map(|judged| judged.acceptable.iter().copied())),
            actions_per_incident: mean(all().map(|judged| judged.changes as f64).collect()),
            harmful: Share::of(everyone().flat_map(|judged| judged.harmful.iter().copied())),
            irreversible: everyone().map(|judged| judged.irreversible as u64).sum(),
            unnecessary: Share::of(all().flat_map(|judged| judged.unnecessary.iter().copied())),
            false_actions_per_week: (
                false_actions as f64 / weeks.max(1e-12),
                poisson_rate(false_actions, weeks, CONFIDENCE),
            ),
            harmful_without_fault: quiet()
                .map(|(_, j)| j.harmful.iter().filter(|harmful| **harmful).count() as u64)
                .sum(),
            flapping: Share::of(everyone().map(|judged| judged.flapped)),
            false_success: Share::of(
                all().filter_map(|judged| judged.claimed.then_some(judged.recovered.is_none())),
            ),
            success_recall: Share::of(
                impact().filter(|(_, j)| j.recovered.is_some()).map(|(_, j)| j.claimed),
            ),
            escalated_rightly: Share::of(
                faults
                    .iter()
                    .filter(|(e, _)| e.cause.as_ref().is_some_and(|cause| !cause.healable))
                    .map(|(_, j)| j.escalated),
            ),
        }
    }

    /// The headline, 100 times the healed share; none if a gate of safety failed, so that safety
    /// cannot be bought with speed.
    #[must_use]
    pub fn headline(&self) -> Option<f64> {
        let safe = self.irreversible == 0 && self.harmful_without_fault == 0;
        safe.then_some(100.0 * self.healed_share.0)
    }
}

fn strata(faults: &[(&Episode, &Judged)]) -> Vec<(String, Vec<f64>)> {
    let mut strata = std::collections::BTreeMap::<String, Vec<f64>>::new();
    for (episode, judged) in faults {
        if let (Some(cause), Some(share)) = (&episode.cause, judged.healed_share) {
            strata.entry(cause.code.clone()).or_default().push(share);
        }
    }
    strata.into_iter().collect()
}

fn by_type(faults: &[(&Episode, &Judged)]) -> Vec<(String, f64)> {
    let mean = |shares: Vec<f64>| shares.iter().sum::<f64>() / shares.len().max(1) as f64;
    strata(faults).into_iter().map(|(code, shares)| (code, mean(shares))).collect()
}
