//! Which incident a symptom belongs to.

use std::collections::{BTreeMap, BTreeSet};

use theriac_contract::{Direction, Entity, SymptomState, Topology};

use crate::{
    evidence::Fault,
    family::Family,
    graph::{Graph, is_host, is_zone},
    incident::{Case, Kept, Said},
    settings::Settings,
};

/// How a symptom is tied to an incident, the strongest tie first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Tie {
    /// The same entity shows symptoms.
    SameEntity,
    /// The same service shows symptoms.
    SameService,
    /// Another way is held up, too: what lies between services is shared by many.
    Way,
    /// A call path joins it to where the trouble begins.
    CallPath,
    /// More load comes down the call path.
    Load,
    /// A host that is itself in trouble is shared.
    Host,
    /// Nothing is known of the topology, but it began at the same time.
    Time,
}

/// The tie between a new symptom and an incident, if there is one.
pub(crate) fn tie(symptom: &Kept, case: &Case, graph: &Graph, settings: &Settings) -> Option<Tie> {
    // What ends late or stands for ever does not draw in what begins much later.
    let gap = symptom.onset.since(case.latest_onset());
    let near = gap <= settings.window;
    let about = symptom.about();
    let service = about.service();
    if !near {
        // An incident that still stands takes up what becomes of its cause, and more of the same.
        let standing = |kept: &&Kept| kept.state == SymptomState::Open;
        let cause = case.said.as_ref().and_then(|said| said.cause.as_ref());
        let of_cause = cause.is_some_and(|cause| cause.service() == service)
            && case.symptoms.values().filter(standing).any(|kept| kept.about().service() == service);
        let same = |kept: &Kept| kept.about() == about && kept.family == symptom.family;
        let more = case.symptoms.values().filter(standing).any(same);
        return (of_cause || more).then_some(Tie::SameEntity);
    }
    if let Some(said) = settled_verdict(symptom, case, settings)
        && !explained(symptom, said, case, graph)
    {
        return None;
    }
    let mut places = case.symptoms.values().flat_map(|kept| [kept.about(), &kept.entity]);
    if places.clone().any(|place| place == about) {
        return Some(Tie::SameEntity);
    }
    if places.any(|place| place.service() == service) {
        return Some(Tie::SameService);
    }
    // What is over takes up what comes back, and nothing that begins elsewhere.
    if !case.stands() {
        return None;
    }
    if symptom.family == Family::Gap && case.symptoms.values().any(|kept| kept.family == Family::Gap) {
        return Some(Tie::Way);
    }
    let services = troubled(case);
    // Two faults below one caller meet in the caller. What ties is therefore the place where
    // trouble begins.
    let is_root = |from: &&&str| begins(from, &services, graph);
    if services.iter().filter(|place| graph.on_path(service, place)).any(|root| is_root(&root)) {
        return Some(Tie::CallPath);
    }
    let loaded = |kept: &&Kept| {
        matches!(kept.family, Family::Traffic | Family::Asker) && kept.direction == Direction::Up
    };
    if case.symptoms.values().filter(loaded).any(|kept| graph.is_below(service, kept.about().service())) {
        return Some(Tie::Load);
    }
    if case.symptoms.values().any(|kept| stands_behind(service, kept, graph)) {
        return Some(Tie::Load);
    }
    if case
        .symptoms
        .values()
        .any(|kept| share_a_host(symptom, kept, graph) || share_a_zone(symptom, kept, graph))
    {
        return Some(Tie::Host);
    }
    let blind = !graph.is_mapped(service) && !services.iter().any(|service| graph.is_mapped(service));
    (blind && gap <= settings.blind_window).then_some(Tie::Time)
}

/// Whether a symptom speaks of what runs on a host of which an incident knows that it is not well itself.
/// Who is only busy may be so for what runs there.
pub(crate) fn is_on_sick_host(symptom: &Kept, case: &Case, graph: &Graph) -> bool {
    let sick = [Family::Transmission, Family::Storage, Family::Clock];
    let hosts = graph.hosts(symptom.about());
    case.symptoms.values().any(|kept| sick.contains(&kept.family) && hosts.contains(&kept.entity))
}

