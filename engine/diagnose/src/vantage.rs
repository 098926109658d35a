//! Vantage points compared: what something says of itself, what its callers, its replicas, probes and
//! checks of its answers say of it, and what its log says against its metrics.
//!
//! What contradicts others is named in the hypothesis, and its word about others does not count until
//! it has agreed with them for a while ([`crate::Settings::trust_after`]). A sensor that gives values
//! which cannot be, while nobody who uses the thing feels anything, is what is wrong, not the thing.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use theriac_contract::{
    Direction, Entity, Fact, FaultClass, Hypothesis, Id, SignalKind, Snapshot, Timestamp,
};

use crate::{
    evidence::{Fault, Reasons},
    family::Family,
    graph::is_host,
    incident::{Case, Kept},
    settings::Settings,
    view::View,
};

/// Probability from which a verdict is acted upon by not believing what it names.
const BELIEVED: f64 = 0.5;
/// A size that grows by this in one tick did not grow: a process that takes all of a machine has a
/// few hundred times what it had.
const OUT_OF_SCALE: f64 = 1_000.0;
/// More processors than a machine has.
const PROCESSORS: f64 = 1_024.0;

/// Whether a signal is a share of a whole, by the words of its name: a duration is none.
fn is_share(signal: &str) -> bool {
    let mut words = signal.split(|letter: char| !letter.is_alphanumeric());
    words.any(|word| ["ratio", "percent", "utilization"].contains(&word))
}

/// How sure a reading is wrong, as a log likelihood ratio, and a sentence that says why.
fn wrong_reading(kept: &Kept) -> Option<(f64, String)> {
    if kept.kind != SignalKind::Metric || kept.peer.is_some() {
        return None;
    }
    let (family, signal, entity) = (kept.family, &kept.signal, &kept.entity);
    if family == Family::Missing {
        // One series of many: the process would take all of them with it.
        return Some((2.5, format!("{signal} of {entity} gives no number any more")));
    }
    let own = matches!(
        family,
        Family::Cpu | Family::Memory | Family::Io | Family::Queue | Family::Restarts | Family::Other
    );
    let requests = matches!(family, Family::Traffic | Family::Latency | Family::Errors);
    let (observed, expected) = (kept.observed?, kept.expected.unwrap_or(0.0));
    let usual = kept.band.map_or(expected.abs(), |(low, high)| expected.abs().max(low.abs()).max(high.abs()));
    let least = kept.band.map_or(expected, |(low, _)| low.min(expected));
    let sure = |text: String| Some((5.0, text));
    if observed < 0.0 && least >= 0.0 && (own && family != Family::Other || requests) {
        return sure(format!("{signal} of {entity} reads {observed}: less than nothing"));
    }
    let share = is_share(signal) && family != Family::Cpu;
    if share && (usual <= 1.0 && observed > 1.0 || usual > 1.0 && usual <= 100.0 && observed > 100.0) {
        return sure(format!("{signal} of {entity} reads {observed}: more than the whole"));
    }
    if observed == 0.0 && least > 0.0 && matches!(family, Family::Memory | Family::Cpu) {
        return sure(format!("{signal} of {entity} reads 0, and it is there and answers"));
    }
    if usual > 0.0
        && observed > OUT_OF_SCALE * usual
        && (family == Family::Memory || family == Family::Cpu && observed > PROCESSORS)
    {
        return sure(format!(
            "{signal} of {entity} reads {observed} where {expected} was expected: it cannot be"
        ));
    }
    let stuck = kept.detector == "flat" && kept.direction == Direction::None;
    (stuck && (own || requests))
        .then(|| (3.5, format!("{signal} of {entity} does not move any more: it reads {observed} each time")))
}

/// What those who depend on something, or on what runs on it, feel of it; or what it may feel itself
/// of those that it depends on.
fn felt<'a>(view: &View<'a>, suspect: &Entity) -> Option<&'a Kept> {
    let guests: BTreeSet<&str> =
        if is_host(suspect) { view.guest_services(suspect) } else { BTreeSet::new() };
    let service = suspect.service();
    let concerned = |kept: &&&Kept| {
        let about = kept.about().service();
        about == service || guests.contains(about) || view.graph.on_path(service, about)
    };
    let feels = |kept: &&&Kept| match kept.family {
        Family::Latency => kept.direction == Direction::Up && wrong_reading(kept).is_none(),
        Family::Errors => wrong_reading(kept).is_none(),
        Family::Restarts => kept.direction != Direction::None && wrong_reading(kept).is_none(),
        Family::Mismatch => true,
        Family::Health => kept.peer.is_none(),
        _ => false,
    };
    view.current.iter().filter(concerned).find(feels).copied()
}

