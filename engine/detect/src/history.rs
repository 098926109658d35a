//! Series compared with their whole history, as far as room is given.

use theriac_contract::{Checkpointed, DetectorScore, SeriesId, StateError, StateTable, Tick};
use theriac_detectors::records::{Families, Family, Records, Verdict};

/// Name of the detector in symptoms.
const NAME: &str = "records";

/// Decades that are worth a word: of all families, and of one of them.
const TOLD: f64 = 2.0;
const TOLD_OF_FAMILY: f32 = 0.5;

/// The records detector over the series that it has room for.
pub(crate) struct History {
    records: Records,
    room: usize,
    /// What the last tick said, by series.
    verdicts: Vec<Option<Verdict>>,
}

impl History {
    pub(crate) const fn new(room: usize, families: Families) -> Self {
        Self { records: Records::of(families), room, verdicts: Vec::new() }
    }

    /// Begins to compare a series, if there is room; says whether there was.
    pub(crate) fn admit(&mut self, series: SeriesId) -> bool {
        let room = self.records.watched() < self.room;
        if room {
            self.records.watch(series);
        }
        room
    }

    /// Starts a series with the history of a sibling.
    pub(crate) fn begin_like(&mut self, series: SeriesId, sibling: SeriesId) {
        self.records.begin_like(series, sibling);
    }

    /// One tick of all series.
    pub(crate) fn update(&mut self, tick: &Tick) {
        self.verdicts.clear();
        let values = (0..).map(SeriesId).zip(&tick.values);
        let at = tick.start;
        self.verdicts.extend(values.map(|(id, value)| self.records.update(id, *value, at)));
    }

    /// What the last tick said of a series; none if it is not compared.
    pub(crate) fn verdict(&self, series: SeriesId) -> Option<&Verdict> {
        self.verdicts.get(series.index()).and_then(Option::as_ref)
    }

    /// Its p-value; none if it is not compared.
    pub(crate) fn p_value(&self, series: SeriesId) -> Option<f64> {
        self.verdict(series).map(|verdict| verdict.p_value)
    }

    /// Its score, as the bank's detectors have theirs.
    pub(crate) fn score(&self, series: SeriesId) -> Option<DetectorScore> {
        self.p_value(series).map(|p_value| DetectorScore { detector: NAME.to_owned(), p_value })
    }

    /// In what the series is unlike all that it ever did, the clearest first; empty if in nothing.
    pub(crate) fn unlike(&self, series: SeriesId) -> String {
        let Some(verdict) = self.verdict(series).filter(|verdict| verdict.evidence >= TOLD) else {
            return String::new();
        };
        let mut families: Vec<(f32, Family)> = verdict.families.into_iter().zip(Family::ALL).collect();
        families.retain(|(decades, _)| *decades >= TOLD_OF_FAMILY);
        families.sort_by(|one, other| other.0.total_cmp(&one.0));
        let words: Vec<&str> = families.iter().take(3).map(|(_, family)| family.words()).collect();
        words.join(", ")
    }
}

impl Checkpointed for History {
    fn snapshot(&self) -> Result<Vec<StateTable>, StateError> {
        self.records.snapshot()
    }

    fn restore(&mut self, tables: &[StateTable]) -> Result<(), StateError> {
        self.verdicts.clear();
        self.records.restore(tables)
    }
}
