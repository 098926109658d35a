//! Log lines that nobody worries about: they are missed when they no longer come, and told when
//! they crowd out all others.

use serde::{Deserialize, Serialize};
use theriac_contract::{Direction, SeriesId};

use crate::{absence::Absence, proportion::Proportion};

/// Fewer lines than this, or less than half as many more than expected, crowd out nothing.
const CROWD_MIN: f64 = 10.0;
const CROWD_SHARE: f64 = 0.5;

/// What is known of the lines of one template among those of its entity, or of all lines of an
/// entity among those of all entities.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Routine {
    /// The lines of one template among all of its entity; none if it is all of them.
    share: Option<Proportion>,
    absence: Absence,
    /// The last line that was seen, to show what is missed.
    pub(crate) latest: String,
}

/// What a tick shows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Judged {
    pub(crate) p_value: f64,
    /// Lines in a tick.
    pub(crate) expected: f64,
    pub(crate) direction: Direction,
}

impl Routine {
    /// Nothing is known yet. `of`: the series that counts all lines of the entity, if it is
    /// another one.
    pub(crate) fn new(of: Option<SeriesId>) -> Self {
        let share = of.map(|of| Proportion::new(of, false));
        Self { share, absence: Absence::default(), latest: String::new() }
    }

    /// The series that counts all lines of the entity.
    pub(crate) fn of(&self) -> Option<SeriesId> {
        self.share.as_ref().map(|share| share.of)
    }

    /// The same, knowing nothing.
    pub(crate) fn fresh(&self) -> Self {
        Self::new(self.of())
    }

    /// How unusual `count` lines are where the entity, or the whole domain, says `all`; learns them
    /// if `learn`.
    pub(crate) fn observe(&mut self, count: f64, all: f64, learn: bool, memory_ticks: f64) -> Judged {
        let missed = self.absence.observe(count, (all - count).max(0.0), learn);
        let expected = self.share.as_ref().map_or(f64::NAN, |share| share.expected() * all);
        let mut crowded = match &mut self.share {
            Some(share) if all > 0.0 => share.observe(count / all, all, learn, memory_ticks),
            _ => 1.0,
        };
        if count - expected < CROWD_MIN.max(CROWD_SHARE * expected) {
            crowded = 1.0;
        }
        if missed < crowded {
            let expected = self.absence.expected();
            Judged { p_value: (2.0 * missed).min(1.0), expected, direction: Direction::Down }
        } else {
            Judged { p_value: (2.0 * crowded).min(1.0), expected, direction: Direction::Up }
        }
    }
}