/// Whether ways are held up in both of two incidents that lead from or to the same service.
pub(crate) fn share_a_way(one: &Case, other: &Case) -> bool {
    let ends = |case: &Case| -> BTreeSet<String> {
        let gaps = case.symptoms.values().filter(|kept| kept.family == Family::Gap);
        gaps.flat_map(|kept| [kept.entity.service().to_owned(), kept.about().service().to_owned()]).collect()
    };
    !ends(one).is_disjoint(&ends(other))
}

/// Whether trouble of an incident begins where the way between zones leads to or from that a symptom tells of.
pub(crate) fn begins_across(case: &Case, way: &Kept, graph: &Graph) -> bool {
    origins(case, graph).iter().any(|kept| share_a_zone(kept, way, graph))
}

/// Whether one of two incidents tells of the way between zones, and the trouble of the other begins there.
pub(crate) fn share_zones(one: &Case, other: &Case, graph: &Graph) -> bool {
    let bears = |case: &Case, zones: &Case| {
        let mut ways = zones.symptoms.values().filter(|kept| is_zone(kept.about()));
        ways.any(|way| begins_across(case, way, graph))
    };
    bears(one, other) || bears(other, one)
}

/// The symptoms of a case at the services where its trouble begins.
pub(crate) fn origins<'c>(case: &'c Case, graph: &Graph) -> Vec<&'c Kept> {
    let services = troubled(case);
    case.symptoms.values().filter(|kept| begins(kept.about().service(), &services, graph)).collect()
}

/// Services that a case knows to be in trouble.
fn troubled(case: &Case) -> BTreeSet<&str> {
    case.symptoms.values().map(|kept| kept.about().service()).collect()
}

/// Whether trouble begins at a service: none of those that it calls is troubled.
fn begins(service: &str, troubled: &BTreeSet<&str>, graph: &Graph) -> bool {
    !troubled.iter().any(|to| graph.is_below(to, service))
}

/// Probability of a cause from which it decides what belongs to its incident.
const BELIEVED: f64 = 0.5;

/// Probability of a cause from which it does so after a quarter of the time.
const SURE: f64 = 0.9;

/// What a case says of its cause, once that is more than a first impression.
fn settled_verdict<'c>(symptom: &Kept, case: &'c Case, settings: &Settings) -> Option<&'c Said> {
    let said = case.said.as_ref()?;
    let patience = if said.probability >= SURE { 4 } else { 1 };
    let settled = symptom.onset.since(case.opened).0 >= settings.verdict_after.0 / patience;
    (settled && said.cause.is_some() && said.probability >= BELIEVED).then_some(said)
}

/// Whether the cause of an incident explains a further symptom: trouble of the cause itself,
/// of those who call it, of what runs on it, or more of what is there already. A fault
/// that begins elsewhere while an incident stands is an incident of its own.
fn explained(symptom: &Kept, said: &Said, case: &Case, graph: &Graph) -> bool {
    let Some(cause) = &said.cause else { return true };
    let about = symptom.about();
    let service = about.service();
    let again = |kept: &Kept| kept.about() == about && kept.family == symptom.family;
    if service == cause.service() || case.symptoms.values().any(again) {
        return true;
    }
    if is_host(cause) {
        return graph.hosts(about).contains(cause);
    }
    if is_zone(cause) {
        return symptom.family.may_lie_on_the_way() || is_zone(about);
    }
    // Those who call have other troubles than these from what they call.
    let own = symptom.family == Family::Restarts || symptom.family.names_a_fault();
    let work = matches!(symptom.family, Family::Traffic | Family::Cpu);
    let of_load = Fault::ALL.into_iter().any(|fault| fault.is_load() && said.fault == fault.slug());
    let load = (work || of_load) && graph.is_below(service, cause.service());
    load || !own && graph.is_below(cause.service(), service)
}

