//! Who is heard, and which series there are.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use theriac_contract::{Entity, Series, SeriesId, SignalKind, telemetry::parse_attributes};

use crate::settings::Settings;

/// Position of a series that may come to be; it gets a [`SeriesId`] with its first value.
pub(crate) type Slot = u32;

/// What happens to a slot in ticks in which nothing was said of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Silence {
    /// Nothing is known.
    Absent,
    /// It counts something: nothing was counted, if its entity is alive.
    Zero,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Candidate {
    series: Series,
    entity: usize,
    silence: Silence,
    id: Option<SeriesId>,
}

/// Which signals were heard: bits.
pub(crate) const METRICS: u8 = 1;
pub(crate) const LOGS: u8 = 2;
pub(crate) const TRACES: u8 = 4;

/// A domain's entity and when it was heard.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Known {
    pub(crate) domain: String,
    pub(crate) entity: Entity,
    /// Signals ever heard.
    signals: u8,
    /// Last tick in which it was heard.
    last: u64,
}

/// A set of resource attributes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Resource {
    /// Index of the entity.
    pub(crate) entity: usize,
    /// Index of its service, the same if it is no instance.
    pub(crate) service: usize,
    /// Host that it runs on.
    pub(crate) host: Option<Entity>,
    /// Zone that the host is in.
    #[serde(default)]
    pub(crate) zone: Option<Entity>,
    /// Number of the host among those whose clocks tell the time; 0 for all without one.
    #[serde(default)]
    pub(crate) source: usize,
}

/// Names of everything. Internal numbers are given out in order of arrival and do not
/// show; ids of series are given out at the seal, sorted by key within a tick.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Index {
    entities: Vec<Known>,
    entity_of: BTreeMap<String, usize>,
    resources: Vec<Resource>,
    resource_of: BTreeMap<String, u32>,
    /// Hosts whose clocks tell the time, by name, and each with its domain, by number from 1 on.
    #[serde(default)]
    sources: BTreeMap<String, usize>,
    #[serde(default)]
    clocks: Vec<(String, Entity)>,
    /// Zone that an entity was heard from last.
    #[serde(default)]
    zones: BTreeMap<usize, Entity>,
    slots: Vec<Candidate>,
    slot_of: BTreeMap<String, Slot>,
    pub(crate) series: Vec<Series>,
    /// Slot of each series, by id.
    slot_by_id: Vec<Slot>,
}

impl Index {
    /// The resource of a canonical text; none if there are too many.
    pub(crate) fn resource(&mut self, text: &str, settings: &Settings) -> Option<u32> {
        if let Some(known) = self.resource_of.get(text) {
            return Some(*known);
        }
        if self.resources.len() >= settings.resources_max || text.len() > settings.attributes_length_max {
            return None;
        }
        let attributes = parse_attributes(text);
        let named = settings.domain_attributes.iter().find_map(|key| attributes.get(key)?.as_str());
        let domain = named.filter(|name| !name.is_empty()).unwrap_or("default");
        let name = Entity::from_resource(&attributes);
        let service = self.entity(domain, &Entity(name.service().to_owned()));
        let entity = self.entity(domain, &name);
        let host = Entity::host_of(&attributes).filter(|host| *host != name);
        let zone = Entity::zone_of(&attributes);
        let id = self.resources.len() as u32;
        let source = Entity::host_of(&attributes).map_or(0, |host| self.source(domain, host));
        self.resources.push(Resource { entity, service, host, zone, source });
        self.resource_of.insert(text.to_owned(), id);
        Some(id)
    }

    /// The partition that a reading of a queue speaks of: it is to the queue what an instance is to a
    /// service. None for what a client of the queue says of itself.
    pub(crate) fn partition(&mut self, resource: u32, attributes: &str) -> Option<usize> {
        const KEY: &str = "messaging.destination.partition.id";
        if !attributes.contains(KEY) {
            return None;
        }
        let known = &self.entities[self.resources[resource as usize].entity];
        if known.entity.is_instance() {
            return None;
        }
        let partition = match parse_attributes(attributes).remove(KEY)? {
            serde_json::Value::String(name) => name,
            number => number.to_string(),
        };
        let (domain, entity) = (known.domain.clone(), Entity::instance(known.entity.as_str(), &partition));
        Some(self.entity(&domain, &entity))
    }

    /// Notes from which zones resources were heard in a tick.
    pub(crate) fn hear_from(&mut self, resources: impl Iterator<Item = u32>) {
        let told = resources.filter_map(|resource| {
            let resource = self.at(resource);
            Some((resource.entity, resource.zone.clone()?))
        });
        // Sorted, as numbers of resources show in which order they came.
        let told: BTreeSet<(usize, Entity)> = told.collect();
        self.zones.extend(told);
    }

    /// Zone of an entity.
    pub(crate) fn zone(&self, entity: usize) -> Option<&Entity> {
        self.zones.get(&entity)
    }

    /// An entity that was heard in a domain, by name.
    pub(crate) fn find(&self, domain: &str, name: &str) -> Option<usize> {
        self.entity_of.get(&format!("{domain}|{name}")).copied()
    }

