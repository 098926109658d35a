//! Settings of the machine as a source.

use serde::{Deserialize, Serialize};
use theriac_contract::Interval;

/// Settings of the machine as a source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Time between two readings.
    pub interval: Interval,
    /// Name in `host.name`; none for the machine's own.
    pub host_name: Option<String>,
    /// Cores that are told one by one; 0 for the total alone.
    pub cores_max: usize,
    /// Disks and network interfaces that are told, by name, each.
    pub devices_max: usize,
    /// Processes that are told: so many with most processor time, and so many with most
    /// memory. Processes of one name are told as one.
    pub processes_max: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            interval: Interval::from_seconds(5),
            host_name: None,
            cores_max: 16,
            devices_max: 16,
            processes_max: 5,
        }
    }
}
