//! Rounds: take input, run the stages, commit everything together, only then send
//! commands, now and then save the state.
//!
//! After a crash the newest whole checkpoint is restored and the rounds after it are done
//! again from the journal (or from the environment, if it can repeat them). What they
//! give must be, byte for byte, what the topics already hold; then the loop goes on.

mod recovery;
mod saver;

use std::collections::BTreeMap;

use theriac_contract::{
    Checkpointed, Command, Fact, Mark, MarkProgress, Noticed, SCHEMA_VERSION, Sightings, StateError,
    StateTable, Telemetry, Tick, Timestamp, Topic, TopicError, Topics,
    seeded::{self, Bug},
};
use theriac_plan::Playbooks;

pub use self::recovery::Recovery;
use self::saver::{Ended, Saver};

use crate::{
    checkpoint::{CheckpointError, FORMAT, Manifest},
    codec,
    engine::{Engine, Outputs},
    environment::{Environment, EnvironmentError, Next, Repeatable, Round},
    journal::{Entry, JournalError},
    records::{self, Output},
    settings::Settings,
    timed::timed,
};

/// Entities, edges or changes in one mark, at most: a record of a topic has a limit.
const MARK_ITEMS_MAX: usize = 16_384;

/// The loop cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum DriverError {
    /// A topic failed.
    #[error(transparent)]
    Topic(#[from] TopicError),
    /// A checkpoint could not be written, or none could be read.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// State does not fit this program.
    #[error("the checkpoint does not fit this program: {0}")]
    State(#[from] StateError),
    /// The outside world failed.
    #[error(transparent)]
    Environment(#[from] EnvironmentError),
    /// The journal cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// Batches could not be written or read as Arrow.
    #[error("telemetry: {0}")]
    Arrow(#[from] arrow::error::ArrowError),
    /// Doing a round again gave something else than what is stored.
    #[error(
        "round {round} gives other output than what topic {partition} holds at offset {offset}: the input, the program or its settings have changed; use another --data-dir, or delete this one to start anew"
    )]
    Diverged {
        /// Round.
        round: u64,
        /// Topic and partition.
        partition: String,
        /// Offset of the first record that differs.
        offset: u64,
    },
    /// The journal lacks rounds that the recovery needs.
    #[error(
        "the journal begins after round {0}, and no checkpoint from then or later can be read: use another --data-dir, and give the topic `journal` a longer retention"
    )]
    JournalLost(u64),
    /// A stored fact cannot be read.
    #[error("knowledge record {offset} cannot be read: {reason}")]
    Fact {
        /// Offset.
        offset: u64,
        /// Why.
        reason: String,
    },
}

/// How far the loop is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Rounds done.
    pub round: u64,
    /// Bytes of input read in this process.
    pub bytes: u64,
    /// Ticks sealed in this process.
    pub ticks: u64,
    /// Latest event time.
    pub now: Timestamp,
    /// Checkpoints written in this process.
    pub checkpoints: u64,
    /// Bytes of the last checkpoint.
    pub checkpoint_bytes: u64,
    /// Round of the last checkpoint that is whole; what came after it a restart does again.
    pub checkpoint_round: u64,
    /// Checkpoints that could not be written in this process.
    pub checkpoint_failures: u64,
}

/// How far the saving of the state is. The time from one to the next is what it costs: the loop
/// stands still from `Begun` to `Taken`.
#[derive(Debug)]
pub enum Saving<'a> {
    /// The state is about to be taken.
    Begun,
    /// It was taken, and is being written beside the loop.
    Taken {
        /// All of it.
        tables: &'a [StateTable],
    },
    /// It is written.
    Saved {
        /// State after this round.
        round: u64,
        /// Bytes written.
        bytes: u64,
    },
    /// It could not be written. The one before is still there, and the journal holds what came
    /// after it; it is tried again when the next one is due.
    Failed {
        /// State after this round.
        round: u64,
        /// Why.
        error: &'a CheckpointError,
    },
}

