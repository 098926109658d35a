//! So much is wrong at once that remedies may be part of it.

use std::collections::BTreeSet;

use theriac_contract::{Incident, Plan, Step, Timestamp, Topology};

use crate::settings::Storm;

/// Whether there is a storm, for people: which limit is exceeded, and how. An incident counts for
/// the service that most probably causes it, not for all that feel it. `opened` are the times at
/// which incidents were opened.
pub(crate) fn rages<'a>(
    open: impl Iterator<Item = &'a Incident>,
    opened: &[Timestamp],
    topology: &Topology,
    at: Timestamp,
    settings: &Storm,
) -> Option<String> {
    let recent = opened.iter().filter(|time| at.since(**time) < settings.window).count();
    if recent > settings.incidents {
        return Some(format!(
            "{recent} incidents were opened within {}; above {} it is a storm",
            settings.window, settings.incidents
        ));
    }
    let causes = open.filter_map(|incident| incident.hypotheses.first()?.entity.as_ref());
    let troubled: BTreeSet<&str> =
        causes.map(theriac_contract::Entity::service).filter(|service| is_service(service)).collect();
    let services = topology.instances.keys().filter(|service| is_service(service)).count();
    let share = troubled.len() as f64 / services.max(1) as f64;
    (troubled.len() >= settings.services_min && share > settings.services).then(|| {
        format!(
            "{} of {services} services cause an open incident; above {:.0} % it is a storm",
            troubled.len(),
            settings.services * 100.0
        )
    })
}

/// Hosts, zones and queues have a prefix.
fn is_service(name: &str) -> bool {
    !name.contains(':')
}

/// Whether a plan is fit for a storm: it asks or waits, or it can be undone and risks little.
pub(crate) fn is_mild(plan: &Plan, risk: f64, settings: &Storm) -> bool {
    let harmless = plan.steps().all(|step| step.action.is_harmless());
    let undone = plan.steps().all(Step::can_be_undone);
    harmless || undone && risk <= settings.mild_risk
}
