//! Spans around the parts of a round, for a stopwatch outside: nothing here reads a clock.

/// Target of the spans around the parts of a round. Their names are the parts': `frame`, `detect`,
/// `learn`, `diagnose`, `plan`, `execute`, `commit`, `checkpoint`, and from outside the engine
/// `fetch`, `decode` and `dispatch`.
pub const PART: &str = "theriac::part";

/// Does a part of a round within its span. Costs next to nothing where nobody listens.
macro_rules! timed {
    ($part:literal, $call:expr) => {
        tracing::trace_span!(target: "theriac::part", $part).in_scope(|| $call)
    };
}
pub(crate) use timed;