/// The readings of a suspect that are wrong, the surest first.
fn wrong_readings<'a>(view: &View<'a>, suspect: &Entity) -> Vec<(&'a Kept, f64, String)> {
    let own = view.told(suspect.service()).filter(|kept| suspect.covers(&kept.entity));
    let mut wrong: Vec<(&Kept, f64, String)> =
        own.filter_map(|kept| wrong_reading(kept).map(|(sure, text)| (kept, sure, text))).collect();
    let silent = wrong.iter().filter(|(kept, ..)| kept.family == Family::Missing).count();
    if silent > 1 {
        wrong.retain(|(kept, ..)| kept.family != Family::Missing);
    }
    wrong.extend(counts_less(view, suspect));
    wrong.extend(alone_against_all(view, suspect));
    wrong.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.id.cmp(&b.0.id)));
    wrong
}

/// It counts fewer requests than before, they who send them do not, and nothing else is unusual: what
/// is slow, at it or below it, is counted later, and so in some ticks less.
fn counts_less<'a>(view: &View<'a>, suspect: &Entity) -> Option<(&'a Kept, f64, String)> {
    let fewer = |kept: &&Kept| {
        let falls = kept.family == Family::Traffic && kept.direction == Direction::Down;
        falls && kept.peer.is_none() && kept.entity == *suspect
    };
    // The rest is looked at only if it may be so.
    let mut here = view.told(suspect.service());
    let own = here.next()?;
    let callers = view.dependents(suspect.service());
    if callers.is_empty() || !fewer(&own) || !here.all(|kept| fewer(&kept)) || !view.current.iter().all(fewer)
    {
        return None;
    }
    let text = format!("{suspect} counts fewer requests, {} send as many as before", callers.join(", "));
    Some((own, 2.5, text))
}

/// It finds others ill of whom nobody else, themselves included, says so.
fn alone_against_all<'a>(view: &View<'a>, suspect: &Entity) -> Option<(&'a Kept, f64, String)> {
    let finds =
        |kept: &&Kept| kept.family == Family::Health && kept.peer.is_some() && kept.entity == *suspect;
    let probe = view.told(suspect.service()).find(finds)?;
    let about = probe.about();
    let others = view
        .told(about.service())
        .any(|kept| kept.entity.service() != suspect.service() && kept.about().service() == about.service());
    (!others).then(|| {
        let text = format!("{suspect} finds {about} ill; neither {about} itself nor its callers do");
        (probe, 3.0, text)
    })
}

/// Those who find others ill, and may be what is wrong themselves; sorted.
pub(crate) fn probers(current: &[&Kept]) -> BTreeSet<Entity> {
    let probes = current.iter().filter(|kept| kept.family == Family::Health && kept.peer.is_some());
    probes.map(|kept| kept.entity.clone()).collect()
}

/// Weighs that the telemetry of a suspect is what is wrong, and nothing else.
pub(crate) fn lying_sensor(view: &View<'_>, suspect: &Entity, without: f64, reasons: &mut Reasons) {
    let wrong = wrong_readings(view, suspect);
    let Some((kept, sure, text)) = wrong.first() else {
        reasons.add("vantage", without, format!("what {suspect} reports can be true"), Vec::new());
        return;
    };
    let strength = (kept.digits() / 20.0).min(1.0);
    reasons.add("vantage", sure * (0.5 + 0.5 * strength), text.clone(), vec![kept.id.clone()]);
    for (kept, _, text) in wrong.iter().skip(1).take(2) {
        reasons.add("vantage", 0.25, text.clone(), vec![kept.id.clone()]);
    }
    match felt(view, suspect) {
        Some(kept) => {
            let text = format!(
                "{} of {} is unusual, too: there is more than a wrong reading",
                kept.signal,
                kept.about()
            );
            reasons.add("vantage", -4.0, text, vec![kept.id.clone()]);
        }
        None => {
            let text =
                format!("nobody who uses {suspect} feels anything: no latency, no errors, no failed checks");
            reasons.add("vantage", 2.0, text, Vec::new());
        }
    }
    if view.restarts(suspect) > 0 {
        reasons.add("vantage", -4.0, format!("a process of {suspect} began anew"), Vec::new());
    }
}

