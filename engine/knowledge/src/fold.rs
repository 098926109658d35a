//! One fact into a snapshot.

use theriac_contract::{
    Belief, Change, Distrust, Fact, Precedent, RecordedFact, Snapshot, VerificationVerdict,
};

use crate::{control, watershed};

/// Folds a fact that is no [`Fact::RolledBack`] into the readings; of changes at most `changes_max` of a
/// kind are kept, the most recent. The version is set by the caller.
pub fn fold(snapshot: &mut Snapshot, recorded: &RecordedFact, changes_max: usize) {
    let RecordedFact { at, fact, .. } = recorded;
    let at = *at;
    watershed::fold(&mut snapshot.watersheds, recorded);
    match fact {
        Fact::EntitySeen { entity } => {
            snapshot.topology.note(entity);
        }
        Fact::EdgeSeen { from, to, kind } => {
            snapshot.topology.connect_at(at, from, to, *kind);
        }
        Fact::EdgeEnded { from, to, kind } => {
            snapshot.topology.disconnect(at, from, to, *kind);
        }
        Fact::EdgeUsed { from, to, kind, per_second } => {
            snapshot.topology.measure(from, to, *kind, *per_second);
        }
        Fact::AliasSeen { name, of, reason } => {
            snapshot.topology.alias(at, name, of, reason);
        }
        Fact::TopologyGiven { topology } => snapshot.topology.give(at, topology),
        Fact::Distrusted { entity, signals, incident, reason } => {
            let (signals, incident, reason) = (signals.clone(), incident.clone(), reason.clone());
            let distrust = Distrust { since: at, signals, incident, reason };
            snapshot.distrusted.insert(entity.clone(), distrust);
        }
        Fact::TrustedAgain { entity, .. } => {
            snapshot.distrusted.remove(entity);
        }
        Fact::TemplateSeen { template } => {
            snapshot.templates.insert(template.clone());
        }
        Fact::TemplateReplaced { replacement } => {
            snapshot.replaced_templates.insert(replacement.clone());
        }
        Fact::Changed { change } => insert(&mut snapshot.changes, change, changes_max),
        Fact::Verified { fault, strategy, service, verdict, learn: true, .. } => {
            let success = match verdict {
                VerificationVerdict::Recovered => true,
                VerificationVerdict::NotRecovered => false,
                VerificationVerdict::Unknown => return,
            };
            for service in [Some(service.as_str()), None] {
                let key = Snapshot::belief_key(fault, strategy, service);
                let none = Belief { successes: 0.0, failures: 0.0 };
                let belief = snapshot.beliefs.entry(key).or_insert(none);
                if success {
                    belief.successes += 1.0;
                } else {
                    belief.failures += 1.0;
                }
            }
        }
        Fact::SymptomJudged { measure, right, .. } => {
            let judgement = snapshot.judgements.entry(measure.clone()).or_default();
            let count = if *right { &mut judgement.right } else { &mut judgement.noise };
            *count = count.saturating_add(1);
        }
        Fact::CauseConfirmed { incident, cause, fault, shown, weights, .. } => {
            snapshot.channel_weights.clone_from(weights);
            // Who confirms again corrects what was confirmed before.
            snapshot.precedents.retain(|known| known.incident != *incident);
            if let (Some(cause), false) = (cause, fault.is_empty()) {
                let (incident, cause) = (incident.clone(), cause.clone());
                let precedent = Precedent { incident, cause, fault: fault.clone(), shown: shown.clone() };
                snapshot.precedents.push(precedent);
                let over = snapshot.precedents.len().saturating_sub(Precedent::KEPT);
                snapshot.precedents.drain(..over);
            }
        }
        Fact::PlanApproved { .. }
        | Fact::PlanRejected { .. }
        | Fact::ActingHeld { .. }
        | Fact::ActingResumed { .. } => control::fold(&mut snapshot.control, at, fact),
        Fact::LeftAlone { fault, class, ended, .. } => {
            let none = Belief { successes: 0.0, failures: 0.0 };
            let belief = snapshot.left_alone.entry(Snapshot::left_alone_key(fault, *class)).or_insert(none);
            *(if *ended { &mut belief.successes } else { &mut belief.failures }) += 1.0;
        }
        // These are read from the log; no stage decides by them. A rollback and a revert are not one
        // fact but a choice among folds, which is made where those are kept; and all readings in one
        // change nothing where they are known.
        Fact::Verified { .. }
        | Fact::ConfigurationLoaded { .. }
        | Fact::IncidentOpened { .. }
        | Fact::IncidentEnded { .. }
        | Fact::Planned { .. }
        | Fact::Refused { .. }
        | Fact::KnowledgeWorsened { .. }
        | Fact::RolledBack { .. }
        | Fact::Reverted { .. }
        | Fact::Compacted { .. } => {}
    }
}

/// Keeps changes in the order of time, each once. Each kind has its own room: the restarts
/// of a large fleet do not push out the deploy that made them.
fn insert(changes: &mut Vec<Change>, change: &Change, most: usize) {
    if let Err(place) = changes.binary_search(change) {
        changes.insert(place, change.clone());
        let same = |other: &Change| other.kind == change.kind;
        if changes.iter().filter(|other| same(other)).count() > most
            && let Some(oldest) = changes.iter().position(same)
        {
            changes.remove(oldest);
        }
    }
}
