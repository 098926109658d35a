//! Starting and ending a process.

use std::{
    fs::OpenOptions,
    io,
    os::unix::process::CommandExt,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use super::{
    identity::{Identity, MARK},
    settings::ServiceSettings,
};

/// How long the kernel is given to end a process after SIGKILL.
const AFTER_KILL: Duration = Duration::from_secs(5);
/// How long between two looks at a process.
const LOOK: Duration = Duration::from_millis(10);

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// By itself, after SIGTERM.
    Asked,
    /// By SIGKILL.
    Killed,
    /// It is still there: the kernel is about something that cannot be broken off.
    Not,
}

/// Starts the program in a process group of its own, with `mark` in its environment.
pub(super) fn spawn(service: &ServiceSettings, mark: &str) -> io::Result<Identity> {
    let kept = service.environment_keep.iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
    let (out, err) = match &service.output {
        Some(path) => {
            let file = OpenOptions::new().create(true).append(true).open(path)?;
            (Stdio::from(file.try_clone()?), Stdio::from(file))
        }
        None => (Stdio::null(), Stdio::null()),
    };
    let mut child = Command::new(&service.program)
        .args(&service.arguments)
        .current_dir(&service.directory)
        .env_clear()
        .envs(kept)
        .envs(&service.environment)
        .env(MARK, mark)
        .stdin(Stdio::null())
        .stdout(out)
        .stderr(err)
        .process_group(0)
        .spawn()?;
    // Not waited for yet, so the number is still its own, even if it has ended.
    let identity = Identity::of(child.id());
    // Whoever started a process has to wait for it, or its number is never free again.
    thread::spawn(move || child.wait());
    identity.ok_or_else(|| io::Error::other("its process cannot be seen in /proc"))
}

/// Kills what a process that ended left running in its group.
pub(super) fn clear_away(left: &[Identity]) {
    for process in left {
        if let Some(pid) = i32::try_from(process.pid).ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}

fn signal(process: &Identity, signal: Signal) {
    if let Some(group) = i32::try_from(process.pid).ok().and_then(Pid::from_raw) {
        let _ = kill_process_group(group, signal);
    }
}

fn gone_by(process: &Identity, deadline: Instant) -> bool {
    while process.runs() {
        if Instant::now() >= deadline {
            return false;
        }
        thread::sleep(LOOK);
    }
    true
}

/// Ends a process that runs: SIGTERM, and after the grace SIGKILL to its whole group. What it left
/// running in its group is killed, too.
pub(super) fn end(process: &Identity, grace: Duration) -> Ended {
    signal(process, Signal::TERM);
    let asked = gone_by(process, Instant::now() + grace);
    signal(process, Signal::KILL);
    match asked {
        true => Ended::Asked,
        false if gone_by(process, Instant::now() + AFTER_KILL) => Ended::Killed,
        false => Ended::Not,
    }
}
