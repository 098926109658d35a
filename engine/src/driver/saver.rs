//! The state is taken in the loop and written beside it, one checkpoint at a time.

use std::thread::{self, JoinHandle};

use theriac_contract::StateTable;

use crate::checkpoint::{CheckpointError, Checkpoints, Manifest};

/// Writes checkpoints.
pub(super) struct Saver {
    pub(super) checkpoints: Checkpoints,
    under_way: Option<UnderWay>,
}

struct UnderWay {
    round: u64,
    thread: JoinHandle<Result<u64, CheckpointError>>,
}

/// What became of a checkpoint.
pub(super) struct Ended {
    pub(super) round: u64,
    /// Bytes written.
    pub(super) result: Result<u64, CheckpointError>,
}

impl Saver {
    pub(super) const fn new(checkpoints: Checkpoints) -> Self {
        Self { checkpoints, under_way: None }
    }

    /// Whether one is being written, or its end was not told yet.
    pub(super) const fn is_busy(&self) -> bool {
        self.under_way.is_some()
    }

    /// Begins to write one; the one before must have ended.
    pub(super) fn begin(
        &mut self,
        manifest: Manifest,
        made_by: String,
        tables: Vec<StateTable>,
    ) -> Result<(), CheckpointError> {
        let (round, checkpoints) = (manifest.round, self.checkpoints.clone());
        let thread = thread::Builder::new()
            .name("checkpoint".to_owned())
            .spawn(move || checkpoints.write(manifest, &made_by, tables))
            .map_err(|e| failed(round, format!("a thread to write it cannot be started: {e}")))?;
        self.under_way = Some(UnderWay { round, thread });
        Ok(())
    }

    /// What became of the one that was being written, if it has ended.
    pub(super) fn ended(&mut self) -> Option<Ended> {
        if self.under_way.as_ref()?.thread.is_finished() { self.wait() } else { None }
    }

    /// Waits for the one that is being written.
    pub(super) fn wait(&mut self) -> Option<Ended> {
        let UnderWay { round, thread } = self.under_way.take()?;
        let panicked = |_| Err(failed(round, "writing it has panicked".to_owned()));
        Some(Ended { round, result: thread.join().unwrap_or_else(panicked) })
    }
}

impl Drop for Saver {
    /// Whoever opens the same loop again in this process would take what is half written for the
    /// remains of a crash.
    fn drop(&mut self) {
        self.wait();
    }
}

fn failed(round: u64, reason: String) -> CheckpointError {
    CheckpointError::Damaged { name: format!("of round {round}"), reason }
}
