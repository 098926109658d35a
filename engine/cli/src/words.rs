//! Numbers as people read them.

use theriac_contract::{Evidence, Timestamp};

const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Values as bars between the smallest and the greatest; a gap where there is none.
pub(crate) fn sparkline(values: impl Iterator<Item = f64> + Clone) -> String {
    let finite = values.clone().filter(|value| value.is_finite());
    let (low, high) = finite
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
    let bar = |value: f64| {
        if !value.is_finite() {
            return ' ';
        }
        let share = if high > low { (value - low) / (high - low) } else { 0.0 };
        BARS[((share * 8.0) as usize).min(7)]
    };
    values.map(bar).collect()
}

/// How rarely something as unusual happens by chance: `1 in 12000`.
pub(crate) fn odds(p_value: f64) -> String {
    if p_value.is_nan() || p_value >= 0.5 {
        return "ordinary".to_owned();
    }
    let times = 1.0 / p_value.max(1e-300);
    if times < 1e6 {
        let unit = libm::pow(10.0, (libm::floor(libm::log10(times)) - 1.0).max(0.0));
        format!("1 in {}", (times / unit).round() * unit)
    } else {
        format!("1 in 10^{}", libm::floor(libm::log10(times) + 1e-9))
    }
}

/// A value with its unit (UCUM), in three digits or so.
pub(crate) fn quantity(value: f64, unit: &str) -> String {
    if !value.is_finite() {
        return "-".to_owned();
    }
    let (base, per) = unit.strip_suffix("/s").map_or((unit, ""), |base| (base, "/s"));
    match base {
        "By" => {
            let names = ["B", "KiB", "MiB", "GiB", "TiB"];
            let steps = (1..names.len()).take_while(|i| value.abs() >= libm::pow(1024.0, *i as f64)).count();
            let scaled = value / libm::pow(1024.0, steps as f64);
            format!("{} {}{per}", number(scaled), names[steps])
        }
        "s" if per.is_empty() && value.abs() < 1.0 => format!("{} ms", number(value * 1e3)),
        "" | "1" => format!("{}{per}", number(value)),
        other if other.starts_with('{') => format!("{}{per}", number(value)),
        other => format!("{} {other}{per}", number(value)),
    }
}

fn number(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        size if !(1e-3..1e7).contains(&size) => format!("{value:.1e}"),
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 0.1 => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}

/// The values of a series' attributes: what tells it from its neighbours.
pub(crate) fn label(attributes: &str) -> String {
    let parsed = theriac_contract::telemetry::parse_attributes(attributes);
    let texts = parsed.values().map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned));
    texts.collect::<Vec<_>>().join(" ")
}

/// `10:00:07` (UTC).
pub(crate) fn time_of_day(at: Timestamp) -> String {
    at.to_string().get(11..19).unwrap_or_default().to_owned()
}

/// `3m07s`.
pub(crate) fn span(seconds: f64) -> String {
    let whole = seconds.max(0.0) as u64;
    match whole {
        0..60 => format!("{whole}s"),
        60..3600 => format!("{}m{:02}s", whole / 60, whole % 60),
        _ => format!("{}h{:02}m", whole / 3600, whole / 60 % 60),
    }
}

/// At most so many characters, padded to them.
pub(crate) fn fit(text: &str, width: usize) -> String {
    let length = text.chars().count();
    if length <= width {
        return format!("{text}{}", " ".repeat(width - length));
    }
    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
    format!("{kept}…")
}

/// A text in lines of at most `width` characters: words are kept whole where they fit, line feeds
/// stay.
pub(crate) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for paragraph in text.split('\n') {
        let indent: String = paragraph.chars().take_while(|c| *c == ' ').collect();
        let mut line = indent.clone();
        for word in paragraph.split_whitespace() {
            let mut word: Vec<char> = word.chars().collect();
            let begun = line.chars().count() > indent.len();
            if begun && line.chars().count() + 1 + word.len() > width {
                lines.push(std::mem::replace(&mut line, indent.clone()));
            } else if begun {
                line.push(' ');
            }
            while line.chars().count() + word.len() > width.max(indent.len() + 1) {
                let rest = word.split_off(width.max(indent.len() + 1) - line.chars().count());
                line.extend(word);
                lines.push(std::mem::replace(&mut line, indent.clone()));
                word = rest;
            }
            line.extend(word);
        }
        lines.push(line);
    }
    lines
}

