//! Whole objects under names: where checkpoints lie, a folder or an object store.

/// An object could not be written, read or removed.
#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    /// This object cannot be had: it is not there, or its bytes cannot be read.
    #[error("{name}: {reason}")]
    Unreadable {
        /// The object, with the place that it lies in.
        name: String,
        /// Why.
        reason: String,
    },
    /// The store did not do what it was asked for. It may later.
    #[error("{place}: {what}: {reason}")]
    Unavailable {
        /// The store: a folder, or an address without secrets.
        place: String,
        /// What it was asked for.
        what: String,
        /// Why it did not do it, and the mend.
        reason: String,
    },
}

/// A flat store of whole objects. One that was put is there after a crash, with all of its
/// bytes or not at all; there is no renaming.
pub trait Objects: Send + Sync {
    /// Puts an object. Another one of the same name is replaced.
    ///
    /// # Errors
    /// If the store does not take it.
    fn put(&self, name: &str, bytes: Vec<u8>) -> Result<(), ObjectError>;

    /// All bytes of an object.
    ///
    /// # Errors
    /// [`ObjectError::Unreadable`] if it is not there or cannot be read, and
    /// [`ObjectError::Unavailable`] if the store did not say.
    fn get(&self, name: &str) -> Result<Vec<u8>, ObjectError>;

    /// Names of all objects, ascending.
    ///
    /// # Errors
    /// If the store does not say.
    fn list(&self) -> Result<Vec<String>, ObjectError>;

    /// Removes an object; one that is not there is removed already.
    ///
    /// # Errors
    /// If the store does not do it.
    fn delete(&self, name: &str) -> Result<(), ObjectError>;
}
