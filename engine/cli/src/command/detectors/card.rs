//! What is told of a detector: the same facts in the terminal, in Markdown and on the page.

use theriac_detectors::{Bank, Beside, SHARED_BYTES_PER_SERIES, Settings, Spec, beside_the_bank, registry};

use super::{committed::Costs, measure::REPETITIONS};

/// Without a picture in the repository: what is simulated is too short for it, which needs days.
const UNSHOWN: [&str; 1] = ["seasonal"];

/// Where a detector stands.
#[derive(Clone, Copy)]
pub(super) enum Place {
    /// In the bank.
    Bank,
    /// Beside it.
    Beside(&'static Beside),
}

/// A detector, and where it stands.
#[derive(Clone, Copy)]
pub(super) struct Card {
    pub(super) spec: &'static Spec,
    pub(super) place: Place,
}

/// All of them: the bank's in the order in which they run, then those beside it.
pub(super) fn all() -> Vec<Card> {
    let bank = registry().iter().map(|entry| Card { spec: &entry.spec, place: Place::Bank });
    let beside =
        beside_the_bank().iter().map(|beside| Card { spec: &beside.spec, place: Place::Beside(beside) });
    bank.chain(beside).collect()
}

impl Card {
    pub(super) const fn in_bank(&self) -> bool {
        matches!(self.place, Place::Bank)
    }

    /// Whether it runs with the default settings.
    pub(super) const fn on(&self) -> &'static str {
        if self.spec.on_by_default { "yes" } else { "no" }
    }

    /// What is told, with the word under which it is.
    pub(super) fn facts(&self) -> Vec<(&'static str, String)> {
        let spec = self.spec;
        vec![
            ("score", spec.formula.to_owned()),
            ("source", spec.source.to_owned()),
            ("judges", self.judges().to_owned()),
            ("state", self.state()),
            ("warm-up", format!("{} observations", spec.warmup_ticks)),
            ("runs", self.runs()),
        ]
    }

    const fn judges(&self) -> &'static str {
        match self.place {
            Place::Bank => "a series",
            Place::Beside(beside) => beside.judges,
        }
    }

    fn state(&self) -> String {
        let bytes = self.spec.bytes_per_series;
        match self.place {
            Place::Bank => {
                format!("{bytes} bytes a series, beside the {SHARED_BYTES_PER_SERIES} that all share")
            }
            Place::Beside(beside) if beside.together == 1 => format!("{bytes} bytes a series"),
            Place::Beside(beside) => {
                format!("{bytes} bytes a series, if {} are judged together", beside.together)
            }
        }
    }

    /// When it runs.
    fn runs(&self) -> String {
        let detect = theriac_detect::Settings::default();
        match (self.place, self.spec.name) {
            (Place::Bank, _) if self.spec.on_by_default => {
                "by default; `detect.bank.enabled` names those that run".to_owned()
            }
            (Place::Bank, _) => "if `detect.bank.enabled` names it".to_owned(),
            (_, "records") => {
                let series = detect.records_series_max;
                format!(
                    "over the first series, `detect.records_series_max` ({series}); `detect.records_families` names what counts"
                )
            }
            (_, "subspace") => {
                let entities = detect.entities.at_most;
                format!("over the first entities, `detect.entities.at_most` ({entities})")
            }
            (_, name @ ("mahalanobis" | "correlation")) => {
                let entities = detect.entities.at_most;
                format!(
                    "over the first entities, `detect.entities.at_most` ({entities}), if `detect.entities.{name}` is set"
                )
            }
            (_, "peers") => "over the metrics of instances, unless `detect.peers` is null".to_owned(),
            _ => "in programs that use the library".to_owned(),
        }
    }

    /// Where its parameters are set: what goes before their names.
    fn section(&self) -> String {
        match self.place {
            Place::Bank => "detect.bank.detectors.".to_owned(),
            Place::Beside(_) if self.spec.name == "peers" => "detect.peers.".to_owned(),
            Place::Beside(_) => format!("detect.entities.{}.", self.spec.name),
        }
    }

    /// Name, default with its unit, and meaning of what can be set.
    pub(super) fn parameters(&self) -> Vec<[String; 3]> {
        let section = self.section();
        let row = |parameter: &theriac_detectors::Parameter| {
            [
                format!("{section}{}", parameter.name),
                format!("{} {}", parameter.default, parameter.unit),
                parameter.meaning.to_owned(),
            ]
        };
        self.spec.parameters.iter().map(row).collect()
    }
}

