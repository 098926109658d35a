//! Tables (CSV, Parquet) to rows: which column is what, and one table row to points or a log.
//!
//! Long form: a name column and a value column. Wide form: every numeric column is a series
//! named after the column. With a message column and no value column, rows are log records.
//! Columns such as `service`, `host`, `pod` become resource attributes; other columns that
//! are not numeric become attributes.

use std::{borrow::Cow, sync::Arc};

use serde_json::Value;
use theriac_contract::{
    Timestamp,
    telemetry::{Attributes, LogRow, PointKind, PointRow, Temporality, canonical},
};

use super::{
    BadRecord, Rows,
    entity::{TIME_NAMES, plain, resource_key},
    hex,
    memo::Kind,
    text::severity_number,
    time,
};
use crate::read::FileSettings;

/// A cell of a table.
pub(crate) enum Cell<'a> {
    /// No value.
    Missing,
    /// A number.
    Number(f64),
    /// A whole number.
    Integer(i64),
    /// An instant.
    Time(Timestamp),
    /// Text, possibly of a number.
    Text(Cow<'a, str>),
}

/// One row of a table.
pub(crate) trait TableRow {
    /// The cell of a column.
    fn cell(&self, column: usize) -> Cell<'_>;
    /// The row as it stands in the file, for dead letters.
    fn bytes(&self) -> Vec<u8>;
}

/// Texts that mean "no value".
pub(crate) fn is_missing(text: &str) -> bool {
    matches!(text.trim(), "" | "NaN" | "nan" | "NAN" | "null" | "NULL" | "NA" | "N/A" | "None" | "-")
}

#[derive(Clone, Copy)]
enum When {
    Column(usize),
    Counted { start: Timestamp, step: i64 },
}

enum Shape {
    Wide(Vec<usize>),
    Long { name: usize, value: usize, unit: Option<usize> },
    Logs { body: usize, severity: Option<usize>, trace: Option<usize>, span: Option<usize> },
}

enum Target {
    Resource(String),
    Attribute,
}

/// What each column of a table is.
pub(crate) struct Layout {
    header: Vec<String>,
    when: When,
    shape: Shape,
    labels: Vec<(usize, Target)>,
    defaults: Attributes,
    plain_resource: Arc<str>,
}

/// What is known of a column from a sample or from its type.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ColumnFacts {
    /// Most values are numbers, or there is none.
    pub(crate) numeric: bool,
    /// Most values are timestamps (numbers may be).
    pub(crate) time: bool,
}

