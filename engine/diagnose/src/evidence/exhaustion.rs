//! Evidence on what has run out: workers and connections, room on a disk; and on what stands still.

use theriac_contract::{Change, Direction};

use super::{
    Reasons,
    mechanism::{Place, UP},
    said,
};
use crate::{family::Family, view::Trouble};

const DOWN: Option<Direction> = Some(Direction::Down);

/// Workers, or connections, are all taken: work waits while the processor does not work.
pub(super) fn pool(place: &Place<'_, '_>, reasons: &mut Reasons) {
    let waits = place.trouble(Family::Waiting, UP);
    place.mark(reasons, "resource", 3.5, waits, "work that waits");
    place.sign(reasons, "resource", 0.5, Family::Queue, UP);
    felt(place, told(place), reasons);
    if let (Some(_), Some((change, weight))) =
        (waits, place.view.change_that(place.suspect, Change::is_of_settings))
    {
        let text = format!(
            "{} of {} at {} came before: a limit may be too low",
            change.kind, change.entity, change.at
        );
        reasons.add("change", 1.5 * weight, text, Vec::new());
        reasons.change = Some(change.clone());
    }
    place.sign(reasons, "resource", -2.0, Family::Cpu, UP);
    place.more_work(reasons, -2.5);
    place.restarted(reasons, -1.5);
    if waits.is_none() {
        return;
    }
    // Who waits for a slow callee holds on to what others wait for: the callee explains it.
    // That it is late to be reached may be nothing but the wait.
    let callee = place.view.troubled_callee(place.suspect);
    if let Some(callee) = callee.filter(|callee| callee.kept.family != Family::Gap) {
        let (text, ids) = said(&callee);
        let ratio = -3.0 * (0.5 + 0.5 * callee.strength);
        reasons.add("call_graph", ratio, format!("its workers wait for a callee: {text}"), ids);
    }
}

/// A disk is full, or so slow that it is as good as full.
pub(super) fn storage(place: &Place<'_, '_>, reasons: &mut Reasons) {
    place.mark(reasons, "resource", 4.5, place.trouble(Family::Storage, None), "trouble of its disk");
    place.sign(reasons, "errors", 0.5, Family::Errors, UP);
    place.more_work(reasons, -1.5);
    place.sign(reasons, "resource", -1.0, Family::Memory, UP);
}

/// It is there and does nothing: no work is done, and none of its resources is used.
pub(super) fn hang(place: &Place<'_, '_>, reasons: &mut Reasons) {
    let idle = place.trouble(Family::Traffic, DOWN).or_else(|| stuck(place));
    place.mark(reasons, "traffic", 3.0, idle, "loss of traffic, nor work that piles up and never comes out");
    place.sign(reasons, "resource", 1.5, Family::Cpu, DOWN);
    place.sign(reasons, "resource", 1.0, Family::Queue, UP);
    place.sign(reasons, "resource", 1.0, Family::Waiting, UP);
    place.sign(reasons, "resource", -3.0, Family::Cpu, UP);
    // Who waits for a lock does nothing either, and is not what hangs.
    place.sign(reasons, "resource", -4.0, Family::Lock, None);
    place.restarted(reasons, -3.0);
    if idle.is_none() {
        return;
    }
    felt(place, told(place), reasons);
    // Less work also comes to those whose callers are in trouble.
    let service = place.suspect.service();
    let view = place.view;
    let above = view.above(service);
    let is_idle = |other: &&&str| {
        let entity = theriac_contract::Entity((**other).to_owned());
        view.trouble(&entity, Family::Traffic, DOWN).is_some()
    };
    if let Some(caller) = above.iter().find(is_idle) {
        let text = format!("{caller}, which calls it, has less traffic, too");
        reasons.add("call_graph", -2.0, text, Vec::new());
    }
}

/// Work that piles up at one instance alone from which nothing comes out. What is slow or busy gives answers, late
/// or wrong, and what waits for another service waits at all instances. Where little is asked for, this is seen
/// long before it is missed.
fn stuck<'a>(place: &Place<'_, 'a>) -> Option<Trouble<'a>> {
    let queue = place.trouble(Family::Queue, UP).filter(|_| place.suspect.is_instance())?;
    let comes_out = [Family::Latency, Family::SelfTime, Family::Cpu, Family::Traffic]
        .into_iter()
        .any(|family| place.trouble(family, UP).is_some());
    let (piled, _) = place.view.replicas(place.suspect.service(), &[(Family::Queue, UP)]);
    let held_up = place.view.troubled_callee(place.suspect).is_some();
    (!comes_out && piled == 1 && !held_up).then_some(queue)
}

/// What a suspect shows, or what callers tell of its service.
pub(super) fn told<'p, 'a>(
    place: &'p Place<'_, 'a>,
) -> impl Fn(Family, Option<Direction>) -> Option<Trouble<'a>> + 'p {
    |family, direction| place.view.trouble_told(place.suspect, family, direction)
}

/// What has run out, or is held up, matters if somebody waits or fails for it.
/// `look` says whose trouble is looked at.
pub(super) fn felt<'a>(
    place: &Place<'_, 'a>,
    look: impl Fn(Family, Option<Direction>) -> Option<Trouble<'a>>,
    reasons: &mut Reasons,
) {
    match look(Family::Latency, UP).or_else(|| look(Family::Errors, None)) {
        Some(trouble) => {
            let (text, ids) = said(&trouble);
            reasons.add("latency", 0.5, text, ids);
        }
        None => {
            let text = format!("nobody waits longer for {}, and nothing fails there", place.suspect);
            reasons.add("latency", -2.0, text, Vec::new());
        }
    }
}
