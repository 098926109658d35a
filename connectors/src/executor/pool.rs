//! Worker threads, so that nothing an executor does can hold up the engine.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, TrySendError, channel, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use theriac_contract::{
    Command, Completion, Executor, Verdict,
    seeded::{self, Bug},
};

use super::clock::Clock;

/// Settings of the worker threads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PoolSettings {
    /// Commands that are under way at once.
    pub workers: usize,
    /// Commands that wait for a worker; further ones are answered at once as failed, to be retried.
    pub queue_max: usize,
}

impl Default for PoolSettings {
    fn default() -> Self {
        Self { workers: 4, queue_max: 256 }
    }
}

/// How long a pool that ends waits for the commands that are under way. What is then still not
/// answered is unknown to whoever opens the ledger next.
const LAST_ANSWERS: Duration = Duration::from_secs(30);
/// How often it looks whether any of them need be waited for.
const LOOK: Duration = Duration::from_millis(100);

/// Runs commands on threads and collects the answers.
pub struct Pool {
    ending: Arc<AtomicBool>,
    /// Commands under way whose executors do not remember them.
    awaited: Arc<AtomicUsize>,
    name: String,
    clock: Clock,
    queue: SyncSender<Command>,
    answer: Sender<Completion>,
    answers: Receiver<Completion>,
}

impl Pool {
    /// Starts the workers. They end when the pool is dropped, each after the command that it is
    /// about; those that wait are not begun. One that hangs is left behind.
    #[must_use]
    pub fn new(settings: &PoolSettings, executor: Arc<dyn Executor>, clock: Clock) -> Self {
        let (queue, commands) = sync_channel::<Command>(settings.queue_max);
        let (answer, answers) = channel();
        let commands = Arc::new(Mutex::new(commands));
        let (ending, awaited) = (Arc::new(AtomicBool::new(false)), Arc::default());
        for _ in 0..settings.workers.max(1) {
            let (commands, executor) = (Arc::clone(&commands), Arc::clone(&executor));
            let (clock, answer) = (Arc::clone(&clock), answer.clone());
            let (ending, awaited) = (Arc::clone(&ending), Arc::clone(&awaited));
            thread::spawn(move || {
                work(&commands, executor.as_ref(), &clock, &answer, &ending, &awaited);
                // Whoever waits for the last answer opens the executors' ledger next.
                drop(executor);
                drop(answer);
            });
        }
        Self { ending, awaited, name: executor.name().to_owned(), clock, queue, answer, answers }
    }

    /// Hands a command to a worker; never blocks. A full queue is answered as a failure that
    /// may be retried, because nothing was done.
    pub fn submit(&self, command: Command) {
        let (command, why) = match self.queue.try_send(command) {
            Ok(()) => return,
            Err(TrySendError::Full(command)) => (command, "all workers are busy and the queue is full"),
            Err(TrySendError::Disconnected(command)) => (command, "no worker is left"),
        };
        let _ = self.answer.send(Completion {
            attempt_key: command.attempt_key(),
            at: (self.clock)(),
            executor: self.name.clone(),
            verdict: Verdict::Failed { retryable: true },
            detail: why.to_owned(),
        });
    }

    /// The answers that have come.
    #[must_use]
    pub fn completions(&self) -> Vec<Completion> {
        self.answers.try_iter().collect()
    }

    /// The next answer; none if none comes within `patience`.
    #[must_use]
    pub fn wait(&self, patience: Duration) -> Option<Completion> {
        self.answers.recv_timeout(patience).ok()
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.ending.store(true, Ordering::SeqCst);
        // Both ends of the pool's own go, so that the answers end when the last worker has.
        self.queue = sync_channel(0).0;
        self.answer = channel().0;
        let begin = Instant::now();
        while begin.elapsed() < LAST_ANSWERS {
            match self.answers.recv_timeout(LOOK) {
                Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) if self.awaited.load(Ordering::SeqCst) == 0 => return,
                Ok(_) | Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }
}

fn work(
    commands: &Mutex<Receiver<Command>>,
    executor: &dyn Executor,
    clock: &Clock,
    answer: &Sender<Completion>,
    ending: &AtomicBool,
    awaited: &AtomicUsize,
) {
    loop {
        let next = commands.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(command) = next else { return };
        // What an executor remembers it answers again to whoever comes next.
        let awaits = usize::from(!executor.remembers(&command));
        awaited.fetch_add(awaits, Ordering::SeqCst);
        if ending.load(Ordering::SeqCst) {
            awaited.fetch_sub(awaits, Ordering::SeqCst);
            return;
        }
        let done = catch_unwind(AssertUnwindSafe(|| executor.execute(&command)));
        let (verdict, detail) = done.unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
            let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
            let verdict = if seeded::on(Bug::PanicIsSuccess) { Verdict::Succeeded } else { Verdict::Unknown };
            (verdict, format!("the executor panicked: {text}"))
        });
        let completion = Completion {
            attempt_key: command.attempt_key(),
            at: clock(),
            executor: executor.name().to_owned(),
            verdict,
            detail,
        };
        let gone = answer.send(completion).is_err();
        awaited.fetch_sub(awaits, Ordering::SeqCst);
        if gone {
            return;
        }
    }
}
