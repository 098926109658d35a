//! Which departures of a signal matter at all. A shorter latency is no trouble; a count of
//! errors can only be too high; a hundredth more of anything moves nobody.

use serde::{Deserialize, Serialize};
use theriac_contract::{Direction, Interval, Series, SignalKind};

use crate::filling::HORIZON;

/// Which directions matter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Matters {
    /// Above and below.
    #[default]
    Both,
    /// Above only.
    Rise,
    /// Below only.
    Drop,
    /// Neither: the signal is not judged.
    Nothing,
}

/// A rule for all series whose signal fits a pattern.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rule {
    /// Text that occurs in the signal's name; `*` fits all.
    pub signal: String,
    /// Which directions matter.
    pub matters: Matters,
    /// Smallest difference from the expected value, as a share of it.
    pub effect_share_min: f64,
    /// Smallest difference from the expected value, in the unit of the signal.
    pub effect_min: f64,
    /// Whether it counts events, so that it was zero before it was first seen.
    pub counts: bool,
    /// Whether one event is nothing unusual, but several within minutes are.
    pub rare: bool,
    /// Whether few of the events that it counts matter: they are added up over minutes, too.
    pub few: bool,
    /// Whether it counts log lines that nobody would worry about: they are told when they no
    /// longer come, and when they crowd out all others.
    pub routine: bool,
    /// Whether silence says something. What is derived from requests is silent without them.
    pub silence: bool,
    /// Events in a tick below which a value is neither judged nor learnt: it says nothing. 0: all are judged.
    pub traffic_min: f64,
    /// Signal of the same entity or edge that tells how many events there were: of the same attributes, else of
    /// none, else all of that name added up. A name that ends in `.rate` is of events a second. If empty, what a value is derived
    /// from is counted: spans, calls, log lines, observations of a histogram. A value of whose traffic nothing is told is judged.
    pub traffic: String,
    /// A symptom opens if, at the pace of late, what is measured is used up within this time for sure. None: only
    /// what is unusual opens one. It takes a series with a limit: a share of a store, what is left of one, or a usage whose
    /// limit the same entity tells.
    pub exhausted_within: Option<Interval>,
}

impl Default for Rule {
    fn default() -> Self {
        Self {
            signal: "*".to_owned(),
            matters: Matters::Both,
            effect_share_min: 0.1,
            effect_min: 0.0,
            counts: false,
            rare: false,
            few: false,
            routine: false,
            silence: true,
            traffic_min: 0.0,
            traffic: String::new(),
            exhausted_within: None,
        }
    }
}

