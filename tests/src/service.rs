//! A service that runs in a folder, looked after from outside.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::program::command;

/// How long anything is waited for.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until `look` finds something.
///
/// # Panics
/// If it finds nothing within [`PATIENCE`].
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begin.elapsed() < PATIENCE, "waited in vain for {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// `theriac run` over `service.yaml` and `data` of a folder; what it says goes to a file. Killed when
/// it goes out of scope.
pub struct Running {
    /// The process.
    pub process: Child,
    log: PathBuf,
}

#[expect(clippy::missing_panics_doc, reason = "a test stops where it stands")]
impl Running {
    /// Starts one that says what it has to say to `log`.
    #[must_use]
    pub fn start(folder: &Path, log: &str, arguments: &[&str]) -> Self {
        let log = folder.join(log);
        let said = File::options().create(true).append(true).open(&log).expect("a file can be made");
        let arguments = [&["run", "-c", "service.yaml", "--data-dir", "data"], arguments].concat();
        let mut command = command(folder, &arguments);
        let process = command.stdout(Stdio::null()).stderr(said).spawn().expect("the program starts");
        Self { process, log }
    }

    /// All that it said.
    #[must_use]
    pub fn said(&self) -> String {
        fs::read_to_string(&self.log).expect("its log")
    }

    /// Waits until it said `text`.
    pub fn hear(&self, text: &str) {
        until(&format!("`{text}` in {}", self.log.display()), || self.said().contains(text).then_some(()));
    }

    /// Where its HTTP port is.
    #[must_use]
    pub fn address(&self) -> String {
        until("an address", || {
            let said = self.said();
            let rest = said.split_once("health and metrics on http://")?.1;
            Some(rest.lines().next()?.split('"').next()?.to_owned())
        })
    }

    /// Sends it a signal, as `-TERM`.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([name, &self.process.id().to_string()]).status();
        assert!(sent.expect("kill").success());
    }

    /// Its exit code and how long it took.
    pub fn ended(&mut self) -> (Option<i32>, Duration) {
        let begin = Instant::now();
        let status = until("an end", || self.process.try_wait().expect("a child"));
        (status.code(), begin.elapsed())
    }

    /// Stops it; it must end well.
    pub fn stop(&mut self) {
        self.signal("-TERM");
        assert_eq!(self.ended().0, Some(0), "{}", self.said());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
