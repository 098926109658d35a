//! An incident as evidence sees it: trouble by entity and family.
//!
//! What evidence reads of it is noted, by service as a rule: who was weighed before need not be weighed
//! again as long as that is as it was ([`crate::memory`]). Whoever looks at [`Watched`] things has read
//! everything; the methods of [`View`] read less.

use std::{
    borrow::Cow,
    cell::{OnceCell, RefCell},
    collections::{BTreeMap, BTreeSet},
};

use theriac_contract::{Change, Direction, Entity, Interval, Snapshot, Timestamp};

use crate::{
    changes::Changes,
    family::Family,
    graph::{Graph, Graphs, is_location, is_zone},
    incident::{Case, Kept},
    restarts,
    settings::Settings,
    spot::{Aspects, Reads, Spot, Watched, strongest},
    vantage,
};

pub(crate) use crate::spot::{Mark, Trouble};

/// What is known around incidents.
#[derive(Clone, Copy)]
pub(crate) struct Known<'a> {
    pub(crate) knowledge: &'a Snapshot,
    /// Those of `knowledge`.
    pub(crate) changes: &'a Changes,
    pub(crate) graphs: &'a Graphs,
    pub(crate) settings: &'a Settings,
}

/// One incident with what is known around it.
pub(crate) struct View<'a> {
    pub(crate) at: Watched<Timestamp>,
    pub(crate) case: Watched<&'a Case>,
    pub(crate) knowledge: Watched<&'a Snapshot>,
    pub(crate) graph: &'a Graph,
    pub(crate) settings: &'a Settings,
    known: Known<'a>,
    spots: BTreeMap<&'a str, Spot<'a>>,
    /// Services with symptoms.
    pub(crate) services: Watched<BTreeSet<&'a str>>,
    /// The symptoms that count, in the order of onset.
    pub(crate) current: Watched<Vec<&'a Kept>>,
    /// `(caller, callee)` of symptoms of the time between them, by service.
    ways: BTreeSet<(&'a str, &'a str)>,
    /// Where messages pile up.
    piled: BTreeSet<&'a Entity>,
    /// The worst that was told of the way between zones.
    between_zones: Option<Trouble<'a>>,
    /// Services without symptoms that were asked for.
    absent: RefCell<BTreeSet<String>>,
    families: RefCell<BTreeSet<Family>>,
}

impl<'a> View<'a> {
    pub(crate) fn new(at: Timestamp, case: &'a Case, known: Known<'a>) -> Self {
        let Known { knowledge, changes, graphs, settings } = known;
        let mut spots: BTreeMap<&'a str, Spot<'a>> = BTreeMap::new();
        let mut services = BTreeSet::new();
        let mut current = current(at, case, settings);
        current.retain(|kept| !vantage::is_unheard(knowledge, kept) && !is_back(changes, kept));
        let mut missing: BTreeMap<&Entity, usize> = BTreeMap::new();
        for kept in current.iter().filter(|kept| kept.family == Family::Missing) {
            *missing.entry(&kept.entity).or_default() += 1;
        }
        for kept in &current {
            let kept = *kept;
            let mut trouble = Trouble::of(kept);
            // How rare a silence is is known only roughly; that all is silent is seen.
            if kept.family == Family::Missing && missing.get(&kept.entity).copied().unwrap_or(0) >= ALL_SILENT
            {
                trouble.strength = trouble.strength.max(SILENT);
            }
            let about = kept.about();
            let spot = spots.entry(about.service()).or_default();
            spot.told.push(trouble);
            spot.hold(about.as_str(), trouble);
            if !is_location(about) {
                services.insert(about.service());
                if about.is_instance() {
                    spot.hold(about.service(), trouble);
                }
            }
            if kept.entity.service() != about.service() {
                let spot = spots.entry(kept.entity.service()).or_default();
                spot.told.push(trouble);
                // A way has two ends.
                if is_zone(&kept.entity) {
                    spot.hold(kept.entity.as_str(), trouble);
                }
            }
        }
        let began = current.first().map_or(case.opened, |kept| kept.onset);
        let from = Timestamp(began.0.saturating_sub(RESTART_SLACK.0));
        for service in &services {
            if let Some(spot) = spots.get_mut(service) {
                spot.restarts = restarts::unexplained(changes.of(service), from);
            }
        }
        let of = |family: Family| current.iter().copied().filter(move |kept| kept.family == family);
        let ways = of(Family::Gap).map(|kept| (kept.entity.service(), kept.about().service())).collect();
        let piled =
            of(Family::Backlog).filter(|kept| kept.direction == Direction::Up).map(Kept::about).collect();
        Self {
            at: Watched::new(at),
            case: Watched::new(case),
            knowledge: Watched::new(knowledge),
            graph: graphs.of(&case.id),
            settings,
            known,
            spots,
            services: Watched::new(services),
            current: Watched::new(current),
            ways,
            piled,
            between_zones: between_zones(case),
            absent: RefCell::default(),
            families: RefCell::default(),
        }
    }

