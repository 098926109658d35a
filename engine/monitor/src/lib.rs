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
//! | `clock`, `sources` | watermark, choice of the step, jumps of the clock, clocks that run ahead |
//! | `index` | slots of series, entities, resources |
//! | `batch` | batches of rows: when each happened, and by whose clock |
//! | `bucket` | the rows of a tick that is not sealed yet |
//! | `points`, `distribution` | gauges, rates, histograms |
//! | `restarts` | processes that began anew, as changes |
//! | `logs` | severities, templates, stack traces, order, values, change events |
//! | `entries` | maps in checkpoints |
//! | `traces` | operations, edges and kinds of spans; where traces spend their time, and how calls follow |

mod batch;
mod bits;
mod bucket;
mod clock;
pub mod counts;
mod distribution;
mod entries;
mod index;
mod logs;
mod monitor;
mod points;
mod restarts;
pub mod settings;
mod sources;
mod traces;

pub use counts::Counts;
pub use monitor::Monitor;
pub use settings::{Settings, Step};
pub use traces::asking::Asker;
