//! An incident as evidence sees it: trouble by entity and family.

use std::collections::{BTreeMap, BTreeSet};

use theriac_contract::{Change, Direction, Entity, Interval, Snapshot, Timestamp};

use crate::{
    family::Family,
    graph::{Graph, is_location, is_zone},
    incident::{Case, Kept},
    restarts,
    settings::Settings,
    vantage,
};

/// The strongest symptom of one family at one place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trouble<'a> {
    pub(crate) kept: &'a Kept,
    /// 0..1: twenty digits of surprise are as strong as it gets.
    pub(crate) strength: f64,
}

/// What a fault is known by: a family, in one direction or any.
pub(crate) type Mark = (Family, Option<Direction>);

/// One incident with what is known around it.
pub(crate) struct View<'a> {
    pub(crate) at: Timestamp,
    pub(crate) case: &'a Case,
    pub(crate) knowledge: &'a Snapshot,
    pub(crate) graph: &'a Graph,
    pub(crate) settings: &'a Settings,
    /// By what symptoms are about; services hold what their instances show, too.
    places: BTreeMap<Entity, BTreeMap<(Family, Direction), Trouble<'a>>>,
    /// Services with symptoms.
    pub(crate) services: BTreeSet<&'a str>,
    /// The symptoms that count, in the order of onset.
    pub(crate) current: Vec<&'a Kept>,
    /// Instances of those services whose process began anew, and how often.
    restarts: BTreeMap<Entity, usize>,
}

impl<'a> View<'a> {
    pub(crate) fn new(
        at: Timestamp,
        case: &'a Case,
        knowledge: &'a Snapshot,
        graph: &'a Graph,
        settings: &'a Settings,
    ) -> Self {
        let mut places: BTreeMap<Entity, BTreeMap<(Family, Direction), Trouble<'a>>> = BTreeMap::new();
        let mut services = BTreeSet::new();
        let mut current = current(at, case, settings);
        current.retain(|kept| !vantage::is_unheard(knowledge, kept) && !is_back(knowledge, kept));
        let mut missing: BTreeMap<&Entity, usize> = BTreeMap::new();
        for kept in current.iter().filter(|kept| kept.family == Family::Missing) {
            *missing.entry(&kept.entity).or_default() += 1;
        }
        for kept in &current {
            let kept = *kept;
            let mut trouble = Trouble { kept, strength: (kept.digits() / 20.0).min(1.0) };
            // How rare a silence is is known only roughly; that all is silent is seen.
            if kept.family == Family::Missing && missing.get(&kept.entity).copied().unwrap_or(0) >= ALL_SILENT
            {
                trouble.strength = trouble.strength.max(SILENT);
            }
            let about = kept.about();
            let mut holders = BTreeSet::from([about.clone()]);
            // A way has two ends.
            holders.extend(Some(&kept.entity).filter(|from| is_zone(from)).cloned());
            if !is_location(about) {
                services.insert(about.service());
                holders.insert(Entity(about.service().to_owned()));
            }
            for holder in holders {
                let by_family = places.entry(holder).or_default();
                let best = by_family.entry((kept.family, kept.direction)).or_insert(trouble);
                if trouble.strength > best.strength {
                    *best = trouble;
                }
            }
        }
        let mut view = Self {
            at,
            case,
            knowledge,
            graph,
            settings,
            places,
            services,
            current,
            restarts: BTreeMap::new(),
        };
        let from = Timestamp(view.began().0.saturating_sub(RESTART_SLACK.0));
        view.restarts = restarts::unexplained(&knowledge.changes, from)
            .into_iter()
            .filter(|(instance, _)| view.services.contains(instance.service()))
            .map(|(instance, times)| (instance.clone(), times))
            .collect();
        view
    }

