//! How strategies fared before and after each fact that may change decisions: a configuration, a
//! confirmed cause, a judgement.

use theriac_contract::{Belief, Fact, RecordedFact, VerificationVerdict, Watershed};

const NONE: Belief = Belief { successes: 0.0, failures: 0.0 };

/// Folds a fact: a watershed begins with it, or a verdict counts for all there are.
pub(crate) fn fold(watersheds: &mut Vec<Watershed>, recorded: &RecordedFact) {
    if let Some(what) = what(&recorded.fact) {
        let before = watersheds.last().map_or(NONE, |last| Belief {
            successes: last.before.successes + last.after.successes,
            failures: last.before.failures + last.after.failures,
        });
        let learnt = matches!(recorded.fact, Fact::CauseConfirmed { .. } | Fact::SymptomJudged { .. });
        let version = recorded.version;
        watersheds.push(Watershed { version, what, before, after: NONE, told: false, learnt });
        let over = watersheds.len().saturating_sub(Watershed::KEPT);
        watersheds.drain(..over);
    }
    match &recorded.fact {
        Fact::Verified { verdict, learn: true, .. } => {
            for Watershed { after, .. } in watersheds {
                match verdict {
                    VerificationVerdict::Recovered => after.successes += 1.0,
                    VerificationVerdict::NotRecovered => after.failures += 1.0,
                    VerificationVerdict::Unknown => {}
                }
            }
        }
        Fact::KnowledgeWorsened { version, .. } => {
            let told = watersheds.iter_mut().find(|watershed| watershed.version == *version);
            if let Some(watershed) = told {
                watershed.told = true;
            }
        }
        _ => {}
    }
}

/// What may change decisions, for people; none if the fact does not.
fn what(fact: &Fact) -> Option<String> {
    match fact {
        Fact::ConfigurationLoaded { configuration, .. } => Some(format!("configuration {configuration}")),
        Fact::CauseConfirmed { incident, .. } => Some(format!("the confirmed cause of {}", incident.short())),
        Fact::SymptomJudged { symptom, .. } => Some(format!("the judgement of {}", symptom.short())),
        Fact::Reverted { what, .. } => Some(format!("the revert of {what}")),
        _ => None,
    }
}
