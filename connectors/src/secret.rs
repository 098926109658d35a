//! Secrets: named in the configuration, kept elsewhere, read once, never shown.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Where a secret is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Secret {
    /// In this environment variable.
    Environment(String),
    /// In this file; blanks at its end do not count.
    File(PathBuf),
}

impl Secret {
    /// The secret itself.
    ///
    /// # Errors
    /// If it is not there, or empty; the text says what to do.
    pub fn read(&self) -> Result<Vec<u8>, String> {
        let secret = match self {
            Self::Environment(variable) => {
                std::env::var(variable).map_err(|_| format!("set the environment variable {variable}"))?
            }
            Self::File(path) => {
                std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?
            }
        };
        let secret = secret.trim_end();
        if secret.is_empty() { Err("it is empty".to_owned()) } else { Ok(secret.as_bytes().to_vec()) }
    }
}
