//! RootCauseBench: incidents with alert, logs, metrics, traces and change events, and the change
//! that caused each, if one did.
//!
//! A folder holds one folder for each incident, with `data/` and `ground_truth.json`.
//!
//! Source: github.com/edgedelta/root-cause-bench, Apache-2.0; scores as its `grade.py` gives them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use theriac_contract::Timestamp;

use crate::ReadError;

/// The answer for "no change caused it".
pub const NONE: &str = "none";
/// Fewest characters of a revision that stand for it.
const PREFIX_MIN: usize = 7;

/// What fired.
#[derive(Clone, Debug, Deserialize)]
pub struct Alert {
    /// Service.
    pub service: String,
    /// Metric.
    pub metric: String,
    /// When.
    pub fired_at: Timestamp,
    /// For people.
    #[serde(default)]
    pub summary: String,
    /// More, in some.
    #[serde(default)]
    pub detail: String,
}

/// A log record.
#[derive(Clone, Debug, Deserialize)]
pub struct Log {
    /// When.
    pub timestamp: Timestamp,
    /// Who.
    pub service: String,
    /// `INFO`, `WARN`, `ERROR`, …
    #[serde(default)]
    pub severity_text: String,
    /// What.
    #[serde(default)]
    pub msg: String,
}

/// Log lines of one form, counted.
#[derive(Clone, Debug, Deserialize)]
pub struct Pattern {
    /// The form.
    pub signature: String,
    /// Who writes it.
    pub service: String,
    /// `negative` or `neutral`.
    #[serde(default)]
    pub sentiment: String,
}

/// A commit.
#[derive(Clone, Debug, Deserialize)]
pub struct Commit {
    /// Revision.
    pub sha: String,
    /// When.
    pub timestamp: Timestamp,
    /// First line.
    #[serde(default)]
    pub message: String,
    /// Paths.
    #[serde(default)]
    pub files_changed: Vec<String>,
    /// Unified diff; none if it was not kept.
    pub diff: Option<String>,
}

/// A revision that was put into service.
#[derive(Clone, Debug, Deserialize)]
pub struct Deploy {
    /// When.
    pub timestamp: Timestamp,
    /// Of which service.
    pub service: String,
    /// Revision.
    pub commit_sha: String,
}

/// One incident.
#[derive(Clone, Debug)]
pub struct Incident {
    /// Name of its folder: for people, never an input.
    pub name: String,
    /// What fired.
    pub alert: Alert,
    /// Log records.
    pub logs: Vec<Log>,
    /// Series by service and metric, in the order of time.
    pub metrics: BTreeMap<(String, String), Vec<(Timestamp, f64)>>,
    /// Patterns.
    pub patterns: Vec<Pattern>,
    /// Services that are in traces.
    pub traced: BTreeSet<String>,
    /// Errors that spans tell.
    pub errors: Vec<String>,
    /// Commits, in the order of time.
    pub commits: Vec<Commit>,
    /// Deploys, in the order of time.
    pub deploys: Vec<Deploy>,
    /// What a status page of somebody else says; empty without one.
    pub status_feed: String,
    /// For scoring alone.
    pub truth: Truth,
}

/// What was wrong.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct Truth {
    /// Revision, or [`NONE`].
    pub root_cause_commit: String,
    /// Where it showed first.
    pub first_failing_service: String,
    /// Who was hit.
    pub blast_radius: BTreeSet<String>,
    /// What helps.
    pub remediation: String,
    /// Revisions that only look like the cause.
    #[serde(default)]
    pub decoy_deploy_commits: Vec<String>,
}

/// An answer to an incident.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// Revision, or [`NONE`].
    pub root_cause_commit: String,
    /// Where it showed first.
    pub first_failing_service: String,
    /// Who was hit.
    pub blast_radius: BTreeSet<String>,
    /// What helps.
    pub remediation: String,
}

fn same(answer: &str, truth: &str) -> bool {
    answer.trim() == truth.trim()
}

impl Truth {
    /// Whether an answer names the cause: the revision whatever its case (seven characters of it do),
    /// or [`NONE`].
    #[must_use]
    pub fn passes(&self, answer: &str) -> bool {
        let (answer, truth) = (answer.trim().to_lowercase(), self.root_cause_commit.trim().to_lowercase());
        answer == truth || truth != NONE && answer.len() >= PREFIX_MIN && truth.starts_with(&answer)
    }

    /// Intersection over union of who was hit; 1 for two empty sets.
    #[must_use]
    pub fn blast_overlap(&self, answer: &BTreeSet<String>) -> f64 {
        let union = self.blast_radius.union(answer).count();
        let both = self.blast_radius.intersection(answer).count();
        if union == 0 { 1.0 } else { both as f64 / union as f64 }
    }

