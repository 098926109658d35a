//! Sock Shop 1: metrics of containers before and after a fault (Ikram et al., NeurIPS 2022; scored by
//! Pham et al., ASE 2024, "Sock Shop 1").
//!
//! | module | holds |
//! |---|---|
//! | this | [`Case`], read from `<service>-<fault>/<repeat>/{normal,anomalous}.csv` |
//! | [`baseline`] | N-Sigma and BARO as released, with their preparation |
//! | `published` | [`PUBLISHED`]: the results that others published |

pub mod baseline;
mod published;

use std::path::Path;

pub use published::{PUBLISHED, Published};

use crate::{ReadError, packed};

/// Metrics of one system before and after one fault.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    /// `carts-cpu/3`.
    pub name: String,
    /// Label: where the fault was injected.
    pub service: String,
    /// Label: which kind of fault, as its folder says: `cpu`, `mem`, `delay`, `loss`, `disk`.
    pub fault: String,
    /// Time of each row, Unix seconds, `[rows]`.
    pub times: Vec<f64>,
    /// Rows before the injection.
    pub normal_rows: usize,
    /// Every metric that both files have, in the order of the first: `<container>_<metric>` with its values, `[rows]`; NaN where
    /// the file has nothing or no finite number.
    pub metrics: Vec<(String, Vec<f64>)>,
}

impl Case {
    /// The service of a metric, as the benchmark ranks them: what is before the first `_`, a data base
    /// counted as the service that it serves.
    #[must_use]
    pub fn service_of(metric: &str) -> &str {
        let container = metric.split('_').next().unwrap_or(metric);
        container.strip_suffix("-db").unwrap_or(container)
    }

    /// The metric that the fault is about: CPU and memory by name, all others show in the latency.
    #[must_use]
    pub fn true_metric(&self) -> (&str, &str) {
        (&self.service, if matches!(self.fault.as_str(), "cpu" | "mem") { &self.fault } else { "lat" })
    }
}

/// Whether a folder is in this layout.
#[must_use]
pub fn is_here(dir: &Path) -> bool {
    let labels = packed::folders(dir).unwrap_or_default();
    labels.iter().filter(|label| label.contains('-')).any(|label| {
        let repeats = packed::folders(&dir.join(label)).unwrap_or_default();
        repeats.iter().any(|repeat| packed::find(&dir.join(label).join(repeat).join("normal.csv")).is_some())
    })
}

/// Reads every case below a folder, by name.
///
/// # Errors
/// If there is none, or a file of one is missing or malformed.
pub fn open(dir: &Path) -> Result<Vec<Case>, ReadError> {
    let mut cases = Vec::new();
    for label in packed::folders(dir)? {
        let Some((service, fault)) = label.rsplit_once('-') else { continue };
        for repeat in packed::folders(&dir.join(&label))? {
            let folder = dir.join(&label).join(&repeat);
            let holds = |file: &str| packed::find(&folder.join(file)).is_some();
            // One of the two alone is a case that was not copied whole.
            if holds("normal.csv") || holds("anomalous.csv") {
                cases.push(read(&folder, format!("{label}/{repeat}"), service, fault)?);
            }
        }
    }
    if cases.is_empty() {
        let reason = "no case: expected folders <service>-<fault>/<repeat> with normal.csv and anomalous.csv";
        return Err(ReadError::malformed(dir, None, reason));
    }
    Ok(cases)
}

fn read(folder: &Path, name: String, service: &str, fault: &str) -> Result<Case, ReadError> {
    let normal = table(&folder.join("normal.csv"))?;
    let anomalous = table(&folder.join("anomalous.csv"))?;
    let mut times = normal.times;
    let normal_rows = times.len();
    times.extend(&anomalous.times);
    // A container that was not there all the time has no column in one of the files.
    let mut metrics = Vec::new();
    for (metric, mut values) in normal.metrics {
        if let Some((_, rest)) = anomalous.metrics.iter().find(|(other, _)| *other == metric) {
            values.extend(rest);
            metrics.push((metric, values));
        }
    }
    if metrics.is_empty() {
        let reason = "no metric that is in anomalous.csv as well";
        return Err(ReadError::malformed(&folder.join("normal.csv"), 1, reason));
    }
    let (service, fault) = (service.to_owned(), fault.to_owned());
    Ok(Case { name, service, fault, times, normal_rows, metrics })
}

