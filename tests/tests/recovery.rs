//! A loop that is broken off after any round and opened again writes what it would have
//! written without, also where its configuration was changed in between.

#![allow(clippy::unwrap_used, reason = "a suite fails where it stands")]

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use theriac_connectors::{
    objects::Folder,
    read::{FileSettings, from_bytes},
    topics::{Embedded, Fsync, Settings as TopicSettings},
};
use theriac_contract::{Command, Fact, Fetch, Id, Interval, Source, Topic, Topics};
use theriac_engine::{
    CheckpointSettings, Driver, DriverError, Environment, EnvironmentError, Next, Recovery, Repeatable,
    Round, Settings, Setup, records,
};
use theriac_knowledge::Knowledge;
use theriac_plan::Playbooks;
use theriac_tests::program::{assert_same, stored};

const ALL: [Repeatable; 3] = [Repeatable::Rounds, Repeatable::Telemetry, Repeatable::Nothing];

/// A table, a few rows a round.
struct Rows {
    source: Box<dyn Source>,
    repeatable: Repeatable,
    ended: bool,
}

impl Rows {
    fn new(repeatable: Repeatable) -> Self {
        let rows = (0..1900).map(|second| {
            let errors = if (1100..1300).contains(&second) { 90 + second % 7 } else { second % 5 };
            let broken = if second % 500 == 0 { "no row\n" } else { "" };
            format!("2026-01-01T00:{:02}:{:02}Z,shop,{errors}\n{broken}", second / 60, second % 60)
        });
        let text = format!("timestamp,service,errors\n{}", rows.collect::<String>());
        let source = from_bytes("past.csv", text.into_bytes(), &FileSettings::default());
        Self { source, repeatable, ended: false }
    }
}

impl Environment for Rows {
    fn next(&mut self) -> Result<Next, EnvironmentError> {
        if self.ended {
            return Ok(Next::End);
        }
        Ok(Next::Round(match self.source.fetch(900)? {
            Fetch::Batch(fetched) => {
                Round { telemetry: fetched.telemetry, rejects: fetched.rejects, ..Round::default() }
            }
            Fetch::Idle | Fetch::End => {
                self.ended = true;
                Round { end: true, ..Round::default() }
            }
        }))
    }

    fn dispatch(&mut self, _: &[Command]) {}

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
        let Next::Round(round) = self.next()? else { panic!("there is a round that led to {position}") };
        assert_eq!(self.position(), position);
        Ok(Round { end: false, ..round })
    }
}

fn topics(folder: &Path) -> Embedded {
    let settings = TopicSettings { fsync: Fsync::Never, partitions: 3, ..TopicSettings::default() };
    Embedded::open(&folder.join("topics"), settings).unwrap()
}

fn open(folder: &Path, repeatable: Repeatable, configuration: &str) -> (Driver<Rows>, Recovery) {
    try_open(folder, repeatable, configuration).unwrap()
}

fn try_open(
    folder: &Path,
    repeatable: Repeatable,
    configuration: &str,
) -> Result<(Driver<Rows>, Recovery), DriverError> {
    let mut settings = Settings {
        checkpoint: CheckpointSettings { every: Interval::from_seconds(400), rounds: 7, keep: 3 },
        ..Settings::default()
    };
    // Ticks are sealed at other times: every round gives something else.
    settings.monitor.lateness = Interval::from_seconds(match configuration {
        "a" => 2,
        "b" => 31,
        _ => 75,
    });
    let setup = Setup {
        settings,
        playbooks: Playbooks::builtin(),
        configuration: configuration.to_owned(),
        introductions: vec![Fact::EntitySeen { entity: theriac_contract::Entity("shop".to_owned()) }],
    };
    let checkpoints = Arc::new(Folder::open(&folder.join("checkpoints")).unwrap());
    Driver::open(setup, Rows::new(repeatable), Box::new(topics(folder)), checkpoints, &mut ())
}