    /// Does something, and gives what it read of the incident; none if that was everything.
    pub(crate) fn watch<T>(&self, work: impl FnOnce() -> T) -> (T, Option<Reads>) {
        let everything =
            [&self.at.read, &self.case.read, &self.knowledge.read, &self.services.read, &self.current.read];
        everything.iter().for_each(|read| read.set(false));
        self.spots.values().for_each(|spot| spot.read.set(Aspects::default()));
        self.absent.borrow_mut().clear();
        self.families.borrow_mut().clear();
        let done = work();
        if everything.iter().any(|read| read.get()) {
            return (done, None);
        }
        let read = self.spots.iter().map(|(name, spot)| ((*name).to_owned(), spot.read.get()));
        let absent = std::mem::take(&mut *self.absent.borrow_mut());
        let all = Aspects { content: true, felt: true, related: true };
        let services = read.filter(|(_, aspects)| *aspects != Aspects::default());
        let services = services.chain(absent.into_iter().map(|name| (name, all))).collect();
        (done, Some(Reads { services, families: self.families.take() }))
    }

    /// What is known of a service, or of a host, from symptoms; that it is asked for is noted.
    fn spot(&self, service: &str) -> Option<&Spot<'a>> {
        self.spot_for(service, |aspects| Aspects { content: true, ..aspects })
    }

    fn spot_for(&self, service: &str, read: impl Fn(Aspects) -> Aspects) -> Option<&Spot<'a>> {
        let spot = self.spots.get(service);
        match spot {
            Some(spot) => spot.read.set(read(spot.read.get())),
            None if self.absent.borrow().contains(service) => {}
            None => _ = self.absent.borrow_mut().insert(service.to_owned()),
        }
        spot
    }

    fn place(&self, entity: &Entity) -> Option<&BTreeMap<(Family, Direction), Trouble<'a>>> {
        self.spot(entity.service())?.places.get(entity.as_str())
    }

    /// Symptoms at a service and its instances, and those that they tell of others, in the order of onset.
    pub(crate) fn told(&self, service: &str) -> impl Iterator<Item = &'a Kept> + Clone {
        self.spot(service).into_iter().flat_map(|spot| &spot.told).map(|trouble| trouble.kept)
    }

    /// Symptoms of a family, in the order of onset.
    pub(crate) fn of_family(&self, family: Family) -> impl Iterator<Item = &'a Kept> {
        self.families.borrow_mut().insert(family);
        self.current.value.iter().copied().filter(move |kept| kept.family == family)
    }

    /// Troubled services that a service depends on, sorted.
    pub(crate) fn below(&self, service: &str) -> Cow<'_, [&'a str]> {
        self.related(service, |spot| &spot.below, |other| self.graph.is_below(other, service))
    }

    /// Troubled services that depend on a service, sorted.
    pub(crate) fn above(&self, service: &str) -> Cow<'_, [&'a str]> {
        self.related(service, |spot| &spot.above, |other| self.graph.is_below(service, other))
    }

    fn related(
        &self,
        service: &str,
        kept_in: impl for<'s> Fn(&'s Spot<'a>) -> &'s OnceCell<Vec<&'a str>>,
        is_meant: impl Fn(&str) -> bool,
    ) -> Cow<'_, [&'a str]> {
        let all = || self.services.value.iter().copied().filter(|other| is_meant(other)).collect();
        match self.spot_for(service, |aspects| Aspects { related: true, ..aspects }) {
            Some(spot) => Cow::Borrowed(kept_in(spot).get_or_init(all)),
            None => Cow::Owned(all()),
        }
    }

    /// All that is known of services and hosts from symptoms, by name.
    pub(crate) const fn spots(&self) -> &BTreeMap<&'a str, Spot<'a>> {
        &self.spots
    }

    /// What is known around it; nobody notes what is read there.
    pub(crate) const fn known(&self) -> Known<'a> {
        self.known
    }

    /// Instances of a service that are known.
    pub(crate) fn instances(&self, service: &str) -> Option<&'a BTreeSet<Entity>> {
        self.spot(service);
        self.known.knowledge.topology.instances.get(service)
    }

    /// Whether a service tells of itself.
    fn speaks(&self, service: &str) -> bool {
        self.spot(service);
        self.known.knowledge.topology.speaks(service)
    }

    /// Changes of a service and its instances.
    pub(crate) fn changes(&self, service: &str) -> &'a [Change] {
        self.spot(service);
        self.known.changes.of(service)
    }

    /// Services that depend on a service now, sorted.
    pub(crate) fn dependents(&self, service: &str) -> &'a [String] {
        self.spot(service);
        self.known.graphs.dependents(service)
    }

    /// Where messages pile up.
    pub(crate) const fn piled(&self) -> &BTreeSet<&'a Entity> {
        &self.piled
    }

    /// Whether something lasts for so many seconds since its first symptom. What does, will.
    pub(crate) fn has_lasted(&self, entity: &Entity, seconds: f64) -> bool {
        let Some(onset) = self.onset(entity) else { return false };
        let lasts = |at: Timestamp| at.since(onset).as_seconds() >= seconds;
        // Only what does not yet hangs on the instant.
        lasts(self.at.value) || lasts(*self.at)
    }

    /// Whether all that is unusual at a service may be that processes of it began a moment ago: caches are
    /// empty, code is not compiled, connections are not made, and their peers do more meanwhile. What is still
    /// so once an instance has run for a while is something else, and so are errors.
    pub(crate) fn is_warming_up(&self, suspect: &Entity) -> bool {
        let service = suspect.service();
        let from = Timestamp(self.began().0.saturating_sub(WARM_UP.0));
        let begun = restarts::latest(self.changes(service), from);
        if begun.is_empty() {
            return false;
        }
        let is_young = |instance: &Entity| begun.get(instance).map(|at| self.at.since(*at) < WARM_UP);
        let may_be_cold = |kept: &&Kept| match kept.family {
            Family::Latency | Family::SelfTime | Family::Cpu => is_young(kept.about()) != Some(false),
            Family::Traffic | Family::Queue | Family::Waiting | Family::Gap => true,
            Family::Restarts | Family::Missing | Family::Log => true,
            _ => false,
        };
        let here = |kept: &&Kept| kept.about().service() == service;
        begun.keys().any(|instance| is_young(instance) == Some(true))
            && self.told(service).filter(here).all(|kept| may_be_cold(&kept))
    }

    /// Onset of the first symptom that counts.
    pub(crate) fn began(&self) -> Timestamp {
        self.current.value.first().map_or(self.case.value.opened, |kept| kept.onset)
    }

    /// Entities with symptoms, the most troubled first, at most `suspects_max`; and hosts of
    /// which several services show symptoms.
    pub(crate) fn suspects(&self) -> Vec<Entity> {
        let places = || self.spots.values().flat_map(|spot| &spot.places);
        let mut ranked: Vec<(f64, &str)> = places()
            .map(|(entity, by_family)| (by_family.values().map(|trouble| trouble.strength).sum(), *entity))
            .collect();
        ranked.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
        let ranked = ranked.into_iter().take(self.settings.suspects_max);
        let mut suspects: Vec<Entity> = ranked.map(|(_, entity)| Entity(entity.to_owned())).collect();
        let restarted: BTreeSet<&Entity> =
            self.spots.values().flat_map(|spot| spot.restarts.keys().copied()).collect();
        let restarted = restarted.into_iter().filter(|instance| self.place(instance).is_none());
        suspects.extend(restarted.take(self.settings.suspects_max).cloned());
        let probers = vantage::probers(&self.current);
        let probers = probers.into_iter().filter(|prober| self.place(prober).is_none());
        suspects.extend(probers.take(self.settings.suspects_max));
        let hosts: BTreeSet<Entity> =
            places().flat_map(|(entity, _)| self.graph.hosts(&Entity((*entity).to_owned()))).collect();
        // One that complains of the time is enough: it goes by the clock of its host.
        let asks = |guest: &Entity| self.trouble(guest, Family::Clock, None).is_some();
        let shared = hosts
            .into_iter()
            .filter(|host| self.guest_services(host).len() > 1 || self.graph.guests(host).any(&asks));
        let shared: Vec<Entity> = shared.filter(|host| !suspects.contains(host)).collect();
        suspects.extend(shared.into_iter().take(self.settings.suspects_max));
        suspects
    }

    /// Whether it is known on which host something runs, or some of its instances do.
    pub(crate) fn is_placed(&self, entity: &Entity) -> bool {
        let known = self.instances(entity.service());
        let instances =
            known.into_iter().flatten().filter(|instance| !entity.is_instance() || *instance == entity);
        instances.chain([entity]).any(|entity| !self.graph.hosts(entity).is_empty())
    }

    /// What was told of the way between zones that is held up or lets nothing through, also if it is over: what is
    /// left of it looks like trouble of hosts and services.
    pub(crate) const fn way_between_zones(&self) -> Option<Trouble<'a>> {
        self.between_zones
    }

    /// Services of which an instance on `host` shows symptoms.
    pub(crate) fn guest_services(&self, host: &Entity) -> BTreeSet<&str> {
        let guests = self.graph.guests(host).filter(|guest| self.place(guest).is_some());
        guests.map(Entity::service).collect()
    }

    /// Instances of a service with symptoms of their own, of some families if any are named, or whose
    /// process began anew by itself, and instances known.
    pub(crate) fn replicas(&self, service: &str, marks: &[Mark]) -> (usize, usize) {
        let known = self.instances(service);
        let all = known.map_or(0, |known| known.iter().filter(|entity| self.counts(entity)).count());
        let troubled = self.ill(service, marks).len();
        (troubled, all.max(troubled))
    }

    fn counts(&self, entity: &Entity) -> bool {
        entity.is_instance() && !vantage::is_left_out(self.known.knowledge, self.case.value, entity)
    }

    /// Instances of a service that show one of the marks, or anything if none is named, and those whose
    /// process began anew by itself where that is such a mark.
    pub(crate) fn bearers(&self, service: &str, marks: &[Mark]) -> BTreeSet<Entity> {
        self.ill(service, marks).into_iter().map(|instance| Entity(instance.to_owned())).collect()
    }

    fn ill(&self, service: &str, marks: &[Mark]) -> BTreeSet<&'a str> {
        let Some(spot) = self.spot(service) else { return BTreeSet::new() };
        let shows = |by_family: &BTreeMap<(Family, Direction), Trouble<'a>>| {
            marks.is_empty() || marks.iter().any(|mark| strongest(by_family, mark.0, mark.1).is_some())
        };
        let ill = spot.places.iter().filter(|(_, by_family)| shows(by_family)).map(|(place, _)| *place);
        let restarted = spot
            .restarts
            .keys()
            .filter(|_| marks.is_empty() || marks.iter().any(|mark| mark.0 == Family::Restarts));
        let ill = ill.filter(|place| place.contains('/')).map(|place| (place, Entity(place.to_owned())));
        let restarted = restarted.map(|instance| (instance.as_str(), (*instance).clone()));
        ill.chain(restarted).filter(|(_, entity)| self.counts(entity)).map(|(place, _)| place).collect()
    }

    /// How often the process of an instance began anew while the trouble lasted, without a
    /// change that explains it; of a service, the most of its instances.
    pub(crate) fn restarts(&self, entity: &Entity) -> usize {
        let all = self.spot(entity.service()).into_iter().flat_map(|spot| &spot.restarts);
        let here = all.filter(|(instance, _)| **instance == entity || !entity.is_instance());
        here.map(|(_, times)| *times).max().unwrap_or(0)
    }

    /// Since when all processes of an entity run again that began anew while the trouble lasted, if they have
    /// for longer than a loop would let them, and none is missed.
    pub(crate) fn runs_again(&self, entity: &Entity) -> Option<Timestamp> {
        let begun = self.spot(entity.service()).into_iter().flat_map(|spot| spot.restarts.keys());
        let mut last = None;
        for instance in begun.filter(|instance| entity.covers(instance)) {
            let changes = self.changes(entity.service());
            // Only what does not yet hangs on the instant.
            let since = |at| restarts::runs_again(changes, instance, self.began(), at);
            last = last.max(Some(since(self.at.value).or_else(|| since(*self.at))?));
        }
        let missed =
            |kept: &Kept| kept.family == Family::Missing && kept.end.is_none() && entity.covers(kept.about());
        last.filter(|_| !self.told(entity.service()).any(missed))
    }

    /// Trouble of a family, in one direction or any.
    pub(crate) fn trouble(
        &self,
        entity: &Entity,
        family: Family,
        direction: Option<Direction>,
    ) -> Option<Trouble<'a>> {
        strongest(self.place(entity)?, family, direction)
    }

    /// A caller that asks a service more often for each request of its own: it asks again what failed, or
    /// works in another way. That is no more work coming in.
    pub(crate) fn asked_again(&self, service: &str) -> Option<&'a Kept> {
        let again = |kept: &&Kept| {
            kept.signal.ends_with("calls_per_request")
                && kept.direction == Direction::Up
                && kept.about().service() == service
        };
        self.told(service).find(again)
    }

    /// More work than usual that comes in, and is not only asked for again: of what is asked again some is
    /// more work all the same if those who ask have more.
    pub(crate) fn more_work(&self, entity: &Entity) -> Option<Trouble<'a>> {
        let more = self.trouble(entity, Family::Traffic, Some(Direction::Up))?;
        let comes_in = |caller: &str| {
            let caller = Entity(caller.to_owned());
            self.asked_again(caller.service()).is_none()
                && self.trouble(&caller, Family::Traffic, Some(Direction::Up)).is_some()
        };
        let service = entity.service();
        (self.asked_again(service).is_none() || self.graph.callers(service).any(comes_in)).then_some(more)
    }

    /// Trouble of an instance, or what callers tell of its service: they cannot tell instances apart.
    pub(crate) fn trouble_told(
        &self,
        entity: &Entity,
        family: Family,
        direction: Option<Direction>,
    ) -> Option<Trouble<'a>> {
        let own = self.trouble(entity, family, direction);
        if own.is_some() || !entity.is_instance() {
            return own;
        }
        let service = Entity(entity.service().to_owned());
        self.trouble(&service, family, direction).filter(|trouble| *trouble.kept.about() == service)
    }

    /// Trouble that users of a service feel, or that shows that it does not work.
    pub(crate) fn felt(&self, entity: &Entity) -> Option<Trouble<'a>> {
        self.spot(entity.service())?;
        self.felt_in_words(entity)
    }

    /// Whether those who use a service feel anything.
    pub(crate) fn is_felt(&self, service: &str) -> bool {
        let spot = self.spot_for(service, |aspects| Aspects { felt: true, ..aspects });
        spot.is_some_and(|spot| spot.felt(service).is_some())
    }

    /// What users of a service feel, for a sentence: nobody notes that it was read, so no weight may hang
    /// on it.
    pub(crate) fn felt_in_words(&self, entity: &Entity) -> Option<Trouble<'a>> {
        self.spots.get(entity.service())?.felt(entity.as_str())
    }

    /// Whether a service tells of itself, and nothing that it tells is unusual: only others say that it is
    /// in trouble.
    pub(crate) fn claims_to_be_well(&self, suspect: &Entity) -> bool {
        let service = suspect.service();
        let own = |kept: &Kept| {
            kept.entity.service() == service
                && kept.peer.is_none()
                && kept.family != Family::Log
                && (!suspect.is_instance() || kept.entity == *suspect || !kept.entity.is_instance())
        };
        self.speaks(service) && !self.told(service).any(own)
    }

    /// Whether trouble at a callee rests on more than the word of one caller. What belongs to others
    /// tells nothing of itself; there the caller's word has to do.
    pub(crate) fn is_corroborated(&self, callee: &str, caller: &str) -> bool {
        let by_another = |kept: &Kept| {
            kept.about().service() == callee && kept.entity.service() != caller && kept.family != Family::Log
        };
        !self.speaks(callee) || self.told(callee).any(by_another)
    }

    /// Ways that are troubled: `(caller, callee)` of symptoms of the time between them, by service.
    pub(crate) const fn troubled_ways(&self) -> &BTreeSet<(&'a str, &'a str)> {
        &self.ways
    }

    /// The strongest trouble at an entity.
    pub(crate) fn worst(&self, entity: &Entity) -> Option<Trouble<'a>> {
        let all = self.place(entity)?.values().copied();
        all.max_by(|a, b| a.strength.total_cmp(&b.strength).then(b.kept.id.cmp(&a.kept.id)))
    }

    /// The worst trouble that users feel at a service below, and that did not come long after.
    pub(crate) fn troubled_callee(&self, entity: &Entity) -> Option<Trouble<'a>> {
        let service = entity.service();
        let mine = self.onset(entity);
        let told = |trouble: Trouble<'a>| {
            let sure = self.is_corroborated(trouble.kept.about().service(), service);
            let strength = if sure { trouble.strength } else { UNCORROBORATED * trouble.strength };
            Trouble { strength, ..trouble }
        };
        let below = self.below(service);
        let felt = below.iter().filter_map(|other| self.felt(&Entity((*other).to_owned()))).map(told).filter(
            |trouble| {
                let theirs = self.onset(trouble.kept.about());
                theirs.zip(mine).is_none_or(|(theirs, mine)| theirs.since(mine).as_seconds() <= 120.0)
            },
        );
        felt.max_by(|a, b| a.strength.total_cmp(&b.strength).then(b.kept.id.cmp(&a.kept.id)))
    }

    /// Onset of the first symptom at an entity.
    pub(crate) fn onset(&self, entity: &Entity) -> Option<Timestamp> {
        self.told_of(entity).map(|kept| kept.onset).min()
    }

    /// Symptoms of a place; of a service those of its instances, too.
    pub(crate) fn told_of(&self, entity: &Entity) -> impl Iterator<Item = &'a Kept> {
        self.told(entity.service()).filter(move |kept| entity.covers(kept.about()))
    }

    /// When the incident was told first: what was changed after that is no cause, but a remedy.
    pub(crate) fn told_first(&self) -> Timestamp {
        self.case.value.told.unwrap_or(self.at.value)
    }
}

