//! Tells systemd how the service is, and ends it if it does not end by itself.

use std::{
    io::{IsTerminal as _, stderr},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};

use super::{Operations, duration};

/// How often the service is looked at; systemd's watchdog wants to hear at least twice in its time.
const LOOK: Duration = Duration::from_millis(250);

/// Looks after a service until the process ends.
pub(super) fn start(operations: &Arc<Operations>, stop: Arc<AtomicBool>) -> Result<()> {
    let operations = Arc::clone(operations);
    let keep = move || {
        let mut told_ready = false;
        let in_terminal = stderr().is_terminal();
        while !stop.load(Ordering::SeqCst) {
            // SIGHUP asks for a reload; the terminal that sends it when it closes means an end.
            if in_terminal && !stderr().is_terminal() {
                stop.store(true, Ordering::SeqCst);
            }
            if !told_ready && operations.health.readiness().ready {
                told_ready = true;
                systemd::tell(systemd::READY);
            }
            if operations.liveness().live {
                systemd::tell(systemd::WATCHDOG);
            }
            thread::sleep(LOOK);
        }
        systemd::tell(systemd::STOPPING);
        let (begin, within) = (Instant::now(), duration(operations.settings.stop_within));
        while begin.elapsed() < within {
            // Finishing a round may take longer than the watchdog's time.
            systemd::tell(systemd::WATCHDOG);
            thread::sleep(LOOK);
        }
        tracing::error!(
            "not stopped after {within:?}, as `operations.stop_within` says: ended as it is; the next start takes it up"
        );
        std::process::exit(1);
    };
    thread::Builder::new().name("keeper".to_owned()).spawn(keep).context("a thread cannot be started")?;
    Ok(())
}

/// What systemd hears, if it has started this process.
#[cfg(target_os = "linux")]
mod systemd {
    use sd_notify::NotifyState;

    pub(super) const READY: NotifyState<'_> = NotifyState::Ready;
    pub(super) const WATCHDOG: NotifyState<'_> = NotifyState::Watchdog;
    pub(super) const STOPPING: NotifyState<'_> = NotifyState::Stopping;

    pub(super) fn tell(state: NotifyState<'_>) {
        // Nobody listens where systemd has not started the process.
        let _ = sd_notify::notify(&[state]);
    }
}

/// There is no systemd here.
#[cfg(not(target_os = "linux"))]
mod systemd {
    pub(super) const READY: () = ();
    pub(super) const WATCHDOG: () = ();
    pub(super) const STOPPING: () = ();

    pub(super) const fn tell((): ()) {}
}
