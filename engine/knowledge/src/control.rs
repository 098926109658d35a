//! What people said about acting, out of the facts that say so.

use theriac_contract::{Control, Fact, Hold, Timestamp};

/// Folds a fact that became known at `at`; others than those about acting are passed over.
pub(crate) fn fold(control: &mut Control, at: Timestamp, fact: &Fact) {
    match fact {
        Fact::PlanApproved { plan, by, reason } => control.rule(plan, true, at, by, reason),
        Fact::PlanRejected { plan, by, reason } => control.rule(plan, false, at, by, reason),
        Fact::ActingHeld { kind, by, reason } => {
            control.hold = Some(Hold { kind: *kind, since: at, by: by.clone(), reason: reason.clone() });
        }
        Fact::ActingResumed { .. } => control.hold = None,
        _ => {}
    }
}
