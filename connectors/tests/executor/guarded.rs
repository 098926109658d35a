//! What stands before an executor: circuits and the bulkhead.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use proptest::prelude::*;
use serde_json::json;
use theriac_connectors::executor::{
    Breaker, BreakerSettings, Circuit, Guarded, Ledger, LedgerLimits, Refusal, Settings, check,
};
use theriac_contract::{Command, Executor, Interval, Timestamp, Verdict};

use crate::{clock, command};

/// What happens to a breaker.
#[derive(Clone, Debug)]
enum Event {
    /// Somebody asks for leave, so many seconds after the event before.
    Asked { class: usize, after: i64 },
    /// One of those under way ends.
    Ended { which: usize, well: bool },
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let asked = (0..2_usize, 0..12_i64).prop_map(|(class, after)| Event::Asked { class, after });
    let ended =
        (any::<usize>(), prop::bool::weighted(0.4)).prop_map(|(which, well)| Event::Ended { which, well });
    prop::collection::vec(prop_oneof![asked, ended], 0..200)
}

fn settings() -> impl Strategy<Value = BreakerSettings> {
    (1..4_usize, 0..4_usize, 1..30_i64, 0.0..1.0, 1..5_usize).prop_map(
        |(failures, more, open, jitter, most)| {
            let open_for = Interval::from_seconds(open);
            BreakerSettings { failures, of: failures + more, open_for, jitter, at_once_max: most }
        },
    )
}

const CLASSES: [&str; 2] = ["cart", "payment"];

proptest! {
    /// Against a model that counts by itself: never more at once than may be, nothing goes through an
    /// open circuit, one alone through a half-open one, whose success closes it and whose failure opens
    /// it again; and a closed one opens with just that failure which is one too many.
    #[test]
    fn the_state_machine_keeps_its_promises(settings in settings(), events in events()) {
        let mut breaker = Breaker::new("local", settings.clone());
        let mut again = Breaker::new("local", settings.clone());
        let (mut permits, mut copies) = (Vec::new(), Vec::new());
        let mut now = Timestamp::from_seconds(1_000);
        // By class: how the commands since it was closed went, and how often it was opened.
        let mut ends: BTreeMap<usize, VecDeque<bool>> = BTreeMap::new();
        let mut openings: BTreeMap<usize, u32> = BTreeMap::new();
        for event in events {
            match event {
                Event::Asked { class, after } => {
                    now = now.plus(Interval::from_seconds(after));
                    let (before, under_way) = (breaker.circuit(CLASSES[class]), permits.len());
                    let given = breaker.admit(CLASSES[class], now);
                    let copy = again.admit(CLASSES[class], now);
                    prop_assert_eq!(&given, &copy, "the same events, the same decisions");
                    match (before, given) {
                        (Circuit::Open { until }, Err(Refusal::Open { until: told, .. })) => {
                            prop_assert!(now < until && told == until);
                        }
                        (Circuit::Open { until }, Ok(permit)) => {
                            prop_assert!(now >= until && permit.is_probe());
                            prop_assert_eq!(breaker.circuit(CLASSES[class]), Circuit::HalfOpen);
                            permits.push((class, openings.get(&class).copied(), permit));
                            copies.extend(copy.ok());
                        }
                        (Circuit::HalfOpen, given) => {
                            prop_assert_eq!(given, Err(Refusal::Probing { class: CLASSES[class].to_owned() }));
                        }
                        (Circuit::Closed, Ok(permit)) => {
                            prop_assert!(!permit.is_probe());
                            permits.push((class, openings.get(&class).copied(), permit));
                            copies.extend(copy.ok());
                        }
                        (_, Err(Refusal::Full(many))) => {
                            prop_assert!(many == under_way && many == settings.at_once_max);
                        }
                        (before, given) => prop_assert!(false, "{:?} gave {:?}", before, given),
                    }
                    prop_assert!(permits.len() <= settings.at_once_max);
                }
                Event::Ended { .. } if permits.is_empty() => {}
                Event::Ended { which, well } => {
                    let at = which % permits.len();
                    let (class, after, permit) = permits.remove(at);
                    let (probe, before) = (permit.is_probe(), breaker.circuit(CLASSES[class]));
                    breaker.ended(permit, well);
                    again.ended(copies.remove(at), well);
                    let known = ends.entry(class).or_default();
                    let counts = !probe && before == Circuit::Closed && after == openings.get(&class).copied();
                    if probe && well {
                        known.clear();
                    } else if probe || counts {
                        known.push_back(well);
                        known.drain(..known.len().saturating_sub(settings.of));
                    }
                    let failed = known.iter().filter(|well| !**well).count();
                    let found = breaker.circuit(CLASSES[class]);
                    if probe && well {
                        prop_assert_eq!(found, Circuit::Closed);
                    } else if probe || (counts && failed >= settings.failures) {
                        let Circuit::Open { until } = found else {
                            return Err(TestCaseError::fail(format!("{found:?} after {failed} failures")));
                        };
                        let longest = settings.open_for.0 as f64 * (1.0 + settings.jitter);
                        prop_assert!(until >= now.plus(settings.open_for) && until.since(now).0 as f64 <= longest);
                        *openings.entry(class).or_default() += 1;
                    } else {
                        prop_assert_eq!(found, before);
                    }
                }
            }
            prop_assert_eq!(breaker.under_way(), permits.len());
        }
    }
}

