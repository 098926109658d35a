//! Processes come and go: crashes, restarts, rollouts from replica to replica.

use serde::{Deserialize, Serialize};

use super::{
    clock::{Event, Nanos, SECOND, nanos},
    service::Process,
    telemetry::logs::Severity,
    world::World,
};

/// How long a replica is out of rotation before its process is stopped on purpose.
const DRAIN: Nanos = 3 * SECOND;
/// A process that ran this long is not in a loop of crashes.
const GOOD_WHILE: Nanos = 120 * SECOND;
/// Wait before the first restart after a crash, in seconds; it doubles up to eightfold.
const BACKOFF_SECONDS: f64 = 2.0;
/// What a process says at the end if its local state is corrupt.
const CORRUPTION: &str = "cannot open journal /var/lib/data/journal: checksum mismatch at offset 81920";

/// A change that goes from replica to replica.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Rollout {
    /// Replicas that are still to be done, the next one last.
    pub(super) pending: Vec<u32>,
    /// Version to bring; none to keep what runs.
    pub(super) version: Option<u32>,
    /// With new local state.
    pub(super) fresh: bool,
    /// The action behind it.
    pub(super) entry: Option<u32>,
    /// How long each replica takes, in the order of `pending`.
    pub(super) durations: Vec<Nanos>,
    /// The replica that is being done.
    pub(super) present: Option<u32>,
    /// Whether its process was stopped already.
    pub(super) stopped: bool,
}

impl Rollout {
    pub(super) const fn new(pending: Vec<u32>, durations: Vec<Nanos>) -> Self {
        Self { pending, durations, version: None, fresh: false, entry: None, present: None, stopped: false }
    }
}

impl World {
    /// Begins a rollout.
    pub(super) fn start_rollout(&mut self, rollout: Rollout) {
        let id = self.rollout_count;
        self.rollout_count += 1;
        self.rollouts.insert(id, rollout);
        self.roll(id);
    }

    /// The next step of a rollout: drain, replace the process, take the next replica.
    pub(super) fn roll(&mut self, id: u32) {
        let Some(mut rollout) = self.rollouts.remove(&id) else { return };
        match rollout.present {
            Some(place) if !rollout.stopped => {
                self.replace(place, &rollout);
                rollout.stopped = true;
                let duration = rollout.durations.pop().unwrap_or(5 * SECOND);
                self.queue.push(self.now + duration.saturating_sub(DRAIN).max(SECOND), Event::Rollout(id));
            }
            present => {
                if let Some(place) = present {
                    self.bring_up(place);
                    self.replicas[place as usize].draining = false;
                }
                rollout.stopped = false;
                rollout.present = rollout.pending.pop();
                let Some(place) = rollout.present else {
                    if let Some(entry) = rollout.entry {
                        self.conclude(entry);
                    }
                    return;
                };
                self.replicas[place as usize].draining = true;
                self.queue.push(self.now + DRAIN, Event::Rollout(id));
            }
        }
        self.rollouts.insert(id, rollout);
    }

    fn replace(&mut self, place: u32, rollout: &Rollout) {
        self.stop(place, Process::Down);
        let replica = &mut self.replicas[place as usize];
        replica.version = rollout.version.unwrap_or(replica.version);
        if rollout.fresh {
            replica.corrupt = None;
            replica.lies = None;
            replica.crashes = 0;
        }
    }

    /// Ends a process; what it had in hand is lost.
    pub(super) fn stop(&mut self, place: u32, process: Process) {
        self.replicas[place as usize].stop(process);
        self.lose_calls(place);
    }

    fn bring_up(&mut self, place: u32) {
        let now = self.now;
        let replica = &mut self.replicas[place as usize];
        if replica.process != Process::Down {
            return;
        }
        replica.process = Process::Ready;
        replica.probes_failed = 0;
        replica.started = now;
        replica.restarts += 1;
        let version = self.services[replica.service as usize].versions[replica.version as usize].name.clone();
        if replica.corrupt.is_some() {
            let lasts = nanos(replica.lifecycle.lognormal(14.0, 0.25));
            self.queue.push(now + lasts, Event::Crash { replica: place, epoch: replica.epoch });
        }
        self.say(place, Severity::Info, format!("started, version {version}"), None);
    }

    /// A process comes up after a crash.
    pub(super) fn up(&mut self, place: u32, epoch: u32) {
        if self.replicas[place as usize].epoch == epoch {
            self.bring_up(place);
        }
    }

    /// Corrupt local state is met.
    pub(super) fn crash_on_start(&mut self, place: u32, epoch: u32) {
        let replica = &self.replicas[place as usize];
        if let (true, Some(fault)) = (replica.epoch == epoch, replica.corrupt) {
            self.touched.push(fault);
            self.crash(place, CORRUPTION);
        }
    }

    /// A process dies with some last words; its supervisor starts it again, later each time.
    pub(super) fn crash(&mut self, place: u32, last_words: &str) {
        let now = self.now;
        if self.replicas[place as usize].process != Process::Ready {
            return;
        }
        self.say(place, Severity::Error, last_words.to_owned(), None);
        let replica = &mut self.replicas[place as usize];
        replica.crashes = if now - replica.started > GOOD_WHILE { 0 } else { replica.crashes + 1 };
        let backoff = BACKOFF_SECONDS * f64::from(1 << replica.crashes.min(3));
        let start = replica.lifecycle.lognormal(5.0, 0.25);
        self.stop(place, Process::Down);
        let epoch = self.replicas[place as usize].epoch;
        self.queue.push(now + nanos(backoff + start), Event::Up { replica: place, epoch });
    }

    /// The load balancer asks a replica how it is. Says whether it will ask again.
    pub(super) fn probe(&mut self, place: u32) -> bool {
        let replica = &mut self.replicas[place as usize];
        let well = replica.process == Process::Ready;
        replica.probes_failed = if well { 0 } else { replica.probes_failed.saturating_add(1) };
        replica.process != Process::Gone
    }

    /// Replicas of a service that were not removed, in the reverse of their order.
    pub(super) fn living(&self, service: usize) -> Vec<u32> {
        let living = |place: &&u32| self.replicas[**place as usize].process != Process::Gone;
        self.services[service].replicas.iter().rev().filter(living).copied().collect()
    }
}
