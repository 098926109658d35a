//! Tables of a campaign for people.

use theriac_datasets::fleet::{
    HELD_OUT,
    score::{Judged, Report as Score, Share, Survival, judge},
};

use super::{
    figures::{self, Scored},
    healer::Healer,
    slices,
};
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
    ("healed share, macro", |score| healed(score).replace('–', " to ")),
    ("worst kind of those seen", worst_kind),
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
        Some(value) => rounded(value, 1),
        None => "void".to_owned(),
    }),
];

/// Prints all tables.
pub(super) fn print(scored: &[Scored], seed: u64) {
    let theriac = scored.iter().find(|one| one.healer == Healer::Theriac);
    details(theriac, scored);
    if scored.len() > 1 {
        say!("\nshares in % with 95 % intervals");
        lines(&healers(scored));
    }
    for one in scored {
        say!("{}: {}", one.healer, one.healer.description());
    }
    if let Some(one) = theriac {
        modes(one, seed);
        kinds(one);
    }
}

/// Columns of details that a terminal of 100 characters has room for.
const DETAILS_MAX: usize = 3;

/// All measures of theriac, or of the first of the others.
fn details(theriac: Option<&Scored>, scored: &[Scored]) {
    let mut columns: Vec<(String, &Score)> = Vec::new();
    for one in theriac.into_iter().chain(scored.iter().filter(|one| one.healer != Healer::Theriac)) {
        columns.push((one.healer.to_string(), &one.all));
        if one.healer == Healer::Theriac && one.held_out.episodes > 0 && one.seen.episodes > 0 {
            columns.push(("kinds seen".to_owned(), &one.seen));
            columns.push(("kinds held out".to_owned(), &one.held_out));
        }
    }
    columns.truncate(DETAILS_MAX);
    let head = std::iter::once(String::new()).chain(columns.iter().map(|(name, _)| name.clone()));
    let mut table = vec![head.collect()];
    for (name, cell) in ROWS {
        let cells = columns.iter().map(|(_, score)| cell(score));
        table.push(std::iter::once(name.to_owned()).chain(cells).collect());
    }
    lines(&table);
}

/// A line for each healer.
fn healers(scored: &[Scored]) -> Vec<Vec<String>> {
    let head =
        ["healer", "end to end", "healed share", "harmful", "flapped", "false claims", "actions an episode"];
    let mut table = vec![head.map(str::to_owned).to_vec()];
    for one in scored {
        let score = &one.all;
        table.push(vec![
            one.healer.to_string(),
            narrow(&score.end_to_end),
            healed(score),
            narrow(&score.harmful),
            narrow(&score.flapping),
            narrow(&score.false_success),
            if score.episodes == 0 { "-".to_owned() } else { format!("{:.2}", score.actions_per_incident) },
        ]);
    }
    table
}

/// A line for each way in which faults came, if there was another than one by one.
fn modes(scored: &Scored, seed: u64) {
    let mut table = vec![
        ["mode", "episodes", "detected", "causes named", "end to end", "recovered", "healed share"]
            .map(str::to_owned)
            .to_vec(),
    ];
    for (name, score) in slices::by_mode(scored, seed) {
        table.push(vec![
            name.strip_prefix("mode.").unwrap_or("all but single").to_owned(),
            score.episodes.to_string(),
            narrow(&score.detected),
            narrow(&score.ac1),
            narrow(&score.end_to_end),
            narrow(&figures::recovered(&score)),
            healed(&score),
        ]);
    }
    if table.len() > 1 {
        say!("");
        lines(&table);
    }
}

/// A line for each kind of fault. Those held out are not shown one by one: who builds would see them.
fn kinds(scored: &Scored) {
    let kinds = slices::kinds(scored);
    let head = [
        "fault",
        "",
        "played",
        "detected",
        "named",
        "in three",
        "recovered",
        "claimed",
        "healed",
        "actions",
        "harmful",
    ];
    let mut table = vec![head.map(str::to_owned).to_vec()];
    for (code, played) in &kinds {
        let judged: Vec<Judged> = played.iter().map(|one| judge(&one.episode)).collect();
        let count =
            |wanted: &dyn Fn(&Judged) -> bool| judged.iter().filter(|one| wanted(one)).count().to_string();
        let shares: Vec<f64> = judged.iter().filter_map(|one| one.healed_share).collect();
        let healed = if shares.is_empty() {
            "-".to_owned()
        } else {
            hundredths(shares.iter().sum::<f64>() / shares.len() as f64)
        };
        let actions = judged.iter().map(|one| one.changes).sum::<usize>() as f64 / judged.len() as f64;
        let name = slices::kind_name(code);
        table.push(vec![
            (*code).to_owned(),
            name.strip_prefix(code).unwrap_or(&name).trim().to_owned(),
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

/// The worst kind that is not held out: of those nobody is to see one alone.
fn worst_kind(score: &Score) -> String {
    let seen = score.by_type.iter().filter(|(code, _)| !HELD_OUT.contains(&code.as_str()));
    let worst = seen.min_by(|a, b| a.1.total_cmp(&b.1).then_with(|| a.0.cmp(&b.0)));
    worst.map_or_else(|| "-".to_owned(), |(code, share)| format!("{code} {}", hundredths(*share)))
}

/// A share in few characters, in percent: whole ones, but for those that are small.
pub(super) fn narrow(share: &Share) -> String {
    if share.of == 0 {
        return "-".to_owned();
    }
    let percent = |value: f64| {
        let value = 100.0 * value;
        if value > 0.0 && value < 9.95 { format!("{value:.1}") } else { format!("{value:.0}") }
    };
    let (low, high) = (100.0 * share.interval.low, 100.0 * share.interval.high);
    format!("{} ({low:.0}–{high:.0})", percent(share.value()))
}

/// The healed share in few characters.
pub(super) fn healed(score: &Score) -> String {
    if score.by_type.is_empty() {
        return "-".to_owned();
    }
    let (share, interval) = score.healed_share;
    if interval.low >= interval.high {
        // One episode of each kind says nothing of how much they differ.
        return hundredths(share);
    }
    format!("{} ({}–{})", hundredths(share), hundredths(interval.low), hundredths(interval.high))
}

/// Two digits behind the point.
pub(super) fn hundredths(value: f64) -> String {
    rounded(value, 2)
}

/// Some digits behind the point; a little less than nothing is nothing.
pub(super) fn rounded(value: f64, digits: usize) -> String {
    let text = format!("{value:.digits$}");
    let is_nothing = text.chars().all(|letter| "-0.".contains(letter));
    if is_nothing { text.trim_start_matches('-').to_owned() } else { text }
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

#[cfg(test)]
mod tests {
    use theriac_datasets::fleet::score::{Interval, Share};

    use super::*;

    #[test]
    fn shares_are_short_and_nothing_has_no_sign() {
        let share = |count, of, low, high| narrow(&Share { count, of, interval: Interval { low, high } });
        assert_eq!(share(32, 66, 0.36, 0.61), "48 (36–61)");
        assert_eq!(share(3, 88, 0.007, 0.096), "3.4 (1–10)");
        assert_eq!(share(0, 5, 0.0, 0.52), "0 (0–52)");
        assert_eq!(share(0, 0, 0.0, 1.0), "-");
        assert_eq!(
            (hundredths(-0.004), hundredths(-0.006), rounded(-0.04, 1)),
            ("0.00".to_owned(), "-0.01".to_owned(), "0.0".to_owned())
        );
    }
}