impl Layout {
    /// Decides what each column is.
    pub(crate) fn new(
        header: Vec<String>,
        facts: &[ColumnFacts],
        settings: &FileSettings,
    ) -> Result<Self, String> {
        let plains: Vec<String> = header.iter().map(|name| plain(name)).collect();
        let named = |name: &str, setting: &str| {
            header.iter().position(|known| known == name).ok_or_else(|| {
                format!(
                    "`{setting}` names the column `{name}`, which is not there; the columns are {}",
                    header.join(", ")
                )
            })
        };
        let find = |setting: &Option<String>, key: &str, names: &[&str]| -> Result<Option<usize>, String> {
            match setting {
                Some(name) => named(name, key).map(Some),
                None => Ok(names.iter().find_map(|name| plains.iter().position(|known| known == name))),
            }
        };
        let time_like = |column: usize| TIME_NAMES.contains(&plains[column].as_str());
        let when = match (&settings.time_column, settings.step) {
            (Some(name), _) => When::Column(named(name, "time_column")?),
            (None, Some(step)) => When::Counted { start: settings.start.unwrap_or_default(), step: step.0 },
            (None, None) => {
                let candidates =
                    TIME_NAMES.iter().filter_map(|name| plains.iter().position(|known| known == name));
                let candidates: Vec<usize> = candidates.collect();
                let fitting = candidates.iter().find(|column| facts[**column].time).or(candidates.first());
                When::Column(*fitting.ok_or_else(|| {
                    format!("no column holds the time; the columns are {}; set `time_column` to one of them, or `step` and `start` to number the rows", header.join(", "))
                })?)
            }
        };
        let name = find(&settings.name_column, "name_column", &["name", "metric", "metricname"])?;
        let value = find(&settings.value_column, "value_column", &["value", "val"])?;
        let body = find(&settings.body_column, "body_column", &["message", "body", "msg", "log", "content"])?;
        let unit = plains.iter().position(|known| known == "unit");
        let severity = ["severity", "severitytext", "level", "loglevel"]
            .iter()
            .find_map(|name| plains.iter().position(|known| known == name));
        let trace = plains.iter().position(|known| known == "traceid");
        let span = plains.iter().position(|known| known == "spanid");
        let is_entity = |column: usize| {
            settings.entity.contains_key(&header[column])
                || resource_key(&plains[column]).is_some()
                || settings.label_columns.contains(&header[column])
        };
        for label in settings.label_columns.iter().chain(settings.entity.keys()) {
            named(label, "label_columns or entity")?;
        }
        let is_when =
            |column: usize| matches!(when, When::Column(time) if time == column) || time_like(column);
        let shape = match (name, value, body) {
            (Some(name), Some(value), _) => Shape::Long { name, value, unit },
            (_, None, Some(body)) if !facts[body].numeric || settings.body_column.is_some() => {
                Shape::Logs { body, severity, trace, span }
            }
            _ => {
                let mut values = Vec::new();
                if settings.value_columns.is_empty() {
                    values.extend(
                        (0..header.len()).filter(|column| {
                            facts[*column].numeric && !is_when(*column) && !is_entity(*column)
                        }),
                    );
                } else {
                    for name in &settings.value_columns {
                        values.push(named(name, "value_columns")?);
                    }
                }
                if values.is_empty() {
                    return Err(format!(
                        "no column holds numbers or messages; the columns are {}; set `value_columns` or `body_column`",
                        header.join(", ")
                    ));
                }
                Shape::Wide(values)
            }
        };
        let used = |column: usize| match &shape {
            Shape::Wide(values) => values.contains(&column),
            Shape::Long { name, value, unit } => [Some(*name), Some(*value), *unit].contains(&Some(column)),
            Shape::Logs { body, severity, trace, span } => {
                [Some(*body), *severity, *trace, *span].contains(&Some(column))
            }
        };
        let target = |column: usize| {
            let given = settings.entity.get(&header[column]).cloned();
            let known = || resource_key(&plains[column]).map(str::to_owned);
            let listed = settings.label_columns.contains(&header[column]);
            given.or_else(|| known().filter(|_| !listed)).map_or(Target::Attribute, Target::Resource)
        };
        let labels = (0..header.len()).filter(|column| !used(*column) && !is_when(*column));
        let labels = labels.map(|column| (column, target(column))).collect();
        let plain_resource = canonical(&settings.resource).into();
        Ok(Self { when, shape, labels, defaults: settings.resource.clone(), plain_resource, header })
    }

    /// Number of columns.
    pub(crate) const fn columns(&self) -> usize {
        self.header.len()
    }

    fn time(&self, row: &impl TableRow, number: u64) -> Result<Timestamp, String> {
        match self.when {
            When::Counted { start, step } => {
                let number = i64::try_from(number).unwrap_or(i64::MAX);
                Ok(Timestamp(start.0.saturating_add(step.saturating_mul(number))))
            }
            When::Column(column) => match row.cell(column) {
                Cell::Time(time) => Ok(time),
                Cell::Number(number) => time::parse(&number.to_string()),
                Cell::Integer(number) => Ok(Timestamp::from_epoch_number(number)),
                Cell::Text(text) => time::parse(&text),
                Cell::Missing => Err("the time is missing".to_owned()),
            }
            .map_err(|reason| format!("column `{}`: {reason}", self.header[column])),
        }
    }

    /// Canonical resource and attributes of a row.
    fn labels(&self, row: &impl TableRow, rows: &mut Rows) -> (Arc<str>, Arc<str>) {
        if self.labels.is_empty() {
            return (Arc::clone(&self.plain_resource), "{}".into());
        }
        let mut raw = String::new();
        let mut cells = Vec::with_capacity(self.labels.len());
        for (column, _) in &self.labels {
            let text = match row.cell(*column) {
                Cell::Missing => Cow::Borrowed(""),
                Cell::Number(number) => Cow::Owned(number.to_string()),
                Cell::Integer(number) => Cow::Owned(number.to_string()),
                Cell::Time(time) => Cow::Owned(time.to_string()),
                Cell::Text(text) => text,
            };
            raw.push_str(&text);
            raw.push('\0');
            cells.push(text);
        }
        let set = |resource: bool| {
            let mut set = if resource { self.defaults.clone() } else { Attributes::new() };
            for ((column, target), cell) in self.labels.iter().zip(&cells) {
                let key = match target {
                    Target::Resource(key) if resource => key,
                    Target::Attribute if !resource => &self.header[*column],
                    _ => continue,
                };
                if !cell.is_empty() {
                    set.insert(key.clone(), Value::String(cell.clone().into_owned()));
                }
            }
            Ok::<_, std::convert::Infallible>(canonical(&set))
        };
        let Ok(resource) = rows.memo.canonical(Kind::Resource, raw.as_bytes(), || set(true));
        let Ok(attributes) = rows.memo.canonical(Kind::Attributes, raw.as_bytes(), || set(false));
        (resource, attributes)
    }

