//! Stores of whole objects, chosen by a URL: a folder, or an object store.
//!
//! | URL | store | feature |
//! |---|---|---|
//! | `/a/folder`, `file:///a/folder` | [`Folder`] | |
//! | `s3://bucket/path` | S3, and what speaks its protocol | `object-store` |
//! | `gs://bucket/path` | Google Cloud Storage | `object-store` |
//! | `az://container/path` | Azure Blob Storage | `object-store` |

#[cfg(feature = "object-store")]
mod cloud;
mod folder;

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use theriac_contract::{ObjectError, Objects};

pub use self::folder::Folder;
use crate::secret::Secret;

/// A store cannot be opened as the configuration says.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Its address or one of its options makes no sense.
    #[error("{field}: {reason}")]
    Settings {
        /// Which, below `checkpoint`.
        field: String,
        /// What is wrong, and the mend.
        reason: String,
    },
    /// It was asked, and did not do it.
    #[error(transparent)]
    Object(#[from] ObjectError),
}

impl StoreError {
    fn settings(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Settings { field: field.into(), reason: reason.into() }
    }
}

/// Which store, and how it is reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// URL or folder.
    pub url: String,
    /// Options of the object store, as `aws_region`, `aws_endpoint`, `azure_storage_account_name`;
    /// they come before what the environment says.
    pub options: BTreeMap<String, String>,
    /// Options whose values must not be shown.
    pub secrets: BTreeMap<String, Secret>,
}

impl Place {
    /// The folder that the URL names, if it names one.
    #[must_use]
    pub fn folder(&self) -> Option<PathBuf> {
        match self.url.split_once("://") {
            None => Some(PathBuf::from(&self.url)),
            Some(("file", path)) => Some(PathBuf::from(path)),
            Some(_) => None,
        }
    }

    /// Opens what lies below `below`, as `theriac.checkpoints/3`. Asks no network.
    ///
    /// # Errors
    /// If the settings make no sense, or a folder cannot be made.
    pub fn open(&self, below: &str) -> Result<Arc<dyn Objects>, StoreError> {
        if let Some(folder) = self.folder() {
            return Ok(Arc::new(Folder::open(&folder.join(below))?));
        }
        self.open_cloud(below)
    }

    #[cfg(feature = "object-store")]
    fn open_cloud(&self, below: &str) -> Result<Arc<dyn Objects>, StoreError> {
        Ok(Arc::new(cloud::Cloud::open(self, below)?))
    }

    #[cfg(not(feature = "object-store"))]
    fn open_cloud(&self, _: &str) -> Result<Arc<dyn Objects>, StoreError> {
        let reason = "this program was built without object stores: build it with the feature `object-store`, which is one of the default features, or name a folder";
        Err(StoreError::settings("store", reason))
    }
}
