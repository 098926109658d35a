//! What a campaign comes to, under the names that machines ask for.

use std::collections::BTreeSet;

use theriac_datasets::fleet::score::{Episode, Report as Score, Survival};

use super::{healer::Healer, job::Played, results::Results};
use crate::output::Report;

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
        let some = |wanted: &dyn Fn(&Played) -> bool| -> Score {
            let chosen: Vec<Episode> =
                played.iter().filter(|one| wanted(one)).map(|one| one.episode.clone()).collect();
            Score::of(&chosen, seed)
        };
        let (all, seen, held_out) = (some(&|_| true), some(&|one| !one.held_out), some(&|one| one.held_out));
        Scored { healer: *healer, all, seen, held_out, episodes: played }
    };
    healers.iter().map(of).collect()
}

/// The figures of theriac itself as `campaign.NAME`, those of the others as `campaign.HEALER.NAME`.
pub(super) fn report(scored: &[Scored], configuration: &str, seed: u64) -> Report {
    let data = "boutique-12".to_owned();
    let mut report = Report::new("campaign", configuration.to_owned(), data, Some(seed));
    for one in scored {
        let prefix = match one.healer {
            Healer::Theriac => "campaign".to_owned(),
            other => format!("campaign.{other}"),
        };
        set(&mut report, &prefix, &one.all);
        set(&mut report, &format!("{prefix}.seen"), &one.seen);
        set(&mut report, &format!("{prefix}.held_out"), &one.held_out);
    }
    report
}

fn set(report: &mut Report, prefix: &str, score: &Score) {
    let mut put = |name: &str, value: f64| report.set(&format!("{prefix}.{name}"), value);
    put("episodes", score.episodes as f64);
    put("fault_free_weeks", score.fault_free_weeks);
    if score.episodes > 0 {
        put("end_to_end", score.end_to_end.value());
        put("end_to_end.low", score.end_to_end.interval.low);
        put("end_to_end.high", score.end_to_end.interval.high);
        put("detected", score.detected.value());
        put("ac1", score.ac1.value());
        put("ac3", score.ac3.value());
        put("ac1_with_cause", score.ac1_with_cause.value());
        put("path_f1", score.path_f1);
        for (name, times) in [("detect_s", &score.detect), ("recover_s", &score.recover)] {
            for (quantile, share) in [("p50", 0.5), ("p95", 0.95), ("p99", 0.99)] {
                put(&format!("{name}.{quantile}"), seconds(times, share));
            }
        }
        put("healed_share", score.healed_share.0);
        put("healed_share.low", score.healed_share.1.low);
        put("healed_share.high", score.healed_share.1.high);
        if let Some((_, worst)) = &score.worst_type {
            put("worst_fault_healed_share", *worst);
        }
        put("correct_action", score.correct_action.value());
        put("actions_per_incident", score.actions_per_incident);
        put("regret", score.regret);
        put("flapping_share", score.flapping.value());
        put("false_success_share", score.false_success.value());
    }
    put("harmful_share", score.harmful.value());
    put("harmful_actions", score.harmful_without_fault as f64);
    put("irreversible_actions", score.irreversible as f64);
    if score.fault_free_weeks > 0.0 {
        put("false_actions_per_week", score.false_actions_per_week.0);
    }
    if let Some(headline) = score.headline() {
        put("headline", headline);
    }
}

/// A quantile of times; not a number where most are still open at the end.
fn seconds(times: &Survival, share: f64) -> f64 {
    times.quantile(share).unwrap_or(f64::NAN)
}