/// Watches the loop; cannot change it. `repeated` is true while a recovery does rounds again.
pub trait Observer {
    /// Before the stages see a round.
    fn taken(&mut self, round: &Round, repeated: bool) {
        let _ = (round, repeated);
    }

    /// After each tick, before its outputs are durable.
    fn tick(&mut self, engine: &Engine, tick: &Tick, outputs: &Outputs, repeated: bool) {
        let _ = (engine, tick, outputs, repeated);
    }

    /// After a mark for other shards, before it is durable.
    fn marked(&mut self, mark: &Mark, repeated: bool) {
        let _ = (mark, repeated);
    }

    /// After outputs that came without a tick of this loop's own detection.
    fn idle(&mut self, engine: &Engine, outputs: &Outputs, repeated: bool) {
        let _ = (engine, outputs, repeated);
    }

    /// After each durable round.
    fn round(&mut self, progress: &Progress) {
        let _ = progress;
    }

    /// While the state is saved.
    fn saving(&mut self, saving: &Saving<'_>) {
        let _ = saving;
    }
}

impl Observer for () {}

/// What decides what the stages do.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Settings of the stages.
    pub settings: Settings,
    /// What may be done.
    pub playbooks: Playbooks,
    /// Digest of everything in here, and of the program's version.
    pub configuration: String,
    /// Facts that hold from the start: a topology file.
    pub introductions: Vec<Fact>,
}

/// Runs an [`Engine`] against an [`Environment`] over [`Topics`].
pub struct Driver<E: Environment> {
    /// The stages.
    pub engine: Engine,
    /// The outside world.
    pub environment: E,
    topics: Box<dyn Topics>,
    saver: Saver,
    settings: Settings,
    configuration: String,
    round: u64,
    cursors: BTreeMap<(Topic, u32), u64>,
    /// Digest of the last round's entry in the journal.
    entry: String,
    saved_round: u64,
    /// When the state was taken last, whether or not it could be written.
    taken_at: Timestamp,
    /// Facts that the rounds of this configuration begin with.
    introductions: Vec<Fact>,
    /// Whether the next round is the first of them.
    introduce: bool,
    /// Position before the very first round, until its entry is written.
    before: Option<String>,
    /// Marks that the present round has set.
    marks: usize,
    progress: Progress,
}

/// How a round is done.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// For the first time.
    New,
    /// Again, with the same configuration: its outputs must be the stored ones.
    Checked,
    /// Again, with another configuration than the first time: only the state matters.
    Unchecked,
}

impl<E: Environment> Driver<E> {
    /// The topics, to read.
    #[must_use]
    pub fn topics(&self) -> &dyn Topics {
        self.topics.as_ref()
    }

    /// How far the loop is.
    #[must_use]
    pub const fn progress(&self) -> Progress {
        self.progress
    }

    /// Takes one round from the environment and does it. Gives `None` at the end, and
    /// `Some(false)` if there was nothing to do.
    ///
    /// # Errors
    /// If a topic, a checkpoint or the environment fails.
    pub fn advance(&mut self, observer: &mut dyn Observer) -> Result<Option<bool>, DriverError> {
        if let Some(ended) = self.saver.ended() {
            // It was told and counted; the journal holds what came after the one before.
            let _ = self.account(ended, observer);
        }
        let begins = self.round == 0 && self.environment.repeatable() == Repeatable::Telemetry;
        self.before = begins.then(|| self.environment.position());
        let round = match self.environment.next()? {
            Next::Round(round) => round,
            Next::Idle => return Ok(Some(false)),
            Next::End => return Ok(None),
        };
        let commands = self.run(round, Mode::New, observer)?;
        timed!("dispatch", self.environment.dispatch(&commands));
        if self.checkpoint_is_due() {
            self.save(&self.configuration.clone(), observer)?;
            // What can be done again from the start writes the same checkpoints each time.
            if self.environment.repeatable() == Repeatable::Rounds {
                self.settle(observer)?;
            }
        }
        observer.round(&self.progress);
        Ok(Some(true))
    }

