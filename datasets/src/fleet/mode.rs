//! How faults come: alone, together, one out of the other, on and off, or while somebody heals.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// How the faults of an episode come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// One fault.
    #[default]
    Single,
    /// Another one elsewhere, within a minute and a half, that has nothing to do with it.
    Concurrent,
    /// The same fault at two of its places at one instant, as a push or a bad batch brings it.
    Correlated,
    /// Whoever bears the fault dies of it after a minute, if it still stands.
    Cascade,
    /// Half a minute on, half a minute off.
    Intermittent,
    /// What is done first fails or only seems to work; or another fault comes while whoever is quick acts.
    DuringHealing,
}

/// A mode that there is not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "there is no mode `{0}`; there are single, concurrent, correlated, cascade, intermittent, during-healing"
)]
pub struct NoMode(pub String);

impl Mode {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Single,
        Self::Concurrent,
        Self::Correlated,
        Self::Cascade,
        Self::Intermittent,
        Self::DuringHealing,
    ];

    /// Of a hundred episodes, how many come so where all modes do.
    #[must_use]
    pub const fn weight(self) -> u32 {
        match self {
            Self::Single => 60,
            Self::Concurrent => 15,
            Self::Correlated => 10,
            Self::Cascade | Self::Intermittent | Self::DuringHealing => 5,
        }
    }

    /// Name as in options and files.
    #[must_use]
    pub const fn slug(self) -> &'static str {
        match self {
            Self::Single => "single",
            Self::Concurrent => "concurrent",
            Self::Correlated => "correlated",
            Self::Cascade => "cascade",
            Self::Intermittent => "intermittent",
            Self::DuringHealing => "during-healing",
        }
    }

    /// Whether it is one fault that comes and stays.
    #[must_use]
    pub fn is_single(&self) -> bool {
        *self == Self::Single
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.slug())
    }
}

impl FromStr for Mode {
    type Err = NoMode;

    fn from_str(text: &str) -> Result<Self, NoMode> {
        let named = Self::ALL.into_iter().find(|mode| mode.slug() == text);
        named.ok_or_else(|| NoMode(text.to_owned()))
    }
}
