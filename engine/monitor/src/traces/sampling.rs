//! How many spans one span stands for, as its sampler says: in the W3C trace state
//! (<https://opentelemetry.io/docs/specs/otel/trace/tracestate-handling/>), else in the attribute
//! `SampleRate`, which is on each span of a trace of which one in so many was kept
//! (<https://docs.honeycomb.io/manage-data-volume/sample/sampled-data-in-honeycomb>).
//!
//! Other attributes that speak of sampling define no such count. OpenTracing's `sampling.priority`
//! only asks for a span to be kept or dropped; Datadog's `_sample_rate` is on the first span of a
//! trace alone and holds for all of it, which no other span of the trace can know.

use std::sync::LazyLock;

use memchr::memmem::Finder;

use crate::traces::{asked, sketch::WHOLE};

/// A span stands for so many others at most: a sampler that keeps one in a billion is mistaken.
const MOST: u64 = WHOLE << 30;

/// The weight of a span with this trace state, in parts of [`WHOLE`]; none if nothing is said, or
/// nothing that can be understood.
pub(crate) fn weight(trace_state: &str) -> Option<u64> {
    let entries = trace_state.split(',').filter_map(|entry| entry.trim().strip_prefix("ot="));
    let mut parts = entries.flat_map(|entry| entry.split(';')).filter_map(|part| part.split_once(':'));
    let told = parts.find_map(|(key, value)| match key {
        "th" => threshold(value),
        "p" => power(value),
        _ => None,
    });
    told.map(|weight| weight.clamp(WHOLE, MOST))
}

/// The weight of a span with these canonical attributes, as [`weight`].
pub(crate) fn rate(attributes: &str) -> Option<u64> {
    static NAME: LazyLock<Finder<'_>> = LazyLock::new(|| Finder::new("\"SampleRate\":"));
    NAME.find(attributes.as_bytes())?;
    let value = asked::value_of(attributes, "SampleRate")?;
    let rate: f64 = value.trim_matches('"').parse().ok()?;
    // A rate of 0 is what some write of spans that were not sampled at all.
    (rate.is_finite() && rate >= 1.0).then(|| (rate * WHOLE as f64).min(MOST as f64) as u64)
}

/// Of 2^56 random numbers those from the threshold on are kept. Hexadecimal digits, zeros at the
/// end left out.
fn threshold(digits: &str) -> Option<u64> {
    let all = 1_u64 << 56;
    let hexadecimal = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    if digits.is_empty() || digits.len() > 14 || !hexadecimal {
        return None;
    }
    let rejected = u64::from_str_radix(digits, 16).ok()? << (4 * (14 - digits.len()));
    let whole = u128::from(WHOLE) * u128::from(all);
    Some((whole / u128::from(all - rejected)).min(u128::from(MOST)) as u64)
}

/// One in two to the `p`; 63 says that it is kept for another reason and stands for itself.
fn power(digits: &str) -> Option<u64> {
    let exponent: u32 = digits.parse().ok()?;
    if exponent == 63 { Some(WHOLE) } else { Some(WHOLE << exponent.min(30)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_and_powers_are_adjusted_counts() {
        for (state, expected) in [
            ("", 1.0),
            ("vendor=1", 1.0),
            ("ot=th:0", 1.0),
            ("ot=th:8", 2.0),
            ("ot=th:c", 4.0),
            ("ot=rv:123;th:fd70a4,vendor=th:8", 100.0),
            ("vendor=1, ot=th:e", 8.0),
            ("ot=p:3;r:5", 8.0),
            ("ot=p:63", 1.0),
            ("ot=th:xyz", 1.0),
            ("ot=th:+8", 1.0),
            ("ot=th:ffffffffffffff", (1_u64 << 30) as f64),
        ] {
            let found = weight(state).unwrap_or(WHOLE) as f64 / WHOLE as f64;
            assert!((found / expected - 1.0).abs() < 1e-4, "{state}: {found}");
        }
    }

    #[test]
    fn a_sample_rate_is_an_adjusted_count() {
        let of = |attributes| rate(attributes).map(|weight| weight as f64 / WHOLE as f64);
        assert_eq!(of(r#"{"SampleRate":10}"#), Some(10.0));
        assert_eq!(of(r#"{"A":"\"SampleRate\":7","SampleRate":"4","b":1}"#), Some(4.0));
        assert_eq!(of(r#"{"SampleRate":2.5}"#), Some(2.5));
        for nothing in [
            "{}",
            r#"{"SampleRate":0}"#,
            r#"{"SampleRate":"often"}"#,
            r#"{"a":{"SampleRate":7}}"#,
            r#"{"a":"\"SampleRate\":7"}"#,
            r#"{"sampling.priority":1}"#,
        ] {
            assert_eq!(of(nothing), None, "{nothing}");
        }
        assert_eq!(of(r#"{"SampleRate":1e300}"#), Some((1_u64 << 30) as f64));
    }
}