/// Does what its parameter says, and counts.
#[derive(Default)]
struct Hand {
    acts: AtomicUsize,
    at_once: AtomicUsize,
    most: AtomicUsize,
}

impl Executor for Hand {
    fn name(&self) -> &str {
        "hand"
    }

    fn execute(&self, command: &Command) -> (Verdict, String) {
        self.acts.fetch_add(1, Ordering::SeqCst);
        let now = 1 + self.at_once.fetch_add(1, Ordering::SeqCst);
        self.most.fetch_max(now, Ordering::SeqCst);
        let how = command.action.parameters.get("how").map_or("well", String::as_str);
        if how == "slow" {
            thread::sleep(Duration::from_millis(50));
        }
        self.at_once.fetch_sub(1, Ordering::SeqCst);
        assert!(how != "panic", "as it was told");
        (if how == "ill" { Verdict::Failed { retryable: true } } else { Verdict::Succeeded }, how.to_owned())
    }
}

fn told(how: &str, target: &str, second: i64) -> Command {
    let mut command = command("restart", target, Interval::from_seconds(1));
    command.action.parameters.insert("how".to_owned(), how.to_owned());
    command.issued = Timestamp::from_seconds(second);
    command
}

const TWO: BreakerSettings =
    BreakerSettings { failures: 2, of: 3, open_for: Interval::from_seconds(10), jitter: 0.0, at_once_max: 2 };

#[test]
fn what_is_refused_failed_for_a_reason_and_may_be_tried_again() {
    let hand = Arc::new(Hand::default());
    let guarded = Guarded::new(Arc::clone(&hand) as Arc<dyn Executor>, TWO);
    guarded.execute(&told("ill", "cart/cart-1", 100));
    guarded.execute(&told("ill", "cart/cart-2", 101));
    let refused = guarded.execute(&told("well", "cart", 105));
    let why = "not done: the circuit to cart is open until 1970-01-01T00:01:51.000000000Z: 2 of the last commands failed";
    assert_eq!(refused, (Verdict::Failed { retryable: true }, why.to_owned()));
    assert_eq!(hand.acts.load(Ordering::SeqCst), 2, "nothing went through");
    assert_eq!(guarded.execute(&told("well", "payment", 105)).0, Verdict::Succeeded, "another service");
    let dry = Command { dry_run: true, ..told("well", "cart", 105) };
    assert_eq!(guarded.execute(&dry).0, Verdict::Succeeded, "a dry run does nothing");
    assert_eq!(guarded.execute(&told("well", "cart", 111)).0, Verdict::Succeeded, "its time is over");
    assert_eq!(guarded.execute(&told("well", "cart", 111)).0, Verdict::Succeeded, "closed again");
}

