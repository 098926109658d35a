//! What the program says of itself on standard error: lines for people, or JSON for programs.

use std::{
    fmt,
    sync::atomic::{AtomicBool, Ordering},
};

use clap::{Args, ValueEnum};
use theriac_engine::Outputs;
use tracing::{Event, Level, Subscriber, field::Field};
use tracing_subscriber::{
    Layer,
    filter::{LevelFilter, Targets},
    fmt::{FmtContext, FormatEvent, FormatFields, format::Writer},
    layer::SubscriberExt,
    registry::LookupSpan,
    util::SubscriberInitExt,
};

use crate::{operations::Stopwatch, output::Wrong};

/// Environment variable that says what `--log-level` says.
const VARIABLE: &str = "THERIAC_LOG";

/// How the program speaks.
#[derive(Clone, Debug, Args)]
pub(crate) struct Logging {
    /// How the program tells what it does, on standard error
    #[arg(long, global = true, value_enum, default_value_t, value_name = "FORMAT")]
    log_format: Format,
    /// What it tells: error, warn, info, debug or trace, also by target: info,librdkafka=warn
    /// [default: $THERIAC_LOG, or info]
    #[arg(long, global = true, value_name = "LEVELS")]
    log_level: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Sentences
    #[default]
    Text,
    /// One JSON object a line; symptoms, incidents and plans too
    Json,
}

static FOR_PROGRAMS: AtomicBool = AtomicBool::new(false);

/// Whether programs read what is told.
pub(crate) fn is_for_programs() -> bool {
    FOR_PROGRAMS.load(Ordering::Relaxed)
}

/// Begins to tell, in the format and to the extent that was asked for; `timed` if the parts of a
/// round are to be timed.
///
/// # Errors
/// If the levels are none.
pub(crate) fn start(arguments: &Logging, timed: bool) -> Result<(), Wrong> {
    let from_variable = || std::env::var(VARIABLE).ok().filter(|levels| !levels.is_empty());
    let (levels, whence) = match (&arguments.log_level, from_variable()) {
        (Some(levels), _) => (Some(levels.clone()), "--log-level"),
        (None, levels) => (levels, VARIABLE),
    };
    let targets = match levels {
        Some(levels) => levels.parse::<Targets>().map_err(|error| {
            Wrong(format!("{whence}: `{levels}`: {error}; write error, warn, info, debug or trace, or info,librdkafka=warn"))
        })?,
        // People are told what librdkafka complains of with the failure that it leads to.
        None if arguments.log_format == Format::Text => {
            Targets::new().with_default(Level::INFO).with_target("librdkafka", LevelFilter::OFF)
        }
        None => Targets::new().with_default(Level::INFO),
    };
    // Spans around the parts of a round are for the stopwatch alone.
    let targets = targets.with_target(theriac_engine::PART, LevelFilter::OFF);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).log_internal_errors(false);
    let lines = match arguments.log_format {
        Format::Text => lines.event_format(Sentences).boxed(),
        Format::Json => lines.json().flatten_event(true).with_span_list(false).boxed(),
    };
    FOR_PROGRAMS.store(arguments.log_format == Format::Json, Ordering::Relaxed);
    let parts = Targets::new().with_target(theriac_engine::PART, Level::TRACE);
    let stopwatch = timed.then(|| Stopwatch.with_filter(parts));
    tracing_subscriber::registry().with(lines.with_filter(targets)).with(stopwatch).init();
    Ok(())
}

/// `theriac: ` and the message: its words hold what the fields hold.
struct Sentences;

impl<S, N> FormatEvent<S, N> for Sentences
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    N: for<'writer> FormatFields<'writer> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut message = Message(String::new());
        event.record(&mut message);
        let target = event.metadata().target();
        if target.starts_with("theriac") {
            writeln!(writer, "theriac: {}", message.0)
        } else {
            writeln!(writer, "theriac: {target}: {}", message.0)
        }
    }
}

struct Message(String);

impl tracing::field::Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}

/// What the loop noticed, concluded and did, for programs; people read the account.
pub(crate) fn outputs(outputs: &Outputs) {
    for symptom in &outputs.symptoms {
        tracing::debug!(
            symptom = %symptom.id, revision = symptom.revision, phase = ?symptom.phase, at = %symptom.at,
            "{}", symptom.explanation
        );
    }
    for incident in &outputs.incidents {
        tracing::info!(
            incident = %incident.id, revision = incident.revision, phase = ?incident.phase, at = %incident.at,
            "{}", incident.summary
        );
    }
    for plan in &outputs.plans {
        tracing::info!(
            plan = %plan.id, incident = %plan.incident, at = %plan.at,
            "{} for {} at {}", plan.strategy, plan.fault, plan.cause
        );
    }
    for verification in &outputs.verifications {
        tracing::info!(
            plan = %verification.plan, incident = %verification.incident, at = %verification.at,
            verdict = ?verification.verdict, "{} was judged", verification.strategy
        );
    }
}
