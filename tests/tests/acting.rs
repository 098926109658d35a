//! A loop that acts on the world: whatever is broken off when, each command goes out after its
//! intent is durable, is done once, and leads to the same bytes.

#![allow(clippy::unwrap_used, reason = "a suite fails where it stands")]

use std::{
    cell::RefCell,
    collections::BTreeSet,
    path::{Path, PathBuf},
    rc::Rc,
    sync::Arc,
};

use theriac_connectors::{
    objects::Folder,
    read::{FileSettings, from_bytes},
    topics::{Embedded, Fsync, Settings as TopicSettings},
};
use theriac_contract::{
    Command, Completion, Fetch, Id, Interval, Outcome, OutcomeKind, Source, Topic, Topics, Verdict,
};
use theriac_engine::{
    CheckpointSettings, Driver, Environment, EnvironmentError, Next, Repeatable, Round, Settings, Setup,
};
use theriac_plan::Playbooks;
use theriac_tests::program::{assert_same, stored};

/// What outlives the loop: the keys under which an executor has acted. One that it knows it answers
/// without acting.
type World = Rc<RefCell<BTreeSet<Id>>>;

/// A service that leaks memory, and an executor that answers with the next round.
struct Leak {
    source: Box<dyn Source>,
    repeatable: Repeatable,
    ended: bool,
    folder: PathBuf,
    world: World,
    /// Lost with the loop.
    answers: Vec<Completion>,
    /// The process dies before it has sent anything.
    dies_before_sending: bool,
}

impl Leak {
    fn new(folder: &Path, repeatable: Repeatable, world: &World) -> Self {
        let rows = (0..1900).map(|second: i64| {
            let errors = if (1100..1300).contains(&second) { 90 + second % 7 } else { second % 5 };
            let leaked = if second < 1400 { 2 * (second - 1000).max(0) } else { 0 };
            let (minute, memory) = (second / 60, 100 + second % 3 + leaked);
            format!("2026-01-01T00:{minute:02}:{:02}Z,shop,shop-1,{memory},{errors}\n", second % 60)
        });
        let text = format!("timestamp,service,instance,memory,errors\n{}", rows.collect::<String>());
        Self {
            source: from_bytes("past.csv", text.into_bytes(), &FileSettings::default()),
            repeatable,
            ended: false,
            folder: folder.to_owned(),
            world: Rc::clone(world),
            answers: Vec::new(),
            dies_before_sending: false,
        }
    }

    fn read(&mut self) -> Result<Round, EnvironmentError> {
        Ok(match self.source.fetch(1200)? {
            Fetch::Batch(fetched) => Round { telemetry: fetched.telemetry, ..Round::default() },
            Fetch::Idle | Fetch::End => {
                self.ended = true;
                Round { end: true, ..Round::default() }
            }
        })
    }

    /// Whether the topics say that the command is meant.
    fn is_intended(&self, command: &Command) -> bool {
        let topics = Embedded::open_to_read(&self.folder.join("topics")).unwrap();
        let outcomes = topics.read(Topic::Outcomes, 0, 0, usize::MAX).unwrap();
        outcomes.iter().filter_map(|stored| serde_json::from_slice(&stored.record.value).ok()).any(
            |outcome: Outcome| {
                outcome.plan == command.plan
                    && outcome.step == Some(command.step)
                    && outcome.attempt == command.attempt
                    && matches!(outcome.kind, OutcomeKind::Intended | OutcomeKind::Compensating)
            },
        )
    }
}

impl Environment for Leak {
    fn next(&mut self) -> Result<Next, EnvironmentError> {
        if self.ended {
            return Ok(Next::End);
        }
        let completions = std::mem::take(&mut self.answers);
        Ok(Next::Round(Round { completions, ..self.read()? }))
    }

    fn dispatch(&mut self, commands: &[Command]) {
        if self.dies_before_sending {
            return;
        }
        for command in commands {
            assert!(self.is_intended(command), "{command:?} went out before its intent was durable");
            self.world.borrow_mut().insert(command.idempotency_key.clone());
            if !self.answers.iter().any(|answer| answer.attempt_key == command.attempt_key()) {
                self.answers.push(Completion {
                    attempt_key: command.attempt_key(),
                    at: command.issued.plus(Interval::from_seconds(1)),
                    executor: "hand".to_owned(),
                    verdict: Verdict::Succeeded,
                    detail: "done".to_owned(),
                });
            }
        }
    }

