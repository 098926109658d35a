//! The sentence for people.

use theriac_contract::{
    Exhaustion, Interval, Series, Symptom, SymptomPhase, Timestamp, telemetry::parse_attributes,
};

/// A number with three significant digits and, for bytes and seconds, a unit that reads well.
pub(crate) fn number(value: f64, unit: &str) -> String {
    match unit {
        "By" => {
            let steps = [(1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")];
            let step = steps.iter().find(|(size, _)| value.abs() >= *size);
            step.map_or_else(
                || format!("{} B", plain(value)),
                |(size, name)| format!("{} {name}", plain(value / size)),
            )
        }
        "s" if value != 0.0 && value.abs() < 1.0 => format!("{} ms", plain(value * 1e3)),
        "" | "1" => plain(value),
        _ if unit.starts_with('{') => plain(value),
        _ => format!("{} {unit}", plain(value)),
    }
}

fn plain(value: f64) -> String {
    let size = value.abs();
    if size >= 1e9 || (size > 0.0 && size < 1e-3) {
        format!("{value:.2e}")
    } else if size >= 100.0 || value == value.trunc() {
        format!("{value:.0}")
    } else if size >= 10.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.3}")
    }
}

/// What a series is called in a sentence: signal, entity, peer, and the attribute that
/// tells it from its siblings.
pub(crate) fn name(series: &Series) -> String {
    let peer = series.peer.as_ref().map_or_else(String::new, |peer| format!(" -> {peer}"));
    let attributes = parse_attributes(&series.attributes);
    let told: Vec<String> = attributes
        .iter()
        .filter(|_| series.attributes.len() <= 200)
        .map(|(key, value)| {
            value.as_str().map_or_else(|| format!("{key} {value}"), |text| format!("\"{text}\""))
        })
        .collect();
    let told = if told.is_empty() { String::new() } else { format!(" [{}]", told.join(", ")) };
    format!("{}{told} of {}{peer}", series.signal, series.entity)
}

/// What is unusual about the series, or was. `unlike`: in what it is unlike its whole history.
pub(crate) fn sentence(series: &Series, symptom: &Symptom, unlike: &str) -> String {
    let unit = series.unit.as_str();
    let who = symptom.who.as_ref().map_or_else(String::new, |who| format!(", {who},"));
    let name = format!("{}{who}", name(series));
    let since = &symptom.onset.to_string()[11..19];
    let until = symptom.end.map_or_else(String::new, |end| format!(", until {}", &end.to_string()[11..19]));
    let verb = if symptom.phase == SymptomPhase::Close { "was" } else { "is" };
    let Some(observed) = symptom.observed else {
        return format!("{name} {verb} silent since {since}{until}");
    };
    let expected = symptom
        .expected
        .map_or_else(String::new, |expected| format!(", expected {}", number(expected, unit)));
    let band = symptom.band.map_or_else(String::new, |(low, high)| {
        format!(" ({} to {})", number(low, unit), number(high, unit))
    });
    let ending = if symptom.phase == SymptomPhase::Lost { "; it can no longer be judged" } else { "" };
    let unlike = if unlike.is_empty() { String::new() } else { format!("; as never before: {unlike}") };
    let observed = number(observed, unit);
    let pace = symptom.exhaustion.map_or_else(String::new, |exhaustion| pace(&exhaustion, symptom.at));
    format!("{name} {verb} {observed}{expected}{band}, since {since}{until}{unlike}{pace}{ending}")
}

/// When it is used up, seen from `now`.
fn pace(exhaustion: &Exhaustion, now: Timestamp) -> String {
    let [expected, earliest, latest] =
        [exhaustion.expected, exhaustion.earliest, exhaustion.latest].map(|at| duration(at.since(now)));
    let becomes = if exhaustion.limit > 0.0 { "full" } else { "used up" };
    format!("; at this pace it is {becomes} in about {expected} ({earliest} to {latest})")
}

/// A length of time with two significant digits, in the unit that reads well.
fn duration(interval: Interval) -> String {
    let seconds = interval.as_seconds();
    let units = [(2.0 * 86_400.0, 86_400.0, "d"), (5_400.0, 3_600.0, "h"), (90.0, 60.0, "min")];
    let unit = units.into_iter().find(|(least, ..)| seconds >= *least);
    let (size, name) = unit.map_or((1.0, "s"), |(_, size, name)| (size, name));
    let tenths = (10.0 * seconds / size).round();
    if tenths >= 100.0 || tenths % 10.0 == 0.0 {
        format!("{:.0} {name}", tenths / 10.0)
    } else {
        format!("{:.1} {name}", tenths / 10.0)
    }
}

#[cfg(test)]
mod tests {
    use theriac_contract::{Exhaustion, Interval, Timestamp};

    use super::{number, pace};

    #[test]
    fn numbers_read_well() {
        assert_eq!(number(812_345_678.0, "By"), "812 MB");
        assert_eq!(number(0.0123, "s"), "12.3 ms");
        assert_eq!(number(3.0, "{request}/s"), "3");
        assert_eq!(number(0.25, "1"), "0.250");
        assert_eq!(number(1.5e-7, ""), "1.50e-7");
    }

    #[test]
    fn what_is_used_up_soon_reads_well() {
        let told = |limit: f64, seconds: [i64; 3]| {
            let now = Timestamp::from_seconds(1_000);
            let [expected, earliest, latest] =
                seconds.map(|seconds| now.plus(Interval::from_seconds(seconds)));
            pace(&Exhaustion { limit, expected, earliest, latest }, now)
        };
        assert_eq!(told(1.0, [10_800, 7_200, 18_000]), "; at this pace it is full in about 3 h (2 h to 5 h)");
        assert_eq!(
            told(0.0, [2_430, 0, 200_000]),
            "; at this pace it is used up in about 40 min (0 s to 2.3 d)"
        );
    }
}
