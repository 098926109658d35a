//! Which tests should find which bug.

use std::fmt;

use theriac_contract::seeded::Bug;

/// Some tests: of one executable, those whose names have one of these parts; all if there are none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Suite(pub(crate) &'static str, pub(crate) &'static [&'static str]);

impl Suite {
    /// Whether it needs a Kafka.
    pub(crate) fn needs_broker(&self) -> bool {
        self.0 == "kafka"
    }
}

impl fmt::Display for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)?;
        self.1.iter().try_for_each(|filter| write!(f, " {filter}"))
    }
}

const CHECKPOINTS: &[Suite] = &[Suite("theriac_engine", &["checkpoint"])];
const CONTRACT: &[Suite] = &[Suite("topics", &[])];
const ACTING: &[Suite] = &[Suite("acting", &[])];
const POWER: &[Suite] = &[Suite("power", &[])];
const LEDGER: &[Suite] = &[Suite("executor", &["answers_are_repeated", "at_every_byte", "stale_tokens"])];
const SAGAS: &[Suite] = &[Suite("verdicts", &[]), Suite("sagas", &[])];
const TICKS: &[Suite] = &[Suite("ticks", &["a_sum", "a_point"])];
const KAFKA_SOURCE: &[Suite] = &[Suite("kafka", &["source::"])];

/// The suites that are run with a bug, in this order, until one fails.
pub(crate) fn of(bug: Bug) -> &'static [Suite] {
    match bug {
        Bug::CommandsBeforeCommit | Bug::AnswersNotJournalled | Bug::CommandsNotSentAgain | Bug::MapOrder => {
            ACTING
        }
        Bug::TelemetryNotKept | Bug::CheckpointOfNextRound | Bug::DamagedCheckpointIsFatal => {
            &[Suite("recovery", &["a_damaged_checkpoint"])]
        }
        Bug::CheckpointAheadOfTopics => &[Suite("recovery", &["a_checkpoint_ahead"])],
        Bug::RepeatedRoundsNotCompared => &[Suite("recovery", &["is_held_against"])],
        Bug::ConfigurationNotIntroduced | Bug::FactsNotTakenOver => {
            &[Suite("recovery", &["after_a_change_what"])]
        }
        Bug::RollbackForgotten => &[Suite("recovery", &["said_by_hand"])],
        Bug::ChainForgotten => &[Suite("chain", &["restoring_in_the_middle"])],
        Bug::ChainNotCompared => &[Suite("chain", &["every_change"])],
        Bug::RejectsDropped => &[Suite("inputs", &["broken_rows"])],
        Bug::RejectWithoutBytes => &[Suite("theriac_engine", &["records"])],
        Bug::CheckpointChecksumIgnored | Bug::OneCheckpointKept | Bug::HalfCheckpointAccepted => CHECKPOINTS,
        Bug::CheckpointNotSynced
        | Bug::RecordsNotSynced
        | Bug::CommitNotSynced
        | Bug::CommitBeforeRecords
        | Bug::FoldersNotSynced
        | Bug::LedgerNotSynced => POWER,
        Bug::TornTailKept => &[Suite("theriac_connectors", &["a_crash_and_the_same_transactions"])],
        Bug::RetentionOneTooMany => &[Suite("theriac_connectors", &["retention_lets"])],
        Bug::RecordChecksumIgnored => &[Suite("theriac_connectors", &["every_flipped_bit"])],
        Bug::SecondWriterLetIn => &[Suite("theriac_connectors", &["one_writer_and_readers"])],
        Bug::PositionOutsideTransaction | Bug::AbortedRecordsKept => CONTRACT,
        Bug::OwnerNotFenced => &[Suite("kafka", &["an_owner_that_was_replaced"])],
        Bug::ReadUncommitted | Bug::OffsetHeaderReused => &[Suite("kafka", &["keeps_the_contract"])],
        Bug::RecordsSentTwice => &[Suite("kafka", &["that_was_given_up_is_sent"])],
        Bug::OffsetsCommittedEarly
        | Bug::SilenceTakenForEnd
        | Bug::AddedPartitionFromLatest
        | Bug::AgainOneRecordLess
        | Bug::PartitionsAsTheyCome => KAFKA_SOURCE,
        Bug::SlowShardNotWaitedFor | Bug::LateTicksDropped => {
            &[Suite("kafka", &["a_tick_is_judged_once", "what_comes_late"])]
        }
        Bug::DomainInSeveralShards => &[Suite("kafka", &["an_incident_is_the_same"])],
        Bug::LostShardsRunOn => &[Suite("kafka", &["moves_in_peace"])],
        Bug::KeysForgotten | Bug::UnfinishedDoneAgain | Bug::IntentAfterActing | Bug::TokensForgotten => {
            LEDGER
        }
        // With it, others of the ledger's tests never end.
        Bug::FencingWrongWay => &[Suite("executor", &["stale_tokens"])],
        Bug::PanicIsSuccess => &[Suite("executor", &["pool"])],
        Bug::KilledProgramMayBeRetried => &[Suite("executor", &["process"])],
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
        Bug::PauseIgnored | Bug::ApprovalNotNeeded => &[Suite("control", &[])],
        Bug::BudgetIgnored => &[Suite("guardrails", &[])],
        Bug::RedrivenTwice => &[Suite("kafka", &["a_folder_has_them_too"])],
        Bug::ResetCountsDown | Bug::DuplicateCountedTwice => TICKS,
    }
}

/// Whether a suite that does not end has found the bug.
pub(crate) fn may_hang(_: Bug) -> bool {
    false
}
