//! Settings of files as sources.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use theriac_contract::{Interval, Timestamp, telemetry::Attributes};

/// How a file is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// Told from the name and the first bytes.
    #[default]
    Auto,
    /// Comma, tab, semicolon or bar separated, with or without a header.
    Csv,
    /// Apache Parquet.
    Parquet,
    /// One flat point, log record or span an object; see the crate's documentation.
    JsonLines,
    /// OTLP/JSON export requests: one a line, or pretty-printed, or in an array.
    OtlpJson,
    /// One log record a line.
    Text,
}

/// One path or several.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Paths {
    /// One file, folder or glob.
    One(String),
    /// Several.
    Many(Vec<String>),
}

impl Default for Paths {
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}

impl Paths {
    /// All of them, in order.
    pub fn iter(&self) -> std::slice::Iter<'_, String> {
        match self {
            Self::One(path) => std::slice::from_ref(path).iter(),
            Self::Many(paths) => paths.iter(),
        }
    }
}

/// Files as a source. Everything but `path` has a default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FileSettings {
    /// Name in dead letters and positions; `files` if not given.
    pub name: String,
    /// Files, folders (all telemetry files below) or globs, read in sorted order.
    pub path: Paths,
    /// How they are written.
    pub format: Format,
    /// Wait for more at the end of the files, and notice when they are rotated.
    pub follow: bool,
    /// Resource attributes for everything read; what a record says itself comes first.
    pub resource: Attributes,
    /// Resource attribute that takes the file's name without folder and endings, for data
    /// sets with one file for each machine.
    pub file_attribute: Option<String>,
    /// Longest record in bytes; a longer one is rejected, and never held in memory.
    pub line_bytes_max: usize,
    /// Bytes of a rejected record that go to the dead letter topic.
    pub reject_bytes_max: usize,
    /// Column or key that holds the event time; found by its name if not given.
    pub time_column: Option<String>,
    /// Tables without a time column, text without timestamps: rows are numbered this far apart.
    pub step: Option<Interval>,
    /// Time of the first row where rows are numbered.
    pub start: Option<Timestamp>,
    /// Whether a CSV has a header; told from the first row if not given.
    pub header: Option<bool>,
    /// Separator of a CSV; told from the first row if not given.
    pub delimiter: Option<char>,
    /// Column or key with the name of the metric (long form).
    pub name_column: Option<String>,
    /// Column or key with the value (long form).
    pub value_column: Option<String>,
    /// Column with the message: rows are log records.
    pub body_column: Option<String>,
    /// Wide form: the columns that are series; all numeric ones if empty.
    pub value_columns: Vec<String>,
    /// Columns that are attributes though they look like numbers.
    pub label_columns: Vec<String>,
    /// Column or key to resource attribute: `{ "svc": "service.name" }`. Usual names
    /// (service, host, pod, instance, …) are known without it.
    pub entity: BTreeMap<String, String>,
}

impl Default for FileSettings {
    fn default() -> Self {
        Self {
            name: "files".to_owned(),
            path: Paths::default(),
            format: Format::Auto,
            follow: false,
            resource: Attributes::new(),
            file_attribute: None,
            line_bytes_max: 16 << 20,
            reject_bytes_max: 4096,
            time_column: None,
            step: None,
            start: None,
            header: None,
            delimiter: None,
            name_column: None,
            value_column: None,
            body_column: None,
            value_columns: Vec::new(),
            label_columns: Vec::new(),
            entity: BTreeMap::new(),
        }
    }
}

impl FileSettings {
    /// Settings for one path, all else by default.
    #[must_use]
    pub fn of(path: impl Into<String>) -> Self {
        Self { path: Paths::One(path.into()), ..Self::default() }
    }
}
