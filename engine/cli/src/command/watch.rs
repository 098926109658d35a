//! `theriac watch`: this machine, followed logs and piped lines through the loop, as a
//! table that is redrawn with every tick. Nothing is acted upon.

mod stdin;
mod table;

use std::{
    io::{IsTerminal, Write},
    path::PathBuf,
    sync::atomic::{AtomicBool, Ordering},
};

use anyhow::Result;
use clap::Args;
use crossterm::{cursor, queue, terminal};
use theriac_connectors::{
    executor::clock::wall,
    host::{self, Host},
    read::{self, FileSettings},
    topics::Fsync,
};
use theriac_contract::{Interval, Source, SymptomPhase, Tick, Topic};
use theriac_engine::{Engine, Observer, Outputs};
use theriac_monitor::Step;

use self::{stdin::Lines, table::Table};
use crate::{
    config::Config,
    environment::Live,
    output::{self, Wrong, ask_about, note, say},
    wiring,
};

/// Arguments of `theriac watch`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Logs or telemetry to follow beside the machine; what they hold already is learnt from
    files: Vec<String>,
    /// Lines from standard input as log records: `journalctl -f | theriac watch --stdin`
    #[arg(long)]
    stdin: bool,
    /// Time between two readings
    #[arg(long, default_value = "1s")]
    interval: Interval,
    /// Keep telemetry and all that was found in this folder: `theriac sql --data-dir DIR` asks about it,
    /// `theriac replay --recorded DIR` runs it once more
    #[arg(long, value_name = "DIR")]
    record: Option<PathBuf>,
    /// Stop after this long: 90s, 10m
    #[arg(long = "for", value_name = "DURATION")]
    duration: Option<Interval>,
    /// Print the table once, as soon as enough is known to judge by, and stop
    #[arg(long)]
    once: bool,
}

/// Draws the table, or tells what changes if nobody looks at a terminal.
struct Screen {
    table: Table,
    live: bool,
    once: bool,
    /// Lines that are to be overwritten.
    drawn: u16,
    done: AtomicBool,
}

impl Screen {
    fn size() -> (usize, usize) {
        terminal::size().map_or((100, 40), |(columns, rows)| (usize::from(columns), usize::from(rows)))
    }

    /// Draws over what was drawn before. A terminal that is gone is no reason to stop.
    fn draw(&mut self) {
        let (columns, rows) = Self::size();
        let lines = self.table.lines(columns, rows.saturating_sub(1));
        let mut out = std::io::stdout().lock();
        let mut write = || -> std::io::Result<()> {
            if self.drawn > 0 {
                queue!(out, cursor::MoveToPreviousLine(self.drawn))?;
            }
            queue!(out, terminal::Clear(terminal::ClearType::FromCursorDown))?;
            for line in &lines {
                writeln!(out, "{line}")?;
            }
            out.flush()
        };
        if write().is_ok() {
            self.drawn = u16::try_from(lines.len()).unwrap_or(0);
        }
    }

    fn finish(&mut self) {
        if self.live && !self.once {
            return;
        }
        let columns = if std::io::stdout().is_terminal() { Self::size().0 } else { 120 };
        for line in self.table.lines(columns, 60) {
            say!("{line}");
        }
    }
}

impl Observer for Screen {
    fn tick(&mut self, engine: &Engine, tick: &Tick, outputs: &Outputs, repeated: bool) {
        self.table.take(engine.monitor.series(), engine.detect.readings(), tick, &outputs.symptoms);
        if self.once && self.table.judges() {
            self.done.store(true, Ordering::SeqCst);
        }
        if repeated || self.once {
            return;
        }
        if self.live {
            self.draw();
            return;
        }
        for symptom in &outputs.symptoms {
            let what = match symptom.phase {
                SymptomPhase::Open => "unusual",
                SymptomPhase::Peak => "worse",
                SymptomPhase::Close => "ordinary",
                SymptomPhase::Lost => "silent",
            };
            say!(
                "{}  {what:<8}  {}  {}",
                crate::words::time_of_day(symptom.at),
                symptom.entity,
                symptom.explanation
            );
        }
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    if arguments.interval.0 <= 0 {
        return Err(Wrong("--interval must be longer than nothing, as 1s".to_owned()).into());
    }
    let mut config = Config::default();
    config.monitor.step = Step::Fixed(arguments.interval);
    config.monitor.lateness = Interval::from_seconds(1);
    config.plan.dry_run = true;
    // Removed when it goes out of scope.
    let temporary = if let Some(folder) = &arguments.record {
        config.data_dir.clone_from(folder);
        None
    } else {
        let folder = tempfile::Builder::new().prefix("theriac-watch-").tempdir()?;
        config.data_dir = folder.path().to_owned();
        config.topics.fsync = Fsync::Never;
        Some(folder)
    };
    let clock = wall();
    let settings = host::Settings { interval: arguments.interval, ..host::Settings::default() };
    let mut sources: Vec<Box<dyn Source>> = vec![Box::new(Host::new(settings, clock.clone())?)];
    for path in &arguments.files {
        let settings = FileSettings { follow: true, name: path.clone(), ..FileSettings::of(path) };
        sources.push(read::open(&settings)?);
    }
    if arguments.stdin {
        sources.push(Box::new(Lines::new(clock.clone())));
    }
    let stop = wiring::stop_flag()?;
    let live = std::io::stdout().is_terminal();
    let mut screen = Screen {
        table: Table::default(),
        live,
        once: arguments.once,
        drawn: 0,
        done: AtomicBool::new(false),
    };
    let environment = Live::with_sources(&config, sources, clock.clone(), false)?;
    let (mut driver, recovery) = wiring::open(&config, environment, &mut screen)?;
    wiring::tell(&recovery);
    let end = arguments.duration.map(|duration| clock().plus(duration));
    while !stop.load(Ordering::SeqCst)
        && !screen.done.load(Ordering::SeqCst)
        && !output::is_broken()
        && end.is_none_or(|end| clock() < end)
    {
        driver.advance(&mut screen)?;
    }
    // Nothing is left to do but to save the state for the next time.
    driver.run_to_end(&|| true, &mut screen)?;
    screen.finish();
    if let Some(folder) = &arguments.record {
        note!("recorded; ask about it with: {}", ask_about(folder, Topic::Symptoms, "symptoms"));
    }
    drop(driver);
    if let Some(folder) = temporary {
        folder.close()?;
    }
    Ok(())
}
