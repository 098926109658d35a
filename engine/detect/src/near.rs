//! Which series are near trouble, and how much less unusual than elsewhere is unusual enough there.
//!
//! Near trouble are the series of services that show symptoms, of whom these speak of, and of the hosts that
//! they run on. What may be spent on them is in `discovery`.

use std::collections::{BTreeMap, BTreeSet};

use theriac_contract::{EdgeKind, Entity, SeriesId, Snapshot};

use crate::{discovery::Discovery, episode::Episode, watched::Watched};

/// The series near trouble in one tick; the default: none.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Near {
    /// By place; empty if there is no trouble.
    series: Vec<bool>,
    /// What is added to the chance at or below which an episode opens.
    level: f64,
}

impl Near {
    /// The series near what the open ones of `episodes` show, before the tick is looked at.
    pub(crate) fn of(
        episodes: &BTreeMap<SeriesId, Episode>,
        watched: &[Watched],
        known: &Snapshot,
        discovery: &mut Discovery,
    ) -> Self {
        let mut services: BTreeSet<&str> = BTreeSet::new();
        for (id, _) in episodes.iter().filter(|(_, episode)| episode.open.is_some()) {
            let series = &watched[id.index()].series;
            services.extend(
                [Some(&series.entity), series.peer.as_ref()].into_iter().flatten().map(Entity::service),
            );
        }
        if services.is_empty() {
            return Self::default();
        }
        let runs = known.topology.edges.iter().filter(|(_, _, kind)| *kind == EdgeKind::RunsOn);
        let hosts: BTreeSet<&str> = runs
            .filter(|(guest, ..)| services.contains(guest.service()))
            .map(|(_, host, _)| host.as_str())
            .collect();
        let is_near = |watched: &Watched| {
            let service = watched.series.entity.service();
            services.contains(service) || hosts.contains(service)
        };
        let series: Vec<bool> = watched.iter().map(is_near).collect();
        let level = match series.iter().filter(|near| **near).count() {
            0 => 0.0,
            count => discovery.level_near(count),
        };
        Self { series, level }
    }

    fn holds(&self, index: usize) -> bool {
        self.series.get(index).copied().unwrap_or_default()
    }

    /// What is added for this series to the chance at or below which an episode opens.
    pub(crate) fn level(&self, index: usize) -> f64 {
        if self.holds(index) { self.level } else { 0.0 }
    }

    /// P-value of an unusual tick of a series, `open_p` elsewhere: near trouble one of which two would open
    /// a symptom.
    pub(crate) fn open_p(&self, index: usize, open_p: f64) -> f64 {
        // Two of three ticks, as in the chance of an episode.
        let pair = (self.level / 6.0).sqrt();
        if self.holds(index) { open_p.max(pair) } else { open_p }
    }
}