    /// Adds row `number` (from 0). Cells that cannot be read go to [`Rows::bad`].
    pub(crate) fn decode(&self, row: &impl TableRow, number: u64, rows: &mut Rows) -> Result<(), String> {
        let time = self.time(row, number)?;
        let (resource, attributes) = self.labels(row, rows);
        match &self.shape {
            Shape::Wide(values) => {
                for column in values {
                    self.point(
                        row,
                        *column,
                        (&self.header[*column], ""),
                        time,
                        (&resource, &attributes),
                        rows,
                    );
                }
            }
            Shape::Long { name, value, unit } => {
                let Cell::Text(name) = row.cell(*name) else {
                    return Err(format!(
                        "column `{}`: the name of the metric is missing",
                        self.header[*name]
                    ));
                };
                let unit = match unit.map(|unit| row.cell(unit)) {
                    Some(Cell::Text(unit)) => unit,
                    _ => Cow::Borrowed(""),
                };
                self.point(row, *value, (&name, &unit), time, (&resource, &attributes), rows);
            }
            Shape::Logs { body, severity, trace, span } => {
                let text = |column: Option<usize>| match column.map(|column| row.cell(column)) {
                    Some(Cell::Text(text)) => text,
                    Some(Cell::Number(number)) => Cow::Owned(number.to_string()),
                    Some(Cell::Integer(number)) => Cow::Owned(number.to_string()),
                    _ => Cow::Borrowed(""),
                };
                let level = text(*severity);
                rows.logs.push(&LogRow {
                    time,
                    observed_time: None,
                    resource: &resource,
                    scope: "{}",
                    severity_number: severity_number(level.trim()),
                    severity_text: &level,
                    event_name: "",
                    body: &text(Some(*body)),
                    attributes: &attributes,
                    // Ids of other tracers are no reason to lose the line.
                    trace_id: hex::id(&text(*trace)).unwrap_or(None),
                    span_id: hex::id(&text(*span)).unwrap_or(None),
                });
            }
        }
        Ok(())
    }

    fn point(
        &self,
        row: &impl TableRow,
        column: usize,
        (name, unit): (&str, &str),
        time: Timestamp,
        (resource, attributes): (&str, &str),
        rows: &mut Rows,
    ) {
        let value = match row.cell(column) {
            Cell::Missing => return,
            Cell::Number(value) if value.is_finite() => value,
            Cell::Integer(value) => value as f64,
            Cell::Number(value) if value.is_nan() => return,
            Cell::Number(_) | Cell::Time(_) => {
                return self.no_number(row, column, "infinity or a time", rows);
            }
            Cell::Text(text) => match text.trim().parse::<f64>() {
                Ok(value) if value.is_finite() => value,
                _ if is_missing(&text) => return,
                _ => return self.no_number(row, column, &text, rows),
            },
        };
        rows.points.push(&PointRow {
            time,
            start_time: None,
            resource,
            scope: "{}",
            name,
            unit,
            attributes,
            kind: PointKind::Gauge,
            temporality: Temporality::Unspecified,
            monotonic: false,
            value: Some(value),
            histogram: None,
        });
    }

    fn no_number(&self, row: &impl TableRow, column: usize, text: &str, rows: &mut Rows) {
        let name = &self.header[column];
        rows.bad.push(BadRecord {
            offset: 0,
            path: name.clone(),
            reason: format!(
                "column `{name}`: `{}` is not a number; write a number, or leave the cell empty for no value; list the column in `label_columns` if it holds text",
                time::excerpt(text)
            ),
            bytes: row.bytes(),
        });
    }
}
