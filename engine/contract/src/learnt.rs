//! What is learnt of faults that end by themselves, and of whether knowing more has helped.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::knowledge::Belief;

/// A point in what is known at which decisions may have changed, with how strategies fared
/// before and after it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Watershed {
    /// Version of the fact.
    pub version: u64,
    /// What became known with it, for people.
    pub what: String,
    /// Verified recoveries and failures before it.
    pub before: Belief,
    /// Verified recoveries and failures since.
    pub after: Belief,
    /// Whether it was told that things got worse.
    pub told: bool,
    /// Whether it was learnt, so that it can be reverted; a configuration cannot from within.
    #[serde(default)]
    pub learnt: bool,
}

impl Watershed {
    /// How many are kept: the oldest goes first.
    pub const KEPT: usize = 32;
}