struct Table {
    times: Vec<f64>,
    metrics: Vec<(String, Vec<f64>)>,
}

fn table(path: &Path) -> Result<Table, ReadError> {
    let (path, text) = packed::text(path)?;
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let wrong = |error: csv::Error| {
        let line = error.position().map(csv::Position::line);
        ReadError::malformed(&path, line, format!("not CSV: {error}"))
    };
    let header = reader.headers().map_err(wrong)?.clone();
    let time = header
        .iter()
        .position(|name| name == "time")
        .ok_or_else(|| ReadError::malformed(&path, 1, "no column `time`"))?;
    let mut columns: Vec<Vec<f64>> = vec![Vec::new(); header.len()];
    for record in reader.records() {
        let record = record.map_err(wrong)?;
        let line = record.position().map(csv::Position::line);
        for ((column, cell), name) in columns.iter_mut().zip(&record).zip(&header) {
            let value: f64 = match cell.trim() {
                "" => f64::NAN,
                cell => cell.parse().map_err(|_| {
                    ReadError::malformed(&path, line, format!("column `{name}`: `{cell}` is no number"))
                })?,
            };
            column.push(if value.is_finite() { value } else { f64::NAN });
        }
    }
    let times = std::mem::take(&mut columns[time]);
    if times.is_empty() || times.iter().any(|at| at.is_nan()) {
        return Err(ReadError::malformed(&path, None, "no rows, or one without a `time`"));
    }
    // A second time column came with a join of the authors.
    let metrics = header.iter().map(str::to_owned).zip(columns);
    let metrics =
        metrics.filter(|(name, _)| name != "time" && name != "time.1" && !name.is_empty()).collect();
    Ok(Table { times, metrics })
}

/// Fingerprint of what was read: BLAKE3 over names, times and values, 16 hexadecimal digits.
#[must_use]
pub fn digest(cases: &[Case]) -> String {
    let mut hasher = blake3::Hasher::new();
    for case in cases {
        hasher.update(case.name.as_bytes());
        case.times.iter().for_each(|time| {
            hasher.update(&time.to_bits().to_le_bytes());
        });
        for (name, values) in &case.metrics {
            hasher.update(name.as_bytes());
            values.iter().for_each(|value| {
                hasher.update(&value.to_bits().to_le_bytes());
            });
        }
    }
    hasher.finalize().to_hex()[..16].to_owned()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn case(normal: &str, anomalous: &str) -> Result<Vec<Case>, ReadError> {
        let dir = tempfile::tempdir().expect("a folder");
        let folder = dir.path().join("front-end-cpu/2");
        fs::create_dir_all(&folder).expect("it is made");
        fs::write(folder.join("normal.csv"), normal).expect("it is written");
        fs::write(folder.join("anomalous.csv"), anomalous).expect("it is written");
        open(dir.path())
    }

    #[test]
    fn a_case_is_both_files_in_a_row() {
        let cases =
            case("time,a_cpu,a-db_mem\n1,2,\n2,inf,4\n", "time,a_cpu,a-db_mem\n3,5,6\n").expect("it reads");
        let case = &cases[0];
        assert_eq!((case.name.as_str(), case.service.as_str()), ("front-end-cpu/2", "front-end"));
        assert_eq!((case.fault.as_str(), case.normal_rows, case.times.len()), ("cpu", 2, 3));
        assert_eq!(case.true_metric(), ("front-end", "cpu"));
        assert!(case.metrics[0].1[1].is_nan() && case.metrics[1].1[0].is_nan());
        assert_eq!(case.metrics[1].1[2], 6.0);
        assert_eq!((Case::service_of("a-db_mem"), Case::service_of("front-end_lat_90")), ("a", "front-end"));
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        let error = case("time,a_cpu\n1,2\n2,x\n", "time,a_cpu\n3,5\n").expect_err("x is no number");
        assert!(error.to_string().contains("normal.csv:3: column `a_cpu`: `x`"), "{error}");
        let error = case("time,a_cpu\n1,2\n", "time,b_cpu\n3,5\n").expect_err("nothing in common");
        assert!(error.to_string().contains("normal.csv:1: no metric"), "{error}");
        let error = open(tempfile::tempdir().expect("a folder").path()).expect_err("it is empty");
        assert!(error.to_string().contains("no case"), "{error}");
    }
}
