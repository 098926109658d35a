//! Evidence on the way between services: who is slow to be reached, not slow to answer.

use super::{
    Reasons,
    mechanism::{Place, UP},
    said,
};
use crate::{family::Family, graph::is_host};

/// A way has two ends; that of the callee is seen by all its callers.
const FROM_THE_CALLER: f64 = 0.6;

/// Weighs that what goes to and from a suspect is held up or lost.
pub(super) fn weigh(place: &Place<'_, '_>, reasons: &mut Reasons) {
    let lost = place.trouble(Family::Transmission, None);
    let held_up = place.trouble(Family::Gap, UP);
    let ways = place.view.troubled_ways();
    let service = place.suspect.service();
    let outward = ways.iter().any(|(caller, _)| *caller == service);
    if let (None, None, true) = (lost, held_up, outward) {
        let text = format!("{service} waits for answers that were ready: time goes on the way");
        let ids = place
            .view
            .current
            .iter()
            .filter(|kept| kept.family == Family::Gap && { kept.entity.service() == service });
        let ids = ids.take(5).map(|kept| kept.id.clone()).collect();
        reasons.add("network", 4.0 * FROM_THE_CALLER, text, ids);
    } else {
        place.mark(reasons, "network", 4.0, lost.or(held_up), "time or losses on the way");
    }
    if !ways.is_empty() && !is_host(place.suspect) {
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
    if let Some(own) = place.trouble(Family::SelfTime, UP) {
        let (text, ids) = said(&own);
        reasons.add("self_time", -2.0, format!("it is slow in itself: {text}"), ids);
    }
    for family in [Family::Cpu, Family::Memory] {
        place.sign(reasons, "resource", -1.0, family, UP);
    }
    place.restarted(reasons, -2.0);
}
