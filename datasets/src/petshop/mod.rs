//! PetShop: a metric for each node of a given call graph, a fault-free period, issues of five rows
//! (Hardt et al., CLeaR 2024).
//!
//! | module | holds |
//! |---|---|
//! | this | [`Scenario`] and its parts |
//! | `read` | [`open`]: `graph.csv`, `noissue/metrics.csv`, `{train,test}/issue_N/{metrics.csv,target.json}` |
//! | [`baseline`] | ranked correlation and traversal as released |
//! | `published` | [`PUBLISHED`]: the results that others published |

pub mod baseline;
mod published;
mod read;

use std::collections::BTreeMap;

pub use published::{PUBLISHED, Published};
pub use read::{is_here, open};

/// The first row of an issue that follows its trigger.
pub const FIRST_ROW: usize = 2;

/// Which series of a node.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// Node of the call graph.
    pub node: String,
    /// `latency` (s), `requests` or `availability` (%).
    pub metric: String,
    /// `Average`, `Sum`, `p50`, ….
    pub statistic: String,
}

/// Series over common rows of five minutes; NaN where there is nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metrics {
    /// Unix seconds, `[rows]`.
    pub times: Vec<f64>,
    /// `[rows]` each.
    pub series: BTreeMap<Key, Vec<f64>>,
}

impl Metrics {
    /// A series of a node.
    #[must_use]
    pub fn get(&self, node: &str, metric: &str, statistic: &str) -> Option<&[f64]> {
        let key = Key { node: node.to_owned(), metric: metric.to_owned(), statistic: statistic.to_owned() };
        self.series.get(&key).map(Vec::as_slice)
    }
}

/// One issue: five rows, of which [`FIRST_ROW`] is the first after the trigger.
#[derive(Clone, Debug, PartialEq)]
pub struct Issue {
    /// `test/issue_3`.
    pub name: String,
    /// What was measured around it.
    pub metrics: Metrics,
    /// The objective that was violated.
    pub target: Key,
    /// Label: the node at fault.
    pub root_cause: String,
}

/// One kind of traffic.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    /// Nodes of the call graph, in the order of the file.
    pub nodes: Vec<String>,
    /// Caller and callee.
    pub calls: Vec<(String, String)>,
    /// The fault-free period.
    pub normal: Metrics,
    /// By name.
    pub issues: Vec<Issue>,
}

impl Scenario {
    /// Fingerprint of what was read: BLAKE3 over names and values, 16 hexadecimal digits.
    #[must_use]
    pub fn digest(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        self.calls.iter().for_each(|(caller, callee)| {
            hasher.update(caller.as_bytes());
            hasher.update(callee.as_bytes());
        });
        let issues = self.issues.iter().map(|issue| (issue.name.as_str(), &issue.metrics));
        for (name, metrics) in std::iter::once(("", &self.normal)).chain(issues) {
            hasher.update(name.as_bytes());
            for (key, values) in &metrics.series {
                hasher.update(key.node.as_bytes());
                values.iter().for_each(|value| {
                    hasher.update(&value.to_bits().to_le_bytes());
                });
            }
        }
        hasher.finalize().to_hex()[..16].to_owned()
    }
}
