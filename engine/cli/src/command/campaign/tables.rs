//! Tables of a campaign for people.

use std::collections::BTreeMap;

use theriac_datasets::fleet::{
    record,
    score::{Judged, Report as Score, Share, Survival, judge},
};

use super::{figures::Scored, healer::Healer};
use crate::output::say;

/// A row of a table: what, and a cell for each healer.
type Row = (&'static str, fn(&Score) -> String);

const ROWS: [Row; 21] = [
    ("episodes with a fault", |score| score.episodes.to_string()),
    ("weeks without a fault", |score| format!("{:.1}", score.fault_free_weeks)),
    ("detected", |score| share(&score.detected)),
    ("seconds to detect, p50 p99", |score| times(&score.detect, [0.5, 0.99])),
    ("cause named first", |score| share(&score.ac1)),
    ("cause among three", |score| share(&score.ac3)),
    ("cause and its class", |score| share(&score.ac1_with_cause)),
    ("end to end", |score| share(&score.end_to_end)),
    ("seconds to recover, p50 p95", |score| times(&score.recover, [0.5, 0.95])),
    ("healed share, macro", |score| {
        if score.by_type.is_empty() {
            return "-".to_owned();
        }
        format!(
            "{:.2} ({:.2} to {:.2})",
            score.healed_share.0, score.healed_share.1.low, score.healed_share.1.high
        )
    }),
    ("worst kind of fault", |score| {
        score.worst_type.as_ref().map_or_else(|| "-".to_owned(), |(code, share)| format!("{code} {share:.2}"))
    }),
    ("loss beyond the oracle, s", |score| format!("{:.0}", score.regret)),
    ("first action acceptable", |score| share(&score.correct_action)),
    ("actions an incident", |score| format!("{:.2}", score.actions_per_incident)),
    ("harmful actions", |score| share(&score.harmful)),
    ("irreversible actions", |score| score.irreversible.to_string()),
    ("flapped", |score| share(&score.flapping)),
    ("false claims of success", |score| share(&score.false_success)),
    ("false actions a week", |score| {
        if score.fault_free_weeks <= 0.0 {
            return "-".to_owned();
        }
        let (rate, interval) = score.false_actions_per_week;
        format!("{rate:.2} ({:.2} to {:.2})", interval.low, interval.high)
    }),
    ("of them harmful", |score| score.harmful_without_fault.to_string()),
    ("headline", |score| match score.headline() {
        _ if score.episodes == 0 => "-".to_owned(),
        Some(value) => format!("{value:.1}"),
        None => "void".to_owned(),
    }),
];

/// Prints all tables.
pub(super) fn print(scored: &[Scored]) {
    let mut head = vec![String::new()];
    let mut columns: Vec<&Score> = Vec::new();
    for one in scored {
        head.push(one.healer.to_string());
        columns.push(&one.all);
        if one.healer == Healer::Theriac && one.held_out.episodes > 0 && one.seen.episodes > 0 {
            head.extend(["kinds seen".to_owned(), "kinds held out".to_owned()]);
            columns.extend([&one.seen, &one.held_out]);
        }
    }
    let mut table = vec![head];
    for (name, cell) in ROWS {
        let cells = columns.iter().map(|score| cell(score));
        table.push(std::iter::once(name.to_owned()).chain(cells).collect());
    }
    lines(&table);
    for one in scored {
        say!("{}: {}", one.healer, one.healer.description());
    }
    for one in scored.iter().filter(|one| one.healer == Healer::Theriac) {
        kinds(one);
    }
}

/// A line for each kind of fault. Those held out are not shown one by one: who builds would see them.
fn kinds(scored: &Scored) {
    let mut kinds: BTreeMap<&str, Vec<Judged>> = BTreeMap::new();
    for played in scored.episodes.iter().filter(|played| !played.held_out) {
        if let Some(cause) = &played.episode.cause {
            kinds.entry(&cause.code).or_default().push(judge(&played.episode));
        }
    }
    let head = [
        "fault",
        "",
        "played",
        "detected",
        "named",
        "first of three",
        "recovered",
        "claimed",
        "healed",
        "actions",
        "harmful",
    ];
    let mut table = vec![head.map(str::to_owned).to_vec()];
    for (code, judged) in &kinds {
        let count =
            |wanted: &dyn Fn(&Judged) -> bool| judged.iter().filter(|one| wanted(one)).count().to_string();
        let shares: Vec<f64> = judged.iter().filter_map(|one| one.healed_share).collect();
        let healed = if shares.is_empty() {
            "-".to_owned()
        } else {
            format!("{:.2}", shares.iter().sum::<f64>() / shares.len() as f64)
        };
        let actions = judged.iter().map(|one| one.changes).sum::<usize>() as f64 / judged.len() as f64;
        table.push(vec![
            (*code).to_owned(),
            record(code).map(|record| record.name.replace('_', " ")).unwrap_or_default(),
            judged.len().to_string(),
            count(&|one| one.detected.is_some()),
            count(&|one| one.rank == Some(0)),
            count(&|one| one.rank.is_some_and(|rank| rank < 3)),
            count(&|one| one.recovered.is_some()),
            count(&|one| one.claimed),
            healed,
            format!("{actions:.1}"),
            judged
                .iter()
                .map(|one| one.harmful.iter().filter(|harmful| **harmful).count())
                .sum::<usize>()
                .to_string(),
        ]);
    }
    if table.len() > 1 {
        say!("");
        lines(&table);
    }
}

fn lines(table: &[Vec<String>]) {
    let columns = table.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| {
        table.iter().filter_map(|cells| cells.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    for cells in table {
        let text: Vec<String> =
            cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        say!("{}", text.join("  ").trim_end());
    }
}

fn share(share: &Share) -> String {
    if share.of == 0 {
        return "-".to_owned();
    }
    let (low, high) = (100.0 * share.interval.low, 100.0 * share.interval.high);
    format!("{:.1} % ({low:.0} to {high:.0})", 100.0 * share.value())
}

fn times(times: &Survival, shares: [f64; 2]) -> String {
    let text =
        |share| times.quantile(share).map_or_else(|| "open".to_owned(), |seconds| format!("{seconds:.0}"));
    format!("{} {}", text(shares[0]), text(shares[1]))
}