    pub(crate) fn entity(&mut self, domain: &str, entity: &Entity) -> usize {
        let key = format!("{domain}|{entity}");
        *self.entity_of.entry(key).or_insert_with(|| {
            let known = Known { domain: domain.to_owned(), entity: entity.clone(), signals: 0, last: 0 };
            self.entities.push(known);
            self.entities.len() - 1
        })
    }

    fn source(&mut self, domain: &str, host: Entity) -> usize {
        if let Some(known) = self.sources.get(host.as_str()) {
            return *known;
        }
        self.clocks.push((domain.to_owned(), host.clone()));
        self.sources.insert(host.0, self.clocks.len());
        self.clocks.len()
    }

    /// The slot of what a host is ahead of all others; none if it is no host, or there is no room.
    pub(crate) fn ahead(&mut self, source: usize, settings: &Settings) -> Option<Slot> {
        const SIGNAL: &str = "clock.offset.ahead";
        let (domain, host) = self.clocks.get(source.checked_sub(1)?)?.clone();
        let host = self.entity(&domain, &host);
        self.slot(host, None, SIGNAL, SignalKind::Metric, "s", "{}", Silence::Zero, settings)
    }

    pub(crate) fn at(&self, resource: u32) -> &Resource {
        &self.resources[resource as usize]
    }

    pub(crate) fn known(&self, entity: usize) -> &Known {
        &self.entities[entity]
    }

    /// The slot of a series; none if there are too many, or its attributes are too long.
    #[expect(clippy::too_many_arguments, reason = "the parts of a series")]
    pub(crate) fn slot(
        &mut self,
        entity: usize,
        peer: Option<&Entity>,
        signal: &str,
        kind: SignalKind,
        unit: &str,
        attributes: &str,
        silence: Silence,
        settings: &Settings,
    ) -> Option<Slot> {
        let known = &self.entities[entity];
        let key = Series::key_of(&known.domain, &known.entity, peer, signal, attributes);
        if let Some(slot) = self.slot_of.get(&key) {
            return Some(*slot);
        }
        if self.slots.len() >= settings.series_max || attributes.len() > settings.attributes_length_max {
            return None;
        }
        let slot = self.slots.len() as Slot;
        let series = Series {
            key: key.clone(),
            entity: known.entity.clone(),
            peer: peer.cloned(),
            signal: signal.to_owned(),
            kind,
            unit: unit.to_owned(),
            attributes: attributes.to_owned(),
            domain: known.domain.clone(),
        };
        self.slots.push(Candidate { series, entity, silence, id: None });
        self.slot_of.insert(key, slot);
        Some(slot)
    }

    /// Nothing more will be heard of a series, which is no silence.
    pub(crate) fn close(&mut self, slot: Slot) {
        self.slots[slot as usize].silence = Silence::Absent;
    }

    pub(crate) fn id(&self, slot: Slot) -> Option<SeriesId> {
        self.slots[slot as usize].id
    }

    /// The slot of a series that has an id.
    pub(crate) fn slot_with(&self, id: SeriesId) -> Option<Slot> {
        self.slot_by_id.get(id.index()).copied()
    }

    /// Notes who was heard in a tick, then gives the column of values: new series get
    /// their ids, and what counts is zero where it is known that nothing was counted.
    pub(crate) fn column(
        &mut self,
        tick: u64,
        heard: &BTreeMap<usize, u8>,
        values: &BTreeMap<Slot, f64>,
        quiet_ticks_max: u64,
    ) -> (Vec<f64>, Vec<Series>) {
        let mut flowing: BTreeMap<String, u8> = BTreeMap::new();
        for (entity, signals) in heard {
            let known = &mut self.entities[*entity];
            known.signals |= signals;
            known.last = tick;
            *flowing.entry(known.domain.clone()).or_default() |= signals;
        }
        let fresh = values.keys().copied().filter(|slot| self.slots[*slot as usize].id.is_none());
        let mut fresh: Vec<Slot> = fresh.collect();
        fresh.sort_by(|a, b| self.slots[*a as usize].series.key.cmp(&self.slots[*b as usize].series.key));
        let mut opened = Vec::with_capacity(fresh.len());
        for slot in fresh {
            let candidate = &mut self.slots[slot as usize];
            candidate.id = Some(SeriesId(self.series.len() as u32));
            opened.push(candidate.series.clone());
            self.series.push(candidate.series.clone());
            self.slot_by_id.push(slot);
        }
        let alive = |known: &Known| {
            if known.last == tick {
                return true;
            }
            let flows = flowing.get(&known.domain).copied().unwrap_or(0) & known.signals != 0;
            known.signals & METRICS == 0 && flows && tick - known.last <= quiet_ticks_max
        };
        let column = self.slot_by_id.iter().map(|slot| {
            let candidate = &self.slots[*slot as usize];
            match values.get(slot) {
                Some(value) if value.is_finite() => *value,
                None if candidate.silence == Silence::Zero && alive(&self.entities[candidate.entity]) => 0.0,
                _ => f64::NAN,
            }
        });
        (column.collect(), opened)
    }
}
