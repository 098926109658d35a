//! Which change is suspect of the trouble at a place, and how much.

use theriac_contract::{Change, Entity, Interval, Timestamp};

use crate::{
    incident::Kept,
    view::{Trouble, View, WARM_UP},
};

/// Least share of the trouble at a place that was troubled before that may be of a change since.
const MAY_BE: f64 = 0.3;

/// How much faster suspicion of a change fades once it is known to be out.
const PROOF: f64 = 3.0;

impl<'a> View<'a> {
    /// The change of a service or its instances that is most suspect: the last one before the
    /// trouble there, with how much of its weight is left (0..1).
    pub(crate) fn change(&self, entity: &Entity) -> Option<(&'a Change, f64)> {
        self.change_that(entity, |_| true)
    }

    /// Whether a change was made for a deploy of the same service: then it is part of that.
    pub(crate) fn comes_with_a_deploy(&self, change: &Change) -> bool {
        self.changes(change.entity.service()).iter().any(|other| {
            let apart = other.at.since(change.at).max(change.at.since(other.at));
            other.kind == "deploy" && apart <= Change::TOGETHER
        })
    }

    /// The same among some changes only.
    pub(crate) fn change_that(
        &self,
        entity: &Entity,
        is_meant: impl Fn(&Change) -> bool,
    ) -> Option<(&'a Change, f64)> {
        // A tick of slack: a change is stamped when it begins, trouble when its tick does.
        let slack = Interval::from_seconds(30);
        let onset = self.onset(entity)?;
        let latest = onset.plus(slack).min(self.told_first());
        // What is put back once there is trouble is a remedy; and what was taken back is not what stands
        // once processes are warm again.
        let troubled = onset.min(self.told_first());
        let changes = self.changes(entity.service());
        let fates = self.known().changes.fates_of(entity.service());
        let meant = changes.iter().zip(fates).filter(|(change, fate)| {
            (!entity.is_instance() || !change.entity.is_instance() || change.entity == *entity)
                && change.kind != "scaling"
                && !change.is_harmless()
                && is_meant(change)
                && fate.taken_back.is_none_or(|back| self.at.since(back) < WARM_UP)
                && !(change.at > troubled && fate.mends)
        });
        let (before, later): (Vec<&Change>, Vec<&Change>) =
            meant.map(|(change, _)| change).partition(|change| change.at <= latest);
        let last = before.into_iter().max_by(|a, b| a.at.cmp(&b.at).then(a.cmp(b)));
        let first = last.map(|change| (change, self.suspicion(change, onset)));
        // Where there was trouble before, a change may be the remedy, or one more cause.
        let more = later.into_iter().filter_map(|change| {
            let (onset, share) = self.since_then(entity, Timestamp(change.at.0.saturating_sub(slack.0)))?;
            Some((change, share * self.suspicion(change, onset)))
        });
        let all = first.into_iter().chain(more);
        let most = all.max_by(|(a, of_a), (b, of_b)| of_a.total_cmp(of_b).then(a.at.cmp(&b.at)));
        most.filter(|(_, weight)| *weight > 1e-3)
    }

    /// How suspect a change is of trouble from `onset` on (0..1): it fades with the time between them.
    fn suspicion(&self, change: &Change, onset: Timestamp) -> f64 {
        let memory = self.settings.change_memory.as_seconds().max(1.0);
        let lag = onset.since(change.at).as_seconds().max(0.0);
        // A new version that has run everywhere for a while without trouble is less suspect.
        let rolled = self
            .changes(change.entity.service())
            .iter()
            .rfind(|other| other.kind == Change::RESTART && other.at >= change.at && other.at <= onset);
        let proven = rolled.map_or(0.0, |restart| onset.since(restart.at).as_seconds());
        libm::exp(-(lag + PROOF * proven) / memory)
    }

    /// When the first trouble at a place began of what began from `from` on, and what share of all
    /// trouble there that is (0..1). What stood before and still does may have become another since.
    fn since_then(&self, entity: &Entity, from: Timestamp) -> Option<(Timestamp, f64)> {
        let (fresh, before): (Vec<&Kept>, Vec<&Kept>) =
            self.told_of(entity).partition(|kept| kept.onset >= from);
        let onset = fresh.iter().map(|kept| kept.onset).min()?;
        let strength = |all: &[&Kept]| all.iter().map(|kept| Trouble::of(kept).strength).sum::<f64>();
        let (fresh, before) = (strength(&fresh), strength(&before));
        Some((onset, (fresh / (fresh + before).max(f64::MIN_POSITIVE)).max(MAY_BE)))
    }
}
