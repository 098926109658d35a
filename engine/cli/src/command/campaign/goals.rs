//! What is hoped for, beside what was measured.

use crate::output::Report;

/// On which side of the goal a figure should be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Wanted {
    AtLeast(f64),
    AtMost(f64),
}

/// What a figure is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    Share,
    Seconds,
    /// How many times as much.
    Ratio,
    /// A count, or points.
    Number,
    /// Actions a week.
    PerWeek,
}

/// Whether it is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Figure and interval are on the right side.
    Met,
    /// The figure is, its interval reaches over: too few were played to say so.
    Unproven,
    /// The figure is on the wrong side.
    Missed,
    /// It was not played, or nothing came that could be counted.
    Unmeasured,
}

impl Standing {
    pub(super) const fn told(self) -> &'static str {
        match self {
            Self::Met => "met",
            Self::Unproven => "met, too few to be sure",
            Self::Missed => "missed",
            Self::Unmeasured => "not measured",
        }
    }
}

/// One goal.
#[derive(Clone, Copy, Debug)]
pub(super) struct Goal {
    pub(super) words: &'static str,
    /// Name of the figure.
    pub(super) metric: &'static str,
    /// The figure without which there is nothing to measure; an open quantile is missed if there is it.
    needs: &'static str,
    pub(super) wanted: Wanted,
    pub(super) unit: Unit,
}

use Unit::{Number, PerWeek, Ratio, Seconds, Share};
use Wanted::{AtLeast, AtMost};

const fn goal(words: &'static str, metric: &'static str, wanted: Wanted, unit: Unit) -> Goal {
    let needs = match unit {
        Seconds => "campaign.detected",
        _ => metric,
    };
    Goal { words, metric, needs, wanted, unit }
}

/// Those that a campaign measures, as they were set down before anything was.
pub(super) const GOALS: [Goal; 25] = [
    goal("felt faults detected", "campaign.detected", AtLeast(0.99), Share),
    goal("to detect, median", "campaign.detect_s.p50", AtMost(10.0), Seconds),
    goal("to detect, 99 of 100", "campaign.detect_s.p99", AtMost(60.0), Seconds),
    goal("right place named first", "campaign.ac1", AtLeast(0.9), Share),
    goal("right place among three", "campaign.ac3", AtLeast(0.97), Share),
    goal("right place and class of cause first", "campaign.ac1_with_cause", AtLeast(0.8), Share),
    goal("right place first, kinds held out", "campaign.held_out.ac1", AtLeast(0.75), Share),
    goal("and class of cause, kinds held out", "campaign.held_out.ac1_with_cause", AtLeast(0.6), Share),
    goal("end to end", "campaign.end_to_end", AtLeast(0.95), Share),
    goal("end to end, several faults in one episode", "campaign.compound.end_to_end", AtLeast(0.85), Share),
    goal("end to end, kinds held out", "campaign.held_out.end_to_end", AtLeast(0.75), Share),
    goal("to recover, median", "campaign.recover_s.p50", AtMost(30.0), Seconds),
    goal("to recover, 95 of 100", "campaign.recover_s.p95", AtMost(90.0), Seconds),
    goal("to recover, 99 of 100", "campaign.recover_s.p99", AtMost(180.0), Seconds),
    goal("healed share, macro over kinds", "campaign.healed_share", AtLeast(0.85), Ratio),
    goal("healed share of the worst kind seen", "campaign.worst_fault_healed_share", AtLeast(0.0), Ratio),
    goal("loss by that of the oracle, median", "campaign.loss_ratio.p50", AtMost(1.3), Ratio),
    goal("actions in a week without faults", "campaign.false_actions_per_week", AtMost(0.25), PerWeek),
    goal("harmful ones in time without faults", "campaign.harmful_actions", AtMost(0.0), Number),
    goal("harmful actions", "campaign.harmful_share", AtMost(0.005), Share),
    goal("irreversible actions", "campaign.irreversible_actions", AtMost(0.0), Number),
    goal("episodes that flapped", "campaign.flapping_share", AtMost(0.001), Share),
    goal("claims of success that are false", "campaign.false_success_share", AtMost(0.005), Share),
    goal("recovered if everything is restarted for ever", "campaign.b4.recovered", AtMost(0.35), Share),
    goal("healed share, worst service restarted", "campaign.b1.healed_share", AtMost(0.3), Ratio),
];

/// How much must have been played before none at all is worth saying.
fn played_enough(goal: &Goal) -> Option<(&'static str, f64)> {
    match goal.metric {
        "campaign.harmful_actions" => Some(("campaign.fault_free_weeks", 1_000.0)),
        "campaign.irreversible_actions" => Some(("campaign.episodes", 10_000.0)),
        _ => None,
    }
}