/// Runs with one configuration after the other, each for so many rounds, and is broken off
/// without a word between them; after every round if `often`.
fn journey(folder: &Path, repeatable: Repeatable, often: bool, stages: &[(&str, usize)]) {
    for (configuration, rounds) in stages {
        let mut driver = open(folder, repeatable, configuration).0;
        for _ in 0..*rounds {
            if driver.advance(&mut ()).unwrap().is_none() {
                break;
            }
            // Which checkpoints there are must not depend on how fast the disk is.
            driver.settle(&mut ()).unwrap();
            if often {
                drop(driver);
                driver = open(folder, repeatable, configuration).0;
            }
        }
    }
}

fn configurations(folder: &Path) -> Vec<String> {
    let topics = topics(folder);
    let facts = topics.read(Topic::Knowledge, 0, 0, 1 << 30).unwrap();
    let facts = facts.iter().map(|stored| serde_json::from_slice(&stored.record.value).unwrap());
    let loaded = facts.filter_map(|recorded: theriac_contract::RecordedFact| match recorded.fact {
        Fact::ConfigurationLoaded { configuration, .. } => Some(configuration),
        _ => None,
    });
    loaded.collect()
}

fn symptoms(folder: &Path) -> u64 {
    let topics = topics(folder);
    (0..topics.partitions(Topic::Symptoms)).map(|partition| topics.end(Topic::Symptoms, partition)).sum()
}

#[test]
fn broken_off_after_every_round_with_changing_configurations() {
    for repeatable in ALL {
        for stages in [
            &[("a", 1000)][..],
            &[("a", 25), ("b", 1000)],
            // Changed right behind a checkpoint, right before one, and again before the first.
            &[("a", 28), ("b", 1), ("c", 1000)],
            &[("a", 34), ("b", 6), ("a", 13), ("c", 1000)],
            &[("a", 30), ("b", 0), ("c", 10), ("a", 1000)],
        ] {
            let folder = tempfile::tempdir().unwrap();
            let (once, often) = (folder.path().join("once"), folder.path().join("often"));
            journey(&once, repeatable, false, stages);
            journey(&often, repeatable, true, stages);
            assert!(symptoms(&once) > 0, "nothing was noticed");
            let began = stages.iter().filter(|(_, rounds)| *rounds > 0).map(|(name, _)| *name);
            assert_eq!(configurations(&once), began.collect::<Vec<_>>());
            assert_same(&stored(&once), &often, &format!("{stages:?}, {repeatable:?}"));
        }
    }
}

/// Rounds that are done again with another configuration may lead to other facts: those count that
/// others have seen.
#[test]
fn after_a_change_what_is_known_is_what_is_stored() {
    // The incident opens shortly before the change: later than the other configuration sees it.
    for (repeatable, rounds) in ALL.into_iter().flat_map(|repeatable| [(repeatable, 37), (repeatable, 39)]) {
        let folder = tempfile::tempdir().unwrap();
        journey(folder.path(), repeatable, false, &[("a", rounds), ("c", 1000)]);
        let stored = topics(folder.path()).read(Topic::Knowledge, 0, 0, usize::MAX).unwrap();
        let mut knowledge = Knowledge::new();
        for stored in stored {
            knowledge.fold(&serde_json::from_slice(&stored.record.value).unwrap()).unwrap();
        }
        assert_eq!(configurations(folder.path()), ["a", "c"]);
        let driver = open(folder.path(), repeatable, "c").0;
        // What was counted in the minute that is under way is in no fact yet.
        for version in 0..=knowledge.version() {
            let known = driver.engine.knowledge.at(version);
            assert_eq!(known, knowledge.at(version), "version {version}, {rounds}, {repeatable:?}");
        }
        assert_eq!(driver.engine.knowledge.snapshot(), knowledge.snapshot(), "{rounds}, {repeatable:?}");
    }
}

