//! Changes that are known, by the service that they are of: whatever is asked of them is asked of one.

use std::collections::BTreeMap;

use theriac_contract::{Change, Snapshot, Timestamp};

/// Derived from what is known, so it is no state.
#[derive(Clone, Debug, Default)]
pub(crate) struct Changes {
    version: Option<u64>,
    /// All of them, as they are known.
    all: Vec<Change>,
    of: BTreeMap<String, OfService>,
    /// Times that they became others.
    times: u64,
}

#[derive(Clone, Debug, PartialEq)]
struct OfService {
    /// In the order of time.
    changes: Vec<Change>,
    /// What became of each.
    fates: Vec<Fate>,
    /// The number of the time at which they became these.
    since: u64,
}

impl Changes {
    /// Brings it up to date. Costs nothing while nothing becomes known, and a comparison while that is
    /// something else.
    pub(crate) fn follow(&mut self, knowledge: &Snapshot) {
        if self.version == Some(knowledge.version) && self.all.len() == knowledge.changes.len() {
            return;
        }
        self.version = Some(knowledge.version);
        if self.all == knowledge.changes {
            return;
        }
        self.all.clone_from(&knowledge.changes);
        self.times += 1;
        let mut by_service: BTreeMap<&str, Vec<&Change>> = BTreeMap::new();
        for change in &self.all {
            by_service.entry(change.entity.service()).or_default().push(change);
        }
        self.of.retain(|service, _| by_service.contains_key(service.as_str()));
        for (service, changes) in by_service {
            let known = self.of.get(service);
            if known.is_none_or(|known| !known.changes.iter().eq(changes.iter().copied())) {
                let changes: Vec<Change> = changes.into_iter().cloned().collect();
                let fates = fates(&changes);
                self.of.insert(service.to_owned(), OfService { changes, fates, since: self.times });
            }
        }
    }

    /// Changes of a service and its instances, in the order of time.
    pub(crate) fn of(&self, service: &str) -> &[Change] {
        self.of.get(service).map_or(&[], |of| &of.changes)
    }

    /// What became of each of them.
    pub(crate) fn fates_of(&self, service: &str) -> &[Fate] {
        self.of.get(service).map_or(&[], |of| &of.fates)
    }

    /// What tells them from those of a service at another time; none if there are none.
    pub(crate) fn since(&self, service: &str) -> Option<u64> {
        self.of.get(service).map(|of| of.since)
    }
}

/// Whether `later` leads back to what was before a change.
fn leads_back(later: &Change, change: &Change) -> bool {
    change.at < later.at
        && change.kind == later.kind
        && change.entity == later.entity
        && change.from == later.to
        && !change.from.is_empty()
}

/// What became of a change, and what it is by the look of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fate {
    /// When it was taken back; none if it was not.
    pub(crate) taken_back: Option<Timestamp>,
    /// Whether it is a remedy: it takes another back, or is of a certificate.
    pub(crate) mends: bool,
}

/// What became of each of some changes of a service, which are in the order of time. What puts out again
/// what was taken back takes nothing back itself.
fn fates(changes: &[Change]) -> Vec<Fate> {
    let mut fates: Vec<Fate> = Vec::new();
    for (at, change) in changes.iter().enumerate() {
        let mut mends = false;
        for earlier in 0..at {
            if leads_back(change, &changes[earlier]) && !fates[earlier].mends {
                fates[earlier].taken_back.get_or_insert(change.at);
                mends = true;
            }
        }
        fates.push(Fate { taken_back: None, mends: mends || change.kind == Change::CERTIFICATE });
    }
    fates
}

#[cfg(test)]
mod tests {
    use theriac_contract::Entity;

    use super::*;

    fn change(place: &str, versions: (&str, &str), seconds: i64) -> Change {
        Change {
            at: Timestamp::from_seconds(seconds),
            entity: Entity(place.to_owned()),
            kind: "deploy".to_owned(),
            from: versions.0.to_owned(),
            to: versions.1.to_owned(),
            description: String::new(),
        }
    }

    #[test]
    fn what_leads_back_to_what_was_before_takes_a_change_back() {
        let first = change("cart", ("1", "2"), 10);
        let when = |later: Change| {
            let mut all = vec![first.clone(), later];
            all.sort();
            let place = all.iter().position(|one| *one == first);
            fates(&all)[place.expect("it is there")].taken_back
        };
        let then = Some(Timestamp::from_seconds(50));
        assert_eq!(when(change("cart", ("2", "1"), 50)), then);
        assert_eq!(when(change("cart", ("3", "1"), 50)), then, "whatever was there between");
        assert_eq!(when(change("cart", ("2", "3"), 50)), None, "it goes on");
        assert_eq!(when(change("shop", ("2", "1"), 50)), None, "of another service");
        assert_eq!(when(Change { kind: "flag".to_owned(), ..change("cart", ("2", "1"), 50) }), None);
        assert_eq!(when(change("cart", ("2", "1"), 5)), None, "that was before");
        assert_eq!(when(change("cart", ("2", "1"), 10)), None, "nobody takes back what is just begun");
    }

    #[test]
    fn a_change_was_taken_back_when_that_was_done_first() {
        let changes = [("1", "2", 10), ("2", "1", 50), ("1", "2", 60), ("2", "1", 90)]
            .map(|(from, to, seconds)| change("cart", (from, to), seconds));
        let fates = fates(&changes);
        assert_eq!(fates[0].taken_back, Some(changes[1].at));
        assert_eq!(fates[2].taken_back, Some(changes[3].at));
        assert_eq!(fates[3].taken_back, None);
        let mends: Vec<bool> = fates.iter().map(|fate| fate.mends).collect();
        assert_eq!(mends, [false, true, false, true], "what was bad is put out again");
    }

    #[test]
    fn what_takes_another_back_mends_and_so_does_a_certificate() {
        let first = change("cart", ("1", "2"), 10);
        let is_remedy = |later: &Change| {
            let mut all = vec![first.clone(), later.clone()];
            all.sort();
            let place = all.iter().position(|one| one == later);
            fates(&all)[place.expect("it is there")].mends
        };
        assert!(is_remedy(&change("cart", ("2", "1"), 50)));
        assert!(!is_remedy(&change("cart", ("2", "3"), 50)));
        assert!(!is_remedy(&change("shop", ("2", "1"), 50)));
        assert!(!is_remedy(&change("cart", ("2", "1"), 5)), "it was before");
        assert!(!fates(std::slice::from_ref(&first))[0].mends);
        let unnamed = [change("cart", ("", ""), 10), change("cart", ("", ""), 50)];
        assert_eq!(fates(&unnamed), [Fate::default(); 2], "nobody knows what it was before");
        let certificate =
            Change { kind: Change::CERTIFICATE.to_owned(), ..change("cart", ("old", "new"), 50) };
        assert!(is_remedy(&certificate), "one that was valid is hardly ever made worse");
    }
}
