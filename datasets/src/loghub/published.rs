//! Results that others published.

/// A row of a published table; shares between 0 and 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Published {
    /// The parser, and what it needs.
    pub parser: &'static str,
    /// Which lines and labels.
    pub data: &'static str,
    /// Grouping accuracy.
    pub ga: f64,
    /// F1 of groups.
    pub fga: f64,
    /// Parsing accuracy.
    pub pa: f64,
    /// F1 of templates.
    pub fta: f64,
}

const fn row(parser: &'static str, data: &'static str, ga: f64, fga: f64, pa: f64, fta: f64) -> Published {
    Published { parser, data, ga, fga, pa, fta }
}

/// `2k`: logpai/loghub-2.0 at 8046b14 (`RQ2/effectiveness_results.csv`), mean of 14 systems, 2,000 lines
/// each, labels v2, settings tuned for each system. `full`: mooselab/PIPLUP at 3ee44c8, Loghub-2.0 whole.
/// The systems are not all the same as those here, so the rows tell the order of things, no ranks.
pub static ROWS: [Published; 9] = [
    row("Drain, tuned per system", "2k", 0.850, 0.740, 0.320, 0.280),
    row("IPLoM, tuned per system", "2k", 0.770, 0.770, 0.200, 0.190),
    row("AEL, tuned per system", "2k", 0.810, 0.680, 0.280, 0.230),
    row("LogPPT, GPU and 32 labels a system", "2k", 0.760, 0.860, 0.710, 0.640),
    row("Drain, tuned per system", "full", 0.843, 0.554, 0.481, 0.278),
    row("Preprocessed-Drain", "full", 0.847, 0.815, 0.646, 0.568),
    row("PIPLUP, one setting", "full", 0.917, 0.904, 0.780, 0.697),
    row("LILAC, language model, no labels", "full", 0.837, 0.758, 0.584, 0.501),
    row("LUNAR, language model", "full", 0.934, 0.911, 0.876, 0.790),
];
