//! What was played, with the command that explains it. Kinds that are held out are not listed.

use std::{fmt::Write as _, path::PathBuf};

use theriac_datasets::fleet::score::{Judged, judge};

use super::super::{figures::Scored, healer::Healer, job::Played, slices, tables::hundredths};
use crate::report::escape;

/// Episodes that are shown at once.
const SHOWN: usize = 40;

/// Where episodes are kept, and how one is played again.
pub(in crate::command::campaign) struct Origin {
    /// Folder of the campaign.
    pub(in crate::command::campaign) data_dir: PathBuf,
    /// What else was asked for, as arguments that make the same episode.
    pub(in crate::command::campaign) arguments: Vec<String>,
}

impl Origin {
    /// The command that says what the engine made of an episode: by what was kept of it, or by playing it
    /// again.
    fn explains(&self, healer: Healer, played: &Played) -> String {
        let name = format!("{healer}-{}", played.job.replace('/', "-"));
        let kept = self.data_dir.join("kept").join(&name);
        if kept.exists() {
            return format!("theriac explain --data-dir {}", quoted(&kept.display().to_string()));
        }
        let mut parts = played.job.split('/');
        let (code, seed) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let mut command = format!("theriac campaign --faults {code} --seed {seed} --episodes 1 --weeks 0");
        if !played.mode.is_single() {
            let _ = write!(command, " --modes {}", played.mode);
        }
        if healer != Healer::Theriac {
            let _ = write!(command, " --healers {healer}");
        }
        self.arguments.iter().for_each(|argument| {
            let _ = write!(command, " {}", quoted(argument));
        });
        let _ = write!(command, " --keep --data-dir again && theriac explain --data-dir again/kept/{name}");
        command
    }
}

/// A word for a shell.
fn quoted(word: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./:=,".contains(letter);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// Rows, those that went badly first, and how many are not listed.
fn rows_of(main: &Scored, origin: &Origin) -> (Vec<Vec<String>>, usize) {
    let faults = main.episodes.iter().filter(|played| played.episode.cause.is_some());
    let hidden = faults.clone().filter(|played| played.held_out).count();
    let mut judged: Vec<(&Played, Judged)> =
        faults.filter(|played| !played.held_out).map(|played| (played, judge(&played.episode))).collect();
    judged.sort_by(|(a, a_judged), (b, b_judged)| {
        let good = a_judged.end_to_end().cmp(&b_judged.end_to_end());
        let healed = |one: &Judged| one.healed_share.unwrap_or(1.0);
        good.then(healed(a_judged).total_cmp(&healed(b_judged))).then_with(|| a.job.cmp(&b.job))
    });
    let rows = judged.iter().map(|(played, judged)| row(main.healer, played, judged, origin)).collect();
    (rows, hidden)
}

fn row(healer: Healer, played: &Played, judged: &Judged, origin: &Origin) -> Vec<String> {
    let causes: Vec<String> = played
        .episode
        .causes()
        .map(|cause| {
            format!(
                "{} <span class=quiet>{}</span>",
                escape(&slices::kind_name(&cause.code)),
                escape(&cause.component)
            )
        })
        .collect();
    let seconds = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.0} s"));
    let rank = judged.rank.map_or_else(|| "-".to_owned(), |rank| (rank + 1).to_string());
    let verdict = match (judged.first_bad, judged.end_to_end()) {
        (None, _) => "<span class=quiet>not felt</span>",
        (_, true) => "<span class=good>end to end</span>",
        _ if judged.recovered.is_some() => "<span class=act>recovered</span>",
        _ => "<span class=bad>not healed</span>",
    };
    let seed = played.job.split('/').nth(1).unwrap_or_default();
    vec![
        format!(
            "{}{}",
            causes.join("<br>"),
            if played.mode.is_single() {
                String::new()
            } else {
                format!("<br><span class=quiet>{}</span>", played.mode)
            }
        ),
        seed.to_owned(),
        verdict.to_owned(),
        seconds(judged.detected.map(|after| after.max(0.0))),
        rank,
        seconds(judged.recovered),
        judged.healed_share.map_or_else(|| "-".to_owned(), hundredths),
        judged.changes.to_string(),
        judged.harmful.iter().filter(|harmful| **harmful).count().to_string(),
        format!("<code>{}</code>", escape(&origin.explains(healer, played))),
    ]
}

/// The whole table.
pub(super) fn table(main: &Scored, origin: &Origin) -> String {
    let (rows, hidden) = rows_of(main, origin);
    let head = [
        "fault",
        "seed",
        "",
        "detected",
        "place of the cause",
        "recovered",
        "healed share",
        "actions",
        "harmful",
    ];
    let mut text = "<p class=quiet>Those that went badly first.".to_owned();
    if hidden > 0 {
        let _ = write!(text, " {hidden} episodes of kinds that are {} are not listed.", slices::HELD_OUT);
    }
    text.push_str("</p>");
    let mut rows = rows.into_iter();
    let shown: Vec<Vec<String>> = rows.by_ref().take(SHOWN).collect();
    text.push_str(&pairs(&head, &shown));
    if rows.len() > 0 {
        let _ = write!(text, "<details><summary>{} more</summary>", rows.len());
        text.push_str(&pairs(&head, &rows.collect::<Vec<_>>()));
        text.push_str("</details>");
    }
    text
}

/// A table of which each row is followed by its command.
fn pairs(head: &[&str], rows: &[Vec<String>]) -> String {
    let mut text = format!("<div class=scroll><table><tr><th>{}</tr>", head.join("<th>"));
    for row in rows {
        let (cells, command) = row.split_at(head.len().min(row.len()));
        let _ = write!(
            text,
            "<tr class=pair><td>{}</tr><tr><td colspan={}>{}</tr>",
            cells.join("<td>"),
            head.len(),
            command.concat()
        );
    }
    text.push_str("</table></div>");
    text
}
