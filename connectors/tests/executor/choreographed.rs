//! Executors that hand stages to each other, with crashes at every point and every kind of failure.

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::{Arc, Mutex},
};

use proptest::prelude::*;
use theriac_connectors::{
    executor::{Ledger, LedgerLimits, Member, Turn, hand_out},
    topics::Memory,
};
use theriac_contract::{
    Action, Autonomy, Command, Ending, Entity, Executor, FaultClass, Id, Interval, Plan, PlanStage, Record,
    Retry, Slip, Step, StoredRecord, Timestamp, Topic, TopicError, Topics, Verdict,
};

/// What becomes of one call of an executor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mood {
    Well,
    FailsForNow,
    FailsForGood,
    TimesOutUndone,
    TimesOutDone,
    CrashesBefore,
    CrashesAfter,
    /// It is done, and the process dies before that is handed on.
    CrashesLater,
}

fn mood() -> impl Strategy<Value = Mood> {
    prop_oneof![
        8 => Just(Mood::Well),
        2 => Just(Mood::FailsForNow),
        1 => Just(Mood::FailsForGood),
        1 => Just(Mood::TimesOutUndone),
        1 => Just(Mood::TimesOutDone),
        1 => Just(Mood::CrashesBefore),
        1 => Just(Mood::CrashesAfter),
        3 => Just(Mood::CrashesLater),
    ]
}

/// The world that they act on, and what fate has in store.
#[derive(Default)]
struct World {
    moods: Vec<Mood>,
    calls: usize,
    /// How often each step was done, and undone.
    acts: BTreeMap<(u32, bool), u32>,
    /// The next commit fails: the process is gone.
    dies: bool,
}

struct Hand(Arc<Mutex<World>>);

impl Executor for Hand {
    fn name(&self) -> &str {
        "hand"
    }

    fn execute(&self, command: &Command) -> (Verdict, String) {
        let mut world = self.0.lock().expect("whole");
        let mood = world.moods[world.calls % world.moods.len()];
        world.calls += 1;
        if matches!(mood, Mood::Well | Mood::TimesOutDone | Mood::CrashesAfter | Mood::CrashesLater) {
            *world.acts.entry((command.step, command.compensation)).or_default() += 1;
        }
        world.dies |= mood == Mood::CrashesLater;
        drop(world);
        let verdict = match mood {
            Mood::Well | Mood::CrashesLater => Verdict::Succeeded,
            Mood::FailsForNow => Verdict::Failed { retryable: true },
            Mood::FailsForGood => Verdict::Failed { retryable: false },
            Mood::TimesOutUndone | Mood::TimesOutDone => Verdict::TimedOut,
            Mood::CrashesBefore | Mood::CrashesAfter => std::panic::panic_any("as it was told"),
        };
        (verdict, format!("{mood:?}"))
    }
}

/// A store whose commits fail when a process dies.
struct Mortal(Memory, Arc<Mutex<World>>);

impl Topics for Mortal {
    fn partitions(&self, topic: Topic) -> u32 {
        self.0.partitions(topic)
    }

    fn append(&mut self, topic: Topic, partition: u32, records: &[Record]) -> Result<u64, TopicError> {
        self.0.append(topic, partition, records)
    }

    fn commit_position(
        &mut self,
        group: &str,
        topic: Topic,
        partition: u32,
        next: u64,
    ) -> Result<(), TopicError> {
        self.0.commit_position(group, topic, partition, next)
    }

    fn commit(&mut self) -> Result<(), TopicError> {
        if std::mem::take(&mut self.1.lock().expect("whole").dies) {
            self.0.abort()?;
            return Err(TopicError::Fenced("the process is gone".to_owned()));
        }
        self.0.commit()
    }

    fn abort(&mut self) -> Result<(), TopicError> {
        self.0.abort()
    }

    fn read(
        &self,
        topic: Topic,
        partition: u32,
        from: u64,
        bytes_max: usize,
    ) -> Result<Vec<StoredRecord>, TopicError> {
        self.0.read(topic, partition, from, bytes_max)
    }

    fn start(&self, topic: Topic, partition: u32) -> u64 {
        self.0.start(topic, partition)
    }

    fn end(&self, topic: Topic, partition: u32) -> u64 {
        self.0.end(topic, partition)
    }

