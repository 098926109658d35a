//! Evidence on faults that have a sign of their own: locks, copies that lag, messages that pile up,
//! certificates, clocks, caches, quotas.

use std::collections::BTreeSet;

use theriac_contract::Direction;

use super::{
    Fault, Reasons,
    exhaustion::{felt, told},
    mechanism::{Place, UP},
};
use crate::{family::Family, view::Trouble};

/// What a fault is known by.
struct Sign {
    family: Family,
    direction: Option<Direction>,
    weight: f64,
    channel: &'static str,
    what: &'static str,
    /// Whether it matters only where somebody waits or fails for it.
    felt: bool,
}

fn sign_of(fault: Fault) -> Option<Sign> {
    let sign = |family, direction, weight, channel, what, felt| {
        Some(Sign { family, direction, weight, channel, what, felt })
    };
    match fault {
        Fault::LockContention => {
            sign(Family::Lock, UP, 5.0, "resource", "sessions that wait for locks", true)
        }
        Fault::ReplicaLag => sign(Family::Replication, UP, 5.0, "resource", "a copy that lags behind", false),
        Fault::DataCorruption => {
            sign(Family::Corruption, UP, 5.0, "resource", "data that is not what was written", false)
        }
        Fault::ConsumerBacklog => sign(Family::Backlog, UP, 4.5, "resource", "messages that pile up", false),
        Fault::PoisonRecord => sign(Family::Backlog, UP, 4.0, "resource", "messages that pile up", false),
        Fault::CertificateExpired => {
            sign(Family::Certificate, None, 6.0, "logs", "certificates that are not accepted", false)
        }
        Fault::ClockSkew => sign(Family::Clock, None, 5.5, "resource", "a clock that is wrong", false),
        Fault::CacheStampede => {
            sign(Family::Cache, None, 4.5, "resource", "answers missing in the cache", true)
        }
        Fault::QuotaExceeded => {
            sign(Family::Quota, UP, 5.5, "logs", "requests turned away as too many", false)
        }
        _ => None,
    }
}

/// What it tells of a cache that misses much that it began anew.
const COLD: f64 = 1.5;

/// Weighs a fault by its sign.
pub(super) fn weigh(place: &Place<'_, '_>, fault: Fault, reasons: &mut Reasons) {
    let Some(sign) = sign_of(fault) else { return };
    let own = place.trouble(sign.family, sign.direction);
    let guests = if fault == Fault::ClockSkew { of_guests(place, own.is_some(), reasons) } else { None };
    let found = guests.into_iter().chain(own).max_by(|a, b| a.strength.total_cmp(&b.strength));
    place.mark(reasons, sign.channel, sign.weight, found, sign.what);
    if found.is_none() {
        return;
    }
    // More work explains it, but where more work is what piles up or is turned away.
    if !matches!(
        fault,
        Fault::QuotaExceeded | Fault::ConsumerBacklog | Fault::PoisonRecord | Fault::DataCorruption
    ) {
        place.more_work(reasons, -1.5);
    }
    if matches!(fault, Fault::ConsumerBacklog | Fault::PoisonRecord) {
        failing_consumer(place, fault, reasons);
    }
    if fault == Fault::CacheStampede && place.view.restarts(&place.service()) > 0 {
        let text = format!("a process of {} began anew: what it held is gone", place.service());
        reasons.add("restarts", COLD, text, Vec::new());
    }
    if sign.felt {
        felt(place, told(place), reasons);
    }
}

/// What runs on a host and complains of the time tells of its clock; the worst of it. If it says so itself,
/// too, these are two witnesses.
fn of_guests<'a>(place: &Place<'_, 'a>, says_so: bool, reasons: &mut Reasons) -> Option<Trouble<'a>> {
    let view = place.view;
    let told: Vec<Trouble<'a>> = view
        .graph
        .guests(place.suspect)
        .filter_map(|guest| view.trouble(guest, Family::Clock, None))
        .collect();
    let worst = told.iter().copied().max_by(|a, b| a.strength.total_cmp(&b.strength))?;
    let count = told.iter().map(|trouble| &trouble.kept.entity).collect::<BTreeSet<_>>().len();
    let text = format!("{count} of those that run on {} complain of the time", place.suspect);
    let ids = told.iter().take(5).map(|trouble| trouble.kept.id.clone()).collect();
    reasons.add("host", if says_so { 3.0 } else { 1.5 }, text, ids);
    Some(worst)
}

/// Those who take messages fail at once with one that nobody can work off; who only is slow does not fail.
fn failing_consumer(place: &Place<'_, '_>, fault: Fault, reasons: &mut Reasons) {
    let poisoned = fault == Fault::PoisonRecord;
    let queue = place.suspect.service();
    let mut failing = place.view.of_family(Family::Errors);
    let fails = failing.find(|kept| kept.peer.is_none() && kept.entity.service() != queue);
    match fails {
        Some(kept) => {
            let text = format!("{} fails while messages pile up", kept.entity.service());
            reasons.add("errors", if poisoned { 2.0 } else { -1.0 }, text, vec![kept.id.clone()]);
        }
        None if poisoned => {
            reasons.add("errors", -4.0, "nobody fails on what it holds".to_owned(), Vec::new());
        }
        None => {}
    }
}
