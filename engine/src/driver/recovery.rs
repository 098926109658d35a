//! What a crash left is taken up again: the newest whole checkpoint, then the rounds after it.

use std::{collections::BTreeMap, path::Path};

use theriac_contract::{Checkpointed, Fact, Timestamp, Topic, Topics};
use theriac_knowledge::Knowledge;
use theriac_plan::Playbooks;

use super::{Driver, DriverError, Mode, Observer, Progress, Setup};
use crate::{
    checkpoint::Checkpoints,
    codec,
    engine::Engine,
    environment::{Environment, EnvironmentError, Next, Round},
    journal::Entry,
};

/// Topics that the stages write.
const OUTPUTS: [Topic; 6] =
    [Topic::Symptoms, Topic::Incidents, Topic::Plans, Topic::Outcomes, Topic::Knowledge, Topic::DeadLetters];

/// What opening found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Round of the checkpoint that was restored; none for a fresh start.
    pub checkpoint: Option<u64>,
    /// Checkpoints that were passed over, and why.
    pub damaged: Vec<String>,
    /// Rounds that were done again.
    pub rounds_repeated: u64,
    /// Commands that were sent again because no answer was stored.
    pub commands_sent_again: usize,
}

impl<E: Environment> Driver<E> {
    /// Opens the loop over stored topics and checkpoints, and recovers what a crash left.
    ///
    /// # Errors
    /// If nothing consistent can be recovered; the message says what to do.
    pub fn open(
        setup: Setup,
        environment: E,
        topics: Box<dyn Topics>,
        checkpoint_folder: &Path,
        observer: &mut dyn Observer,
    ) -> Result<(Self, Recovery), DriverError> {
        let Setup { settings, playbooks, configuration, introductions } = setup;
        let policy = playbooks.digest();
        let checkpoints = Checkpoints::open(checkpoint_folder, settings.checkpoint.keep)?;
        let mut driver = Self {
            engine: Engine::new(&settings, playbooks.clone()),
            environment,
            topics,
            checkpoints,
            settings,
            configuration,
            round: 0,
            cursors: BTreeMap::new(),
            saved_round: 0,
            saved_at: Timestamp::MIN,
            introductions: Vec::new(),
            progress: Progress::default(),
        };
        let mut recovery = Recovery::default();
        let rounds = driver.topics.end(Topic::Journal, 0);
        let last = if rounds == 0 { None } else { Some(driver.entry(rounds - 1)?) };
        let known = last.as_ref().is_some_and(|entry| entry.configuration == driver.configuration);
        let loaded = Fact::ConfigurationLoaded { configuration: driver.configuration.clone(), policy };
        match last {
            None => driver.introductions = std::iter::once(loaded).chain(introductions).collect(),
            Some(last) => {
                driver.restore(&last, &playbooks, &mut recovery)?;
                if driver.round == 0 {
                    // The very first rounds are done again: they began with the same facts.
                    driver.introductions =
                        std::iter::once(loaded.clone()).chain(introductions.clone()).collect();
                }
                driver.repeat(&last, known, &mut recovery, observer)?;
                if known && driver.newest_fact()? != driver.engine.knowledge.version() {
                    // Rolled back by hand since: from here on that is what is known.
                    driver.relearn()?;
                    driver.save()?;
                }
                if !known {
                    driver.relearn()?;
                    driver.introductions = std::iter::once(loaded).chain(introductions).collect();
                }
            }
        }
        Ok((driver, recovery))
    }

    fn entry(&self, offset: u64) -> Result<Entry, DriverError> {
        let stored = self.topics.read(Topic::Journal, 0, offset, 1)?;
        let unreadable = |reason: String| DriverError::JournalEntry { offset, reason };
        let first = stored.first().ok_or_else(|| unreadable("it is not there".to_owned()))?;
        serde_json::from_slice(&first.record.value).map_err(|e| unreadable(e.to_string()))
    }

    /// Restores the newest checkpoint that is whole and not ahead of the topics.
    fn restore(
        &mut self,
        last: &Entry,
        playbooks: &Playbooks,
        recovery: &mut Recovery,
    ) -> Result<(), DriverError> {
        for round in self.checkpoints.rounds()?.into_iter().rev().filter(|round| *round <= last.round) {
            let (manifest, tables) = match self.checkpoints.read(round) {
                Ok(found) => found,
                Err(error) => {
                    recovery.damaged.push(error.to_string());
                    continue;
                }
            };
            if let Err(error) = self.engine.restore(&tables) {
                recovery.damaged.push(format!("checkpoint of round {round}: {error}"));
                self.engine = Engine::new(&self.settings, playbooks.clone());
                continue;
            }
            self.environment.restore(&manifest.environment)?;
            for (partition, end) in &manifest.ends {
                if let Some(key) = parse_partition(partition) {
                    self.cursors.insert(key, *end);
                }
            }
            self.round = round;
            self.saved_round = round;
            self.saved_at = manifest.at;
            recovery.checkpoint = Some(round);
            return Ok(());
        }
        Ok(())
    }

