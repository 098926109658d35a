//! Edges: as they are seen, and what is known of them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::EdgeKind;
use crate::{series::Entity, time::Timestamp};

/// Calls seen between two entities in one tick.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct EdgeObservation {
    /// Caller, replica, or guest.
    pub from: Entity,
    /// Callee, service, or host.
    pub to: Entity,
    /// Meaning.
    pub kind: EdgeKind,
    /// How many times it was seen: calls as the caller counts them. For [`EdgeKind::RunsOn`] 0
    /// says that `from` is no longer there.
    pub count: u64,
    /// How many times the callee's own spans show it.
    #[serde(default, skip_serializing_if = "is_none")]
    pub served: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
const fn is_none(count: &u64) -> bool {
    *count == 0
}

/// An edge: from, to, meaning.
pub type EdgeKey = (Entity, Entity, EdgeKind);

/// What is known of an edge beside its ends.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct EdgeLife {
    /// When it was seen first; [`Timestamp::MIN`] if it always was there.
    pub since: Timestamp,
    /// A file says so: that nobody sees it does not end it.
    #[serde(default)]
    pub given: bool,
    /// Calls a second, as they were when that was told last; none if nobody counted them.
    #[serde(default)]
    pub per_second: Option<f64>,
}

/// An edge that is no longer there: from when until when it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PastEdge {
    /// Which.
    pub edge: EdgeKey,
    /// First seen.
    pub since: Timestamp,
    /// Last seen.
    pub until: Timestamp,
}

/// A map whose keys are no texts, as a list.
pub(super) mod lives {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serializer};

    use super::{EdgeKey, EdgeLife};

    pub(in super::super) fn serialize<S: Serializer>(
        lives: &BTreeMap<EdgeKey, EdgeLife>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(lives)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<EdgeKey, EdgeLife>, D::Error> {
        let list: Vec<(EdgeKey, EdgeLife)> = Vec::deserialize(deserializer)?;
        Ok(list.into_iter().collect())
    }
}
