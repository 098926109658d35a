//! What an incident's suspects weighed at the last look, and what that rested on.
//!
//! An update costs time in what it changes: who reads nothing that became another is not weighed again.
//! What is read of an incident is read of a service as a rule ([`Aspects`]); of each it is kept
//! when that became what it is. What all suspects read is compared as a whole. It is derived from what was
//! seen, so it is no state: without it all is weighed anew, and comes out the same.

use std::collections::{BTreeMap, BTreeSet};

use theriac_contract::{Distrust, Entity, Id, Timestamp};

use crate::{
    evidence::Fault,
    family::Family,
    spot::{Aspects, Reads},
    view::View,
};

/// Services and hosts that are kept in mind for one incident; beyond that all is forgotten.
const NAMES_MAX: usize = 4_096;

/// A symptom as it was: the number of its last revision, and the bits of its strength.
type Told = (Id, u64, u64);

/// The memory of one incident.
#[derive(Clone, Debug, Default)]
pub(crate) struct Memory {
    /// Counts the looks.
    look: u64,
    version: Option<u64>,
    common: Option<Common>,
    services: BTreeMap<String, Seen>,
    families: BTreeMap<Family, (Vec<(Id, u64)>, u64)>,
    /// Services with symptoms.
    troubled: BTreeSet<String>,
    suspects: BTreeMap<Entity, Remembered>,
}

/// What every suspect's weight may rest on.
#[derive(Clone, Debug, PartialEq)]
struct Common {
    graph: u64,
    began: Timestamp,
    told_first: Timestamp,
    weights: String,
    distrusted: BTreeMap<Entity, Distrust>,
    ways: BTreeSet<(String, String)>,
    /// The worst that is told of the way between zones.
    zones: Option<(Id, u64)>,
    piled: BTreeSet<Entity>,
}

/// What was seen of a service or a host, and at which looks that became what it is.
#[derive(Clone, Debug, Default)]
struct Seen {
    told: Vec<Told>,
    facts: Facts,
    is_felt: bool,
    content_since: u64,
    felt_since: u64,
    related_since: u64,
}

/// What is known of a service, symptoms apart.
#[derive(Clone, Debug, Default, PartialEq)]
struct Facts {
    instances: Option<BTreeSet<Entity>>,
    speaks: bool,
    changes: Option<u64>,
    dependents: Vec<String>,
    /// Calls a second of its callers, and of it to whom it tells of: bits, since not a number is one, too.
    volumes: Vec<Option<u64>>,
}

/// What a suspect weighed, by fault.
#[derive(Clone, Debug)]
struct Remembered {
    look: u64,
    reads: Reads,
    weights: Vec<(Fault, f64)>,
}

impl Memory {
    /// Takes in what an incident looks like now.
    pub(crate) fn look(&mut self, view: &View<'_>) {
        let common = Common::of(view);
        if self.common.as_ref() != Some(&common) || self.services.len() > NAMES_MAX {
            *self = Self { look: self.look, common: Some(common), ..Self::default() };
        }
        self.look += 1;
        let look = self.look;
        let version = Some(view.known().knowledge.version);
        let is_news = self.version != version;
        self.version = version;
        let came = view.services.iter().filter(|service| !self.troubled.contains(**service));
        let went = self.troubled.iter().filter(|service| !view.services.contains(service.as_str()));
        let changed: Vec<String> = came.map(|service| (*service).to_owned()).chain(went.cloned()).collect();
        for service in &changed {
            if !self.troubled.remove(service) {
                self.troubled.insert(service.clone());
            }
        }
        for name in view.spots().keys() {
            if !self.services.contains_key(*name) {
                self.services.insert((*name).to_owned(), Seen::new(view, name, look));
            }
        }
        for (name, seen) in &mut self.services {
            seen.follow(view, name, look, is_news);
            let is_related =
                |other: &String| view.graph.is_below(other, name) || view.graph.is_below(name, other);
            if changed.iter().any(is_related) {
                seen.related_since = look;
            }
        }
        self.follow_families(view);
    }

    fn follow_families(&mut self, view: &View<'_>) {
        let mut now: BTreeMap<Family, Vec<(&Id, u64)>> = BTreeMap::new();
        for kept in view.current.iter() {
            now.entry(kept.family).or_default().push((&kept.id, kept.stamp));
        }
        for family in self.families.keys() {
            now.entry(*family).or_default();
        }
        for (family, told) in now {
            let known = self.families.entry(family).or_default();
            if !known.0.iter().map(|(id, stamp)| (id, *stamp)).eq(told.iter().copied()) {
                *known = (told.into_iter().map(|(id, stamp)| (id.clone(), stamp)).collect(), self.look);
            }
        }
    }

