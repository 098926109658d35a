//! Data with a label on each row, by the measures of TSB-AD.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use theriac_contract::Timestamp;
use theriac_datasets::{
    scoring::{
        Measures, ScoringError, Segment, period, segments,
        sweep::{Sweep as Thresholds, SweepFile},
    },
    tsb::{Recording, cut_outs, cut_outs::CutOut, digest as data_digest, published},
};

use super::{
    Options,
    ablation::Figures,
    conclude, digest,
    live::{self, Fixed, RowScore, Rows},
    progress,
    results::{self, ResultFile},
};
use crate::{
    config::Config,
    output::{Report, say},
    report::evaluation::{Alert, FilePlot, Line, Page, Sight, Sweep, Table, TableRow},
};

/// Which data these are: the figures' first name, and what stands at the top.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Set {
    /// SMD, or a folder in its layout.
    Smd,
    /// The series of TSB-AD that NAB and SMD give.
    CutOuts,
    /// A folder with one CSV for each recording.
    Series,
}

impl Set {
    const fn prefix(self) -> &'static str {
        match self {
            Self::Smd => "smd",
            Self::CutOuts | Self::Series => "tsb",
        }
    }

    const fn title(self) -> &'static str {
        match self {
            Self::Smd => "Server Machine Dataset layout",
            Self::CutOuts => "TSB-AD, the series that NAB and SMD give",
            Self::Series => "a folder of labelled series",
        }
    }
}

/// Series of which others published per-series results: name of the figures, title, members.
const SUBSETS: [(&str, &str, &[CutOut]); 2] = [
    ("nab14", "TSB-AD-U, 14 series of NAB", &cut_outs::NAB),
    ("smd3", "TSB-AD-M, 3 machines of SMD", &cut_outs::SMD),
];

/// One recording with what the live path said of it.
struct Evaluated {
    recording: Recording,
    scores: Vec<RowScore>,
    lasting: Vec<f64>,
    /// None where no row, or every row, is labelled.
    measures: Option<Measures>,
    /// The same if what is said in the warm-up counts too.
    with_warmup: Option<Measures>,
    window: usize,
    segments: Vec<Segment>,
    segments_met: usize,
    /// Alerts at the fixed threshold outside of segments and warm-up.
    false_alerts: usize,
}

struct Evaluation {
    set: Set,
    history: bool,
    fixed: Fixed,
    files: Vec<Evaluated>,
    thresholds: Thresholds,
}

/// Runs all recordings and says what came out.
pub(super) fn run(
    command: &'static str,
    set: Set,
    recordings: Vec<Recording>,
    config: &Config,
    options: &Options,
) -> Result<()> {
    let data = data_digest(&recordings);
    let history = options.history && recordings.iter().any(|recording| !recording.history.is_empty());
    let whole = if options.ablation { recordings.clone() } else { Vec::new() };
    let evaluation = evaluate(set, history, recordings, config)?;
    if let Some(folder) = &options.results {
        for file in &evaluation.files {
            let recording = &file.recording;
            let name = format!("{}/{}", recording.category, recording.name.replace('/', "-"));
            let rows = ResultFile {
                name: &name,
                times: &recording.times,
                values: &recording.channels[0],
                scores: &file.lasting,
                labels: &recording.labels,
            };
            results::write(folder, &options.detector, &rows)?;
        }
    }
    let report = evaluation.figures(Report::new(command, digest(config)?, data.clone(), None));
    let again = |config: &Config| {
        let head = Report::new(command, digest(config)?, data.clone(), None);
        Ok(evaluate(set, history, whole.clone(), config)?.figures(head))
    };
    let page = |report: &Report| evaluation.page(report).html();
    conclude(options, config, &ablated(set), report, again, page, |report| evaluation.print(report))
}

/// Figures that are told without each part, as far as there are any.
fn ablated(set: Set) -> Figures {
    let names = ["vus_pr", "nab14.vus_pr", "smd3.vus_pr", "f1.fixed_threshold"];
    let whole = names.iter().map(|name| format!("{}.{name}", set.prefix())).collect();
    Figures { whole, of_category: "vus_pr" }
}

