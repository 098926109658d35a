//! Running one suite, with a bug or without.

use std::{
    fs::File,
    os::unix::process::CommandExt,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use theriac_contract::seeded::{Bug, VARIABLE};

use crate::{build::Built, suites::Suite};

/// Longer than any suite takes without a bug, on two busy cores.
const PATIENCE: Duration = Duration::from_secs(240);

/// How a suite ended.
pub(crate) enum Ended {
    /// So many tests passed.
    Passed(usize),
    /// A test failed: the first by name.
    Failed {
        /// Its name, and how many more failed; empty if the executable did not come to say.
        test: String,
        /// What was printed.
        out: String,
    },
    /// It took too long and was killed.
    TimedOut {
        /// What was printed.
        out: String,
    },
}

/// Runs a suite; gives how it ended, and the seconds that it took.
pub(crate) fn run(built: &Built, suite: Suite, bug: Option<Bug>) -> (Ended, f64) {
    let executable = built.executable(&suite);
    let said = tempfile::NamedTempFile::new().expect("a file");
    let also = || File::options().append(true).open(said.path()).expect("the file");
    let mut command = Command::new(&executable.path);
    command
        .args(suite.2)
        .current_dir(&executable.package)
        .envs(built.program.iter().map(|program| ("THERIAC_PROGRAM", program)))
        .env("PROPTEST_DISABLE_FAILURE_PERSISTENCE", "1")
        .env("RUST_BACKTRACE", "0")
        .env_remove(VARIABLE)
        .stdin(Stdio::null())
        .stdout(also())
        .stderr(also())
        // With all that it starts, so that it can be ended with it.
        .process_group(0);
    if let Some(bug) = bug {
        command.env(VARIABLE, bug.name());
    }
    let begin = Instant::now();
    let mut process = command.spawn().expect("a test executable starts");
    let status = wait(&mut process, begin);
    let seconds = begin.elapsed().as_secs_f64();
    let out = std::fs::read_to_string(said.path()).unwrap_or_default();
    let ended = match status {
        None => Ended::TimedOut { out },
        Some(true) => Ended::Passed(out.lines().filter(|line| line.ends_with("... ok")).count()),
        Some(false) => Ended::Failed { test: failed(&out), out },
    };
    (ended, seconds)
}

/// Whether it ended well; none if it had to be killed.
fn wait(process: &mut Child, begin: Instant) -> Option<bool> {
    loop {
        if let Some(status) = process.try_wait().expect("a child can be waited for") {
            return Some(status.success());
        }
        if begin.elapsed() > PATIENCE {
            let group = format!("-{}", process.id());
            let _ = Command::new("kill").args(["-9", "--", &group]).status();
            let _ = process.wait();
            return None;
        }
        thread::sleep(Duration::from_millis(10));
    }
}

fn failed(out: &str) -> String {
    let name = |line: &str| {
        let line = line.strip_suffix("... FAILED")?;
        Some(line.rsplit("test ").next()?.trim().to_owned())
    };
    let mut names: Vec<String> = out.lines().filter_map(name).collect();
    names.sort();
    match names.as_slice() {
        [] => String::new(),
        [only] => only.clone(),
        [first, rest @ ..] => format!("{first} and {} more", rest.len()),
    }
}