    fn position(&self) -> String {
        format!("{} {}", self.ended, self.source.position())
    }

    fn seek(&mut self, position: &str) -> Result<(), EnvironmentError> {
        let (ended, position) = position.split_once(' ').unwrap();
        self.ended = ended == "true";
        Ok(self.source.seek(position)?)
    }

    fn repeatable(&self) -> Repeatable {
        self.repeatable
    }

    fn again(&mut self, position: &str) -> Result<Round, EnvironmentError> {
        let round = self.read()?;
        assert_eq!(self.position(), position);
        Ok(Round { end: false, ..round })
    }
}

fn open(folder: &Path, repeatable: Repeatable, world: &World) -> Driver<Leak> {
    let mut settings = Settings {
        checkpoint: CheckpointSettings {
            every: Interval::from_seconds(270),
            keep: 100,
            ..Default::default()
        },
        ..Settings::default()
    };
    settings.plan.dry_run = false;
    let setup = Setup {
        settings,
        playbooks: Playbooks::builtin(),
        configuration: "c".to_owned(),
        introductions: Vec::new(),
    };
    let fsync = TopicSettings { fsync: Fsync::Never, ..TopicSettings::default() };
    let topics = Box::new(Embedded::open(&folder.join("topics"), fsync).unwrap());
    let leak = Leak::new(folder, repeatable, world);
    let checkpoints = Arc::new(Folder::open(&folder.join("checkpoints")).unwrap());
    Driver::open(setup, leak, topics, checkpoints, &mut ()).unwrap().0
}

/// When a process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// With the input.
    Whole,
    /// After every round.
    EveryRound,
    /// After every round, before its commands were sent.
    BeforeSending,
}

/// Runs to the end of the input; gives the keys that were acted upon.
fn journey(folder: &Path, repeatable: Repeatable, end: End) -> Vec<Id> {
    let world = World::default();
    let mut driver = open(folder, repeatable, &world);
    loop {
        driver.environment.dies_before_sending = end == End::BeforeSending;
        if driver.advance(&mut ()).unwrap().is_none() {
            break;
        }
        // Written beside the loop, checkpoints would come when they come.
        driver.settle(&mut ()).unwrap();
        if end != End::Whole {
            drop(driver);
            driver = open(folder, repeatable, &world);
        }
    }
    let acted = world.borrow();
    acted.iter().cloned().collect()
}

/// Rounds that brought answers.
fn answered(folder: &Path) -> Vec<u64> {
    let topics = Embedded::open_to_read(&folder.join("topics")).unwrap();
    let journal = topics.read(Topic::Journal, 0, 0, usize::MAX).unwrap();
    let entries = journal.iter().map(|stored| serde_json::from_slice(&stored.record.value).unwrap());
    let brought = entries.filter(|entry: &serde_json::Value| entry["completions"] != serde_json::json!([]));
    brought.map(|entry| entry["round"].as_u64().unwrap()).collect()
}

#[test]
fn broken_off_after_every_round_the_same_is_done_and_written() {
    for repeatable in [Repeatable::Telemetry, Repeatable::Nothing] {
        let folder = tempfile::tempdir().unwrap();
        let once = folder.path().join("once");
        let done = journey(&once, repeatable, End::Whole);
        assert!(!done.is_empty(), "nothing was done");
        let answered = answered(&once);
        assert!(!answered.is_empty(), "nothing was answered");
        for round in answered {
            let name = format!("{round:020}-");
            let hides = |path: &PathBuf| path.to_string_lossy().contains(&name);
            assert!(
                !stored(&once).keys().any(hides),
                "round {round} brings an answer and is never done again"
            );
        }
        for end in [End::EveryRound, End::BeforeSending] {
            let often = folder.path().join(format!("{end:?}"));
            assert_eq!(journey(&often, repeatable, end), done, "{end:?}, {repeatable:?}");
            assert_same(&stored(&once), &often, &format!("{end:?}, {repeatable:?}"));
        }
    }
}
