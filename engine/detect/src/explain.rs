//! The sentence for people.

use theriac_contract::{Series, Symptom, SymptomPhase, telemetry::parse_attributes};

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
    format!("{name} {verb} {observed}{expected}{band}, since {since}{until}{unlike}{ending}")
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn numbers_read_well() {
        assert_eq!(number(812_345_678.0, "By"), "812 MB");
        assert_eq!(number(0.0123, "s"), "12.3 ms");
        assert_eq!(number(3.0, "{request}/s"), "3");
        assert_eq!(number(0.25, "1"), "0.250");
        assert_eq!(number(1.5e-7, ""), "1.50e-7");
    }
}