    /// Whether all that is unusual at a service may be that processes of it began a moment ago: caches are
    /// empty, code is not compiled, connections are not made, and their peers do more meanwhile. What is still
    /// so once an instance has run for a while is something else, and so are errors.
    pub(crate) fn is_warming_up(&self, suspect: &Entity) -> bool {
        let service = suspect.service();
        let from = Timestamp(self.began().0.saturating_sub(WARM_UP.0));
        let begun = restarts::latest(&self.knowledge.changes, service, from);
        let is_young = |instance: &Entity| begun.get(instance).map(|at| self.at.since(*at) < WARM_UP);
        let may_be_cold = |kept: &&Kept| match kept.family {
            Family::Latency | Family::SelfTime | Family::Cpu => is_young(kept.about()) != Some(false),
            Family::Traffic | Family::Queue | Family::Waiting | Family::Gap => true,
            Family::Restarts | Family::Missing | Family::Log => true,
            _ => false,
        };
        let here = |kept: &&&Kept| kept.about().service() == service;
        begun.keys().any(|instance| is_young(instance) == Some(true))
            && self.current.iter().filter(here).all(may_be_cold)
    }

    /// Onset of the first symptom that counts.
    pub(crate) fn began(&self) -> Timestamp {
        self.current.first().map_or(self.case.opened, |kept| kept.onset)
    }

    /// Entities with symptoms, the most troubled first, at most `suspects_max`; and hosts of
    /// which several services show symptoms.
    pub(crate) fn suspects(&self) -> Vec<Entity> {
        let mut ranked: Vec<(f64, &Entity)> = self
            .places
            .iter()
            .map(|(entity, by_family)| (by_family.values().map(|trouble| trouble.strength).sum(), entity))
            .collect();
        ranked.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
        let mut suspects: Vec<Entity> =
            ranked.into_iter().take(self.settings.suspects_max).map(|(_, entity)| entity.clone()).collect();
        let restarted = self.restarts.keys().filter(|instance| !self.places.contains_key(*instance));
        suspects.extend(restarted.take(self.settings.suspects_max).cloned());
        let probers = vantage::probers(&self.current);
        let probers = probers.into_iter().filter(|prober| !self.places.contains_key(prober));
        suspects.extend(probers.take(self.settings.suspects_max));
        let hosts: BTreeSet<Entity> =
            self.places.keys().flat_map(|entity| self.graph.hosts(entity)).collect();
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
        let known = self.knowledge.topology.instances.get(entity.service());
        let instances =
            known.into_iter().flatten().filter(|instance| !entity.is_instance() || *instance == entity);
        instances.chain([entity]).any(|entity| !self.graph.hosts(entity).is_empty())
    }