/// Name part, directions, share, absolute effect, counts. Names are OpenTelemetry's, their
/// derived forms, and those of common exporters.
type Row = (&'static str, Matters, f64, f64, bool);

const BUILT_IN: [Row; 52] = [
    // Seconds by which a clock runs ahead of all others: there are none before there is the first.
    ("clock.offset.ahead", Matters::Rise, 0.5, 5.0, true),
    ("log.severity.error", Matters::Rise, 0.5, 2.0, true),
    ("log.severity.fatal", Matters::Rise, 0.0, 1.0, true),
    ("log.severity.warn", Matters::Rise, 0.5, 3.0, true),
    ("log.severity", Matters::Both, 0.5, 10.0, false),
    ("log.template", Matters::Rise, 0.5, 3.0, true),
    ("log.sequence", Matters::Rise, 0.5, 3.0, true),
    ("log.parameter", Matters::Rise, 0.5, 1.5, true),
    ("log.exception", Matters::Rise, 0.5, 2.0, true),
    ("error_ratio", Matters::Rise, 0.25, 0.02, false),
    ("mismatch", Matters::Rise, 0.5, 0.0, true),
    ("checksum", Matters::Rise, 0.5, 0.0, true),
    ("restart", Matters::Rise, 0.0, 0.0, true),
    ("locks", Matters::Rise, 0.5, 1.0, true),
    ("deadlock", Matters::Rise, 0.5, 0.0, true),
    ("pending", Matters::Rise, 0.5, 1.0, true),
    ("uptime", Matters::Nothing, 0.0, 0.0, false),
    ("health", Matters::Drop, 0.0, 0.0, false),
    ("success", Matters::Drop, 0.01, 0.0, false),
    ("availability", Matters::Drop, 0.01, 0.0, false),
    ("error", Matters::Rise, 0.25, 0.0, false),
    ("fail", Matters::Rise, 0.25, 0.0, false),
    // The rate of a histogram is how much work there is, whatever the histogram measures.
    ("duration.rate", Matters::Both, 0.4, 0.5, false),
    ("duration", Matters::Rise, 0.3, 0.0, false),
    ("latency", Matters::Rise, 0.3, 0.0, false),
    ("response_time", Matters::Rise, 0.3, 0.0, false),
    ("queue", Matters::Rise, 0.5, 2.0, false),
    ("active_requests", Matters::Rise, 0.5, 3.0, false),
    ("lag", Matters::Rise, 0.5, 0.0, false),
    ("gc.", Matters::Rise, 0.5, 0.0, false),
    ("memory", Matters::Rise, 0.1, 0.0, false),
    ("cpu", Matters::Rise, 0.2, 0.02, false),
    // The work itself, beside what was waited for.
    ("self_time", Matters::Rise, 0.3, 0.0, false),
    // A tenth of a request's time is what one would look for first.
    ("critical_path", Matters::Rise, 0.3, 0.1, false),
    // Clocks of both sides tell milliseconds apart, and hardly less.
    ("edge.gap", Matters::Rise, 0.3, 0.001, false),
    ("zone.gap", Matters::Rise, 0.3, 0.001, false),
    ("zone.calls.held_up", Matters::Rise, 0.5, 3.0, true),
    // None is missed as long as there is a way.
    ("zone.calls.missed", Matters::Rise, 0.5, 3.0, true),
    ("calls_per_request", Matters::Both, 0.3, 0.1, false),
    ("edge.retries", Matters::Rise, 0.5, 3.0, true),
    ("edge.new_calls", Matters::Rise, 0.5, 3.0, true),
    ("span.new_order", Matters::Rise, 0.5, 3.0, true),
    ("span.orphans", Matters::Rise, 0.5, 3.0, true),
    // One of many who asks more than before, or is asked for more.
    ("span.asker.", Matters::Rise, 0.5, 3.0, true),
    ("span.key.", Matters::Rise, 0.5, 3.0, true),
    ("edge.key.", Matters::Rise, 0.5, 3.0, true),
    // How many of an operation come to one instance is up to its callers; the rate of all
    // requests that it serves tells of less load.
    ("span.count", Matters::Rise, 0.4, 5.0, false),
    ("edge.count", Matters::Rise, 0.4, 5.0, false),
    (".count", Matters::Both, 0.4, 5.0, false),
    (".rate", Matters::Both, 0.4, 0.5, false),
    ("workload", Matters::Both, 0.4, 0.0, false),
    ("requests", Matters::Both, 0.4, 0.0, false),
];

impl Rule {
    /// The rule for a series: the first of `own` that fits, else the first built in.
    #[must_use]
    pub fn of(series: &Series, own: &[Self]) -> Self {
        let name = series.signal.to_ascii_lowercase();
        let fits = |pattern: &str| pattern == "*" || name.contains(&pattern.to_ascii_lowercase());
        if let Some(rule) = own.iter().find(|rule| fits(&rule.signal)) {
            return rule.clone();
        }
        let silence = speaks_by_itself(series);
        if is_routine(series) {
            return Self { matters: Matters::Nothing, routine: true, silence: false, ..Self::default() };
        }
        let row = BUILT_IN.iter().find(|row| fits(row.0));
        row.map_or_else(
            || Self { silence, ..Self::default() },
            |(signal, matters, effect_share_min, effect_min, counts)| Self {
                signal: (*signal).to_owned(),
                matters: *matters,
                effect_share_min: *effect_share_min,
                effect_min: *effect_min,
                counts: *counts,
                rare: *signal == "restart",
                few: matches!(*signal, "mismatch" | "checksum"),
                routine: false,
                silence: silence && !*counts,
                ..Self::default()
            },
        )
    }

    /// What makes no sense, one text each, with the field and the mend.
    pub(crate) fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let sizes = [
            ("effect_share_min", self.effect_share_min),
            ("effect_min", self.effect_min),
            ("traffic_min", self.traffic_min),
        ];
        for (name, value) in sizes.into_iter().filter(|(_, value)| !value.is_finite() || *value < 0.0) {
            problems.push(format!("`{name}` is {value}; write 0 or more"));
        }
        if !self.traffic.is_empty() && self.traffic_min == 0.0 {
            problems.push(format!(
                "`traffic` is {}, but `traffic_min` is 0; write how many events a value needs, as 20",
                self.traffic
            ));
        }
        if let Some(within) = self.exhausted_within.filter(|within| within.0 <= 0 || *within > HORIZON) {
            problems.push(format!(
                "`exhausted_within` is {within}; write a time longer than nothing, up to {HORIZON}"
            ));
        }
        if self.exhausted_within.is_some() && self.matters == Matters::Nothing {
            problems.push(
                "`matters: nothing` and `exhausted_within` are both given; keep one of them".to_owned(),
            );
        }
        if self.rare && self.traffic_min > 0.0 {
            problems.push("`rare` events happen without traffic, too; leave out `traffic_min`".to_owned());
        }
        problems
    }

    /// Whether a departure of `observed` from `expected` matters.
    #[must_use]
    pub fn lets_through(&self, observed: f64, expected: f64) -> bool {
        let effect = (observed - expected).abs();
        let direction = match self.matters {
            Matters::Both => true,
            Matters::Rise => observed > expected,
            Matters::Drop => observed < expected,
            Matters::Nothing => false,
        };
        direction && effect >= self.effect_min && effect >= self.effect_share_min * expected.abs()
    }
}

/// Whether a series is told at every tick while its entity lives: gauges are, what is made
/// from requests, calls or log lines is not.
fn speaks_by_itself(series: &Series) -> bool {
    let derived = [".rate", ".mean", ".p95", ".count", ".error_ratio"];
    series.kind == SignalKind::Metric && !derived.iter().any(|end| series.signal.ends_with(end))
}

/// Whether it counts lines of a template that nobody would worry about, or all lines of an entity:
/// how many there are is up to the load, and new ones come with every change of the code.
fn is_routine(series: &Series) -> bool {
    let said = |severity: &str| series.attributes.contains(&format!("\"severity\":\"{severity}\""));
    let quiet = ["trace", "debug", "info", "unspecified"].into_iter().any(said);
    series.signal == "log.count" || series.signal == "log.template" && quiet
}

/// Which way `observed` departs from `expected`.
#[must_use]
pub fn direction(observed: f64, expected: f64) -> Direction {
    if observed > expected {
        Direction::Up
    } else if observed < expected {
        Direction::Down
    } else {
        Direction::None
    }
}
