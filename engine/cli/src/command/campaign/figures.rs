//! What a campaign comes to, under the names that machines ask for.

use std::collections::BTreeSet;

use theriac_datasets::fleet::score::{Episode, Report as Score, Share, Survival, proportion};

use super::{healer::Healer, job::Played, reliability, results::Results, slices};
use crate::output::Report;

/// Less loss than this, in seconds of all users, is none: ratios to less are of noise.
const LOSS_MIN: f64 = 1.0;
/// Of shares that the scorer gives without an interval.
const CONFIDENCE: f64 = 0.95;

/// A healer with what it is worth: over all, and apart for kinds of fault that nobody saw while building.
pub(super) struct Scored {
    pub(super) healer: Healer,
    pub(super) all: Score,
    pub(super) seen: Score,
    pub(super) held_out: Score,
    /// What was played.
    pub(super) episodes: Vec<Played>,
}

impl Scored {
    /// Number of jobs that were played.
    pub(super) fn played(&self) -> usize {
        self.episodes.len()
    }

    /// How its figures are called.
    pub(super) fn prefix(&self) -> String {
        prefix(self.healer)
    }
}

/// The figures of theriac itself as `campaign.NAME`, those of the others as `campaign.HEALER.NAME`.
pub(super) fn prefix(healer: Healer) -> String {
    match healer {
        Healer::Theriac => "campaign".to_owned(),
        other => format!("campaign.{other}"),
    }
}

/// Scores all healers on what they have played of the jobs.
pub(super) fn score(
    results: &Results,
    healers: &[Healer],
    jobs: &BTreeSet<String>,
    seed: u64,
) -> Vec<Scored> {
    let of = |healer: &Healer| {
        let played: Vec<Played> = results.of(&healer.to_string(), jobs).cloned().collect();
        let some = |wanted: &dyn Fn(&Played) -> bool| score_of(played.iter().filter(|one| wanted(one)), seed);
        let (all, seen, held_out) = (some(&|_| true), some(&|one| !one.held_out), some(&|one| one.held_out));
        Scored { healer: *healer, all, seen, held_out, episodes: played }
    };
    healers.iter().map(of).collect()
}

/// Scores some of what was played.
pub(super) fn score_of<'a>(played: impl Iterator<Item = &'a Played>, seed: u64) -> Score {
    let episodes: Vec<Episode> = played.map(|one| one.episode.clone()).collect();
    Score::of(&episodes, seed)
}

/// All figures.
pub(super) fn report(scored: &[Scored], configuration: &str, seed: u64) -> Report {
    let data = "boutique-12".to_owned();
    let mut report = Report::new("campaign", configuration.to_owned(), data, Some(seed));
    for one in scored {
        let prefix = one.prefix();
        set(&mut report, &prefix, &one.all);
        set(&mut report, &format!("{prefix}.seen"), &one.seen);
        set(&mut report, &format!("{prefix}.held_out"), &one.held_out);
        // A kind that is held out is not shown alone, not even without its name.
        if let Some((_, worst)) = &one.seen.worst_type {
            report.set(&format!("{prefix}.worst_fault_healed_share"), *worst);
        }
        if let Some(ratio) = median_loss_ratio(&one.episodes) {
            report.set(&format!("{prefix}.loss_ratio.p50"), ratio);
        }
        for (name, score) in slices::by_mode(one, seed) {
            set(&mut report, &format!("{prefix}.{name}"), &score);
        }
        reliability::set(&mut report, &prefix, &one.episodes);
    }
    report
}

fn set(report: &mut Report, prefix: &str, score: &Score) {
    let mut put = |name: &str, value: f64| report.set(&format!("{prefix}.{name}"), value);
    put("episodes", score.episodes as f64);
    put("fault_free_weeks", score.fault_free_weeks);
    if score.episodes > 0 {
        put("path_f1", score.path_f1);
        put("healed_share", score.healed_share.0);
        put("healed_share.low", score.healed_share.1.low);
        put("healed_share.high", score.healed_share.1.high);
        put("actions_per_incident", score.actions_per_incident);
        put("regret", score.regret);
        for (name, times) in [("detect_s", &score.detect), ("recover_s", &score.recover)] {
            for (quantile, share) in [("p50", 0.5), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99)] {
                put(&format!("{name}.{quantile}"), seconds(times, share));
                let (low, high) = times.quantile_interval(share);
                put(&format!("{name}.{quantile}.low"), low.unwrap_or(f64::NAN));
                put(&format!("{name}.{quantile}.high"), high.unwrap_or(f64::NAN));
            }
        }
        for (name, share) in [
            ("end_to_end", &score.end_to_end),
            ("detected", &score.detected),
            ("recovered", &recovered(score)),
            ("ac1", &score.ac1),
            ("ac3", &score.ac3),
            ("ac1_with_cause", &score.ac1_with_cause),
            ("correct_action", &score.correct_action),
            ("false_success_share", &score.false_success),
        ] {
            put_share(&mut put, name, share);
        }
    }
    if score.flapping.of > 0 {
        put_share(&mut put, "flapping_share", &score.flapping);
    }
    put_share(&mut put, "harmful_share", &score.harmful);
    put("harmful_actions", score.harmful_without_fault as f64);
    put("irreversible_actions", score.irreversible as f64);
    if score.fault_free_weeks > 0.0 {
        let (rate, interval) = score.false_actions_per_week;
        put("false_actions_per_week", rate);
        put("false_actions_per_week.low", interval.low);
        put("false_actions_per_week.high", interval.high);
    }
    if let Some(headline) = score.headline() {
        put("headline", headline);
    }
}

/// A share, and its interval if it is one of anything.
fn put_share(put: &mut impl FnMut(&str, f64), name: &str, share: &Share) {
    put(name, share.value());
    if share.of > 0 {
        put(&format!("{name}.low"), share.interval.low);
        put(&format!("{name}.high"), share.interval.high);
    }
}

/// Of the faults that users felt, those after which they felt nothing any more.
pub(super) fn recovered(score: &Score) -> Share {
    let (count, of) = (score.recover.seen as u64, score.recover.count as u64);
    Share { count, of, interval: proportion(count, of, CONFIDENCE) }
}

/// Median of what a fault cost relative to what it costs with who knows the truth.
fn median_loss_ratio(played: &[Played]) -> Option<f64> {
    let faults = played.iter().filter(|one| one.episode.cause.is_some());
    let ratio = |one: &Played| one.episode.loss / one.episode.loss_oracle.max(LOSS_MIN);
    let mut ratios: Vec<f64> = faults.map(ratio).collect();
    ratios.sort_by(f64::total_cmp);
    crate::output::quantile(&ratios, 0.5)
}

/// A quantile of times; not a number where most are still open at the end.
fn seconds(times: &Survival, share: f64) -> f64 {
    times.quantile(share).unwrap_or(f64::NAN)
}
