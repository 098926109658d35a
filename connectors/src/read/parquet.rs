//! Parquet files as tables, in batches of a fixed number of rows.

use std::{
    borrow::Cow,
    fs::File,
    panic::{AssertUnwindSafe, catch_unwind},
};

use arrow::{
    array::{
        Array, ArrayRef, AsArray, Float64Array, Int64Array, RecordBatch, StringArray,
        TimestampNanosecondArray,
    },
    compute::cast,
    datatypes::{DataType, Float64Type, Int64Type, TimeUnit, TimestampNanosecondType},
};
use parquet::{
    arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder},
    file::metadata::ParquetMetaData,
};
use theriac_contract::{Fetched, Reject, SourceError, Timestamp};

use super::{
    records::{Place, Step},
    settings::FileSettings,
    stream::Origin,
};
use crate::decode::{
    Rows,
    columns::{Cell, ColumnFacts, Layout, TableRow, is_missing},
    time,
};

/// Rows of a batch: batches begin at multiples of it, wherever reading begins.
const BATCH_ROWS: usize = 4096;

/// A column in one of the few types that tables have.
enum Column {
    Number(Float64Array),
    Integer(Int64Array),
    Time(TimestampNanosecondArray),
    Text(StringArray),
    /// Lists, structures: not read.
    Other,
}

fn column(array: &ArrayRef) -> Column {
    let to = |kind: &DataType| cast(array, kind).ok();
    let read = match array.data_type() {
        kind if kind.is_integer() => {
            to(&DataType::Int64).map(|array| Column::Integer(array.as_primitive::<Int64Type>().clone()))
        }
        kind if kind.is_numeric() => {
            to(&DataType::Float64).map(|array| Column::Number(array.as_primitive::<Float64Type>().clone()))
        }
        DataType::Timestamp(_, zone) => to(&DataType::Timestamp(TimeUnit::Nanosecond, zone.clone()))
            .map(|array| Column::Time(array.as_primitive::<TimestampNanosecondType>().clone())),
        DataType::Date32 | DataType::Date64 => to(&DataType::Timestamp(TimeUnit::Nanosecond, None))
            .map(|array| Column::Time(array.as_primitive::<TimestampNanosecondType>().clone())),
        DataType::List(_) | DataType::LargeList(_) | DataType::Struct(_) | DataType::Map(..) => None,
        _ => to(&DataType::Utf8).map(|array| Column::Text(array.as_string::<i32>().clone())),
    };
    read.unwrap_or(Column::Other)
}

struct Row<'a> {
    columns: &'a [Column],
    row: usize,
}

impl TableRow for Row<'_> {
    fn cell(&self, column: usize) -> Cell<'_> {
        let row = self.row;
        match &self.columns[column] {
            Column::Number(array) if array.is_valid(row) => Cell::Number(array.value(row)),
            Column::Integer(array) if array.is_valid(row) => Cell::Integer(array.value(row)),
            Column::Time(array) if array.is_valid(row) => Cell::Time(Timestamp(array.value(row))),
            Column::Text(array) if array.is_valid(row) && !is_missing(array.value(row)) => {
                Cell::Text(Cow::Borrowed(array.value(row)))
            }
            _ => Cell::Missing,
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let cells = (0..self.columns.len()).map(|column| match self.cell(column) {
            Cell::Missing => String::new(),
            Cell::Number(number) => number.to_string(),
            Cell::Integer(number) => number.to_string(),
            Cell::Time(time) => time.to_string(),
            Cell::Text(text) => text.into_owned(),
        });
        cells.collect::<Vec<_>>().join(",").into_bytes()
    }
}

/// What is known of the columns from their types, and of text from the first batch.
fn facts(columns: &[Column]) -> Vec<ColumnFacts> {
    let fact = |column: &Column| match column {
        Column::Number(_) => ColumnFacts { numeric: true, time: true },
        Column::Integer(_) => ColumnFacts { numeric: true, time: true },
        Column::Time(_) => ColumnFacts { numeric: false, time: true },
        Column::Text(array) => {
            let known: Vec<&str> = array.iter().flatten().filter(|text| !is_missing(text)).collect();
            let times = known.iter().filter(|text| time::parse(text).is_ok()).count();
            ColumnFacts { numeric: false, time: !known.is_empty() && times * 2 >= known.len() }
        }
        Column::Other => ColumnFacts::default(),
    };
    columns.iter().map(fact).collect()
}

/// One Parquet file that is open.
pub(super) struct ParquetFile {
    origin: Origin,
    settings: FileSettings,
    batches: ParquetRecordBatchReader,
    layout: Option<Layout>,
    place: Place,
    size: u64,
    rows_total: u64,
    rows_stored: u64,
}

/// Rows that the file says that it has, and those of its row groups.
fn rows_of(metadata: &ParquetMetaData) -> (u64, u64) {
    let stored = metadata.row_groups().iter().map(|group| u64::try_from(group.num_rows()).unwrap_or(0));
    (u64::try_from(metadata.file_metadata().num_rows()).unwrap_or(0), stored.sum())
}

