//! Killed at any instant and started again, the program ends with the same bytes on its
//! topics and in its checkpoints as if it had never been killed.
//!
//! The instants are drawn from `THERIAC_TEST_SEED` (1 if unset), which is printed.

#![allow(clippy::unwrap_used, reason = "a suite fails where it stands")]

use std::{
    fmt::Write as _,
    fs,
    path::Path,
    process::Stdio,
    sync::{Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use rand_core::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use theriac_tests::program::{assert_same, command, run, run_well, stored};

/// One process is killed after at most this part of the time that a whole run takes.
const LIFE_PARTS: u64 = 5;
/// After so many kills a folder's last process may run to its end.
const KILLS_MAX: usize = 40;

/// How long a whole run takes is measured, and lives are drawn from that: one test at a time.
static ALONE: Mutex<()> = Mutex::new(());

fn now() -> Instant {
    Instant::now()
}

fn random() -> Xoshiro256PlusPlus {
    let seed = std::env::var("THERIAC_TEST_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    println!("THERIAC_TEST_SEED={seed}");
    Xoshiro256PlusPlus::seed_from_u64(seed)
}

/// Starts the command again and again, each time killed within a fifth of `whole`, until
/// a process ends by itself. Gives the number of kills.
fn kill_until_done(
    folder: &Path,
    arguments: &[&str],
    whole: Duration,
    random: &mut Xoshiro256PlusPlus,
) -> usize {
    let longest = (whole.as_micros() as u64 / LIFE_PARTS).max(1);
    let mut kills = 0;
    loop {
        let life = if kills < KILLS_MAX {
            Duration::from_micros(random.next_u64() % longest)
        } else {
            Duration::from_secs(600)
        };
        let mut process = command(folder, arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program that was built starts");
        let begin = now();
        let ended = loop {
            match process.try_wait().expect("a child can be waited for") {
                Some(status) => break Some(status),
                None if begin.elapsed() >= life => break None,
                None => {
                    thread::sleep(Duration::from_millis(1).min(life.saturating_sub(begin.elapsed())));
                }
            }
        };
        if ended.is_none() {
            process.kill().expect("a child can be killed");
        }
        let output = process.wait_with_output().expect("a child can be waited for");
        // It may have ended by itself between the last look and the kill.
        if let Some(code) = output.status.code() {
            let told = String::from_utf8_lossy(&output.stderr);
            assert_eq!(code, 0, "after {kills} kills: {told}");
            assert!(!told.contains("passed over"), "a kill damaged a checkpoint: {told}");
            return kills;
        }
        kills += 1;
        print!("{} ms, ", life.as_millis());
    }
}

/// An undisturbed run, a second one, then `folders` disturbed ones, all with the same bytes; and more of
/// them while too few kills hit a running process: the first run may have been slow for what else ran.
fn survives(folder: &Path, arguments: &[&str], folders: usize, kills_min: usize) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let with = |name: &str| {
        [arguments, &["--data-dir", name]].concat().iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    // The first call builds the program; that is no part of a run.
    run_well(folder, &["--version"]);
    let begin = now();
    run_well(folder, &with("whole"));
    let whole = begin.elapsed();
    let expected = stored(&folder.join("whole"));
    assert!(expected.values().map(Vec::len).sum::<usize>() > 100_000, "the run wrote next to nothing");
    run_well(folder, &with("again"));
    assert_same(&expected, &folder.join("again"), "a second run");
    let mut random = random();
    let mut kills = 0;
    for round in 0..4 * folders {
        if round >= folders && kills >= kills_min {
            break;
        }
        let name = format!("killed-{round}");
        let arguments = with(&name);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let here = kill_until_done(folder, &arguments, whole, &mut random);
        println!("{here} kills");
        assert_same(&expected, &folder.join(&name), &format!("{name}, after {here} kills"));
        kills += here;
    }
    println!("{kills} kills; a whole run takes {whole:?}, all of it took {:?}", begin.elapsed());
    assert!(kills >= kills_min, "only {kills} kills hit a running process");
}

#[test]
fn a_healed_fleet() {
    let folder = tempfile::tempdir().unwrap();
    survives(folder.path(), &["demo", "--seed", "7", "--keep", "--output", "json"], 4, 32);
}

/// Copies the topics and checkpoints of a data folder.
fn copied(from: &Path, to: &Path) {
    for (path, bytes) in stored(from) {
        let (source, target) = (from.join(&path), to.join(&path));
        if source.is_dir() {
            fs::create_dir_all(target).unwrap();
        } else {
            fs::create_dir_all(target.parent().unwrap()).unwrap();
            fs::write(target, bytes).unwrap();
        }
    }
}

/// Begun with `a.yaml` and killed, gone on with `b.yaml`: killed at any instant after that, it
/// ends as if it had not been. Gives the folders, that of the undisturbed run first.
fn survives_a_change(folder: &Path, arguments: &[&str], rounds_before: usize, folders: usize) -> Vec<String> {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let with = |config: &'static str, name: &str| {
        let more = ["-c", config, "--data-dir", name];
        [arguments, &more].concat().iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    run_well(folder, &["--version"]);
    let mut process = command(folder, &with("a.yaml", "begun")).stdout(Stdio::null()).spawn().unwrap();
    let rounds = || run(folder, &["tap", "journal", "--data-dir", "begun"]).out.lines().count();
    while rounds() < rounds_before {
        assert!(process.try_wait().unwrap().is_none(), "it ended before it could be killed");
        thread::sleep(Duration::from_millis(2));
    }
    process.kill().unwrap();
    process.wait().unwrap();
    copied(&folder.join("begun"), &folder.join("changed"));
    let begin = now();
    run_well(folder, &with("b.yaml", "changed"));
    let whole = begin.elapsed();
    let mut random = random();
    let mut names = vec!["changed".to_owned()];
    let mut kills = 0;
    for round in 0..folders {
        let name = format!("changed-{round}");
        copied(&folder.join("begun"), &folder.join(&name));
        let arguments = with("b.yaml", &name);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        // Short lives: the first rounds after the change are what matters.
        kills += kill_until_done(folder, &arguments, whole / 4, &mut random);
        names.push(name);
    }
    println!("{kills} kills; after the change a whole run takes {whole:?}");
    assert!(kills >= 3 * folders, "only {kills} kills hit a running process");
    names
}

fn same_after_a_change(folder: &Path, names: &[String]) {
    let expected = stored(&folder.join(&names[0]));
    for name in &names[1..] {
        assert_same(&expected, &folder.join(name), name);
    }
}

#[test]
fn a_healed_fleet_whose_configuration_changes() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.yaml"), "checkpoint: { rounds: 40 }\n").unwrap();
    let other = "checkpoint: { rounds: 40 }\nmonitor: { lateness: 20s }\nplan: { benefit: 120 }\n";
    fs::write(folder.path().join("b.yaml"), other).unwrap();
    let names = survives_a_change(folder.path(), &["demo", "--keep", "--output", "json"], 100, 3);
    same_after_a_change(folder.path(), &names);
}

/// Some megabytes of a fleet's past: load with a daily wave, a level shift, an outage.
fn past(days: u64) -> String {
    let mut text = "timestamp,service,instance,cpu,latency_ms,errors\n".to_owned();
    let mut random = Xoshiro256PlusPlus::seed_from_u64(11);
    for second in (0..days * 86_400).step_by(30) {
        let wave = second % 86_400 / 864;
        for instance in 0..6 {
            let noise = random.next_u64() % 20;
            let broken = instance == 2 && (150_000..153_000).contains(&second);
            let shift = if instance == 4 && second > 200_000 { 40 } else { 0 };
            let (latency, errors) = if broken { (900 + noise, 50 + noise) } else { (80 + noise, noise / 18) };
            let (day, hour, minute) = (second / 86_400 + 1, second / 3600 % 24, second / 60 % 60);
            writeln!(
                text,
                "2026-01-{day:02}T{hour:02}:{minute:02}:{:02}Z,shop,shop-{instance},0.{:03},{latency},{errors}",
                second % 60,
                200 + wave + noise + shift,
            )
            .expect("text grows");
        }
        if second % 9_990 == 0 {
            text.push_str("2026-01-01T00:00:00Z,shop,shop-1,nonsense,1,0\n");
        }
    }
    text
}

#[test]
fn a_replayed_file() {
    let folder = tempfile::tempdir().unwrap();
    let text = past(3);
    assert!(text.len() > 2_000_000, "{} bytes", text.len());
    fs::write(folder.path().join("past.csv"), text).unwrap();
    // Checkpoints often enough that a file of few rounds has some.
    fs::write(folder.path().join("theriac.yaml"), "checkpoint: { rounds: 1 }\n").unwrap();
    survives(folder.path(), &["replay", "past.csv", "-c", "theriac.yaml", "--output", "json"], 3, 18);
}

/// Two configurations under which every round gives something else, with a file as source.
fn write_configurations(folder: &Path, checkpoint: &str) {
    fs::write(folder.join("past.csv"), past(6)).unwrap();
    for (name, lateness) in [("a.yaml", "5s"), ("b.yaml", "10m")] {
        let text = format!(
            "clock: event\nsources:\n  - file: {{ path: past.csv }}\ncheckpoint: {{ {checkpoint} }}\n\
             monitor: {{ lateness: {lateness} }}\n"
        );
        fs::write(folder.join(name), text).unwrap();
    }
}

#[test]
fn a_replayed_file_whose_configuration_changes() {
    let folder = tempfile::tempdir().unwrap();
    write_configurations(folder.path(), "rounds: 2");
    let names = survives_a_change(folder.path(), &["replay", "--output", "json"], 3, 4);
    same_after_a_change(folder.path(), &names);
}

/// Live rounds are made of what has come in by then, so two runs differ; what is noticed must not.
#[test]
fn a_service_whose_configuration_changes() {
    let folder = tempfile::tempdir().unwrap();
    write_configurations(folder.path(), "every: 30h");
    let names = survives_a_change(folder.path(), &["run", "--until-end"], 3, 4);
    let symptoms = |name: &String| run_well(folder.path(), &["tap", "symptoms", "--data-dir", name]);
    let expected = symptoms(&names[0]);
    assert!(expected.lines().count() > 3, "{expected}");
    for name in &names[1..] {
        assert_eq!(symptoms(name), expected, "{name}");
    }
}
