//! How unusual is unusual enough, so that no more than a given share of symptoms is false?
//!
//! One threshold for all series cannot do it: at a hundred series it is too strict, at a hundred
//! thousand it cries wolf. What is spent is therefore counted. A tick in which `n` series may
//! open a symptom at level `a` is expected to open `n * a` false ones at most, for p-values are
//! at most uniform while nothing is wrong. Half of the share is spent evenly, so much in each
//! span of the memory; each symptom earns the other half anew, to be spent soon: troubles come
//! together. So the false ones expected are at most half the share for each span, and half the
//! share of all that were found.
//!
//! Of what a symptom earns half is spent within minutes on the series near the trouble: those of the
//! services that show symptoms, of whom they call, and of what they run on. Who may be in trouble is known
//! before the tick, so the bound holds however the level is spread over series.
//!
//! Generalised alpha investing: E. Aharoni and S. Rosset, J. R. Statist. Soc. B 76:771, 2014;
//! decaying memory: A. Ramdas, F. Yang, M. Wainwright, M. Jordan, NeurIPS 2017;
//! weights known beforehand: C. Genovese, K. Roeder, L. Wasserman, Biometrika 93:509, 2006.

use serde::{Deserialize, Serialize};

/// Ticks within which most of what a symptom earned is spent, anywhere and near the trouble.
const SOON: f64 = 60.0;
const SOON_NEAR: f64 = 6.0;
/// Level near trouble at most.
const NEAR_MAX: f64 = 1e-3;

/// What may be spent on symptoms that would be false.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Discovery {
    /// Earned and not yet spent: false symptoms expected.
    earned: f64,
    /// The same, to be spent near the trouble.
    #[serde(default)]
    earned_near: f64,
}

impl Discovery {
    /// The chance at or below which a symptom opens in this tick, in which `series` may open one.
    /// `share`: false among all symptoms, in the long run. `memory`: ticks of a span.
    pub(crate) fn level(&mut self, series: usize, share: f64, memory: f64) -> f64 {
        let soon = self.earned / SOON;
        self.earned -= soon;
        (0.5 * share / memory + soon) / series.max(1) as f64
    }

    /// What may be added to it for each of the `series` near the trouble.
    pub(crate) fn level_near(&mut self, series: usize) -> f64 {
        let soon = self.earned_near / SOON_NEAR;
        let level = (soon / series.max(1) as f64).min(NEAR_MAX);
        self.earned_near -= soon;
        // What is not spent may be spent anywhere.
        self.earned += soon - level * series as f64;
        level
    }

    /// So many symptoms were opened.
    pub(crate) fn found(&mut self, symptoms: u64, share: f64) {
        let earned = 0.5 * share * symptoms as f64;
        self.earned += 0.5 * earned;
        self.earned_near += 0.5 * earned;
    }
}

#[cfg(test)]
mod tests {
    use super::Discovery;

    #[test]
    fn what_is_spent_is_what_was_given() {
        let (mut discovery, mut spent) = (Discovery::default(), 0.0);
        for tick in 0..20_000_u32 {
            let series = 1 + (tick % 7) as usize * 1_000;
            spent += series as f64 * discovery.level(series, 0.05, 1_000.0);
            spent += 3.0 * discovery.level_near(3);
            if tick % 2_000 == 0 {
                discovery.found(3, 0.05);
            }
        }
        let given = 0.5 * 0.05 * (20.0 + 30.0);
        assert!((spent - given).abs() < 1e-9, "{spent} {given}");
    }

    #[test]
    fn symptoms_make_more_likely_what_comes_soon_after() {
        let mut discovery = Discovery::default();
        let before = discovery.level(300, 0.05, 8_640.0);
        discovery.found(10, 0.05);
        let after = discovery.level(300, 0.05, 8_640.0);
        assert!(after > 100.0 * before);
        let later = (0..1_000).map(|_| discovery.level(300, 0.05, 8_640.0)).last();
        assert!(later.is_some_and(|later| later < 1.001 * before));
    }
}