/// Scores all recordings.
fn evaluate(set: Set, history: bool, recordings: Vec<Recording>, config: &Config) -> Result<Evaluation> {
    let bar = progress(recordings.iter().map(|recording| recording.labels.len()).sum())?;
    let mut files = Vec::with_capacity(recordings.len());
    for recording in recordings {
        bar.set_message(recording.name.clone());
        let scores = score(config, &recording, history).with_context(|| recording.name.clone())?;
        bar.inc(recording.labels.len() as u64);
        files.push(Evaluated::new(recording, scores, &live::FIXED)?);
    }
    bar.finish_and_clear();
    let sweep_files: Vec<SweepFile<'_>> = files
        .iter()
        .map(|file| SweepFile {
            group: &file.recording.category,
            labels: &file.recording.labels,
            scores: &file.lasting,
        })
        .collect();
    let thresholds = Thresholds::new(&sweep_files)?;
    Ok(Evaluation { set, history, fixed: live::FIXED, files, thresholds })
}

/// Scores of the labelled rows; with `history`, what came before them goes first.
fn score(config: &Config, recording: &Recording, history: bool) -> Result<Vec<RowScore>> {
    if !history || recording.history.is_empty() {
        let channels = recording.channels.iter().map(Vec::as_slice).collect();
        return live::rows(config, &Rows { times: &recording.times, channels });
    }
    let times: Vec<Timestamp> = [recording.history_times(), recording.times.clone()].concat();
    let joined: Vec<Vec<f64>> = recording
        .history
        .iter()
        .zip(&recording.channels)
        .map(|(before, channel)| [before.as_slice(), channel.as_slice()].concat())
        .collect();
    let rows = Rows { times: &times, channels: joined.iter().map(Vec::as_slice).collect() };
    let scores = live::rows(config, &rows)?;
    Ok(scores[times.len() - recording.times.len()..].to_vec())
}

impl Evaluated {
    fn new(recording: Recording, scores: Vec<RowScore>, fixed: &Fixed) -> Result<Self> {
        let mut lasting: Vec<f64> = scores.iter().map(|row| row.lasting).collect();
        let window = period::window(&recording.channels[0]);
        let measure = |lasting: &[f64]| match Measures::of(&recording.labels, lasting, window) {
            Ok(measures) => Ok(Some(measures)),
            Err(ScoringError::OneKind { .. }) => Ok(None),
            Err(error) => Err(error).with_context(|| recording.name.clone()),
        };
        let with_warmup = measure(&lasting)?;
        // The rows that the protocol gives to warm up on are not judged.
        lasting[..recording.warmup.min(scores.len())].fill(0.0);
        let measures = measure(&lasting)?;
        let segments = segments(&recording.labels);
        let alerts = |row: usize| scores[row].alert >= fixed.alert;
        let segments_met = segments.iter().filter(|it| (it.first..=it.last).any(alerts)).count();
        let false_alerts =
            (recording.warmup..scores.len()).filter(|row| alerts(*row) && !recording.labels[*row]).count();
        Ok(Self {
            recording,
            scores,
            lasting,
            measures,
            with_warmup,
            window,
            segments,
            segments_met,
            false_alerts,
        })
    }
}

impl Evaluation {
    /// Mean measures over the files that `counts` keeps.
    fn mean(&self, counts: impl Fn(&Recording) -> bool) -> Option<[f64; 8]> {
        let kept = self.files.iter().filter(|file| counts(&file.recording));
        Measures::mean(&kept.filter_map(|file| file.measures).collect::<Vec<_>>())
    }

    /// Mean measures of a subset, if all of it is here.
    fn subset(&self, members: &[CutOut]) -> Option<[f64; 8]> {
        Self::mean_of(&self.members(members)?, |file| file.measures)
    }

    /// The same if what is said in the warm-up counts too.
    fn subset_with_warmup(&self, members: &[CutOut]) -> Option<[f64; 8]> {
        Self::mean_of(&self.members(members)?, |file| file.with_warmup)
    }

    /// The files of a subset, if all of them are here.
    fn members(&self, members: &[CutOut]) -> Option<Vec<&Evaluated>> {
        let is_member = |file: &&Evaluated| members.iter().any(|(member, _)| *member == file.recording.name);
        let here: Vec<&Evaluated> = self.files.iter().filter(is_member).collect();
        (here.len() == members.len()).then_some(here)
    }

    fn mean_of(files: &[&Evaluated], measures: impl Fn(&Evaluated) -> Option<Measures>) -> Option<[f64; 8]> {
        Measures::mean(&files.iter().filter_map(|file| measures(file)).collect::<Vec<_>>())
    }

