//! The reliability diagram and its tables as a page.

use super::{ALL, BINS, Outcome};
use crate::{
    output::Report,
    report::evaluation::{Line, Page, Sweep, Table, TableRow},
};

pub(super) fn page(outcome: &Outcome, report: &Report) -> Page<'static> {
    let row = |cells: Vec<String>, ours: bool| TableRow { cells, ours, link: None };
    let mut tables = Vec::new();
    for (way, (title, _)) in outcome.ways.iter().enumerate() {
        let rows = outcome.groups().map(|set| {
            let judged = outcome.judged(way, set);
            let figures = [
                judged.right(),
                judged.sure(),
                judged.calibration_error(),
                judged.brier(),
                judged.log_loss(),
            ];
            let mut cells = vec![set.to_owned(), judged.cases().to_string()];
            cells.extend(figures.iter().map(|figure| format!("{figure:.3}")));
            row(cells, set == ALL)
        });
        let head = ["data set", "cases", "right", "sure", "ECE", "Brier", "log loss"];
        tables.push(Table::new(title, &head, rows.collect()));
    }
    let weights = outcome.learnt.weights().map(|(channel, weight, deviation)| {
        row(vec![channel.to_owned(), format!("{weight:.2}"), format!("{deviation:.2}")], false)
    });
    tables.push(Table::new(
        "Weights after all confirmed causes",
        &["channel", "weight", "standard deviation"],
        weights.collect(),
    ));
    let mut lines: Vec<Line> = vec![Line {
        name: "as sure as right".to_owned(),
        points: (0..=BINS).map(|bin| (bin as f64 / BINS as f64, bin as f64 / BINS as f64)).collect(),
    }];
    for (way, name) in [(0, "as weighed"), (1, "with the temperature of the other sets")] {
        let bins = outcome.judged(way, ALL).bins();
        let points = bins.iter().filter(|bin| bin.0 > 0).map(|bin| (bin.1, bin.2)).collect();
        lines.push(Line { name: name.to_owned(), points });
    }
    let tiles = [0, 1].map(|way| {
        let words = ["ECE as weighed", "ECE with the temperature of the other sets"][way];
        (format!("{:.3}", outcome.judged(way, ALL).calibration_error()), words.to_owned())
    });
    Page {
        title: "Whether probabilities of causes hold".to_owned(),
        lead: format!(
            "{} cases of {} data sets, one configuration. Nothing is fitted on the set that it is judged on. theriac {}.",
            outcome.judged(0, ALL).cases(),
            outcome.sets.len(),
            report.version
        ),
        tiles: tiles.to_vec(),
        tables,
        sweep: Some(Sweep {
            title: "Reliability: how sure (across), share that is right (up)".to_owned(),
            logarithmic: false,
            lines,
            marks: Vec::new(),
        }),
        legend: Vec::new(),
        files: Vec::new(),
    }
}