    /// Runs to the end of the input, or until `stop` says so; then saves the state.
    ///
    /// # Errors
    /// As [`Driver::advance`].
    pub fn run_to_end(
        &mut self,
        stop: &dyn Fn() -> bool,
        observer: &mut dyn Observer,
    ) -> Result<(), DriverError> {
        while !stop() {
            if self.advance(observer)?.is_none() {
                break;
            }
        }
        // If it fails, it was told, and is made good here.
        let _ = self.settle(observer);
        if self.round > self.saved_round {
            self.save(&self.configuration.clone(), observer)?;
            self.settle(observer)?;
        }
        Ok(())
    }

    /// Waits until what is being saved is saved.
    ///
    /// # Errors
    /// If it could not be.
    pub fn settle(&mut self, observer: &mut dyn Observer) -> Result<(), CheckpointError> {
        self.saver.wait().map_or(Ok(()), |ended| self.account(ended, observer))
    }

    /// One round: stages, then one transaction. Gives the commands to send.
    fn run(
        &mut self,
        round: Round,
        mode: Mode,
        observer: &mut dyn Observer,
    ) -> Result<Vec<Command>, DriverError> {
        self.round += 1;
        self.marks = 0;
        observer.taken(&round, mode != Mode::New);
        let first = self.topics.end(Topic::Telemetry, 0);
        let keep = mode == Mode::New
            && self.environment.repeatable() == Repeatable::Nothing
            && !seeded::on(Bug::TelemetryNotKept);
        let telemetry = if keep { self.keep(&round.telemetry, first)? } else { (first, first) };
        let rejects = if seeded::on(Bug::RejectsDropped) { &[][..] } else { &round.rejects };
        for reject in rejects {
            self.emit(records::dead_letter(reject, self.latest()), mode)?;
        }
        let entry_parts = (round.completions.clone(), round.reached, round.quiet, round.end);
        let commands = self.stages(round, mode, observer)?;
        if mode == Mode::New {
            let (mut completions, reached, quiet, end) = entry_parts;
            if seeded::on(Bug::AnswersNotJournalled) {
                completions.clear();
            }
            if seeded::on(Bug::CommandsBeforeCommit) {
                self.environment.dispatch(&commands);
            }
            let entry = Entry {
                round: self.round,
                telemetry,
                completions,
                reached,
                quiet,
                end,
                before: self.before.take(),
                position: self.environment.position(),
                ends: self.ends(),
                configuration: self.configuration.clone(),
            };
            self.entry = entry.digest();
            self.topics.append(Topic::Journal, 0, &[entry.record(self.latest())])?;
            timed!("commit", self.topics.commit())?;
        }
        self.progress.round = self.round;
        self.progress.now = self.latest();
        Ok(commands)
    }

    /// Puts batches into the telemetry topic, whose next offset is `first`.
    fn keep(&mut self, telemetry: &[Telemetry], first: u64) -> Result<(u64, u64), DriverError> {
        let mut records = Vec::with_capacity(telemetry.len());
        for batch in telemetry {
            records.push(theriac_contract::Record {
                timestamp: self.latest(),
                key: batch.signal().as_bytes().to_vec(),
                headers: Vec::new(),
                value: codec::encode(batch.batch())?,
            });
        }
        if !records.is_empty() {
            self.topics.append(Topic::Telemetry, 0, &records)?;
        }
        Ok((first, first + records.len() as u64))
    }

