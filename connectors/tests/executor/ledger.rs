//! At most once, whatever the crash left of the file.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    sync::{Arc, Mutex},
};

use theriac_connectors::executor::{Ledger, LedgerError, LedgerLimits};
use theriac_contract::{Command, Executor, Id, Interval, Verdict};

use crate::command;

/// Counts what it really did, and answers the attempts of a key in this order.
#[derive(Clone, Default)]
struct Hand {
    acts: Arc<Mutex<BTreeMap<Id, u32>>>,
    answers: Vec<Verdict>,
}

impl Hand {
    fn acted(&self, command: &Command) -> u32 {
        self.acts.lock().expect("no panic").get(&command.idempotency_key).copied().unwrap_or(0)
    }
}

impl Executor for Hand {
    fn name(&self) -> &str {
        "hand"
    }

    fn execute(&self, command: &Command) -> (Verdict, String) {
        *self.acts.lock().expect("no panic").entry(command.idempotency_key.clone()).or_default() += 1;
        let answer = self.answers.get(command.attempt as usize - 1).cloned().unwrap_or(Verdict::Succeeded);
        (answer, format!("attempt {}", command.attempt))
    }
}

fn on(target: &str, attempt: u32, token: u64) -> Command {
    Command { attempt, fencing_token: token, ..command("restart", target, Interval::from_seconds(1)) }
}

fn open(path: &Path, hand: &Hand) -> Ledger<Hand> {
    Ledger::open(path, LedgerLimits::default(), hand.clone()).expect("the ledger opens")
}

#[test]
fn answers_are_repeated_across_restarts() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("ledger");
    for verdict in
        [Verdict::Succeeded, Verdict::Failed { retryable: false }, Verdict::TimedOut, Verdict::Unknown]
    {
        let _ = fs::remove_file(&path);
        let hand = Hand { answers: vec![verdict.clone()], ..Hand::default() };
        let first = open(&path, &hand).execute(&on("a", 1, 1));
        assert_eq!(first, (verdict, "attempt 1".to_owned()));
        let again = open(&path, &hand);
        assert_eq!(again.execute(&on("a", 1, 1)), first);
        assert_eq!(again.execute(&on("a", 2, 1)), first, "another attempt of what is settled");
        assert_eq!(hand.acted(&on("a", 1, 1)), 1);
    }
}

#[test]
fn only_a_failure_that_may_be_retried_lets_the_next_attempt_act() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("ledger");
    let hand = Hand { answers: vec![Verdict::Failed { retryable: true }], ..Hand::default() };
    let ledger = open(&path, &hand);
    let failed = ledger.execute(&on("a", 1, 1));
    assert_eq!(ledger.execute(&on("a", 1, 1)), failed, "the same attempt again");
    drop(ledger);
    let ledger = open(&path, &hand);
    assert_eq!(ledger.execute(&on("a", 2, 1)), (Verdict::Succeeded, "attempt 2".to_owned()));
    assert_eq!(hand.acted(&on("a", 1, 1)), 2);
}

#[test]
fn stale_tokens_are_fenced_across_restarts() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("ledger");
    let hand = Hand::default();
    open(&path, &hand).execute(&on("a", 1, 5));
    let ledger = open(&path, &hand);
    let mut stale = on("a", 1, 4);
    stale.idempotency_key = Id::derive("step", &["another"]);
    let (verdict, detail) = ledger.execute(&stale);
    assert_eq!(verdict, Verdict::Failed { retryable: false });
    assert!(detail.starts_with("fenced: token 4 is older than 5"), "{detail}");
    assert_eq!(hand.acted(&stale), 0);
    assert_eq!(ledger.execute(&on("b", 1, 4)).0, Verdict::Succeeded, "tokens are by target");
}

