//! Series-ticks per second on one core for the bank and each detector alone, beside what memory
//! bears: reading, changing and writing back as many bytes as the bank's state has, in turns
//! with it. Time is that of the thread alone where the system tells it (Linux), so that others on
//! the machine matter less. Figures are those of the median round; `share_of_bandwidth` counts every byte of
//! state as read once and written once a tick.

use std::{hint::black_box, time::Instant};

use theriac_contract::Timestamp;
use theriac_detectors::{Bank, Enabled, Scores, Settings, registry};

const ROUNDS: usize = 9;
/// Series-ticks of a round, about.
const WORK: usize = 4_000_000;
/// Ticks before the first round: all detectors have spoken.
const WARMUP: usize = 300;

/// Noise of the splitmix generator: no two ticks alike, a value in fifty absent.
#[expect(clippy::cast_precision_loss, reason = "any number will do")]
fn ticks(series: usize) -> Vec<Vec<f64>> {
    let mut state = 7_u64;
    let mut next = || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    };
    let mut value = || if next() < 0.02 { f64::NAN } else { 100.0 + next() + next() + next() };
    (0..8).map(|_| (0..series).map(|_| value()).collect()).collect()
}

fn median(mut seconds: Vec<f64>) -> f64 {
    seconds.sort_by(f64::total_cmp);
    seconds[seconds.len() / 2]
}

/// Seconds that this thread has run.
struct Stopwatch {
    wall: Instant,
    thread: Option<u64>,
}

impl Stopwatch {
    fn start() -> Self {
        Self { wall: Instant::now(), thread: Self::thread() }
    }

    fn thread() -> Option<u64> {
        std::fs::read_to_string("/proc/thread-self/schedstat").ok()?.split(' ').next()?.parse().ok()
    }

    #[expect(clippy::cast_precision_loss, reason = "nanoseconds of minutes")]
    fn seconds(&self) -> f64 {
        let thread = self.thread.zip(Self::thread()).map(|(from, to)| (to - from) as f64 / 1e9);
        thread.filter(|seconds| *seconds > 0.0).unwrap_or_else(|| self.wall.elapsed().as_secs_f64())
    }
}

/// A bank under test, and where its scores go.
struct Subject {
    bank: Bank,
    columns: Vec<Vec<f64>>,
    learn: Vec<bool>,
    tick: usize,
}

impl Subject {
    fn new(settings: &Settings, series: usize) -> Self {
        let mut bank = Bank::new(settings);
        bank.grow(series);
        Self { bank, columns: vec![vec![0.0; series]; 4], learn: vec![true; series], tick: 0 }
    }

    /// Seconds per tick.
    #[expect(clippy::cast_precision_loss, reason = "few ticks")]
    fn run(&mut self, ticks: &[Vec<f64>], times: usize) -> f64 {
        let [p_value, expected, low, high] = &mut self.columns[..] else { unreachable!("four columns") };
        let mut out = Scores { p_value, expected, low, high };
        let watch = Stopwatch::start();
        for _ in 0..times {
            let at = Timestamp::from_seconds(10 * self.tick as i64);
            self.bank.update(at, &ticks[self.tick % ticks.len()], &self.learn, &mut out);
            self.tick += 1;
        }
        watch.seconds() / times as f64
    }
}

/// Seconds to read, change and write back `memory` once.
#[expect(clippy::cast_precision_loss, reason = "few passes")]
fn pass(memory: &mut [f32], times: usize) -> f64 {
    let watch = Stopwatch::start();
    for _ in 0..times {
        for value in black_box(&mut *memory) {
            *value = *value * 0.999 + 0.5;
        }
    }
    watch.seconds() / times as f64
}

#[expect(clippy::cast_precision_loss, reason = "counts are small")]
fn main() {
    println!("series     subject       ns/series-tick");
    for series in [1_000, 100_000, 1_000_000] {
        let ticks = ticks(series);
        let times = (WORK / series).max(2);
        let mut subject = Subject::new(&Settings::default(), series);
        let bytes = subject.bank.bytes_per_series();
        let mut memory = vec![1.0_f32; series * bytes / 4];
        subject.run(&ticks, WARMUP);
        pass(&mut memory, 1);
        let (mut bank, mut passes) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            bank.push(subject.run(&ticks, times));
            passes.push(pass(&mut memory, times));
        }
        let (bank, pass) = (median(bank), median(passes));
        println!("{series:<10} bank          {:.1}", bank / series as f64 * 1e9);
        // Models of their own are for chosen series: not for so many that memory is full.
        for entry in registry().iter().filter(|entry| entry.spec.bytes_per_series * series <= 1 << 30) {
            let names = [entry.spec.name];
            let enabled = Enabled::only(&names).unwrap_or_default();
            let mut subject = Subject::new(&Settings { enabled, ..Settings::default() }, series);
            subject.run(&ticks, WARMUP);
            let seconds = median((0..3).map(|_| subject.run(&ticks, times)).collect());
            println!("{series:<10} {:13} {:.1}", entry.spec.name, seconds / series as f64 * 1e9);
        }
        println!("bench.bank.series_ticks_per_s {series}: {:.4e}", series as f64 / bank);
        println!(
            "bench.memory.read_modify_write_bytes_per_s {series}: {:.4e}",
            (series * bytes * 2) as f64 / pass
        );
        println!("bench.bank.share_of_bandwidth {series}: {:.3}", pass / bank);
        println!("bench.bytes_per_series {series}: {bytes}");
    }
}
