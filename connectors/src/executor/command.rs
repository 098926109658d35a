//! Programs from a list, without a shell.

use std::{
    collections::BTreeMap,
    io::Read,
    os::unix::process::CommandExt,
    path::PathBuf,
    process::{Child, ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process_group};
use serde::{Deserialize, Serialize};
use theriac_contract::{
    Command, Executor, Interval, Verdict,
    seeded::{self, Bug},
};

use super::{
    cut,
    settings::{ExecutorError, seconds},
};

/// Settings of a command executor.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommandSettings {
    /// The program for each verb. Verbs that are not here are refused.
    pub programs: BTreeMap<String, Program>,
}

/// One program that may be run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Program {
    /// Absolute path.
    pub program: PathBuf,
    /// Arguments. `{target}`, `{target.service}`, `{target.instance}` and `{param.NAME}` are
    /// filled in; however they read, each argument stays one argument.
    #[serde(default)]
    pub arguments: Vec<String>,
    /// Where it runs.
    #[serde(default = "Program::directory")]
    pub directory: PathBuf,
    /// Variables that it gets from this process; all others are kept from it.
    #[serde(default)]
    pub environment_keep: Vec<String>,
    /// Variables that it gets with these values.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// Exit codes after which another attempt may work; 75 is "temporary failure" in sysexits.
    #[serde(default = "Program::retry_codes")]
    pub retry_codes: Vec<i32>,
    /// Bytes of standard output and of standard error that are kept; the rest is read and dropped.
    #[serde(default = "Program::output_bytes_max")]
    pub output_bytes_max: usize,
}

impl Program {
    fn directory() -> PathBuf {
        PathBuf::from("/")
    }

    fn retry_codes() -> Vec<i32> {
        vec![75]
    }

    const fn output_bytes_max() -> usize {
        4096
    }

    /// The arguments with everything filled in.
    pub(super) fn fill(&self, command: &Command) -> Result<Vec<String>, String> {
        self.arguments.iter().map(|template| fill(template, command)).collect()
    }
}

/// Runs programs. Exit code 0 is success; a program that is ended by a signal leaves it
/// unknown what was done. At the end of the step's timeout the whole process group is killed.
pub struct CommandExecutor {
    name: String,
    settings: CommandSettings,
}

impl CommandExecutor {
    /// Checks the settings; runs nothing.
    ///
    /// # Errors
    /// If a program is not given by an absolute path.
    pub fn new(name: &str, settings: CommandSettings) -> Result<Self, ExecutorError> {
        for (verb, program) in &settings.programs {
            if !program.program.is_absolute() {
                let reason = format!(
                    "programs.{verb}.program `{}` must be an absolute path",
                    program.program.display()
                );
                return Err(ExecutorError::Setting { executor: name.to_owned(), reason });
            }
        }
        Ok(Self { name: name.to_owned(), settings })
    }
}

/// Fills one argument. A value that would make it look like an option is refused.
fn fill(template: &str, command: &Command) -> Result<String, String> {
    let mut filled = String::new();
    let mut rest = template;
    while let Some(start) = rest.find('{') {
        let end =
            rest[start..].find('}').ok_or_else(|| format!("argument `{template}` lacks a `}}`"))? + start;
        filled.push_str(&rest[..start]);
        let name = &rest[start + 1..end];
        let target = &command.action.target;
        let value = match name {
            "target" => target.as_str(),
            "target.service" => target.service(),
            "target.instance" => {
                target.as_str().split_once('/').map(|(_, instance)| instance).ok_or_else(|| {
                    format!("{target} is not an instance, but argument `{template}` needs one")
                })?
            }
            _ => {
                let parameter = name
                    .strip_prefix("param.")
                    .ok_or_else(|| format!("argument `{template}`: `{{{name}}}` is not known"))?;
                command
                    .action
                    .parameters
                    .get(parameter)
                    .map(String::as_str)
                    .ok_or_else(|| format!("argument `{template}` needs the parameter `{parameter}`"))?
            }
        };
        if filled.is_empty() && value.starts_with('-') {
            return Err(format!("`{value}` for `{{{name}}}` looks like an option"));
        }
        filled.push_str(value);
        rest = &rest[end + 1..];
    }
    filled.push_str(rest);
    Ok(filled)
}

