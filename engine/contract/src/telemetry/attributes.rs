//! Attribute sets as canonical JSON.

use std::collections::BTreeMap;

use serde_json::Value;

/// An attribute set by key.
pub type Attributes = BTreeMap<String, Value>;

/// Canonical text of an attribute set: a JSON object with sorted keys and no blanks.
#[must_use]
pub fn canonical(attributes: &Attributes) -> String {
    serde_json::to_string(attributes).unwrap_or_else(|_| "{}".to_owned())
}

/// The reverse of [`canonical`]; a text that is no JSON object gives the empty set.
#[must_use]
pub fn parse(text: &str) -> Attributes {
    serde_json::from_str(text).unwrap_or_default()
}
