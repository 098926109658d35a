//! Records of a topic into Arrow columns.

use std::{collections::BTreeMap, sync::Arc};

use datafusion::arrow::{
    array::{
        ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray, TimestampNanosecondArray,
    },
    datatypes::{DataType, Field, Schema, TimeUnit},
    error::ArrowError,
};
use serde_json::Value;
use theriac_contract::{Record, RecordedFact, StoredRecord, Timestamp, Topic, Topics};
use theriac_knowledge::{HistoryError, at_version, version_at, versions};

use crate::{
    as_of::Moment,
    ask::QueryError,
    readings,
    tables::{Column, From, Kind, Table},
};

/// Bytes that are read from a topic at once.
const READ_BYTES: usize = 4 << 20;

struct Row {
    offset: u64,
    record: Record,
    payload: Value,
    item: Value,
}

impl Row {
    fn of(payload: Value) -> Self {
        Self { offset: 0, record: Record::default(), payload, item: Value::Null }
    }
}

/// All rows of a table that are stored now, or that were known at a moment.
///
/// # Errors
/// If the topic cannot be read, or holds a record that is no JSON; if there is no such version.
pub fn load(topics: &dyn Topics, table: &Table, moment: Option<Moment>) -> Result<RecordBatch, QueryError> {
    let mut rows = Vec::new();
    if let Some(reading) = table.reading {
        let facts = facts(topics)?;
        let known = at_version(&facts, version(&facts, moment)?)?;
        let rows = readings::rows(reading, &known).into_iter().map(Row::of);
        return Ok(batch(table, &rows.collect::<Vec<_>>())?);
    }
    for partition in 0..topics.partitions(table.topic) {
        let mut next = topics.start(table.topic, partition);
        while next < topics.end(table.topic, partition) {
            let read = topics.read(table.topic, partition, next, READ_BYTES)?;
            let Some(last) = read.last() else { break };
            next = last.offset + 1;
            for stored in read {
                unfold(table, stored, &mut rows)?;
            }
        }
    }
    if table.latest {
        let id = |row: &Row| row.payload.get("id").and_then(Value::as_str).map(str::to_owned);
        let last: BTreeMap<_, _> = rows.iter().enumerate().map(|(index, row)| (id(row), index)).collect();
        let mut index = 0;
        rows.retain(|row| {
            index += 1;
            last.get(&id(row)) == Some(&(index - 1))
        });
    }
    if moment.is_some() {
        let last = version(&facts(topics)?, moment)?;
        let number = |row: &Row| row.payload.get("version").and_then(Value::as_u64);
        rows.retain(|row| number(row).is_some_and(|number| number <= last));
    }
    Ok(batch(table, &rows)?)
}

/// The facts that were recorded, in order. One process writes them, into one partition.
fn facts(topics: &dyn Topics) -> Result<Vec<RecordedFact>, QueryError> {
    let topic = Topic::Knowledge;
    let mut facts = Vec::new();
    let mut next = topics.start(topic, 0);
    while next < topics.end(topic, 0) {
        let read = topics.read(topic, 0, next, READ_BYTES)?;
        let Some(last) = read.last() else { break };
        next = last.offset + 1;
        for StoredRecord { offset, record } in read {
            let fact = serde_json::from_slice(&record.value);
            facts.push(fact.map_err(|source| QueryError::Payload { topic, offset, source })?);
        }
    }
    Ok(facts)
}

/// The version that is meant; the newest if nothing is said.
fn version(facts: &[RecordedFact], moment: Option<Moment>) -> Result<u64, HistoryError> {
    match moment {
        None => Ok(versions(facts).1),
        Some(Moment::Time(at)) => version_at(facts, at),
        Some(Moment::Version(version)) => at_version(facts, version).map(|known| known.version),
    }
}

fn unfold(table: &Table, stored: StoredRecord, rows: &mut Vec<Row>) -> Result<(), QueryError> {
    let StoredRecord { offset, record } = stored;
    // Dead letters are what could not be read: they hold any bytes.
    let as_it_is = table.columns.iter().any(|column| column.from == From::RecordText);
    if as_it_is {
        rows.push(Row { offset, record, payload: Value::Null, item: Value::Null });
        return Ok(());
    }
    let payload: Value = serde_json::from_slice(&record.value).map_err(|source| QueryError::Payload {
        topic: table.topic,
        offset,
        source,
    })?;
    if table.marked_by.is_some_and(|member| payload.get(member).is_none()) {
        return Ok(());
    }
    let mut items = vec![payload.clone()];
    for list in table.unfold {
        let lists = items.into_iter().filter_map(|mut item| item.get_mut(list).map(Value::take));
        items = lists
            .filter_map(|list| if let Value::Array(list) = list { Some(list) } else { None })
            .flatten()
            .collect();
    }
    rows.extend(items.into_iter().map(|item| Row {
        offset,
        record: record.clone(),
        payload: payload.clone(),
        item,
    }));
    Ok(())
}

fn value(row: &Row, column: &Column) -> Value {
    let at = |value: &Value, pointer: &str| value.pointer(&format!("/{pointer}")).cloned();
    match column.from {
        From::Payload(pointer) => at(&row.payload, pointer),
        From::Item(pointer) => at(&row.item, pointer),
        From::Header(name) => {
            let header = row.record.headers.iter().find(|(header, _)| header == name);
            header.map(|(_, bytes)| Value::String(String::from_utf8_lossy(bytes).into_owned()))
        }
        From::RecordTime => Some(Value::String(row.record.timestamp.to_string())),
        From::RecordText => Some(Value::String(String::from_utf8_lossy(&row.record.value).into_owned())),
        From::Offset => Some(Value::from(row.offset)),
    }
    .unwrap_or(Value::Null)
}

fn integer(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
}

fn text(value: Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text),
        other => Some(other.to_string()),
    }
}

fn batch(table: &Table, rows: &[Row]) -> Result<RecordBatch, ArrowError> {
    let mut fields = Vec::new();
    let mut arrays: Vec<ArrayRef> = Vec::new();
    for column in &table.columns {
        let values = rows.iter().map(|row| value(row, column));
        let array: ArrayRef = match column.kind {
            Kind::Text | Kind::Json => Arc::new(values.map(text).collect::<StringArray>()),
            Kind::Number => Arc::new(values.map(|value| value.as_f64()).collect::<Float64Array>()),
            Kind::Integer => Arc::new(values.map(|value| integer(&value)).collect::<Int64Array>()),
            Kind::Flag => Arc::new(values.map(|value| value.as_bool()).collect::<BooleanArray>()),
            Kind::Time => {
                let time = |value: Value| Some(value.as_str()?.parse::<Timestamp>().ok()?.0);
                Arc::new(values.map(time).collect::<TimestampNanosecondArray>().with_timezone("UTC"))
            }
        };
        fields.push(Field::new(&column.name, data_type(column.kind), true));
        arrays.push(array);
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)
}

fn data_type(kind: Kind) -> DataType {
    match kind {
        Kind::Text | Kind::Json => DataType::Utf8,
        Kind::Number => DataType::Float64,
        Kind::Integer => DataType::Int64,
        Kind::Flag => DataType::Boolean,
        Kind::Time => DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into())),
    }
}
