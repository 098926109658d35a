//! Bugs that are put in on purpose, to show that the tests find them.
//!
//! Each breaks one of the promises that theriac makes (`tests/SEEDED-BUGS.md` has their numbers). They are in the program only with the feature `seeded-bugs`,
//! and then only the one that the environment variable [`VARIABLE`] names is on.
//! `tests/seeded-bugs` switches on one after the other and writes `tests/SEEDED-BUGS.md`.
//!
//! To add one: a line below, `if seeded::on(Bug::Name)` where it bites, and the suites that
//! should find it in `tests/seeded_bugs/src/suites.rs`.

#[cfg(all(feature = "seeded-bugs", not(debug_assertions)))]
compile_error!("the feature `seeded-bugs` puts bugs in: it is for tests, never for a release");

/// Names the bug that is on; none if it is not set. Any other value ends the program.
pub const VARIABLE: &str = "THERIAC_SEEDED_BUG";

macro_rules! bugs {
    ($($bug:ident P $promise:literal $what:literal)*) => {
        /// A bug that can be switched on.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Bug {
            $(#[doc = $what] $bug,)*
        }

        impl Bug {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$bug,)*];

            /// The value of [`VARIABLE`] that switches it on.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$bug => stringify!($bug),)* }
            }

            /// Number of the promise that it breaks.
            #[must_use]
            pub const fn promise(self) -> u8 {
                match self { $(Self::$bug => $promise,)* }
            }

            /// What goes wrong, in a few words.
            #[must_use]
            pub const fn what(self) -> &'static str {
                match self { $(Self::$bug => $what,)* }
            }
        }
    };
}