/// That a reading cannot be speaks against whatever would be told from it.
pub(crate) fn doubtful_reading(kept: &Kept, reasons: &mut Reasons) {
    if let Some((sure, text)) = wrong_reading(kept) {
        reasons.add("vantage", -0.5 * sure, text, vec![kept.id.clone()]);
    }
}

/// What callers, checks and probes say of an instance that says nothing of it itself.
pub(crate) fn contradicted(view: &View<'_>, suspect: &Entity, reasons: &mut Reasons) {
    let about =
        |kept: &&Kept| kept.peer.as_ref() == Some(suspect) && kept.entity.service() != suspect.service();
    let says =
        |family: Family| view.told(suspect.service()).filter(about).filter(move |kept| kept.family == family);
    let failing: Vec<&Kept> = says(Family::Errors).collect();
    let callers: BTreeSet<&str> = failing.iter().map(|kept| kept.entity.service()).collect();
    if !failing.is_empty() {
        let share = failing.iter().filter(|kept| is_share(&kept.signal)).filter_map(|kept| kept.observed);
        let share = share.fold(0.0, f64::max);
        let seen = if share > 0.0 {
            format!(" see {:.0} % errors", 100.0 * share)
        } else {
            " see errors".to_owned()
        };
        let ids = failing.iter().take(5).map(|kept| kept.id.clone()).collect();
        let who = match callers.len() {
            1 => {
                format!("its caller {}{}", callers.iter().next().unwrap_or(&""), seen.replace("see", "sees"))
            }
            many => format!("its {many} callers{seen}"),
        };
        let known: BTreeSet<&str> = view.dependents(suspect.service()).iter().map(String::as_str).collect();
        let content = known.difference(&callers).count();
        if callers.len() == 1 && content >= 2 {
            let text = format!("{who}, {content} other callers do not: it may be the caller that is wrong");
            reasons.add("vantage", -1.0, text, ids);
        } else {
            let text = format!("{suspect} says that it is well, {who}");
            reasons.add("vantage", (0.5 * (callers.len() - 1) as f64).min(1.0), text, ids);
        }
    }
    if let Some(probe) = says(Family::Health).next() {
        let text = format!("{suspect} says that it is well, the probe {} finds it ill", probe.entity);
        reasons.add("vantage", 0.5, text, vec![probe.id.clone()]);
    }
}

/// The log of a suspect speaks of errors, and nothing that it counts does.
pub(crate) fn log_against_metrics(view: &View<'_>, suspect: &Entity, reasons: &mut Reasons) {
    let own = |kept: &&Kept| kept.entity == *suspect && kept.peer.is_none() && kept.family == Family::Errors;
    let told = || view.told(suspect.service()).filter(own);
    let logged = told().find(|kept| kept.kind == SignalKind::Log);
    let counted = told().any(|kept| kept.kind != SignalKind::Log);
    if let Some(kept) = logged.filter(|_| !counted) {
        let text = format!("the log of {suspect} speaks of errors ({}), its metrics count none", kept.signal);
        reasons.add("vantage", 0.0, text, vec![kept.id.clone()]);
    }
}

/// Whether what `speaker` says about somebody else does not count.
pub(crate) fn is_unheard(knowledge: &Snapshot, kept: &Kept) -> bool {
    if knowledge.distrusted.is_empty() || kept.about().service() == kept.entity.service() {
        return false;
    }
    knowledge.distrusted.get(&kept.entity).is_some_and(|distrust| distrust.covers(&kept.signal))
}

/// Whether an instance is left out where the replicas of a service are compared: not in the incident
/// that is about it.
pub(crate) fn is_left_out(knowledge: &Snapshot, case: &Case, instance: &Entity) -> bool {
    knowledge.distrusted.get(instance).is_some_and(|distrust| distrust.incident != case.id)
}

