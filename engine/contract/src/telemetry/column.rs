//! Typed reading of columns.

use arrow::{
    array::{Array, ArrayRef, DictionaryArray, RecordBatch, StringArray},
    datatypes::UInt32Type,
};

use super::BatchError;

/// A dictionary column of text, `[rows]`.
#[derive(Clone, Debug)]
pub struct DictionaryColumn {
    array: DictionaryArray<UInt32Type>,
    values: StringArray,
}

impl DictionaryColumn {
    /// The distinct texts, `[keys]`.
    #[must_use]
    pub const fn values(&self) -> &StringArray {
        &self.values
    }

    /// Key of each row, `[rows]`, an index into [`Self::values`].
    #[must_use]
    pub fn keys(&self) -> &[u32] {
        self.array.keys().values()
    }

    /// Text of a row.
    #[must_use]
    pub fn text(&self, row: usize) -> &str {
        self.values.value(self.keys()[row] as usize)
    }
}

/// Downcasts the column `name`, naming it in the error.
pub(super) fn typed<'a, A: Array + 'static>(
    batch: &'a RecordBatch,
    signal: &'static str,
    column: &'static str,
    expected: &'static str,
) -> Result<&'a A, BatchError> {
    batch.column_by_name(column).and_then(|array| array.as_any().downcast_ref::<A>()).ok_or(BatchError {
        signal,
        column,
        expected,
    })
}

/// The dictionary column `name`; it may hold no nulls.
pub(super) fn dictionary(
    batch: &RecordBatch,
    signal: &'static str,
    column: &'static str,
) -> Result<DictionaryColumn, BatchError> {
    let error = BatchError { signal, column, expected: "a dictionary of u32 to text without nulls" };
    let array = typed::<DictionaryArray<UInt32Type>>(batch, signal, column, error.expected)?;
    let values: &ArrayRef = array.values();
    let values = values.as_any().downcast_ref::<StringArray>().ok_or_else(|| error.clone())?.clone();
    let within = array.keys().values().iter().all(|key| (*key as usize) < values.len());
    if array.null_count() == 0 && values.null_count() == 0 && within {
        Ok(DictionaryColumn { array: array.clone(), values })
    } else {
        Err(error)
    }
}
