//! The page of a campaign: opens from disk, loads nothing. Every figure on it has its name in `report.json`
//! beside it, for programs that read pages. Kinds that are held out are one row, and nowhere one by one.
//!
//! | file | what |
//! |---|---|
//! | `mod` | headline, the order of things |
//! | `figure` | a figure with its interval and its name |
//! | `charts` | times, kinds, healers as pictures |
//! | `tables` | goals, slices, healers, modes, quiet time |
//! | `episodes` | what was played, with the command that explains it |

mod charts;
mod episodes;
mod figure;
mod tables;

use std::fmt::Write as _;

pub(super) use episodes::Origin;
use figure::Figures;
use theriac_datasets::fleet::score::Report as Score;

use super::{
    figures::Scored,
    goals::Unit::{Number, PerWeek, Ratio, Seconds, Share},
    healer::Healer,
    reliability, slices,
};
use crate::{
    output::Report,
    report::{STYLE, escape},
};

/// Beside the style of all pages.
const OWN_STYLE: &str = "
main{max-width:1180px}.void{border-color:var(--bad);border-width:2px}.void b{color:var(--bad);font-size:18px}
td,th{white-space:nowrap}tr.pair td{border-bottom:0;padding-bottom:0}
.interval{color:var(--quiet);font-size:12px;font-weight:400}.note{white-space:normal;max-width:150px;font-size:12px}.act{color:var(--act)}
.base{stroke:var(--edge)}.given{stroke-width:1.2;stroke:var(--line)}
.curve0{stroke:var(--line)}.curve1{stroke:var(--good)}.curve2{stroke:var(--act)}svg text.curve0,svg text.curve1,svg text.curve2{stroke:none}
svg text.curve0{fill:var(--quiet)}svg text.curve1{fill:var(--good)}svg text.curve2{fill:var(--act)}svg .band{fill:var(--line)}
.column{fill:var(--line);opacity:.75}.column.below{fill:var(--bad)}.column.apart{fill:var(--act)}
.dot{fill:var(--ink);opacity:.45}.whisker{fill:none;stroke:var(--ink);stroke-width:1.2}.goal{stroke:var(--good);stroke-dasharray:4 3}
td code{font-size:12px;white-space:normal;color:var(--quiet)}
";

/// What the page is about besides its figures.
pub(super) struct About<'a> {
    pub(super) scored: &'a [Scored],
    pub(super) report: &'a Report,
    /// What was to be played, in words.
    pub(super) played: String,
    pub(super) origin: Origin,
}

/// The whole page.
pub(super) fn html(about: &About<'_>) -> String {
    let mut page = format!(
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\"><title>theriac campaign</title><style>{STYLE}{OWN_STYLE}</style><main><h1>What the campaign came to</h1><p class=quiet>{} Seed {}, fleet {}, configuration {}, theriac {}. Intervals are at 95 %. The same seed gives the same page.</p>",
        escape(&about.played),
        about.report.seed.unwrap_or_default(),
        escape(&about.report.data),
        escape(&about.report.configuration),
        about.report.version
    );
    let theriac = about.scored.iter().find(|one| one.healer == Healer::Theriac);
    if let Some(main) = theriac.or_else(|| about.scored.first()) {
        of_one(&mut page, about, main);
    }
    page.push_str("</main></html>\n");
    page
}

/// The page by the one that it is about: theriac, or the first of the others.
fn of_one(page: &mut String, about: &About<'_>, main: &Scored) {
    let figures = Figures { report: about.report, prefix: main.prefix() };
    let seed = about.report.seed.unwrap_or_default();
    let _ = write!(page, "<p><b>{}</b>: {}.</p>", main.healer, escape(main.healer.description()));
    page.push_str("<p class=quiet>End to end: the right cause named first, users well again, no harm, and it said so. Healed share: what was healed of what could be, 0 as with nobody, 1 as with who knows the truth, a mean over kinds.</p>");
    banner(page, &main.all);
    tiles(page, &figures, main);
    card(page, "Where it is bad", &tables::slices(&slices::worst_first(main, seed)));
    card(page, "Goals", &tables::goals(about.report));
    charts::times(page, main);
    card(page, "Healed share of each kind of fault", &charts::kinds(main, &figures));
    card(page, "Who looked after the fleet", &charts::healers(about));
    card(page, "Healers", &tables::healers(about));
    let modes = slices::by_mode(main, seed);
    if !modes.is_empty() {
        card(page, "How faults came", &tables::modes(&figures, &modes));
    }
    if let Some(diagram) = reliability::diagram(&main.episodes) {
        let text = format!(
            "<p class=quiet>Of {} diagnoses: off by {} for the place (expected calibration error), by {} for place and class of the cause.</p>{}",
            figures.of("reliability.episodes", Number),
            figures.of("reliability.place.ece", Ratio),
            figures.of("reliability.cause.ece", Ratio),
            diagram.svg()
        );
        card(page, &diagram.title, &text);
    }
    card(page, "Time without faults", &tables::quiet(about));
    card(page, "Episodes", &episodes::table(main, &about.origin));
}

