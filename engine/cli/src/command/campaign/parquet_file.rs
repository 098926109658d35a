//! `episodes.parquet`: a row for each episode and healer, for whoever wants to count otherwise.
//!
//! Of a kind that is held out neither its name nor its place is there, and its rows are in an order that says
//! nothing of it.

use std::{fs::File, path::Path, sync::Arc};

use anyhow::{Context, Result};
use arrow::{
    array::{ArrayRef, BooleanArray, Float64Array, RecordBatch, StringArray, UInt32Array, UInt64Array},
    datatypes::{DataType, Field, Schema},
};
use parquet::{
    arrow::ArrowWriter,
    basic::{Compression, ZstdLevel},
    file::properties::WriterProperties,
};
use theriac_datasets::fleet::{
    record,
    score::{Cause, Judged, judge},
};

use super::{figures::Scored, job::Played, slices::HELD_OUT};

/// A row.
struct Row<'a> {
    healer: String,
    played: &'a Played,
    judged: Judged,
}

impl Row<'_> {
    fn cause(&self) -> Option<&Cause> {
        self.played.episode.cause.as_ref()
    }

    /// A name of the fault, unless it is held out.
    fn named(&self, of: impl Fn(&Cause) -> String) -> Option<String> {
        let cause = self.cause()?;
        Some(if self.played.held_out { HELD_OUT.to_owned() } else { of(cause) })
    }

    fn seed(&self) -> Option<u64> {
        self.played.job.split('/').nth(1)?.parse().ok()
    }
}

type Column = (&'static str, fn(&[Row<'_>]) -> ArrayRef);

fn text(rows: &[Row<'_>], of: impl Fn(&Row<'_>) -> Option<String>) -> ArrayRef {
    Arc::new(rows.iter().map(of).collect::<StringArray>())
}

fn truth(rows: &[Row<'_>], of: impl Fn(&Row<'_>) -> bool) -> ArrayRef {
    Arc::new(rows.iter().map(|row| Some(of(row))).collect::<BooleanArray>())
}

fn number(rows: &[Row<'_>], of: impl Fn(&Row<'_>) -> Option<f64>) -> ArrayRef {
    Arc::new(rows.iter().map(of).collect::<Float64Array>())
}

fn count(rows: &[Row<'_>], of: impl Fn(&Row<'_>) -> Option<usize>) -> ArrayRef {
    let of = |row| of(row).map(|count| u32::try_from(count).unwrap_or(u32::MAX));
    Arc::new(rows.iter().map(of).collect::<UInt32Array>())
}

