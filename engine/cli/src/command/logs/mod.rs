//! `theriac logs`: the templates of logs, in files or on a pipe, and what is new among them.

mod tally;

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{IsTerminal as _, stdin, stdout},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use theriac_connectors::read::{RECORD_BYTES_MAX, Records};
use theriac_templates::{Miner, Settings, TemplateId};

use self::tally::{Count, PARTS, Tally};
use crate::{
    output::{Format, Wrong, note, say},
    words::{fit, sparkline},
};

/// Arguments of `theriac logs`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Files, plain or compressed (gzip, zstd); standard input if there is none, or for `-`
    files: Vec<PathBuf>,
    /// Templates to show
    #[arg(short = 'n', long, default_value_t = 40, value_name = "COUNT")]
    top: usize,
    /// Show all templates
    #[arg(short, long, conflicts_with = "top")]
    all: bool,
    /// In which order
    #[arg(long, value_enum, default_value_t)]
    sort: Order,
    /// Show so many records of each template
    #[arg(short, long, default_value_t = 0, value_name = "COUNT")]
    examples: usize,
    /// Show only what is new: not in --known if that is given, else first met in the last tenth
    #[arg(long)]
    new: bool,
    /// Print each template the moment that it is met first; for a pipe that stays open
    #[arg(long)]
    follow: bool,
    /// Begin with the templates that an earlier run has exported; they are not new
    #[arg(long, value_name = "FILE")]
    known: Option<PathBuf>,
    /// Write what is known in the end, for --known
    #[arg(long, value_name = "FILE")]
    export: Option<PathBuf>,
    /// text, or json for one object with all templates
    #[arg(long, value_enum, default_value_t)]
    output: Format,
}

/// Order of templates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Order {
    /// The most frequent first.
    #[default]
    Count,
    /// The newest first.
    New,
    /// As they came.
    Came,
}

/// Records between two looks at the clock and at whether somebody wants an end.
const PAUSE: u64 = 1024;

/// What was read in all.
#[derive(Default)]
struct Totals {
    lines: u64,
    bytes: u64,
    cut: u64,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let mut miner = match &arguments.known {
        Some(path) => known(path)?,
        None => Miner::new(Settings::default()),
    };
    let familiar: BTreeSet<TemplateId> = miner.templates().into_iter().map(|known| known.id).collect();
    let stopped = Arc::new(AtomicBool::new(false));
    // The first Ctrl-C ends reading, and what was found is shown; the second ends the program.
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register_conditional_shutdown(signal, 130, Arc::clone(&stopped))?;
        signal_hook::flag::register(signal, Arc::clone(&stopped))?;
    }
    let mut tally = Tally::new(arguments.examples.max(1));
    let mut totals = Totals::default();
    let begin = Instant::now();
    let dash = [PathBuf::from("-")];
    let files = if arguments.files.is_empty() { &dash } else { arguments.files.as_slice() };
    for path in files {
        let (mut records, name, bar) = open(path)?;
        take(&mut records, &mut miner, &mut tally, arguments, &bar, &stopped).with_context(|| name)?;
        bar.finish_and_clear();
        totals.lines += records.lines();
        totals.bytes += records.bytes();
        totals.cut += records.cut();
        if stopped.load(Ordering::Relaxed) {
            break;
        }
    }
    let seconds = begin.elapsed().as_secs_f64();
    if let Some(path) = &arguments.export {
        std::fs::write(path, miner.export()).with_context(|| path.display().to_string())?;
    }
    if miner.shed().templates > 0 {
        tally.forget(&miner);
    }
    let (count, forgotten) = (tally.records, tally.forgotten);
    let (parts, bins_of_a_part) = (tally.parts(), tally.bins_of_a_part());
    let counts = tally.by_current(|id| miner.current(id));
    let found = Found {
        miner,
        familiar,
        counts,
        count,
        forgotten,
        parts,
        bins_of_a_part,
        by_age: arguments.known.is_none(),
    };
    if arguments.output == Format::Json {
        return found.json(&totals);
    }
    found.print(arguments, &totals, seconds, files.len());
    Ok(())
}

