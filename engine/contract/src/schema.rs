//! JSON Schema of every payload, generated from the types.

use schemars::{Schema, schema_for};

use crate::{
    execution::Execution,
    executor::{Command, Completion},
    incident::Incident,
    knowledge::RecordedFact,
    noticed::Mark,
    outcome::{Outcome, Verification},
    plan::Plan,
    symptom::Symptom,
};

/// Name and schema of each payload, in the order of the loop.
#[must_use]
pub fn payloads() -> Vec<(&'static str, Schema)> {
    vec![
        ("symptom", schema_for!(Symptom)),
        ("mark", schema_for!(Mark)),
        ("incident", schema_for!(Incident)),
        ("plan", schema_for!(Plan)),
        ("command", schema_for!(Command)),
        ("execution", schema_for!(Execution)),
        ("completion", schema_for!(Completion)),
        ("outcome", schema_for!(Outcome)),
        ("verification", schema_for!(Verification)),
        ("fact", schema_for!(RecordedFact)),
    ]
}
