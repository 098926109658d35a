//! Which tests should find which bug.

use std::fmt;

use theriac_contract::seeded::Bug;

/// Package of the suites that run the whole program.
const WHOLE_PROGRAM: &str = "theriac-tests";

/// Some tests: of a package, of one executable, those whose names have one of these parts; all if there
/// are none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Suite(pub(crate) &'static str, pub(crate) &'static str, pub(crate) &'static [&'static str]);

impl Suite {
    /// Whether it needs a Kafka.
    pub(crate) fn needs_broker(&self) -> bool {
        self.1 == "kafka"
    }

    /// Whether it runs the whole program, and not one package alone.
    pub(crate) fn needs_program(&self) -> bool {
        self.0 == WHOLE_PROGRAM
    }
}

impl fmt::Display for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.1)?;
        self.2.iter().try_for_each(|filter| write!(f, " {filter}"))
    }
}

const CHECKPOINTS: &[Suite] = &[Suite("theriac-engine", "theriac_engine", &["checkpoint"])];
const CONTRACT: &[Suite] = &[Suite("theriac-tests", "topics", &[])];
const ACTING: &[Suite] = &[Suite("theriac-tests", "acting", &[])];
const POWER: &[Suite] = &[Suite("theriac-tests", "power", &[])];
const LEDGER: &[Suite] =
    &[Suite("theriac-connectors", "executor", &["answers_are_repeated", "at_every_byte", "stale_tokens"])];
const SAGAS: &[Suite] = &[Suite("theriac-execute", "verdicts", &[]), Suite("theriac-execute", "sagas", &[])];
const SIGNALS: &[Suite] = &[Suite("theriac-monitor", "signals", &["a_sum", "a_point"])];
const KAFKA_SOURCE: &[Suite] = &[Suite("theriac-tests", "kafka", &["source::"])];

/// The suites that are run with a bug, in this order, until one fails.
pub(crate) fn of(bug: Bug) -> &'static [Suite] {
    match bug {
        Bug::CommandsBeforeCommit | Bug::AnswersNotJournalled | Bug::CommandsNotSentAgain | Bug::MapOrder => {
            ACTING
        }
        Bug::TelemetryNotKept | Bug::CheckpointOfNextRound | Bug::DamagedCheckpointIsFatal => {
            &[Suite("theriac-tests", "recovery", &["a_damaged_checkpoint"])]
        }
        Bug::CheckpointAheadOfTopics => &[Suite("theriac-tests", "recovery", &["a_checkpoint_ahead"])],
        Bug::RepeatedRoundsNotCompared => &[Suite("theriac-tests", "recovery", &["is_held_against"])],
        Bug::ConfigurationNotIntroduced | Bug::FactsNotTakenOver => {
            &[Suite("theriac-tests", "recovery", &["after_a_change_what"])]
        }
        Bug::RollbackForgotten => &[Suite("theriac-tests", "recovery", &["said_by_hand"])],
        Bug::ChainForgotten => &[Suite("theriac-knowledge", "chain", &["restoring_in_the_middle"])],
        Bug::ChainNotCompared => &[Suite("theriac-knowledge", "chain", &["every_change"])],
        Bug::RejectsDropped => &[Suite("theriac-tests", "inputs", &["broken_rows"])],
        Bug::RejectWithoutBytes => &[Suite("theriac-engine", "theriac_engine", &["records"])],
        Bug::CheckpointChecksumIgnored | Bug::OneCheckpointKept | Bug::HalfCheckpointAccepted => CHECKPOINTS,
        Bug::CheckpointNotSynced
        | Bug::RecordsNotSynced
        | Bug::CommitNotSynced
        | Bug::CommitBeforeRecords
        | Bug::FoldersNotSynced
        | Bug::LedgerNotSynced => POWER,
        Bug::TornTailKept => {
            &[Suite("theriac-connectors", "theriac_connectors", &["a_crash_and_the_same_transactions"])]
        }
        Bug::RetentionOneTooMany => &[Suite("theriac-connectors", "theriac_connectors", &["retention_lets"])],
        Bug::RecordChecksumIgnored => {
            &[Suite("theriac-connectors", "theriac_connectors", &["every_flipped_bit"])]
        }
        Bug::SecondWriterLetIn => {
            &[Suite("theriac-connectors", "theriac_connectors", &["one_writer_and_readers"])]
        }
        Bug::PositionOutsideTransaction | Bug::AbortedRecordsKept => CONTRACT,
        Bug::OwnerNotFenced => &[Suite("theriac-tests", "kafka", &["an_owner_that_was_replaced"])],
        Bug::ReadUncommitted | Bug::OffsetHeaderReused => {
            &[Suite("theriac-tests", "kafka", &["keeps_the_contract"])]
        }
        Bug::RecordsSentTwice => &[Suite("theriac-tests", "kafka", &["that_was_given_up_is_sent"])],
        Bug::OffsetsCommittedEarly
        | Bug::SilenceTakenForEnd
        | Bug::AddedPartitionFromLatest
        | Bug::AgainOneRecordLess
        | Bug::PartitionsAsTheyCome => KAFKA_SOURCE,
        Bug::SlowShardNotWaitedFor | Bug::LateTicksDropped => {
            &[Suite("theriac-tests", "kafka", &["a_tick_is_judged_once", "what_comes_late"])]
        }
        Bug::DomainInSeveralShards => &[Suite("theriac-tests", "kafka", &["an_incident_is_the_same"])],
        Bug::LostShardsRunOn => &[Suite("theriac-tests", "kafka", &["moves_in_peace"])],
        Bug::KeysForgotten | Bug::UnfinishedDoneAgain | Bug::IntentAfterActing | Bug::TokensForgotten => {
            LEDGER
        }
        // With it, others of the ledger's tests never end.
        Bug::FencingWrongWay => &[Suite("theriac-connectors", "executor", &["stale_tokens"])],
        Bug::PanicIsSuccess => &[Suite("theriac-connectors", "executor", &["pool"])],
        Bug::KilledProgramMayBeRetried => &[Suite("theriac-connectors", "executor", &["process"])],
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
        Bug::RejectionUnheard => &[Suite("theriac-contract", "theriac_contract", &["control"])],
        Bug::RollbackResumesActing => &[Suite("theriac-knowledge", "fold", &["by_going_back"])],
        Bug::ContradictionTaken => &[Suite("theriac-knowledge", "import", &["what_contradicts"])],
        Bug::MissedByTheDeaf => &[Suite("theriac-detect", "theriac_detect", &["roll_call"])],
        Bug::IncidentLearnt => &[Suite("theriac-detect", "life", &["is_not_learnt"])],
        Bug::HarmBesideItself => &[Suite("theriac-datasets", "fleet", &["harm"])],
        Bug::PauseIgnored | Bug::ApprovalNotNeeded | Bug::KillSwitchIsPause => {
            &[Suite("theriac-execute", "control", &[])]
        }
        Bug::BudgetIgnored => &[Suite("theriac-plan", "guardrails", &[])],
        Bug::RedrivenTwice => &[Suite("theriac-tests", "kafka", &["a_folder_has_them_too"])],
        Bug::ResetCountsDown | Bug::DuplicateCountedTwice => SIGNALS,
    }
}

/// Whether a suite that does not end has found the bug.
pub(crate) fn may_hang(_: Bug) -> bool {
    false
}
