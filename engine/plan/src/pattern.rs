//! Names, and beginnings of names.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use theriac_contract::Entity;

/// A name, or the beginning of names with a `*` at its end.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pattern(String);

/// A pattern is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no pattern: write a name, or the beginning of names with one `*` at the end")]
pub struct PatternError(String);

impl TryFrom<String> for Pattern {
    type Error = PatternError;

    fn try_from(text: String) -> Result<Self, PatternError> {
        let star = text.find('*');
        if text.is_empty() || star.is_some_and(|at| at + 1 < text.len()) {
            return Err(PatternError(text));
        }
        Ok(Self(text))
    }
}

impl From<Pattern> for String {
    fn from(pattern: Pattern) -> Self {
        pattern.0
    }
}

impl JsonSchema for Pattern {
    fn schema_name() -> Cow<'static, str> {
        "Pattern".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^([^*]+\\*?|\\*)$",
            "description": "A name, or the beginning of names with a `*` at the end."
        })
    }
}

impl Pattern {
    /// Whether a word is meant.
    #[must_use]
    pub fn fits(&self, word: &str) -> bool {
        self.0.strip_suffix('*').map_or(word == self.0, |beginning| word.starts_with(beginning))
    }

    /// Whether an entity is meant: by its own name, or by that of its service.
    #[must_use]
    pub fn fits_entity(&self, entity: &Entity) -> bool {
        self.fits(entity.as_str()) || self.fits(entity.service())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> Pattern {
        Pattern::try_from(text.to_owned()).unwrap()
    }

    #[test]
    fn a_name_means_itself_and_a_beginning_all_that_begin_so() {
        let cart = Entity("cart/cart-1".to_owned());
        assert!(pattern("cart").fits_entity(&cart) && pattern("cart/cart-1").fits_entity(&cart));
        assert!(pattern("car*").fits_entity(&cart) && pattern("*").fits_entity(&cart));
        assert!(!pattern("car").fits_entity(&cart) && !pattern("cart/cart-2").fits_entity(&cart));
    }

    #[test]
    fn a_star_stands_at_the_end_alone() {
        for text in ["", "a*b", "*a", "a**"] {
            let error = Pattern::try_from(text.to_owned()).unwrap_err().to_string();
            let mend = "write a name, or the beginning of names with one `*` at the end";
            assert_eq!(error, format!("`{text}` is no pattern: {mend}"));
        }
    }
}
