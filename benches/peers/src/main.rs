//! theriac's random cut forest beside AWS's and rcf3, in turns: points a second, bytes, scores. See README.md.

#![expect(clippy::disallowed_methods, reason = "a bench may differ in the last bit from machine to machine")]

mod compare;
mod memory;

use std::{error::Error, fs, path::Path, process::Command};

use serde_json::{Map, Value, json};
use theriac_detectors::forest::{ForestSettings, Forests};

#[global_allocator]
static ALLOCATOR: memory::Counting = memory::Counting;

const SHINGLE: usize = 8;
const SAMPLE: usize = 256;
const DECAY: f64 = 0.1 / 256.0;
/// Points before scores are compared.
const SETTLED: usize = 2_000;

type Fallible<T> = Result<T, Box<dyn Error>>;

/// One run of one forest.
struct Run {
    points_per_s: f64,
    bytes: f64,
    scores: Vec<f64>,
}

/// Processor time of this thread.
fn seconds() -> Fallible<f64> {
    let text = fs::read_to_string("/proc/thread-self/schedstat")?;
    Ok(text.split(' ').next().unwrap_or_default().parse::<f64>()? / 1e9)
}

/// A day of minutes with two harmonics, noise, and spikes at 0.1 % of the points.
fn workload(points: usize) -> Vec<f64> {
    let mut state = 7_u64;
    let mut unit = || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (((z ^ (z >> 31)) >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
    };
    let value = |t| {
        let day = std::f64::consts::TAU * t as f64 / 1440.0;
        let noise = (-2.0 * unit().ln()).sqrt() * (std::f64::consts::TAU * unit()).cos();
        let spike = if unit() < 0.001 { if unit() < 0.5 { 40.0 } else { -40.0 } } else { 0.0 };
        100.0 + 20.0 * (day + 0.3).sin() + 5.0 * (2.0 * day + 1.0).sin() + 2.0 * noise + spike
    };
    (0..points).map(value).collect()
}

fn ours(values: &[f64], trees: usize, seed: u64) -> Fallible<Run> {
    let mut scores = Vec::with_capacity(values.len());
    let before = memory::live();
    let settings = ForestSettings {
        shingle: SHINGLE,
        trees,
        sample_size: SAMPLE,
        time_decay: DECAY,
        seed,
        ..ForestSettings::default()
    };
    let mut forests = Forests::new(settings)?;
    forests.grow(1);
    let start = seconds()?;
    for &value in values {
        let score = forests.process(0, &[value], true);
        scores.push(if score.is_nan() { 0.0 } else { score });
    }
    let points_per_s = values.len() as f64 / (seconds()? - start);
    Ok(Run { points_per_s, bytes: (memory::live() - before) as f64, scores })
}

fn rcf3(values: &[f64], trees: usize, seed: u64) -> Fallible<Run> {
    let mut scores = Vec::with_capacity(values.len());
    let before = memory::live();
    let mut forest = rcf3::Forest::builder(1)
        .shingle_size(SHINGLE)
        .internal_shingling(true)
        .num_trees(trees)
        .capacity(SAMPLE)
        .time_decay(DECAY)
        .initial_accept_fraction(1.0)
        .seed(seed)
        .build()?;
    let start = seconds()?;
    for &value in values {
        let point = [value as f32];
        scores.push(if forest.is_ready() { forest.score(&point)? } else { 0.0 });
        forest.update(&point)?;
    }
    let points_per_s = values.len() as f64 / (seconds()? - start);
    Ok(Run { points_per_s, bytes: (memory::live() - before) as f64, scores })
}

fn aws(values: &[f64], trees: usize, seed: u64, class_path: &str, folder: &Path) -> Fallible<Run> {
    let (points, scores) = (folder.join("points"), folder.join("scores"));
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_be_bytes()).collect();
    fs::write(&points, bytes)?;
    let settings =
        [trees.to_string(), SHINGLE.to_string(), SAMPLE.to_string(), DECAY.to_string(), seed.to_string()];
    let output = Command::new("java")
        .args(["-XX:+UseSerialGC", "-Xmx1g", "-cp", class_path, "ScoreStream"])
        .args([&points, &scores])
        .args(settings)
        .arg("2")
        .output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    let said: Value = serde_json::from_slice(&output.stdout)?;
    let written = fs::read(&scores)?;
    let (words, _) = written.as_chunks::<8>();
    Ok(Run {
        points_per_s: said["points_per_s"].as_f64().ok_or("no rate")?,
        bytes: said["bytes"].as_f64().ok_or("no bytes")?,
        scores: words.iter().map(|&word| f64::from_be_bytes(word)).collect(),
    })
}

/// Median, smallest and largest.
fn spread(values: &[f64]) -> [f64; 3] {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    [sorted[sorted.len() / 2], sorted[0], sorted[sorted.len() - 1]]
}

