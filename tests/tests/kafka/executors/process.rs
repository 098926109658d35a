//! Executors as processes: the examples of both languages, as they are or with pauses before and
//! after their effect.

use std::{
    env,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command as Process, Stdio},
    sync::{OnceLock, atomic::AtomicBool},
    thread,
    time::{Duration, Instant},
};

use theriac_executor::{Command, Handler, Lease, Reconciled, Settings, Verdict, run};

#[path = "../../../../connectors/executor-sdk/examples/append.rs"]
mod append;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    Rust,
    Python,
}

/// Seconds before and after the effect, and of the lease.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hesitation {
    pub(crate) before: f64,
    pub(crate) after: f64,
    pub(crate) lease: f64,
}

struct Hesitant {
    append: append::Append,
    before: Duration,
    after: Duration,
}

impl Handler for Hesitant {
    fn act(&self, command: &Command, lease: &Lease) -> (Verdict, String) {
        thread::sleep(self.before);
        let answer = self.append.act(command, lease);
        thread::sleep(self.after);
        answer
    }

    fn reconcile(&self, command: &Command) -> Reconciled {
        self.append.reconcile(command)
    }
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("{name} is not set"))
}

fn seconds(name: &str) -> Duration {
    Duration::from_secs_f64(variable(name).parse().expect("a number of seconds"))
}

#[test]
#[ignore = "the process of an executor, which the tests of this folder start"]
fn of_rust() {
    if env::var_os("BROKERS").is_none() {
        return;
    }
    if env::var_os("LEASE").is_none() {
        append::main().expect("an executor runs until it is killed");
        return;
    }
    let settings = Settings {
        prefix: variable("PREFIX"),
        lease: seconds("LEASE"),
        session_timeout: Duration::from_secs(2),
        ..Settings::new("shop", variable("BROKERS"))
    };
    let append = append::Append(variable("EFFECTS").into());
    let handler = Hesitant { append, before: seconds("BEFORE"), after: seconds("AFTER") };
    run(&settings, handler, &AtomicBool::new(false)).expect("an executor runs until it is killed");
}

fn sdk() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../connectors/executor-sdk/python")
}

/// An interpreter with what the Python executor needs, installed once.
fn python() -> &'static Path {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("executor-python");
        let (python, mark) = (folder.join("bin/python"), folder.join("installed"));
        let requirements = sdk().join("requirements.txt");
        let wanted = fs::read_to_string(&requirements).expect("the list of packages");
        if fs::read_to_string(&mark).is_ok_and(|installed| installed == wanted) {
            return python;
        }
        let call = |process: &mut Process| {
            let output = process.output().expect("Python 3 with venv is there");
            assert!(output.status.success(), "{process:?}: {}", String::from_utf8_lossy(&output.stderr));
        };
        call(Process::new("python3").args(["-m", "venv", "--clear"]).arg(&folder));
        let pip =
            ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes", "-r"];
        call(Process::new(&python).args(pip).arg(&requirements));
        fs::write(mark, wanted).expect("a mark");
        python
    })
}

/// A process that is killed at the end of its test.
pub(crate) struct Running {
    process: Child,
    log: PathBuf,
}

impl Running {
    /// The process that `command` starts; what it says goes to a file.
    pub(crate) fn start(command: &mut Process, log: &Path) -> Self {
        let said = File::options().create(true).append(true).open(log).unwrap();
        let process = command
            .stdin(Stdio::null())
            .stdout(said.try_clone().unwrap())
            .stderr(said)
            .spawn()
            .expect("it starts");
        Self { process, log: log.to_owned() }
    }

    /// An executor over these topics that notes its effects in a file.
    pub(crate) fn executor(
        language: Language,
        brokers: &str,
        prefix: &str,
        effects: &Path,
        hesitation: Option<Hesitation>,
        log: &Path,
    ) -> Self {
        let mut command = match language {
            Language::Rust => {
                let mut command = Process::new(env::current_exe().unwrap());
                let name = "executors::process::of_rust";
                command.args(["--ignored", "--exact", name, "--nocapture"]);
                command
            }
            Language::Python => {
                let mut command = Process::new(python());
                let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kafka/executors/hesitant.py");
                command.arg(if hesitation.is_some() { script } else { sdk().join("append.py") });
                command.env("PYTHONPATH", sdk()).env("PYTHONDONTWRITEBYTECODE", "1");
                command
            }
        };
        command.env("BROKERS", brokers).env("PREFIX", prefix).env("EFFECTS", effects);
        if let Some(Hesitation { before, after, lease }) = hesitation {
            command.env("BEFORE", before.to_string()).env("AFTER", after.to_string());
            command.env("LEASE", lease.to_string());
        }
        Self::start(&mut command, log)
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    pub(crate) fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Waits until it has said something.
    pub(crate) fn heard(&self, text: &str) {
        let begin = Instant::now();
        while !self.said().contains(text) {
            assert!(begin.elapsed() < Duration::from_secs(60), "never `{text}`: {}", self.said());
            thread::sleep(Duration::from_millis(20));
        }
    }

    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    pub(crate) fn signal(&self, name: &str) {
        let sent = Process::new("kill").args([name, &self.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