fn known(path: &Path) -> Result<Miner> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    Miner::import(&text).map_err(|error| Wrong(format!("{}: {error}", path.display())).into())
}

fn open(path: &Path) -> Result<(Records, String, ProgressBar)> {
    if path == Path::new("-") {
        if stdin().is_terminal() {
            let text = "no file is named, and standard input is a terminal: name files, or pipe logs in";
            return Err(Wrong(text.to_owned()).into());
        }
        return Ok((
            Records::from_pipe(Box::new(stdin())),
            "standard input".to_owned(),
            ProgressBar::hidden(),
        ));
    }
    let name = path.display().to_string();
    let records = Records::open(path).map_err(|error| Wrong(format!("{name}: {error}")))?;
    let bar = ProgressBar::new_spinner();
    bar.set_style(ProgressStyle::with_template("{spinner} {bytes} {bytes_per_sec}  {msg}")?);
    bar.set_message(name.clone());
    Ok((records, name, bar))
}

fn take(
    records: &mut Records,
    miner: &mut Miner,
    tally: &mut Tally,
    arguments: &Arguments,
    bar: &ProgressBar,
    stopped: &AtomicBool,
) -> Result<()> {
    let mut shown = Instant::now();
    let mut first = true;
    while let Some(record) = records.next_record()? {
        if std::mem::take(&mut first) && record.starts_with(&[0x1f, 0x8b]) {
            let text = "this is compressed; name the file, or unpack it first: zcat FILE | theriac logs";
            return Err(Wrong(text.to_owned()).into());
        }
        let text = String::from_utf8_lossy(record);
        let mined = miner.add(&text);
        tally.add(mined.template, &text);
        tally.make_room(miner);
        if arguments.follow && mined.new {
            let line = text.lines().next().unwrap_or_default();
            say!("{:>10}  {}", tally.records, line);
        }
        if tally.records.is_multiple_of(PAUSE) {
            if stopped.load(Ordering::Relaxed) || crate::output::is_broken() {
                break;
            }
            if shown.elapsed() > Duration::from_millis(100) {
                bar.set_position(records.bytes());
                shown = Instant::now();
            }
        }
    }
    Ok(())
}

/// What came out.
struct Found {
    miner: Miner,
    /// Templates that were known beforehand.
    familiar: BTreeSet<TemplateId>,
    counts: BTreeMap<TemplateId, Count>,
    /// Records.
    count: u64,
    /// Of them in templates that were forgotten.
    forgotten: u64,
    /// Records in each part of the input.
    parts: Vec<u64>,
    bins_of_a_part: usize,
    /// What was met late is new, since nothing was known beforehand.
    by_age: bool,
}

impl Found {
    fn is_new(&self, id: TemplateId, count: &Count) -> bool {
        let whole = self.miner.whole(id);
        if self.by_age {
            // A part of what was there before only got a name of its own.
            return whole.is_none() && count.first > self.count - self.count / 10;
        }
        ![Some(id), whole].into_iter().flatten().any(|id| self.familiar.contains(&id))
    }

    /// Templates that were known, and of which there is no record.
    fn missing(&self) -> Vec<(TemplateId, String)> {
        let gone = self.familiar.iter().filter(|id| {
            // A name that leads to another one is not missing.
            self.miner.current(**id) == **id && !self.counts.contains_key(id)
        });
        gone.filter_map(|id| Some((*id, self.miner.text(*id)?))).collect()
    }

    fn over_the_input(&self, count: &Count) -> Vec<u64> {
        count.over_the_input(self.parts.len(), self.bins_of_a_part)
    }

    fn texts(&self) -> BTreeMap<TemplateId, String> {
        self.miner.templates().into_iter().map(|known| (known.id, known.text)).collect()
    }

    fn json(&self, totals: &Totals) -> Result<()> {
        let texts = self.texts();
        let template = |(id, count): (&TemplateId, &Count)| {
            json!({
                "id": id.0,
                "template": texts.get(id),
                "records": count.records,
                "first": count.first,
                "latest": count.latest,
                "new": self.is_new(*id, count),
                "over_the_input": self.over_the_input(count),
                "examples": count.examples,
            })
        };
        let missing: Vec<_> =
            self.missing().into_iter().map(|(id, text)| json!({ "id": id.0, "template": text })).collect();
        let shed = self.miner.shed();
        let object = json!({
            "records": self.count,
            "lines": totals.lines,
            "bytes": totals.bytes,
            "cut": totals.cut,
            "forgotten": { "templates": shed.templates, "records": self.forgotten },
            "templates": self.counts.iter().map(template).collect::<Vec<_>>(),
            "missing": missing,
        });
        say!("{}", serde_json::to_string_pretty(&object)?);
        Ok(())
    }