struct Options {
    points: usize,
    rounds: usize,
    json: bool,
    class_path: String,
}

fn options() -> Fallible<Options> {
    let mut options = Options { points: 50_000, rounds: 5, json: false, class_path: String::new() };
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{name} needs a value"))?;
        match name.as_str() {
            "--points" => options.points = value.parse()?,
            "--rounds" => options.rounds = value.parse()?,
            "--output" => options.json = value == "json",
            "--java" => options.class_path = value,
            _ => return Err(format!("unknown: {name}").into()),
        }
    }
    if options.points <= SETTLED || options.rounds == 0 || options.class_path.is_empty() {
        return Err("start it with benches/peers/run, --points above 2000, --rounds above 0".into());
    }
    Ok(options)
}

fn measure(options: &Options, trees: usize, results: &mut Map<String, Value>) -> Fallible<()> {
    let values = workload(options.points);
    let folder = std::env::temp_dir().join(format!("theriac-bench-peers-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let mut rates = [const { Vec::new() }; 3];
    let mut bytes = [0.0; 3];
    let mut runs = Vec::new();
    for round in 1..=options.rounds.max(2) as u64 {
        // Far apart: AWS's generator begins alike with neighbours.
        let seed = round * 982_451_653;
        let round = [
            ours(&values, trees, seed)?,
            aws(&values, trees, seed, &options.class_path, &folder)?,
            rcf3(&values, trees, seed)?,
        ];
        for (peer, run) in round.iter().enumerate() {
            rates[peer].push(run.points_per_s);
            bytes[peer] = run.bytes;
        }
        runs.push(round);
    }
    fs::remove_dir_all(&folder)?;
    let ratio = |peer: usize| -> [f64; 3] {
        spread(&rates[0].iter().zip(&rates[peer]).map(|(ours, theirs)| ours / theirs).collect::<Vec<f64>>())
    };
    let [to_aws, to_rcf3] = [ratio(1), ratio(2)];
    let settled = |round: usize, peer: usize| &runs[round][peer].scores[SETTLED..];
    let alike =
        |a: &[f64], b: &[f64]| [compare::distance(a, b), compare::correlation(a, b), compare::overlap(a, b)];
    // Two seeds may be alike by chance: all that are not the same are compared.
    let pairs = [("aws_aws", 1, 1), ("ours_ours", 0, 0), ("ours_aws", 0, 1), ("rcf3_aws", 2, 1)];
    let pairs = pairs.map(|(name, one, other)| {
        let rounds = 0..runs.len();
        let pairs = rounds.clone().flat_map(|a| rounds.clone().map(move |b| (a, b)));
        let different = pairs.filter(|&(a, b)| if one == other { a < b } else { a != b });
        let each: Vec<[f64; 3]> = different.map(|(a, b)| alike(settled(a, one), settled(b, other))).collect();
        (name, [0, 1, 2].map(|measure| spread(&each.iter().map(|pair| pair[measure]).collect::<Vec<f64>>())))
    });
    // The default number of trees has the plain names.
    let prefix = if trees == 50 { "bench.rcf".to_owned() } else { format!("bench.rcf.trees_{trees}") };
    let mut put = |name: &str, value: f64| results.insert(format!("{prefix}.{name}"), json!(value));
    put("points_per_s", spread(&rates[0])[0]);
    put("aws_points_per_s", spread(&rates[1])[0]);
    put("rcf3_points_per_s", spread(&rates[2])[0]);
    for (name, [median, least, most]) in [("ratio_to_aws", to_aws), ("ratio_to_rcf3", to_rcf3)] {
        put(name, median);
        put(&format!("{name}.min"), least);
        put(&format!("{name}.max"), most);
    }
    put("bytes", bytes[0]);
    put("bytes_ratio_to_aws", bytes[0] / bytes[1]);
    put("bytes_ratio_to_rcf3", bytes[0] / bytes[2]);
    for (pair, measures) in pairs {
        for (measure, [median, least, most]) in
            ["ks_distance", "spearman", "top_overlap"].iter().zip(measures)
        {
            put(&format!("scores.{pair}.{measure}"), median);
            put(&format!("scores.{pair}.{measure}.min"), least);
            put(&format!("scores.{pair}.{measure}.max"), most);
        }
    }
    Ok(())
}

fn main() -> Fallible<()> {
    let options = options()?;
    let mut results = Map::new();
    for trees in [50, 100] {
        measure(&options, trees, &mut results)?;
    }
    if options.json {
        println!("{}", serde_json::to_string_pretty(&results)?);
    } else {
        results
            .iter()
            .for_each(|(name, value)| println!("{name:<60} {:.4}", value.as_f64().unwrap_or(f64::NAN)));
    }
    Ok(())
}