#[test]
fn dry_runs_leave_no_trace() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("ledger");
    let ledger = open(&path, &Hand::default());
    ledger.execute(&Command { dry_run: true, ..on("a", 1, 9) });
    assert_eq!(fs::metadata(&path).expect("a file").len(), 0);
    assert_eq!(ledger.execute(&on("a", 1, 1)).0, Verdict::Succeeded);
}

#[test]
fn one_process_at_a_time() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("ledger");
    let _held = open(&path, &Hand::default());
    assert!(matches!(
        Ledger::open(&path, LedgerLimits::default(), Hand::default()),
        Err(LedgerError::InUse(_))
    ));
}

/// The process died when so many bytes were on disk: what had been acted upon by then is
/// every `begun` that is whole, because the executor is called only after it is on disk.
#[test]
fn killed_at_every_byte_nothing_is_done_twice() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("ledger");
    let sent = [on("a", 1, 1), on("b", 1, 2), on("a/1", 1, 3)];
    let mut after_begun = Vec::new();
    {
        let ledger = open(&path, &Hand::default());
        for command in &sent {
            ledger.execute(command);
        }
    }
    let whole = fs::read(&path).expect("the ledger");
    let mut length = 0;
    for (n, line) in whole.split_inclusive(|byte| *byte == b'\n').enumerate() {
        length += line.len();
        if n % 2 == 0 {
            after_begun.push(length);
        }
    }
    assert_eq!(after_begun.len(), sent.len());
    for length in 0..=whole.len() {
        let cut = folder.path().join("cut");
        fs::write(&cut, &whole[..length]).expect("written");
        let hand = Hand::default();
        let ledger = open(&cut, &hand);
        for (command, begun) in sent.iter().zip(&after_begun) {
            let before = u32::from(length >= *begun);
            let (verdict, _) = ledger.execute(command);
            assert_eq!(hand.acted(command) + before, 1, "cut at {length}");
            let expected = [Verdict::Succeeded, Verdict::Unknown];
            assert!(expected.contains(&verdict));
            assert!(before == 1 || verdict == Verdict::Succeeded);
        }
        drop(ledger);
        let again = open(&cut, &hand);
        sent.iter().for_each(|command| drop(again.execute(command)));
        let acts: u32 = sent.iter().map(|command| hand.acted(command)).sum();
        let before = after_begun.iter().filter(|begun| length >= **begun).count() as u32;
        assert_eq!(acts + before, 3, "cut at {length}, second restart");
    }
}

#[test]
fn damage_is_not_passed_over() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("ledger");
    {
        let ledger = open(&path, &Hand::default());
        ledger.execute(&on("a", 1, 1));
        ledger.execute(&on("b", 1, 2));
    }
    let whole = fs::read(&path).expect("the ledger");
    // The last line feed stands for the end of a write: without it, the line was broken off.
    for position in 0..whole.len() - 1 {
        let mut damaged = whole.clone();
        damaged[position] ^= 1;
        fs::write(&path, &damaged).expect("written");
        let line = 1 + whole[..position].iter().filter(|byte| **byte == b'\n').count();
        match Ledger::open(&path, LedgerLimits::default(), Hand::default()).err() {
            Some(LedgerError::Damaged { line: found, .. }) => assert_eq!(found, line, "byte {position}"),
            other => panic!("byte {position}: {other:?}"),
        }
    }
}

/// Small enough that a test reaches them.
const SMALL: LedgerLimits = LedgerLimits { answers_max: 10, bytes: 8192 };

fn small(path: &Path, hand: &Hand) -> Ledger<Hand> {
    Ledger::open(path, SMALL, hand.clone()).expect("the ledger opens")
}

/// The n-th command of many for a few targets, each with a newer token.
fn nth(n: u64) -> Command {
    let mut command = on(["a", "b", "c"][n as usize % 3], 1, n);
    command.idempotency_key = Id::derive("step", &[n.to_string()]);
    command
}

