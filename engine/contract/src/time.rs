//! Event time. Nothing here reads a clock.

use std::{borrow::Cow, fmt, str::FromStr};

use chrono::{DateTime, NaiveDateTime, SecondsFormat, Utc};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// Nanoseconds since the Unix epoch, UTC. Written as RFC 3339 with nine digits
/// (`2026-11-24T00:00:00.000000000Z`), which sorts as text in the order of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// The earliest instant.
    pub const MIN: Self = Self(i64::MIN);

    /// Later than every instant of telemetry.
    pub const MAX: Self = Self(i64::MAX);

    /// Whole seconds since the Unix epoch.
    #[must_use]
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1_000_000_000))
    }

    /// Seconds since the Unix epoch, with fraction (microsecond precision today).
    #[must_use]
    pub fn as_seconds(self) -> f64 {
        self.0 as f64 / 1e9
    }

    /// This instant moved later by `interval`, saturating.
    #[must_use]
    pub const fn plus(self, interval: Interval) -> Self {
        Self(self.0.saturating_add(interval.0))
    }

    /// This instant moved earlier by `interval`, saturating.
    #[must_use]
    pub const fn minus(self, interval: Interval) -> Self {
        Self(self.0.saturating_sub(interval.0))
    }

    /// How long after `earlier` this is; negative if it is before.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Interval {
        Interval(self.0.saturating_sub(earlier.0))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = DateTime::<Utc>::from_timestamp_nanos(self.0);
        f.write_str(&text.to_rfc3339_opts(SecondsFormat::Nanos, true))
    }
}

/// A text that is no timestamp.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is not a timestamp; write RFC 3339 (2026-11-24T10:00:00Z), `2026-11-24 10:00:00` (UTC), or a number of seconds, milliseconds, microseconds or nanoseconds since 1970"
)]
pub struct TimestampError {
    /// The text that was given.
    pub text: String,
}

impl FromStr for Timestamp {
    type Err = TimestampError;

    /// RFC 3339, `YYYY-MM-DD[ T]hh:mm[:ss[.f]]` taken as UTC, or a number since the
    /// epoch whose unit (s, ms, us, ns) is told from its size.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fail = || TimestampError { text: text.to_owned() };
        let trimmed = text.trim();
        if let Ok(at) = DateTime::parse_from_rfc3339(trimmed) {
            return at.timestamp_nanos_opt().map(Self).ok_or_else(fail);
        }
        for format in
            ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y/%m/%d %H:%M:%S%.f"]
        {
            if let Ok(at) = NaiveDateTime::parse_from_str(trimmed, format) {
                return at.and_utc().timestamp_nanos_opt().map(Self).ok_or_else(fail);
            }
        }
        if let Ok(at) = DateTime::parse_from_str(trimmed, "%Y-%m-%d %H:%M:%S%.f %z") {
            return at.timestamp_nanos_opt().map(Self).ok_or_else(fail);
        }
        if let Ok(whole) = trimmed.parse::<i64>() {
            return Ok(Self::from_epoch_number(whole));
        }
        match trimmed.parse::<f64>() {
            Ok(seconds) if seconds.is_finite() && seconds.abs() < 9.2e9 => {
                Ok(Self((seconds * 1e9).round() as i64))
            }
            _ => Err(fail()),
        }
    }
}

impl Timestamp {
    /// A whole number since the epoch; its unit is told from its size, which is
    /// unambiguous between the years 1973 and 5138.
    #[must_use]
    pub const fn from_epoch_number(number: i64) -> Self {
        let factor = match number.unsigned_abs() {
            0..100_000_000_000 => 1_000_000_000,
            100_000_000_000..100_000_000_000_000 => 1_000_000,
            100_000_000_000_000..100_000_000_000_000_000 => 1_000,
            _ => 1,
        };
        Self(number.saturating_mul(factor))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

impl JsonSchema for Timestamp {
    fn schema_name() -> Cow<'static, str> {
        "Timestamp".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "date-time", "description": "RFC 3339, UTC, nine fractional digits" })
    }
}

/// A length of time in nanoseconds. Written as `250ms`, `10s`, `5m`, `2h`, `1d`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Interval(pub i64);

const UNITS: [(&str, i64); 7] = [
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

impl Interval {
    /// Whole seconds.
    #[must_use]
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1_000_000_000))
    }

    /// Whole milliseconds.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis.saturating_mul(1_000_000))
    }

    /// Seconds with fraction.
    #[must_use]
    pub fn as_seconds(self) -> f64 {
        self.0 as f64 / 1e9
    }
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("0s");
        }
        let (unit, size) = UNITS.iter().find(|(_, size)| self.0 % size == 0).unwrap_or(&("ns", 1));
        write!(f, "{}{unit}", self.0 / size)
    }
}

/// A text that is no interval.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a length of time; write a number and a unit: 250ms, 10s, 5m, 2h, 1d")]
pub struct IntervalError {
    /// The text that was given.
    pub text: String,
}

impl FromStr for Interval {
    type Err = IntervalError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fail = || IntervalError { text: text.to_owned() };
        let trimmed = text.trim();
        let split = trimmed.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(fail)?;
        let (number, unit) = trimmed.split_at(split);
        let (_, size) = UNITS.iter().find(|(name, _)| *name == unit.trim()).ok_or_else(fail)?;
        if let Ok(whole) = number.parse::<i64>() {
            return whole.checked_mul(*size).map(Self).ok_or_else(fail);
        }
        let value = number.parse::<f64>().map_err(|_| fail())? * *size as f64;
        if value < i64::MAX as f64 { Ok(Self(value.round() as i64)) } else { Err(fail()) }
    }
}

impl Serialize for Interval {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Interval {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

impl JsonSchema for Interval {
    fn schema_name() -> Cow<'static, str> {
        "Interval".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[0-9.]+(d|h|m|s|ms|us|ns)$", "description": "a number and a unit" })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_the_forms_that_data_sets_use() {
        let expected = Timestamp(1_396_310_400_000_000_000);
        for text in [
            "2014-04-01 00:00:00",
            "2014-04-01T00:00:00Z",
            "2014-04-01T02:00:00+02:00",
            "2014-04-01 00:00:00.000000",
            "1396310400",
            "1396310400000",
            "1396310400000000",
            "1396310400000000000",
            "1396310400.0",
        ] {
            assert_eq!(text.parse(), Ok(expected), "{text}");
        }
        assert!("yesterday".parse::<Timestamp>().is_err());
        assert!("".parse::<Timestamp>().is_err());
        assert!("NaN".parse::<Timestamp>().is_err());
    }

    #[test]
    fn refuses_an_interval_without_a_unit() {
        assert!("10".parse::<Interval>().is_err());
        assert!("10 parsecs".parse::<Interval>().is_err());
        assert!("99999999999999d".parse::<Interval>().is_err());
        assert_eq!("1.5s".parse(), Ok(Interval(1_500_000_000)));
    }

    proptest! {
        #[test]
        fn timestamp_text_round_trips(nanos in -9_000_000_000_000_000_000_i64..9_000_000_000_000_000_000) {
            let text = Timestamp(nanos).to_string();
            prop_assert_eq!(text.parse::<Timestamp>(), Ok(Timestamp(nanos)));
        }

        #[test]
        fn interval_text_round_trips(nanos in 0_i64..i64::MAX) {
            let text = Interval(nanos).to_string();
            prop_assert_eq!(text.parse::<Interval>(), Ok(Interval(nanos)));
        }
    }
}
