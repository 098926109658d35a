//! What was changed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    series::Entity,
    time::{Interval, Timestamp},
};

/// Something that somebody changed: a deploy, a configuration, a flag, a scaling.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Change {
    /// When.
    pub at: Timestamp,
    /// What was changed: a service or an instance.
    pub entity: Entity,
    /// `deploy`, `configuration`, `flag`, `scaling`, `schema`, `certificate`, `maintenance`, `restart`,
    /// `checkpoint`, `compensator`.
    pub kind: String,
    /// What it was before, where known: a version or revision.
    pub from: String,
    /// What it is now.
    pub to: String,
    /// Text for people.
    pub description: String,
}

impl Change {
    /// Kind of a change that a process made by itself: it began anew.
    pub const RESTART: &str = "restart";
    /// Kind of a change of the form in which data are kept.
    pub const SCHEMA: &str = "schema";
    /// A migration is announced with the deploy that it belongs to within so long, before or after.
    pub const TOGETHER: Interval = Interval::from_seconds(120);
    /// Kind of a change of what proves an identity.
    pub const CERTIFICATE: &str = "certificate";
    /// Kind of planned work.
    pub const MAINTENANCE: &str = "maintenance";
    /// Kind of what changes nothing: a state that a service can be brought back to, named in `to`.
    pub const CHECKPOINT: &str = "checkpoint";
    /// Kind of what changes nothing: something that takes back what a service did, named in `to`.
    pub const COMPENSATOR: &str = "compensator";

    /// Whether it can have broken nothing: work that was announced, a process that began anew, or what
    /// was only registered.
    #[must_use]
    pub fn is_harmless(&self) -> bool {
        [Self::RESTART, Self::MAINTENANCE, Self::CHECKPOINT, Self::COMPENSATOR].contains(&self.kind.as_str())
    }

    /// Whether it was one of settings, not of programs: it is taken back in another way.
    #[must_use]
    pub fn is_of_settings(&self) -> bool {
        let kind = self.kind.to_ascii_lowercase();
        ["config", "flag", "setting", "secret", "certificate", "limit", "quota"]
            .iter()
            .any(|word| kind.contains(word))
    }
}
