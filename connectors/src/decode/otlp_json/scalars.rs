//! Numbers as OTLP/JSON writes them: 64-bit integers as numbers or decimal strings,
//! doubles as numbers or `"NaN"`, `"Infinity"`, `"-Infinity"`, enums as numbers or names.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{Error, Visitor},
};

/// An unsigned 64-bit integer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct U64(pub(super) u64);

/// A signed 64-bit integer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct I64(pub(super) i64);

/// A double.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct F64(pub(super) f64);

struct UnsignedVisitor;

impl Visitor<'_> for UnsignedVisitor {
    type Value = U64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number from 0 to 18446744073709551615, as number or text")
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<U64, E> {
        Ok(U64(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<U64, E> {
        u64::try_from(value).map(U64).map_err(|_| E::custom(format!("{value} is negative")))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<U64, E> {
        // Some encoders write large integers as 1.7e18.
        if value >= 0.0 && value < u64::MAX as f64 && value.fract() == 0.0 {
            Ok(U64(value as u64))
        } else {
            Err(E::custom(format!("{value} is no whole number of 64 bits")))
        }
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<U64, E> {
        text.parse().map(U64).map_err(|_| E::custom(format!("`{text}` is no whole number of 64 bits")))
    }

    fn visit_unit<E: Error>(self) -> Result<U64, E> {
        Ok(U64(0))
    }
}

impl<'de> Deserialize<'de> for U64 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(UnsignedVisitor)
    }
}

struct SignedVisitor;

impl Visitor<'_> for SignedVisitor {
    type Value = I64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number of 64 bits, as number or text")
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<I64, E> {
        i64::try_from(value).map(I64).map_err(|_| E::custom(format!("{value} is too large for 64 bits")))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<I64, E> {
        Ok(I64(value))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<I64, E> {
        if value.abs() < i64::MAX as f64 && value.fract() == 0.0 {
            Ok(I64(value as i64))
        } else {
            Err(E::custom(format!("{value} is no whole number of 64 bits")))
        }
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<I64, E> {
        text.parse().map(I64).map_err(|_| E::custom(format!("`{text}` is no whole number of 64 bits")))
    }

    fn visit_unit<E: Error>(self) -> Result<I64, E> {
        Ok(I64(0))
    }
}

impl<'de> Deserialize<'de> for I64 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SignedVisitor)
    }
}

struct DoubleVisitor;

impl Visitor<'_> for DoubleVisitor {
    type Value = F64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number, or `NaN`, `Infinity`, `-Infinity` as text")
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<F64, E> {
        Ok(F64(value as f64))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<F64, E> {
        Ok(F64(value as f64))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<F64, E> {
        Ok(F64(value))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<F64, E> {
        match text {
            "NaN" => Ok(F64(f64::NAN)),
            "Infinity" => Ok(F64(f64::INFINITY)),
            "-Infinity" => Ok(F64(f64::NEG_INFINITY)),
            _ => text.parse().map(F64).map_err(|_| E::custom(format!("`{text}` is no number"))),
        }
    }

    fn visit_unit<E: Error>(self) -> Result<F64, E> {
        Ok(F64(0.0))
    }
}

impl<'de> Deserialize<'de> for F64 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(DoubleVisitor)
    }
}

/// An enum as number or name.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum EnumValue {
    Number(i64),
    Name(String),
    Null,
}

impl fmt::Display for EnumValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Name(name) => name.fmt(f),
            Self::Null => f.write_str("null"),
        }
    }
}

impl EnumValue {
    /// The value as it is written, for messages; nothing is written for 0.
    pub(super) fn shown(value: Option<&Self>) -> &dyn fmt::Display {
        value.map_or(&0, |value| value)
    }

    /// The number; `names` lists `(name, number)`. `None` for a name that is not listed.
    pub(super) fn number(value: Option<&Self>, names: &[(&str, i64)]) -> Option<i64> {
        match value {
            None | Some(Self::Null) => Some(0),
            Some(Self::Number(number)) => Some(*number),
            Some(Self::Name(name)) => {
                let listed = names.iter().find(|(known, _)| known == name).map(|(_, number)| *number);
                listed.or_else(|| name.parse().ok())
            }
        }
    }
}
