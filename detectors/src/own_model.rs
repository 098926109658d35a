//! The user's own model, as settings name it.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// A model of the user's own, in an ONNX file. It runs behind the detectors of the bank; what the
/// file must hold is told in `detectors/ONNX.md`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OwnModel {
    /// The file. Where it lies does not matter, what it holds does.
    #[serde(skip_serializing)]
    pub file: PathBuf,
    /// Whether each window is standardised by the median and the median absolute deviation of its
    /// values but the newest.
    #[serde(default = "standardise")]
    pub standardise: bool,
    /// What the file held when it was opened.
    #[serde(skip_deserializing)]
    content: Option<Content>,
}

const fn standardise() -> bool {
    true
}

/// Why a model does not run.
#[derive(Debug, thiserror::Error)]
pub enum OwnModelError {
    /// The file cannot be read.
    #[error("`{file}` cannot be read: {source}")]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file holds no model that keeps to the contract.
    #[cfg(feature = "onnx")]
    #[error(transparent)]
    Unsuitable(#[from] crate::onnx::OnnxError),
    /// This build cannot run models.
    #[error("`{file}` cannot run: this program was built without models; build it with `--features onnx`")]
    NotBuilt {
        /// The file.
        file: PathBuf,
    },
}

impl OwnModel {
    /// The model of a file that lies in `folder`, unless its path is absolute.
    ///
    /// # Errors
    /// If the file cannot be read, does not keep to the contract, or this build runs no models.
    pub fn open(mut self, folder: &Path) -> Result<Self, OwnModelError> {
        self.file = folder.join(&self.file);
        self.content = Some(Content::of(&self.file)?);
        Ok(self)
    }

    /// The model of a file that was not opened yet.
    #[must_use]
    pub fn new(file: PathBuf, standardise: bool) -> Self {
        Self { file, standardise, content: None }
    }
}

/// What a file holds; two are the same if the bytes were.
#[derive(Clone, Debug, Serialize)]
struct Content {
    fingerprint: String,
    #[cfg(feature = "onnx")]
    #[serde(skip)]
    model: crate::onnx::OnnxModel,
}

impl PartialEq for Content {
    fn eq(&self, other: &Self) -> bool {
        self.fingerprint == other.fingerprint
    }
}

impl Eq for Content {}

impl Content {
    #[cfg(feature = "onnx")]
    fn of(file: &Path) -> Result<Self, OwnModelError> {
        let bytes = std::fs::read(file)
            .map_err(|source| OwnModelError::Unreadable { file: file.to_owned(), source })?;
        let model = crate::onnx::OnnxModel::new(&file.display().to_string(), &bytes)?;
        Ok(Self { fingerprint: theriac_contract::Id::derive("model", &[bytes]).to_string(), model })
    }

    #[cfg(not(feature = "onnx"))]
    fn of(file: &Path) -> Result<Self, OwnModelError> {
        Err(OwnModelError::NotBuilt { file: file.to_owned() })
    }
}

#[cfg(feature = "onnx")]
impl OwnModel {
    /// The model as a detector of the bank.
    pub(crate) fn detector(&self) -> Box<dyn crate::detector::Detector> {
        let content = self.content.as_ref().expect("whoever reads settings opens the model");
        let settings =
            crate::onnx::OnnxSettings { model: content.model.clone(), standardise: self.standardise };
        let models = crate::slots::Slots::<crate::onnx::Onnx>::new(settings);
        Box::new(crate::modelled::Modelled::new(models, None))
    }
}
