//! What is kept of the stage, and how it is made whole again.

use theriac_contract::{Checkpointed, SeriesId, StateError, StateTable};

use super::Detect;
use crate::{limits::Limits, log_lines::LogLines, places::Places, siblings::Siblings, traffic::Traffic};

const TABLE: &str = "detect";
const TABLE_VERSION: u16 = 5;

impl Checkpointed for Detect {
    fn snapshot(&self) -> Result<Vec<StateTable>, StateError> {
        let mut tables = vec![StateTable::from_json(TABLE, TABLE_VERSION, &self.state)?];
        tables.extend(self.bank.snapshot()?);
        tables.extend(self.history.snapshot()?);
        tables.extend(self.entities.snapshot()?);
        tables.extend(self.replicas.snapshot()?);
        Ok(tables)
    }

    fn restore(&mut self, tables: &[StateTable]) -> Result<(), StateError> {
        self.state = StateTable::to_json(tables, TABLE, TABLE_VERSION)?;
        self.bank.restore(tables)?;
        self.history.restore(tables)?;
        self.entities.restore(tables)?;
        let watched = (0..).map(SeriesId).zip(&self.state.watched);
        let together = watched.filter(|(_, watched)| watched.is_judged_together());
        self.replicas.restore(tables, together.map(|(id, watched)| (id, &watched.series)))?;
        self.open = self.state.episodes.values().filter(|episode| episode.open.is_some()).count();
        self.siblings = Siblings::default();
        self.log_lines = LogLines::default();
        self.note_lines(0);
        self.places = Places::default();
        (self.traffic, self.limits) = (Traffic::default(), Limits::default());
        self.join(0);
        for (id, watched) in (0..).map(SeriesId).zip(&self.state.watched) {
            self.siblings.admit(id, &watched.series);
        }
        self.resize();
        Ok(())
    }
}
