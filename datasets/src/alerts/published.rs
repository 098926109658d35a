//! Results that others published.

/// Hit rates of TVDiag on a test split, and how well it named the kind of fault.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Published {
    /// Data set.
    pub data: &'static str,
    /// Share of failures with the instance among the first one, three, five.
    pub hit_rates: [f64; 3],
    /// Harmonic mean of support-weighted precision and recall over kinds of fault.
    pub fault_f1: f64,
}

/// From the logs that the authors released (WHU-AISE/TVDiag at cf6f3348).
pub static PUBLISHED: [Published; 3] = [
    Published { data: "sockshop", hit_rates: [0.863, 0.954, 0.963], fault_f1: 0.636 },
    Published { data: "hotel", hit_rates: [0.821, 0.923, 0.974], fault_f1: 0.822 },
    Published { data: "gaia", hit_rates: [0.759, 0.909, 0.946], fault_f1: 0.936 },
];