    fn print(&self, arguments: &Arguments, totals: &Totals, seconds: f64, files: usize) {
        let texts = self.texts();
        let mut rows: Vec<(&TemplateId, &Count)> = self.counts.iter().collect();
        let new = rows.iter().filter(|(id, count)| self.is_new(**id, count)).count();
        if arguments.new {
            rows.retain(|(id, count)| self.is_new(**id, count));
        }
        match arguments.sort {
            Order::Count => rows.sort_by_key(|(id, count)| (std::cmp::Reverse(count.records), **id)),
            Order::New => rows.sort_by_key(|(_, count)| std::cmp::Reverse(count.first)),
            Order::Came => rows.sort_by_key(|(_, count)| count.first),
        }
        let shown = if arguments.all { rows.len() } else { rows.len().min(arguments.top) };
        let width = terminal_width();
        say!("{:>9}  {:>5}  {:<PARTS$}   template (+ is new)", "records", "share", "over the input");
        for (id, count) in &rows[..shown] {
            let mark = if self.is_new(**id, count) { '+' } else { ' ' };
            let share = count.records as f64 / self.count.max(1) as f64 * 100.0;
            let over = self.over_the_input(count);
            let bars: Vec<f64> =
                over.iter().zip(&self.parts).map(|(count, of)| *count as f64 / *of as f64).collect();
            let text = texts.get(id).map_or("", String::as_str);
            let row = format!(
                "{:>9}  {share:>4.1}%  {} {mark} {text}",
                count.records,
                fit(&bar_chart(&bars), PARTS)
            );
            match width {
                Some(width) => say!("{}", fit(&row, width).trim_end()),
                None => say!("{row}"),
            }
            for example in count.examples.iter().take(arguments.examples) {
                for line in example.lines().take(12) {
                    say!("{:>52}| {line}", "");
                }
            }
        }
        if shown < rows.len() {
            let left: u64 = rows[shown..].iter().map(|(_, count)| count.records).sum();
            say!("{:>9}  in {} templates more; --all shows them", left, rows.len() - shown);
        }
        let missing = self.missing();
        if !missing.is_empty() {
            say!("\nknown, and not met:");
            missing.iter().take(shown.max(10)).for_each(|(_, text)| say!("{:>50}- {text}", ""));
        }
        say!("");
        note!(
            "{} records ({} lines, {:.1} MB) of {} in {seconds:.2} s, {:.2} million a second; {} templates, {new} new",
            self.count,
            totals.lines,
            totals.bytes as f64 / 1e6,
            if files == 1 { "one input".to_owned() } else { format!("{files} inputs") },
            self.count as f64 / seconds.max(1e-9) / 1e6,
            self.counts.len(),
        );
        if totals.cut > 0 {
            note!("{} records were longer than {RECORD_BYTES_MAX} bytes and are cut off there", totals.cut);
        }
        let shed = self.miner.shed();
        if shed.templates > 0 {
            note!(
                "{} templates, those that were seen least, were forgotten to make room; of their records {} are in none of the rows",
                shed.templates,
                self.forgotten
            );
        }
    }
}

/// Shares as bars from nothing on; none where there is nothing.
fn bar_chart(shares: &[f64]) -> String {
    let value = |share: &f64| if *share == 0.0 { f64::NAN } else { *share };
    sparkline(std::iter::once(0.0).chain(shares.iter().map(value))).chars().skip(1).collect()
}

/// Columns of the terminal; none where the output goes elsewhere and lines may have any length.
fn terminal_width() -> Option<usize> {
    let columns = stdout().is_terminal().then(crossterm::terminal::size)?.ok()?.0;
    Some(usize::from(columns).max(60))
}