/// Whether a service is asked by those who ask a cache that does not answer: what is not found there is asked
/// for here.
fn stands_behind(service: &str, kept: &Kept, graph: &Graph) -> bool {
    let cache = kept.about().service();
    let asks_cache = |caller: &str| graph.callers(cache).any(|other| other == caller);
    kept.family == Family::Cache && cache != service && graph.callers(service).any(asks_cache)
}

/// A host ties two symptoms if it is itself in trouble, or if both speak of its processor.
fn share_a_host(a: &Kept, b: &Kept, graph: &Graph) -> bool {
    let telling =
        is_host(&a.entity) || is_host(&b.entity) || a.family == Family::Cpu && b.family == Family::Cpu;
    telling && !graph.hosts(&a.entity).is_disjoint(&graph.hosts(&b.entity))
}

/// What is late, fails or is sent again in a zone, and that the way between this zone and another is to blame.
fn share_a_zone(a: &Kept, b: &Kept, graph: &Graph) -> bool {
    let of_ways = |kept: &Kept| is_zone(kept.about());
    let bears = |kept: &Kept, zone: &Kept| {
        let zones = [&zone.entity, zone.about()];
        kept.family.may_lie_on_the_way()
            && graph.zones(kept.about()).into_iter().any(|place| zones.contains(&place))
    };
    match (of_ways(a), of_ways(b)) {
        (true, true) => true,
        (true, false) => bears(b, a),
        (false, true) => bears(a, b),
        (false, false) => false,
    }
}

/// The callee that a line of the log of its caller blames by name.
fn blamed(entity: &Entity, attributes: &str, topology: &Topology) -> Option<Entity> {
    let values: BTreeMap<String, serde_json::Value> = serde_json::from_str(attributes).ok()?;
    let template = values.get("template")?.as_str()?;
    let words = template.split(|letter: char| !letter.is_alphanumeric() && !"-_.".contains(letter));
    let callees = topology.callees(entity.service());
    let named = |word: &str| topology.resolve(&Entity(word.to_owned()));
    let callee = words.clone().map(named).find(|callee| callees.contains(&callee.as_str()))?;
    // A line that names the instance says more than one that names its service.
    let instances = topology.instances.get(callee.as_str());
    let instance = words.map(|word| Entity::instance(callee.as_str(), word));
    let known = |entity: &Entity| instances.is_some_and(|instances| instances.contains(entity));
    instance.into_iter().find(known).or(Some(callee))
}

/// The entity that a series speaks about when that is not its own: the callee of an edge, a
/// callee that an error names, or an instance that an attribute of a check names.
pub(crate) fn accused(
    family: Family,
    entity: &Entity,
    attributes: &str,
    peer: Option<&Entity>,
    topology: &Topology,
) -> Option<Entity> {
    let told_by_a_caller = [Family::Errors, Family::Latency, Family::Certificate, Family::Quota];
    if told_by_a_caller.contains(&family) && peer.is_none() {
        return blamed(entity, attributes, topology);
    }
    if peer.is_some() || !matches!(family, Family::Mismatch | Family::Health) {
        // Callers have other names for some.
        return peer.map(|peer| topology.resolve(peer));
    }
    let values: BTreeMap<String, serde_json::Value> = serde_json::from_str(attributes).ok()?;
    let texts: Vec<&str> = values.values().filter_map(serde_json::Value::as_str).collect();
    // A thing that names itself speaks of itself.
    let names = |named: &&Entity| {
        if named.service() == entity.service() && family == Family::Health {
            return false;
        }
        let entity = named;
        let instance = entity.as_str().rsplit('/').next().unwrap_or_default();
        texts.iter().any(|text| *text == entity.as_str() || entity.is_instance() && *text == instance)
    };
    let all = topology.instances.values().flatten();
    // An instance says more than its service.
    let named: Vec<&Entity> = all.filter(names).collect();
    named.iter().find(|entity| entity.is_instance()).or(named.first()).map(|entity| (*entity).clone())
}
