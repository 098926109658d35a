//! Limits.

use serde::{Deserialize, Serialize};

/// Limits of a miner. How it decides is not a setting: one way serves all systems.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Templates at most. One more makes it forget the half that was seen least.
    pub templates_max: usize,
    /// Ways to write them at most, over all templates.
    pub patterns_max: usize,
    /// Bytes of a line that are looked at.
    pub line_bytes_max: usize,
    /// Words and delimiters of a line that are looked at.
    pub tokens_max: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { templates_max: 20_000, patterns_max: 40_000, line_bytes_max: 8192, tokens_max: 512 }
    }
}
