//! Whether the engine is right as often as it is sure of the cause that it names first.

use theriac_datasets::fleet::score::judge;

use super::job::Played;
use crate::{
    command::eval::calibration::{
        measures::{BINS, Judged},
        told::Answer,
    },
    output::Report,
    report::evaluation::{Line, Sweep},
};

/// What was named first, with its probability, in episodes that users felt: whether its place is right, and
/// whether place and class of the cause are.
fn answers(played: &[Played]) -> [Judged; 2] {
    let judged: Vec<_> = played.iter().map(|one| judge(&one.episode)).collect();
    let felt = || judged.iter().filter(|one| one.first_bad.is_some());
    let of = |right: fn(&theriac_datasets::fleet::score::Judged) -> bool| {
        let answer = |one: &theriac_datasets::fleet::score::Judged| {
            let sure = one.believed?;
            Some(Answer { right: right(one), sure, truth: if right(one) { sure } else { 0.0 } })
        };
        Judged::of(felt().filter_map(answer).collect())
    };
    [of(|one| one.rank == Some(0)), of(|one| one.rank_with_cause == Some(0))]
}

/// Sets how well probabilities hold.
pub(super) fn set(report: &mut Report, prefix: &str, played: &[Played]) {
    let [place, cause] = answers(played);
    if place.cases() == 0 {
        return;
    }
    report.set(&format!("{prefix}.reliability.episodes"), place.cases() as f64);
    report.set(&format!("{prefix}.reliability.sure"), place.sure());
    for (name, judged) in [("place", place), ("cause", cause)] {
        report.set(&format!("{prefix}.reliability.{name}.right"), judged.right());
        report.set(&format!("{prefix}.reliability.{name}.ece"), judged.calibration_error());
        report.set(&format!("{prefix}.reliability.{name}.brier"), judged.brier());
    }
}

/// The diagram; none if nothing was told.
pub(super) fn diagram(played: &[Played]) -> Option<Sweep> {
    let judged = answers(played);
    if judged[0].cases() == 0 {
        return None;
    }
    let mut lines = vec![Line {
        name: "as sure as right".to_owned(),
        points: (0..=BINS).map(|bin| (bin as f64 / BINS as f64, bin as f64 / BINS as f64)).collect(),
    }];
    for (judged, name) in judged.iter().zip(["place right", "place and class of cause"]) {
        let bins = judged.bins();
        let points = bins.iter().filter(|bin| bin.0 > 0).map(|bin| (bin.1, bin.2)).collect();
        lines.push(Line { name: name.to_owned(), points });
    }
    let title = "Reliability: how sure of the cause that is named first (across), share that is right (up)";
    Some(Sweep { title: title.to_owned(), logarithmic: false, lines, marks: Vec::new() })
}
