//! What another log adds, and what it must not change.

use std::collections::BTreeSet;

use proptest::prelude::*;
use theriac_contract::{
    EdgeKind, Entity, Fact, GivenTopology, Id, NodeKind, RecordedFact, Timestamp, VerificationVerdict,
};
use theriac_knowledge::{Knowledge, as_of, common, news};

fn entity(name: &str) -> Entity {
    Entity(name.to_owned())
}

fn verified(plan: u8, recovered: bool) -> Fact {
    let verdict = if recovered { VerificationVerdict::Recovered } else { VerificationVerdict::NotRecovered };
    Fact::Verified {
        plan: Id(format!("plan-{plan}")),
        incident: Id("incident-1".into()),
        fault: "memory_leak".into(),
        strategy: "restart".into(),
        service: "cart".into(),
        verdict,
        learn: true,
    }
}

fn judged(symptom: u8, right: bool) -> Fact {
    let (symptom, measure) = (Id(format!("symptom-{symptom}")), "errors".to_owned());
    Fact::SymptomJudged { symptom, measure, right, reason: "by hand".into() }
}

fn confirmed(incident: u8, cause: &str) -> Fact {
    Fact::CauseConfirmed {
        incident: Id(format!("incident-{incident}")),
        cause: Some(entity(cause)),
        fault: "hang".into(),
        shown: Vec::new(),
        weights: format!("after {incident}"),
        reason: "seen".into(),
    }
}

fn edge(from: &str, to: &str, seen: bool) -> Fact {
    let (from, to, kind) = (entity(from), entity(to), EdgeKind::Calls);
    if seen { Fact::EdgeSeen { from, to, kind } } else { Fact::EdgeEnded { from, to, kind } }
}

fn named(name: &str, of: &str) -> Fact {
    Fact::AliasSeen { name: entity(name), of: BTreeSet::from([entity(of)]), reason: "all calls".into() }
}

fn fact() -> impl Strategy<Value = Fact> {
    prop_oneof![
        (0..5_u8).prop_map(|n| Fact::EntitySeen { entity: Entity(format!("shop/{n}")) }),
        (0..4_u8, 0..4_u8, any::<bool>()).prop_map(|(a, b, seen)| edge(
            &format!("s{a}"),
            &format!("s{b}"),
            seen
        )),
        (0..6_u8, any::<bool>()).prop_map(|(plan, recovered)| verified(plan, recovered)),
        (0..3_u8, any::<bool>()).prop_map(|(symptom, right)| judged(symptom, right)),
        (0..3_u8, 0..3_u8).prop_map(|(name, of)| named(&format!("vip{name}"), &format!("s{of}"))),
        (0..3_u8, 0..2_u8).prop_map(|(incident, cause)| confirmed(incident, &format!("s{cause}"))),
        (0..2_u8).prop_map(|n| Fact::Distrusted {
            entity: Entity(format!("s{n}")),
            signals: BTreeSet::new(),
            incident: Id("incident-1".into()),
            reason: "callers say otherwise".into()
        }),
        (0..2_u8)
            .prop_map(|n| Fact::TrustedAgain { entity: Entity(format!("s{n}")), reason: "agrees".into() }),
        (0..30_u64).prop_map(|to| Fact::RolledBack { to, reason: "bad".into() }),
        (0..30_u64).prop_map(|version| Fact::Reverted { version, what: "it".into(), reason: "bad".into() }),
    ]
}

fn append(knowledge: &mut Knowledge, facts: Vec<Fact>) -> Vec<RecordedFact> {
    facts.into_iter().flat_map(|fact| knowledge.append(Timestamp(7), vec![fact])).collect()
}

fn logs(
    shared: Vec<Fact>,
    own: Vec<Fact>,
    theirs: Vec<Fact>,
) -> (Knowledge, Vec<RecordedFact>, Vec<RecordedFact>) {
    let mut knowledge = Knowledge::new();
    let begin = append(&mut knowledge, shared);
    let mut other = knowledge.clone();
    let a = [begin.clone(), append(&mut knowledge, own)].concat();
    let b = [begin, append(&mut other, theirs)].concat();
    (knowledge, a, b)
}

