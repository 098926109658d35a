//! Results that others published.

use std::{collections::BTreeMap, sync::LazyLock};

use serde::Deserialize;

/// VUS-PR of each method on each series, in the order of [`super::cut_outs`].
pub type Methods = BTreeMap<String, Vec<f64>>;

/// Per-series VUS-PR of TheDatumOrg/TSB-AD at 87630099, from the merged tables in
/// `benchmark_exp/benchmark_eval_results`. All look at the whole file or at rows around
/// each row; none is strictly causal in one pass.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Published {
    /// The 14 series of TSB-AD-U that NAB gives.
    pub nab14: Methods,
    /// The 3 series of TSB-AD-M that SMD gives.
    pub smd3: Methods,
}

/// The published figures.
///
/// # Panics
/// Never: the numbers are part of the program and a test reads them.
#[must_use]
pub fn published() -> &'static Published {
    static ALL: LazyLock<Published> = LazyLock::new(|| {
        serde_json::from_str(include_str!("published.json")).expect("the numbers are well-formed")
    });
    &ALL
}

/// Methods with their means, the best first.
#[must_use]
pub fn means(methods: &Methods) -> Vec<(&str, f64)> {
    let mean = |values: &Vec<f64>| values.iter().sum::<f64>() / values.len() as f64;
    let mut means: Vec<(&str, f64)> =
        methods.iter().map(|(name, values)| (name.as_str(), mean(values))).collect();
    means.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(b.0)));
    means
}