/// A damaged checkpoint is passed over for the one before, also if that is one of another
/// configuration.
#[test]
fn a_damaged_checkpoint_after_a_change() {
    for repeatable in ALL {
        let folder = tempfile::tempdir().unwrap();
        let (whole, damaged) = (folder.path().join("whole"), folder.path().join("damaged"));
        for folder in [&whole, &damaged] {
            journey(folder, repeatable, false, &[("a", 25), ("b", 2)]);
        }
        let files = std::fs::read_dir(damaged.join("checkpoints")).unwrap().map(|e| e.unwrap().path());
        std::fs::write(files.max().unwrap(), "nonsense").unwrap();
        let (mut driver, recovery) = open(&damaged, repeatable, "b");
        assert_eq!(recovery.damaged.len(), 1, "{recovery:?}");
        assert!(recovery.rounds_repeated > 2, "{recovery:?}");
        driver.run_to_end(&|| false, &mut ()).unwrap();
        drop(driver);
        journey(&whole, repeatable, false, &[("b", 1000)]);
        assert!(only_topics(&whole) == only_topics(&damaged), "{repeatable:?}");
    }
}

/// Checkpoints that other topics have left in the same place, or that an old owner with another
/// configuration puts there late, are nobody's state: they are passed over.
#[test]
fn checkpoints_of_other_topics() {
    for repeatable in ALL {
        let folder = tempfile::tempdir().unwrap();
        let [whole, mixed, other] = ["whole", "mixed", "other"].map(|name| folder.path().join(name));
        for folder in [&whole, &mixed] {
            journey(folder, repeatable, false, &[("a", 25)]);
        }
        journey(&other, repeatable, false, &[("b", 25)]);
        for entry in std::fs::read_dir(other.join("checkpoints")).unwrap() {
            let file = entry.unwrap();
            std::fs::copy(file.path(), mixed.join("checkpoints").join(file.file_name())).unwrap();
        }
        let (driver, recovery) = open(&mixed, repeatable, "a");
        drop(driver);
        let (undisturbed, expected) = open(&whole, repeatable, "a");
        drop(undisturbed);
        assert_eq!(recovery.checkpoint, expected.checkpoint, "{repeatable:?}");
        // Of the same round the own one is taken without a look at the other.
        assert!(recovery.damaged.iter().all(|text| text.contains("is of other topics")), "{recovery:?}");
        for folder in [&whole, &mixed] {
            journey(folder, repeatable, false, &[("a", 1000)]);
        }
        let topics = |folder: &Path| -> BTreeMap<_, _> {
            stored(folder).into_iter().filter(|(path, _)| path.starts_with("topics")).collect()
        };
        assert!(topics(&whole) == topics(&mixed), "{repeatable:?}");
        // Without its own, none of the others is taken in their place.
        for (path, _) in stored(&mixed).iter().filter(|(path, _)| path.starts_with("checkpoints")) {
            let _ = std::fs::remove_file(mixed.join(path));
        }
        for entry in std::fs::read_dir(other.join("checkpoints")).unwrap() {
            let file = entry.unwrap();
            std::fs::copy(file.path(), mixed.join("checkpoints").join(file.file_name())).unwrap();
        }
        let (_, recovery) = open(&mixed, repeatable, "a");
        assert_eq!(recovery.checkpoint, None, "{repeatable:?}");
        assert!(!recovery.damaged.is_empty(), "{recovery:?}");
    }
}

fn only_topics(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    stored(folder).into_iter().filter(|(path, _)| path.starts_with("topics")).collect()
}

/// After a loss of power the topics may end before the newest checkpoint.
#[test]
fn a_checkpoint_ahead_of_the_topics_is_passed_over() {
    for repeatable in ALL {
        let folder = tempfile::tempdir().unwrap();
        let (whole, behind) = (folder.path().join("whole"), folder.path().join("behind"));
        journey(&behind, repeatable, false, &[("a", 25)]);
        let before = only_topics(&behind);
        journey(&behind, repeatable, false, &[("a", 10)]);
        lay(&behind, before);
        let (mut driver, recovery) = open(&behind, repeatable, "a");
        assert!(recovery.checkpoint.is_some_and(|round| round <= 25), "{recovery:?}");
        driver.run_to_end(&|| false, &mut ()).unwrap();
        drop(driver);
        journey(&whole, repeatable, false, &[("a", 1000)]);
        assert!(only_topics(&whole) == only_topics(&behind), "{repeatable:?}");
    }
}

