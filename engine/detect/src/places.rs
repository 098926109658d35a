//! Which series are of one place, the same entity or the same edge: one is read beside another.

use std::collections::BTreeMap;

use theriac_contract::{Entity, Series, SeriesId};

/// Domain, entity, and the callee of an edge.
type Place = (String, Entity, Option<Entity>);

/// All series, by place.
#[derive(Default)]
pub(crate) struct Places {
    of: BTreeMap<Place, Vec<SeriesId>>,
}

impl Places {
    /// Takes in a series; gives all of its place so far, the oldest first, itself last.
    pub(crate) fn admit(&mut self, id: SeriesId, series: &Series) -> &[SeriesId] {
        let place = (series.domain.clone(), series.entity.clone(), series.peer.clone());
        let together = self.of.entry(place).or_default();
        together.push(id);
        together
    }
}
