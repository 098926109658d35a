//! Goals, slices, healers, modes and quiet time as tables.

use std::fmt::Write as _;

use theriac_datasets::fleet::score::Report as Score;

use super::{
    super::{
        figures,
        goals::{GOALS, Goal, Standing, Unit, Wanted},
        slices::Slice,
        tables::{healed, narrow},
    },
    About,
    figure::{Figures, tagged, told},
};
use crate::{output::Report, report::escape};

/// Slices that are shown at once.
const SLICES_SHOWN: usize = 12;

/// A table of cells that are markup already.
pub(super) fn table(head: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut text = "<div class=scroll><table><tr>".to_owned();
    head.iter().for_each(|cell| {
        let _ = write!(text, "<th>{cell}");
    });
    text.push_str("</tr>");
    for row in rows {
        text.push_str("<tr>");
        row.iter().for_each(|cell| {
            let _ = write!(text, "<td>{cell}");
        });
        text.push_str("</tr>");
    }
    text.push_str("</table></div>");
    text
}

/// Each goal beside what was measured.
pub(super) fn goals(report: &Report) -> String {
    let wanted = |goal: &Goal| match goal.wanted {
        Wanted::AtLeast(value) => format!("at least {}", told(value, goal.unit)),
        Wanted::AtMost(value) => format!("at most {}", told(value, goal.unit)),
    };
    let row = |goal: &Goal| {
        let standing = goal.standing(report);
        let class = match standing {
            Standing::Met => "good",
            Standing::Unproven => "act",
            Standing::Missed => "bad",
            Standing::Unmeasured => "quiet",
        };
        let figure = match standing {
            Standing::Unmeasured => "-".to_owned(),
            _ => tagged(report, goal.metric, goal.unit),
        };
        let verdict = format!("<span class={class}>{}</span>", standing.told());
        vec![goal.words.to_owned(), wanted(goal), figure, verdict]
    };
    table(&["", "wanted", "measured", ""], GOALS.iter().map(row))
}

/// Slices, the bad ones first.
pub(super) fn slices(slices: &[Slice]) -> String {
    let row = |slice: &Slice| {
        vec![
            escape(slice.by),
            escape(&slice.name),
            slice.score.episodes.to_string(),
            narrow(&slice.score.detected),
            narrow(&slice.score.ac1),
            narrow(&slice.score.end_to_end),
            narrow(&figures::recovered(&slice.score)),
            healed(&slice.score),
        ]
    };
    let head = [
        "by",
        "",
        "episodes",
        "detected, %",
        "cause named, %",
        "end to end, %",
        "recovered, %",
        "healed share",
    ];
    let shown = slices.len().min(SLICES_SHOWN);
    let mut text = table(&head, slices[..shown].iter().map(row));
    if shown < slices.len() {
        let rest = table(&head, slices[shown..].iter().map(row));
        let _ = write!(
            text,
            "<details><summary>{} more, from bad to good</summary>{rest}</details>",
            slices.len() - shown
        );
    }
    text
}

/// A line for each healer.
pub(super) fn healers(about: &About<'_>) -> String {
    let rows = about.scored.iter().map(|one| {
        let figures = Figures { report: about.report, prefix: one.prefix() };
        vec![
            format!(
                "<b>{}</b><div class=\"quiet note\">{}</div>",
                one.healer,
                escape(one.healer.description())
            ),
            figures.of("episodes", Unit::Number),
            figures.of("end_to_end", Unit::Share),
            figures.of("recovered", Unit::Share),
            figures.of("healed_share", Unit::Ratio),
            figures.of("harmful_share", Unit::Share),
            figures.of("irreversible_actions", Unit::Number),
            figures.of("flapping_share", Unit::Share),
            figures.of("false_success_share", Unit::Share),
            figures.of("actions_per_incident", Unit::Ratio),
        ]
        .into_iter()
        .map(|cell| cell.replace("</span> <span class=interval>", "</span><br><span class=interval>"))
        .collect()
    });
    let head = [
        "healer",
        "episodes",
        "end to end",
        "recovered",
        "healed share",
        "harmful actions",
        "irreversible",
        "flapped",
        "false claims",
        "actions an episode",
    ];
    table(&head, rows)
}

/// A line for each way in which faults came.
pub(super) fn modes(figures: &Figures<'_>, modes: &[(String, Score)]) -> String {
    let rows = modes.iter().map(|(name, _)| {
        let of = |figure: &str, unit| figures.of(&format!("{name}.{figure}"), unit);
        vec![
            name.strip_prefix("mode.").unwrap_or("all but single").to_owned(),
            of("episodes", Unit::Number),
            of("detected", Unit::Share),
            of("ac1", Unit::Share),
            of("end_to_end", Unit::Share),
            of("recovered", Unit::Share),
            of("recover_s.p50", Unit::Seconds),
            of("healed_share", Unit::Ratio),
        ]
    });
    let head = [
        "mode",
        "episodes",
        "detected",
        "causes named",
        "end to end",
        "recovered",
        "to recover (median)",
        "healed share",
    ];
    let note = "<p class=quiet>Of several faults in an episode each must be detected, named and healed.</p>";
    format!("{note}{}", table(&head, rows))
}

/// What was done while nothing was wrong.
pub(super) fn quiet(about: &About<'_>) -> String {
    let played = about.scored.iter().filter(|one| one.all.fault_free_weeks > 0.0);
    let rows: Vec<Vec<String>> = played
        .map(|one| {
            let figures = Figures { report: about.report, prefix: one.prefix() };
            vec![
                one.healer.to_string(),
                format!("{:.2}", one.all.fault_free_weeks),
                figures.of("false_actions_per_week", Unit::PerWeek),
                figures.of("harmful_actions", Unit::Number),
            ]
        })
        .collect();
    if rows.is_empty() {
        return "<p>None was played: <code>--weeks</code>.</p>".to_owned();
    }
    let head = ["healer", "weeks", "actions a week, with the exact interval (Poisson)", "harmful ones"];
    table(&head, rows.into_iter())
}
