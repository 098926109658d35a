//! How many log lines there are in all: of an entity, and of all entities of a domain.

use std::collections::BTreeMap;

use theriac_contract::{Entity, Series, SeriesId, Tick};

/// Signal of the series that counts all log lines of an entity.
const ALL_LINES: &str = "log.count";

/// Whether a series counts all log lines of its entity.
pub(crate) fn counts_all(series: &Series) -> bool {
    series.signal == ALL_LINES
}

/// The series that count all log lines, and what they say.
#[derive(Default)]
pub(crate) struct LogLines {
    /// By domain and entity.
    counted_by: BTreeMap<(String, Entity), SeriesId>,
    /// Lines of the last tick, by domain.
    told: BTreeMap<String, f64>,
}

impl LogLines {
    /// Takes in a series, if it counts all lines of an entity.
    pub(crate) fn admit(&mut self, id: SeriesId, series: &Series) {
        if counts_all(series) {
            self.counted_by.insert((series.domain.clone(), series.entity.clone()), id);
        }
    }

    /// The series that counts all lines of the entity of `series`.
    pub(crate) fn beside(&self, series: &Series) -> Option<SeriesId> {
        self.counted_by.get(&(series.domain.clone(), series.entity.clone())).copied()
    }

    /// Counts the lines of a tick.
    pub(crate) fn update(&mut self, tick: &Tick) {
        self.told.values_mut().for_each(|lines| *lines = 0.0);
        for ((domain, _), id) in &self.counted_by {
            let told = tick.values.get(id.index()).copied().filter(|lines| lines.is_finite());
            *self.told.entry(domain.clone()).or_default() += told.unwrap_or(0.0);
        }
    }

    /// Lines of all entities of a domain in the last tick.
    pub(crate) fn of_domain(&self, domain: &str) -> f64 {
        self.told.get(domain).copied().unwrap_or(0.0)
    }
}
