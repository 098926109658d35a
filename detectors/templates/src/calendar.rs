//! Dates with a time of day, as `ctime` and its kin and as ISO 8601 write them.

const DAYS: [&[u8; 3]; 7] = [b"Mon", b"Tue", b"Wed", b"Thu", b"Fri", b"Sat", b"Sun"];
const MONTHS: [&[u8; 3]; 12] =
    [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];

/// What is left of a line.
#[derive(Clone, Copy)]
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn one_of(self, names: &[&[u8; 3]]) -> Option<Self> {
        let known = names.iter().any(|name| self.0.starts_with(name.as_slice()));
        known.then(|| Self(&self.0[3..]).skip(u8::is_ascii_lowercase))
    }

    fn skip(self, what: impl Fn(&u8) -> bool) -> Self {
        let count = self.0.iter().take_while(|byte| what(byte)).count();
        Self(&self.0[count..])
    }

    fn blanks(self) -> Option<Self> {
        let after = self.skip(|byte| matches!(byte, b' ' | b'\t'));
        (after.0.len() < self.0.len()).then_some(after)
    }

    fn digits(self, least: usize, most: usize) -> Option<Self> {
        let after = self.skip(u8::is_ascii_digit);
        (least..=most).contains(&(self.0.len() - after.0.len())).then_some(after)
    }

    fn byte(self, wanted: u8) -> Option<Self> {
        self.0.strip_prefix(&[wanted]).map(Self)
    }

    fn comma(self) -> Self {
        self.byte(b',').unwrap_or(self)
    }

    fn zone(self) -> Option<Self> {
        let after = self.skip(u8::is_ascii_uppercase);
        (3..=4).contains(&(self.0.len() - after.0.len())).then_some(after)
    }

    /// `57:30` after an hour.
    fn minutes(self) -> Option<Self> {
        let minute = self.byte(b':')?.digits(2, 2)?;
        Some(minute.perhaps(|rest| rest.byte(b':')?.digits(2, 2)))
    }

    /// Goes on if it can.
    fn perhaps(self, step: impl Fn(Self) -> Option<Self>) -> Self {
        step(self).unwrap_or(self)
    }
}

/// Length of `[Fri] Jul 1 [2005] 07:57:30 [PDT] [2005]` at the beginning of a line.
pub(crate) fn date(line: &[u8]) -> Option<usize> {
    // Nearly every word is told by its first letter not to be one.
    if !matches!(line.first()?, b'A' | b'D' | b'F' | b'J' | b'M' | b'N' | b'O' | b'S' | b'T' | b'W') {
        return None;
    }
    let month = Rest(line).perhaps(|rest| rest.one_of(&DAYS)?.comma().blanks()).one_of(&MONTHS)?;
    let day = month.blanks()?.digits(1, 2)?.comma().blanks()?;
    let hour = day.perhaps(|rest| rest.digits(4, 4)?.blanks()).digits(1, 2)?;
    let zone = hour.minutes()?.perhaps(|rest| rest.blanks()?.zone());
    let year = zone.perhaps(|rest| rest.blanks()?.digits(4, 4));
    Some(line.len() - year.0.len())
}

/// Length of `2005-07-01T07:57:30.25Z` at the beginning of a line; with a blank for the `T`, a comma
/// before the fraction, another zone or none, too.
pub(crate) fn iso(line: &[u8]) -> Option<usize> {
    let month = Rest(line).digits(4, 4)?.byte(b'-')?.digits(2, 2)?;
    let day = month.byte(b'-')?.digits(2, 2)?;
    let time = day.byte(b'T').or_else(|| day.byte(b' '))?.digits(2, 2)?.minutes()?;
    let fraction = time.perhaps(|rest| rest.byte(b'.').or_else(|| rest.byte(b','))?.digits(1, 9));
    let offset = |rest: Rest<'_>| {
        let hours = rest.byte(b'+').or_else(|| rest.byte(b'-'))?.digits(2, 4)?;
        Some(hours.perhaps(|rest| rest.byte(b':')?.digits(2, 2)).0.len())
    };
    let zone = match fraction.byte(b'Z') {
        Some(rest) => rest.0.len(),
        None => offset(fraction).unwrap_or(fraction.0.len()),
    };
    let next = line.get(line.len() - zone);
    next.is_none_or(|byte| !byte.is_ascii_alphanumeric()).then_some(line.len() - zone)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_dates_and_nothing_else() {
        for (line, length) in [
            ("Fri Jul  1 07:57:30 2005 and", Some(24)),
            ("Fri Jul 01 08:16:53 PDT 2005", Some(28)),
            ("Jul 1, 2005 7:57", Some(16)),
            ("June 9 06:06:20", Some(15)),
            ("Friday, July 1 07:57", Some(20)),
            ("May be 1", None),
            ("Mar 4", None),
            ("Sun", None),
            ("", None),
        ] {
            assert_eq!(date(line.as_bytes()), length, "{line}");
        }
    }

    #[test]
    fn reads_iso_and_nothing_else() {
        for (line, length) in [
            ("2026-11-02T23:20:00Z INFO", Some(20)),
            ("2026-11-02T23:20:00.123456+02:00", Some(32)),
            ("2015-07-29 17:41:44,747 - INFO", Some(23)),
            ("2015-07-29 17:41", Some(16)),
            ("2015-07-29", None),
            ("2015-07-29 x", None),
            ("2015-07-29T17:41:44x", None),
        ] {
            assert_eq!(iso(line.as_bytes()), length, "{line}");
        }
    }
}