    fn position(&self, group: &str, topic: Topic, partition: u32) -> Option<u64> {
        self.0.position(group, topic, partition)
    }
}

/// A plan of one stage; each step with whether it can be undone.
fn plan(steps: &[bool]) -> Plan {
    let action = |verb: &str, index: u32| Action {
        verb: verb.to_owned(),
        target: Entity(format!("service-{index}")),
        parameters: [].into(),
    };
    let steps = (0_u32..).zip(steps).map(|(index, undo)| Step {
        index,
        action: action("do", index),
        precondition: "always".to_owned(),
        expected_effect: "it is done".to_owned(),
        timeout: Interval::from_seconds(10),
        settle: Interval(0),
        retry: Retry::default(),
        idempotency_key: Id::derive("step", &[index.to_string()]),
        compensation: undo.then(|| action("undo", index)),
        verify_within: Interval(0),
    });
    Plan {
        schema_version: 1,
        id: Id(String::new()),
        at: Timestamp::from_seconds(0),
        expires: Timestamp::from_seconds(600),
        domain: "shop".to_owned(),
        incident: Id::derive("incident", &["i"]),
        incident_revision: 0,
        cause: Entity("service-0".to_owned()),
        fault: "hang".to_owned(),
        class: FaultClass::Permanent,
        playbook: "p".to_owned(),
        strategy: "s".to_owned(),
        escalation: 0,
        candidates: Vec::new(),
        stages: vec![PlanStage { name: "only".to_owned(), steps: steps.collect() }],
        dry_run: false,
        autonomy: Autonomy::Act,
        awaiting: None,
        propensity: 1.0,
        knowledge_version: 0,
        policy_version: String::new(),
    }
    .sealed()
}

const NAMES: [&str; 3] = ["a", "b", "c"];

/// Who does what: neighbours are different executors, and another one undoes.
fn who(verb: &str, target: &Entity) -> Option<String> {
    let number: usize = target.as_str().strip_prefix("service-")?.parse().ok()?;
    Some(NAMES[(number + usize::from(verb == "undo")) % NAMES.len()].to_owned())
}

fn member(name: &str, folder: &Path, world: &Arc<Mutex<World>>) -> Member<Ledger<Hand>> {
    let ledger = Ledger::open(&folder.join(name), LedgerLimits::default(), Hand(Arc::clone(world)));
    Member::new(name, ledger.expect("a ledger"))
}

/// Has them act by turns until the stage is over. Whoever dies is made anew.
fn played(plan: &Plan, moods: &[Mood], late: i64) -> (Slip, BTreeMap<(u32, bool), u32>, Mortal) {
    let folder = tempfile::tempdir().expect("a folder");
    let world = Arc::new(Mutex::new(World { moods: moods.to_vec(), ..World::default() }));
    let mut topics = Mortal(Memory::default(), Arc::clone(&world));
    let slip = Slip::of(plan, 0, 7, Timestamp::from_seconds(0), who).expect("a slip");
    hand_out(&mut topics, &slip).expect("it is stored");
    let mut members: Vec<_> = NAMES.iter().map(|name| Some(member(name, folder.path(), &world))).collect();
    for second in 0..2_000 {
        let which = second as usize % NAMES.len();
        let now = Timestamp::from_seconds(second + late);
        let taken = members[which].as_mut().expect("it lives");
        let turn = catch_unwind(AssertUnwindSafe(|| taken.turn(&mut topics, now)));
        match turn {
            Ok(Ok(Turn::HandedOn(slip))) if slip.ending().is_some() => {
                let acts = world.lock().expect("whole").acts.clone();
                return (*slip, acts, topics);
            }
            Ok(Ok(_)) => {}
            Ok(Err(_)) | Err(_) => {
                members[which] = None;
                members[which] = Some(member(NAMES[which], folder.path(), &world));
            }
        }
    }
    panic!("it does not come to its end");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, ..ProptestConfig::default() })]

    /// Whatever fails and wherever a process dies: each key acts at most once, and in the end all steps are
    /// done, or none is, or it is a dead letter that names each step that is left standing.
    #[test]
    fn the_end_is_the_goal_or_as_before_or_a_dead_letter_with_a_reason(
        steps in prop::collection::vec(prop::bool::weighted(0.8), 1..5),
        moods in prop::collection::vec(mood(), 1..16),
        late in prop_oneof![4 => Just(0_i64), 1 => 580..620_i64],
    ) {
        let plan = plan(&steps);
        let (slip, acts, topics) = played(&plan, &moods, late);
        for (key, count) in &acts {
            prop_assert!(*count <= 1, "{key:?} was done {count} times");
        }
        let stands = |step: u32| acts.contains_key(&(step, false)) && !acts.contains_key(&(step, true));
        let left: Vec<u32> = (0..steps.len() as u32).filter(|step| stands(*step)).collect();
        let letters = topics.end(Topic::DeadLetters, 0);
        match slip.ending().expect("over") {
            Ending::Goal => {
                prop_assert_eq!(left.len(), steps.len());
                prop_assert_eq!(acts.len(), steps.len(), "nothing was undone");
                prop_assert_eq!(letters, 0);
            }
            Ending::Before { reason } => {
                prop_assert!(left.is_empty(), "{left:?} are left standing");
                prop_assert!(!reason.is_empty());
                prop_assert_eq!(letters, 0);
            }
            Ending::DeadLetter { reason } => {
                for step in left {
                    prop_assert!(reason.contains(&format!("step {step} ")), "step {step} is not in: {reason}");
                }
                prop_assert_eq!(letters, 1, "it is told once");
            }
        }
        // What can be undone is undone before what was done earlier, and nothing is undone that was not done.
        for (step, undone) in acts.keys() {
            prop_assert!(!undone || acts.contains_key(&(*step, false)));
        }
    }
}

