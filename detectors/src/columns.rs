//! State in blocks as Arrow columns, for checkpoints.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, ArrowPrimitiveType, PrimitiveArray, RecordBatch},
    datatypes::{Field, Schema},
};
use theriac_contract::{StateError, StateTable};

use crate::block::BLOCK;

/// A table under construction, one row per series.
pub(crate) struct Writer<'a, B> {
    blocks: &'a [B],
    series: usize,
    fields: Vec<Field>,
    arrays: Vec<ArrayRef>,
}

impl<'a, B> Writer<'a, B> {
    pub(crate) fn new(blocks: &'a [B], series: usize) -> Self {
        Self { blocks, series, fields: Vec::new(), arrays: Vec::new() }
    }

    /// Adds the column that `of` finds in a block.
    pub(crate) fn column<T: ArrowPrimitiveType>(
        &mut self,
        name: &str,
        of: impl Fn(&B) -> &[T::Native; BLOCK],
    ) {
        let lanes = self.blocks.iter().flat_map(|block| of(block).iter().copied());
        self.fields.push(Field::new(name, T::DATA_TYPE, false));
        self.arrays.push(Arc::new(PrimitiveArray::<T>::from_iter_values(lanes.take(self.series))));
    }

    /// The table.
    pub(crate) fn finish(self, name: &str, version: u16) -> Result<StateTable, StateError> {
        let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(self.series));
        let schema = Arc::new(Schema::new(self.fields));
        let rows = RecordBatch::try_new_with_options(schema, self.arrays, &options)
            .map_err(|e| StateError::Malformed { table: name.to_owned(), reason: e.to_string() })?;
        Ok(StateTable { name: name.to_owned(), version, rows })
    }
}

/// Copies a column of `table` to where `to` finds it in each block.
pub(crate) fn read<T: ArrowPrimitiveType, B>(
    table: &StateTable,
    name: &str,
    blocks: &mut [B],
    to: impl Fn(&mut B) -> &mut [T::Native; BLOCK],
) -> Result<(), StateError> {
    let column = table.rows.column_by_name(name);
    let column = column.and_then(|column| column.as_any().downcast_ref::<PrimitiveArray<T>>());
    let column = column.filter(|column| column.null_count() == 0).ok_or_else(|| StateError::Malformed {
        table: table.name.clone(),
        reason: format!("a column `{name}` of {} without nulls was expected", T::DATA_TYPE),
    })?;
    for (block, chunk) in blocks.iter_mut().zip(column.values().chunks(BLOCK)) {
        to(block)[..chunk.len()].copy_from_slice(chunk);
    }
    Ok(())
}
