//! Evidence on who asks, and what for: one of many who makes up what is more.

use theriac_contract::{Direction, Entity};

use super::{
    Fault, Reasons,
    exhaustion::{felt, told},
    mechanism::{Place, UP, WITHOUT_MARK},
};
use crate::{
    family::Family,
    incident::Kept,
    view::{Trouble, View},
};

/// Who takes more time without asking more often may be the first whom something else makes wait: it
/// counts for so much of one who asks more often.
const BY_TIME_ALONE: f64 = 0.6;

/// Whether a symptom tells of time only.
fn is_of_time(kept: &Kept) -> bool {
    kept.signal.ends_with(".time_excess")
}

/// The symptom of one of many that a fault is known by at a suspect: one who asks more often before one
/// who takes more time.
pub(crate) fn named<'a>(view: &View<'a>, suspect: &Entity, fault: Fault) -> Option<&'a Kept> {
    let family = fault.names_one()?;
    let here = view.told(suspect.service()).filter(|kept| {
        kept.family == family
            && kept.direction == Direction::Up
            && kept.about() == suspect
            && kept.who.is_some()
    });
    here.min_by(|a, b| {
        (is_of_time(a), a.p_value)
            .partial_cmp(&(is_of_time(b), b.p_value))
            .unwrap_or(std::cmp::Ordering::Equal)
            .then(a.id.cmp(&b.id))
    })
}

/// Weighs the mark of a fault by one of many. Gives it if it is there.
fn mark<'a>(place: &Place<'_, 'a>, fault: Fault, what: &str, reasons: &mut Reasons) -> Option<&'a Kept> {
    let Some(kept) = named(place.view, place.suspect, fault) else {
        let text = format!("{} shows nobody who {what}", place.suspect);
        reasons.add("askers", WITHOUT_MARK, text, Vec::new());
        return None;
    };
    let trouble = Trouble::of(kept);
    let ratio = 5.0 * if is_of_time(kept) { BY_TIME_ALONE } else { 1.0 };
    reasons.add("askers", ratio * (0.5 + 0.5 * trouble.strength), said(kept), vec![kept.id.clone()]);
    Some(kept)
}

/// Who it is and what of.
fn said(kept: &Kept) -> String {
    let who = kept.who.as_ref().map_or("somebody", Entity::as_str);
    let what = match (kept.family, is_of_time(kept)) {
        (Family::Key, false) => "is asked for",
        (Family::Key, true) => "takes of the time",
        (_, false) => "asks",
        (_, true) => "takes of the time",
    };
    let times = if is_of_time(kept) { "as much as usual requests do" } else { "requests in a tick" };
    let more = kept.observed.map_or_else(String::new, |more| format!(": {more:.0} {times} more"));
    format!("{who} {what} far more of {} than before{more} (p = {:.1e})", kept.about(), kept.p_value)
}

/// One who asks takes what is there for all: a tenant, a user, a client.
pub(super) fn abusive_tenant(place: &Place<'_, '_>, reasons: &mut Reasons) {
    let Some(kept) = mark(place, Fault::AbusiveTenant, "asks far more than before", reasons) else { return };
    let (view, service) = (place.view, place.suspect.service());
    // Who comes in above is passed on.
    let same = |other: &&&str| {
        let other = Entity((***other).to_owned());
        named(view, &other, Fault::AbusiveTenant).is_some_and(|above| above.who == kept.who)
    };
    let above = view.above(service);
    if let Some(caller) = above.iter().find(same) {
        let text = format!("{caller}, which calls it, is asked by the same");
        reasons.add("call_graph", -2.5, text, Vec::new());
        return;
    }
    let below = view.below(service);
    let reached = below.iter().chain([&service]).filter(|other| view.is_felt(other)).count();
    let (ratio, text) = match reached {
        0 => (WITHOUT_MARK, format!("nobody waits or fails for it at {service} or below")),
        _ => {
            let ratio = 0.5 + (0.5 * reached as f64).min(1.5);
            (ratio, format!("what it asks enters at {service} and reaches {reached} troubled services"))
        }
    };
    reasons.add("call_graph", ratio, text, Vec::new());
    place.more_work(reasons, 1.0);
    place.sign(reasons, "peers", -2.0, Family::Mismatch, None);
}

/// One thing is asked for so often that who holds it cannot keep up.
pub(super) fn hot_key(place: &Place<'_, '_>, reasons: &mut Reasons) {
    if mark(place, Fault::HotKey, "is asked for far more than before", reasons).is_none() {
        return;
    }
    let look = told(place);
    if look(Family::Latency, UP).or_else(|| look(Family::Errors, None)).is_none() {
        let text = format!("{} is asked for it and keeps up: nobody waits or fails", place.suspect);
        reasons.add("latency", WITHOUT_MARK, text, Vec::new());
        return;
    }
    felt(place, look, reasons);
    place.sign(reasons, "resource", 0.5, Family::Cpu, UP);
    let busy = [(Family::Cpu, UP), (Family::Latency, UP), (Family::Queue, UP), (Family::SelfTime, UP)];
    let service = place.suspect.service();
    let (ill, all) = place.view.replicas(service, &busy);
    // A key lies in one place.
    if ill == 1 && all > 1 {
        let text = format!("one of {all} instances of {service} is busy: the one that holds it");
        reasons.add("replicas", 1.5, text, Vec::new());
    }
}

/// One of many who asks more is no surge of all.
pub(super) fn explains(place: &Place<'_, '_>, reasons: &mut Reasons) {
    if let Some(kept) =
        named(place.view, place.suspect, Fault::AbusiveTenant).filter(|kept| !is_of_time(kept))
    {
        let text = format!("one makes up what is more: {}", said(kept));
        reasons.add("askers", -4.0, text, vec![kept.id.clone()]);
    }
}