    fn stages(
        &mut self,
        round: Round,
        mode: Mode,
        observer: &mut dyn Observer,
    ) -> Result<Vec<Command>, DriverError> {
        let repeated = mode != Mode::New;
        let mut commands = Vec::new();
        if let Some(reached) = round.reached {
            self.engine.reach(reached);
            self.engine.monitor.advance(reached);
        }
        if std::mem::take(&mut self.introduce) {
            for fact in self.engine.learn(self.introductions.clone()) {
                self.emit(records::fact(&fact), mode)?;
            }
        }
        self.progress.bytes += round.bytes;
        let answered = !round.completions.is_empty();
        self.engine.answer(round.completions);
        // Batches are built to the schema by our own decoders; one that is not is a defect.
        timed!("frame", self.engine.monitor.push(&round.telemetry))
            .map_err(|e| arrow::error::ArrowError::SchemaError(e.to_string()))?;
        let mut stepped = self.judge(&round.noticed, mode, &mut commands, observer)?;
        stepped |= self.ticks(mode, repeated, &mut commands, observer)?;
        if round.end {
            self.engine.monitor.finish();
        }
        stepped |= self.ticks(mode, repeated, &mut commands, observer)?;
        if self.environment.joins_shards() {
            let quiet = |quiet| if quiet { MarkProgress::Quiet } else { MarkProgress::On };
            if let Some(progress) = if round.end { Some(MarkProgress::End) } else { round.quiet.map(quiet) } {
                self.mark(self.engine.noticed(), progress, Sightings::default(), mode, observer)?;
            }
        }
        if !stepped && (answered || round.reached.is_some()) {
            let outputs = self.engine.idle();
            self.publish(&outputs, mode)?;
            observer.idle(&self.engine, &outputs, repeated);
            commands.extend(outputs.commands);
        }
        Ok(commands)
    }

    /// Seals ticks and takes them through the stages: through all of them, or through detection
    /// if what it notices is joined with what other shards notice. Gives whether one went through
    /// all.
    fn ticks(
        &mut self,
        mode: Mode,
        repeated: bool,
        commands: &mut Vec<Command>,
        observer: &mut dyn Observer,
    ) -> Result<bool, DriverError> {
        let joins = self.environment.joins_shards();
        let mut any = false;
        while let Some(tick) = timed!("frame", self.engine.monitor.seal()) {
            let outputs = if joins {
                let Noticed { at, symptoms, sightings } = self.engine.notice(&tick);
                let outputs = Outputs { symptoms, ..Outputs::default() };
                self.publish(&outputs, mode)?;
                self.mark(at, MarkProgress::On, sightings, mode, observer)?;
                outputs
            } else {
                any = true;
                let outputs = self.engine.step(&tick);
                self.publish(&outputs, mode)?;
                outputs
            };
            observer.tick(&self.engine, &tick, &outputs, repeated);
            self.progress.ticks += 1;
            commands.extend(outputs.commands);
        }
        Ok(any)
    }

    /// Takes joined ticks through the stages behind detection. Gives whether there were any.
    fn judge(
        &mut self,
        joined: &[Noticed],
        mode: Mode,
        commands: &mut Vec<Command>,
        observer: &mut dyn Observer,
    ) -> Result<bool, DriverError> {
        for noticed in joined {
            let outputs = self.engine.judge(noticed);
            self.publish(&outputs, mode)?;
            observer.idle(&self.engine, &outputs, mode != Mode::New);
            commands.extend(outputs.commands);
        }
        Ok(!joined.is_empty())
    }

    /// Tells the other shards how far detection is.
    fn mark(
        &mut self,
        at: Timestamp,
        last: MarkProgress,
        sightings: Sightings,
        mode: Mode,
        observer: &mut dyn Observer,
    ) -> Result<(), DriverError> {
        let parts = sightings.parts(MARK_ITEMS_MAX);
        let count = parts.len();
        for (index, sightings) in parts.into_iter().enumerate() {
            let progress = if index + 1 == count { last } else { MarkProgress::Part };
            let mark = Mark { schema_version: SCHEMA_VERSION, at, progress, sightings };
            self.emit(records::mark(&mark, self.round, self.marks), mode)?;
            observer.marked(&mark, mode != Mode::New);
            self.marks += 1;
        }
        Ok(())
    }