fn card(page: &mut String, heading: &str, content: &str) {
    let _ = write!(page, "<section class=card><h2>{}</h2>{content}</section>", escape(heading));
}

fn actions(count: u64) -> String {
    if count == 1 { "1 action".to_owned() } else { format!("{count} actions") }
}

/// Why there is no headline, if a gate of safety failed.
fn banner(page: &mut String, score: &Score) {
    let mut reasons = Vec::new();
    if score.irreversible > 0 {
        reasons.push(format!("{} did what cannot be mended", actions(score.irreversible)));
    }
    if score.harmful_without_fault > 0 {
        let harmful = actions(score.harmful_without_fault);
        reasons.push(format!("{harmful} did harm while nothing was wrong"));
    }
    if !reasons.is_empty() {
        let _ = write!(
            page,
            "<section class=\"card void\"><b>Void: a gate of safety failed</b><p>{}. There is no headline, whatever the other figures are: safety cannot be bought with speed.</p></section>",
            reasons.join("; ")
        );
    }
}

fn tiles(page: &mut String, figures: &Figures<'_>, main: &Scored) {
    let void = main.all.headline().is_none();
    let headline = if void && main.all.episodes > 0 {
        "<span class=bad>void</span>".to_owned()
    } else {
        figures.of("headline", Number)
    };
    let tiles = [
        (headline, "headline (100 times healed share)"),
        (figures.of("end_to_end", Share), "end to end"),
        (figures.of("healed_share", Ratio), "healed share"),
        (figures.of("detect_s.p50", Seconds), "to detect (median)"),
        (figures.of("recover_s.p50", Seconds), "to recover (median)"),
        (figures.of("harmful_share", Share), "harmful actions"),
        (figures.of("false_actions_per_week", PerWeek), "actions a week without faults"),
    ];
    page.push_str("<div class=figures>");
    for (value, words) in tiles {
        let _ = write!(page, "<div><b>{value}</b><span class=quiet>{words}</span></div>");
    }
    page.push_str("</div>");
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use theriac_datasets::fleet::{
        Mode,
        score::{Episode, Event, EventKind},
    };

    use super::{
        super::{figures, job::Played},
        *,
    };

    /// A quiet week in which one action was taken.
    fn quiet(harm: f64, irreversible: bool) -> Played {
        let kind = EventKind::Action {
            name: "restart cart".to_owned(),
            target: "cart".to_owned(),
            changes: true,
            undo: false,
            harm: Some(harm),
            irreversible,
            unnecessary: false,
        };
        let episode = Episode {
            cause: None,
            others: Vec::new(),
            horizon: 7.0 * 86_400.0,
            bad_seconds: Vec::new(),
            restored: true,
            loss: 0.0,
            loss_nothing: 0.0,
            loss_oracle: 0.0,
            log: vec![Event { at: 5.0, kind }],
        };
        let (job, healer) = ("quiet/1".to_owned(), "theriac".to_owned());
        Played { job, healer, mode: Mode::Single, held_out: false, episode }
    }

    fn page_of(played: Vec<Played>) -> String {
        let all = figures::score_of(played.iter(), 1);
        let none = figures::score_of(std::iter::empty(), 1);
        let scored =
            [Scored { healer: Healer::Theriac, seen: all.clone(), all, held_out: none, episodes: played }];
        let report = figures::report(&scored, "configuration", 1);
        let origin = Origin { data_dir: PathBuf::new(), arguments: Vec::new() };
        html(&About { scored: &scored, report: &report, played: String::new(), origin })
    }

    #[test]
    fn a_failed_gate_of_safety_is_the_first_thing_that_is_said() {
        let harmless = page_of(vec![quiet(0.0, false)]);
        assert!(!harmless.contains("Void"), "{harmless}");
        let harmful = page_of(vec![quiet(400.0, false)]);
        assert!(
            harmful
                .contains("Void: a gate of safety failed</b><p>1 action did harm while nothing was wrong.")
        );
        assert!(harmful.find("Void") < harmful.find("class=figures"));
        let worse = page_of(vec![quiet(400.0, true), quiet(0.0, true)]);
        let reasons = "<p>2 actions did what cannot be mended; 2 actions did harm while nothing was wrong.";
        assert!(worse.contains(reasons), "{worse}");
    }

    #[test]
    fn quiet_time_has_the_exact_interval_of_its_rate() {
        let page = page_of(vec![quiet(0.0, false)]);
        // One event in one week: 0.0253 to 5.572 (Poisson, 95 %).
        let told = ">1.00</span> <span class=interval>0.03 to 5.57</span>";
        assert!(
            page.contains("data-metric=\"campaign.false_actions_per_week\"") && page.contains(told),
            "{page}"
        );
    }
}