proptest! {
    #[test]
    fn what_was_taken_once_is_no_news(
        shared in prop::collection::vec(fact(), 0..15),
        own in prop::collection::vec(fact(), 0..15), theirs in prop::collection::vec(fact(), 0..15),
    ) {
        let (mut knowledge, mut a, b) = logs(shared, own, theirs);
        let before = knowledge.snapshot().clone();
        let import = news(&a, &before, &b);
        // What contradicts nothing is all there is; nothing that was known is lost.
        a.extend(append(&mut knowledge, import.facts));
        let after = knowledge.snapshot();
        prop_assert!(before.topology.edges.is_subset(&after.topology.edges));
        prop_assert!(before.distrusted.keys().all(|entity| after.distrusted.contains_key(entity)));
        for (name, alias) in &before.topology.aliases {
            prop_assert_eq!(after.topology.aliases.get(name), Some(alias));
        }
        for (key, belief) in &before.beliefs {
            let now = after.beliefs[key];
            prop_assert!(now.successes >= belief.successes && now.failures >= belief.failures);
        }
        let again = news(&a, after, &b);
        let left: Vec<_> = again.facts.iter().filter(|fact| !matches!(fact, Fact::EdgeEnded { .. } | Fact::EdgeSeen { .. } | Fact::Distrusted { .. } | Fact::TrustedAgain { .. })).collect();
        prop_assert_eq!(left, Vec::<&Fact>::new());
        prop_assert_eq!(&news(&a, after, &a).facts, &[]);
    }

    #[test]
    fn logs_have_in_common_what_they_began_with(
        shared in prop::collection::vec(fact(), 0..15), n in 1..5_u8, m in 1..5_u8,
    ) {
        let extra = |count: u8, name: &str| (0..count).map(|n| Fact::EntitySeen { entity: entity(&format!("{name}/{n}")) }).collect::<Vec<_>>();
        let (_, a, b) = logs(shared, extra(n, "a"), extra(m, "b"));
        prop_assert_eq!(common(&a, &b), a.len() as u64 - u64::from(n));
        prop_assert_eq!(common(&a, &a), a.len() as u64);
        prop_assert_eq!(as_of(&a, common(&a, &b)), as_of(&b, common(&a, &b)));
    }
}

#[test]
fn what_contradicts_is_named_and_left_out() {
    let given = |node: &str| {
        let nodes = std::iter::once((entity(node), NodeKind::Service)).collect();
        Fact::TopologyGiven { topology: GivenTopology { nodes, ..GivenTopology::default() } }
    };
    let own = vec![
        edge("web", "cart", true),
        named("vip", "cart"),
        judged(1, true),
        confirmed(1, "cart"),
        verified(1, true),
        given("cart"),
    ];
    let theirs = vec![
        edge("web", "cart", false),
        edge("web", "cart", true),
        edge("web", "cart", false),
        named("vip", "bank"),
        judged(1, false),
        judged(2, false),
        confirmed(1, "bank"),
        confirmed(2, "bank"),
        verified(1, true),
        verified(2, false),
        given("bank"),
        Fact::IncidentOpened { incident: Id("incident-3".into()) },
    ];
    let (knowledge, a, b) = logs(Vec::new(), own, theirs);
    let import = news(&a, knowledge.snapshot(), &b);
    assert_eq!(import.facts, [judged(2, false), verified(2, false)]);
    let told: Vec<_> = import.conflicts.iter().map(|one| (one.version, one.here.as_str())).collect();
    assert_eq!(
        told,
        [
            (1, "web calls cart"),
            (3, "web calls cart"),
            (4, "vip stands for cart: all calls"),
            (5, "symptom-1 was judged right"),
            (7, "incident-1 was confirmed to be caused by cart"),
            (8, "weights of channels were learnt here from other causes; confirm it here"),
            (11, "a file gives 1 nodes, 0 edges and 0 other names"),
        ]
    );
    assert_eq!((import.known, import.history), (2, 1));
}