/// So many readings that stay away together are all that an instance tells, and how strong that is.
const ALL_SILENT: usize = 3;
const SILENT: f64 = 0.75;

/// What is left of trouble at a callee that nobody but the caller in question tells of.
pub(crate) const UNCORROBORATED: f64 = 0.25;

/// How long a process that began may be slower than it will be.
pub(crate) const WARM_UP: Interval = Interval::from_seconds(90);

/// A process that ends takes what it had in hand with it: trouble is seen before the restart,
/// or a tick after it.
const RESTART_SLACK: Interval = Interval::from_seconds(30);

/// Whether an instance that was not heard any more began anew since.
fn is_back(changes: &Changes, kept: &Kept) -> bool {
    kept.is_gone()
        && changes.of(kept.entity.service()).iter().any(|change| {
            change.kind == Change::RESTART && change.entity == kept.entity && change.at >= kept.onset
        })
}

/// What stands or was over of late; all of it when everything is over.
fn current<'a>(at: Timestamp, case: &'a Case, settings: &Settings) -> Vec<&'a Kept> {
    let all = case.in_order();
    if !case.stands() {
        return all;
    }
    // Who is gone is gone all the same.
    let counts =
        |kept: &&Kept| kept.is_gone() || kept.end.is_none_or(|end| at.since(end) <= settings.evidence_for);
    all.into_iter().filter(counts).collect()
}

/// The worst that a case was told of the way between zones.
fn between_zones(case: &Case) -> Option<Trouble<'_>> {
    let told = case.symptoms.values().filter(|kept| is_zone(&kept.entity));
    let told = told.map(Trouble::of);
    told.max_by(|a, b| a.strength.total_cmp(&b.strength).then(b.kept.id.cmp(&a.kept.id)))
}
