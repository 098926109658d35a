//! Executors that panic, hang, or are too many.

use std::{
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use theriac_connectors::executor::{Pool, PoolSettings};
use theriac_contract::{Command, Executor, Interval, Timestamp, Verdict};

use crate::{clock, command};

/// Panics, or hangs until the gate opens, or succeeds: by the verb.
#[derive(Default)]
struct Moody {
    gate: Mutex<bool>,
    opened: Condvar,
    entered: AtomicBool,
}

impl Executor for Moody {
    fn name(&self) -> &str {
        "moody"
    }

    fn execute(&self, command: &Command) -> (Verdict, String) {
        assert!(command.action.verb != "panic", "on purpose");
        if command.action.verb == "hang" {
            self.entered.store(true, Ordering::SeqCst);
            let mut open = self.gate.lock().expect("no panic");
            while !*open {
                open = self.opened.wait(open).expect("no panic");
            }
        }
        (Verdict::Succeeded, command.action.verb.clone())
    }
}

const PATIENCE: Duration = Duration::from_secs(60);

fn of(verb: &str, n: usize) -> Command {
    command(verb, &format!("target-{n}"), Interval::from_seconds(1))
}

#[test]
fn a_panic_is_an_answer_and_the_worker_goes_on() {
    let pool = Pool::new(&PoolSettings { workers: 1, queue_max: 8 }, Arc::new(Moody::default()), clock());
    pool.submit(of("panic", 0));
    pool.submit(of("do", 1));
    let first = pool.wait(PATIENCE).expect("an answer");
    assert_eq!((first.attempt_key, first.verdict), (of("panic", 0).attempt_key(), Verdict::Unknown));
    assert!(first.detail.contains("on purpose"));
    let second = pool.wait(PATIENCE).expect("an answer");
    assert_eq!((second.attempt_key, second.verdict), (of("do", 1).attempt_key(), Verdict::Succeeded));
    assert_eq!((second.at, second.executor.as_str()), (Timestamp::from_seconds(1_700_000_000), "moody"));
}

#[test]
fn hanging_executors_fill_the_queue_but_never_block() {
    let moody = Arc::new(Moody::default());
    let executor: Arc<dyn Executor> = Arc::<Moody>::clone(&moody);
    let pool = Pool::new(&PoolSettings { workers: 1, queue_max: 2 }, executor, clock());
    pool.submit(of("hang", 0));
    while !moody.entered.load(Ordering::SeqCst) {
        std::thread::yield_now();
    }
    (1..6).for_each(|n| pool.submit(of("do", n)));
    let refused = pool.completions();
    assert_eq!(refused.len(), 3, "two wait, three are told at once");
    assert!(refused.iter().all(|c| c.verdict == Verdict::Failed { retryable: true }));
    assert!(pool.wait(Duration::from_millis(20)).is_none());
    *moody.gate.lock().expect("no panic") = true;
    moody.opened.notify_all();
    let done = (0..3).map(|_| pool.wait(PATIENCE).expect("an answer")).collect::<Vec<_>>();
    assert!(done.iter().all(|c| c.verdict == Verdict::Succeeded));
}

/// Whoever stops a service gets the answer of what is under way into the ledger, and begins nothing.
#[test]
fn a_pool_that_ends_waits_for_what_is_under_way() {
    let moody = Arc::new(Moody::default());
    let executor: Arc<dyn Executor> = Arc::<Moody>::clone(&moody);
    let pool = Pool::new(&PoolSettings { workers: 1, queue_max: 8 }, executor, clock());
    pool.submit(of("hang", 0));
    while !moody.entered.load(Ordering::SeqCst) {
        std::thread::yield_now();
    }
    moody.entered.store(false, Ordering::SeqCst);
    pool.submit(of("hang", 1));
    let dropped = std::thread::spawn(move || drop(pool));
    std::thread::sleep(Duration::from_millis(50));
    assert!(!dropped.is_finished(), "a command is under way");
    *moody.gate.lock().expect("no panic") = true;
    moody.opened.notify_all();
    dropped.join().expect("no panic");
    assert!(!moody.entered.load(Ordering::SeqCst), "the second was not to be begun");
    assert_eq!(Arc::strong_count(&moody), 1, "no worker holds the executor any more");
}
