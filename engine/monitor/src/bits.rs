//! Numbers in checkpoints, to the bit: JSON has no NaN, and reading decimals may round.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A number whose written form is its bit pattern.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Bits(pub(crate) f64);

impl Serialize for Bits {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.to_bits().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Bits {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        u64::deserialize(deserializer).map(|bits| Self(f64::from_bits(bits)))
    }
}
