//! What came out, as text.

use theriac_datasets::{
    nezha::Minute,
    ranking::{Answer, accuracy, confusion},
};
use theriac_diagnose::weighing::Weighed;

use super::{Answered, Outcome, PLACES, Set, diagnosis};
use crate::output::{Report, say};

/// Suspects that are explained.
const EXPLAINED: usize = 5;

fn percents(values: [f64; 3]) -> String {
    values.map(|value| format!("{value:>7.1}")).concat()
}

fn of_ranks(ranks: &[Option<usize>]) -> String {
    percents(PLACES.map(|k| 100.0 * accuracy(ranks, k)))
}

/// Which signals there are of both minutes.
pub(super) fn signals(normal: &Minute, fault: &Minute) -> String {
    let both = |has: fn(&Minute) -> bool| [has(normal), has(fault)];
    let parts = [
        ("metrics", both(|minute| !minute.metrics.is_empty())),
        ("traces", both(|minute| !minute.spans.is_empty())),
        ("logs", both(|minute| !minute.logs.is_empty())),
    ];
    let known = parts.iter().filter(|(_, has)| *has == [true, true]).map(|(name, _)| *name);
    known.collect::<Vec<_>>().join(" ")
}

pub(super) fn print(set: &Set, outcome: &Outcome, report: &Report) {
    let figure =
        |name: &str| report.metrics.get(&format!("nezha.{}.{name}", set.name)).copied().unwrap_or(0.0);
    let row = |name: &str| percents(PLACES.map(|k| 100.0 * figure(&format!("{name}{k}"))));
    let interval = |name: &str| {
        let ends = PLACES.map(|k| {
            let end = |end: &str| 100.0 * figure(&format!("{name}{k}.{end}"));
            format!("{:.0}-{:.0}", end("low"), end("high"))
        });
        ends.join(", ")
    };
    say!(
        "\n{}: {} cases, {} without an answer; one minute of each, beside one without a fault",
        set.name,
        figure("cases"),
        figure("empty")
    );
    say!(
        "per cent of cases                  AS@1   AS@3   AS@5    95 % of AS@1, 3, 5        AIS@1  AIS@3  AIS@5"
    );
    say!("{:<32}{}    {:<23}{}", "theriac (this run)", row("as"), interval("as"), row("ais"));
    say!(
        "{:<32}{}    {:<23}{}",
        "Nezha, its run, same cases",
        row("released"),
        interval("released"),
        row("released")
    );
    say!("{:<32}{}", "chance", row("chance"));
    if !set.published.is_empty() {
        say!("published, all cases of the system:");
    }
    for published in set.published {
        let inner = published.inner.map(percents).unwrap_or_default();
        say!("{:<32}{}    {:<23}{inner}", published.method, percents(published.service), "");
    }
    say!("\nkind of fault: true, told, cases");
    let kinds: Vec<Answer> = outcome.answered.iter().map(|one| one.kind.clone()).collect();
    for ((truth, told), cases) in confusion(&kinds) {
        say!("  {truth:<10} {:<10} {cases:>3}", told.unwrap_or("nothing"));
    }
}

pub(super) fn time(report: &Report) {
    let figure = |name: &str| report.metrics.get(name).copied().unwrap_or(0.0);
    say!(
        "\nfrom calls, lines and levels to the ranking: {:.1} ms a case (median), {:.1} ms (99 %)",
        figure("diagnosis.ms.p50"),
        figure("diagnosis.ms.p99")
    );
    say!(
        "before that, from rows as they were read, once as they arrive: {:.1} ms (median), {:.1} ms (99 %)",
        figure("taken_up.ms.p50"),
        figure("taken_up.ms.p99")
    );
}

fn place(rank: Option<usize>) -> String {
    rank.map_or("-".to_owned(), |rank| rank.to_string())
}

pub(super) fn cases(outcome: &Outcome) {
    say!("\ncase          pod  part  Nezha   fault, told first, signals");
    for one in &outcome.answered {
        say!(
            "{:<13} {:>3} {:>5} {:>6}   {} of {}; {}; {}",
            one.case.id,
            place(one.service.rank()),
            place(one.inner.rank()),
            place(one.case.nezha_released_rank.map(|rank| rank as usize)),
            one.case.fault_type,
            one.case.service,
            one.weighed.first().map_or_else(String::new, name),
            one.signals
        );
    }
}

fn name(weighed: &Weighed) -> String {
    match &weighed.suspect {
        None => "unknown".to_owned(),
        Some(suspect) if suspect.part.is_empty() => suspect.entity.service().to_owned(),
        Some(suspect) => format!("{}: {}", suspect.entity.service(), suspect.part),
    }
}

/// One case with the evidence of its first suspects.
pub(super) fn explain(one: &Answered) {
    let case = &one.case;
    say!("{}: {} in {} ({})", case.id, case.fault_type, case.inject_pod, case.root_cause.join(", "));
    say!(
        "place of the pod {}, of the part {}; {}",
        place(one.service.rank()),
        place(one.inner.rank()),
        one.signals
    );
    for weighed in one.weighed.iter().take(EXPLAINED) {
        say!("\n{:>6.1} %  {}", 100.0 * weighed.probability, name(weighed));
        for evidence in &weighed.evidence {
            say!("  {:>+6.2}  {:<12} {}", evidence.log_likelihood_ratio, evidence.channel, evidence.text);
        }
    }
}

pub(super) fn ablation(outcome: &Outcome) {
    say!("\nwithout                            AS@1   AS@3   AS@5    AIS@1  AIS@3  AIS@5");
    for channel in diagnosis::CHANNELS {
        if let Some([services, inner]) = outcome.without.get(channel) {
            say!("{channel:<32}{}  {}", of_ranks(services), of_ranks(inner));
        }
    }
}
