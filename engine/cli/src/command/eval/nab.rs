//! Data with labelled windows, by the rules of NAB.

use anyhow::{Context, Result};
use theriac_datasets::{
    nab::{Corpus, NabFile, Profile, ScoreError, Scorer, published},
    scoring::Segment,
};

use super::{
    Options,
    ablation::Figures,
    conclude, digest,
    live::{self, RowScore, Rows},
    progress,
    results::{self, ResultFile},
};
use crate::{
    config::Config,
    output::{Report, say},
    report::evaluation::{Alert, FilePlot, Line, Page, Sight, Sweep, Table, TableRow},
};

/// A corpus with what the live path said of it.
struct Evaluation<'a> {
    corpus: &'a Corpus,
    /// `[files][rows]`.
    scores: Vec<Vec<RowScore>>,
    scorer: Scorer,
    fixed: live::Fixed,
    /// Whether it is NAB itself, so that published results stand beside it.
    known: Option<&'static str>,
}

/// Runs all files and says what came out.
pub(super) fn run(
    command: &'static str,
    known: Option<&'static str>,
    corpus: &Corpus,
    config: &Config,
    options: &Options,
) -> Result<()> {
    let evaluation = evaluate(known, corpus, config)?;
    if let Some(folder) = &options.results {
        for (file, scores) in corpus.files.iter().zip(&evaluation.scores) {
            write_results(folder, &options.detector, file, &alerts(scores))?;
        }
    }
    let report = evaluation.figures(Report::new(command, digest(config)?, corpus.digest(), None))?;
    let again = |config: &Config| {
        let head = Report::new(command, digest(config)?, corpus.digest(), None);
        evaluate(known, corpus, config)?.figures(head)
    };
    let page = |report: &Report| evaluation.page(report).html();
    conclude(options, config, &ablated(), report, again, page, |report| evaluation.print(report))
}

/// Figures that are told without each part.
fn ablated() -> Figures {
    let fixed = "nab.fixed.standard".to_owned();
    let profiles = Profile::ALL.iter().map(|profile| format!("nab.{}", profile.name()));
    Figures { whole: profiles.chain([fixed]).collect(), of_category: "gain" }
}

/// Scores all files.
fn evaluate<'a>(known: Option<&'static str>, corpus: &'a Corpus, config: &Config) -> Result<Evaluation<'a>> {
    let bar = progress(corpus.rows())?;
    let mut scores = Vec::with_capacity(corpus.files.len());
    for file in &corpus.files {
        bar.set_message(file.layout.name.clone());
        let rows = Rows { times: &file.times, channels: vec![&file.values] };
        scores.push(live::rows(config, &rows).with_context(|| file.layout.name.clone())?);
        bar.inc(file.times.len() as u64);
    }
    bar.finish_and_clear();
    let alerts: Vec<Vec<f64>> = scores.iter().map(|rows| alerts(rows)).collect();
    let scorer = Scorer::new(&corpus.layouts(), &alerts)?;
    Ok(Evaluation { corpus, scores, scorer, fixed: live::FIXED, known })
}

fn alerts(rows: &[RowScore]) -> Vec<f64> {
    rows.iter().map(|row| row.alert).collect()
}

fn write_results(folder: &std::path::Path, detector: &str, file: &NabFile, alerts: &[f64]) -> Result<()> {
    let inside = |row: usize| file.layout.windows.iter().any(|w| (w.first..=w.last).contains(&row));
    let labels: Vec<bool> = (0..file.values.len()).map(inside).collect();
    let file = ResultFile {
        name: &file.layout.name,
        times: &file.times,
        values: &file.values,
        scores: alerts,
        labels: &labels,
    };
    results::write(folder, detector, &file)
}

/// One file at one threshold.
pub(super) struct FileGain {
    /// Raw score above that of detecting nothing.
    pub(super) gain: f64,
    /// The most that can be had.
    pub(super) gain_max: f64,
    pub(super) windows_hit: usize,
    pub(super) windows: usize,
    pub(super) false_alarm_rows: usize,
}

