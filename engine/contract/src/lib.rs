//! What crosses a crate boundary in theriac, and nothing else.
//!
//! | module | holds |
//! |---|---|
//! | [`time`] | [`Timestamp`], [`Interval`] |
//! | [`id`] | content-derived [`Id`] |
//! | [`codec`] | Arrow batches as bytes |
//! | [`telemetry`] | the Arrow schemas of points, logs and spans, with builders |
//! | [`series`] | [`SeriesId`], [`Series`], [`Entity`] |
//! | [`frame`] | [`Tick`]: one step of event time over all series |
//! | [`topology`] | who depends on whom, who is part of what, and since when; other names |
//! | [`control`] | how far a plan may go; approvals, pause and kill switch |
//! | [`learnt`] | whether knowing more has helped |
//! | [`change`] | [`Change`]: a deploy, a configuration, a flag, a restart |
//! | [`noticed`] | what detection hands on: [`Noticed`], [`Mark`], the [`Gather`] contract |
//! | [`symptom`], [`incident`], [`plan`], [`outcome`], [`knowledge`] | the payloads of the topics |
//! | [`topic`] | [`Topic`], [`Record`] and the [`Topics`] contract |
//! | [`source`] | the [`Source`] contract |
//! | [`executor`] | the [`Executor`] contract |
//! | [`execution`] | what executors in other processes write of commands |
//! | [`slip`] | [`Slip`]: a stage that executors hand to each other |
//! | `backoff` | [`Retry::wait`] |
//! | [`object`] | the [`Objects`] contract |
//! | [`state`] | [`StateTable`] and [`Checkpointed`] |
//! | [`schema`] | JSON Schema of every payload |
//! | [`seeded`] | bugs that tests switch on, to show that they are found |
//!
//! A trait lives here only if another crate implements it. Nothing here reads
//! a clock, does I/O or draws a random number.

mod backoff;
pub mod change;
pub mod codec;
pub mod control;
pub mod execution;
pub mod executor;
pub mod frame;
pub mod id;
pub mod incident;
pub mod knowledge;
pub mod learnt;
pub mod noticed;
pub mod object;
pub mod outcome;
pub mod plan;
pub mod schema;
pub mod seeded;
pub mod series;
pub mod slip;
pub mod source;
pub mod state;
pub mod symptom;
pub mod telemetry;
pub mod time;
pub mod topic;
pub mod topology;

pub use change::Change;
pub use control::{Autonomy, Awaiting, Control, Hold, HoldKind, Ruling};
pub use execution::{Attempt, Execution, ExecutionEvent};
pub use executor::{Command, Completion, Executor, Verdict};
pub use frame::Tick;
pub use id::Id;
pub use incident::{
    Evidence, FaultClass, Felt, Hypothesis, Incident, IncidentPhase, Reached, Role, SymptomRef,
};
pub use knowledge::{
    Belief, Distrust, Fact, Judgement, LogTemplate, Precedent, RecordedFact, Snapshot, TemplateReplacement,
};
pub use learnt::Watershed;
pub use noticed::{Gather, Mark, MarkProgress, Noticed, Sightings};
pub use object::{ObjectError, Objects};
pub use outcome::{Outcome, OutcomeKind, Verification, VerificationVerdict};
pub use plan::{Action, Candidate, Plan, PlanStage, Retry, Step, Utility};
pub use series::{Entity, Series, SeriesId, SignalKind};
pub use slip::{Ending, Place, Slip, Stop};
pub use source::{Fetch, Fetched, Reject, Source, SourceError};
pub use state::{Checkpointed, StateError, StateTable};
pub use symptom::{DetectorScore, Direction, Exhaustion, Symptom, SymptomPhase, SymptomState};
pub use telemetry::Telemetry;
pub use time::{Interval, Timestamp};
pub use topic::{Record, StoredRecord, Topic, TopicError, Topics};
pub use topology::{
    Alias, EdgeKey, EdgeKind, EdgeLife, EdgeObservation, GivenEdge, GivenTopology, NodeKind, Topology,
};

/// Version of every payload schema in this crate. Adding an optional field is
/// compatible; anything else raises this number and needs a reader for the old one.
pub const SCHEMA_VERSION: u32 = 1;