    /// Does the rounds after the checkpoint again, up to the last that was committed.
    fn repeat(
        &mut self,
        last: &Entry,
        known: bool,
        recovery: &mut Recovery,
        observer: &mut dyn Observer,
    ) -> Result<(), DriverError> {
        let mode = if known { Mode::Checked } else { Mode::Unchecked };
        let repeatable = self.environment.repeatable();
        if !repeatable && self.topics.start(Topic::Journal, 0) > self.round {
            return Err(DriverError::JournalLost(self.topics.start(Topic::Journal, 0)));
        }
        while self.round < last.round {
            let round = if repeatable {
                match self.environment.next()? {
                    Next::Round(round) => round,
                    Next::Idle => continue,
                    Next::End => {
                        let text = format!("it has {} rounds, the journal has {}", self.round, last.round);
                        return Err(EnvironmentError::Foreign(text).into());
                    }
                }
            } else {
                self.stored_round(self.round)?
            };
            let commands = self.run(round, mode, observer)?;
            if repeatable {
                self.environment.dispatch(&commands);
                // The process may have been killed between this round and its checkpoint.
                if mode == Mode::Checked && self.checkpoint_is_due() {
                    self.save()?;
                }
            }
            recovery.rounds_repeated += 1;
        }
        for topic in OUTPUTS {
            for partition in 0..self.topics.partitions(topic) {
                self.cursors.insert((topic, partition), self.topics.end(topic, partition));
            }
        }
        if !repeatable {
            self.environment.seek(&last.position)?;
            let outstanding = self.engine.execute.outstanding();
            recovery.commands_sent_again = outstanding.len();
            self.environment.dispatch(&outstanding);
        }
        Ok(())
    }

    /// Version of the last fact on the topic; 0 if there is none.
    fn newest_fact(&self) -> Result<u64, DriverError> {
        let Some(offset) = self.topics.end(Topic::Knowledge, 0).checked_sub(1) else { return Ok(0) };
        let stored = self.topics.read(Topic::Knowledge, 0, offset, 1)?;
        let unreadable = |reason| DriverError::Fact { offset, reason };
        let first = stored.first().ok_or_else(|| unreadable("it is not there".to_owned()))?;
        let fact: theriac_contract::RecordedFact =
            serde_json::from_slice(&first.record.value).map_err(|e| unreadable(e.to_string()))?;
        Ok(fact.version)
    }

    /// Takes the knowledge from its topic: rounds that were done again under another
    /// configuration may have led to other facts than those that are stored.
    fn relearn(&mut self) -> Result<(), DriverError> {
        let mut knowledge = Knowledge::new();
        let mut next = self.topics.start(Topic::Knowledge, 0);
        while next < self.topics.end(Topic::Knowledge, 0) {
            for stored in self.topics.read(Topic::Knowledge, 0, next, 1 << 20)? {
                let unreadable = |reason| DriverError::Fact { offset: stored.offset, reason };
                let fact =
                    serde_json::from_slice(&stored.record.value).map_err(|e| unreadable(e.to_string()))?;
                knowledge.fold(&fact).map_err(|e| unreadable(e.to_string()))?;
                next = stored.offset + 1;
            }
        }
        self.engine.knowledge = knowledge;
        Ok(())
    }

    /// A round as the topics keep it.
    fn stored_round(&self, offset: u64) -> Result<Round, DriverError> {
        let entry = self.entry(offset)?;
        let (mut next, end) = entry.telemetry;
        let mut telemetry = Vec::new();
        while next < end {
            for stored in self.topics.read(Topic::Telemetry, 0, next, 1 << 20)? {
                if stored.offset >= end {
                    break;
                }
                telemetry.push(codec::decode_telemetry(&stored.record.key, &stored.record.value)?);
                next = stored.offset + 1;
            }
        }
        Ok(Round {
            telemetry,
            rejects: Vec::new(),
            completions: entry.completions,
            reached: entry.reached,
            end: entry.end,
            bytes: 0,
        })
    }
}

fn parse_partition(text: &str) -> Option<(Topic, u32)> {
    let (topic, partition) = text.split_once('/')?;
    Some((topic.parse().ok()?, partition.parse().ok()?))
}
