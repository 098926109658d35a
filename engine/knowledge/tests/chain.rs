//! Whatever is done to a log shows.

use proptest::prelude::*;
use theriac_contract::{Checkpointed, Entity, Fact, RecordedFact, Timestamp};
use theriac_knowledge::{
    Chain, ChainError, HistoryError, Knowledge, as_of, at_version, version_at, versions,
};

fn fact() -> impl Strategy<Value = Fact> {
    prop_oneof![
        4 => (0..9_u8).prop_map(|n| Fact::EntitySeen { entity: Entity(format!("shop/{n}")) }),
        2 => "[a-z\"\\\\é]{0,6}".prop_map(|reason| Fact::TrustedAgain { entity: Entity("a".into()), reason }),
        1 => (0..40_u64).prop_map(|to| Fact::RolledBack { to, reason: "bad".into() }),
        1 => (0..40_u64).prop_map(|version| Fact::Reverted { version, what: "it".into(), reason: "bad".into() }),
    ]
}

fn bytes(facts: &[RecordedFact]) -> Vec<Vec<u8>> {
    facts.iter().map(|fact| serde_json::to_vec(fact).expect("a fact can be written")).collect()
}

fn log(facts: Vec<Fact>) -> (Knowledge, Vec<RecordedFact>) {
    let mut knowledge = Knowledge::new();
    let log = (0..).zip(facts).flat_map(|(at, fact)| knowledge.append(Timestamp(at), vec![fact])).collect();
    (knowledge, log)
}

fn follow(log: &[Vec<u8>]) -> Result<Chain, ChainError> {
    let mut chain = Chain::default();
    log.iter().try_for_each(|stored| chain.follow(stored).map(drop))?;
    Ok(chain)
}

proptest! {
    #[test]
    fn every_change_is_found(
        facts in prop::collection::vec(fact(), 3..30),
        at in any::<prop::sample::Index>(), other in any::<prop::sample::Index>(),
        place in any::<prop::sample::Index>(), flip in 1..=255_u8,
    ) {
        let (knowledge, log) = log(facts);
        let stored = bytes(&log);
        prop_assume!(stored.len() > 2);
        let whole = follow(&stored).unwrap();
        prop_assert_eq!((whole.version(), whole.head(), whole.unchained()),
            (knowledge.version(), knowledge.head(), 0));

        let at = at.index(stored.len());
        let mut changed = stored.clone();
        let place = place.index(changed[at].len());
        changed[at][place] ^= flip;
        let sound = follow(&changed).unwrap_err().sound();
        prop_assert!(sound <= at as u64, "version {} is said to be sound", sound);

        // The end alone may be missing: that shows against a head that was noted elsewhere.
        let mut removed = stored.clone();
        removed.remove(at);
        prop_assert_eq!(follow(&removed).is_ok(), at + 1 == stored.len());

        let mut doubled = stored.clone();
        doubled.insert(at, stored[at].clone());
        prop_assert!(follow(&doubled).is_err());

        let other = other.index(stored.len());
        let mut swapped = stored;
        swapped.swap(at, other);
        prop_assert_eq!(follow(&swapped).is_ok(), at == other);
    }

    #[test]
    fn restoring_in_the_middle_goes_on_with_the_chain(
        facts in prop::collection::vec(fact(), 1..30), at in 0..30_usize,
    ) {
        let (straight, expected) = log(facts.clone());
        let mut stopped = Knowledge::new();
        let mut found = Vec::new();
        for (i, fact) in facts.into_iter().enumerate() {
            if i == at {
                let tables = Checkpointed::snapshot(&stopped).unwrap();
                stopped = Knowledge::new();
                stopped.restore(&tables).unwrap();
            }
            found.extend(stopped.append(Timestamp(i as i64), vec![fact]));
        }
        prop_assert_eq!(bytes(&found), bytes(&expected));
        prop_assert_eq!(stopped.head(), straight.head());
    }

    /// A compacted log begins anywhere; versions, bytes and chain of what comes later are as before,
    /// and what is kept in memory is what is folded from either.
    #[test]
    fn compacting_changes_nothing_behind_it(
        before in prop::collection::vec(fact(), 0..20), after in prop::collection::vec(fact(), 0..20),
    ) {
        let (mut kept, mut log) = log(before);
        let first = log.len();
        let whole = kept.compacted();
        log.extend(kept.append(Timestamp(99), vec![whole]));
        log.extend((100..).zip(after).flat_map(|(at, fact)| kept.append(Timestamp(at), vec![fact])));
        let stored = bytes(&log);
        for from in [0, first] {
            let chain = follow(&stored[from..]).unwrap();
            prop_assert_eq!(chain.head(), kept.head());
        }
        let tables = |knowledge: &Knowledge| Checkpointed::snapshot(knowledge).unwrap();
        for from in [0, first] {
            let mut rebuilt = Knowledge::new();
            for fact in &log[from..] {
                prop_assert_eq!(rebuilt.fold(fact), Ok(()));
            }
            prop_assert_eq!(tables(&rebuilt), tables(&kept));
        }
        for version in first as u64 + 1..=kept.version() {
            let (long, short) = (as_of(&log, version), at_version(&log[first..], version).unwrap());
            prop_assert_eq!(&long, &short);
            prop_assert_eq!(serde_json::to_vec(&long).unwrap(), serde_json::to_vec(&short).unwrap());
        }
    }
}

