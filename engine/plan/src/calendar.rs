//! Times that come again each week, in UTC: no time zone has gaps or doubles there.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use theriac_contract::Timestamp;

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Day {
    /// Monday.
    Mon,
    /// Tuesday.
    Tue,
    /// Wednesday.
    Wed,
    /// Thursday.
    Thu,
    /// Friday.
    Fri,
    /// Saturday.
    Sat,
    /// Sunday.
    Sun,
}

const WEEK: [Day; 7] = [Day::Mon, Day::Tue, Day::Wed, Day::Thu, Day::Fri, Day::Sat, Day::Sun];

/// A time of day as `hh:mm`, 00:00 to 24:00; kept as minutes since midnight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TimeOfDay(u16);

/// A time of day is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no time of day: write hh:mm in UTC, as \"22:30\", in quotes")]
pub struct TimeOfDayError(String);

impl TryFrom<String> for TimeOfDay {
    type Error = TimeOfDayError;

    fn try_from(text: String) -> Result<Self, TimeOfDayError> {
        let two = |part: &str| {
            let digits = part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
            digits.then(|| part.parse::<u16>().ok()).flatten()
        };
        let parsed = text.split_once(':').and_then(|(hour, minute)| Some((two(hour)?, two(minute)?)));
        match parsed {
            Some((hour, minute)) if hour < 24 && minute < 60 || (hour, minute) == (24, 0) => {
                Ok(Self(hour * 60 + minute))
            }
            _ => Err(TimeOfDayError(text)),
        }
    }
}

impl From<TimeOfDay> for String {
    fn from(TimeOfDay(minutes): TimeOfDay) -> Self {
        format!("{:02}:{:02}", minutes / 60, minutes % 60)
    }
}

impl JsonSchema for TimeOfDay {
    fn schema_name() -> Cow<'static, str> {
        "TimeOfDay".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$",
            "description": "A time of day in UTC, `hh:mm`."
        })
    }
}

/// A time that comes again each week, in UTC.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Weekly {
    /// Days on which it begins; every day if left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub days: Vec<Day>,
    /// It begins at this time of day.
    pub from: TimeOfDay,
    /// It ends before this time of day: of the next day, unless that is later than `from`.
    pub to: TimeOfDay,
}

const MINUTE: i64 = 60_000_000_000;
const DAY: i64 = 1_440 * MINUTE;

impl Weekly {
    /// Whether an instant is in it: the beginning is, the end is not.
    #[must_use]
    pub fn holds(&self, at: Timestamp) -> bool {
        // 1970-01-01 was a Thursday.
        let today = (at.0.div_euclid(DAY) + 3).rem_euclid(7);
        let since_midnight = at.0.rem_euclid(DAY);
        let [from, to] = [self.from, self.to].map(|time| i64::from(time.0) * MINUTE);
        let begins_on = |day: i64| {
            let day = usize::try_from(day.rem_euclid(7)).unwrap_or_default();
            self.days.is_empty() || self.days.contains(&WEEK[day])
        };
        if from < to {
            begins_on(today) && (from..to).contains(&since_midnight)
        } else {
            begins_on(today) && since_midnight >= from || begins_on(today - 1) && since_midnight < to
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> TimeOfDay {
        TimeOfDay::try_from(text.to_owned()).unwrap()
    }

    fn holds(weekly: &Weekly, text: &str) -> bool {
        weekly.holds(text.parse().unwrap())
    }

    #[test]
    fn a_night_belongs_to_the_day_on_which_it_begins() {
        // 2026-01-03 is a Saturday.
        let night = Weekly { days: vec![Day::Sat], from: time("22:00"), to: time("06:00") };
        assert!(!holds(&night, "2026-01-03T05:59:59Z"), "that night began on Friday");
        assert!(!holds(&night, "2026-01-03T21:59:59Z"));
        assert!(holds(&night, "2026-01-03T22:00:00Z"));
        assert!(holds(&night, "2026-01-04T05:59:59.9Z"));
        assert!(!holds(&night, "2026-01-04T06:00:00Z"));
        assert!(!holds(&night, "2026-01-04T22:00:00Z"));
    }

    #[test]
    fn hours_of_a_day_and_whole_days() {
        let hours = Weekly { days: vec![Day::Mon, Day::Fri], from: time("09:00"), to: time("17:30") };
        assert!(holds(&hours, "2026-01-05T09:00:00Z") && holds(&hours, "2026-01-09T17:29:59Z"));
        assert!(!holds(&hours, "2026-01-05T17:30:00Z") && !holds(&hours, "2026-01-06T10:00:00Z"));
        let day = Weekly { days: vec![Day::Sun], from: time("00:00"), to: time("24:00") };
        assert!(holds(&day, "2026-01-04T00:00:00Z") && holds(&day, "2026-01-04T23:59:59Z"));
        assert!(!holds(&day, "2026-01-05T00:00:00Z") && !holds(&day, "2026-01-03T23:59:59Z"));
        let before_the_epoch = Weekly { days: vec![Day::Wed], ..day };
        assert!(holds(&before_the_epoch, "1969-12-31T12:00:00Z"));
    }

    #[test]
    fn what_is_no_time_of_day_is_told() {
        for text in ["", "7:00", "24:01", "12:60", "1200", "ab:cd", "+1:00"] {
            let error = TimeOfDay::try_from(text.to_owned()).unwrap_err().to_string();
            let mend = "write hh:mm in UTC, as \"22:30\", in quotes";
            assert_eq!(error, format!("`{text}` is no time of day: {mend}"));
        }
        assert_eq!(String::from(time("09:05")), "09:05");
    }
}
