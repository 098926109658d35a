//! `theriac bench bank`: series-ticks per second on one core for the bank of detectors, beside what
//! memory bears: reading, changing and writing back as many bytes as the bank's state has, in
//! turns with it. Time is that of the thread alone where the system tells it (Linux), so that
//! others on the machine matter less.

use std::{hint::black_box, time::Instant};

use anyhow::Result;
use clap::Args;
use theriac_contract::Timestamp;
use theriac_detectors::{Bank, Scores};

use crate::{
    config::Config,
    output::{Format, Report, quantile, say},
};

/// Arguments of `theriac bench bank`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Numbers of series; the last gives the figures that go by the plain name
    #[arg(long, value_delimiter = ',', default_value = "1000,100000,1000000")]
    series: Vec<usize>,
    /// Times that each is measured; the median counts
    #[arg(long, default_value_t = 9)]
    repetitions: usize,
    /// text, or json for one object with the figures
    #[arg(long, value_enum, default_value_t)]
    output: Format,
}

/// Series-ticks of a repetition, about.
const WORK: usize = 4_000_000;
/// Ticks before the first repetition: all detectors have spoken.
const WARM_UP: usize = 300;
const SEED: u64 = 7;

/// Noise of the splitmix generator (Steele, Lea and Flood 2014), a value in fifty absent.
struct Noise(u64);

impl Noise {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn value(&mut self) -> f64 {
        if self.uniform() < 0.02 {
            return f64::NAN;
        }
        100.0 + self.uniform() + self.uniform() + self.uniform()
    }
}

/// Seconds that this thread has run.
pub(in crate::command) struct Stopwatch {
    wall: Instant,
    thread: Option<u64>,
}

impl Stopwatch {
    pub(in crate::command) fn start() -> Self {
        Self { thread: Self::thread(), wall: Instant::now() }
    }

    fn thread() -> Option<u64> {
        // The system counts up to now only when the thread gives way.
        std::thread::yield_now();
        std::fs::read_to_string("/proc/thread-self/schedstat").ok()?.split(' ').next()?.parse().ok()
    }

    pub(in crate::command) fn seconds(&self) -> f64 {
        let wall = self.wall.elapsed().as_secs_f64();
        let thread = self.thread.zip(Self::thread()).map(|(from, to)| (to - from) as f64 / 1e9);
        thread.filter(|seconds| *seconds > 0.0).unwrap_or(wall)
    }
}

/// A bank under test, what it is fed, and where its scores go.
struct Subject {
    bank: Bank,
    noise: Noise,
    values: Vec<f64>,
    columns: [Vec<f64>; 4],
    learn: Vec<bool>,
    tick: i64,
}

impl Subject {
    fn new(config: &Config, series: usize) -> Self {
        let mut bank = Bank::new(&config.detect.bank);
        bank.grow(series);
        let columns = std::array::from_fn(|_| vec![0.0; series]);
        let (values, learn) = (vec![0.0; series], vec![true; series]);
        Self { bank, noise: Noise(SEED), values, columns, learn, tick: 0 }
    }

    /// Seconds of so many ticks; making their values is not counted.
    fn run(&mut self, ticks: usize) -> f64 {
        let mut seconds = 0.0;
        for _ in 0..ticks {
            self.values.fill_with(|| self.noise.value());
            self.tick += 1;
            let [p_value, expected, low, high] = &mut self.columns;
            let mut out = Scores { p_value, expected, low, high };
            let watch = Stopwatch::start();
            self.bank.update(Timestamp::from_seconds(10 * self.tick), &self.values, &self.learn, &mut out);
            seconds += watch.seconds();
        }
        seconds
    }
}

/// Seconds to read, change and write back `memory` so many times.
fn pass(memory: &mut [f32], times: usize) -> f64 {
    let mut seconds = 0.0;
    for _ in 0..times {
        let watch = Stopwatch::start();
        for value in black_box(&mut *memory) {
            *value = *value * 0.999 + 0.5;
        }
        seconds += watch.seconds();
    }
    seconds
}

fn median(mut seconds: Vec<f64>) -> f64 {
    seconds.sort_by(f64::total_cmp);
    quantile(&seconds, 0.5).unwrap_or(f64::NAN)
}

/// Memory of this process in bytes; 0 if the system does not tell.
fn resident() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = pages.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1024
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let config = Config::default();
    let mut report =
        Report::new("bench bank", config.digest(&config.playbooks()?)?, String::new(), Some(SEED));
    if arguments.output == Format::Text {
        say!(
            "{:>9} {:>14} {:>15} {:>16} {:>10} {:>14}",
            "series",
            "ns/series-tick",
            "series-ticks/s",
            "of the bandwidth",
            "bytes each",
            "process memory"
        );
    }
    for &series in &arguments.series {
        let ticks = (WORK / series.max(1)).max(2);
        let mut subject = Subject::new(&config, series);
        let bytes = subject.bank.bytes_per_series();
        subject.run(WARM_UP);
        let resident = resident();
        let mut memory = vec![1.0_f32; series * bytes / 4];
        pass(&mut memory, 1);
        let (mut bank, mut passes) = (Vec::new(), Vec::new());
        for _ in 0..arguments.repetitions.max(1) {
            bank.push(subject.run(ticks));
            passes.push(pass(&mut memory, ticks));
        }
        let (bank, pass) = (median(bank), median(passes));
        let amount = (series * ticks) as f64;
        for suffix in [format!(".{series}"), String::new()] {
            report.set(&format!("bench.bank.series_ticks_per_s{suffix}"), amount / bank);
            report.set(&format!("bench.bank.share_of_bandwidth{suffix}"), pass / bank);
            report.set(&format!("bench.bank.resident_bytes{suffix}"), resident as f64);
        }
        report.set("bench.bytes_per_series", bytes as f64);
        if arguments.output == Format::Text {
            let (rate, share, memory) = (amount / bank, pass / bank, resident / 1_000_000);
            say!(
                "{series:>9} {:>14.1} {rate:>15.0} {share:>16.2} {bytes:>10} {memory:>11} MB",
                bank / amount * 1e9
            );
        }
    }
    if arguments.output == Format::Json { report.print() } else { Ok(()) }
}
