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

#[cfg(test)]
mod tests {
    use theriac_contract::{Direction, Series, SignalKind, Timestamp};

    use super::*;
    use crate::{episode::Sight, rules::Rule};

    fn watched(entity: &str, peer: Option<&str>) -> Watched {
        let series = Series {
            key: entity.to_owned(),
            entity: Entity(entity.to_owned()),
            peer: peer.map(|peer| Entity(peer.to_owned())),
            signal: "memory".to_owned(),
            kind: SignalKind::Metric,
            unit: String::new(),
            attributes: "{}".to_owned(),
            domain: "default".to_owned(),
        };
        let rule = Rule::default();
        Watched { series, rule, counting: None, proportion: None, routine: None, filling: None }
    }

    fn episode() -> Episode {
        Episode::begin(Sight {
            start: Timestamp(0),
            end: Timestamp(1),
            p_value: 1e-9,
            alone: 1e-9,
            observed: None,
            expected: None,
            band: None,
            direction: Direction::None,
            detectors: Vec::new(),
            unlike: String::new(),
            overlaps: false,
            exhausts: false,
        })
    }

    #[test]
    fn near_are_the_services_in_trouble_whom_they_speak_of_and_where_they_run() {
        let all = [
            watched("web", Some("cart")),
            watched("web/web-2", None),
            watched("cart/cart-1", None),
            watched("host:node-1", None),
            watched("host:node-2", None),
            watched("bank", None),
        ];
        let mut known = Snapshot::default();
        for (guest, host) in [("cart/cart-1", "host:node-1"), ("bank", "host:node-2")] {
            known.topology.connect(&Entity(guest.to_owned()), &Entity(host.to_owned()), EdgeKind::RunsOn);
        }
        let mut episodes = BTreeMap::from([(SeriesId(0), episode())]);
        let mut discovery = Discovery::default();
        discovery.found(4, 0.05);
        assert_eq!(Near::of(&episodes, &all, &known, &mut discovery), Near::default(), "none is open yet");

        episodes.get_mut(&SeriesId(0)).unwrap().open(Timestamp(1), "web");
        let mut same = discovery;
        let near = Near::of(&episodes, &all, &known, &mut discovery);
        let level = same.level_near(4);
        let levels: Vec<f64> = (0..=all.len()).map(|index| near.level(index)).collect();
        assert_eq!(levels, [level, level, level, level, 0.0, 0.0, 0.0]);
        // Two of three ticks that are just so unusual have a chance of the level.
        let open_p = near.open_p(2, 1e-9);
        assert!((6.0 * open_p * open_p / level - 1.0).abs() < 1e-12, "{open_p} {level}");
        assert_eq!((near.open_p(2, 0.5), near.open_p(5, 1e-9)), (0.5, 1e-9));
    }
}
