//! Evidence on the way between services: who is slow to be reached, not slow to answer.

use std::collections::BTreeSet;

use theriac_contract::{Direction, Entity};

use super::{
    Reasons,
    mechanism::{Place, UP},
    said,
};
use crate::{
    family::Family,
    graph::{is_host, is_zone},
    view::Trouble,
};

/// A way has two ends; that of the callee is seen by all its callers.
const FROM_THE_CALLER: f64 = 0.6;

/// Weighs that what goes to and from a suspect is held up or lost.
pub(super) fn weigh(place: &Place<'_, '_>, reasons: &mut Reasons) {
    if is_zone(place.suspect) {
        return of_zone(place, reasons);
    }
    if let Some(trouble) = place.view.way_between_zones() {
        let (text, ids) = said(&trouble);
        let ratio = -4.0 * (0.5 + 0.5 * trouble.strength);
        reasons.add("zone", ratio, format!("it is held up or lost on the way between zones: {text}"), ids);
    }
    if is_host(place.suspect) {
        return of_host(place, reasons);
    }
    let lost = place.trouble(Family::Transmission, None);
    let held_up = place.trouble(Family::Gap, UP);
    let ways = place.view.troubled_ways();
    let service = place.suspect.service();
    let outward = ways.iter().any(|(caller, _)| *caller == service);
    if let (None, None, true) = (lost, held_up, outward) {
        let text = format!("{service} waits for answers that were ready: time goes on the way");
        let own = place.view.told(service);
        let ids = own.filter(|kept| kept.family == Family::Gap && { kept.entity.service() == service });
        let ids = ids.take(5).map(|kept| kept.id.clone()).collect();
        reasons.add("network", 4.0 * FROM_THE_CALLER, text, ids);
    } else {
        place.mark(reasons, "network", 4.0, lost.or(held_up), "time or losses on the way");
    }
    if !ways.is_empty() {
        let here = ways.iter().filter(|(from, to)| *from == service || *to == service).count();
        let text = format!("{here} of {} ways that are held up lead to or from {service}", ways.len());
        let elsewhere = (ways.len() - here) as f64;
        reasons.add(
            "ways",
            (0.75 * (here as f64 - 1.0)).clamp(0.0, 2.0) - elsewhere.min(3.0),
            text,
            Vec::new(),
        );
    }
    if let Some(trouble) = lost_by_a_host(place) {
        let (text, ids) = said(&trouble);
        let ratio = -2.5 * (0.5 + 0.5 * trouble.strength);
        reasons.add("host", ratio, format!("a host of {service} explains it: {text}"), ids);
    }
    if let Some(own) = place.trouble(Family::SelfTime, UP) {
        let (text, ids) = said(&own);
        reasons.add("self_time", -2.0, format!("it is slow in itself: {text}"), ids);
    }
    for family in [Family::Cpu, Family::Memory] {
        place.sign(reasons, "resource", -1.0, family, UP);
    }
    // Who waits for a connection of its own pool has not asked yet: that looks like time on the way.
    place.sign(reasons, "resource", -2.0, Family::Waiting, UP);
    let waits = |caller: &str| place.view.trouble(&Entity(caller.to_owned()), Family::Waiting, UP);
    let mut callers = ways.iter().filter(|(_, to)| *to == service).map(|(caller, _)| waits(caller));
    if let Some(Some(first)) = callers.next()
        && callers.all(|other| other.is_some())
    {
        let (text, ids) = said(&first);
        reasons.add("resource", -2.0, format!("those who call it wait for their own pools: {text}"), ids);
    }
    place.change_speaks_against(reasons, -2.0);
    place.restarted(reasons, -2.0);
}

/// Losses of a host on which an instance of the suspect's service runs.
fn lost_by_a_host<'a>(place: &Place<'_, 'a>) -> Option<Trouble<'a>> {
    let instances = place.view.instances(place.suspect.service())?;
    let hosts = instances.iter().flat_map(|instance| place.view.graph.hosts(instance));
    hosts.into_iter().find_map(|host| place.view.trouble(&host, Family::Transmission, None))
}

/// Time on the way to what runs on a host, so many times what it is to all others, is the host's: those who
/// call from there are held up on every way, too, and they are one of some callers.
const STANDS_OUT: f64 = 2.0;

