//! OTLP's `AnyValue` and attribute lists.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::{Map, Number, Value, value::RawValue};
use theriac_contract::telemetry::Attributes;

use super::scalars::{F64, I64};
use crate::decode::otlp::{DEPTH_MAX, too_deep};

/// One attribute.
#[derive(Deserialize)]
pub(super) struct KeyValue<'a> {
    #[serde(borrow, default)]
    key: Cow<'a, str>,
    #[serde(borrow, default)]
    value: Option<AnyValue<'a>>,
}

/// A value of any kind; exactly one of the fields is set, none for an empty value.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AnyValue<'a> {
    #[serde(borrow, default)]
    string_value: Option<Cow<'a, str>>,
    #[serde(default)]
    bool_value: Option<bool>,
    #[serde(default)]
    int_value: Option<I64>,
    #[serde(default)]
    double_value: Option<F64>,
    #[serde(borrow, default)]
    bytes_value: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    array_value: Option<Nested<'a>>,
    #[serde(borrow, default)]
    kvlist_value: Option<Nested<'a>>,
}

/// The inside of an array or map, taken apart only when it is reached: that bounds depth.
#[derive(Deserialize)]
struct Nested<'a> {
    #[serde(borrow, default)]
    values: Option<&'a RawValue>,
}

/// The attributes of a list; of a key that repeats the last counts.
pub(super) fn attributes(list: Vec<KeyValue<'_>>) -> Result<Attributes, String> {
    list.into_iter().map(|pair| Ok((pair.key.into_owned(), optional(pair.value, DEPTH_MAX)?))).collect()
}

/// A value as JSON: text, number, truth value, array or object; bytes stay base64 text.
/// Numbers that JSON does not have become text (`NaN`).
pub(super) fn value(any: AnyValue<'_>) -> Result<Value, String> {
    within(any, DEPTH_MAX)
}

fn optional(any: Option<AnyValue<'_>>, depth: usize) -> Result<Value, String> {
    any.map_or(Ok(Value::Null), |any| within(any, depth))
}

fn within(any: AnyValue<'_>, depth: usize) -> Result<Value, String> {
    if let Some(text) = any.string_value.or(any.bytes_value) {
        return Ok(Value::String(text.into_owned()));
    }
    if let Some(truth) = any.bool_value {
        return Ok(Value::Bool(truth));
    }
    if let Some(I64(number)) = any.int_value {
        return Ok(number.into());
    }
    if let Some(F64(number)) = any.double_value {
        let finite = Number::from_f64(number).map(Value::Number);
        return Ok(finite.unwrap_or_else(|| Value::String(number.to_string())));
    }
    let below = || depth.checked_sub(1).ok_or_else(too_deep);
    if let Some(array) = any.array_value {
        let below = below()?;
        let values: Vec<Option<AnyValue<'_>>> = nested(&array)?;
        return values
            .into_iter()
            .map(|any| optional(any, below))
            .collect::<Result<_, _>>()
            .map(Value::Array);
    }
    if let Some(pairs) = any.kvlist_value {
        let below = below()?;
        let pairs: Vec<KeyValue<'_>> = nested(&pairs)?;
        let pairs = pairs.into_iter().map(|pair| Ok((pair.key.into_owned(), optional(pair.value, below)?)));
        // Through a sorted map, so that the object's order does not hang on serde_json's features.
        let sorted: Attributes = pairs.collect::<Result<_, String>>()?;
        return Ok(Value::Object(Map::from_iter(sorted)));
    }
    Ok(Value::Null)
}

fn nested<'a, T: Deserialize<'a>>(nested: &Nested<'a>) -> Result<Vec<T>, String> {
    let values: Option<Vec<T>> = match nested.values {
        Some(raw) => serde_json::from_str(raw.get()).map_err(|e| format!("`values`: {e}"))?,
        None => None,
    };
    Ok(values.unwrap_or_default())
}