#[test]
fn a_panic_gives_leave_back_and_counts_as_a_failure() {
    let guarded = Guarded::new(Arc::new(Hand::default()), TWO);
    for second in 0..2 {
        let panicking = std::panic::AssertUnwindSafe(|| guarded.execute(&told("panic", "cart", second)));
        assert!(std::panic::catch_unwind(panicking).is_err());
    }
    assert!(guarded.execute(&told("well", "cart", 2)).1.contains("circuit to cart is open"));
    assert_eq!(guarded.execute(&told("well", "shop", 2)).0, Verdict::Succeeded, "there is room");
}

#[test]
fn no_more_at_once_than_may_be() {
    let hand = Arc::new(Hand::default());
    let guarded = Arc::new(Guarded::new(Arc::clone(&hand) as Arc<dyn Executor>, TWO));
    let workers: Vec<_> = (0..8)
        .map(|n| {
            let guarded = Arc::clone(&guarded);
            thread::spawn(move || guarded.execute(&told("slow", &format!("service-{n}"), n)))
        })
        .collect();
    let answers: Vec<_> = workers.into_iter().map(|worker| worker.join().expect("no panic")).collect();
    let refused = (
        Verdict::Failed { retryable: true },
        "not done: 2 commands are under way, as many as may be at once",
    );
    let through = answers.iter().filter(|(verdict, _)| *verdict == Verdict::Succeeded).count();
    assert!(through >= 2 && hand.most.load(Ordering::SeqCst) <= 2, "{answers:?}");
    assert!(
        answers.iter().all(|(v, d)| *v == Verdict::Succeeded || (v, d.as_str()) == (&refused.0, refused.1))
    );
}

#[test]
fn an_answer_that_is_known_is_repeated_though_the_circuit_is_open() {
    let folder = tempfile::tempdir().expect("a folder");
    let guarded = Guarded::new(Arc::new(Hand::default()), BreakerSettings { failures: 1, of: 1, ..TWO });
    let ledger =
        Ledger::open(&folder.path().join("ledger"), LedgerLimits::default(), guarded).expect("opened");
    let done = told("well", "cart", 100);
    let answer = ledger.execute(&done);
    let ill = Command {
        idempotency_key: theriac_contract::Id::derive("step", &["ill"]),
        ..told("ill", "cart", 101)
    };
    ledger.execute(&ill);
    assert_eq!(ledger.execute(&done), answer);
    let next = Command { attempt: 2, issued: Timestamp::from_seconds(102), ..ill.clone() };
    assert!(ledger.execute(&next).1.starts_with("not done: the circuit to cart is open"));
    let mut later = Command { attempt: 3, issued: Timestamp::from_seconds(120), ..ill };
    later.action.parameters.insert("how".to_owned(), "well".to_owned());
    assert_eq!(ledger.execute(&later).0, Verdict::Succeeded, "what was refused was not done");
}

#[test]
fn settings_that_cannot_be_are_refused() {
    let refusal = |breaker: serde_json::Value| {
        let settings: Settings = serde_json::from_value(json!({ "breaker": breaker })).expect("read");
        check(&settings, None, &clock()).expect_err("refused").to_string()
    };
    assert_eq!(refusal(json!({ "failures": 11 })), "breaker: failures is 11; it must be from 1 to `of`, 10");
    assert_eq!(
        refusal(json!({ "at_once_max": 0 })),
        "breaker: at_once_max is 0, so nothing could be done; it must be at least 1"
    );
    assert_eq!(refusal(json!({ "open_for": "0s" })), "breaker: open_for must be longer than nothing");
    assert_eq!(refusal(json!({ "jitter": 1.5 })), "breaker: jitter is 1.5; it must be from 0 to 1");
    let settings: Settings = serde_json::from_value(
        json!({ "breakers": { "hook": {} }, "executors": { "hooks": { "kind": "log" } } }),
    )
    .expect("read");
    assert_eq!(
        check(&settings, None, &clock()).expect_err("refused").to_string(),
        "breakers.hook: executor `hook` is not defined; there are: hooks"
    );
}
