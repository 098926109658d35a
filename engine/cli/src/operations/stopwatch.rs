//! Times the parts of a round from outside: the spans are the engine's, the clock is here.

use std::{sync::LazyLock, time::Instant};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{
        family::Family,
        histogram::{Histogram, exponential_buckets},
    },
};
use tracing::{Subscriber, span::Id};
use tracing_subscriber::{Layer, layer::Context, registry::LookupSpan};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Part {
    part: &'static str,
}

impl Part {
    pub(super) const fn named(part: &'static str) -> Self {
        Self { part }
    }
}

pub(super) type Times = Family<Part, Histogram, fn() -> Histogram>;

/// From 10 µs to 42 s, each bound four times the one before.
fn histogram() -> Histogram {
    Histogram::new(exponential_buckets(1e-5, 4.0, 12))
}

/// How long each part of a round took, seconds. Spans are heard by the whole process.
pub(super) static TIMES: LazyLock<Times> = LazyLock::new(|| Family::new_with_constructor(histogram));

/// Hears the spans with the target [`theriac_engine::PART`].
pub(crate) struct Stopwatch;

impl<S> Layer<S> for Stopwatch
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    fn on_enter(&self, id: &Id, context: Context<'_, S>) {
        if let Some(span) = context.span(id) {
            span.extensions_mut().replace(Instant::now());
        }
    }

    fn on_exit(&self, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(begin) = span.extensions_mut().remove::<Instant>() {
            TIMES.get_or_create(&Part::named(span.name())).observe(begin.elapsed().as_secs_f64());
        }
    }
}
