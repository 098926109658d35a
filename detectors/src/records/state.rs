//! Saving and restoring: one row for each watched series, its numbers in two lists.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, FixedSizeListArray, Float32Array, Float64Array, RecordBatch, UInt32Array},
    datatypes::{Field, Schema},
};
use theriac_contract::{Checkpointed, SeriesId, StateError, StateTable};

use super::{Records, Series};

const TABLE: &str = "detectors.records";
pub(super) const VERSION: u16 = 1;

/// Walks over every number of a series' state, always in the same order.
trait Visit {
    fn double(&mut self, numbers: &mut [f64]);
    fn single(&mut self, numbers: &mut [f32]);
}

fn visit(series: &mut Series, to: &mut impl Visit) {
    let Series { signals, season, windows, maxima, alert } = series;
    for number in [
        &mut signals.origin,
        &mut signals.low,
        &mut signals.high,
        &mut signals.median,
        &mut signals.scale,
        &mut signals.sampled,
        &mut signals.stride,
        &mut signals.passed,
        &mut season.count,
        &mut season.slot,
        &mut windows.rows,
        &mut windows.residual_rows,
        &mut maxima.count,
        &mut maxima.length,
        &mut maxima.filled,
        &mut alert.last_above,
        &mut alert.remembered,
        &mut alert.lasting,
    ] {
        to.double(std::slice::from_mut(number));
    }
    to.double(season.levels.as_flattened_mut());
    to.double(&mut season.days);
    to.double(&mut season.sums);
    to.double(&mut windows.anchor);
    for sums in [
        &mut windows.slow,
        &mut windows.sum,
        &mut windows.residual_sum,
        &mut windows.error_sum,
        &mut windows.wide_sum,
        &mut windows.wide_squares,
        &mut windows.wide_steps,
    ] {
        to.double(sums.as_flattened_mut());
    }
    to.single(&mut signals.sample);
    to.single(windows.ring.as_flattened_mut());
    to.single(windows.residuals.as_flattened_mut());
    to.single(windows.errors.as_flattened_mut());
    to.single(maxima.blocks.as_flattened_mut().as_flattened_mut());
    for members in [&mut maxima.current, &mut maxima.reference, &mut maxima.middle, &mut maxima.decades] {
        to.single(members.as_flattened_mut());
    }
}

#[derive(Default)]
struct Write {
    doubles: Vec<f64>,
    singles: Vec<f32>,
}

impl Visit for Write {
    fn double(&mut self, numbers: &mut [f64]) {
        self.doubles.extend_from_slice(numbers);
    }

    fn single(&mut self, numbers: &mut [f32]) {
        self.singles.extend_from_slice(numbers);
    }
}

/// Takes numbers from the front of two slices that were found to be long enough.
struct Read<'a> {
    doubles: &'a [f64],
    singles: &'a [f32],
}

impl Visit for Read<'_> {
    fn double(&mut self, numbers: &mut [f64]) {
        let (front, rest) = self.doubles.split_at(numbers.len());
        numbers.copy_from_slice(front);
        self.doubles = rest;
    }

    fn single(&mut self, numbers: &mut [f32]) {
        let (front, rest) = self.singles.split_at(numbers.len());
        numbers.copy_from_slice(front);
        self.singles = rest;
    }
}

impl Series {
    /// Whether every number that serves as an index is one.
    fn is_sound(&self) -> bool {
        let count = |number: f64, end: usize| number >= 0.0 && number < end as f64 && number.fract() == 0.0;
        count(self.signals.sampled, self.signals.sample.len())
            && count(self.maxima.count, self.maxima.blocks.len())
            && count(self.season.slot + 1.0, self.season.days.len() + 1)
            && count(self.windows.rows, 1 << 53)
            && count(self.windows.residual_rows, 1 << 53)
    }
}

/// How many numbers of each kind a series has.
fn sizes() -> (usize, usize) {
    let mut empty = Write::default();
    visit(&mut Series::new(), &mut empty);
    (empty.doubles.len(), empty.singles.len())
}

fn malformed(reason: impl Into<String>) -> StateError {
    StateError::Malformed { table: TABLE.to_owned(), reason: reason.into() }
}

fn list(values: ArrayRef, size: usize) -> Result<ArrayRef, StateError> {
    let item = Arc::new(Field::new("item", values.data_type().clone(), false));
    let size = i32::try_from(size).map_err(|e| malformed(e.to_string()))?;
    let list = FixedSizeListArray::try_new(item, size, values, None).map_err(|e| malformed(e.to_string()))?;
    Ok(Arc::new(list))
}

/// The numbers of a column of lists, all of `size`.
fn numbers<'a, A: Array + 'static>(
    rows: &'a RecordBatch,
    name: &str,
    size: usize,
) -> Result<&'a A, StateError> {
    let column =
        rows.column_by_name(name).and_then(|column| column.as_any().downcast_ref::<FixedSizeListArray>());
    let column = column.filter(|column| usize::try_from(column.value_length()) == Ok(size));
    let values = column.and_then(|column| column.values().as_any().downcast_ref::<A>());
    let values = values.filter(|values| values.null_count() == 0 && values.len() == rows.num_rows() * size);
    values.ok_or_else(|| malformed(format!("a column `{name}` of lists of {size} numbers was expected")))
}

impl Checkpointed for Records {
    fn snapshot(&self) -> Result<Vec<StateTable>, StateError> {
        let watched = (0..).zip(&self.series).filter_map(|(id, series)| Some((id, series.as_ref()?)));
        let (mut ids, mut written) = (Vec::<u32>::new(), Write::default());
        for (id, series) in watched {
            ids.push(id);
            visit(&mut series.clone(), &mut written);
        }
        let (doubles, singles) = sizes();
        let columns = [
            ("series", Arc::new(UInt32Array::from(ids)) as ArrayRef),
            ("doubles", list(Arc::new(Float64Array::from(written.doubles)), doubles)?),
            ("singles", list(Arc::new(Float32Array::from(written.singles)), singles)?),
        ];
        let field = |(name, column): &(&str, ArrayRef)| Field::new(*name, column.data_type().clone(), false);
        let schema = Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<Field>>()));
        let rows = RecordBatch::try_new(schema, columns.map(|(_, column)| column).to_vec())
            .map_err(|e| malformed(e.to_string()))?;
        Ok(vec![StateTable { name: TABLE.to_owned(), version: VERSION, rows }])
    }

    fn restore(&mut self, tables: &[StateTable]) -> Result<(), StateError> {
        let rows = &StateTable::find(tables, TABLE, VERSION)?.rows;
        let ids = rows.column_by_name("series").and_then(|ids| ids.as_any().downcast_ref::<UInt32Array>());
        let ids = ids.filter(|ids| ids.null_count() == 0);
        let ids = ids.ok_or_else(|| malformed("a column `series` of numbers was expected"))?;
        let (doubles, singles) = sizes();
        let all_doubles = numbers::<Float64Array>(rows, "doubles", doubles)?.values();
        let all_singles = numbers::<Float32Array>(rows, "singles", singles)?.values();
        let mut restored = Self::of(self.families);
        let states = all_doubles.chunks(doubles).zip(all_singles.chunks(singles));
        for (id, (doubles, singles)) in ids.values().iter().zip(states) {
            let id = SeriesId(*id);
            restored.watch(id);
            if let Some(series) = restored.series[id.index()].as_mut() {
                visit(series, &mut Read { doubles, singles });
                if !series.is_sound() {
                    return Err(malformed(format!("the counts of series {} are out of range", id.0)));
                }
            }
        }
        *self = restored;
        Ok(())
    }
}
