//! Identity from content: the same thing has the same id on every machine and in
//! every run. Time and chance take no part.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The first 128 bits of a BLAKE3 hash over a kind and the content, as 32 hex digits
/// behind the kind: `symptom-6f1e…`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Id(pub String);

impl Id {
    /// Derives an id from a kind and the parts that identify the thing. Parts are
    /// length-prefixed, so `["ab", "c"]` and `["a", "bc"]` differ.
    #[must_use]
    pub fn derive<P: AsRef<[u8]>>(kind: &str, parts: &[P]) -> Self {
        let mut hasher = blake3::Hasher::new();
        for part in std::iter::once(kind.as_bytes()).chain(parts.iter().map(AsRef::as_ref)) {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        let hex = hasher.finalize().to_hex();
        Self(format!("{kind}-{}", &hex[..32]))
    }

    /// The text of the id.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A form for people: the kind and the first eight digits.
    #[must_use]
    pub fn short(&self) -> &str {
        let kind = self.0.rfind('-').map_or(0, |dash| dash + 1);
        &self.0[..self.0.len().min(kind + 8)]
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_kept_apart() {
        assert_ne!(Id::derive("plan", &["ab", "c"]), Id::derive("plan", &["a", "bc"]));
        assert_ne!(Id::derive("plan", &["a"]), Id::derive("step", &["a"]));
    }

    #[test]
    fn is_a_function_of_content_alone() {
        // Pinned against the Python package blake3: an id that changes between versions
        // breaks deduplication.
        assert_eq!(Id::derive("plan", &["a"]).as_str(), "plan-e8c72bb2b615ab3ecf130cfb61ee6f0c");
        assert_eq!(Id("plan-0123456789abcdef".into()).short(), "plan-01234567");
    }
}
