//! Civil time: the time of day and the day of the week where people are.

use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Offset, TimeZone as _};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use theriac_contract::Timestamp;

/// Nanoseconds of a half hour.
const HALF_HOUR: i64 = 1_800_000_000_000;
/// Half hours in a day.
pub(crate) const HALF_HOURS: usize = 48;
/// Days in a week.
pub(crate) const WEEKDAYS: usize = 7;
/// The last of them.
const SUNDAY: usize = 6;

/// A time zone by its name in the IANA database, which comes with the program: `Europe/Berlin`, `UTC`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TimeZone(Tz);

/// A name that no time zone has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("time_zone: there is no `{name}`; write a name of the IANA database, such as Europe/Berlin, or UTC")]
pub struct UnknownTimeZone {
    /// The name.
    pub name: String,
}

impl Default for TimeZone {
    fn default() -> Self {
        Self(Tz::UTC)
    }
}

impl TryFrom<String> for TimeZone {
    type Error = UnknownTimeZone;

    fn try_from(name: String) -> Result<Self, UnknownTimeZone> {
        name.parse().map(Self).map_err(|_| UnknownTimeZone { name })
    }
}

impl From<TimeZone> for String {
    fn from(zone: TimeZone) -> Self {
        zone.0.name().to_owned()
    }
}

/// Dates that are like Sundays, written `2025-12-25`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct Holidays(Vec<NaiveDate>);

/// A holiday that is no date.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("holidays: `{date}` is no date; write 2025-12-25")]
pub struct HolidayError {
    /// What was written.
    pub date: String,
}

impl TryFrom<Vec<String>> for Holidays {
    type Error = HolidayError;

    fn try_from(dates: Vec<String>) -> Result<Self, HolidayError> {
        let date =
            |date: String| NaiveDate::parse_from_str(&date, "%Y-%m-%d").map_err(|_| HolidayError { date });
        dates.into_iter().map(date).collect::<Result<_, _>>().map(Self)
    }
}

impl From<Holidays> for Vec<String> {
    fn from(holidays: Holidays) -> Self {
        holidays.0.iter().map(NaiveDate::to_string).collect()
    }
}

/// Time zone and holidays.
#[derive(Clone, Debug)]
pub(crate) struct Calendar {
    zone: Tz,
    /// Days since 1970, in order.
    holidays: Arc<[i64]>,
}

/// A point of civil time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Moment {
    /// Half hours that the clock on the wall has shown since 1970. It skips two where clocks go forward, and
    /// repeats two where they go back.
    pub(crate) half_hour: i64,
    /// Share of the half hour that has passed.
    pub(crate) passed: f64,
}

impl Calendar {
    pub(crate) fn new(zone: TimeZone, holidays: &Holidays) -> Self {
        let mut days: Vec<i64> = holidays
            .0
            .iter()
            .map(|date| date.signed_duration_since(NaiveDate::default()).num_days())
            .collect();
        days.sort_unstable();
        Self { zone: zone.0, holidays: days.into() }
    }

    /// What the clock on the wall shows.
    #[expect(clippy::cast_precision_loss, reason = "nanoseconds of a half hour")]
    pub(crate) fn moment(&self, at: Timestamp) -> Moment {
        let utc = DateTime::from_timestamp_nanos(at.0).naive_utc();
        let offset = i64::from(self.zone.offset_from_utc_datetime(&utc).fix().local_minus_utc());
        let local = at.0.saturating_add(offset * 1_000_000_000);
        let passed = local.rem_euclid(HALF_HOUR) as f64 / HALF_HOUR as f64;
        Moment { half_hour: local.div_euclid(HALF_HOUR), passed }
    }

    /// The day of the week, Monday is 0; a holiday is a Sunday.
    pub(crate) fn weekday(&self, moment: Moment) -> usize {
        // The first of January 1970 was a Thursday.
        let day = moment.day();
        let holiday = self.holidays.binary_search(&day).is_ok();
        if holiday { SUNDAY } else { remainder(day + 3, WEEKDAYS) }
    }
}

impl Moment {
    /// Days since 1970.
    pub(crate) const fn day(self) -> i64 {
        self.half_hour.div_euclid(HALF_HOURS as i64)
    }

    /// The half hour of the day, from midnight on.
    pub(crate) fn slot(self) -> usize {
        remainder(self.half_hour, HALF_HOURS)
    }
}

#[expect(clippy::cast_possible_truncation, reason = "less than the divisor")]
fn remainder(number: i64, divisor: usize) -> usize {
    number.rem_euclid(divisor as i64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn berlin(holidays: &[&str]) -> Calendar {
        let holidays: Vec<String> = holidays.iter().map(|&date| date.to_owned()).collect();
        Calendar::new("Europe/Berlin".to_owned().try_into().unwrap(), &holidays.try_into().unwrap())
    }

    #[test]
    fn clocks_go_forward_and_back() {
        let slot = |text: &str| berlin(&[]).moment(at(text)).slot();
        // 30 March 2025, 01:59:59 and 03:00:00 on the clock on the wall.
        assert_eq!([slot("2025-03-30T00:59:59Z"), slot("2025-03-30T01:00:00Z")], [3, 6]);
        // 26 October 2025, twice half past two.
        assert_eq!([slot("2025-10-26T00:30:00Z"), slot("2025-10-26T01:30:00Z")], [5, 5]);
        assert_eq!(slot("2025-10-26T02:00:00Z"), 6);
        let moment = berlin(&[]).moment(at("2025-07-01T22:07:30Z"));
        assert_eq!((moment.slot(), moment.passed.to_bits()), (0, 0.25_f64.to_bits()));
    }

    #[test]
    fn days_begin_at_midnight_and_holidays_are_sundays() {
        let calendar = berlin(&["2025-12-25", "2025-05-01"]);
        let weekday = |text: &str| calendar.weekday(calendar.moment(at(text)));
        assert_eq!(weekday("2025-05-02T12:00:00Z"), 4);
        assert_eq!([weekday("2025-04-30T21:59:59Z"), weekday("2025-04-30T22:00:00Z")], [2, 6]);
        assert_eq!(weekday("2025-12-24T12:00:00Z"), 2);
        assert_eq!(weekday("2025-12-25T12:00:00Z"), 6);
        assert_eq!(weekday("1969-12-31T12:00:00Z"), 2);
        for extreme in [Timestamp::MIN, Timestamp::MAX] {
            assert!(calendar.weekday(calendar.moment(extreme)) < WEEKDAYS);
        }
    }

    #[test]
    fn what_is_no_zone_or_date_is_refused_by_name() {
        let refused = TimeZone::try_from("Europe/Berln".to_owned()).unwrap_err().to_string();
        assert!(refused.starts_with("time_zone: there is no `Europe/Berln`"), "{refused}");
        let refused = Holidays::try_from(vec!["2025-02-30".to_owned()]).unwrap_err().to_string();
        assert!(refused.starts_with("holidays: `2025-02-30` is no date"), "{refused}");
    }
}