/// Name and content of the columns; the README says what they mean.
const COLUMNS: [Column; 31] = [
    ("healer", |rows| text(rows, |row| Some(row.healer.clone()))),
    ("seed", |rows| Arc::new(rows.iter().map(Row::seed).collect::<UInt64Array>())),
    ("kind", |rows| text(rows, |row| row.named(|cause| cause.code.clone()))),
    ("fault", |rows| {
        let name = |cause: &Cause| record(&cause.code).map(|record| record.name.clone()).unwrap_or_default();
        text(rows, |row| row.named(name))
    }),
    ("cause_class", |rows| text(rows, |row| row.named(|cause| cause.cause.clone()))),
    ("place", |rows| text(rows, |row| row.named(|cause| cause.component.clone()))),
    ("held_out", |rows| truth(rows, |row| row.played.held_out)),
    ("mode", |rows| text(rows, |row| row.cause().map(|_| row.played.mode.to_string()))),
    ("faults", |rows| count(rows, |row| Some(row.played.episode.causes().count()))),
    ("horizon_s", |rows| number(rows, |row| Some(row.played.episode.horizon))),
    ("felt", |rows| truth(rows, |row| row.cause().is_some() && row.judged.first_bad.is_some())),
    ("bad_s", |rows| count(rows, |row| Some(row.played.episode.bad_seconds.len()))),
    ("detect_s", |rows| number(rows, |row| row.judged.detected)),
    ("detect_from_impact_s", |rows| number(rows, |row| row.judged.detected_from_impact)),
    ("cause_rank", |rows| count(rows, |row| row.judged.rank.map(|rank| rank + 1))),
    ("cause_and_class_rank", |rows| count(rows, |row| row.judged.rank_with_cause.map(|rank| rank + 1))),
    ("probability", |rows| number(rows, |row| row.judged.believed)),
    ("path_f1", |rows| number(rows, |row| row.cause().map(|_| row.judged.path_f1))),
    ("recover_s", |rows| number(rows, |row| row.judged.recovered)),
    ("claimed", |rows| truth(rows, |row| row.judged.claimed)),
    ("escalated", |rows| truth(rows, |row| row.judged.escalated)),
    ("end_to_end", |rows| truth(rows, |row| row.judged.end_to_end())),
    ("actions", |rows| count(rows, |row| Some(row.judged.changes))),
    ("first_action_acceptable", |rows| {
        Arc::new(rows.iter().map(|row| row.judged.first_acceptable).collect::<BooleanArray>())
    }),
    ("harmful_actions", |rows| {
        count(rows, |row| Some(row.judged.harmful.iter().filter(|harmful| **harmful).count()))
    }),
    ("irreversible_actions", |rows| count(rows, |row| Some(row.judged.irreversible))),
    ("flapped", |rows| truth(rows, |row| row.judged.flapped)),
    ("healed_share", |rows| number(rows, |row| row.judged.healed_share)),
    ("loss_s", |rows| number(rows, |row| Some(row.played.episode.loss))),
    ("loss_with_nobody_s", |rows| number(rows, |row| Some(row.played.episode.loss_nothing))),
    ("loss_with_oracle_s", |rows| number(rows, |row| Some(row.played.episode.loss_oracle))),
];

/// Columns in which every row has a value.
const ALWAYS_THERE: [&str; 2] = ["healer", "held_out"];

/// All rows as one table: healers in their order, what is seen by its name, what is held out by a digest.
///
/// # Errors
/// If a column does not fit its field.
fn rows(scored: &[Scored]) -> Result<RecordBatch> {
    let mut rows: Vec<Row<'_>> = Vec::new();
    for one in scored {
        let row = |played| Row { healer: one.healer.to_string(), played, judged: judge(&played.episode) };
        let (held_out, seen): (Vec<&Played>, Vec<&Played>) =
            one.episodes.iter().partition(|played| played.held_out);
        let mut held_out: Vec<Row<'_>> = held_out.into_iter().map(row).collect();
        held_out.sort_by_key(|row| *blake3::hash(row.played.job.as_bytes()).as_bytes());
        rows.extend(seen.into_iter().map(row));
        rows.extend(held_out);
    }
    let columns = COLUMNS.map(|(name, column)| (name, column(&rows)));
    let field = |(name, column): &(&str, ArrayRef)| {
        let kind: &DataType = column.data_type();
        Field::new(*name, kind.clone(), !ALWAYS_THERE.contains(name))
    };
    let schema = Schema::new(columns.iter().map(field).collect::<Vec<_>>());
    let arrays = columns.into_iter().map(|(_, column)| column).collect();
    RecordBatch::try_new(Arc::new(schema), arrays).context("episodes do not fit their table")
}

/// Writes the file.
///
/// # Errors
/// If it cannot be written.
pub(super) fn write(path: &Path, scored: &[Scored]) -> Result<()> {
    let place = || format!("{} cannot be written", path.display());
    let batch = rows(scored)?;
    let settings =
        WriterProperties::builder().set_compression(Compression::ZSTD(ZstdLevel::default())).build();
    let file = File::create(path).with_context(place)?;
    let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(settings)).with_context(place)?;
    writer.write(&batch).with_context(place)?;
    writer.close().with_context(place)?;
    Ok(())
}
