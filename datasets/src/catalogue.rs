//! Which public data sets theriac reads, where they come from, and where they lie here.
//!
//! A data set is described by `datasets/manifest.json`; its files are named with pinned
//! source, size and SHA-256, so that what is fetched tomorrow is what was tested today.

use std::{
    env, fmt,
    path::{Path, PathBuf},
    sync::LazyLock,
};

use serde::{Deserialize, Serialize};

/// One public data set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dataset {
    /// Name on the command line and of its folder.
    pub name: String,
    /// One line: what it is.
    pub title: String,
    /// What theriac uses it for.
    pub purpose: String,
    /// Short name of the licence, SPDX where there is one.
    pub licence: String,
    /// Where its text is.
    pub licence_url: String,
    /// What its authors want cited.
    pub citation: String,
    /// Page of the project.
    pub homepage: String,
    /// Pinned revision of the source.
    pub revision: String,
    /// Address before the paths of the files, with a slash at the end.
    pub base_url: String,
    /// Files that can be fetched. None: see `note`.
    pub files: Vec<RemoteFile>,
    /// What fetching does not do, and how to do it by hand; empty if it does everything.
    #[serde(default)]
    pub note: String,
}

/// One file of a data set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemoteFile {
    /// Path below the data set's folder.
    pub path: String,
    /// Path below `base_url`, where it differs; a whole address if it is in another repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Size, bytes.
    pub bytes: u64,
    /// SHA-256, lower-case hexadecimal.
    pub sha256: String,
}

impl Dataset {
    /// Bytes of all files.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    /// Whether [`crate::fetch::fetch`] can get it.
    #[must_use]
    pub const fn can_be_fetched(&self) -> bool {
        !self.files.is_empty()
    }
}

/// All data sets, by name.
///
/// # Panics
/// Never: the manifest is part of the program and a test reads it.
#[must_use]
pub fn all() -> &'static [Dataset] {
    static ALL: LazyLock<Vec<Dataset>> = LazyLock::new(|| {
        serde_json::from_str(include_str!("../manifest.json")).expect("the manifest is well-formed")
    });
    &ALL
}

/// The data set of that name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Dataset> {
    all().iter().find(|dataset| dataset.name == name)
}

/// A data set is not on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotFound {
    /// Data set.
    pub name: String,
    /// Folders that were looked at.
    pub looked_at: Vec<PathBuf>,
}

impl std::error::Error for NotFound {}

impl fmt::Display for NotFound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.name;
        let Some(dataset) = find(name) else {
            let known: Vec<&str> = all().iter().map(|dataset| dataset.name.as_str()).collect();
            return write!(f, "there is no data set `{name}`; there are: {}", known.join(", "));
        };
        write!(f, "the data set `{name}` is not here")?;
        if self.looked_at.is_empty() {
            f.write_str(" (neither --data nor THERIAC_DATASETS is set)")?;
        } else {
            let looked: Vec<String> = self.looked_at.iter().map(|p| p.display().to_string()).collect();
            write!(f, " (looked at {})", looked.join(", "))?;
        }
        if dataset.can_be_fetched() {
            write!(
                f,
                "; get it with `theriac datasets fetch {name}` ({:.1} MB, licence {}), then give its folder as --data or the folder above it as THERIAC_DATASETS",
                dataset.bytes() as f64 / 1e6,
                dataset.licence
            )
        } else {
            write!(
                f,
                "; `theriac datasets fetch {name}` cannot get it: {} Source: {}",
                dataset.note, dataset.homepage
            )
        }
    }
}

/// Where a data set lies: `data` itself or `data/<name>`, then `env/<name>`, where `env` is
/// the value of `THERIAC_DATASETS`.
///
/// # Errors
/// If it is in none of them; the message says how to get it.
pub fn locate(name: &str, data: Option<&Path>, env: Option<&Path>) -> Result<PathBuf, NotFound> {
    let mut candidates: Vec<PathBuf> = Vec::new();
    if let Some(data) = data {
        candidates.push(data.join(name));
        candidates.push(data.to_owned());
    } else if let Some(env) = env {
        candidates.push(env.join(name));
    }
    let there = |dir: &&PathBuf| find(name).is_some_and(|dataset| looks_like(dataset, dir));
    match candidates.iter().find(there) {
        Some(dir) => Ok(dir.clone()),
        None => Err(NotFound { name: name.to_owned(), looked_at: candidates }),
    }
}

/// [`locate`], with `THERIAC_DATASETS` from the environment; empty counts as not set.
///
/// # Errors
/// As [`locate`].
pub fn locate_from_environment(name: &str, data: Option<&Path>) -> Result<PathBuf, NotFound> {
    let env = env::var_os("THERIAC_DATASETS").filter(|value| !value.is_empty()).map(PathBuf::from);
    locate(name, data, env.as_deref())
}

/// Whether a folder holds the data set, told by its first file (or by being there, where no
/// file is listed).
fn looks_like(dataset: &Dataset, dir: &Path) -> bool {
    match dataset.files.iter().find(|file| file.path.contains("label")).or_else(|| dataset.files.first()) {
        // Packed copies are as good.
        Some(file) => [&file.path, &format!("{}.gz", file.path)].iter().any(|path| dir.join(path).is_file()),
        None => dir.is_dir() && dir.ends_with(&dataset.name),
    }
}
