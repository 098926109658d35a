//! Monitor: telemetry rows in, sealed ticks out.
//!
//! Rows are put into buckets of event time as they come. A bucket is turned into a
//! [`Tick`](theriac_contract::Tick) once the watermark has passed its end, and only then:
//! differences, rates, quantiles and the ids of new series are computed from all of its
//! rows in an order that does not depend on how they arrived. One thing does depend on it: log
//! templates are learnt from records as they come, for to hold their texts back would take the memory
//! of all that is late.
//!
//! | module | holds |
//! |---|---|
//! | [`settings`] | limits, step, lateness |
//! | [`counts`] | what was taken, what was shed and why |
//! | `monitor` | [`Monitor`]: push, advance, seal; checkpoint |
//! | `clock` | watermark, choice of the step, jumps of the clock |
//! | `index` | slots of series, entities, resources |
//! | `bucket` | the rows of a tick that is not sealed yet |
//! | `points`, `distribution` | gauges, rates, histograms |
//! | `restarts` | processes that began anew, as changes |
//! | `logs` | severities, templates, stack traces, order, values, change events |
//! | `entries` | maps in checkpoints |
//! | `reader`, `asked`, `catalog`, `ids` | rows of spans and what is asked of them; operations, callees and edges as numbers |
//! | `spans`, `carried` | spans into traces, over the ends of ticks |
//! | `family`, `scene` | one trace: self time, critical path, gaps, retries, the order of calls |
//! | `sketch`, `sampling`, `tally` | durations, and how many a span stands for; what a tick adds up to |
//! | `exemplar` | traces as trees, for people |
//! | `novelty`, `span_series` | what was not called before; series and their values |

mod asked;
mod bits;
mod bucket;
mod carried;
mod catalog;
mod clock;
pub mod counts;
mod distribution;
mod entries;
mod exemplar;
mod family;
mod ids;
mod index;
mod logs;
mod monitor;
mod novelty;
mod points;
mod reader;
mod restarts;
mod sampling;
mod scene;
pub mod settings;
mod sketch;
mod span_series;
mod spans;
mod tally;

pub use counts::Counts;
pub use monitor::Monitor;
pub use settings::{Settings, Step};
