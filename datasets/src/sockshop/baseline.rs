//! N-Sigma and BARO as their authors released them, with the preparation of the ASE 2024 comparison
//! (phamquiluan/RCAEval): what its tables print is what these give.

use super::Case;
use crate::ranking::{Ranked, sort};

/// A scorer of metrics: the largest rise above the normal part, in units of its spread. Drops do not
/// count; a spread of zero counts as one unit of the metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scorer {
    /// Mean and standard deviation (of the population).
    NSigma,
    /// Median and distance of the quartiles: the `RobustScorer` of BARO, FSE 2024.
    Baro,
}

impl Scorer {
    /// Every metric with its score, the highest first. The fault is noticed `late_seconds` after it was
    /// injected, and what came before that counts as normal; at most 300 s on either side are looked at.
    #[must_use]
    pub fn rank(self, case: &Case, late_seconds: usize) -> Vec<Ranked> {
        let split = (case.normal_rows + late_seconds).min(case.times.len());
        let normal = split.saturating_sub(300)..split;
        let anomalous = split..(split + 300).min(case.times.len());
        let mut ranking = Vec::new();
        for (name, values) in &case.metrics {
            if name.ends_with("_lat_50") || name.ends_with("_lat_99") {
                continue;
            }
            // Megabytes, which matters where the spread is zero.
            let unit = if name.ends_with("_mem") { 1e6 } else { 1.0 };
            let filled = filled(values, unit);
            let (normal, anomalous) = (&filled[normal.clone()], &filled[anomalous.clone()]);
            if is_constant(normal) || is_constant(anomalous) {
                continue;
            }
            let (centre, spread) = self.fit(normal);
            let spread = if spread == 0.0 { 1.0 } else { spread };
            let highest =
                anomalous.iter().map(|value| (value - centre) / spread).fold(f64::NEG_INFINITY, f64::max);
            ranking.push(Ranked { name: name.clone(), score: highest });
        }
        sort(&mut ranking);
        ranking
    }

    fn fit(self, normal: &[f64]) -> (f64, f64) {
        match self {
            Self::NSigma => {
                let mean = normal.iter().sum::<f64>() / normal.len() as f64;
                let squares: f64 = normal.iter().map(|value| (value - mean) * (value - mean)).sum();
                (mean, (squares / normal.len() as f64).sqrt())
            }
            Self::Baro => {
                let mut sorted = normal.to_vec();
                sorted.sort_by(f64::total_cmp);
                (quantile(&sorted, 0.5), quantile(&sorted, 0.75) - quantile(&sorted, 0.25))
            }
        }
    }
}

/// The services of a ranking of metrics, each where its first metric is.
#[must_use]
pub fn services(metrics: &[Ranked]) -> Vec<Ranked> {
    let mut ranking: Vec<Ranked> = Vec::new();
    for metric in metrics {
        let service = Case::service_of(&metric.name);
        if ranking.iter().all(|one| one.name != service) {
            ranking.push(Ranked { name: service.to_owned(), score: metric.score });
        }
    }
    ranking
}

/// Gaps take the value before them, or zero at the beginning.
fn filled(values: &[f64], unit: f64) -> Vec<f64> {
    let mut last = 0.0;
    let mut fill = |value: &f64| {
        if !value.is_nan() {
            last = value / unit;
        }
        last
    };
    values.iter().map(&mut fill).collect()
}

fn is_constant(values: &[f64]) -> bool {
    values.windows(2).all(|pair| pair[0] == pair[1])
}

/// Linear interpolation between the neighbours in sorted values.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = share * (sorted.len() - 1) as f64;
    let below = place.floor() as usize;
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (sorted[above] - sorted[below]) * (place - below as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(metrics: &[(&str, Vec<f64>)]) -> Case {
        let rows = metrics[0].1.len();
        Case {
            name: "a-cpu/1".to_owned(),
            service: "a".to_owned(),
            fault: "cpu".to_owned(),
            times: (0..rows).map(|row| row as f64).collect(),
            normal_rows: 4,
            metrics: metrics.iter().map(|(name, values)| ((*name).to_owned(), values.clone())).collect(),
        }
    }

    #[test]
    fn scores_are_those_of_closed_forms() {
        let case = case(&[
            ("a_cpu", vec![1.0, 2.0, 3.0, 4.0, 10.0, 2.0]),
            ("b_mem", vec![1e6, 1e6, 1e6, 2e6, 0.0, 1e6]),
            ("c_cpu", vec![1.0, 1.0, 1.0, 1.0, 5.0, 6.0]),
            ("d_lat_50", vec![1.0, 2.0, 3.0, 4.0, 90.0, 2.0]),
        ]);
        let baro = Scorer::Baro.rank(&case, 0);
        // Median 2.5, quartiles 1.75 and 3.25; of the memory 1 MB and a distance of 0.25 MB.
        assert_eq!(
            baro,
            [
                Ranked { name: "a_cpu".to_owned(), score: 5.0 },
                Ranked { name: "b_mem".to_owned(), score: 0.0 }
            ]
        );
        let n_sigma = Scorer::NSigma.rank(&case, 0);
        assert!((n_sigma[0].score - 7.5 / 1.25_f64.sqrt()).abs() < 1e-12);
        assert_eq!(services(&baro).iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    }
}