    /// Score of an answer, 0 to 1: 1 for the cause, 0 for a decoy, else half of what the rest is worth.
    #[must_use]
    pub fn grade(&self, answer: &Answer) -> f64 {
        if self.passes(&answer.root_cause_commit) {
            return 1.0;
        }
        if self.decoy_deploy_commits.iter().any(|decoy| same(&answer.root_cause_commit, decoy)) {
            return 0.0;
        }
        let points = |right: bool, worth: f64| if right { worth } else { 0.0 };
        0.5 * (points(same(&answer.first_failing_service, &self.first_failing_service), 0.5)
            + 0.3 * self.blast_overlap(&answer.blast_radius)
            + points(same(&answer.remediation, &self.remediation), 0.2))
    }
}

/// Whether a folder looks like one of incidents.
#[must_use]
pub fn is_here(folder: &Path) -> bool {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.into_iter().any(|entry| entry.path().join("data/alert.json").is_file())
}

/// Reads all incidents of a folder, by name.
///
/// # Errors
/// If one is not as it should be; the message names the file.
pub fn open(folder: &Path) -> Result<Vec<Incident>, ReadError> {
    let io = |source| ReadError::Io { path: folder.to_owned(), source };
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(folder).map_err(io)? {
        let path = entry.map_err(io)?.path();
        if path.join("data/alert.json").is_file() {
            names.insert(path);
        }
    }
    if names.is_empty() {
        return Err(ReadError::malformed(folder, None, "no folder in it holds data/alert.json"));
    }
    names.iter().map(|path| incident(path)).collect()
}

fn incident(folder: &Path) -> Result<Incident, ReadError> {
    let data = folder.join("data");
    let spans: Vec<Value> = json(&data.join("traces.json"))?;
    let text = |span: &Value, key: &str| span.get(key).and_then(Value::as_str).map(ToOwned::to_owned);
    let mut commits: Vec<Commit> = json(&data.join("context/commits.json"))?;
    commits.sort_by(|a, b| (a.timestamp, &a.sha).cmp(&(b.timestamp, &b.sha)));
    let mut deploys: Vec<Deploy> = json(&data.join("context/deploys.json"))?;
    deploys.sort_by(|a, b| (a.timestamp, &a.service).cmp(&(b.timestamp, &b.service)));
    Ok(Incident {
        name: folder.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        alert: json(&data.join("alert.json"))?,
        logs: lines(&data.join("logs.ndjson"))?,
        metrics: metrics(&data.join("metrics.csv"))?,
        patterns: json(&data.join("patterns.json"))?,
        traced: spans.iter().filter_map(|span| text(span, "service")).collect(),
        errors: spans.iter().filter_map(|span| text(span, "error")).collect(),
        commits,
        deploys,
        status_feed: ["status_feed.json", "context/status_feed.json"]
            .iter()
            .find_map(|name| fs::read_to_string(data.join(name)).ok())
            .unwrap_or_default(),
        truth: json(&folder.join("ground_truth.json"))?,
    })
}

fn read(path: &Path) -> Result<String, ReadError> {
    fs::read_to_string(path).map_err(|source| ReadError::Io { path: path.to_owned(), source })
}

fn json<T: DeserializeOwned>(path: &Path) -> Result<T, ReadError> {
    let line = |error: serde_json::Error| {
        ReadError::malformed(path, error.line() as u64, format!("{error}; see its SOURCE for the fields"))
    };
    serde_json::from_str(&read(path)?).map_err(line)
}

fn lines(path: &Path) -> Result<Vec<Log>, ReadError> {
    let text = read(path)?;
    let numbered = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
    let parse = |(number, line): (u64, &str)| {
        serde_json::from_str(line).map_err(|error| ReadError::malformed(path, number, error.to_string()))
    };
    numbered.map(parse).collect()
}

type Series = BTreeMap<(String, String), Vec<(Timestamp, f64)>>;

fn metrics(path: &Path) -> Result<Series, ReadError> {
    let text = read(path)?;
    let mut series = Series::new();
    for (number, line) in (1..).zip(text.lines()).skip(1).filter(|(_, line)| !line.trim().is_empty()) {
        let wrong = || ReadError::malformed(path, number, "expected `timestamp,service,metric,value`");
        let [time, service, metric, value] = line.split(',').collect::<Vec<_>>()[..] else {
            return Err(wrong());
        };
        let point = (time.parse().map_err(|_| wrong())?, value.trim().parse().map_err(|_| wrong())?);
        series.entry((service.to_owned(), metric.to_owned())).or_default().push(point);
    }
    for points in series.values_mut() {
        points.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
    }
    Ok(series)
}

/// Answers that need no diagnosis, to hold others against: always [`NONE`], the latest deploy before
/// the alert, the latest such deploy of the service that the alert names.
#[must_use]
pub fn anchors(incident: &Incident) -> [(&'static str, String); 3] {
    let before =
        || incident.deploys.iter().rev().filter(|deploy| deploy.timestamp <= incident.alert.fired_at);
    let sha = |deploy: Option<&Deploy>| deploy.map_or(NONE.to_owned(), |deploy| deploy.commit_sha.clone());
    let own = before().find(|deploy| deploy.service == incident.alert.service);
    [("none", NONE.to_owned()), ("latest_deploy", sha(before().next())), ("alert_service_deploy", sha(own))]
}
