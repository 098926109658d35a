//! What a crash left is taken up again: the newest whole checkpoint, then the rounds after it.
//!
//! Each round is done again as its journal entry says. One that was done with the present
//! configuration must give what is stored. One that was done with another cannot: only the
//! state that it leads to matters, and what is known is taken from its topic afterwards.
//! That state is saved before the first round with the new configuration, so that every
//! later restart begins from the same.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use theriac_contract::{
    Checkpointed, Fact, Id, Objects, Plan, RecordedFact, StoredRecord, Timestamp, Topic, Topics,
    seeded::{self, Bug},
};
use theriac_knowledge::Knowledge;
use theriac_plan::Playbooks;

use super::{Driver, DriverError, Mode, Observer, Progress, Saver, Setup};
use crate::{
    checkpoint::{Checkpoints, Manifest, Name},
    engine::Engine,
    environment::{Environment, EnvironmentError, Next, Repeatable, Round},
    journal::Entry,
    records::BY_HAND,
};

const KNOWLEDGE: (Topic, u32) = (Topic::Knowledge, 0);

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
    /// Opens the loop over stored topics and checkpoints, and recovers what a crash left. From
    /// here on nothing else writes to the topics.
    ///
    /// # Errors
    /// If nothing consistent can be recovered; the message says what to do.
    pub fn open(
        setup: Setup,
        environment: E,
        topics: Box<dyn Topics>,
        checkpoints: Arc<dyn Objects>,
        observer: &mut dyn Observer,
    ) -> Result<(Self, Recovery), DriverError> {
        let Setup { settings, playbooks, configuration, introductions } = setup;
        let loaded =
            Fact::ConfigurationLoaded { configuration: configuration.clone(), policy: playbooks.digest() };
        let checkpoints = Checkpoints::new(checkpoints, settings.checkpoint.keep);
        let mut driver = Self {
            engine: Engine::new(&settings, playbooks.clone()),
            environment,
            topics,
            saver: Saver::new(checkpoints),
            settings,
            configuration,
            round: 0,
            cursors: BTreeMap::new(),
            entry: String::new(),
            saved_round: 0,
            taken_at: Timestamp::MIN,
            introductions: std::iter::once(loaded).chain(introductions).collect(),
            introduce: true,
            before: None,
            marks: 0,
            progress: Progress::default(),
        };
        let mut recovery = Recovery::default();
        if let Some(offset) = driver.topics.end(Topic::Journal, 0).checked_sub(1) {
            let last = Entry::read(driver.topics.as_ref(), offset)?;
            driver.saver.checkpoints.tidy(last.round)?;
            let configuration = driver.restore(&last, &playbooks, &mut recovery)?;
            driver.repeat(&last, configuration, &mut recovery, observer)?;
        } else {
            // What was known before the first round was brought here.
            driver.fold_what_people_said(driver.topics.end(Topic::Knowledge, 0))?;
        }
        Ok((driver, recovery))
    }

    /// Restores the newest checkpoint that is whole and not ahead of the topics. Gives the
    /// configuration of its round.
    fn restore(
        &mut self,
        last: &Entry,
        playbooks: &Playbooks,
        recovery: &mut Recovery,
    ) -> Result<Option<String>, DriverError> {
        for name in self.candidates(last)? {
            let (manifest, tables) = match self.saver.checkpoints.read(&name) {
                Ok(found) => found,
                // It may hold all of them, and the next call may say so.
                Err(error) if !error.is_of_one() || seeded::on(Bug::DamagedCheckpointIsFatal) => {
                    return Err(error.into());
                }
                Err(error) => {
                    recovery.damaged.push(error.to_string());
                    continue;
                }
            };
            if !self.is_of_these_topics(&manifest)? {
                let text = format!("checkpoint {name} is of other topics: the journal tells of other rounds");
                recovery.damaged.push(text);
                continue;
            }
            if let Err(error) = self.engine.restore(&tables) {
                recovery.damaged.push(format!("checkpoint {name}: {error}"));
                self.engine = Engine::new(&self.settings, playbooks.clone());
                continue;
            }
            self.environment.restore(&manifest.environment)?;
            self.cursors = cursors(&manifest.ends);
            (self.round, self.entry) = (name.round, manifest.journal);
            self.saved_round = name.round;
            self.progress.checkpoint_round = name.round;
            self.taken_at = manifest.at;
            recovery.checkpoint = Some(name.round);
            return Ok(Some(manifest.configuration));
        }
        Ok(None)
    }

    /// Checkpoints that may be restored, the best first: the newest, and of one round the one that
    /// the round after it went on from. An old owner with another configuration may have left its
    /// own beside it.
    fn candidates(&self, last: &Entry) -> Result<Vec<Name>, DriverError> {
        let mut names = self.saver.checkpoints.list()?;
        names.retain(|name| name.round <= last.round || seeded::on(Bug::CheckpointAheadOfTopics));
        names.reverse();
        for same in names.chunk_by_mut(|a, b| a.round == b.round).filter(|same| same.len() > 1) {
            let round = same[0].round;
            let configuration = if round < last.round {
                Entry::read(self.topics.as_ref(), round)?.configuration
            } else {
                self.configuration.clone()
            };
            same.sort_by_key(|name| !name.is_made_by(&configuration));
        }
        Ok(names)
    }

    /// Whether a checkpoint's last round is the one that the journal tells of, as far as it still
    /// does.
    fn is_of_these_topics(&self, manifest: &Manifest) -> Result<bool, DriverError> {
        let offset = manifest.round.saturating_sub(1);
        if offset < self.topics.start(Topic::Journal, 0) {
            return Ok(true);
        }
        Ok(Entry::read(self.topics.as_ref(), offset)?.digest() == manifest.journal)
    }

    /// Does the rounds after the checkpoint again, up to the last that was committed.
    /// `configuration` is the one of the round before.
    fn repeat(
        &mut self,
        last: &Entry,
        mut configuration: Option<String>,
        recovery: &mut Recovery,
        observer: &mut dyn Observer,
    ) -> Result<(), DriverError> {
        let first = self.topics.start(Topic::Journal, 0);
        if first > self.round {
            return Err(DriverError::JournalLost(first));
        }
        while self.round < last.round {
            let entry = Entry::read(self.topics.as_ref(), self.round)?;
            let own = entry.configuration == self.configuration;
            let before = configuration.replace(entry.configuration.clone());
            self.introduce = before.as_deref() != Some(entry.configuration.as_str());
            let ends = cursors(&entry.ends);
            self.fold_what_people_said(ends.get(&KNOWLEDGE).copied().unwrap_or(0))?;
            if own && self.introduce && before.is_some() {
                self.take_over()?;
            }
            let mode = if own { Mode::Checked } else { Mode::Unchecked };
            let round = self.repeated(&entry, last)?;
            let commands = self.run(round, mode, observer)?;
            if own {
                self.check_ends(&entry)?;
            }
            self.cursors = ends;
            self.entry = entry.digest();
            if self.environment.repeatable() == Repeatable::Rounds {
                self.environment.dispatch(&commands);
                // The process may have been killed between this round and its checkpoint.
                if own && self.checkpoint_is_due() {
                    self.save(&entry.configuration, observer)?;
                    self.settle(observer)?;
                }
            }
            recovery.rounds_repeated += 1;
        }
        self.fold_what_people_said(self.topics.end(Topic::Knowledge, 0))?;
        if self.environment.repeatable() == Repeatable::Nothing {
            self.environment.seek(&last.position)?;
        }
        self.introduce = configuration.as_ref() != Some(&self.configuration);
        if seeded::on(Bug::ConfigurationNotIntroduced) {
            self.introduce = false;
        }
        if self.introduce {
            self.take_over()?;
            if self.round > self.saved_round {
                // The last round was one of the other configuration: whoever restores this state
                // takes over once more.
                self.save(&last.configuration, observer)?;
                self.settle(observer)?;
            }
        }
        if self.environment.repeatable() != Repeatable::Rounds {
            // A pause may have been put behind the last round.
            let Engine { execute, knowledge, .. } = &mut self.engine;
            execute.heed(&knowledge.snapshot().control);
            let mut outstanding = self.engine.execute.outstanding();
            if seeded::on(Bug::CommandsNotSentAgain) {
                outstanding.clear();
            }
            recovery.commands_sent_again = outstanding.len();
            self.environment.dispatch(&outstanding);
        }
        Ok(())
    }

    /// The next round once more: from the environment as far as it can repeat it, or else as it
    /// is stored.
    fn repeated(&mut self, entry: &Entry, last: &Entry) -> Result<Round, DriverError> {
        match self.environment.repeatable() {
            Repeatable::Nothing => return Ok(entry.round(self.topics.as_ref())?),
            Repeatable::Telemetry => {
                if let Some(before) = &entry.before {
                    self.environment.seek(before)?;
                }
                let again = self.environment.again(&entry.position)?;
                let Entry { completions, reached, quiet, end, .. } = entry.clone();
                return Ok(Round { completions, reached, quiet, end, ..again });
            }
            Repeatable::Rounds => {}
        }
        loop {
            match self.environment.next()? {
                Next::Round(round) => return Ok(round),
                Next::Idle => {}
                Next::End => {
                    let text = format!("it has {} rounds, the journal has {}", self.round, last.round);
                    return Err(EnvironmentError::Foreign(text).into());
                }
            }
        }
    }

    /// A round that was done again must have written as much as it did the first time. What
    /// could not be read is not kept with a round, so a stored one does not reject it again.
    fn check_ends(&self, entry: &Entry) -> Result<(), DriverError> {
        let found = self.ends();
        let rejects = self.environment.repeatable() != Repeatable::Nothing;
        for partition in found.keys().chain(entry.ends.keys()) {
            let [written, end] = [&found, &entry.ends].map(|ends| ends.get(partition).copied().unwrap_or(0));
            if written != end && (rejects || !partition.starts_with(Topic::DeadLetters.name())) {
                let (partition, offset) = (partition.clone(), written.min(end));
                return Err(DriverError::Diverged { round: self.round, partition, offset });
            }
        }
        Ok(())
    }

    /// Folds what people said (rollbacks, judgements, confirmed causes, rulings on plans, pauses) and
    /// whatever else was put between two rounds by hand, before an offset: the stages give none.
    fn fold_what_people_said(&mut self, end: u64) -> Result<(), DriverError> {
        loop {
            // A compacted log begins with a fact that was put there by hand.
            let start = self.topics.start(Topic::Knowledge, 0);
            let cursor = self.cursors.get(&KNOWLEDGE).copied().unwrap_or(0);
            let next = cursor.max(start);
            if next >= end {
                return Ok(());
            }
            let stored = self.topics.read(Topic::Knowledge, 0, next, 1)?;
            let Some(first) = stored.first() else { return Ok(()) };
            let fact = recorded_fact(first)?;
            let compacted = matches!(fact.fact, Fact::Compacted { .. });
            let by_hand = compacted
                || matches!(
                    fact.fact,
                    Fact::RolledBack { .. }
                        | Fact::SymptomJudged { .. }
                        | Fact::CauseConfirmed { .. }
                        | Fact::PlanApproved { .. }
                        | Fact::PlanRejected { .. }
                        | Fact::ActingHeld { .. }
                        | Fact::ActingResumed { .. }
                )
                || first.record.headers.iter().any(|(name, _)| name == BY_HAND);
            let removed = cursor < start && !compacted;
            if !by_hand || removed || seeded::on(Bug::RollbackForgotten) {
                return Ok(());
            }
            // While rounds are done with another configuration, versions need not agree:
            // what is known is taken from the topic after them.
            let version = self.engine.knowledge.version();
            if version + 1 == fact.version || (compacted && version < fact.version) {
                self.engine.knowledge.fold(&fact).map_err(|e| unreadable(next, e.to_string()))?;
            }
            self.cursors.insert(KNOWLEDGE, next + 1);
        }
    }

    /// Takes over from another configuration. Its rounds, done again with this one, may have led
    /// to other facts and plans than those that are stored; what is stored counts.
    fn take_over(&mut self) -> Result<(), DriverError> {
        if seeded::on(Bug::FactsNotTakenOver) {
            return Ok(());
        }
        let end = self.cursors.get(&KNOWLEDGE).copied().unwrap_or(0);
        let mut knowledge = Knowledge::new();
        self.each(KNOWLEDGE, end, |stored| {
            let fact = recorded_fact(stored)?;
            knowledge.fold(&fact).map_err(|e| unreadable(stored.offset, e.to_string()))
        })?;
        self.engine.knowledge = knowledge;
        let mut plans: BTreeSet<Id> = BTreeSet::new();
        for partition in 0..self.topics.partitions(Topic::Plans) {
            let end = self.cursors.get(&(Topic::Plans, partition)).copied().unwrap_or(0);
            self.each((Topic::Plans, partition), end, |stored| {
                // One that cannot be read is none that is under way.
                plans.extend(serde_json::from_slice::<Plan>(&stored.record.value).ok().map(|plan| plan.id));
                Ok(())
            })?;
        }
        self.engine.execute.forget(|plan| !plans.contains(plan));
        Ok(())
    }

    /// Calls for each record of a partition before an offset.
    fn each(
        &self,
        (topic, partition): (Topic, u32),
        end: u64,
        mut call: impl FnMut(&StoredRecord) -> Result<(), DriverError>,
    ) -> Result<(), DriverError> {
        let mut next = self.topics.start(topic, partition);
        while next < end {
            for stored in self.topics.read(topic, partition, next, 1 << 20)? {
                if stored.offset >= end {
                    return Ok(());
                }
                call(&stored)?;
                next = stored.offset + 1;
            }
        }
        Ok(())
    }
}

fn unreadable(offset: u64, reason: String) -> DriverError {
    DriverError::Fact { offset, reason }
}

fn recorded_fact(stored: &StoredRecord) -> Result<RecordedFact, DriverError> {
    serde_json::from_slice(&stored.record.value).map_err(|e| unreadable(stored.offset, e.to_string()))
}

/// Ends of partitions by their keys.
fn cursors(ends: &BTreeMap<String, u64>) -> BTreeMap<(Topic, u32), u64> {
    let key = |text: &str| {
        let (topic, partition) = text.split_once('/')?;
        Some((topic.parse().ok()?, partition.parse().ok()?))
    };
    ends.iter().filter_map(|(partition, end)| Some((key(partition)?, *end))).collect()
}
