//! Reader of a scenario.

use std::path::Path;

use serde::Deserialize;

use super::{Issue, Key, Metrics, Scenario};
use crate::{ReadError, packed};

/// Whether a folder is in this layout.
#[must_use]
pub fn is_here(dir: &Path) -> bool {
    packed::find(&dir.join("graph.csv")).is_some() && packed::find(&dir.join("noissue/metrics.csv")).is_some()
}

/// Reads a scenario: `graph.csv`, `noissue/metrics.csv` and `{train,test}/issue_N/`, packed or not.
///
/// # Errors
/// If a file is missing or malformed, or there is no issue.
pub fn open(dir: &Path) -> Result<Scenario, ReadError> {
    let (nodes, calls) = graph(&dir.join("graph.csv"))?;
    let normal = metrics(&dir.join("noissue/metrics.csv"))?;
    let mut issues = Vec::new();
    for split in ["train", "test"] {
        if !dir.join(split).is_dir() {
            continue;
        }
        for name in packed::folders(&dir.join(split))? {
            let folder = dir.join(split).join(&name);
            let holds = |file: &str| packed::find(&folder.join(file)).is_some();
            // One of the two alone is an issue that was not copied whole.
            if holds("target.json") || holds("metrics.csv") {
                issues.push(issue(&folder, format!("{split}/{name}"))?);
            }
        }
    }
    if issues.is_empty() {
        let reason = "no issue: expected train/issue_N or test/issue_N with metrics.csv and target.json";
        return Err(ReadError::malformed(dir, None, reason));
    }
    Ok(Scenario { nodes, calls, normal, issues })
}

/// Nodes, and who calls whom.
type Graph = (Vec<String>, Vec<(String, String)>);

/// Rows call columns.
fn graph(path: &Path) -> Result<Graph, ReadError> {
    let (path, rows) = records(path)?;
    let Some((header, rows)) = rows.split_first() else {
        return Err(ReadError::malformed(&path, 1, "empty: expected a header with the names of the nodes"));
    };
    let nodes: Vec<String> = header.iter().skip(1).map(str::to_owned).collect();
    let mut calls = Vec::new();
    for (line, row) in (2_u64..).zip(rows) {
        let caller = row.get(0).unwrap_or_default();
        for (callee, cell) in nodes.iter().zip(row.iter().skip(1)) {
            let call: f64 = cell.trim().parse().map_err(|_| {
                let reason =
                    format!("column `{callee}`: `{cell}` is no number: expected 1 for a call, else 0");
                ReadError::malformed(&path, line, reason)
            })?;
            if call != 0.0 {
                calls.push((caller.to_owned(), callee.clone()));
            }
        }
    }
    Ok((nodes, calls))
}

/// Three lines of header (node, metric, statistic), one with the name of the index, then rows.
fn metrics(path: &Path) -> Result<Metrics, ReadError> {
    const HEADER: usize = 4;
    let (path, rows) = records(path)?;
    if rows.len() <= HEADER {
        let reason =
            "no rows: expected lines of nodes, metrics, statistics, the name of the index, then rows";
        return Err(ReadError::malformed(&path, None, reason));
    }
    let mut read = Metrics::default();
    let mut columns: Vec<Vec<f64>> = vec![Vec::new(); rows[0].len() - 1];
    for (line, row) in (1_u64..).zip(&rows).skip(HEADER) {
        let number = |cell: &str, column: &str| match cell.trim() {
            "" => Ok(f64::NAN),
            cell => cell.parse::<f64>().map_err(|_| {
                ReadError::malformed(&path, line, format!("column `{column}`: `{cell}` is no number"))
            }),
        };
        read.times.push(number(&row[0], "unix_timestamp")?);
        for ((column, cell), node) in columns.iter_mut().zip(row.iter().skip(1)).zip(rows[0].iter().skip(1)) {
            column.push(number(cell, node)?);
        }
    }
    let names = rows[0].iter().zip(&rows[1]).zip(&rows[2]).skip(1);
    for (((node, metric), statistic), column) in names.zip(columns) {
        let key = Key { node: node.to_owned(), metric: metric.to_owned(), statistic: statistic.to_owned() };
        read.series.insert(key, column);
    }
    Ok(read)
}

