//! Which tests should find which bug.

use std::fmt;

use theriac_contract::seeded::Bug;

/// Some tests of one executable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Suite {
    /// Its name.
    pub(crate) executable: &'static str,
    /// Parts of the names of its tests; all of them if there are none.
    pub(crate) filters: &'static [&'static str],
}

impl Suite {
    /// Whether it needs a Kafka.
    pub(crate) fn needs_broker(&self) -> bool {
        self.executable == "kafka"
    }
}

impl fmt::Display for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.executable)?;
        self.filters.iter().try_for_each(|filter| write!(f, " {filter}"))
    }
}

const fn suite(executable: &'static str, filters: &'static [&'static str]) -> Suite {
    Suite { executable, filters }
}

const RECOVERY: &[Suite] = &[suite("recovery", &[])];
const CHECKPOINTS: &[Suite] = &[suite("theriac_engine", &["checkpoint"])];
const EMBEDDED: &[Suite] = &[suite("theriac_connectors", &["topics::"])];
const CONTRACT: &[Suite] = &[suite("topics", &[])];
const HEALING: &[Suite] = &[suite("healing", &[])];
const POWER: &[Suite] = &[suite("power", &[])];
const LEDGER: &[Suite] = &[suite("executor", &["ledger"])];
const SAGAS: &[Suite] = &[suite("verdicts", &[]), suite("sagas", &[])];
const TICKS: &[Suite] = &[suite("ticks", &["sum", "twice"])];
const KAFKA_TOPICS: &[Suite] = &[suite("kafka", &["topics::"])];
const KAFKA_SOURCE: &[Suite] = &[suite("kafka", &["source::"])];
const KAFKA_SHARDS: &[Suite] = &[suite("kafka", &["shards::"])];

/// The suites that are run with a bug, in this order, until one fails.
pub(crate) fn of(bug: Bug) -> &'static [Suite] {
    match bug {
        Bug::CommandsBeforeCommit | Bug::AnswersNotJournalled | Bug::CommandsNotSentAgain | Bug::MapOrder => {
            HEALING
        }
        Bug::TelemetryNotKept
        | Bug::CheckpointOfNextRound
        | Bug::CheckpointAheadOfTopics
        | Bug::RepeatedRoundsNotCompared
        | Bug::ConfigurationNotIntroduced
        | Bug::FactsNotTakenOver
        | Bug::RollbackForgotten
        | Bug::DamagedCheckpointIsFatal => RECOVERY,
        Bug::RejectsDropped => &[suite("inputs", &["broken_rows"])],
        Bug::RejectWithoutBytes => &[suite("theriac_engine", &["records"])],
        Bug::CheckpointChecksumIgnored | Bug::OneCheckpointKept | Bug::HalfCheckpointAccepted => CHECKPOINTS,
        Bug::CheckpointNotSynced
        | Bug::RecordsNotSynced
        | Bug::CommitNotSynced
        | Bug::CommitBeforeRecords
        | Bug::FoldersNotSynced
        | Bug::LedgerNotSynced => POWER,
        Bug::TornTailKept
        | Bug::RetentionOneTooMany
        | Bug::RecordChecksumIgnored
        | Bug::SecondWriterLetIn => EMBEDDED,
        Bug::PositionOutsideTransaction | Bug::AbortedRecordsKept => CONTRACT,
        Bug::OwnerNotFenced | Bug::ReadUncommitted | Bug::OffsetHeaderReused | Bug::RecordsSentTwice => {
            KAFKA_TOPICS
        }
        Bug::OffsetsCommittedEarly
        | Bug::SilenceTakenForEnd
        | Bug::AddedPartitionFromLatest
        | Bug::AgainOneRecordLess
        | Bug::PartitionsAsTheyCome => KAFKA_SOURCE,
        Bug::SlowShardNotWaitedFor | Bug::LateTicksDropped | Bug::DomainInSeveralShards => KAFKA_SHARDS,
        Bug::LostShardsRunOn => &[suite("kafka", &["moves_in_peace"])],
        Bug::KeysForgotten
        | Bug::UnfinishedDoneAgain
        | Bug::IntentAfterActing
        | Bug::FencingWrongWay
        | Bug::TokensForgotten => LEDGER,
        Bug::PanicIsSuccess => &[suite("executor", &["pool"])],
        Bug::KilledProgramMayBeRetried => &[suite("executor", &["process"])],
        Bug::TokenReused
        | Bug::LeaseIgnored
        | Bug::ExpiredPlanBegins
        | Bug::ExpiredPlanGoesOn
        | Bug::UnknownIsSuccess
        | Bug::TimeoutRetried
        | Bug::RetryWithNewKey
        | Bug::UncertainIsLearnt
        | Bug::UndoDropped
        | Bug::UndoForgotten => SAGAS,
        Bug::RedrivenTwice => &[suite("kafka", &["a_folder_has_them_too"])],
        Bug::ResetCountsDown | Bug::DuplicateCountedTwice => TICKS,
    }
}

/// Whether a suite that does not end has found the bug.
pub(crate) fn may_hang(_: Bug) -> bool {
    false
}
