//! theriac's templates beside Drain3, the crate and the original in Python: one stream of the lines of
//! many systems, the same masks for both of them, passes in turns, processor time of one thread.

use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error,
    fs,
    path::Path,
    process::{Command, ExitCode},
};

use drain3::{Config, MaskingInstruction, Matcher};
use rustix::time::{ClockId, clock_gettime};
use serde_json::json;
use theriac_datasets::loghub::{self, LabelSet};
use theriac_templates::{Miner, Settings};

type Fallible<T> = Result<T, Box<dyn Error>>;

/// Processor time of this thread.
fn seconds() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// Lines of all systems in an order without order.
fn stream(folder: &Path) -> Fallible<Vec<String>> {
    let systems = loghub::open(folder)?;
    let mut lines: Vec<String> = systems
        .into_iter()
        .flat_map(|mut s| s.labels.remove(&LabelSet::Original).map(|l| l.contents))
        .flatten()
        .collect();
    let mut state = 1_u64;
    for at in (1..lines.len()).rev() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        lines.swap(at, (state >> 33) as usize % (at + 1));
    }
    Ok(lines)
}

/// Lines a second and clusters after each pass.
type Passes = Vec<(f64, usize)>;

fn passes<M>(
    mut miner: M,
    lines: &[String],
    count: usize,
    add: impl Fn(&mut M, &str),
    clusters: impl Fn(&M) -> usize,
) -> Passes {
    let mut passes = Vec::new();
    for _ in 0..count {
        let begin = seconds();
        lines.iter().for_each(|line| add(&mut miner, line));
        passes.push((lines.len() as f64 / (seconds() - begin), clusters(&miner)));
    }
    passes
}

fn ours(lines: &[String], count: usize) -> Passes {
    let add = |miner: &mut Miner, line: &str| {
        miner.add(line);
    };
    passes(Miner::new(Settings::default()), lines, count, add, Miner::len)
}

/// One setting for all systems; masks that stay apart from what Drain takes for a parameter, since its
/// clusters grow without bound else.
fn masks() -> Vec<MaskingInstruction> {
    [
        (r"\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b", "<UUID>"),
        (r"\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b", "<IP>"),
        (r"\b0x[0-9a-fA-F]+\b", "<HEX>"),
        (r"\b\d{1,2}:\d{2}:\d{2}(?:[.,]\d+)?\b", "<TIME>"),
        (r"\b\d+(?:\.\d+)?\b", "<NUM>"),
    ]
    .map(|(pattern, mask)| MaskingInstruction { pattern: pattern.into(), mask: mask.into() })
    .into()
}

fn the_crate(lines: &[String], count: usize) -> Passes {
    let config = Config::builder()
        .depth(4)
        .similarity_threshold(0.4)
        .max_children(100)
        .max_tokens(512)
        .max_bytes(8192)
        .masking(masks())
        .build();
    // Blanks are made single for it, as Drain3 does it; it would lose accuracy else.
    let lines: Vec<String> =
        lines.iter().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    // It tells of clusters only with each line.
    let add = |(matcher, clusters): &mut (Matcher, BTreeSet<usize>), line: &str| {
        if let Ok(template) = matcher.add_log_message(line) {
            clusters.insert(template.id());
        }
    };
    passes((Matcher::new(config), BTreeSet::new()), &lines, count, add, |(_, clusters)| clusters.len())
}

/// The passes of the original, which its script prints.
fn python(program: &str, lines: &[String], count: usize) -> Fallible<Passes> {
    let file = std::env::temp_dir().join(format!("theriac-lines-{}", std::process::id()));
    fs::write(&file, lines.join("\n"))?;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/drain3_passes.py");
    let output = Command::new(program).arg(script).arg(&file).arg(count.to_string()).output()?;
    fs::remove_file(&file)?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("templates: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Fallible<()> {
    let mut arguments = BTreeMap::from([("--rounds", "5".to_owned()), ("--passes", "10".to_owned())]);
    let mut given = std::env::args().skip(1);
    while let Some(name) = given.next() {
        let name = ["--rounds", "--passes", "--data", "--python", "--output"]
            .into_iter()
            .find(|known| *known == name);
        let name = name.ok_or("known: --data DIR --python PROGRAM --rounds N --passes N --output json")?;
        arguments.insert(name, given.next().ok_or("a value is missing")?);
    }
    let data = match arguments.get("--data") {
        Some(folder) => folder.into(),
        None => theriac_datasets::catalogue::locate_from_environment("loghub", None)?,
    };
    let lines = stream(&data)?;
    let count: usize = arguments["--passes"].parse()?;
    let mut warm: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    let mut last: BTreeMap<&str, Passes> = BTreeMap::new();
    for _ in 0..arguments["--rounds"].parse()? {
        let mut runs = vec![("theriac", ours(&lines, count)), ("drain3 (crate)", the_crate(&lines, count))];
        if let Some(program) = arguments.get("--python") {
            // It is slow; two passes are warm enough.
            runs.push(("Drain3 (Python)", python(program, &lines, count.min(3))?));
        }
        for (name, passes) in runs {
            warm.entry(name).or_default().push(median(passes[1..].iter().map(|(speed, _)| *speed).collect()));
            last.insert(name, passes);
        }
    }
    let speed: BTreeMap<&str, f64> = warm.into_iter().map(|(name, speeds)| (name, median(speeds))).collect();
    let ours = speed["theriac"];
    if arguments.get("--output").is_some_and(|output| output == "json") {
        let ratio = |name: &str| speed.get(name).map(|theirs| ours / theirs);
        let object = json!({
            "bench.miner.lines_per_s": ours,
            "bench.miner.ratio_to_drain3": ratio("drain3 (crate)"),
            "bench.miner.ratio_to_drain3_python": ratio("Drain3 (Python)"),
        });
        println!("{}", serde_json::to_string_pretty(&object)?);
        return Ok(());
    }
    println!("{} lines, {count} passes; warm: the passes after the first\n", lines.len());
    println!(
        "{:<16} {:>12} {:>12} {:>12} {:>12} {:>10} {:>10}",
        "", "first pass/s", "warm/s", "second/s", "last/s", "clusters", "at the end"
    );
    for (name, passes) in &last {
        let (first, end) = (passes[0], passes[passes.len() - 1]);
        println!(
            "{name:<16} {:>12.0} {:>12.0} {:>12.0} {:>12.0} {:>10} {:>10}",
            first.0, speed[name], passes[1].0, end.0, first.1, end.1
        );
    }
    println!();
    for (name, theirs) in speed.iter().filter(|(name, _)| **name != "theriac") {
        println!("{:.1} times {name}", ours / theirs);
    }
    Ok(())
}
