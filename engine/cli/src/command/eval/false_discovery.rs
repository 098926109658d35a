//! `theriac eval false-discovery`: is no more than the set share of symptoms false, at ten series
//! and at a hundred thousand, and how many incidents are found all the same?

use std::{collections::BTreeMap, path::PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use theriac_contract::{Entity, Interval, Series, SignalKind, Snapshot, SymptomPhase, Tick, Timestamp};
use theriac_datasets::null_fleet::{Incidents, Kind, NullFleet};
use theriac_detect::{Detect, rules::Rule};

use crate::{
    config::Config,
    output::{Format, Report, say},
    report::evaluation::{Line, Page, Sweep, Table, TableRow},
};

/// Arguments of `theriac eval false-discovery`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Numbers of series
    #[arg(long, value_delimiter = ',', default_value = "10,1000,100000")]
    series: Vec<usize>,
    /// Ticks that are judged, after as many as the detectors need
    #[arg(long, default_value_t = 1_000)]
    ticks: u32,
    /// Seed of the series
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Chance that an incident begins in a series at a tick, in the second half of the figures
    #[arg(long, default_value_t = 1e-4)]
    incident_rate: f64,
    /// Size of incidents, in standard deviations of the series
    #[arg(long, default_value_t = 8.0)]
    incident_size: f64,
    /// Write a page with tables, and a plot of how uniform p-values are with nothing wrong
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// text, or json for one object with the figures
    #[arg(long, value_enum, default_value_t)]
    output: Format,
}

/// Square root of a tenth: half a decade.
const HALF: f64 = 0.316_227_766_016_837_94;
/// P-values at which it is counted how many are at most as large: two a decade, descending.
const P_VALUES: [f64; 13] = [
    1.0,
    HALF,
    1e-1,
    HALF * 1e-1,
    1e-2,
    HALF * 1e-2,
    1e-3,
    HALF * 1e-3,
    1e-4,
    HALF * 1e-4,
    1e-5,
    HALF * 1e-5,
    1e-6,
];

/// How often p-values were at most as large as each of [`P_VALUES`].
#[derive(Clone, Copy, Default)]
struct Counted {
    at_most: [u64; P_VALUES.len()],
    all: u64,
}

impl Counted {
    fn count(&mut self, value: f64) {
        self.all += 1;
        let reached = P_VALUES.iter().take_while(|p_value| value <= **p_value).count();
        self.at_most[..reached].iter_mut().for_each(|count| *count += 1);
    }

    /// Times as often as uniform p-values were.
    fn excess(&self, place: usize) -> f64 {
        self.at_most[place] as f64 / self.all.max(1) as f64 / P_VALUES[place]
    }
}

/// Ticks before anything is judged: every detector has its history then.
const WARM_UP: u32 = 400;
const STEP: Interval = Interval::from_seconds(300);
/// Ticks that an incident lasts.
const INCIDENT_TICKS: u32 = 20;

/// What came of one run.
#[derive(Default)]
struct Outcome {
    symptoms: usize,
    wrong: usize,
    incidents: usize,
    found: usize,
    /// False symptoms by kind of series.
    by_kind: BTreeMap<usize, usize>,
    /// P-values by kind of series; counted while nothing is wrong.
    p_values: [Counted; Kind::ALL.len()],
}

impl Outcome {
    fn share(&self) -> f64 {
        self.wrong as f64 / self.symptoms.max(1) as f64
    }

    fn power(&self) -> f64 {
        self.found as f64 / self.incidents.max(1) as f64
    }

    fn kinds(&self) -> String {
        let told = self.by_kind.iter().map(|(kind, count)| format!("{:?} {count}", Kind::ALL[*kind]));
        told.collect::<Vec<String>>().join(", ")
    }
}

fn series(index: usize) -> Series {
    let entity = Entity(format!("service-{index}"));
    let key = Series::key_of("default", &entity, None, "value", "{}");
    Series {
        key,
        entity,
        peer: None,
        signal: "value".to_owned(),
        kind: SignalKind::Metric,
        unit: String::new(),
        attributes: "{}".to_owned(),
        domain: "default".to_owned(),
    }
}

