//! State of a stage as Arrow tables, for checkpoints.

use std::sync::Arc;

use arrow::{
    array::{Array, RecordBatch, StringArray},
    datatypes::{DataType, Field, Schema},
};
use serde::{Serialize, de::DeserializeOwned};

/// State could not be saved or restored.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// A table is missing.
    #[error("the checkpoint has no table `{0}`")]
    Missing(String),
    /// A table has another version than this program reads.
    #[error("table `{table}` has version {found}, this program reads {expected}")]
    Version {
        /// Table.
        table: String,
        /// In the checkpoint.
        found: u16,
        /// In this program.
        expected: u16,
    },
    /// A table does not hold what it should.
    #[error("table `{table}` is malformed: {reason}")]
    Malformed {
        /// Table.
        table: String,
        /// What is wrong.
        reason: String,
    },
}

/// One table of state. Equal state gives equal rows.
#[derive(Clone, Debug, PartialEq)]
pub struct StateTable {
    /// Name, unique in a checkpoint: `detect.level`, `diagnose`, …
    pub name: String,
    /// Version of its layout.
    pub version: u16,
    /// Rows.
    pub rows: RecordBatch,
}

impl StateTable {
    /// State with nested structure: one row, one column `json`. `state` must serialise the
    /// same way each time (ordered maps only).
    ///
    /// # Errors
    /// If `state` cannot be written as JSON.
    pub fn from_json<S: Serialize>(name: &str, version: u16, state: &S) -> Result<Self, StateError> {
        let malformed = |reason: String| StateError::Malformed { table: name.to_owned(), reason };
        let json = serde_json::to_string(state).map_err(|e| malformed(e.to_string()))?;
        let schema = Arc::new(Schema::new(vec![Field::new("json", DataType::Utf8, false)]));
        let rows = RecordBatch::try_new(schema, vec![Arc::new(StringArray::from(vec![json]))])
            .map_err(|e| malformed(e.to_string()))?;
        Ok(Self { name: name.to_owned(), version, rows })
    }

    /// The reverse of [`StateTable::from_json`], from the table `name` among `tables`.
    ///
    /// # Errors
    /// If the table is missing, of another version, or malformed.
    pub fn to_json<S: DeserializeOwned>(tables: &[Self], name: &str, version: u16) -> Result<S, StateError> {
        let table = Self::find(tables, name, version)?;
        let malformed = |reason: String| StateError::Malformed { table: name.to_owned(), reason };
        let column = table.rows.column_by_name("json").and_then(|c| c.as_any().downcast_ref::<StringArray>());
        match column {
            Some(column) if column.len() == 1 => {
                serde_json::from_str(column.value(0)).map_err(|e| malformed(e.to_string()))
            }
            _ => Err(malformed("one row with a text column `json` was expected".to_owned())),
        }
    }

    /// The table `name` of `version` among `tables`.
    ///
    /// # Errors
    /// If it is missing or of another version.
    pub fn find<'a>(tables: &'a [Self], name: &str, version: u16) -> Result<&'a Self, StateError> {
        let table = tables.iter().find(|table| table.name == name);
        let table = table.ok_or_else(|| StateError::Missing(name.to_owned()))?;
        if table.version == version {
            Ok(table)
        } else {
            Err(StateError::Version { table: name.to_owned(), found: table.version, expected: version })
        }
    }
}

/// Has state that a checkpoint keeps. Saving does not change it; restoring and going on
/// equals never having stopped, to the bit.
pub trait Checkpointed {
    /// The state as tables.
    ///
    /// # Errors
    /// If it cannot be written.
    fn snapshot(&self) -> Result<Vec<StateTable>, StateError>;

    /// Takes over the state in `tables`; tables of others are passed over.
    ///
    /// # Errors
    /// If a table is missing, of another version, or malformed.
    fn restore(&mut self, tables: &[StateTable]) -> Result<(), StateError>;
}
