//! Alert streams: what detectors said of metrics, traces and logs around each of some hundred labelled
//! failures, with call edges (data of TVDiag, ACM TOSEM).
//!
//! | module | holds |
//! |---|---|
//! | this | [`Failure`], [`Alerts`], read from `label.csv` and `{metrics,traces,logs,nodes,edges}.json` |
//! | [`baseline`] | instances by how many distinct alerts they have |
//! | `published` | [`PUBLISHED`]: the results that others published |

pub mod baseline;
mod published;

use std::{collections::BTreeMap, path::Path};

pub use published::{PUBLISHED, Published};
use serde::{Deserialize, de::DeserializeOwned};

use crate::{ReadError, packed};

/// A metric that went up or down.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "(String, String, String)")]
pub struct MetricAlert {
    /// Where.
    pub instance: String,
    /// Which.
    pub metric: String,
    /// `up` or `down`.
    pub direction: String,
}

impl From<(String, String, String)> for MetricAlert {
    fn from((instance, metric, direction): (String, String, String)) -> Self {
        Self { instance, metric, direction }
    }
}

/// Calls that were slow or failed.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "(String, String, String, String)")]
pub struct CallAlert {
    /// Who called; the callee itself for work within it, `-1` for what came from outside.
    pub caller: String,
    /// Who was called.
    pub callee: String,
    /// What was called.
    pub operation: String,
    /// `PD` for a deviating duration, else a status.
    pub kind: String,
}

impl From<(String, String, String, String)> for CallAlert {
    fn from((caller, callee, operation, kind): (String, String, String, String)) -> Self {
        Self { caller, callee, operation, kind }
    }
}

/// A log template whose frequency deviated.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "(String, String)")]
pub struct LogAlert {
    /// Where.
    pub instance: String,
    /// `<instance>-<number>`.
    pub template: String,
}

impl From<(String, String)> for LogAlert {
    fn from((instance, template): (String, String)) -> Self {
        Self { instance, template }
    }
}

impl LogAlert {
    /// The number of the template, which instances have in common.
    #[must_use]
    pub fn number(&self) -> &str {
        self.template.rsplit('-').next().unwrap_or(&self.template)
    }
}

/// What was known at the time of a failure.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Alerts {
    /// Instances.
    pub nodes: Vec<String>,
    /// Pairs of indices into `nodes` that speak with each other, in both directions.
    pub edges: Vec<(usize, usize)>,
    /// Of metrics.
    pub metrics: Vec<MetricAlert>,
    /// Of traces.
    pub calls: Vec<CallAlert>,
    /// Of logs.
    pub logs: Vec<LogAlert>,
}

/// A labelled failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Its number.
    pub id: u64,
    /// Label: the instance at fault.
    pub instance: String,
    /// Label: what was done to it.
    pub fault: String,
    /// Whether its labels may be learnt from.
    pub train: bool,
    /// What was known.
    pub alerts: Alerts,
}

#[derive(Deserialize)]
struct Label {
    index: u64,
    instance: String,
    anomaly_type: String,
    data_type: String,
}

/// Whether a folder is in this layout.
#[must_use]
pub fn is_here(dir: &Path) -> bool {
    ["label.csv", "nodes.json"].iter().all(|file| packed::find(&dir.join(file)).is_some())
}