bugs! {
    // Rounds, the journal, recovery.
    CommandsBeforeCommit P 4 "commands go out before their intent is durable"
    AnswersNotJournalled P 14 "a round is journalled without the answers of executors"
    TelemetryNotKept P 1 "telemetry that cannot be had again is not kept"
    CheckpointOfNextRound P 2 "a checkpoint names the round after the one that it is of"
    CheckpointAheadOfTopics P 2 "a checkpoint is restored though the topics do not reach so far"
    RepeatedRoundsNotCompared P 14 "what a repeated round gives is not held against what is stored"
    ConfigurationNotIntroduced P 17 "a changed configuration is not said in what is known"
    FactsNotTakenOver P 17 "after a change of configuration, facts and plans are not taken from the topics"
    RollbackForgotten P 14 "a rollback by hand is forgotten by the next recovery"
    ChainForgotten P 14 "the head of the chain of facts is forgotten by a restart"
    ChainNotCompared P 11 "the digest of a fact is not held against what stands there"
    ContradictionTaken P 11 "facts of another log that contradict this one are taken in"
    CommandsNotSentAgain P 4 "commands without an answer are not sent again after a restart"
    RejectsDropped P 8 "what cannot be read is dropped instead of becoming a dead letter"
    RejectWithoutBytes P 8 "a dead letter has no bytes"
    MapOrder P 14 "records are written in the order of a hash map"

    // Checkpoints.
    CheckpointChecksumIgnored P 11 "the checksums of a checkpoint are not looked at"
    DamagedCheckpointIsFatal P 11 "a damaged checkpoint is not passed over for the one before"
    OneCheckpointKept P 11 "only the newest checkpoint is kept"
    HalfCheckpointAccepted P 11 "a checkpoint that was half written is taken for a whole one"
    CheckpointNotSynced P 1 "a checkpoint is not forced to the disk before it counts"

    // The embedded log.
    RecordsNotSynced P 1 "records are not forced to the disk before their commit"
    CommitNotSynced P 1 "a commit is acknowledged before it is on the disk"
    CommitBeforeRecords P 1 "the commit is on the disk before its records are"
    FoldersNotSynced P 1 "folders of new files are not forced to the disk"
    TornTailKept P 1 "what a crash left uncommitted is not cut off"
    PositionOutsideTransaction P 2 "a reader's position moves before the transaction commits"
    AbortedRecordsKept P 2 "records of an aborted transaction stay"
    RetentionOneTooMany P 1 "retention removes one segment too many"
    RecordChecksumIgnored P 11 "the checksum of a record is not looked at"
    SecondWriterLetIn P 3 "two processes write to one log"

    // Topics on Kafka.
    OwnerNotFenced P 3 "every process has a transactional id of its own, so nobody is fenced"
    ReadUncommitted P 2 "readers see what was not committed"
    OffsetHeaderReused P 2 "all records of one call carry the same offset"
    RecordsSentTwice P 2 "a transaction that is sent again has its records twice"

    // The input on Kafka.
    OffsetsCommittedEarly P 2 "offsets are committed before the round is, and reading goes on from them"
    SilenceTakenForEnd P 9 "a partition that brings nothing for a moment is taken to be at its end"
    AddedPartitionFromLatest P 9 "a partition that was added is read from its end"
    AgainOneRecordLess P 2 "reading a round again misses its last record"
    PartitionsAsTheyCome P 14 "records of several partitions are not put in order"

    // Shards and membership.
    SlowShardNotWaitedFor P 2 "a tick is judged before every shard has said what it noticed"
    LateTicksDropped P 2 "what a shard noticed that comes late is dropped"
    DomainInSeveralShards P 3 "a domain falls to other shards by the number of who asks"
    LostShardsRunOn P 9 "shards go to another process before this one has ended them"

    // The ledger and executors.
    KeysForgotten P 4 "the ledger forgets its keys with a restart"
    UnfinishedDoneAgain P 4 "what was begun and has no end is done again"
    IntentAfterActing P 4 "the intent is noted after the executor has acted"
    FencingWrongWay P 6 "newer tokens are fenced and stale ones let through"
    TokensForgotten P 6 "the ledger forgets the newest tokens with a restart"
    LedgerNotSynced P 4 "an entry of the ledger counts before it is on the disk"
    PanicIsSuccess P 4 "an executor that panicked has succeeded"
    KilledProgramMayBeRetried P 4 "a program that was killed for its time may be run again"

    // Plans under way.
    TokenReused P 6 "a plan gets the fencing token of the one before"
    LeaseIgnored P 5 "two plans act on one target at once"
    ExpiredPlanBegins P 6 "a plan that has expired is begun"
    ExpiredPlanGoesOn P 6 "a plan that expires under way goes on"
    UnknownIsSuccess P 4 "an unknown end counts as success"
    TimeoutRetried P 4 "what did not answer in time is done again"
    RetryWithNewKey P 4 "each attempt has an idempotency key of its own"
    UncertainIsLearnt P 15 "what may not have been done is learnt from"
    UndoDropped P 15 "a stage that did not help is left as it is"
    UndoForgotten P 15 "what is to be undone is forgotten with a restart"
    PauseIgnored P 16 "commands go out though acting was stopped"
    BudgetIgnored P 5 "plans are made though the budget of what may be acted upon is used up"
    ApprovalNotNeeded P 16 "a plan that awaits approval is begun without it"
    RejectionUnheard P 16 "an approval outweighs the rejection that takes it back"
    KillSwitchIsPause P 16 "the kill switch stops no more than a pause does"
    RollbackResumesActing P 16 "going back to an older version lets acting go on that people stopped since"

    // What comes in.
    RedrivenTwice P 8 "a dead letter is sent back twice"
    ResetCountsDown P 14 "a counter that began anew counts as a negative rate"
    DuplicateCountedTwice P 2 "a point that comes twice counts twice"

    // What is noticed and measured.
    MissedByTheDeaf P 18 "instances are missed though half of all are not heard"
    IncidentLearnt P 18 "what an incident shows is learnt as ordinary"
    HarmBesideItself P 18 "the harm of an action is measured beside a future that has it, too"
}

/// Whether a bug is on: never, without the feature `seeded-bugs`.
#[cfg(not(feature = "seeded-bugs"))]
#[must_use]
pub const fn on(_: Bug) -> bool {
    false
}

/// Whether a bug is on.
///
/// # Panics
/// If [`VARIABLE`] names none.
#[cfg(feature = "seeded-bugs")]
#[must_use]
pub fn on(bug: Bug) -> bool {
    static ON: std::sync::OnceLock<Option<Bug>> = std::sync::OnceLock::new();
    let named = |name: String| {
        let found = Bug::ALL.iter().find(|bug| bug.name() == name);
        *found.unwrap_or_else(|| panic!("{VARIABLE}: `{name}` is no bug; their names are in {}", file!()))
    };
    *ON.get_or_init(|| std::env::var(VARIABLE).ok().map(named)) == Some(bug)
}