impl Goal {
    /// The figure, and the ends of its interval as far as there are any.
    pub(super) fn figure(&self, report: &Report) -> (Option<f64>, Option<f64>, Option<f64>) {
        let of = |name: String| report.metrics.get(&name).copied();
        let metric = self.metric;
        (of(metric.to_owned()), of(format!("{metric}.low")), of(format!("{metric}.high")))
    }

    /// Whether it is reached.
    pub(super) fn standing(&self, report: &Report) -> Standing {
        if self.is_unmeasured(report) {
            return Standing::Unmeasured;
        }
        let (value, low, high) = self.figure(report);
        // One episode of each kind says nothing of how much they differ.
        let no_spread = self.unit == Ratio && low.is_some() && low == high;
        let too_few = played_enough(self)
            .is_some_and(|(of, enough)| report.metrics.get(of).is_none_or(|played| *played < enough));
        // A quantile that is open at the end is longer than whatever is hoped for.
        let Some(value) = value else { return Standing::Missed };
        let holds = |value: f64| match self.wanted {
            AtLeast(goal) => value >= goal,
            AtMost(goal) => value <= goal,
        };
        let far = match self.wanted {
            AtLeast(_) => low.or(Some(value)),
            // An upper end that is open lies beyond.
            AtMost(_) if self.unit == Seconds => high,
            AtMost(_) => high.or(Some(value)),
        };
        match (holds(value), far.is_some_and(holds)) {
            (false, _) => Standing::Missed,
            (true, true) if !no_spread && !too_few => Standing::Met,
            (true, _) => Standing::Unproven,
        }
    }

    fn is_unmeasured(&self, report: &Report) -> bool {
        let none = |name: &str| !report.metrics.contains_key(name);
        // Of nothing a share is 0, and has no interval; without quiet time no harm can be done in it.
        let of_nothing = self.unit == Share && none(&format!("{}.low", self.metric));
        let no_quiet = self.metric == "campaign.harmful_actions" && none("campaign.false_actions_per_week");
        none(self.needs) || of_nothing || no_quiet
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(metrics: &[(&str, f64)]) -> Report {
        let mut report = Report::new("campaign", String::new(), String::new(), Some(1));
        metrics.iter().for_each(|(name, value)| report.set(name, *value));
        report
    }

    fn standing(metric: &str, metrics: &[(&str, f64)]) -> Standing {
        let goal = GOALS.iter().find(|goal| goal.metric == metric).unwrap();
        goal.standing(&report(metrics))
    }

    #[test]
    fn a_goal_is_met_if_its_interval_is_on_the_right_side_too() {
        let share = |value, low, high| {
            [
                ("campaign.end_to_end", value),
                ("campaign.end_to_end.low", low),
                ("campaign.end_to_end.high", high),
            ]
        };
        let of = |metrics: &[(&str, f64)]| standing("campaign.end_to_end", metrics);
        assert_eq!(of(&share(0.99, 0.96, 1.0)), Standing::Met);
        assert_eq!(of(&share(0.99, 0.9, 1.0)), Standing::Unproven);
        assert_eq!(of(&share(0.5, 0.4, 0.97)), Standing::Missed);
        assert_eq!(of(&[]), Standing::Unmeasured);
    }

    #[test]
    fn a_time_that_most_never_reached_is_missed() {
        let of = |metrics: &[(&str, f64)]| standing("campaign.recover_s.p95", metrics);
        let played = ("campaign.detected", 1.0);
        assert_eq!(of(&[played]), Standing::Missed);
        assert_eq!(of(&[played, ("campaign.recover_s.p95", 60.0)]), Standing::Unproven);
        let bounded = [played, ("campaign.recover_s.p95", 60.0), ("campaign.recover_s.p95.high", 80.0)];
        assert_eq!(of(&bounded), Standing::Met);
        assert_eq!(of(&[]), Standing::Unmeasured);
    }

    #[test]
    fn no_harm_in_no_time_is_no_merit() {
        let of = |metrics: &[(&str, f64)]| standing("campaign.harmful_actions", metrics);
        assert_eq!(of(&[("campaign.harmful_actions", 0.0)]), Standing::Unmeasured);
        let quiet = |harmful, weeks| {
            of(&[
                ("campaign.harmful_actions", harmful),
                ("campaign.false_actions_per_week", 3.0),
                ("campaign.fault_free_weeks", weeks),
            ])
        };
        assert_eq!(quiet(0.0, 1.0), Standing::Unproven);
        assert_eq!(quiet(0.0, 1_000.0), Standing::Met);
        assert_eq!(quiet(1.0, 1_000.0), Standing::Missed);
    }
}
