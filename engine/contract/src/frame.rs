//! One step of event time over all series: what the detectors see.

use arrow::buffer::BooleanBuffer;
use serde::{Deserialize, Serialize};

use crate::{
    change::Change,
    knowledge::TemplateReplacement,
    series::{Entity, Series, SeriesId},
    time::{Interval, Timestamp},
    topology::EdgeObservation,
};

/// A sealed tick: the frame (`[series]` values) and what became known with it.
/// A function of the input alone: how the input was cut into batches does not show.
#[derive(Clone, Debug, Default)]
pub struct Tick {
    /// `floor(start / step)`.
    pub number: u64,
    /// Start of the tick (inclusive), event time.
    pub start: Timestamp,
    /// Length of the tick.
    pub step: Interval,
    /// One value per [`SeriesId`], canonical NaN where the series said nothing. Series
    /// are only ever added, so the length never shrinks.
    pub values: Vec<f64>,
    /// Series that were first seen in this tick, in the order of their ids; the first has
    /// id `values.len() - opened.len()`.
    pub opened: Vec<Series>,
    /// Calls seen between entities in this tick, sorted.
    pub edges: Vec<EdgeObservation>,
    /// Deploys, configuration changes, flags, restarts, in the order of time.
    pub changes: Vec<Change>,
    /// Log templates that were found to be others in this tick, sorted, each once.
    pub replaced: Vec<TemplateReplacement>,
    /// Log lines that show what a derived series tells, sorted by series; at most a few for each
    /// series and tick. Traces are drawn by the monitor when somebody asks.
    pub examples: Vec<Example>,
}

/// One readable example behind a derived series.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Example {
    /// Which series it illustrates, sorted.
    pub series: Vec<SeriesId>,
    /// When it happened.
    pub at: Timestamp,
    /// The line, or a trace as a tree: its id, then a line for each span.
    pub text: String,
    /// It shows what was usual before, for comparison.
    pub usual: bool,
    /// Where the series is about the one of many that stands out, who that is.
    #[serde(default)]
    pub who: Option<Standing>,
}

/// One of many that stands out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Standing {
    /// `tenant:7`.
    pub who: Entity,
    /// How often chance alone brings about what the series says of it.
    pub chance: f64,
}

impl Tick {
    /// End of the tick (exclusive): the event time at which all of it is known.
    #[must_use]
    pub const fn end(&self) -> Timestamp {
        self.start.plus(self.step)
    }

    /// The validity bitmap of [`Tick::values`], `[series]`.
    #[must_use]
    pub fn validity(&self) -> BooleanBuffer {
        BooleanBuffer::collect_bool(self.values.len(), |i| !self.values[i].is_nan())
    }
}