#[test]
fn the_file_stays_small_and_nothing_is_done_twice() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("ledger");
    let hand = Hand::default();
    // A step of the newest plan for a target that is never heard of again.
    let lonely = on("d", 1, 1);
    {
        let ledger = small(&path, &hand);
        ledger.execute(&lonely);
        for n in 2..500 {
            assert_eq!(ledger.execute(&nth(n)).0, Verdict::Succeeded);
            let length = fs::metadata(&path).expect("a file").len();
            assert!(length < 2 * SMALL.bytes, "{length} bytes after {n} commands");
        }
    }
    let ledger = small(&path, &hand);
    let done = (Verdict::Succeeded, "attempt 1".to_owned());
    assert_eq!(ledger.execute(&lonely), done, "the newest of its target");
    assert_eq!(ledger.execute(&nth(499)), done, "the newest of all");
    let (verdict, detail) = ledger.execute(&nth(2));
    assert_eq!(verdict, Verdict::Failed { retryable: false }, "{detail}");
    assert!(detail.starts_with("fenced: token 2 is older than"), "{detail}");
    for n in 2..500 {
        ledger.execute(&nth(n));
        assert_eq!(hand.acted(&nth(n)), 1, "command {n}");
    }
}

#[test]
fn what_was_begun_and_not_ended_is_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("ledger");
    let hand = Hand::default();
    small(&path, &hand).execute(&on("d", 1, 1));
    let begun = fs::read(&path).expect("the ledger");
    let line = begun.iter().position(|byte| *byte == b'\n').expect("lines");
    fs::write(&path, &begun[..=line]).expect("written");
    {
        let ledger = small(&path, &hand);
        (2..500).for_each(|n| drop(ledger.execute(&nth(n))));
    }
    let (verdict, detail) = small(&path, &hand).execute(&on("d", 1, 1));
    assert_eq!(
        (verdict, detail.as_str()),
        (Verdict::Unknown, "attempt 1 was begun and its end is not known")
    );
    assert_eq!(hand.acted(&on("d", 1, 1)), 1);
}

/// Killed while the file was being written anew: any part of the new one may lie beside the
/// old one, or it may have taken its place.
#[test]
fn killed_while_it_is_written_anew_nothing_is_done_twice() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("ledger");
    let hand = Hand::default();
    let (mut old, mut anew, mut last) = (Vec::new(), Vec::new(), 0);
    {
        let ledger = small(&path, &hand);
        for n in 1.. {
            ledger.execute(&nth(n));
            anew = fs::read(&path).expect("the ledger");
            last = n;
            if anew.len() < old.len() {
                break;
            }
            old.clone_from(&anew);
        }
    }
    assert!(!anew.is_empty() && anew.len() < old.len());
    // What was answered for the command that led to it is in the new file alone.
    for (length, renamed) in (0..=anew.len()).step_by(7).map(|n| (n, false)).chain([(anew.len(), true)]) {
        let scratch = folder.path().join("ledger.new");
        fs::write(&scratch, &anew[..length]).expect("written");
        fs::write(&path, &old).expect("written");
        if renamed {
            fs::rename(&scratch, &path).expect("renamed");
        }
        let again = Hand::default();
        let ledger = small(&path, &again);
        assert!(!scratch.exists(), "what was half written is left");
        for n in 1..last {
            ledger.execute(&nth(n));
            assert_eq!(again.acted(&nth(n)), 0, "command {n}, {length} bytes");
        }
        assert_eq!(ledger.execute(&nth(last + 1)).0, Verdict::Succeeded);
    }
}

#[test]
fn a_file_that_is_no_ledger_is_left_as_it_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("theriac.yaml");
    fs::write(&path, "act:\n  ledger: theriac.yaml\n").expect("written");
    let opened = Ledger::open(&path, LedgerLimits::default(), Hand::default()).err();
    assert!(matches!(opened, Some(LedgerError::Damaged { line: 1, .. })), "{opened:?}");
    assert_eq!(fs::read_to_string(&path).expect("it is there"), "act:\n  ledger: theriac.yaml\n");
}
