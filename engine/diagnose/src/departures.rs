//! Which silence is no news: that of an instance that was taken away.

use std::cmp::Ordering;

use theriac_contract::{Change, Entity, Interval, Timestamp};

/// Kind of a change in the number of instances.
const SCALING: &str = "scaling";

/// Silence is stamped with the beginning of its tick, and a process may be gone before it is told.
const SLACK: Interval = Interval::from_seconds(30);

/// Whether an instance is silent since `onset` because its service was scaled to fewer instances
/// not long before. `changes` are in the order of time.
pub(crate) fn explained(changes: &[Change], entity: &Entity, onset: Timestamp, within: Interval) -> bool {
    let close = |at: Timestamp| at.since(onset) <= SLACK && onset.since(at) <= within;
    let fewer = |change: &Change| scaled(change, entity) == Some(Ordering::Less);
    entity.is_instance() && changes.iter().any(|change| fewer(change) && close(change.at))
}

/// Whether a change left the service of an instance with fewer or with more instances; none if it is no
/// such change.
fn scaled(change: &Change, entity: &Entity) -> Option<Ordering> {
    if change.kind != SCALING || change.entity.service() != entity.service() {
        return None;
    }
    let count = |text: &str| text.parse::<u32>().ok();
    Some(count(&change.to)?.cmp(&count(&change.from)?))
}

/// Whether an instance that was taken away is there again since `since`: its process began anew, or its
/// service was scaled to more.
pub(crate) fn returned(changes: &[Change], entity: &Entity, since: Timestamp) -> bool {
    let grown = |change: &Change| scaled(change, entity) == Some(Ordering::Greater);
    let begun = |change: &Change| change.kind == Change::RESTART && change.entity == *entity;
    changes.iter().any(|change| change.at >= since && (begun(change) || grown(change)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_scaling_to_fewer_shortly_before_explains_it() {
        let scaled = |at, kind: &str, from: &str, to: &str| Change {
            at: Timestamp::from_seconds(at),
            entity: Entity("cart".to_owned()),
            kind: kind.to_owned(),
            from: from.to_owned(),
            to: to.to_owned(),
            description: String::new(),
        };
        let gone = |change: Change, entity: &str| {
            let (entity, onset) = (Entity(entity.to_owned()), Timestamp::from_seconds(1_000));
            explained(&[change], &entity, onset, Interval::from_seconds(300))
        };
        assert!(gone(scaled(900, SCALING, "4", "3"), "cart/cart-4"));
        assert!(!gone(scaled(900, SCALING, "3", "4"), "cart/cart-4"), "more");
        assert!(!gone(scaled(600, SCALING, "4", "3"), "cart/cart-4"), "long ago");
        assert!(!gone(scaled(1_100, SCALING, "4", "3"), "cart/cart-4"), "later");
        assert!(!gone(scaled(900, "deploy", "4", "3"), "cart/cart-4"), "something else");
        assert!(!gone(scaled(900, SCALING, "4", "3"), "shop/shop-4"), "another service");
        assert!(!gone(scaled(900, SCALING, "4", "3"), "cart"), "the service itself");
        let back = |change: Change| {
            returned(&[change], &Entity("cart/cart-4".to_owned()), Timestamp::from_seconds(1_000))
        };
        assert!(back(scaled(1_100, SCALING, "3", "4")));
        assert!(!back(scaled(900, SCALING, "3", "4")), "before it went");
        assert!(!back(scaled(1_100, SCALING, "4", "3")), "one more goes");
    }
}