/// Somebody whose word does not count.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Doubt {
    incident: Id,
    /// When others contradicted it last.
    contradicted: Timestamp,
}

/// Whose word does not count, by entity; at most as many as there may be incidents.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Doubts(BTreeMap<Entity, Doubt>);

impl Doubts {
    /// Takes in what an incident says of its causes now; gives the fact if somebody is no longer
    /// believed.
    pub(crate) fn hear(
        &mut self,
        at: Timestamp,
        case: &Case,
        ranked: &[Hypothesis],
        knowledge: &Snapshot,
        settings: &Settings,
    ) -> Option<Fact> {
        let top = ranked.first()?;
        let entity = top.entity.clone().filter(|_| top.class == FaultClass::Byzantine)?;
        if top.probability < BELIEVED || !stands_about(case, &entity) {
            return None;
        }
        let doubt = Doubt { incident: case.id.clone(), contradicted: at };
        let known = knowledge.distrusted.contains_key(&entity);
        if !self.0.contains_key(&entity) && self.0.len() >= settings.incidents_max.max(1) {
            return None;
        }
        self.0.insert(entity.clone(), doubt);
        let sensor = top.fault == Fault::LyingSensor.slug();
        let signals = if sensor { signals(case, &entity) } else { BTreeSet::new() };
        let told = |channel: &'static str| {
            let all = top.evidence_for.iter().filter(move |evidence| evidence.channel == channel);
            all.map(|evidence| evidence.text.as_str())
        };
        // What was seen by whom says more than that something was.
        let reason: Vec<&str> = told("vantage").chain(told("peers")).take(2).collect();
        let reason = if reason.is_empty() { "vantage points disagree".to_owned() } else { reason.join("; ") };
        (!known).then(|| Fact::Distrusted { entity, signals, incident: case.id.clone(), reason })
    }

    /// Who is contradicted by an incident that still stands, at `at`; and the facts that some are
    /// believed again: nobody contradicted them for long enough, or the incident has another cause.
    pub(crate) fn settle(&mut self, at: Timestamp, cases: &[Case], settings: &Settings) -> Vec<Fact> {
        let mut facts = Vec::new();
        self.0.retain(|entity, doubt| {
            let case = cases.iter().find(|case| case.id == doubt.incident);
            let said = case.and_then(|case| case.said.as_ref());
            let same = said.is_none_or(|said| {
                said.cause.as_ref() == Some(entity) && said.class == FaultClass::Byzantine
            });
            let reason = if same {
                if case.is_some_and(|case| stands_about(case, entity)) {
                    doubt.contradicted = doubt.contradicted.max(at);
                }
                if at.since(doubt.contradicted) < settings.trust_after {
                    return true;
                }
                format!("it has agreed with the others for {}", settings.trust_after)
            } else {
                "the incident has another cause".to_owned()
            };
            facts.push(Fact::TrustedAgain { entity: entity.clone(), reason });
            false
        });
        facts
    }
}

/// Whether something that is wrong with an entity has not ended.
fn stands_about(case: &Case, entity: &Entity) -> bool {
    let open = |kept: &&Kept| kept.state == theriac_contract::SymptomState::Open;
    case.symptoms.values().filter(open).any(|kept| kept.about() == entity || kept.entity == *entity)
}

/// Signals of an entity that gave readings which cannot be.
fn signals(case: &Case, entity: &Entity) -> BTreeSet<String> {
    let own = case.symptoms.values().filter(|kept| kept.entity == *entity);
    own.filter(|kept| wrong_reading(kept).is_some() || kept.peer.is_some())
        .map(|kept| kept.signal.clone())
        .collect()
}

/// Says in a hypothesis that names a liar that its word does not count.
pub(crate) fn mark(view: &View<'_>, fault: Fault, suspect: &Entity, reasons: &mut Reasons) {
    if !fault.is_about_trust() {
        return;
    }
    if let Some(distrust) = view.known().knowledge.distrusted.get(suspect) {
        let after = view.settings.trust_after;
        let text = format!(
            "since {} what {suspect} says does not count as evidence about others, until it has agreed with them for {after}",
            distrust.since
        );
        reasons.add("trust", 0.0, text, Vec::new());
    }
}