    /// What was told of the way between zones that is held up or lets nothing through, also if it is over: what is
    /// left of it looks like trouble of hosts and services.
    pub(crate) fn way_between_zones(&self) -> Option<Trouble<'a>> {
        let told = self.case.symptoms.values().filter(|kept| is_zone(&kept.entity));
        let told = told.map(|kept| Trouble { kept, strength: (kept.digits() / 20.0).min(1.0) });
        told.max_by(|a, b| a.strength.total_cmp(&b.strength).then(b.kept.id.cmp(&a.kept.id)))
    }

    /// Services of which an instance on `host` shows symptoms.
    pub(crate) fn guest_services(&self, host: &Entity) -> BTreeSet<&str> {
        let guests = self.graph.guests(host).filter(|guest| self.places.contains_key(*guest));
        guests.map(Entity::service).collect()
    }

    /// Instances of a service with symptoms of their own, of some families if any are named, or whose
    /// process began anew by itself, and instances known.
    pub(crate) fn replicas(&self, service: &str, marks: &[Mark]) -> (usize, usize) {
        let known = self.knowledge.topology.instances.get(service);
        let all = known.map_or(0, |known| known.iter().filter(|entity| self.counts(entity)).count());
        let troubled = self.bearers(service, marks).len();
        (troubled, all.max(troubled))
    }

    fn counts(&self, entity: &Entity) -> bool {
        entity.is_instance() && !vantage::is_left_out(self.knowledge, self.case, entity)
    }

    /// Instances of a service that show one of the marks, or anything if none is named, and those whose
    /// process began anew by itself where that is such a mark.
    pub(crate) fn bearers(&self, service: &str, marks: &[Mark]) -> BTreeSet<Entity> {
        let shows = |place: &&Entity| {
            marks.is_empty()
                || marks.iter().any(|(family, direction)| self.trouble(place, *family, *direction).is_some())
        };
        let restarted = self
            .restarts
            .keys()
            .filter(|_| marks.is_empty() || marks.iter().any(|mark| mark.0 == Family::Restarts));
        let ill = self.places.keys().filter(shows).chain(restarted);
        ill.filter(|place| self.counts(place) && place.service() == service).cloned().collect()
    }

    /// How often the process of an instance began anew while the trouble lasted, without a
    /// change that explains it; of a service, the most of its instances.
    pub(crate) fn restarts(&self, entity: &Entity) -> usize {
        let here = self.restarts.iter().filter(|(instance, _)| {
            *instance == entity || !entity.is_instance() && instance.service() == entity.as_str()
        });
        here.map(|(_, times)| *times).max().unwrap_or(0)
    }

    /// Trouble of a family, in one direction or any.
    pub(crate) fn trouble(
        &self,
        entity: &Entity,
        family: Family,
        direction: Option<Direction>,
    ) -> Option<Trouble<'a>> {
        let by_family = self.places.get(entity)?;
        let fits = |(key, _): &(&(Family, Direction), &Trouble<'a>)| {
            key.0 == family && direction.is_none_or(|direction| key.1 == direction)
        };
        let all = by_family.iter().filter(fits).map(|(_, trouble)| *trouble);
        all.max_by(|a, b| a.strength.total_cmp(&b.strength).then(b.kept.id.cmp(&a.kept.id)))
    }

    /// A caller that asks a service more often for each request of its own: it asks again what failed, or
    /// works in another way. That is no more work coming in.
    pub(crate) fn asked_again(&self, service: &str) -> Option<&'a Kept> {
        let again = |kept: &&Kept| {
            kept.signal.ends_with("calls_per_request")
                && kept.direction == Direction::Up
                && kept.about().service() == service
        };
        self.current.iter().copied().find(again)
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
        let felt = [
            (Family::Latency, Some(Direction::Up)),
            (Family::SelfTime, Some(Direction::Up)),
            (Family::Gap, Some(Direction::Up)),
            (Family::Errors, None),
            (Family::Restarts, None),
            (Family::Health, None),
            (Family::Missing, None),
            (Family::Mismatch, None),
        ];
        let all = felt.into_iter().filter_map(|(family, direction)| self.trouble(entity, family, direction));
        all.max_by(|a, b| a.strength.total_cmp(&b.strength).then(b.kept.id.cmp(&a.kept.id)))
    }

    /// Whether a service tells of itself, and nothing that it tells is unusual: only others say that it is
    /// in trouble.
    pub(crate) fn claims_to_be_well(&self, suspect: &Entity) -> bool {
        let service = suspect.service();
        let own = |kept: &&&Kept| {
            kept.entity.service() == service
                && kept.peer.is_none()
                && kept.family != Family::Log
                && (!suspect.is_instance() || kept.entity == *suspect || !kept.entity.is_instance())
        };
        self.knowledge.topology.speaks(service) && !self.current.iter().any(|kept| own(&kept))
    }

    /// Whether trouble at a callee rests on more than the word of one caller. What belongs to others
    /// tells nothing of itself; there the caller's word has to do.
    pub(crate) fn is_corroborated(&self, callee: &str, caller: &str) -> bool {
        let by_another = |kept: &&Kept| {
            kept.about().service() == callee && kept.entity.service() != caller && kept.family != Family::Log
        };
        !self.knowledge.topology.speaks(callee) || self.current.iter().any(by_another)
    }

    /// Ways that are troubled: `(caller, callee)` of symptoms of the time between them, by service.
    pub(crate) fn troubled_ways(&self) -> BTreeSet<(&'a str, &'a str)> {
        let gaps = self.current.iter().filter(|kept| kept.family == Family::Gap);
        gaps.map(|kept| (kept.entity.service(), kept.about().service())).collect()
    }

    /// The strongest trouble at an entity.
    pub(crate) fn worst(&self, entity: &Entity) -> Option<Trouble<'a>> {
        let all = self.places.get(entity)?.values().copied();
        all.max_by(|a, b| a.strength.total_cmp(&b.strength).then(b.kept.id.cmp(&a.kept.id)))
    }

    /// The worst trouble that users feel at a service below, and that did not come long after.
    pub(crate) fn troubled_callee(&self, entity: &Entity) -> Option<Trouble<'a>> {
        let service = entity.service();
        let mine = self.onset(entity);
        let below = self.services.iter().filter(|other| self.graph.is_below(other, service));
        let told = |trouble: Trouble<'a>| {
            let sure = self.is_corroborated(trouble.kept.about().service(), service);
            let strength = if sure { trouble.strength } else { UNCORROBORATED * trouble.strength };
            Trouble { strength, ..trouble }
        };
        let felt =
            below.filter_map(|other| self.felt(&Entity((*other).to_owned()))).map(told).filter(|trouble| {
                let theirs = self.onset(trouble.kept.about());
                theirs.zip(mine).is_none_or(|(theirs, mine)| theirs.since(mine).as_seconds() <= 120.0)
            });
        felt.max_by(|a, b| a.strength.total_cmp(&b.strength).then(b.kept.id.cmp(&a.kept.id)))
    }

    /// Onset of the first symptom at an entity.
    pub(crate) fn onset(&self, entity: &Entity) -> Option<Timestamp> {
        let all = self.current.iter().filter(|kept| {
            kept.about() == entity || !entity.is_instance() && kept.about().service() == entity.as_str()
        });
        all.map(|kept| kept.onset).min()
    }

    /// The change of a service or its instances that is most suspect: the last one before the
    /// trouble there, with how much of its weight is left (0..1).
    pub(crate) fn change(&self, entity: &Entity) -> Option<(&'a Change, f64)> {
        self.change_that(entity, |_| true)
    }

    /// Whether a change was made for a deploy of the same service: then it is part of that.
    pub(crate) fn comes_with_a_deploy(&self, change: &Change) -> bool {
        self.knowledge.changes.iter().any(|other| {
            let apart = other.at.since(change.at).max(change.at.since(other.at));
            other.kind == "deploy"
                && other.entity.service() == change.entity.service()
                && apart <= Change::TOGETHER
        })
    }

    /// The same among some changes only.
    pub(crate) fn change_that(
        &self,
        entity: &Entity,
        is_meant: impl Fn(&Change) -> bool,
    ) -> Option<(&'a Change, f64)> {
        // A tick of slack: a change is stamped when it begins, trouble when its tick does.
        let slack = Interval::from_seconds(30);
        let onset = self.onset(entity)?;
        let latest = onset.plus(slack).min(self.case.told.unwrap_or(self.at));
        let memory = self.settings.change_memory.as_seconds().max(1.0);
        let before = self.knowledge.changes.iter().filter(|change| {
            change.entity.service() == entity.service()
                && (!entity.is_instance() || !change.entity.is_instance() || change.entity == *entity)
                && change.at <= latest
                && change.kind != "scaling"
                && !change.is_harmless()
                && is_meant(change)
        });
        let last = before.max_by(|a, b| a.at.cmp(&b.at).then(a.cmp(b)))?;
        let lag = onset.since(last.at).as_seconds().max(0.0);
        // A new version that has run everywhere for a while without trouble is less suspect.
        let rolled = self.knowledge.changes.iter().rfind(|change| {
            change.kind == Change::RESTART
                && change.entity.service() == entity.service()
                && change.at >= last.at
                && change.at <= onset
        });
        let proven = rolled.map_or(0.0, |restart| onset.since(restart.at).as_seconds());
        let weight = libm::exp(-(lag + PROOF * proven) / memory);
        (weight > 1e-3).then_some((last, weight))
    }
}

/// So many readings that stay away together are all that an instance tells, and how strong that is.
const ALL_SILENT: usize = 3;
const SILENT: f64 = 0.75;

/// What is left of trouble at a callee that nobody but the caller in question tells of.
pub(crate) const UNCORROBORATED: f64 = 0.25;

/// How much faster suspicion of a change fades once it is known to be out.
const PROOF: f64 = 3.0;

/// How long a process that began may be slower than it will be.
const WARM_UP: Interval = Interval::from_seconds(90);

/// A process that ends takes what it had in hand with it: trouble is seen before the restart,
/// or a tick after it.
const RESTART_SLACK: Interval = Interval::from_seconds(30);

/// Whether an instance that was not heard any more began anew since.
fn is_back(knowledge: &Snapshot, kept: &Kept) -> bool {
    kept.is_gone()
        && knowledge.changes.iter().any(|change| {
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