/// Equal neighbours once, with how many there are of them; the others as they are.
pub(crate) fn counted(texts: &[String]) -> Vec<String> {
    let times = |run: &[String]| match run {
        [only] => only.clone(),
        several => format!("{}  ({} times)", several[0], several.len()),
    };
    texts.chunk_by(|a, b| a == b).map(times).collect()
}

/// What is said of a hypothesis, each sentence once: several channels may hear the same, and what they
/// make of it is added up.
pub(crate) fn sentences(evidence: &[Evidence]) -> Vec<(f64, &str)> {
    let mut told: Vec<(f64, &str)> = Vec::new();
    for one in evidence {
        match told.iter_mut().find(|(_, text)| *text == one.text) {
            Some((ratio, _)) => *ratio += one.log_likelihood_ratio,
            None => told.push((one.log_likelihood_ratio, &one.text)),
        }
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_span_the_range_and_keep_gaps() {
        let values = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, f64::NAN];
        assert_eq!(sparkline(values.iter().copied()), "▁▂▃▄▅▆▇██ ");
        assert_eq!(sparkline([5.0, 5.0].into_iter()), "▁▁");
        assert_eq!(sparkline(std::iter::empty()), "");
    }

    #[test]
    fn odds_are_rounded() {
        assert_eq!(odds(1.0), "ordinary");
        assert_eq!(odds(0.25), "1 in 4");
        assert_eq!(odds(1.0 / 12_345.0), "1 in 12000");
        assert_eq!(odds(1e-9), "1 in 10^9");
        assert_eq!(odds(0.0), "1 in 10^300");
        assert_eq!(odds(f64::NAN), "ordinary");
    }

    #[test]
    fn quantities_carry_units() {
        assert_eq!(quantity(1536.0, "By"), "1.50 KiB");
        assert_eq!(quantity(1_048_576.0, "By/s"), "1.00 MiB/s");
        assert_eq!(quantity(0.012, "s"), "12.0 ms");
        assert_eq!(quantity(0.0, "1"), "0");
        assert_eq!(quantity(7.0, "{process}"), "7.00");
        assert_eq!(quantity(f64::NAN, "By"), "-");
    }

    #[test]
    fn long_texts_are_wrapped_and_lose_nothing() {
        assert_eq!(wrap("one two three", 8), ["one two", "three"]);
        assert_eq!(wrap("  a bcd\nefghijkl", 6), ["  a", "  bcd", "efghij", "kl"]);
        assert_eq!(wrap("", 10), [""]);
    }

    #[test]
    fn what_is_equal_is_said_once() {
        let texts = ["a", "a", "b", "a"].map(str::to_owned);
        assert_eq!(counted(&texts), ["a  (2 times)", "b", "a"]);
        assert!(counted(&[]).is_empty());
        let evidence = |ratio, text: &str| Evidence {
            channel: String::new(),
            log_likelihood_ratio: ratio,
            text: text.to_owned(),
            symptoms: Vec::new(),
        };
        let all = [evidence(3.5, "it is slow"), evidence(0.5, "it was first"), evidence(1.5, "it is slow")];
        assert_eq!(sentences(&all), [(5.0, "it is slow"), (0.5, "it was first")]);
    }

    #[test]
    fn texts_fit() {
        assert_eq!(fit("abc", 5), "abc  ");
        assert_eq!(fit("abcdef", 4), "abc…");
        assert_eq!(span(187.0), "3m07s");
        assert_eq!(time_of_day(Timestamp::from_seconds(3661)), "01:01:01");
        assert_eq!(label(r#"{"a":"lo","b":2}"#), "lo 2");
    }
}
