//! theriac's left matrix profile beside stumpy's, which is Python compiled by numba: the same values come one by
//! one, the oldest leave, in turns within one run, processor time of one thread. It fails if distances differ.

use std::{
    collections::BTreeMap,
    error::Error,
    fs,
    path::Path,
    process::{Command, ExitCode},
};

use rustix::time::{ClockId, clock_gettime};
use serde::Deserialize;
use serde_json::json;
use theriac_detectors::{
    profile::{LeftProfile, ProfileSettings},
    slots::Model,
};

type Fallible<T> = Result<T, Box<dyn Error>>;

/// Windows, and values that are remembered: what they leave to compare is a multiple of eight, to which theriac
/// rounds.
const SIZES: [(usize, usize); 3] = [(60, 2_051), (60, 10_003), (144, 10_087)];
/// Two distances are the same if they differ by no more.
const SAME: f64 = 1e-5;

/// What stumpy gives.
#[derive(Deserialize)]
struct Theirs {
    points_per_s: f64,
    /// Seconds of `stump` over one history.
    stump_s: f64,
    distances: Vec<f64>,
}

/// What one size gave, by round.
#[derive(Default)]
struct Measured {
    ours: Vec<f64>,
    theirs: Vec<f64>,
    stump: Vec<f64>,
    /// The largest difference of two distances.
    apart: f64,
}

/// Processor time of this thread.
fn seconds() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// A wave with noise, which halts now and then.
fn series(length: usize, seed: u64) -> Vec<f64> {
    let mut state = seed;
    let noise = |state: &mut u64| {
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (*state >> 33) as f64 / (1_u64 << 31) as f64
    };
    let wave = |at: usize| if at % 1_700 < 1_650 { (at as f64 / 9.0).sin() } else { 0.0 };
    (0..length).map(|at| wave(at) + 0.3 * noise(&mut state)).collect()
}

/// Points a second after the first `history`, and their distances.
fn ours(values: &[f64], window: usize, history: usize) -> (f64, Vec<f64>) {
    let mut profile = LeftProfile::empty(&ProfileSettings { window, history, ..Default::default() }, 1);
    let (known, new) = values.split_at(history);
    for value in known {
        profile.update(*value, true);
    }
    let mut distances = Vec::with_capacity(new.len());
    let begin = seconds();
    for value in new {
        distances.push(profile.update(*value, true).map_or(f64::NAN, |neighbour| neighbour.distance));
    }
    (new.len() as f64 / (seconds() - begin), distances)
}

fn theirs(program: &str, values: &[f64], window: usize, history: usize) -> Fallible<Theirs> {
    let file = std::env::temp_dir().join(format!("theriac-values-{}", std::process::id()));
    let lines: Vec<String> = values.iter().map(f64::to_string).collect();
    fs::write(&file, lines.join("\n"))?;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/stumpy_profile.py");
    let sizes = [window.to_string(), history.to_string()];
    let output = Command::new(program).arg(script).arg(&file).args(sizes).output()?;
    fs::remove_file(&file)?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("profile: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Fallible<()> {
    let mut arguments = BTreeMap::from([("--rounds", "5".to_owned()), ("--points", "1000".to_owned())]);
    let mut given = std::env::args().skip(1);
    while let Some(name) = given.next() {
        let name =
            ["--rounds", "--points", "--python", "--output"].into_iter().find(|known| *known == name);
        let name = name.ok_or("known: --python PROGRAM --rounds N --points N --output json")?;
        arguments.insert(name, given.next().ok_or("a value is missing")?);
    }
    let python = arguments.get("--python").ok_or("--python is missing")?;
    let points: usize = arguments["--points"].parse()?;
    let mut measured: BTreeMap<(usize, usize), Measured> = BTreeMap::new();
    for round in 0..arguments["--rounds"].parse()? {
        for (window, history) in SIZES {
            let values = series(history + points, round + 1);
            let (speed, distances) = ours(&values, window, history);
            let theirs = theirs(python, &values, window, history)?;
            if distances.len() != theirs.distances.len() {
                return Err("stumpy gave another number of distances".into());
            }
            let one = measured.entry((window, history)).or_default();
            for (at, (a, b)) in distances.iter().zip(&theirs.distances).enumerate() {
                let apart = (a - b).abs();
                // Not a number is no distance either.
                if !(apart <= SAME) {
                    return Err(format!("window {window}, history {history}, point {at}: {a} here, {b} there").into());
                }
                one.apart = one.apart.max(apart);
            }
            one.ours.push(speed);
            one.theirs.push(theirs.points_per_s);
            one.stump.push(theirs.stump_s);
        }
    }
    tell(&measured, arguments.get("--output").is_some_and(|output| output == "json"))
}

fn tell(measured: &BTreeMap<(usize, usize), Measured>, as_json: bool) -> Fallible<()> {
    let ratios = |one: &Measured| {
        let mut ratios: Vec<f64> = one.ours.iter().zip(&one.theirs).map(|(a, b)| a / b).collect();
        ratios.sort_by(f64::total_cmp);
        ratios
    };
    if as_json {
        let mut object = serde_json::Map::new();
        for ((window, history), one) in measured {
            let name = |what: &str| format!("bench.profile.{window}_{history}.{what}");
            object.insert(name("points_per_s"), json!(median(&one.ours)));
            object.insert(name("ratio_to_stumpi"), json!(median(&ratios(one))));
        }
        println!("{}", serde_json::to_string_pretty(&object)?);
        return Ok(());
    }
    println!(
        "{:>6} {:>8} {:>11} {:>11} {:>22} {:>19} {:>11}",
        "window", "history", "theriac/s", "stumpi/s", "times (least, most)", "stump of all, s", "apart"
    );
    for ((window, history), one) in measured {
        let ratios = ratios(one);
        let times = format!("{:.1} ({:.1}, {:.1})", median(&ratios), ratios[0], ratios[ratios.len() - 1]);
        println!(
            "{window:>6} {history:>8} {:>11.0} {:>11.0} {times:>22} {:>19.4} {:>11.1e}",
            median(&one.ours),
            median(&one.theirs),
            median(&one.stump),
            one.apart
        );
    }
    Ok(())
}
