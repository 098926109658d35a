//! Results that others published.

/// A row of table 5 of Pham et al., ASE 2024: Avg@5 of services on "Sock Shop 1", all 50 cases.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Published {
    /// Method.
    pub method: &'static str,
    /// Seconds between the fault and when it is noticed.
    pub late_seconds: usize,
    /// CPU faults.
    pub cpu: f64,
    /// Memory faults.
    pub mem: f64,
}

const fn row(method: &'static str, late_seconds: usize, cpu: f64, mem: f64) -> Published {
    Published { method, late_seconds, cpu, mem }
}

/// By method, as printed.
pub static PUBLISHED: [Published; 9] = [
    row("BARO", 0, 0.99, 0.99),
    row("BARO", 60, 0.98, 0.98),
    row("N-Sigma", 0, 0.98, 0.99),
    row("N-Sigma", 60, 0.15, 0.33),
    row("CausalRCA", 0, 0.84, 0.84),
    row("CIRCA", 0, 0.70, 0.80),
    row("RCD", 0, 0.63, 0.66),
    row("epsilon-Diagnosis", 0, 0.50, 0.55),
    row("random", 0, 0.36, 0.33),
];