/// Output that a thread of its own reads, so that a program that writes much never blocks.
#[derive(Clone, Default)]
struct Output(Arc<Mutex<Vec<u8>>>);

impl Output {
    fn read<R: Read + Send + 'static>(
        &self,
        stream: Option<R>,
        most: usize,
    ) -> Option<thread::JoinHandle<()>> {
        let (mut stream, kept) = (stream?, Arc::clone(&self.0));
        Some(thread::spawn(move || {
            let mut buffer = [0; 8192];
            while let Ok(read @ 1..) = stream.read(&mut buffer) {
                let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                let room = most.saturating_sub(kept.len()).min(read);
                kept.extend_from_slice(&buffer[..room]);
            }
        }))
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap_or_else(PoisonError::into_inner)).trim().to_owned()
    }
}

/// Waits for the program, at most until `deadline`; then its process group is killed.
fn wait(child: &mut Child, deadline: Instant) -> std::io::Result<Option<ExitStatus>> {
    let mut pause = Duration::from_millis(1);
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        let now = Instant::now();
        if now >= deadline {
            // The leader has not been waited for, so its number still names this group.
            if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
                let _ = kill_process_group(group, Signal::KILL);
            }
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        thread::sleep(pause.min(deadline - now));
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}

pub(super) fn run(program: &Program, arguments: &[String], timeout: Interval) -> (Verdict, String) {
    let kept = program.environment_keep.iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
    let spawned = std::process::Command::new(&program.program)
        .args(arguments)
        .current_dir(&program.directory)
        .env_clear()
        .envs(kept)
        .envs(&program.environment)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn();
    let mut child = match spawned {
        Ok(child) => child,
        Err(error) => {
            let retryable = error.kind() == std::io::ErrorKind::WouldBlock;
            return (Verdict::Failed { retryable }, format!("{}: {error}", program.program.display()));
        }
    };
    let (out, err) = (Output::default(), Output::default());
    let readers = [
        out.read(child.stdout.take(), program.output_bytes_max),
        err.read(child.stderr.take(), program.output_bytes_max),
    ];
    let deadline = Instant::now() + Duration::from_nanos(timeout.0.max(0).unsigned_abs());
    let ended = wait(&mut child, deadline);
    // What the program left running may keep the pipes open; its output is not waited for.
    let patience = Instant::now() + Duration::from_millis(200);
    while readers.iter().flatten().any(|reader| !reader.is_finished()) && Instant::now() < patience {
        thread::sleep(Duration::from_millis(1));
    }
    let said: Vec<String> = [out.text(), err.text()].into_iter().filter(|text| !text.is_empty()).collect();
    let said = cut(&said.join("\n"), program.output_bytes_max);
    match ended {
        Ok(Some(status)) => match status.code() {
            Some(0) => (Verdict::Succeeded, said),
            Some(code) => {
                let retryable = program.retry_codes.contains(&code);
                (Verdict::Failed { retryable }, format!("exit code {code}: {said}"))
            }
            None => (Verdict::Unknown, format!("{status}: {said}")),
        },
        Ok(None) if seeded::on(Bug::KilledProgramMayBeRetried) => (Verdict::Failed { retryable: true }, said),
        Ok(None) => (Verdict::TimedOut, format!("killed after {}: {said}", seconds(timeout))),
        Err(error) => (Verdict::Unknown, format!("the program cannot be waited for: {error}")),
    }
}

impl Executor for CommandExecutor {
    fn name(&self) -> &str {
        &self.name
    }

    fn execute(&self, command: &Command) -> (Verdict, String) {
        let refused = |detail: String| (Verdict::Failed { retryable: false }, detail);
        let Some(program) = self.settings.programs.get(&command.action.verb) else {
            return refused(format!("no program is listed for the verb `{}`", command.action.verb));
        };
        match program.fill(command) {
            Err(detail) => refused(detail),
            Ok(arguments) if command.dry_run => {
                (Verdict::Succeeded, format!("would run {} {arguments:?}", program.program.display()))
            }
            Ok(arguments) => run(program, &arguments, command.timeout),
        }
    }
}
