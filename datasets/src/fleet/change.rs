//! What people and their tools changed: a log that says so, whether it did harm or not.

use serde::{Deserialize, Serialize};

use super::{clock::Nanos, world::World};

/// Kind of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// Another version.
    Deploy,
    /// Another revision of the configuration.
    Configuration,
    /// A flag.
    Flag,
    /// More replicas or fewer.
    Scaling,
    /// A certificate or secret.
    Certificate,
    /// The schema of a database.
    Schema,
    /// Planned work.
    Maintenance,
}

impl Change {
    /// Name of the event.
    #[must_use]
    pub const fn event(self) -> &'static str {
        match self {
            Self::Deploy => "deploy",
            Self::Configuration => "config",
            Self::Flag => "feature_flag",
            Self::Scaling => "scaling",
            Self::Certificate => "certificate",
            Self::Schema => "schema_migration",
            Self::Maintenance => "maintenance",
        }
    }
}

/// An entry of the change log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeEntry {
    /// When.
    pub at: Nanos,
    /// Which service.
    pub service: String,
    /// What.
    pub change: Change,
    /// From what.
    pub from: String,
    /// To what.
    pub to: String,
}

impl World {
    /// Writes a change down and says it.
    pub(crate) fn announce(
        &mut self,
        service: usize,
        change: Change,
        from: impl ToString,
        to: impl ToString,
    ) {
        let name = self.topology.services[service].name.clone();
        let entry =
            ChangeEntry { at: self.now, service: name, change, from: from.to_string(), to: to.to_string() };
        self.note_change(service as u32, &entry);
        self.changes.push(entry);
    }

    /// A version that is only better is rolled out without anybody noticing the work.
    pub(crate) fn deploy(&mut self, service: usize, version: u32) {
        let names = |place: u32| self.services[service].versions[place as usize].name.clone();
        let (from, to) = (names(self.services[service].version()), names(version));
        self.services[service].deployed.push(version);
        self.announce(service, Change::Deploy, from, to);
    }

    /// A revision that holds at once for all processes.
    pub(crate) fn configure(
        &mut self,
        service: usize,
        change: Change,
        edit: impl FnOnce(&mut super::service::Config),
    ) {
        let mut config = self.services[service].config().clone();
        let from = config.name.clone();
        config.name = format!("r{}", self.services[service].configs.len() + 1);
        edit(&mut config);
        let to = config.name.clone();
        if config.unresolvable {
            self.services[service].unresolvable_since = self.now;
        }
        self.services[service].configure(config);
        self.announce(service, change, from, to);
    }
}
