//! Who asks, and what for: which asker, or key, has a far larger part of the requests of a service, or
//! of the time that they take, than it had before.
//!
//! What each had before is known of those that had most, fading with time; what stands out is told as
//! requests beyond that, of the one that stands out most. How much of that is usual, for some come all
//! at once and ask a lot for a while, the model of counts learns.
//!
//! | module | holds |
//! |---|---|
//! | `names` | which attributes say who asks, and what for |
//! | `place` | the requests of a service, or along an edge, by one attribute |
//! | `heavy` | who has most, of more than can be remembered |
//! | `unlikely` | the chance of so large a part |

mod heavy;
mod names;
mod place;
mod unlikely;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use theriac_contract::Entity;

pub use names::Asker;
pub(crate) use names::Names;

use crate::{
    bucket::{Bucket, SpanRow},
    counts::Counts,
    settings::Settings,
    traces::{
        asking::{names::Named, place::Place},
        catalog::{self, Catalog},
        exemplar::Seen,
        ids::Ids,
    },
};

/// Nanoseconds in a unit of time: squares of it fit into a number.
const GRAIN: i64 = 100_000;
const SECONDS: f64 = GRAIN as f64 * 1e-9;

/// What one asker, or key, has of a tick.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Portion {
    spans: u64,
    weight: u64,
    /// Weighted.
    time: u64,
    /// Sum of the squares, and the longest.
    squares: u64,
    longest: u64,
    slowest: Option<Seen>,
}

impl Portion {
    fn add(&mut self, row: &SpanRow) {
        let time = (row.nanoseconds / GRAIN).max(0) as u64;
        self.spans += 1;
        self.weight = self.weight.saturating_add(row.weight);
        self.time = self.time.saturating_add(time.saturating_mul(row.weight));
        self.squares = self.squares.saturating_add(time.saturating_mul(time));
        self.longest = self.longest.max(time);
        self.slowest = self.slowest.max(Some(Seen::of(row)));
    }

    fn merge(&mut self, other: &Self) {
        self.spans += other.spans;
        self.weight = self.weight.saturating_add(other.weight);
        self.time = self.time.saturating_add(other.time);
        self.squares = self.squares.saturating_add(other.squares);
        self.longest = self.longest.max(other.longest);
        self.slowest = self.slowest.max(other.slowest);
    }
}

/// Whose requests are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Owner {
    /// Those that a service, by index, is asked.
    Service(u32),
    /// Those that go along an edge.
    Edge(u32),
}

/// One who stands out in a tick.
#[derive(Clone, Debug)]
pub(crate) struct Standing {
    /// `tenant:7`.
    pub(crate) who: Entity,
    /// Requests of late beyond what it had before, as far as they were sampled; of time, the requests that
    /// usually take as long.
    pub(crate) excess: f64,
    /// How often chance alone brings so much about.
    pub(crate) chance: f64,
    /// What part it has and had, for people.
    pub(crate) text: String,
    pub(crate) slowest: Option<Seen>,
}

/// What is known of who asks, and what for.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Asking {
    attributes: catalog::Names,
    /// Whether it is an edge, number of the service or edge, attribute.
    ids: Ids,
    places: Vec<Place>,
    /// Who stood out in the tick that was sealed last, by requests and by time; by place.
    #[serde(skip)]
    pub(crate) standing: BTreeMap<u32, [Option<Standing>; 2]>,
}

impl Asking {
    /// Counts a span of a service, if it says who asks or what for. Of a call that failed outside of any trace it is
    /// only told since it failed: it is no sample of what is asked.
    pub(crate) fn note(
        &mut self,
        row: &SpanRow,
        (names, service): (&Names, usize),
        catalog: &Catalog,
        bucket: &mut Bucket,
        counts: &mut Counts,
        settings: &Settings,
    ) {
        let alone = row.is_outgoing() && row.parent == 0;
        if row.error && alone {
            return;
        }
        let here = Owner::Service(service as u32);
        let asked = row.is_served() || row.parent == 0 && !row.is_outgoing();
        let by = names.asker.as_ref().filter(|_| asked).map(|asker| (here, asker));
        let there = match row.called() {
            Some(call) => Some(Owner::Edge(catalog.edge_of(call))),
            None => (!row.is_outgoing()).then_some(here),
        };
        let about = there.zip(names.key.as_ref());
        for (owner, named) in by.into_iter().chain(about) {
            let Some(place) = self.place(owner, named, settings) else {
                counts.shed_askers += 1;
                continue;
            };
            let portions = bucket.asked.entry(place).or_default();
            match portions.get_mut(&named.name) {
                Some(portion) => portion.add(row),
                None => portions.entry(named.name.clone()).or_default().add(row),
            }
        }
    }

    fn place(&mut self, owner: Owner, named: &Named, settings: &Settings) -> Option<u32> {
        let key = |attribute| match owner {
            Owner::Service(service) => [0, service, attribute],
            Owner::Edge(edge) => [1, edge, attribute],
        };
        let known = self.attributes.get(&named.attribute).and_then(|number| self.ids.get(key(number)));
        if known.is_some() {
            return known;
        }
        if self.places.len() >= settings.asked_places_max {
            return None;
        }
        let attribute = self.attributes.add(&named.attribute);
        let (attribute_name, kind) = (named.attribute.clone(), named.kind.clone());
        self.places.push(Place::new(attribute_name, kind));
        Some(self.ids.add(key(attribute)))
    }

    /// Whose requests a place is of, by which attribute, and what that names.
    pub(crate) fn of(&self, place: u32) -> (Owner, &str, bool) {
        let [edge, number, _] = self.ids.key(place);
        let Place { attribute, kind, .. } = &self.places[place as usize];
        let owner = if edge == 0 { Owner::Service(number) } else { Owner::Edge(number) };
        (owner, attribute, kind == names::KEY)
    }

    /// Judges what was asked in the tick that began at `now`, nanoseconds, and learns it.
    pub(crate) fn seal(&mut self, bucket: &mut Bucket, now: i64, settings: &Settings) {
        self.standing.clear();
        for (number, portions) in std::mem::take(&mut bucket.asked) {
            let Some(place) = self.places.get_mut(number as usize) else { continue };
            place.fade(now, settings.askers_memory);
            self.standing.insert(number, place.judge(portions, settings.askers_max));
        }
    }
}
