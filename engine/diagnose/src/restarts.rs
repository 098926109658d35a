//! Which restarts are news: those that no change explains.

use std::collections::{BTreeMap, BTreeSet};

use theriac_contract::{Change, Entity, Interval, Timestamp};

/// The next instance of a rollout begins anew within this of the change or of the one before.
const ROLLOUT_STEP: Interval = Interval::from_seconds(60);

/// A change that goes from instance to instance, each once.
struct Rollout<'a> {
    done: BTreeSet<&'a Entity>,
    last: Timestamp,
}

/// Instances whose process began anew from `from` on, and how often, but for those that a
/// rollout restarted. `changes` are in the order of time, all of those of a service.
pub(crate) fn unexplained(changes: &[Change], from: Timestamp) -> BTreeMap<&Entity, usize> {
    let mut counted: BTreeMap<&Entity, usize> = BTreeMap::new();
    let mut rollouts: BTreeMap<&str, Rollout<'_>> = BTreeMap::new();
    for change in changes {
        let service = change.entity.service();
        if change.kind != Change::RESTART {
            rollouts.insert(service, Rollout { done: BTreeSet::new(), last: change.at });
            continue;
        }
        let rolled = rollouts.get_mut(service).is_some_and(|rollout| {
            let next = change.at.since(rollout.last) <= ROLLOUT_STEP && rollout.done.insert(&change.entity);
            if next {
                rollout.last = change.at;
            }
            next
        });
        if !rolled && change.at >= from {
            *counted.entry(&change.entity).or_default() += 1;
        }
    }
    counted
}

/// When processes began last, of those that did from `from` on.
pub(crate) fn latest(changes: &[Change], from: Timestamp) -> BTreeMap<&Entity, Timestamp> {
    let begun = changes.iter().filter(|change| change.kind == Change::RESTART && change.at >= from);
    begun.map(|change| (&change.entity, change.at)).collect()
}

/// A process that has run for so long since it began anew once may be trusted to go on.
const STAYED: Interval = Interval::from_seconds(30);

/// Since when an instance runs again, if it has by now for longer than a loop would let it: twice as long as
/// it ran between any two of its restarts from `from` on.
pub(crate) fn runs_again(
    changes: &[Change],
    entity: &Entity,
    from: Timestamp,
    at: Timestamp,
) -> Option<Timestamp> {
    let told =
        |change: &&Change| change.kind == Change::RESTART && change.entity == *entity && change.at >= from;
    let mut begun: Vec<Timestamp> = changes.iter().filter(told).map(|change| change.at).collect();
    begun.sort_unstable();
    let ran = begun.windows(2).map(|pair| 2 * pair[1].since(pair[0]).0).max().unwrap_or(0);
    let last = begun.last().copied()?;
    (at.since(last).0 >= ran.max(STAYED.0)).then_some(last)
}

/// Whether every restart of an instance from `from` on was that of a rollout. False if
/// telemetry does not tell of single restarts.
pub(crate) fn all_explained(changes: &[Change], entity: &Entity, from: Timestamp) -> bool {
    let told =
        |change: &Change| change.kind == Change::RESTART && change.entity == *entity && change.at >= from;
    changes.iter().any(told) && !unexplained(changes, from).contains_key(entity)
}