#[test]
fn a_compacted_log_says_how_far_back_it_goes() {
    let seen = |name: &str| Fact::EntitySeen { entity: Entity(name.into()) };
    let (mut kept, mut log) = log(vec![seen("a"), seen("b"), seen("c")]);
    let whole = kept.compacted();
    log.extend(kept.append(Timestamp(7), vec![whole, Fact::RolledBack { to: 2, reason: String::new() }]));
    assert_eq!((log.len(), kept.version()), (4, 4), "no rollback goes behind it");
    assert_eq!((versions(&log), versions(&log[3..]), versions(&[])), ((0, 4), (4, 4), (0, 0)));
    let error = at_version(&log[3..], 2).unwrap_err();
    assert_eq!(error.to_string(), "there is no version 2: the log has versions 4 to 4");
    assert_eq!(at_version(&log, 2).unwrap().topology.instances.len(), 2);
    assert_eq!(version_at(&log, Timestamp(-1)), Ok(0));
    let early = version_at(&log[3..], Timestamp(2));
    assert_eq!(early, Err(HistoryError::Time { at: Timestamp(2), oldest: 4, since: Timestamp(7) }));
}

#[test]
fn what_was_written_before_there_was_a_chain_is_taken_once() {
    let seen = |name: &str| Fact::EntitySeen { entity: Entity(name.into()) };
    let (_, mut old) = log(vec![seen("a"), seen("b")]);
    old.iter_mut().for_each(|fact| fact.chain.clear());
    assert!(!String::from_utf8_lossy(&bytes(&old)[0]).contains("chain"), "it reads as it always did");
    let mut knowledge = Knowledge::new();
    old.iter().for_each(|fact| knowledge.fold(fact).unwrap());
    let mut stored = bytes(&old);
    stored.extend(bytes(&knowledge.append(Timestamp(5), vec![seen("c"), seen("d")])));
    let chain = follow(&stored).unwrap();
    assert_eq!((chain.unchained(), chain.version(), chain.head()), (2, 4, knowledge.head()));
    let text = String::from_utf8(stored[3].clone()).unwrap();
    let bare = text[..text.find(",\"chain\"").unwrap()].to_owned() + "}";
    stored[3] = bare.into_bytes();
    assert_eq!(follow(&stored), Err(ChainError::Unchained { version: 4 }));
}

/// Pinned against the Python package blake3, over the bytes that the documentation names.
#[test]
fn the_digest_is_of_the_bytes_that_are_stored() {
    let (_, log) = log(vec![Fact::EntitySeen { entity: Entity("cart".into()) }]);
    let text = String::from_utf8(bytes(&log).remove(0)).unwrap();
    let bare = r#"{"schema_version":1,"version":1,"at":"1970-01-01T00:00:00.000000000Z","fact":"entity_seen","entity":"cart"}"#;
    assert!(text.starts_with(&bare[..bare.len() - 1]), "{text}");
    assert_eq!(log[0].chain, "9b21ee4f429672db3c9dfc8056ea080772ff895990461e62e1943947f49520f6");
}
