//! Batches of rows of any signal: when each row happened, and by whose clock.

use std::collections::BTreeMap;

use theriac_contract::{
    Telemetry,
    telemetry::{BatchError, Logs, Points, Spans},
};

use crate::{index::Index, points::PointReader, settings::Settings, traces::reader::SpanReader};

/// A batch with its typed columns.
pub(crate) enum Columns<'a> {
    Points(Box<PointReader<'a>>),
    Logs(Box<Logs<'a>>),
    Spans(Box<SpanReader<'a>>),
}

impl<'a> Columns<'a> {
    pub(crate) fn new(telemetry: &'a Telemetry) -> Result<Self, BatchError> {
        Ok(match telemetry {
            Telemetry::Points(batch) => Self::Points(Box::new(PointReader::new(Points::new(batch)?))),
            Telemetry::Logs(batch) => Self::Logs(Box::new(Logs::new(batch)?)),
            Telemetry::Spans(batch) => Self::Spans(Box::new(SpanReader::new(Spans::new(batch)?))),
        })
    }

    /// The resource of a row: its key in the column, and its text.
    fn resource(&self, row: usize) -> (usize, &str) {
        match self {
            Self::Points(points) => points.resource(row),
            Self::Logs(logs) => (logs.resource.keys()[row] as usize, logs.resource.text(row)),
            Self::Spans(reader) => {
                (reader.spans.resource.keys()[row] as usize, reader.spans.resource.text(row))
            }
        }
    }

    /// Event time of a row; of a span its end, because it is known then and not before.
    pub(crate) fn time(&self, row: usize) -> i64 {
        match self {
            Self::Points(points) => points.time(row),
            Self::Logs(logs) => logs.time.value(row),
            Self::Spans(reader) => reader.spans.end.value(row),
        }
    }
}

/// A batch, and the numbers of the sources of its resources, by key of the column.
pub(crate) struct Batch<'a> {
    pub(crate) columns: Columns<'a>,
    sources: BTreeMap<usize, usize>,
}

impl<'a> Batch<'a> {
    pub(crate) fn new(telemetry: &'a Telemetry) -> Result<Self, BatchError> {
        Ok(Self { columns: Columns::new(telemetry)?, sources: BTreeMap::new() })
    }

    /// The source of a row; that of those without one if there are too many resources.
    pub(crate) fn source(&mut self, row: usize, index: &mut Index, settings: &Settings) -> usize {
        let (key, text) = self.columns.resource(row);
        let of = || index.resource(text, settings).map_or(0, |resource| index.at(resource).source);
        *self.sources.entry(key).or_insert_with(of)
    }
}