    /// What a suspect weighs, if nothing that this rests on became another.
    pub(crate) fn recall(&self, suspect: &Entity) -> Option<&[(Fault, f64)]> {
        let known = self.suspects.get(suspect)?;
        let stays = |(name, aspects): &(String, Aspects)| {
            self.services.get(name).is_some_and(|seen| seen.since(*aspects) <= known.look)
        };
        let holds = known.reads.services.iter().all(stays)
            && known
                .reads
                .families
                .iter()
                .all(|family| self.families.get(family).is_none_or(|(_, since)| *since <= known.look));
        holds.then_some(known.weights.as_slice())
    }

    /// Keeps what a suspect weighs, and what was read for that.
    pub(crate) fn remember(
        &mut self,
        view: &View<'_>,
        suspect: &Entity,
        reads: Reads,
        weights: Vec<(Fault, f64)>,
    ) {
        for (name, _) in &reads.services {
            if !self.services.contains_key(name) {
                self.services.insert(name.clone(), Seen::new(view, name, self.look));
            }
        }
        self.suspects.insert(suspect.clone(), Remembered { look: self.look, reads, weights });
    }

    /// Forgets whoever is not suspected any more.
    pub(crate) fn keep_only(&mut self, suspects: &BTreeSet<&Entity>) {
        self.suspects.retain(|suspect, _| suspects.contains(suspect));
    }
}

impl Common {
    fn of(view: &View<'_>) -> Self {
        let knowledge = view.known().knowledge;
        let names = |(from, to): &(&str, &str)| ((*from).to_owned(), (*to).to_owned());
        Self {
            graph: view.graph.number(),
            began: view.began(),
            told_first: view.told_first(),
            weights: knowledge.channel_weights.clone(),
            distrusted: knowledge.distrusted.clone(),
            ways: view.troubled_ways().iter().map(names).collect(),
            zones: view.way_between_zones().map(|told| (told.kept.id.clone(), told.kept.digits().to_bits())),
            piled: view.piled().iter().map(|entity| (*entity).clone()).collect(),
        }
    }
}

impl Seen {
    fn new(view: &View<'_>, name: &str, look: u64) -> Self {
        let mut seen = Self { content_since: look, felt_since: look, related_since: look, ..Self::default() };
        seen.follow(view, name, look, true);
        seen
    }

    fn follow(&mut self, view: &View<'_>, name: &str, look: u64, is_news: bool) {
        let spot = view.spots().get(name);
        let told = spot.map_or(&[][..], |spot| &spot.told);
        let now = told.iter().map(|one| (&one.kept.id, one.kept.stamp, one.strength.to_bits()));
        let differs = !self.told.iter().map(|(id, stamp, strength)| (id, *stamp, *strength)).eq(now.clone());
        if differs {
            self.told = now.map(|(id, stamp, strength)| (id.clone(), stamp, strength)).collect();
            self.content_since = look;
        }
        if differs || is_news {
            let facts = Facts::of(view, name);
            if facts != self.facts {
                self.facts = facts;
                self.content_since = look;
            }
        }
        let is_felt = spot.is_some_and(|spot| spot.felt(name).is_some());
        if is_felt != self.is_felt {
            self.is_felt = is_felt;
            self.felt_since = look;
        }
    }

    /// The last look at which what was read became what it is.
    fn since(&self, read: Aspects) -> u64 {
        let aspects = [
            (read.content, self.content_since),
            (read.felt, self.felt_since),
            (read.related, self.related_since),
        ];
        aspects.into_iter().filter(|(is_read, _)| *is_read).map(|(_, since)| since).max().unwrap_or(0)
    }
}

impl Facts {
    fn of(view: &View<'_>, name: &str) -> Self {
        let known = view.known();
        let topology = &known.knowledge.topology;
        let told = view.spots().get(name).map_or(&[][..], |spot| &spot.told);
        let tells_of = |kept: &&crate::incident::Kept| kept.peer.is_some() && kept.entity.service() == name;
        let told_of = told.iter().map(|trouble| trouble.kept).filter(tells_of);
        let outward = told_of.map(|kept| topology.volume(name, kept.about().service()));
        let inward = view.graph.callers(name).map(|from| topology.volume(from, name));
        Self {
            instances: topology.instances.get(name).cloned(),
            speaks: topology.speaks(name),
            changes: known.changes.since(name),
            dependents: known.graphs.dependents(name).to_vec(),
            volumes: inward.chain(outward).map(|volume| volume.map(f64::to_bits)).collect(),
        }
    }
}