/// What holds for all detectors of the bank.
pub(super) fn common() -> Vec<String> {
    let default = Bank::new(&Settings::default()).bytes_per_series();
    vec![
        format!(
            "Those in the bank share {SHARED_BYTES_PER_SERIES} bytes a series: anchor, scale, count, last value, mean and variance. Those that run by default take {default} bytes a series together."
        ),
        "A score becomes a p-value by the detector's own past scores of that series; the p-values are joined by their harmonic mean (Wilson 2019).".to_owned(),
        "`detect.bank.detectors.warmup_ticks` sets one warm-up for all in the bank. `time_zone` and `holidays` there say whose time of day and day of the week the seasons are.".to_owned(),
    ]
}

/// The page in the repository.
pub(super) fn markdown(cards: &[Card], costs: &Costs) -> String {
    let mut text = format!(
        "# Detectors\n\n\
         Written by `theriac detectors --markdown` from the registry, against which a test holds it.\n\n\
         Times are nanoseconds a series and tick on {}, one thread, the median of {REPETITIONS} runs:\n\
         `theriac detectors --costs detectors/costs.json` measures them anew. All in the bank share {} ns, which are not in\n\
         their figures.\n\n\
         Pictures are of simulated telemetry, which no licence keeps out of a repository (`theriac detectors --pictures\n\
         detectors/pictures`): the place with the smallest p-value that the detector gives by itself; faults are not looked at.\n\
         Blue are values, dashed what is expected, shaded where 99 of 100 ordinary values lie, and below is the p-value, less\n\
         likely further down. `theriac detectors --report detectors.html --data DIR` draws each on NAB and SMD.\n",
        costs.machine, costs.shared
    );
    for (heading, in_bank) in [("In the bank", true), ("Beside the bank", false)] {
        text += &format!(
            "\n## {heading}\n\n| | sees | on by default | bytes a series | ns a series and tick | warm-up |\n|---|---|---|--:|--:|--:|\n"
        );
        for card in cards.iter().filter(|card| card.in_bank() == in_bank) {
            let Spec { name, sees, bytes_per_series, warmup_ticks, .. } = card.spec;
            let (on, time) = (card.on(), costs.of(name).nanoseconds);
            text += &format!(
                "| [{name}](#{name}) | {sees} | {on} | {bytes_per_series} | {time} | {warmup_ticks} |\n"
            );
        }
        if in_bank {
            common().iter().for_each(|line| text += &format!("\n{line}\n"));
        }
    }
    text += "\n## Cards\n";
    for card in cards {
        text += &format!("\n### {}\n\nSees {}.\n\n", card.spec.name, card.spec.sees);
        for (word, fact) in card.facts() {
            let fact = if word == "score" { format!("`{fact}`") } else { fact };
            text += &format!("- {word}: {fact}\n");
        }
        let (name, cost) = (card.spec.name, costs.of(card.spec.name));
        text += &format!("- time: {} ns a series and tick, over {} series\n", cost.nanoseconds, cost.series);
        if !UNSHOWN.contains(&name) {
            text += &format!("\n![where {name} was surprised most](pictures/{name}.svg)\n");
        }
        let parameters = card.parameters();
        if !parameters.is_empty() {
            text += "\n| parameter | default | |\n|---|---|---|\n";
        }
        for [name, default, meaning] in parameters {
            text += &format!("| `{name}` | {default} | {meaning} |\n");
        }
    }
    text
}