/// What a file has by itself under the standard profile.
pub(super) fn file_gain(
    layout: &theriac_datasets::nab::Layout,
    alerts: &[f64],
    threshold: f64,
) -> Result<FileGain, ScoreError> {
    let scorer = Scorer::new(std::slice::from_ref(layout), &[alerts.to_vec()])?;
    let score = scorer.at(Profile::Standard, threshold);
    Ok(FileGain {
        gain: score.categories.iter().map(|category| category.gain).sum(),
        gain_max: score.categories.iter().map(|category| category.gain_max).sum(),
        windows_hit: score.windows_hit,
        windows: score.windows,
        false_alarm_rows: score.false_alarm_rows,
    })
}

/// How a threshold was chosen: words, and the end of the figure's name.
fn choices(fixed: &str) -> [(String, &'static str); 3] {
    [
        ("best for each profile (the rule of the benchmark)".to_owned(), ""),
        (format!("fixed beforehand at {fixed}"), ".fixed_threshold"),
        ("chosen without the category that is scored".to_owned(), ".leave_one_category_out"),
    ]
}

impl Evaluation<'_> {
    fn figures(&self, mut report: Report) -> Result<Report> {
        for profile in Profile::ALL {
            let best = self.scorer.best(profile);
            let name = profile.name();
            report.set(&format!("nab.{name}"), best.score);
            report.set(&format!("nab.{name}.threshold"), best.threshold);
            report.set(&format!("nab.{name}.windows_hit"), best.windows_hit as f64);
            report.set(&format!("nab.{name}.false_alarm_rows"), best.false_alarm_rows as f64);
            let fixed = self.scorer.at(profile, self.fixed.alert);
            report.set(&format!("nab.{name}.fixed_threshold"), fixed.score);
            report.set(&format!("nab.fixed.{name}"), fixed.score);
            report.set(&format!("nab.fixed.{name}.windows_hit"), fixed.windows_hit as f64);
            report.set(&format!("nab.fixed.{name}.false_alarm_rows"), fixed.false_alarm_rows as f64);
            let left_out = self.scorer.leave_one_category_out(profile).score;
            report.set(&format!("nab.{name}.leave_one_category_out"), left_out);
        }
        report.set("nab.files", self.corpus.files.len() as f64);
        report.set("nab.rows", self.corpus.rows() as f64);
        let best = self.scorer.best(Profile::Standard);
        for category in &best.categories {
            let name = format!("nab.category.{}", category.category);
            report.set(&format!("{name}.gain"), category.gain);
            report.set(&format!("{name}.windows_hit"), category.windows_hit as f64);
            report.set(&format!("{name}.false_alarm_rows"), category.false_alarm_rows as f64);
        }
        for (file, scores) in self.corpus.files.iter().zip(&self.scores) {
            let gain = file_gain(&file.layout, &alerts(scores), best.threshold)?;
            let name = format!("nab.file.{}", file.layout.name);
            report.set(&format!("{name}.gain"), gain.gain);
            report.set(&format!("{name}.windows_hit"), gain.windows_hit as f64);
            report.set(&format!("{name}.false_alarm_rows"), gain.false_alarm_rows as f64);
        }
        Ok(report)
    }

    fn title(&self) -> String {
        let windows: usize = self.corpus.files.iter().map(|file| file.layout.windows.len()).sum();
        format!(
            "{}: {} files, {} rows, {windows} windows",
            self.known.unwrap_or("a folder in the layout of NAB"),
            self.corpus.files.len(),
            self.corpus.rows()
        )
    }

    /// The score board with this run in its place: name, three scores, whether it looks ahead.
    fn board(&self, report: &Report) -> Vec<(String, [f64; 3], &'static str, bool)> {
        let figure = |profile: Profile| report.metrics.get(&format!("nab.{}", profile.name())).copied();
        let ours = Profile::ALL.map(|profile| figure(profile).unwrap_or(f64::NAN));
        let mut rows = vec![("theriac (this run)".to_owned(), ours, "no", true)];
        if self.known.is_some() {
            rows.extend(published().iter().map(|known| {
                let ahead = match known.causal {
                    Some(true) => "no",
                    Some(false) => "yes",
                    None => "not known",
                };
                let scores = [known.standard, known.reward_low_fp_rate, known.reward_low_fn_rate];
                (known.detector.to_owned(), scores, ahead, false)
            }));
        }
        rows.sort_by(|a, b| b.1[0].total_cmp(&a.1[0]).then_with(|| a.0.cmp(&b.0)));
        rows
    }

    fn print(&self, report: &Report) {
        let figure = |name: &str| report.metrics.get(name).copied().unwrap_or(f64::NAN);
        say!("{}\n", self.title());
        say!("{:<34} {:>9} {:>9} {:>9}   looks ahead", "detector", "standard", "low FP", "low FN");
        for (name, [standard, low_fp, low_fn], ahead, _) in self.board(report) {
            say!("{name:<34} {standard:>9.2} {low_fp:>9.2} {low_fn:>9.2}   {ahead}");
        }
        say!("\nthis run, by how the threshold was chosen:");
        for (label, suffix) in choices(self.fixed.told) {
            let [a, b, c] = Profile::ALL.map(|profile| figure(&format!("nab.{}{suffix}", profile.name())));
            say!("  {label:<50} {a:>7.2} {b:>7.2} {c:>7.2}");
        }
        say!(
            "\n{:<24} {:>8} {:>14} {:>18}",
            "category (standard)",
            "windows",
            "gain of max",
            "false alarm rows"
        );
        for category in self.scorer.best(Profile::Standard).categories {
            say!(
                "{:<24} {:>4}/{:<3} {:>7.1} of {:<5.1} {:>14}",
                category.category,
                category.windows_hit,
                category.windows,
                category.gain,
                category.gain_max,
                category.false_alarm_rows
            );
        }
        say!("\n{:<58} {:>8} {:>14} {:>18}", "file (standard)", "windows", "gain of max", "false alarm rows");
        let threshold = figure("nab.standard.threshold");
        for (file, scores) in self.corpus.files.iter().zip(&self.scores) {
            let Ok(gain) = file_gain(&file.layout, &alerts(scores), threshold) else { continue };
            say!(
                "{:<58} {:>4}/{:<3} {:>7.1} of {:<5.1} {:>14}",
                file.layout.name,
                gain.windows_hit,
                gain.windows,
                gain.gain,
                gain.gain_max,
                gain.false_alarm_rows
            );
        }
    }

    fn page<'a>(&'a self, report: &'a Report) -> Page<'a> {
        let figure = |name: &str| report.metrics.get(name).copied().unwrap_or(f64::NAN);
        let best = self.scorer.best(Profile::Standard);
        let board = self.board(report).into_iter().map(|(name, scores, ahead, ours)| {
            let mut cells = vec![name];
            cells.extend(scores.map(|score| format!("{score:.2}")));
            cells.push(ahead.to_owned());
            TableRow { cells, ours, link: None }
        });
        let chosen = choices(self.fixed.told).into_iter().map(|(label, suffix)| {
            let scores = Profile::ALL.map(|p| format!("{:.2}", figure(&format!("nab.{}{suffix}", p.name()))));
            TableRow { cells: [vec![label], scores.to_vec()].concat(), ours: false, link: None }
        });
        let categories = best.categories.iter().map(|category| {
            let cells = vec![
                category.category.clone(),
                format!("{} of {}", category.windows_hit, category.windows),
                format!("{:.1} of {:.1}", category.gain, category.gain_max),
                category.false_alarm_rows.to_string(),
            ];
            TableRow { cells, ours: false, link: None }
        });
        let files: Vec<(FilePlot<'a>, TableRow)> = self
            .corpus
            .files
            .iter()
            .zip(&self.scores)
            .filter_map(|(file, scores)| self.file(file, scores, best.threshold))
            .collect();
        let (plots, rows): (Vec<_>, Vec<_>) = files.into_iter().unzip();
        let windows = ["windows hit", "gain", "false alarm rows"];
        let scores = ["standard", "low false alarms", "low misses"];
        Page {
            title: self.title(),
            lead: format!(
                "One configuration ({}), one pass, nothing of what comes later is seen. theriac {}, data {}.",
                report.configuration, report.version, report.data
            ),
            tiles: vec![
                (format!("{:.1}", figure("nab.standard")), "standard".to_owned()),
                (format!("{:.1}", figure("nab.reward_low_fp_rate")), "rewards few false alarms".to_owned()),
                (format!("{:.1}", figure("nab.reward_low_fn_rate")), "rewards few misses".to_owned()),
                (format!("{:.1}", figure("nab.fixed.standard")), format!("standard at {}", self.fixed.told)),
                (format!("{} of {}", best.windows_hit, best.windows), "windows hit".to_owned()),
                (best.false_alarm_rows.to_string(), "false alarm rows".to_owned()),
            ],
            tables: vec![
                Table::new(
                    "Beside published results",
                    &[&["detector"], &scores[..], &["looks ahead"]].concat(),
                    board.collect(),
                ),
                Table::new(
                    "By how the threshold was chosen",
                    &[&["threshold"], &scores[..]].concat(),
                    chosen.collect(),
                ),
                Table::new("By category", &[&["category"], &windows[..]].concat(), categories.collect()),
                Table::new("By file", &[&["file"], &windows[..]].concat(), rows).folded(),
            ],
            sweep: Some(self.sweep()),
            legend: vec![
                (Sight::Hit, "alert in a window"),
                (Sight::False, "false alarm"),
                (Sight::Uncounted, "alert in the probation, not scored"),
                (Sight::Weak, "below the threshold"),
            ],
            files: plots,
        }
    }

    /// Scores over thresholds, up to the strongest alert.
    fn sweep(&self) -> Sweep {
        let all = self.scores.iter().flatten().map(|row| row.alert).filter(|alert| *alert > 0.0);
        let (least, most) =
            all.fold((1.0_f64, 0.0_f64), |(low, high), alert| (low.min(alert), high.max(alert)));
        let (from, to) = (libm::log(least), libm::log(most.max(least)));
        let thresholds: Vec<f64> =
            (0..=80).map(|k| libm::exp(from + (to - from) * f64::from(k) / 80.0)).collect();
        let lines = Profile::ALL.map(|profile| Line {
            name: profile.name().replace('_', " "),
            points: thresholds.iter().map(|t| (*t, self.scorer.at(profile, *t).score)).collect(),
        });
        Sweep {
            title: "Score over the threshold".to_owned(),
            logarithmic: true,
            lines: lines.to_vec(),
            marks: vec![
                (self.fixed.alert, format!("fixed, {}", self.fixed.told)),
                (self.scorer.best(Profile::Standard).threshold, "best, standard".to_owned()),
            ],
        }
    }

    fn file<'a>(
        &self,
        file: &'a NabFile,
        scores: &'a [RowScore],
        threshold: f64,
    ) -> Option<(FilePlot<'a>, TableRow)> {
        let gain = file_gain(&file.layout, &alerts(scores), threshold).ok()?;
        let windows = &file.layout.windows;
        let sight = |row: usize, alert: f64| {
            if alert < threshold {
                Sight::Weak
            } else if row < file.layout.probation() {
                Sight::Uncounted
            } else if windows.iter().any(|window| (window.first..=window.last).contains(&row)) {
                Sight::Hit
            } else {
                Sight::False
            }
        };
        let hit = format!("{} of {}", gain.windows_hit, gain.windows);
        let gained = format!("{:.2} of {:.1}", gain.gain, gain.gain_max);
        let plot = FilePlot {
            name: &file.layout.name,
            category: &file.layout.category,
            caption: format!("windows hit {hit}, gain {gained}, false alarm rows {}", gain.false_alarm_rows),
            times: &file.times,
            channels: vec![&file.values],
            windows: windows.iter().map(|w| Segment { first: w.first, last: w.last }).collect(),
            warmup: file.layout.probation(),
            lasting: scores.iter().map(|row| row.lasting).collect(),
            alerts: (0..)
                .zip(scores)
                .filter(|(_, row)| row.alert > 0.0)
                .map(|(row, score)| Alert { row, sight: sight(row, score.alert) })
                .collect(),
        };
        let cells = vec![file.layout.name.clone(), hit, gained, gain.false_alarm_rows.to_string()];
        Some((plot, TableRow { cells, ours: false, link: Some(file.layout.name.clone()) }))
    }
}
