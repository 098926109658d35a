//! `theriac bench diagnosis`: how long it takes from an incident to ranked causes.
//!
//! What is measured begins where the engine has it already: series with their hour of history, calls and
//! lines with their statements. Baselines, paths and transitions are counted in, of both windows.

use std::{hint::black_box, time::Instant};

use anyhow::Result;
use clap::Args;
use theriac_diagnose::{
    channel::{
        Claim, Settings, diagnose, made_up,
        requests::{
            CPU, MEMORY, callers, delays, errors, levels, metered, transitions,
            window::{Observed, Window},
        },
    },
    weighing::{Weighed, weigh},
};

use super::update;
use crate::output::{Format, Report, say};

/// Arguments of `theriac bench diagnosis`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Services
    #[arg(long, default_value_t = 50)]
    services: usize,
    /// Series of metrics, each with an hour of history
    #[arg(long, default_value_t = 500)]
    series: usize,
    /// Spans of each of the two windows
    #[arg(long, default_value_t = 20_000)]
    spans: usize,
    /// Incidents of each kind
    #[arg(long, default_value_t = 100)]
    incidents: u64,
    /// text, or json for one object with the figures
    #[arg(long, value_enum, default_value_t)]
    output: Format,
}

/// Series of the large case: its p99 is a goal of its own.
const SERIES_MANY: usize = 10_000;

/// Milliseconds of each incident, each made outside of the measured time.
fn measure<T>(incidents: u64, make: impl Fn(u64) -> T, judge: impl Fn(&T) -> Vec<Weighed>) -> Vec<f64> {
    let one = |number| {
        let incident = make(number);
        let start = Instant::now();
        black_box(judge(black_box(&incident)));
        start.elapsed().as_secs_f64() * 1e3
    };
    (0..incidents).map(one).collect()
}

/// What all channels over requests say, as the evaluation on Nezha has them.
fn requests([normal, fault]: &[Window; 2]) -> Vec<Weighed> {
    let (normal, fault) = (&Observed::new(normal), &Observed::new(fault));
    let mut claims: Vec<Claim> = [
        transitions::transitions(normal, fault),
        errors::errors(normal, fault),
        delays::gaps(normal, fault),
        delays::self_time(normal, fault),
        levels::levels(normal, fault, CPU),
        levels::levels(normal, fault, MEMORY),
        metered::metered(normal, fault),
    ]
    .concat();
    claims.extend(callers::callers(normal, fault, &claims));
    weigh(&claims, 0.0)
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let Arguments { services, series, spans, incidents, .. } = *arguments;
    let settings = Settings::default();
    let of_series = |series: usize, incidents| {
        let make = |number| made_up::incident(services, series, number).0;
        measure(incidents, make, |incident| diagnose(incident, &settings, None))
    };
    let made = |number| made_up::windows(services, spans, number).0;
    let few = incidents.div_ceil(5);
    let mut rows = vec![
        ("diagnosis.ms".to_owned(), format!("{series} series, 1 h of history"), of_series(series, incidents)),
        (
            "diagnosis.many.ms".to_owned(),
            format!("{SERIES_MANY} series, 1 h of history"),
            of_series(SERIES_MANY, few),
        ),
        (
            "diagnosis.requests.ms".to_owned(),
            format!("{spans} spans and lines in each window"),
            measure(few, made, requests),
        ),
    ];
    let given = rows.len();
    rows.extend(update::rows(incidents));
    let mut report = Report::new("bench diagnosis", "default".to_owned(), String::new(), None);
    for (name, _, milliseconds) in &rows {
        report.set_quantiles(name, milliseconds);
    }
    if arguments.output == Format::Json {
        return report.print();
    }
    say!("{services} services; milliseconds from an incident to ranked causes, one thread\n");
    let head = |what: &str| say!("{:<52}{:>10}{:>8}{:>8}{:>8}", "", what, "p50", "p90", "p99");
    head("incidents");
    for (index, (name, what, milliseconds)) in rows.iter().enumerate() {
        if index == given {
            say!("\nmilliseconds from one more symptom of an incident to its next revision\n");
            head("times");
        }
        let of = |share: &str| report.metrics.get(&format!("{name}.{share}")).copied().unwrap_or(f64::NAN);
        say!("{what:<52}{:>10}{:>8.2}{:>8.2}{:>8.2}", milliseconds.len(), of("p50"), of("p90"), of("p99"));
    }
    Ok(())
}