fn simulate(
    config: &Config,
    arguments: &Arguments,
    count: usize,
    incidents: bool,
    bar: &ProgressBar,
) -> Outcome {
    let incidents = incidents.then_some(Incidents {
        rate: arguments.incident_rate,
        ticks: INCIDENT_TICKS,
        size: arguments.incident_size,
        after: WARM_UP,
    });
    let mut fleet = NullFleet::new(arguments.seed, count, incidents);
    let mut detect = Detect::new(config.detect.clone());
    let mut tick = Tick { step: STEP, ..Tick::default() };
    tick.opened = (0..count).map(series).collect();
    // By series: when an incident began last, and whether it was found.
    let mut last: Vec<Option<(Timestamp, bool)>> = vec![None; count];
    let (mut outcome, known) = (Outcome::default(), Snapshot::default());
    for number in 0..WARM_UP + arguments.ticks {
        tick.number = u64::from(number);
        tick.start = Timestamp(STEP.0 * i64::from(number));
        for index in fleet.advance(&mut tick.values) {
            last[index] = Some((tick.start, false));
            outcome.incidents += 1;
        }
        for symptom in detect.step(&tick, &known) {
            let index = symptom.entity.0.trim_start_matches("service-").parse::<usize>().unwrap_or(0);
            if symptom.phase != SymptomPhase::Open || number < WARM_UP {
                continue;
            }
            outcome.symptoms += 1;
            // Its end, too, is a change that was made: what begins there is not false.
            let end = Interval(STEP.0 * i64::from(2 * INCIDENT_TICKS));
            match &mut last[index] {
                Some((began, found)) if symptom.onset >= *began && symptom.onset < began.plus(end) => {
                    outcome.found += usize::from(!*found);
                    *found = true;
                }
                _ => {
                    outcome.wrong += 1;
                    *outcome.by_kind.entry(index % Kind::ALL.len()).or_default() += 1;
                }
            }
        }
        if incidents.is_none() && number >= WARM_UP {
            for (index, reading) in detect.readings().iter().enumerate() {
                outcome.p_values[index % Kind::ALL.len()].count(reading.p_value);
            }
        }
        tick.opened.clear();
        bar.inc(count as u64);
    }
    outcome
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let mut config = Config::default();
    // How large an effect must be to matter is no question of chance.
    config.detect.rules = vec![Rule { effect_share_min: 0.0, ..Rule::default() }];
    let digest = config.digest(&config.playbooks()?)?;
    let mut report = Report::new("eval false-discovery", digest, String::new(), Some(arguments.seed));
    let all: usize = arguments.series.iter().sum::<usize>() * 2;
    let bar = ProgressBar::new(all as u64 * u64::from(WARM_UP + arguments.ticks));
    bar.set_style(ProgressStyle::with_template("{bar:30} {human_pos}/{human_len} series-ticks {per_sec}")?);
    let mut rows = Vec::new();
    for count in &arguments.series {
        let calm = simulate(&config, arguments, *count, false, &bar);
        let troubled = simulate(&config, arguments, *count, true, &bar);
        let name = if *count % 1_000 == 0 { format!("{}k", count / 1_000) } else { count.to_string() };
        report.set(&format!("fdr.null_{name}"), calm.share());
        report.set(&format!("fdr.null_{name}.false_symptoms"), calm.wrong as f64);
        report.set(&format!("fdr.mixed_{name}"), troubled.share());
        report.set(&format!("fdr.power_{name}"), troubled.power());
        // The largest fleet gives the figure that goes by the plain name.
        report.set("fdr.power", troubled.power());
        rows.push((*count, calm, troubled));
    }
    bar.finish_and_clear();
    if let Some(path) = &arguments.report {
        std::fs::write(path, page(&report, &rows, arguments.ticks, config.detect.false_share).html())
            .with_context(|| path.display().to_string())?;
    }
    if arguments.output == Format::Json {
        return report.print();
    }
    let share = config.detect.false_share;
    say!("{} ticks; {} % of symptoms may be false\n", arguments.ticks, 100.0 * share);
    say!(
        "{:>8}   {:>12}   {:>10} {:>8} {:>9} {:>10} {:>7}",
        "series",
        "nothing wrong:",
        "incidents:",
        "symptoms",
        "false",
        "share",
        "found"
    );
    for (count, calm, troubled) in &rows {
        say!(
            "{count:>8}   {:>8} false   {:>10} {:>8} {:>9} {:>9.2}% {:>6.1}%",
            calm.wrong,
            troubled.incidents,
            troubled.symptoms,
            troubled.wrong,
            100.0 * troubled.share(),
            100.0 * troubled.power()
        );
    }
    for (count, calm, _) in rows.iter().filter(|(_, calm, _)| calm.wrong > 0) {
        say!("false at {count} series with nothing wrong: {}", calm.kinds());
    }
    Ok(())
}