/// Puts topics back as they were.
fn lay(folder: &Path, topics: BTreeMap<PathBuf, Vec<u8>>) {
    std::fs::remove_dir_all(folder.join("topics")).unwrap();
    for (path, bytes) in topics.into_iter().filter(|(_, bytes)| !bytes.is_empty()) {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
}

/// Rounds that are done again must give what others may have acted upon; whatever differs is said.
#[test]
fn what_a_repeated_round_gives_is_held_against_what_is_stored() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, forged) = (folder.path().join("whole"), folder.path().join("forged"));
    journey(&whole, Repeatable::Telemetry, false, &[("a", 1000)]);
    // The same but for one byte of one symptom.
    let (from, mut to, mut changed) = (topics(&whole), topics(&forged), false);
    for topic in Topic::ALL {
        for partition in 0..from.partitions(topic) {
            for stored in from.read(topic, partition, 0, usize::MAX).unwrap() {
                let mut record = stored.record;
                if topic == Topic::Symptoms && !std::mem::replace(&mut changed, true) {
                    record.value[0] = b' ';
                }
                to.append(topic, partition, &[record]).unwrap();
            }
        }
    }
    to.commit().unwrap();
    drop((from, to));
    let opened = try_open(&forged, Repeatable::Telemetry, "a").err();
    assert!(matches!(opened, Some(DriverError::Diverged { .. })), "{opened:?}");
}

/// What is known is judged and rolled back by hand between two rounds; every later restart knows that.
#[test]
fn what_was_said_by_hand_is_repeated() {
    for (repeatable, next) in ALL.into_iter().flat_map(|repeatable| [(repeatable, "a"), (repeatable, "b")]) {
        let folder = tempfile::tempdir().unwrap();
        let (once, often) = (folder.path().join("once"), folder.path().join("often"));
        for (folder, often) in [(&once, false), (&often, true)] {
            journey(folder, repeatable, often, &[("a", 25)]);
            let mut topics = topics(folder);
            let mut knowledge = Knowledge::new();
            for stored in topics.read(Topic::Knowledge, 0, 0, 1 << 30).unwrap() {
                knowledge.fold(&serde_json::from_slice(&stored.record.value).unwrap()).unwrap();
            }
            let judged = Fact::SymptomJudged {
                symptom: Id("symptom-0".to_owned()),
                measure: "cart|process.memory.usage|{}".to_owned(),
                right: false,
                reason: "a test".to_owned(),
            };
            let back = Fact::RolledBack { to: 1, reason: "a test".to_owned() };
            for fact in knowledge.append(theriac_contract::Timestamp(0), vec![back, judged]) {
                topics.append(Topic::Knowledge, 0, &[records::fact(&fact).record]).unwrap();
            }
            // Of a kind that rounds give, too: it says itself that none gave it.
            let seen = Fact::EntitySeen { entity: theriac_contract::Entity("bank".to_owned()) };
            let whole = knowledge.compacted();
            for fact in knowledge.append(theriac_contract::Timestamp(0), vec![seen, whole]) {
                let output = records::fact(&fact);
                let output = records::fact_by_hand(&fact, output.record.value, "a test");
                topics.append(Topic::Knowledge, 0, &[output.record]).unwrap();
            }
            topics.commit().unwrap();
            drop(topics);
            journey(folder, repeatable, often, &[(next, 1000)]);
        }
        assert_same(&stored(&once), &often, &format!("then {next}, {repeatable:?}"));
    }
}
