//! Tables of rankings of causes, for people.

use std::collections::BTreeMap;

use theriac_datasets::ranking::{self, Ranked};

use super::{Baseline, Cell, Evaluation, Judged, Subject, baseline_ranks};
use crate::output::{Report, say};

/// Suspects of one case that are shown.
const SUSPECTS: usize = 5;

/// A table for each cell, then times and what was taken for what.
pub(super) fn tables(subject: &Subject<'_>, evaluation: &Evaluation, report: &Report) {
    say!("{}, one configuration; intervals: 95 %, bootstrap over cases", subject.title);
    for cell in &evaluation.cells {
        table(subject, cell, report);
    }
    for (name, value) in &evaluation.others {
        say!("{name:<28} {value:.3}");
    }
    let of = |name: &str| report.metrics.get(name).copied().unwrap_or(f64::NAN);
    say!("\ntime of a case: p50 {:.2} ms, p99 {:.2} ms", of("diagnosis.ms.p50"), of("diagnosis.ms.p99"));
    confusion(evaluation);
}

fn table(subject: &Subject<'_>, cell: &Cell, report: &Report) {
    let of = |name: &str| report.metrics.get(&format!("{}.{name}", cell.key)).copied().unwrap_or(f64::NAN);
    let head: String = subject.measures.iter().map(|(_, title, _)| format!("{title:>24}")).collect();
    say!("\n{} ({} cases, {} empty answers)", cell.title, of("cases"), of("empty"));
    say!("{:<52}{head}", "");
    let own = subject.measures.iter().map(|(name, ..)| {
        let interval = (of(&format!("{name}.low")), of(&format!("{name}.high")));
        format!("{:>9.3} [{:.3}, {:.3}]", of(name), interval.0, interval.1)
    });
    say!("{:<52}{}", "theriac, equals at their last place", columns(own));
    for baseline in &cell.baselines {
        row(subject, baseline);
    }
    let chance = subject.measures.iter().map(|(name, ..)| format!("{:.3}", of(&format!("{name}.chance"))));
    say!("{:<52}{}", "chance", columns(chance));
    for (method, figures) in &cell.published {
        let figures =
            figures.iter().map(|figure| figure.map_or("-".to_owned(), |value| format!("{value:.3}")));
        say!("{:<52}{}", format!("{method}, published"), columns(figures));
    }
}

fn row(subject: &Subject<'_>, baseline: &Baseline) {
    let ranks = baseline_ranks(baseline);
    let ties = if baseline.as_listed { "as listed" } else { "equals at their last place" };
    let figures = subject.measures.iter().map(|(.., measure)| format!("{:.3}", measure.of(&ranks)));
    say!("{:<52}{}", format!("{} here, {ties}", baseline.method), columns(figures));
}

fn columns(figures: impl Iterator<Item = String>) -> String {
    figures.map(|figure| format!("{figure:>24}")).collect()
}

/// Which cause was named where another was true.
fn confusion(evaluation: &Evaluation) {
    for cell in &evaluation.cells {
        let answers = cell.answers();
        let wrong: Vec<_> = ranking::confusion(&answers)
            .into_iter()
            .filter(|((truth, first), _)| Some(*truth) != *first)
            .collect();
        if !wrong.is_empty() {
            say!("\n{}: true cause, named first instead, cases", cell.title);
        }
        for ((truth, first), count) in wrong {
            say!("  {truth:<44} {:<44} {count:>3}", first.unwrap_or("nothing"));
        }
    }
}

/// One line for each case.
pub(super) fn cases(evaluation: &Evaluation) {
    for cell in &evaluation.cells {
        say!("\n{}: case, place of the true cause, it, the first three", cell.title);
        for one in &cell.judged {
            let answer = &one.answer;
            let place = answer.rank().map_or("-".to_owned(), |rank| rank.to_string());
            let name = |ranked: &Ranked| format!("{} {:.2}", ranked.name, ranked.score);
            let first: Vec<String> = answer.ranking.iter().take(3).map(name).collect();
            say!("  {:<22} {place:>3}  {:<40} {}", answer.case, answer.truth, first.join(", "));
        }
    }
}

/// What speaks for and against the first suspects of a case.
pub(super) fn case(judged: &Judged) {
    say!("{}: true cause {}\n", judged.answer.case, judged.answer.truth);
    for one in judged.weighed.iter().take(SUSPECTS) {
        let name = one.suspect.as_ref().map_or("unknown".to_owned(), |suspect| {
            format!("{} {}", suspect.entity.0, suspect.part).trim_end().to_owned()
        });
        say!("{:.3}  {name} (log odds {:.2})", one.probability, one.log_odds);
        for evidence in &one.evidence {
            say!("   {:>7.2}  {:<13} {}", evidence.log_likelihood_ratio, evidence.channel, evidence.text);
        }
    }
}

/// The leading figures with all channels and without each.
pub(super) fn ablation(subject: &Subject<'_>, report: &Report, without: &[(&str, BTreeMap<String, f64>)]) {
    say!("\nwithout each channel in turn");
    let columns = |all: Vec<String>| all.iter().map(|one| format!("{one:>29}")).collect::<String>();
    say!("{:<16}{}", "", columns(subject.leading.iter().map(|name| (*name).to_owned()).collect()));
    let line = |figures: &BTreeMap<String, f64>| {
        let of = |name: &&str| figures.get(*name).map_or("-".to_owned(), |value| format!("{value:.3}"));
        columns(subject.leading.iter().map(of).collect())
    };
    say!("{:<16}{}", "all channels", line(&report.metrics));
    for (channel, figures) in without {
        say!("{:<16}{}", format!("- {channel}"), line(figures));
    }
}