    fn categories(&self) -> BTreeMap<&str, Vec<&Evaluated>> {
        let mut categories: BTreeMap<&str, Vec<&Evaluated>> = BTreeMap::new();
        for file in &self.files {
            categories.entry(&file.recording.category).or_default().push(file);
        }
        categories
    }

    fn figures(&self, mut report: Report) -> Report {
        let prefix = self.set.prefix();
        let mut set = |name: &str, values: Option<[f64; 8]>| {
            for (measure, value) in Measures::NAMES.iter().zip(values.into_iter().flatten()) {
                report.set(&format!("{prefix}.{name}{measure}"), value);
            }
        };
        set("", self.mean(|_| true));
        for (name, _, members) in SUBSETS {
            set(&format!("{name}."), self.subset(members));
            set(&format!("{name}.with_warmup."), self.subset_with_warmup(members));
        }
        for category in self.categories().keys() {
            set(&format!("category.{category}."), self.mean(|recording| recording.category == *category));
        }
        for file in &self.files {
            let name = &file.recording.name;
            set(&format!("file.{name}."), file.measures.map(|measures| measures.values()));
        }
        let count = |of: fn(&Evaluated) -> usize| self.files.iter().map(of).sum::<usize>() as f64;
        let rows = count(|file| file.recording.labels.len());
        let mut set = |name: &str, value: f64| report.set(&format!("{prefix}.{name}"), value);
        set("files", self.files.len() as f64);
        set("rows", rows);
        set("history", f64::from(u8::from(self.history)));
        set("f1.fixed_threshold", self.thresholds.at(self.fixed.lasting).unwrap_or(f64::NAN));
        set("f1.leave_one_category_out", self.thresholds.leave_one_group_out().unwrap_or(f64::NAN));
        set("f1.one_threshold", self.thresholds.best().map_or(f64::NAN, |best| best.1));
        set("alerts.segments", count(|file| file.segments.len()));
        set("alerts.segments_met", count(|file| file.segments_met));
        set("alerts.false", count(|file| file.false_alerts));
        report
    }

    fn title(&self) -> String {
        let rows: usize = self.files.iter().map(|file| file.recording.labels.len()).sum();
        format!("{}: {} files, {rows} rows", self.set.title(), self.files.len())
    }

