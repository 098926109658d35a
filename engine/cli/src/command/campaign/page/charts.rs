//! Times, kinds and healers as pictures.

use std::fmt::Write as _;

use theriac_datasets::fleet::score::{Survival, judge};

use super::{
    super::{figures::Scored, goals::Unit, slices, tables::hundredths},
    About, card,
    figure::{Figures, told},
};
use crate::report::{
    bars::{Bar, Bars},
    steps::{StepPlot, Steps},
};

/// Times of all, of the kinds seen, and of those held out.
type Of = fn(&Scored) -> [&Survival; 3];

/// What the curves have in common.
const HOW_TO_READ: &str = "How many are still open (Kaplan and Meier), with the band of all of them. A tick is an episode that was still open when it ended.";

/// Curves of the time to detect and to recover.
pub(super) fn times(page: &mut String, main: &Scored) {
    for (title, of) in [
        ("Seconds to detect, from when telemetry could first show the fault", detect as Of),
        ("Seconds to recover, from the first bad second of users", recover),
    ] {
        let [all, seen, held_out] = of(main);
        let mut curves = vec![steps("all", all)];
        if main.seen.episodes > 0 && main.held_out.episodes > 0 {
            curves.extend([steps("kinds seen", seen), steps("kinds held out", held_out)]);
        }
        let svg = StepPlot { title: title.to_owned(), curves }.svg();
        card(page, title, &format!("<p class=quiet>{HOW_TO_READ}</p>{svg}"));
    }
}

const fn detect(main: &Scored) -> [&Survival; 3] {
    [&main.all.detect, &main.seen.detect, &main.held_out.detect]
}

const fn recover(main: &Scored) -> [&Survival; 3] {
    [&main.all.recover, &main.seen.recover, &main.held_out.recover]
}

fn steps(name: &str, times: &Survival) -> Steps {
    Steps {
        name: format!("{name}: {} of {} ended", times.seen, times.count),
        steps: times.steps.clone(),
        bands: times.bands.iter().map(|band| (band.low, band.high)).collect(),
        censored: times.censored.clone(),
    }
}

/// A bar for each kind that is not held out, the worst first, with its episodes as dots; the others are one.
pub(super) fn kinds(main: &Scored, figures: &Figures<'_>) -> String {
    let mut bars: Vec<Bar> = Vec::new();
    for (code, played) in slices::kinds(main) {
        let shares: Vec<f64> = played.iter().filter_map(|one| judge(&one.episode).healed_share).collect();
        if shares.is_empty() {
            continue;
        }
        let mean = shares.iter().sum::<f64>() / shares.len() as f64;
        bars.push(Bar {
            name: slices::kind_name(code),
            told: format!("{}, {} played", hundredths(mean), shares.len()),
            value: Some(mean),
            interval: None,
            dots: if shares.len() > 1 { shares } else { Vec::new() },
            apart: false,
        });
    }
    bars.sort_by(|a, b| {
        let value = |bar: &Bar| bar.value.unwrap_or_default();
        value(a).total_cmp(&value(b)).then_with(|| a.name.cmp(&b.name))
    });
    if main.held_out.episodes > 0 {
        let share = &main.held_out.healed_share;
        bars.push(Bar {
            name: format!("all kinds {}", slices::HELD_OUT),
            told: format!("{}, {} played", hundredths(share.0), main.held_out.episodes),
            value: Some(share.0),
            interval: apart((share.1.low, share.1.high)),
            dots: Vec::new(),
            apart: true,
        });
    }
    let title = "Healed share of each kind of fault";
    let svg = Bars { title: title.to_owned(), axis: (-1.0, 1.0), goal: Some(0.85), bars }.svg();
    let mut text = format!(
        "<p class=quiet>0: as with nobody; 1: as with who knows the truth; below 0: worse than with nobody. Macro over kinds seen: {}",
        figures.of("seen.healed_share", Unit::Ratio)
    );
    if main.held_out.episodes > 0 {
        let _ = write!(text, "; over kinds held out: {}", figures.of("held_out.healed_share", Unit::Ratio));
    }
    let _ = write!(text, ". Kinds that are held out are not shown one by one.</p>{svg}");
    text
}

/// An interval, if it has two ends: one episode of each kind says nothing of how much they differ.
fn apart((low, high): (f64, f64)) -> Option<(f64, f64)> {
    (low < high).then_some((low, high))
}

/// Bars for each healer.
pub(super) fn healers(about: &About<'_>) -> String {
    let bar = |one: &Scored, name: &str, unit: Unit| {
        let get = |end: &str| about.report.metrics.get(&format!("{}.{name}{end}", one.prefix())).copied();
        Bar {
            name: one.healer.to_string(),
            told: get("").map_or_else(|| "-".to_owned(), |value| told(value, unit)),
            value: get(""),
            interval: get(".low").zip(get(".high")).and_then(apart),
            dots: Vec::new(),
            apart: one.prefix() == "campaign",
        }
    };
    let mut text = String::new();
    for (title, name, unit, axis, goal) in [
        ("Healed share", "healed_share", Unit::Ratio, (-1.0, 1.0), 0.85),
        ("End to end", "end_to_end", Unit::Share, (0.0, 1.0), 0.95),
    ] {
        let bars = about.scored.iter().map(|one| bar(one, name, unit)).collect();
        let chart = Bars { title: title.to_owned(), axis, goal: Some(goal), bars };
        let _ = write!(text, "<p class=quiet>{title}; the dashed line is the goal.</p>{}", chart.svg());
    }
    text
}