/// Tables of the fleets, and how uniform p-values are, of the largest fleet.
fn page(report: &Report, rows: &[(usize, Outcome, Outcome)], ticks: u32, share: f64) -> Page<'static> {
    let cell = |cells: Vec<String>| TableRow { cells, ours: false, link: None };
    let fleets = rows.iter().map(|(count, calm, troubled)| {
        cell(vec![
            count.to_string(),
            calm.wrong.to_string(),
            troubled.incidents.to_string(),
            troubled.symptoms.to_string(),
            troubled.wrong.to_string(),
            format!("{:.2} %", 100.0 * troubled.share()),
            format!("{:.1} %", 100.0 * troubled.power()),
        ])
    });
    let head =
        ["series", "false, nothing wrong", "incidents", "symptoms", "false", "share of symptoms", "found"];
    let mut tables = vec![Table::new("Fleets of all kinds of series", &head, fleets.collect())];
    let (mut lines, mut tiles) = (Vec::new(), Vec::new());
    if let Some((count, calm, troubled)) = rows.last() {
        tiles.push((
            format!("{:.2} %", 100.0 * troubled.share()),
            format!("of symptoms false, {count} series"),
        ));
        tiles.push((calm.wrong.to_string(), format!("false symptoms with nothing wrong, {count} series")));
        tiles.push((format!("{:.0} %", 100.0 * troubled.power()), "of incidents found".to_owned()));
        let shown: Vec<usize> = (2..P_VALUES.len()).step_by(2).collect();
        let kinds = Kind::ALL.iter().zip(&calm.p_values).map(|(kind, counted)| {
            let excesses = shown.iter().map(|place| format!("{:.2}", counted.excess(*place)));
            cell(std::iter::once(format!("{kind:?}")).chain(excesses).collect())
        });
        let heads: Vec<String> = shown.iter().map(|place| format!("p <= 1e-{}", place / 2)).collect();
        let head: Vec<&str> = std::iter::once("kind").chain(heads.iter().map(String::as_str)).collect();
        let heading = "How often p-values came, with nothing wrong, as a multiple of how often they may";
        tables.push(Table::new(heading, &head, kinds.collect()));
        let mut all = Counted::default();
        for counted in &calm.p_values {
            all.all += counted.all;
            all.at_most.iter_mut().zip(counted.at_most).for_each(|(sum, count)| *sum += count);
        }
        let worst = |place: usize| calm.p_values.iter().map(|kind| kind.excess(place)).fold(0.0, f64::max);
        let line = |name: &str, excess: &dyn Fn(usize) -> f64| Line {
            name: name.to_owned(),
            points: (0..P_VALUES.len()).rev().map(|place| (P_VALUES[place], excess(place))).collect(),
        };
        lines.push(line("all kinds", &|place| all.excess(place)));
        lines.push(line("the worst kind at each", &worst));
        lines.push(line("uniform", &|_| 1.0));
    }
    Page {
        title: "False symptoms in series of which it is known when something is wrong".to_owned(),
        lead: format!(
            "{ticks} ticks after a warm-up of {WARM_UP}, one configuration ({}), {} % of symptoms may be false. theriac {}.",
            report.configuration,
            100.0 * share,
            report.version
        ),
        tiles,
        tables,
        sweep: Some(Sweep {
            title: "How often p-values at most so small came with nothing wrong, as a multiple of how often they may"
                .to_owned(),
            logarithmic: true,
            lines,
            marks: Vec::new(),
        }),
        legend: Vec::new(),
        files: Vec::new(),
    }
}
