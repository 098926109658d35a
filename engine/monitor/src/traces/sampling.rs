//! How many spans one span stands for, as its sampler says in the W3C trace state
//! (<https://opentelemetry.io/docs/specs/otel/trace/tracestate-handling/>).

use crate::traces::sketch::WHOLE;

/// A span stands for so many others at most: a sampler that keeps one in a billion is mistaken.
const MOST: u64 = WHOLE << 30;

/// The weight of a span with this trace state, in parts of [`WHOLE`]; `WHOLE` if nothing is said,
/// or nothing that can be understood.
pub(crate) fn weight(trace_state: &str) -> u64 {
    let entries = trace_state.split(',').filter_map(|entry| entry.trim().strip_prefix("ot="));
    let mut parts = entries.flat_map(|entry| entry.split(';')).filter_map(|part| part.split_once(':'));
    let told = parts.find_map(|(key, value)| match key {
        "th" => threshold(value),
        "p" => power(value),
        _ => None,
    });
    told.unwrap_or(WHOLE).clamp(WHOLE, MOST)
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
            let found = weight(state) as f64 / WHOLE as f64;
            assert!((found / expected - 1.0).abs() < 1e-4, "{state}: {found}");
        }
    }
}
