//! Several sources as one, in the order of event time.
//!
//! Each source holds one pending batch. The earliest of the pending batches' last times is
//! the frontier: every source gives its rows up to it, so that no source runs ahead of the
//! others by more than what lies in one batch, however differently their files are cut.

use arrow::{
    array::{BooleanArray, RecordBatch, TimestampNanosecondArray},
    compute::filter_record_batch,
};
use serde::{Deserialize, Serialize};
use theriac_contract::{Fetch, Fetched, Source, SourceError, Telemetry};

/// Several sources as one.
pub struct Merge {
    name: String,
    inputs: Vec<Input>,
}

struct Input {
    source: Box<dyn Source>,
    /// Position before the pending batch was fetched.
    before: String,
    /// Rows of the pending batch up to this time were given already.
    given: Option<i64>,
    pending: Option<Vec<Telemetry>>,
    ended: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Position {
    /// For each source: where to fetch, and up to which time rows of that fetch were given.
    inputs: Vec<(String, Option<i64>)>,
}

impl Merge {
    /// Joins sources; their order decides which rows come first at equal times.
    #[must_use]
    pub fn new(name: &str, sources: Vec<Box<dyn Source>>) -> Self {
        let inputs = sources
            .into_iter()
            .map(|source| Input {
                before: source.position(),
                source,
                given: None,
                pending: None,
                ended: false,
            })
            .collect();
        Self { name: name.to_owned(), inputs }
    }
}

/// The event times of a batch, nanoseconds; spans count at their end, when they are known.
fn times(telemetry: &Telemetry) -> Option<&TimestampNanosecondArray> {
    let column = match telemetry {
        Telemetry::Points(_) | Telemetry::Logs(_) => "time",
        Telemetry::Spans(_) => "end",
    };
    telemetry.batch().column_by_name(column)?.as_any().downcast_ref()
}

fn last_time(batches: &[Telemetry]) -> Option<i64> {
    batches.iter().filter_map(|batch| times(batch)?.values().iter().max().copied()).max()
}

/// The rows of a batch after `from` and up to `to`; none if there are none.
fn between(telemetry: &Telemetry, from: Option<i64>, to: i64) -> Option<Telemetry> {
    let wanted = |time: i64| time <= to && from.is_none_or(|from| time > from);
    let mask: BooleanArray = times(telemetry)?.values().iter().map(|time| Some(wanted(*time))).collect();
    if mask.true_count() == 0 {
        return None;
    }
    if mask.true_count() == telemetry.rows() {
        return Some(telemetry.clone());
    }
    let batch: RecordBatch = filter_record_batch(telemetry.batch(), &mask).ok()?;
    Some(match telemetry {
        Telemetry::Points(_) => Telemetry::Points(batch),
        Telemetry::Logs(_) => Telemetry::Logs(batch),
        Telemetry::Spans(_) => Telemetry::Spans(batch),
    })
}

impl Source for Merge {
    fn name(&self) -> &str {
        &self.name
    }

    fn fetch(&mut self, bytes_max: usize) -> Result<Fetch, SourceError> {
        let mut fetched = Fetched::default();
        let mut idle = false;
        for input in &mut self.inputs {
            while input.pending.is_none() && !input.ended {
                input.before = input.source.position();
                match input.source.fetch(bytes_max)? {
                    Fetch::Batch(batch) => {
                        // Rejects belong to no time; they are told once, when first met.
                        if input.given.is_none() {
                            fetched.rejects.extend(batch.rejects);
                            fetched.bytes += batch.bytes;
                        }
                        if last_time(&batch.telemetry).is_some() {
                            input.pending = Some(batch.telemetry);
                        } else {
                            input.given = None;
                        }
                    }
                    Fetch::Idle => {
                        idle = true;
                        break;
                    }
                    Fetch::End => input.ended = true,
                }
            }
        }
        let frontier = self.inputs.iter().filter_map(|input| last_time(input.pending.as_ref()?)).min();
        let Some(frontier) = frontier else {
            return Ok(if !fetched.rejects.is_empty() || fetched.bytes > 0 {
                Fetch::Batch(fetched)
            } else if idle {
                Fetch::Idle
            } else {
                Fetch::End
            });
        };
        for input in &mut self.inputs {
            let Some(pending) = &input.pending else { continue };
            let rows = pending.iter().filter_map(|batch| between(batch, input.given, frontier));
            fetched.telemetry.extend(rows);
            if last_time(pending).is_some_and(|last| last <= frontier) {
                input.pending = None;
                input.given = None;
                input.before = input.source.position();
            } else {
                input.given = Some(frontier);
            }
        }
        Ok(Fetch::Batch(fetched))
    }

    fn position(&self) -> String {
        let inputs = self.inputs.iter().map(|input| (input.before.clone(), input.given)).collect();
        serde_json::to_string(&Position { inputs }).unwrap_or_default()
    }

    fn seek(&mut self, position: &str) -> Result<(), SourceError> {
        let unreadable = |reason: String| SourceError::Unreadable { origin: self.name.clone(), reason };
        let stored: Position = serde_json::from_str(position).map_err(|e| unreadable(e.to_string()))?;
        if stored.inputs.len() != self.inputs.len() {
            let (was, is) = (stored.inputs.len(), self.inputs.len());
            return Err(unreadable(format!("the position is of {was} sources, there are {is}")));
        }
        for (input, (before, given)) in self.inputs.iter_mut().zip(stored.inputs) {
            input.source.seek(&before)?;
            input.before = before;
            input.given = given;
            input.pending = None;
            input.ended = false;
        }
        Ok(())
    }

    fn bytes_total(&self) -> Option<u64> {
        self.inputs.iter().map(|input| input.source.bytes_total()).sum()
    }
}
