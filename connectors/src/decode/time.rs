//! Timestamps in the forms that telemetry files write, fast.

use theriac_contract::Timestamp;

/// Reads a timestamp as `Timestamp: FromStr` does; the two forms that fill large files
/// (`YYYY-MM-DD[T ]hh:mm:ss[.f][Z]` and whole numbers) take a short way.
pub(crate) fn parse(text: &str) -> Result<Timestamp, String> {
    read(text).ok_or_else(|| {
        format!(
            "`{}` is not a timestamp; write RFC 3339 (2026-11-24T10:00:00Z), `2026-11-24 10:00:00` (UTC), or a number of seconds, milliseconds, microseconds or nanoseconds since 1970",
            excerpt(text)
        )
    })
}

/// As [`parse`], of what need not be one.
#[inline]
pub(crate) fn read(text: &str) -> Option<Timestamp> {
    let trimmed = text.trim();
    match calendar(trimmed.as_bytes(), b'.').or_else(|| whole(trimmed.as_bytes())) {
        Some(at) => Some(at),
        None if may_be(trimmed) => trimmed.parse().ok(),
        None => None,
    }
}

/// Digits alone.
fn whole(bytes: &[u8]) -> Option<Timestamp> {
    if bytes.is_empty() || bytes.len() > 18 || !bytes.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(Timestamp::from_epoch_number(
        bytes.iter().fold(0, |number, byte| number * 10 + i64::from(byte - b'0')),
    ))
}

/// Whether the contract may take a text: what is no number has one of these marks.
fn may_be(text: &str) -> bool {
    text.bytes().any(|byte| matches!(byte, b'-' | b'/')) || !text.contains(char::is_whitespace)
}

/// Two digits.
fn two(bytes: &[u8]) -> Option<i64> {
    match bytes {
        [a @ b'0'..=b'9', b @ b'0'..=b'9'] => Some(i64::from(a - b'0') * 10 + i64::from(b - b'0')),
        _ => None,
    }
}

/// `YYYY-MM-DD[T ]hh:mm:ss[.f][Z]`, with this mark before the fraction.
#[inline]
pub(crate) fn calendar(bytes: &[u8], mark: u8) -> Option<Timestamp> {
    let date_time = bytes.get(..19)?;
    if date_time[4] != b'-' || date_time[7] != b'-' || date_time[13] != b':' || date_time[16] != b':' {
        return None;
    }
    if !matches!(date_time[10], b'T' | b' ') {
        return None;
    }
    let year = two(&date_time[..2])? * 100 + two(&date_time[2..4])?;
    let (month, day) = (two(&date_time[5..7])?, two(&date_time[8..10])?);
    let (hour, minute, second) =
        (two(&date_time[11..13])?, two(&date_time[14..16])?, two(&date_time[17..19])?);
    // Years whose nanoseconds fit; leap seconds and odd days take the long way.
    if !(1700..2200).contains(&year) || !(1..=12).contains(&month) || !(1..=28).contains(&day) {
        return None;
    }
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let mut nanos = 0;
    let mut rest = &bytes[19..];
    if let Some((_, fraction)) = rest.split_first().filter(|(first, _)| **first == mark) {
        let digits = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if digits == 0 || digits > 9 {
            return None;
        }
        let written = fraction[..digits].iter().map(|byte| i64::from(byte - b'0'));
        nanos = written.chain(std::iter::repeat(0)).take(9).fold(0, |sum, digit| sum * 10 + digit);
        rest = &fraction[digits..];
    }
    if !matches!(rest, [] | [b'Z']) {
        return None;
    }
    let seconds = days_from_civil(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second;
    Some(Timestamp(seconds * 1_000_000_000 + nanos))
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar (Howard Hinnant,
/// "chrono-Compatible Low-Level Date Algorithms").
const fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// At most the first 80 bytes of a text, for a message.
pub(crate) fn excerpt(text: &str) -> &str {
    let mut end = text.len().min(80);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn refuses_what_is_none() {
        assert!(parse("2026-13-01 00:00:00").is_err());
        assert!(parse("yesterday").unwrap_err().contains("RFC 3339"));
    }

    proptest! {
        #[test]
        fn short_way_agrees_with_the_contract(nanos in -8_000_000_000_000_000_000_i64..7_000_000_000_000_000_000) {
            let text = Timestamp(nanos).to_string();
            prop_assert_eq!(parse(&text), Ok(Timestamp(nanos)));
            let plain = text.trim_end_matches('Z').replace('T', " ");
            prop_assert_eq!(parse(&plain), Ok(plain.parse().unwrap()));
        }

        #[test]
        fn any_text_reads_as_in_the_contract(text in "[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]{1,10})?(Z|\\+01:00)?") {
            prop_assert_eq!(parse(&text).ok(), text.parse::<Timestamp>().ok());
        }
    }
}
