//! The length of a series' buffer, from its autocorrelation.

/// Rows that are looked at.
const ROWS: usize = 20_000;
/// Greatest lag.
const LAGS: usize = 400;
/// Lags at the start that are passed over.
const PASSED: usize = 3;
/// Taken where there is no peak, or one too early or too late to be a period.
const WITHOUT_PERIOD: usize = 125;

/// The lag of the highest peak of the autocorrelation (demeaned, biased) of the first 20,000
/// values among lags 6 to 303, else 125: what TSB-AD takes for a period, and for the
/// greatest buffer of [`super::volume`]. Of several channels the first counts.
#[must_use]
pub fn window(values: &[f64]) -> usize {
    let values = &values[..values.len().min(ROWS)];
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let deviations: Vec<f64> = values.iter().map(|value| value - mean).collect();
    let correlation = |lag: usize| -> f64 {
        deviations.iter().zip(&deviations[lag.min(deviations.len())..]).map(|(a, b)| a * b).sum()
    };
    let lags = (LAGS + 1).min(values.len());
    let kept: Vec<f64> = (PASSED..lags).map(correlation).collect();
    let peaks = (1..kept.len().saturating_sub(1))
        .filter(|lag| kept[*lag] > kept[lag - 1] && kept[*lag] > kept[lag + 1]);
    match peaks.max_by(|a, b| kept[*a].total_cmp(&kept[*b])) {
        Some(lag) if (3..=300).contains(&lag) => lag + PASSED,
        _ => WITHOUT_PERIOD,
    }
}