    /// The latest event time that this loop has come to, in any of its stages.
    fn latest(&self) -> Timestamp {
        self.engine.now().max(self.engine.noticed())
    }

    fn publish(&mut self, outputs: &Outputs, mode: Mode) -> Result<(), DriverError> {
        outputs.records().into_iter().try_for_each(|output| self.emit(output, mode))
    }

    /// Appends a record, or, while a round is done again, holds it against the stored one.
    fn emit(&mut self, output: Output, mode: Mode) -> Result<(), DriverError> {
        if mode == Mode::Unchecked {
            return Ok(());
        }
        let partitions = self.topics.partitions(output.topic);
        // What is known is one history: recovery and the verbs that show it read one partition.
        let partition = match output.topic {
            Topic::Knowledge => 0,
            _ => crc32fast::hash(&output.record.key) % partitions,
        };
        let cursor = self.cursors.entry((output.topic, partition)).or_insert(0);
        if mode == Mode::Checked {
            let offset = *cursor;
            *cursor += 1;
            // Retention may have removed what a long repetition gives again.
            if offset < self.topics.start(output.topic, partition) {
                return Ok(());
            }
            let stored = self.topics.read(output.topic, partition, offset, 1);
            let same =
                stored.is_ok_and(|found| found.first().is_some_and(|first| first.record == output.record));
            return if same || seeded::on(Bug::RepeatedRoundsNotCompared) {
                Ok(())
            } else {
                let partition = format!("{}/{partition}", output.topic);
                Err(DriverError::Diverged { round: self.round, partition, offset })
            };
        }
        *cursor = self.topics.append(output.topic, partition, &[output.record])? + 1;
        Ok(())
    }

    fn ends(&self) -> BTreeMap<String, u64> {
        // An empty partition is left out: after a restart every one has a cursor.
        let written = self.cursors.iter().filter(|(_, end)| **end > 0);
        written.map(|((topic, partition), end)| (format!("{topic}/{partition}"), *end)).collect()
    }

    fn checkpoint_is_due(&self) -> bool {
        if self.environment.repeatable() == Repeatable::Rounds {
            self.round.is_multiple_of(self.settings.checkpoint.rounds.max(1))
        } else {
            // A store that is slower than the loop makes the checkpoints fewer, not the loop slower.
            !self.saver.is_busy()
                && (self.taken_at == Timestamp::MIN
                    || self.latest().since(self.taken_at) >= self.settings.checkpoint.every)
        }
    }

    /// Takes the state after a round that was done with this configuration, and begins to write it.
    fn save(&mut self, configuration: &str, observer: &mut dyn Observer) -> Result<(), DriverError> {
        observer.saving(&Saving::Begun);
        let manifest = Manifest {
            format: FORMAT,
            round: self.round + u64::from(seeded::on(Bug::CheckpointOfNextRound)),
            at: self.latest(),
            environment: self.environment.state(),
            ends: self.ends(),
            configuration: configuration.to_owned(),
            journal: self.entry.clone(),
            knowledge_version: self.engine.knowledge.version(),
            tables: Vec::new(),
        };
        let tables = timed!("checkpoint", self.engine.snapshot())?;
        observer.saving(&Saving::Taken { tables: &tables });
        self.saver.begin(manifest, self.configuration.clone(), tables)?;
        self.taken_at = self.latest();
        Ok(())
    }

    /// Tells and counts what became of a checkpoint.
    fn account(&mut self, ended: Ended, observer: &mut dyn Observer) -> Result<(), CheckpointError> {
        let round = ended.round;
        match ended.result {
            Ok(bytes) => {
                self.saved_round = round;
                self.progress.checkpoints += 1;
                (self.progress.checkpoint_bytes, self.progress.checkpoint_round) = (bytes, round);
                observer.saving(&Saving::Saved { round, bytes });
                Ok(())
            }
            Err(error) => {
                self.progress.checkpoint_failures += 1;
                observer.saving(&Saving::Failed { round, error: &error });
                Err(error)
            }
        }
    }
}