/// Reads all labelled failures, by number.
///
/// # Errors
/// If a file is missing or malformed, or a failure has no nodes.
pub fn open(dir: &Path) -> Result<Vec<Failure>, ReadError> {
    let metrics: BTreeMap<u64, Vec<MetricAlert>> = json(dir, "metrics")?;
    let calls: BTreeMap<u64, Vec<CallAlert>> = json(dir, "traces")?;
    let logs: BTreeMap<u64, Vec<LogAlert>> = json(dir, "logs")?;
    let nodes: BTreeMap<u64, Vec<String>> = json(dir, "nodes")?;
    let edges: BTreeMap<u64, Vec<(usize, usize)>> = json(dir, "edges")?;
    let (path, text) = packed::text(&dir.join("label.csv"))?;
    let mut failures = Vec::new();
    for (line, row) in (2_u64..).zip(csv::Reader::from_reader(text.as_bytes()).deserialize()) {
        let label: Label = row.map_err(|error| ReadError::malformed(&path, line, error.to_string()))?;
        let wrong = |reason: String| ReadError::malformed(&path, line, reason);
        let of = |name: &str| wrong(format!("failure {} is not in {name}.json", label.index));
        let train = match label.data_type.as_str() {
            "train" => true,
            "test" => false,
            other => {
                return Err(wrong(format!("column `data_type`: `{other}` is neither `train` nor `test`")));
            }
        };
        let alerts = Alerts {
            nodes: nodes.get(&label.index).ok_or_else(|| of("nodes"))?.clone(),
            edges: edges.get(&label.index).cloned().unwrap_or_default(),
            metrics: metrics.get(&label.index).cloned().unwrap_or_default(),
            calls: calls.get(&label.index).cloned().unwrap_or_default(),
            logs: logs.get(&label.index).cloned().unwrap_or_default(),
        };
        if alerts.edges.iter().any(|(a, b)| (*a).max(*b) >= alerts.nodes.len()) {
            return Err(wrong(format!("failure {} has an edge to a node that it lacks", label.index)));
        }
        let (instance, fault) = (label.instance, label.anomaly_type);
        failures.push(Failure { id: label.index, instance, fault, train, alerts });
    }
    if failures.is_empty() {
        return Err(ReadError::malformed(&path, None, "no failure"));
    }
    failures.sort_by_key(|failure| failure.id);
    Ok(failures)
}

fn json<T: DeserializeOwned>(dir: &Path, name: &str) -> Result<BTreeMap<u64, T>, ReadError> {
    let (path, text) = packed::text(&dir.join(format!("{name}.json")))?;
    serde_json::from_str(&text)
        .map_err(|error| ReadError::malformed(&path, error.line() as u64, error.to_string()))
}

/// Fingerprint of what was read: BLAKE3 over labels and alerts, 16 hexadecimal digits.
#[must_use]
pub fn digest(failures: &[Failure]) -> String {
    blake3::hash(format!("{failures:?}").as_bytes()).to_hex()[..16].to_owned()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn failures(labels: &str, metrics: &str) -> Result<Vec<Failure>, ReadError> {
        let dir = tempfile::tempdir().expect("a folder");
        let write = |name: &str, text: &str| fs::write(dir.path().join(name), text).expect("it is written");
        write("label.csv", labels);
        write("metrics.json", metrics);
        write("traces.json", r#"{"7": [["-1", "a-0", "Get", "PD"]]}"#);
        write("logs.json", r#"{"7": [["a-0", "a-0-12"]]}"#);
        write("nodes.json", r#"{"7": ["a-0", "a-1"], "8": []}"#);
        write("edges.json", r#"{"7": [[0, 1], [1, 0]]}"#);
        open(dir.path())
    }

    const LABELS: &str = ",index,instance,anomaly_type,data_type\n0,7,a-0,cpu,test\n";

    #[test]
    fn failures_are_read() {
        let read = failures(LABELS, r#"{"7": [["a-0", "cpu", "up"]]}"#).expect("they read");
        let failure = &read[0];
        assert_eq!((failure.id, failure.instance.as_str(), failure.train), (7, "a-0", false));
        assert_eq!(failure.alerts.metrics[0].metric, "cpu");
        assert_eq!(failure.alerts.calls[0].caller, "-1");
        assert_eq!(failure.alerts.logs[0].number(), "12");
        assert_eq!(failure.alerts.edges, [(0, 1), (1, 0)]);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        let error = failures(&LABELS.replace("test", "dev"), "{}").expect_err("no such part").to_string();
        assert!(error.contains("label.csv:2: column `data_type`: `dev`"), "{error}");
        let error = failures(&LABELS.replace("7", "9"), "{}").expect_err("no such failure").to_string();
        assert!(error.contains("failure 9 is not in nodes.json"), "{error}");
        let error = failures(LABELS, r#"{"7": [["a-0", "cpu"]]}"#).expect_err("it is short").to_string();
        assert!(error.contains("metrics.json:1:"), "{error}");
    }
}
