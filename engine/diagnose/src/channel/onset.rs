//! Who was first: causes show sooner than what they cause. Both delays are taken as exponential.

use std::collections::BTreeMap;

use super::{
    Channel, Claim, Incident, Series, Settings, claim,
    deviation::{Baseline, Known},
};

/// Ordinary deviations from which a row counts: where a cause becomes more likely than chance.
const BEGUN: f64 = 3.0;

/// The first row of the incident from which two of three rows are far away.
fn begun(series: &Series, baseline: Option<Baseline>, settings: &Settings) -> Option<usize> {
    let baseline = baseline?;
    let is_far = |value: &f64| !value.is_nan() && baseline.of_one(*value, settings) >= BEGUN;
    let far: Vec<bool> = series.during.iter().map(is_far).collect();
    let two_of_three = |row: &usize| far[*row] && far[row + 1..].iter().take(2).any(|also| *also);
    (0..far.len()).find(two_of_three)
}

pub(super) fn claims(incident: &Incident, known: &Known, settings: &Settings) -> Vec<Claim> {
    // Rows that are farther apart than the delays cannot tell who was first.
    if incident.step_seconds > settings.cause_delay_seconds {
        return Vec::new();
    }
    let mut first: BTreeMap<&str, usize> = BTreeMap::new();
    for (series, baseline) in incident.series.iter().zip(&known.baselines) {
        if let Some(row) = begun(series, *baseline, settings) {
            let known = first.entry(&series.entity).or_insert(row);
            *known = (*known).min(row);
        }
    }
    let Some(began) = first.values().min().copied() else { return Vec::new() };
    let limit = libm::log(settings.victim_delay_times);
    let rate = (1.0 - 1.0 / settings.victim_delay_times) / settings.cause_delay_seconds;
    let claims = first.into_iter().map(|(entity, row)| {
        let lag = (row - began) as f64 * incident.step_seconds;
        // A detector may have missed the beginning, so being late is not held against it for ever.
        let ratio = (limit - rate * lag).max(-limit);
        let text = format!("{entity} began {lag:.0} s after the first");
        claim(entity, "", Channel::Onset, ratio, text)
    });
    claims.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Family;

    fn series(entity: &str, begins: usize) -> Series {
        Series {
            entity: entity.to_owned(),
            part: "latency".to_owned(),
            family: Family::Latency,
            ordinary: (0..50).map(|row| 10.0 + f64::from(row % 3)).collect(),
            before: Vec::new(),
            during: (0..200).map(|row| if row >= begins { 90.0 } else { 10.0 }).collect(),
        }
    }

    #[test]
    fn ratios_are_those_of_two_exponential_delays() {
        let mut series = vec![series("a", 20), series("b", 60), series("c", 199), series("d", 300)];
        // One row alone is a spike.
        series[3].during[5] = 90.0;
        let incident = Incident { series, step_seconds: 1.0, ..Incident::default() };
        let settings = Settings::default();
        let found: Vec<(String, f64)> = claims(&incident, &Known::of(&incident, &settings), &settings)
            .into_iter()
            .map(|(suspect, evidence)| (suspect.entity.0, evidence.log_likelihood_ratio))
            .collect();
        let four = libm::log(4.0);
        assert_eq!(found.len(), 2, "{found:?}");
        assert_eq!(found[0], ("a".to_owned(), four));
        assert!((found[1].1 - (four - 40.0 * 0.75 / 30.0)).abs() < 1e-12);
        let coarse = Incident { step_seconds: 300.0, ..incident };
        assert!(claims(&coarse, &Known::of(&coarse, &settings), &settings).is_empty());
    }
}