    /// What the figures may be held against.
    fn protocol(&self) -> &'static str {
        match (self.history, self.set) {
            (true, _) => {
                "The training part went before each file; TSB-AD does not do that, so its table is no comparison."
            }
            (false, Set::Smd) => "One pass over each test file alone; the training part was not seen.",
            (false, _) => {
                "One pass over each file alone, every row scored when it came; in the rows that the protocol gives to \
                 warm up on (tr) the score is 0, but where it says that they count too."
            }
        }
    }

    /// Published means of a subset with this run in its place.
    fn board(&self, name: &str, members: &[CutOut]) -> Option<Vec<(String, f64, bool)>> {
        let ours = self.subset(members)?[0];
        let published = published::published();
        let methods = if name == "nab14" { &published.nab14 } else { &published.smd3 };
        let mut rows: Vec<(String, f64, bool)> = published::means(methods)
            .into_iter()
            .map(|(method, mean)| (method.to_owned(), mean, false))
            .collect();
        rows.push(("theriac (this run)".to_owned(), ours, true));
        let with_warmup = self.subset_with_warmup(members).map_or(f64::NAN, |measures| measures[0]);
        rows.push(("theriac, warm-up counts".to_owned(), with_warmup, true));
        rows.sort_by(|a, b| b.1.total_cmp(&a.1));
        Some(rows)
    }

    /// The best published VUS-PR of a series, and whose it is.
    fn best_published(name: &str) -> Option<(&'static str, f64)> {
        let published = published::published();
        let find = |methods: &'static published::Methods, members: &[CutOut]| {
            let at = members.iter().position(|(member, _)| *member == name)?;
            let each = methods.iter().map(|(method, values)| (method.as_str(), values[at]));
            each.max_by(|a, b| a.1.total_cmp(&b.1))
        };
        find(&published.nab14, &cut_outs::NAB).or_else(|| find(&published.smd3, &cut_outs::SMD))
    }

    /// A file's row in the tables.
    fn file_cells(file: &Evaluated) -> Vec<String> {
        let measures = file.measures.map_or_else(
            || vec!["-".to_owned(); 8],
            |measures| measures.values().iter().map(|value| format!("{value:.3}")).collect(),
        );
        let best = Self::best_published(&file.recording.name);
        let best = best.map_or_else(String::new, |(method, value)| format!("{value:.3} {method}"));
        let met = format!("{} of {}", file.segments_met, file.segments.len());
        [vec![file.recording.name.clone()], measures, vec![met, file.false_alerts.to_string(), best]].concat()
    }

    fn print(&self, report: &Report) {
        let prefix = self.set.prefix();
        let figure =
            |name: &str| report.metrics.get(&format!("{prefix}.{name}")).copied().unwrap_or(f64::NAN);
        say!("{}\n{}", self.title(), self.protocol());
        for (name, title, members) in SUBSETS {
            let Some(board) = self.board(name, members) else { continue };
            say!("\n{title}, mean VUS-PR (published: the best ten)");
            for (place, (method, mean, ours)) in (1..).zip(&board) {
                if place <= 10 || *ours {
                    say!("  {place:>2}  {method:<24} {mean:.3}");
                }
            }
        }
        say!("\n{:<46} {}", "mean", heads(&MEASURE_HEADS, 8));
        let row = |name: &str, values: [f64; 8]| {
            let cells: Vec<String> = values.iter().map(|value| format!("{value:>8.3}")).collect();
            say!("{name:<46} {}", cells.join(" "));
        };
        if let Some(values) = self.mean(|_| true) {
            row("all files", values);
        }
        for category in self.categories().keys() {
            if let Some(values) = self.mean(|recording| recording.category == *category) {
                row(category, values);
            }
        }
        say!("\n{:<46} {} segments  false  best published VUS-PR", "file", heads(&MEASURE_HEADS, 8));
        for file in &self.files {
            let cells = Self::file_cells(file);
            let measures: Vec<String> = cells[1..9].iter().map(|cell| format!("{cell:>8}")).collect();
            say!("{:<46} {} {:>8} {:>6}  {}", cells[0], measures.join(" "), cells[9], cells[10], cells[11]);
        }
        say!("\nF1 of rows, mean over files, by how one threshold for all was chosen:");
        for (label, name) in self.threshold_choices() {
            say!("  {label:<50} {:>7.3}", figure(name));
        }
        say!(
            "\nalerts at {}: {} of {} segments met, {} outside of segments",
            self.fixed.told,
            figure("alerts.segments_met"),
            figure("alerts.segments"),
            figure("alerts.false")
        );
    }

    fn threshold_choices(&self) -> [(String, &'static str); 3] {
        let kept_out = if self.categories().len() > 1 { "category" } else { "file" };
        [
            ("on the labels".to_owned(), "f1.one_threshold"),
            (format!("beforehand, at {}", self.fixed.told), "f1.fixed_threshold"),
            (format!("without the {kept_out} that is scored"), "f1.leave_one_category_out"),
        ]
    }

    fn page<'a>(&'a self, report: &'a Report) -> Page<'a> {
        let prefix = self.set.prefix();
        let figure =
            |name: &str| report.metrics.get(&format!("{prefix}.{name}")).copied().unwrap_or(f64::NAN);
        let mut tables = Vec::new();
        let mut tiles = Vec::new();
        for (name, title, members) in SUBSETS {
            let Some(board) = self.board(name, members) else { continue };
            let rows = board.into_iter().map(|(method, mean, ours)| {
                if ours && method.ends_with("(this run)") {
                    tiles.push((format!("{mean:.3}"), format!("VUS-PR, {title}")));
                }
                TableRow { cells: vec![method, format!("{mean:.3}")], ours, link: None }
            });
            let rows = rows.collect();
            tables.push(Table::new(
                &format!("{title}, beside published results"),
                &["method", "mean VUS-PR"],
                rows,
            ));
        }
        if tiles.is_empty() {
            tiles.push((format!("{:.3}", figure("vus_pr")), "VUS-PR, mean over files".to_owned()));
        }
        tiles.push((
            format!("{:.3}", figure("f1.fixed_threshold")),
            format!("F1 of rows at {}", self.fixed.told),
        ));
        let met = format!("{} of {}", figure("alerts.segments_met"), figure("alerts.segments"));
        tiles.push((met, format!("segments met by alerts at {}", self.fixed.told)));
        tiles.push((figure("alerts.false").to_string(), "alerts outside of segments".to_owned()));
        let choices = self.threshold_choices().into_iter().map(|(label, name)| TableRow {
            cells: vec![label, format!("{:.3}", figure(name))],
            ours: false,
            link: None,
        });
        tables.push(Table::new(
            "F1 of rows, one threshold for all files",
            &["threshold chosen", "mean F1"],
            choices.collect(),
        ));
        let categories = self.categories();
        let means = categories.keys().filter_map(|category| {
            let values = self.mean(|recording| recording.category == *category)?;
            let values = values.iter().map(|value| format!("{value:.3}"));
            let cells = std::iter::once((*category).to_owned()).chain(values).collect();
            Some(TableRow { cells, ours: false, link: None })
        });
        tables.push(Table::new(
            "By category, means",
            &[&["category"], &MEASURE_HEADS[..]].concat(),
            means.collect(),
        ));
        let rows = self.files.iter().map(|file| TableRow {
            cells: Self::file_cells(file),
            ours: false,
            link: Some(file.recording.name.clone()),
        });
        let head = [&["file"], &MEASURE_HEADS[..], &["segments met", "false", "best published"]].concat();
        tables.push(Table::new("By file", &head, rows.collect()));
        Page {
            title: self.title(),
            lead: format!(
                "One configuration ({}), one pass, nothing of what comes later is seen. {} theriac {}, data {}.",
                report.configuration,
                self.protocol(),
                report.version,
                report.data
            ),
            tiles,
            tables,
            sweep: Some(self.sweep()),
            legend: vec![
                (Sight::Hit, "alert in a segment"),
                (Sight::False, "false alert"),
                (Sight::Uncounted, "alert in the warm-up"),
                (Sight::Weak, "below the threshold"),
            ],
            files: self.files.iter().map(|file| self.plot(file)).collect(),
        }
    }

    fn sweep(&self) -> Sweep {
        let thresholds = (0..=100).map(|k| f64::from(k) / 100.0);
        let points = thresholds.filter_map(|t| Some((t, self.thresholds.at(t)?))).collect();
        Sweep {
            title: "Mean F1 of rows over the threshold".to_owned(),
            logarithmic: false,
            lines: vec![Line { name: "F1".to_owned(), points }],
            marks: vec![(self.fixed.lasting, format!("fixed, {}", self.fixed.told))],
        }
    }

    fn plot<'a>(&self, file: &'a Evaluated) -> FilePlot<'a> {
        let recording = &file.recording;
        let sight = |row: usize, alert: f64| {
            if alert < self.fixed.alert {
                Sight::Weak
            } else if recording.labels[row] {
                Sight::Hit
            } else if row < recording.warmup {
                Sight::Uncounted
            } else {
                Sight::False
            }
        };
        let vus = file.measures.map_or_else(
            || "no row, or every row, is labelled: not measured".to_owned(),
            |measures| format!("VUS-PR {:.3}, AUC-PR {:.3}", measures.vus_pr, measures.auc_pr),
        );
        FilePlot {
            name: &recording.name,
            category: &recording.category,
            caption: format!(
                "{vus}, segments met {} of {}, false alerts {}, buffers up to {} rows",
                file.segments_met,
                file.segments.len(),
                file.false_alerts,
                file.window
            ),
            times: &recording.times,
            channels: recording.channels.iter().map(Vec::as_slice).collect(),
            windows: file.segments.clone(),
            warmup: recording.warmup,
            lasting: file.lasting.clone(),
            alerts: (0..)
                .zip(&file.scores)
                .filter(|(_, row)| row.alert > 0.0)
                .map(|(row, score)| Alert { row, sight: sight(row, score.alert) })
                .collect(),
        }
    }
}

/// Heads of the columns of measures, in the order of [`Measures::NAMES`].
const MEASURE_HEADS: [&str; 8] =
    ["VUS-PR", "VUS-ROC", "AUC-PR", "AUC-ROC", "F1", "event F1", "range F1", "affil. F"];

fn heads(heads: &[&str], width: usize) -> String {
    heads.iter().map(|head| format!("{head:>width$}")).collect::<Vec<_>>().join(" ")
}
