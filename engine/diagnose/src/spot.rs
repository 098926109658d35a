//! A service or a host as an incident shows it, and what is noted when somebody looks at it.

use std::{
    cell::{Cell, OnceCell},
    collections::{BTreeMap, BTreeSet},
    ops::Deref,
};

use theriac_contract::{Direction, Entity};

use crate::{family::Family, incident::Kept};

/// The strongest symptom of one family at one place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trouble<'a> {
    pub(crate) kept: &'a Kept,
    /// 0..1: twenty digits of surprise are as strong as it gets.
    pub(crate) strength: f64,
}

impl<'a> Trouble<'a> {
    pub(crate) fn of(kept: &'a Kept) -> Self {
        Self { kept, strength: (kept.digits() / 20.0).min(1.0) }
    }
}

/// What a fault is known by: a family, in one direction or any.
pub(crate) type Mark = (Family, Option<Direction>);

/// Something that changes from look to look, all of it: it is noted that it was looked at.
pub(crate) struct Watched<T> {
    pub(crate) value: T,
    pub(crate) read: Cell<bool>,
}

impl<T> Watched<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self { value, read: Cell::new(false) }
    }
}

impl<T> Deref for Watched<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.read.set(true);
        &self.value
    }
}

/// A service or a host that shows symptoms or tells of some.
#[derive(Default)]
pub(crate) struct Spot<'a> {
    /// Symptoms at it, and those that it tells of others, in the order of onset.
    pub(crate) told: Vec<Trouble<'a>>,
    /// By what symptoms are about; services hold what their instances show, too.
    pub(crate) places: BTreeMap<&'a str, BTreeMap<(Family, Direction), Trouble<'a>>>,
    /// Instances whose process began anew, and how often.
    pub(crate) restarts: BTreeMap<&'a Entity, usize>,
    felt: OnceCell<Option<Trouble<'a>>>,
    pub(crate) below: OnceCell<Vec<&'a str>>,
    pub(crate) above: OnceCell<Vec<&'a str>>,
    pub(crate) read: Cell<Aspects>,
}

/// What was read of a service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Aspects {
    /// Its symptoms, and what is known of it.
    pub(crate) content: bool,
    /// Whether those who use it feel anything.
    pub(crate) felt: bool,
    /// Which troubled services it depends on, and which depend on it.
    pub(crate) related: bool,
}

/// What was read of an incident.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reads {
    pub(crate) services: Vec<(String, Aspects)>,
    pub(crate) families: BTreeSet<Family>,
}

impl<'a> Spot<'a> {
    pub(crate) fn hold(&mut self, place: &'a str, trouble: Trouble<'a>) {
        let by_family = self.places.entry(place).or_default();
        let best = by_family.entry((trouble.kept.family, trouble.kept.direction)).or_insert(trouble);
        if trouble.strength > best.strength {
            *best = trouble;
        }
    }

    /// Trouble that users of a place feel, or that shows that it does not work.
    pub(crate) fn felt(&self, place: &str) -> Option<Trouble<'a>> {
        let of = |place: &str| {
            let by_family = self.places.get(place)?;
            let all =
                FELT.into_iter().filter_map(|(family, direction)| strongest(by_family, family, direction));
            all.max_by(|a, b| a.strength.total_cmp(&b.strength).then(b.kept.id.cmp(&a.kept.id)))
        };
        if place.contains('/') { of(place) } else { *self.felt.get_or_init(|| of(place)) }
    }
}

/// What users feel, or shows that something does not work.
const FELT: [Mark; 8] = [
    (Family::Latency, Some(Direction::Up)),
    (Family::SelfTime, Some(Direction::Up)),
    (Family::Gap, Some(Direction::Up)),
    (Family::Errors, None),
    (Family::Restarts, None),
    (Family::Health, None),
    (Family::Missing, None),
    (Family::Mismatch, None),
];

/// The strongest trouble of a family, in one direction or any.
pub(crate) fn strongest<'a>(
    by_family: &BTreeMap<(Family, Direction), Trouble<'a>>,
    family: Family,
    direction: Option<Direction>,
) -> Option<Trouble<'a>> {
    let fits = |(key, _): &(&(Family, Direction), &Trouble<'a>)| {
        key.0 == family && direction.is_none_or(|direction| key.1 == direction)
    };
    let all = by_family.iter().filter(fits).map(|(_, trouble)| *trouble);
    all.max_by(|a, b| a.strength.total_cmp(&b.strength).then(b.kept.id.cmp(&a.kept.id)))
}