#[test]
fn a_step_is_taken_by_the_next_executor_and_undone_the_same_way_back() {
    let plan = plan(&[true, true, true]);
    let (slip, acts, _) = played(&plan, &[Mood::Well], 0);
    assert_eq!((slip.ending(), acts.len()), (Some(&Ending::Goal), 3));
    let moods = [Mood::Well, Mood::Well, Mood::FailsForGood, Mood::Well, Mood::Well];
    let (slip, acts, topics) = played(&plan, &moods, 0);
    let reason = "step 2 failed: FailsForGood".to_owned();
    assert_eq!(slip.ending(), Some(&Ending::Before { reason }));
    assert_eq!(acts.keys().copied().collect::<Vec<_>>(), [(0, false), (0, true), (1, false), (1, true)]);
    let read = topics.read(Topic::Plans, 0, 0, usize::MAX).expect("slips");
    let holders: Vec<String> = read
        .iter()
        .map(|stored| serde_json::from_slice::<Slip>(&stored.record.value).expect("a slip"))
        .map(|slip| slip.holder().unwrap_or("over").to_owned())
        .collect();
    // Each step twice, when it begins and when it is handed on; undone by the neighbour.
    assert_eq!(holders, ["a", "a", "b", "b", "c", "c", "c", "b", "over"]);
}

#[test]
fn what_is_too_late_does_not_begin_and_what_has_begun_is_asked_about() {
    let plan = plan(&[true, true]);
    let (slip, acts, _) = played(&plan, &[Mood::Well], 601);
    let reason = "it expired before step 0 began".to_owned();
    assert_eq!((slip.ending(), acts.len()), (Some(&Ending::Before { reason }), 0));
    // The process dies after it acted, in time; whoever comes next is too late, and asks all the same.
    let (slip, acts, _) = played(&plan, &[Mood::CrashesLater, Mood::Well], 599);
    let reason = "it expired before step 1 began".to_owned();
    assert_eq!(slip.ending(), Some(&Ending::Before { reason }));
    assert_eq!(acts.keys().copied().collect::<Vec<_>>(), [(0, false), (0, true)]);
}

#[test]
fn who_does_nothing_of_it_is_told() {
    let nobody = Slip::of(&plan(&[true]), 0, 7, Timestamp::from_seconds(0), |verb, _| {
        (verb == "do").then(|| "a".into())
    });
    assert_eq!(nobody.expect_err("an error"), "nobody does undo on service-0");
    let plan = plan(&[true]);
    let none = Slip::of(&plan, 1, 7, Timestamp::from_seconds(0), who).expect_err("an error");
    assert_eq!(none, format!("{} has no steps in stage 1", plan.id.short()));
}
