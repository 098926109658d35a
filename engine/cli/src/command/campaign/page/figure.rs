//! A figure with its interval, and with its name for programs.

use super::super::{
    goals::Unit,
    tables::{hundredths, rounded},
};
use crate::output::Report;

/// Figures of one healer.
pub(super) struct Figures<'a> {
    pub(super) report: &'a Report,
    /// What its names begin with.
    pub(super) prefix: String,
}

impl Figures<'_> {
    /// A figure by its name behind the prefix.
    pub(super) fn of(&self, name: &str, unit: Unit) -> String {
        tagged(self.report, &format!("{}.{name}", self.prefix), unit)
    }
}

/// A figure as an element that names it; `-` if there is none, `open` for a time that was not reached.
pub(super) fn tagged(report: &Report, name: &str, unit: Unit) -> String {
    let get = |name: &str| report.metrics.get(name).copied();
    let Some(value) = get(name) else {
        let opens = unit == Unit::Seconds && is_played(report, name);
        return if opens { "open".to_owned() } else { "-".to_owned() };
    };
    let (low, high) = (get(&format!("{name}.low")), get(&format!("{name}.high")));
    if unit == Unit::Share && low.is_none() {
        // A share of nothing.
        return "-".to_owned();
    }
    let data =
        |key: &str, end: Option<f64>| end.map_or_else(String::new, |end| format!(" data-{key}=\"{end}\""));
    let shown = format!(
        "<span data-metric=\"{name}\" data-value=\"{value}\"{}{}>{}</span>",
        data("low", low),
        data("high", high),
        told(value, unit)
    );
    let interval = match (low, high) {
        (Some(low), Some(high)) if unit == Unit::Ratio && low >= high => return shown,
        (Some(low), Some(high)) => format!("{} to {}", told(low, unit), told(high, unit)),
        (Some(low), None) if unit == Unit::Seconds => format!("{} to open", told(low, unit)),
        _ => return shown,
    };
    format!(
        "{shown} <span class=interval>{}</span>",
        interval.replace(" % to", " to").replace(" s to", " to")
    )
}

/// Whether anything was played that a time could be of.
fn is_played(report: &Report, name: &str) -> bool {
    let prefix = name.split(".detect_s").next().and_then(|name| name.split(".recover_s").next());
    prefix.is_some_and(|prefix| report.metrics.contains_key(&format!("{prefix}.detected")))
}

/// A value in words.
pub(super) fn told(value: f64, unit: Unit) -> String {
    match unit {
        Unit::Share => {
            let percent = 100.0 * value;
            if percent > 0.0 && percent < 9.95 {
                format!("{percent:.1} %")
            } else {
                format!("{percent:.0} %")
            }
        }
        Unit::Seconds => format!("{value:.0} s"),
        Unit::PerWeek if value >= 9.95 => format!("{value:.0}"),
        Unit::PerWeek => format!("{value:.2}"),
        Unit::Ratio => hundredths(value),
        Unit::Number if value.fract() == 0.0 => format!("{value:.0}"),
        Unit::Number => rounded(value, 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let mut report = Report::new("campaign", String::new(), String::new(), None);
        for (name, value) in [
            ("campaign.detected", 1.0),
            ("campaign.end_to_end", 0.484_848),
            ("campaign.end_to_end.low", 0.37),
            ("campaign.end_to_end.high", 0.592),
            ("campaign.correct_action", 0.0),
            ("campaign.recover_s.p50", 94.0),
            ("campaign.recover_s.p50.low", 60.4),
        ] {
            report.set(name, value);
        }
        report
    }

    #[test]
    fn a_figure_has_its_interval_and_its_name() {
        let report = report();
        assert_eq!(
            tagged(&report, "campaign.end_to_end", Unit::Share),
            "<span data-metric=\"campaign.end_to_end\" data-value=\"0.484848\" data-low=\"0.37\" data-high=\"0.592\">48 %</span> <span class=interval>37 to 59 %</span>"
        );
        let open_above = tagged(&report, "campaign.recover_s.p50", Unit::Seconds);
        assert!(open_above.ends_with("94 s</span> <span class=interval>60 to open</span>"), "{open_above}");
    }

    #[test]
    fn what_is_not_there_is_not_made_up() {
        let report = report();
        assert_eq!(tagged(&report, "campaign.recover_s.p95", Unit::Seconds), "open");
        assert_eq!(tagged(&report, "campaign.b0.recover_s.p95", Unit::Seconds), "-");
        assert_eq!(tagged(&report, "campaign.correct_action", Unit::Share), "-", "a share of nothing");
        assert_eq!(told(0.034, Unit::Share), "3.4 %");
    }
}