impl ParquetFile {
    /// Opens at a row; layout is learnt from the first batch of the file in any case.
    pub(super) fn open(origin: Origin, settings: FileSettings, place: Place) -> Result<Self, SourceError> {
        let unreadable = |reason: String| SourceError::Unreadable {
            origin: origin.name(),
            reason: format!("no Parquet file that can be read: {reason}"),
        };
        let io = |source| SourceError::Io { origin: origin.name(), source };
        let size = origin.size().map_err(io)?;
        let build = |offset: u64| -> Result<(ParquetRecordBatchReader, (u64, u64)), String> {
            let offset = usize::try_from(offset).map_err(|e| e.to_string())?;
            match &origin {
                Origin::Path(path) => {
                    let file = File::open(path).map_err(|e| e.to_string())?;
                    let builder =
                        ParquetRecordBatchReaderBuilder::try_new(file).map_err(|e| e.to_string())?;
                    let rows = rows_of(builder.metadata());
                    let built = builder.with_batch_size(BATCH_ROWS).with_offset(offset).build();
                    built.map(|reader| (reader, rows)).map_err(|e| e.to_string())
                }
                Origin::Memory(_, bytes) => {
                    let builder =
                        ParquetRecordBatchReaderBuilder::try_new(bytes.clone()).map_err(|e| e.to_string())?;
                    let rows = rows_of(builder.metadata());
                    let built = builder.with_batch_size(BATCH_ROWS).with_offset(offset).build();
                    built.map(|reader| (reader, rows)).map_err(|e| e.to_string())
                }
            }
        };
        let (batches, (rows_total, rows_stored)) = guarded(|| build(place.row)).map_err(unreadable)?;
        let mut place = place;
        place.path = origin.name();
        let layout = if place.row > 0 {
            let (mut first, _) = guarded(|| build(0)).map_err(unreadable)?;
            match guarded(|| first.next().transpose().map_err(|e| e.to_string())).map_err(unreadable)? {
                Some(batch) => Some(layout(&batch, &settings).map_err(unreadable)?),
                None => None,
            }
        } else {
            None
        };
        Ok(Self { origin, settings, batches, layout, place, size, rows_total, rows_stored })
    }

    pub(super) fn place(&self) -> Place {
        self.place.clone()
    }

    /// Reads batches until about `bytes_max` bytes of the file are passed.
    pub(super) fn read(&mut self, bytes_max: usize) -> Result<Step, SourceError> {
        let mut fetched = Fetched::default();
        while !self.place.closed && fetched.bytes < bytes_max.max(1) as u64 {
            let batches = &mut self.batches;
            match guarded(|| batches.next().transpose().map_err(|e| e.to_string())) {
                Ok(Some(batch)) => self.batch(&batch, &mut fetched)?,
                Ok(None) => {
                    self.place.closed = true;
                    if self.rows_total == 0 {
                        self.reject(
                            "the file is empty: there is nothing to read".to_owned(),
                            Vec::new(),
                            &mut fetched,
                        );
                    }
                }
                Err(reason) => {
                    self.place.closed = true;
                    let reason = format!(
                        "the file is damaged behind row {}: {reason}; what came before was kept",
                        self.place.row
                    );
                    self.reject(reason, Vec::new(), &mut fetched);
                }
            }
        }
        let empty = fetched.telemetry.is_empty() && fetched.rejects.is_empty() && fetched.bytes == 0;
        Ok(if empty { Step::End } else { Step::Some(fetched) })
    }

    fn reject(&self, reason: String, mut bytes: Vec<u8>, fetched: &mut Fetched) {
        bytes.truncate(self.settings.reject_bytes_max);
        // Parquet has no bytes of a row; its number takes their place.
        fetched.rejects.push(Reject {
            origin: self.origin.name(),
            offset: self.place.row,
            reason,
            bytes,
            ..Reject::default()
        });
    }

    fn batch(&mut self, batch: &RecordBatch, fetched: &mut Fetched) -> Result<(), SourceError> {
        let learnt = match self.layout.take() {
            Some(layout) => layout,
            None => layout(batch, &self.settings)
                .map_err(|reason| SourceError::Unreadable { origin: self.origin.name(), reason })?,
        };
        let columns: Vec<Column> = batch.columns().iter().map(column).collect();
        let mut rows = Rows::default();
        for row in 0..batch.num_rows() {
            let record = Row { columns: &columns, row };
            if let Err(reason) = learnt.decode(&record, self.place.row, &mut rows) {
                self.reject(format!("row {}: {reason}", self.place.row + 1), record.bytes(), fetched);
            }
            for bad in std::mem::take(&mut rows.bad) {
                self.reject(format!("row {}: {}", self.place.row + 1, bad.reason), bad.bytes, fetched);
            }
            self.place.row += 1;
        }
        self.layout = Some(learnt);
        // Skipping all rows of a damaged file may fail where reading them did not: nothing is left to skip to.
        self.place.closed = self.place.row >= self.rows_stored;
        // Progress is told from rows: the library does not say which bytes it took.
        let share = u128::from(self.size) * batch.num_rows() as u128 / u128::from(self.rows_total.max(1));
        fetched.bytes += u64::try_from(share).unwrap_or(0).max(1);
        fetched.telemetry.extend(rows.take());
        Ok(())
    }
}

fn layout(batch: &RecordBatch, settings: &FileSettings) -> Result<Layout, String> {
    let columns: Vec<Column> = batch.columns().iter().map(column).collect();
    let header = batch.schema().fields().iter().map(|field| field.name().clone()).collect();
    Layout::new(header, &facts(&columns), settings)
}

/// Runs the library's code; a panic in it over a damaged file is an error of that file.
fn guarded<T>(read: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| Err("its structure makes no sense".to_owned()))
}