/// Weighs that what goes to and from a host is held up or lost.
fn of_host(place: &Place<'_, '_>, reasons: &mut Reasons) {
    let lost = place.trouble(Family::Transmission, None);
    let guests: BTreeSet<_> = place.view.graph.guests(place.suspect).collect();
    let mut there = Ways::default();
    let mut elsewhere = Ways::default();
    for kept in place.view.of_family(Family::Gap) {
        let is_mean = kept.signal.ends_with(".mean") && kept.about().is_instance();
        if kept.direction != Direction::Up || !is_mean {
            continue;
        }
        let excess = kept.observed.zip(kept.expected).map_or(0.0, |(observed, expected)| observed - expected);
        let ways = if guests.contains(kept.about()) { &mut there } else { &mut elsewhere };
        ways.excess += excess;
        ways.count += 1;
        ways.services.insert(kept.about().service());
    }
    let stands_out = there.services.len() > 1 && there.mean() >= STANDS_OUT * elsewhere.mean();
    match lost {
        None if stands_out => {
            let text = format!(
                "what runs on {} is reached {:.0} ms later, what runs elsewhere {:.0} ms",
                place.suspect,
                1e3 * there.mean(),
                1e3 * elsewhere.mean()
            );
            let services = there.services.len();
            reasons.add("network", 3.0 + (0.75 * (services - 1) as f64).min(2.0), text, Vec::new());
        }
        lost => {
            place.mark(reasons, "network", 5.0, lost, "time or losses on the way");
            if lost.is_some() && stands_out {
                let text =
                    format!("what runs on {} is reached later than what runs elsewhere", place.suspect);
                reasons.add("ways", 2.0, text, Vec::new());
            }
        }
    }
    let held_up = place.view.troubled_ways();
    let calls_from_there = guests
        .iter()
        .map(|guest| guest.service())
        .find(|service| held_up.iter().any(|way| way.0 == *service));
    if let (Some(_), Some(caller)) = (lost, calls_from_there) {
        let count = held_up.iter().filter(|way| way.0 == caller).count();
        let text = format!(
            "{caller}, of which an instance runs on {}, waits on {count} ways for answers that were ready",
            place.suspect
        );
        reasons.add("ways", (0.5 + 0.75 * count as f64).min(3.0), text, Vec::new());
    }
    if lost.is_some() || stands_out {
        place.guests(reasons);
    }
    for family in [Family::Cpu, Family::Memory] {
        place.sign(reasons, "resource", -1.0, family, UP);
    }
}

/// Weighs that what goes from and to a zone is held up or lost. A way has two ends; where all that is
/// troubled leads from one zone to another, nothing tells which of them it is.
fn of_zone(place: &Place<'_, '_>, reasons: &mut Reasons) {
    let view = place.view;
    let lost = place.trouble(Family::Transmission, UP);
    let held_up = place.trouble(Family::Gap, UP);
    place.mark(reasons, "network", 5.0, lost.or(held_up), "time or losses on the way to other zones");
    let between: BTreeSet<(&Entity, &Entity)> = view
        .current
        .iter()
        .filter(|kept| is_zone(&kept.entity) && is_zone(kept.about()))
        .map(|kept| (&kept.entity, kept.about()))
        .collect();
    let here = between.iter().filter(|(from, to)| *from == place.suspect || *to == place.suspect).count();
    let elsewhere = between.len() - here;
    let text = format!("{here} of {} troubled ways between zones lead to or from it", between.len());
    reasons.add("ways", (0.75 * here as f64).min(2.0) - (elsewhere as f64).min(3.0), text, Vec::new());
    let at_the_other_end = |zone: &&Entity| {
        *zone != place.suspect && between.iter().all(|(from, to)| from == zone || to == zone)
    };
    let mut others = between.iter().flat_map(|(from, to)| [*from, *to]);
    if let Some(other) = others.find(at_the_other_end).filter(|_| elsewhere == 0) {
        // What is done about it moves what runs at one end: rather the end where less does.
        let size = |zone: &Entity| (view.graph.population(zone), std::cmp::Reverse(zone.clone()));
        if size(place.suspect) > size(other) {
            let text = format!("{other} is the other end of the same ways, and less runs there");
            reasons.add("ways", -3.0, text, Vec::new());
        }
    }
    if lost.or(held_up).is_some() {
        let felt = view.services.iter().filter_map(|service| view.felt(&Entity((*service).to_owned())));
        let ids: Vec<_> = felt.map(|trouble| trouble.kept.id.clone()).collect();
        let text = format!("it would explain the trouble of {} services that call across", ids.len());
        let ratio = (0.5 * ids.len() as f64).min(2.5);
        reasons.add("call_graph", ratio, text, ids.into_iter().take(5).collect());
    }
    for family in [Family::Cpu, Family::Memory] {
        place.sign(reasons, "resource", -1.0, family, UP);
    }
}

/// Ways that are held up.
#[derive(Default)]
struct Ways<'a> {
    /// Seconds beyond what is usual, over all.
    excess: f64,
    count: usize,
    services: BTreeSet<&'a str>,
}

impl Ways<'_> {
    fn mean(&self) -> f64 {
        self.excess / self.count.max(1) as f64
    }
}
