//! Results that others published.

/// Top-1 recall of a method: latency and availability of the scenarios low, high and temporal.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Published {
    /// Method.
    pub method: &'static str,
    /// Low traffic: latency, availability.
    pub low: [f64; 2],
    /// High traffic.
    pub high: [f64; 2],
    /// Traffic that varies in time.
    pub temporal: [f64; 2],
}

const fn row(method: &'static str, low: [f64; 2], high: [f64; 2], temporal: [f64; 2]) -> Published {
    Published { method, low, high, temporal }
}

/// Table 8 of Hardt et al., CLeaR 2024 (arXiv 2311.04806).
pub static PUBLISHED: [Published; 6] = [
    row("ranked correlation", [0.43, 0.75], [0.64, 0.83], [0.62, 0.62]),
    row("traversal", [0.57, 0.50], [0.57, 0.33], [1.00, 0.38]),
    row("CIRCA", [0.36, 0.42], [0.50, 0.00], [0.75, 0.38]),
    row("counterfactual", [0.36, 0.00], [0.57, 0.00], [0.38, 0.00]),
    row("RCD", [0.07, 0.58], [0.00, 0.00], [0.25, 0.50]),
    row("epsilon-Diagnosis", [0.00, 0.00], [0.00, 0.00], [0.12, 0.00]),
];