/// All records, each with as many fields as the first.
fn records(path: &Path) -> Result<(std::path::PathBuf, Vec<csv::StringRecord>), ReadError> {
    let (path, text) = packed::text(path)?;
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
    let rows = reader.records().collect::<Result<Vec<_>, _>>().map_err(|error| {
        let line = error.position().map(csv::Position::line);
        ReadError::malformed(&path, line, format!("not CSV: {error}"))
    })?;
    Ok((path, rows))
}

#[derive(Deserialize)]
struct Label {
    target: Target,
    root_cause: RootCause,
}

#[derive(Deserialize)]
struct Target {
    node: String,
    metric: String,
    agg: String,
}

#[derive(Deserialize)]
struct RootCause {
    node: String,
}

fn issue(folder: &Path, name: String) -> Result<Issue, ReadError> {
    let (path, text) = packed::text(&folder.join("target.json"))?;
    let label: Label = serde_json::from_str(&text)
        .map_err(|error| ReadError::malformed(&path, error.line() as u64, error.to_string()))?;
    let target = Key { node: label.target.node, metric: label.target.metric, statistic: label.target.agg };
    let metrics = metrics(&folder.join("metrics.csv"))?;
    if !metrics.series.contains_key(&target) {
        let reason = format!("the target is {} of {}, which metrics.csv lacks", target.metric, target.node);
        return Err(ReadError::malformed(&path, None, reason));
    }
    Ok(Issue { name, metrics, target, root_cause: label.root_cause.node })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const ROWS: &str =
        "microservice,Web,DB\nmetric,latency,latency\nstatistic,Average,Average\nunix_timestamp,,\n";

    fn scenario(graph: &str, normal: &str, target: &str) -> Result<Scenario, ReadError> {
        let dir = tempfile::tempdir().expect("a folder");
        fs::create_dir_all(dir.path().join("noissue")).expect("it is made");
        fs::create_dir_all(dir.path().join("test/issue_0")).expect("it is made");
        let write = |name: &str, text: &str| fs::write(dir.path().join(name), text).expect("it is written");
        write("graph.csv", graph);
        write("noissue/metrics.csv", normal);
        write("test/issue_0/metrics.csv", &format!("{ROWS}10,1,2\n20,3,\n"));
        write("test/issue_0/target.json", target);
        open(dir.path())
    }

    const GRAPH: &str = ",Web,DB\nWeb,0,1\nDB,0,0\n";
    const TARGET: &str = r#"{"target": {"node": "Web", "metric": "latency", "agg": "Average", "timestamp": 1},
        "root_cause": {"node": "DB", "metric": null}, "metadata": {}}"#;

    #[test]
    fn a_scenario_is_read() {
        let read = scenario(GRAPH, &format!("{ROWS}1,0.5,\n"), TARGET).expect("it reads");
        assert_eq!(read.calls, [("Web".to_owned(), "DB".to_owned())]);
        assert_eq!(read.normal.get("Web", "latency", "Average"), Some(&[0.5][..]));
        let issue = &read.issues[0];
        assert_eq!((issue.name.as_str(), issue.root_cause.as_str()), ("test/issue_0", "DB"));
        assert_eq!(issue.metrics.times, [10.0, 20.0]);
        assert!(issue.metrics.get("DB", "latency", "Average").is_some_and(|values| values[1].is_nan()));
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        let text = |result: Result<Scenario, ReadError>| result.expect_err("it is wrong").to_string();
        let normal = format!("{ROWS}1,0.5,\n");
        let error = text(scenario(",Web,DB\nWeb,0,x\n", &normal, TARGET));
        assert!(error.contains("graph.csv:2: column `DB`: `x`"), "{error}");
        let error = text(scenario(GRAPH, &format!("{ROWS}1,0.5,\n2,b,1\n"), TARGET));
        assert!(error.contains("metrics.csv:6: column `Web`: `b`"), "{error}");
        let error = text(scenario(GRAPH, &normal, &TARGET.replace("latency", "colour")));
        assert!(error.contains("colour of Web"), "{error}");
        let error = text(scenario(GRAPH, ROWS, TARGET));
        assert!(error.contains("no rows"), "{error}");
    }
}
