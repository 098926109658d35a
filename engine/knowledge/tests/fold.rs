//! The fold against what the log alone says.

use proptest::prelude::*;
use theriac_contract::{
    Belief, Change, Checkpointed, EdgeKind, EdgeObservation, Entity, Fact, FaultClass, HoldKind, Id,
    Interval, LogTemplate, RecordedFact, Sightings, Snapshot, TemplateReplacement, Tick, Timestamp,
    VerificationVerdict,
};
use theriac_knowledge::{Knowledge, KnowledgeError, Settings, as_of, diff, line};

fn verified(verdict: VerificationVerdict, learn: bool) -> Fact {
    Fact::Verified {
        plan: Id("plan-1".into()),
        incident: Id("incident-1".into()),
        fault: "memory_leak".into(),
        strategy: "restart".into(),
        service: "cart".into(),
        verdict,
        learn,
    }
}

fn change(at: i64) -> Change {
    let text = str::to_owned;
    let (kind, from, to, description) = (text("deploy"), text("1"), text("2"), String::new());
    Change { at: Timestamp(at), entity: Entity(text("cart")), kind, from, to, description }
}

fn says(text: &str) -> LogTemplate {
    LogTemplate { service: Entity("cart".into()), severity: "error".into(), text: text.into() }
}

fn replaced(text: &str, by: &[&str]) -> TemplateReplacement {
    let by = by.iter().map(|text| (*text).to_owned()).collect();
    TemplateReplacement { service: Entity("cart".into()), text: text.into(), by }
}

fn confirmed(weights: &str) -> Fact {
    Fact::CauseConfirmed {
        incident: Id("incident-1".into()),
        cause: Some(Entity("cart".into())),
        fault: "hang".into(),
        shown: vec!["self:traffic:down".into()],
        weights: weights.into(),
        reason: "seen".into(),
    }
}

fn about_acting() -> impl Strategy<Value = Fact> {
    let (by, reason) = ("ada", "I looked");
    let (by, reason) = (move || by.to_owned(), move || reason.to_owned());
    let plan = |number: u8| Id(format!("plan-{number}"));
    prop_oneof![
        (0..4_u8).prop_map(move |n| Fact::PlanApproved { plan: plan(n), by: by(), reason: reason() }),
        (0..4_u8).prop_map(move |n| Fact::PlanRejected { plan: plan(n), by: by(), reason: reason() }),
        Just(Fact::ActingHeld { kind: HoldKind::Pause, by: by(), reason: reason() }),
        Just(Fact::ActingHeld { kind: HoldKind::Kill, by: by(), reason: reason() }),
        Just(Fact::ActingResumed { by: by(), reason: reason() }),
    ]
}

fn left_alone(ended: bool) -> Fact {
    Fact::LeftAlone {
        incident: Id("incident-1".into()),
        fault: "hang".into(),
        class: FaultClass::Transient,
        ended,
        within: Interval::from_seconds(60),
    }
}

fn fact() -> impl Strategy<Value = Fact> {
    let entity = (0..4_u8, 0..3_u8).prop_map(|(s, i)| Entity(format!("s{s}/i{i}")));
    let verdict = prop_oneof![
        Just(VerificationVerdict::Recovered),
        Just(VerificationVerdict::NotRecovered),
        Just(VerificationVerdict::Unknown),
    ];
    prop_oneof![
        entity.clone().prop_map(|entity| Fact::EntitySeen { entity }),
        (entity.clone(), entity).prop_map(|(from, to)| Fact::EdgeSeen { from, to, kind: EdgeKind::Calls }),
        (0..50_i64).prop_map(|at| Fact::Changed { change: change(at) }),
        (0..3_u8).prop_map(|text| Fact::TemplateSeen { template: says(&format!("order <*> failed {text}")) }),
        (0..3_u8)
            .prop_map(|text| Fact::TemplateReplaced { replacement: replaced(&text.to_string(), &["a"]) }),
        (verdict, any::<bool>()).prop_map(|(verdict, learn)| verified(verdict, learn)),
        (0..9_u8).prop_map(|weights| confirmed(&weights.to_string())),
        (0..60_u64).prop_map(|to| Fact::RolledBack { to, reason: "bad".into() }),
        (0..60_u64).prop_map(|version| Fact::Reverted { version, what: "it".into(), reason: "bad".into() }),
        about_acting(),
        any::<bool>().prop_map(left_alone),
    ]
}

fn recorded(facts: Vec<Fact>) -> (Knowledge, Vec<RecordedFact>) {
    let mut knowledge = Knowledge::new();
    let log = facts.into_iter().flat_map(|fact| knowledge.append(Timestamp(7), vec![fact])).collect();
    (knowledge, log)
}

proptest! {
    #[test]
    fn every_version_can_be_had_from_the_log(facts in prop::collection::vec(fact(), 0..60)) {
        let mut knowledge = Knowledge::new();
        let mut seen = vec![Snapshot::default()];
        let mut log = Vec::new();
        for fact in facts {
            let given = knowledge.append(Timestamp(7), vec![fact]);
            if !given.is_empty() {
                seen.push(knowledge.snapshot().clone());
            }
            log.extend(given);
        }
        for (version, expected) in seen.iter().enumerate() {
            prop_assert_eq!(&as_of(&log, version as u64), expected);
        }
        // A rollback gives the readings of the version it names, under a new version.
        for entry in &log {
            if let Fact::RolledBack { to, .. } = entry.fact {
                let mut expected = seen[to as usize].clone();
                expected.version = entry.version;
                // What people said about acting stays.
                expected.control = seen[entry.version as usize - 1].control.clone();
                prop_assert_eq!(&seen[entry.version as usize], &expected);
            }
        }
        let mut folded = Knowledge::new();
        for entry in &log {
            prop_assert_eq!(folded.fold(entry), Ok(()));
        }
        prop_assert_eq!(folded, knowledge);
    }

    #[test]
    fn going_on_from_a_checkpoint_is_never_having_stopped(
        facts in prop::collection::vec(fact(), 0..60), at in 0..60_usize, most in 1..20_usize,
    ) {
        let settings = Settings { facts_max: most, changes_max: 5 };
        let mut straight = Knowledge::with(settings.clone());
        let mut stopped = Knowledge::with(settings.clone());
        for (i, fact) in facts.into_iter().enumerate() {
            let expected = straight.append(Timestamp(i as i64), vec![fact.clone()]);
            prop_assert_eq!(stopped.append(Timestamp(i as i64), vec![fact]), expected);
            if i == at {
                let tables = Checkpointed::snapshot(&stopped).unwrap();
                stopped = Knowledge::with(settings.clone());
                stopped.restore(&tables).unwrap();
            }
        }
        prop_assert_eq!(&straight, &stopped);
        // Merging old facts does not show, where they are still reached.
        let now = straight.at(straight.version());
        prop_assert_eq!(now.as_ref(), Some(straight.snapshot()));
    }
}

#[test]
fn learns_from_verified_outcomes_alone() {
    let facts = vec![
        verified(VerificationVerdict::Recovered, true),
        verified(VerificationVerdict::NotRecovered, true),
        verified(VerificationVerdict::Recovered, true),
        verified(VerificationVerdict::Unknown, true),
        verified(VerificationVerdict::Recovered, false),
    ];
    let (knowledge, _) = recorded(facts);
    for service in [Some("cart"), None] {
        let belief = knowledge.snapshot().belief("memory_leak", "restart", service);
        assert_eq!(belief, Belief { successes: 2.0, failures: 1.0 });
    }
    assert_eq!(knowledge.snapshot().beliefs.len(), 2);
}

#[test]
fn a_tick_tells_everything_once() {
    let edge = EdgeObservation {
        from: Entity("web/1".into()),
        to: Entity("cart/1".into()),
        kind: EdgeKind::Calls,
        count: 3,
        served: 3,
    };
    let tick = Tick {
        step: Interval::from_seconds(10),
        edges: vec![edge],
        changes: vec![change(3), change(3)],
        ..Tick::default()
    };
    let mut knowledge = Knowledge::new();
    let (at, seen) = (tick.end(), Sightings::of(&tick));
    assert_eq!(knowledge.news(&seen), seen);
    let lines: Vec<_> = knowledge.observe(at, &seen).iter().map(|fact| line(fact)[40..].to_owned()).collect();
    assert_eq!(
        lines,
        ["web/1 seen", "cart/1 seen", "cart seen", "web/1 calls cart/1", "deploy of cart from `1` to `2`"]
    );
    assert_eq!(knowledge.observe(at, &seen), []);
    assert!(knowledge.news(&seen).is_empty());
    assert_eq!(knowledge.snapshot().topology.callees("web"), ["cart"]);
}

#[test]
fn refuses_gaps_and_the_future() {
    let (_, log) = recorded(vec![verified(VerificationVerdict::Recovered, true); 3]);
    let mut knowledge = Knowledge::new();
    assert_eq!(knowledge.fold(&log[1]), Err(KnowledgeError::Gap { last: 0, found: 2 }));
    knowledge.fold(&log[0]).unwrap();
    let future = Fact::RolledBack { to: 2, reason: String::new() };
    let future = RecordedFact { fact: future, ..log[1].clone() };
    assert_eq!(knowledge.fold(&future), Err(KnowledgeError::Future { version: 2, to: 2 }));
}

#[test]
fn says_what_differs() {
    let (knowledge, _) = recorded(vec![
        Fact::EntitySeen { entity: Entity("cart/1".into()) },
        Fact::TemplateSeen { template: says("order <*> failed") },
        verified(VerificationVerdict::Recovered, true),
    ]);
    let lines: Vec<_> =
        diff(&Snapshot::default(), knowledge.snapshot()).iter().map(ToString::to_string).collect();
    assert_eq!(
        lines,
        [
            "+ cart/1",
            "+ cart says (error): order <*> failed",
            "~ memory_leak|restart|*: nothing known -> 1 of 1 helped",
            "~ memory_leak|restart|cart: nothing known -> 1 of 1 helped",
        ]
    );
    assert_eq!(diff(knowledge.snapshot(), knowledge.snapshot()), []);
}

#[test]
fn what_a_service_says_becomes_known_once() {
    let sightings = Sightings { templates: vec![says("order <*> failed")], ..Sightings::default() };
    let mut knowledge = Knowledge::new();
    let facts = knowledge.observe(Timestamp(7), &sightings);
    assert_eq!(facts.iter().map(|fact| fact.version).collect::<Vec<_>>(), [1]);
    assert_eq!(
        line(&facts[0]).trim_start(),
        "1  1970-01-01T00:00:00.000000007Z  cart says (error): order <*> failed"
    );
    assert!(knowledge.observe(Timestamp(8), &sightings).is_empty());
    assert!(knowledge.snapshot().templates.contains(&says("order <*> failed")));
}

#[test]
fn what_became_of_a_template_is_known_once_and_can_be_gone_back_from() {
    let split = replaced("<*> is done", &["<*> is done", "<*> is (done)"]);
    let merged = replaced("ann is in", &["<*> is in"]);
    let sightings = Sightings { replaced: vec![split, merged], ..Sightings::default() };
    let mut knowledge = Knowledge::new();
    let facts = knowledge.observe(Timestamp(7), &sightings);
    let lines: Vec<String> = facts.iter().map(line).collect();
    assert!(lines[0].ends_with("cart: `<*> is done` turned out to be `<*> is done` and `<*> is (done)`"));
    assert!(lines[1].ends_with("cart: `ann is in` is the same as `<*> is in`"), "{lines:?}");
    assert!(knowledge.observe(Timestamp(8), &sightings).is_empty());
    assert_eq!(
        diff(&as_of(&facts, 1), knowledge.snapshot()).iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["+ cart: `ann is in` is the same as `<*> is in`"]
    );
    knowledge.append(Timestamp(9), vec![Fact::RolledBack { to: 1, reason: "not so".into() }]);
    assert_eq!(knowledge.snapshot().replaced_templates.len(), 1);
    let parts = sightings.clone().parts(1);
    assert_eq!(parts.len(), 2);
    let mut joined = Sightings::default();
    parts.into_iter().rev().for_each(|part| joined.extend(part));
    let mut sorted = sightings.replaced;
    sorted.sort();
    assert_eq!(joined.replaced, sorted);
}

#[test]
fn what_was_learnt_from_causes_can_be_gone_back_from() {
    let back = Fact::RolledBack { to: 1, reason: "not so".into() };
    let (knowledge, log) = recorded(vec![confirmed("one"), confirmed("two"), back]);
    assert_eq!(knowledge.snapshot().channel_weights, "one");
    assert_eq!(as_of(&log, 2).channel_weights, "two");
    let causes =
        |version| as_of(&log, version).precedents.iter().map(|one| one.fault.clone()).collect::<Vec<_>>();
    assert_eq!((causes(0), causes(2)), (vec![], vec!["hang".to_owned()]), "the same incident, once");
    assert_eq!(
        diff(&as_of(&log, 0), &as_of(&log, 2)).iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["~ weights of channels: none learnt -> two"]
    );
    let told = line(&log[1]);
    assert!(told.ends_with("incident-1 confirmed to be caused by cart: seen"), "{told}");
}

#[test]
fn one_fact_is_reverted_and_the_revert_as_well() {
    let revert = |version, what: &str| Fact::Reverted { version, what: what.into(), reason: "worse".into() };
    let seen = |name: &str| Fact::EntitySeen { entity: Entity(name.into()) };
    let facts =
        vec![seen("cart"), confirmed("one"), seen("payment"), revert(2, "a cause"), revert(4, "the revert")];
    let (knowledge, log) = recorded(facts);
    let read = |version| {
        let known = as_of(&log, version);
        (
            known.channel_weights.clone(),
            known.precedents.len(),
            known.topology.knows(&Entity("payment".into())),
        )
    };
    assert_eq!(read(3), ("one".to_owned(), 1, true));
    assert_eq!(read(4), (String::new(), 0, true), "what became known since stays");
    assert_eq!(read(5), ("one".to_owned(), 1, true));
    assert_eq!(&as_of(&log, 5), knowledge.snapshot());
    assert!(line(&log[3]).ends_with("reverted version 2, a cause: worse"), "{}", line(&log[3]));
    // As if it had never been: but for the number of the version, and that it is a watershed.
    let (never, _) = recorded(vec![seen("cart"), seen("payment")]);
    let (without, never) = (as_of(&log, 4), never.snapshot().clone());
    assert_eq!(
        without.watersheds.iter().map(|one| one.what.as_str()).collect::<Vec<_>>(),
        ["the revert of a cause"]
    );
    assert_eq!(Snapshot { watersheds: vec![], version: 0, ..without }, Snapshot { version: 0, ..never });
}

#[test]
fn a_fact_about_a_version_can_be_read_again() {
    let worsened = Fact::KnowledgeWorsened {
        version: 1,
        what: "a cause".into(),
        recovered_before: 36,
        of_before: 40,
        recovered_since: 1,
        of_since: 8,
        chance: 0.001,
    };
    let reverted = Fact::Reverted { version: 1, what: "a cause".into(), reason: "worse".into() };
    let (_, log) = recorded(vec![confirmed("one"), worsened, reverted]);
    assert_eq!(log.len(), 3);
    for fact in log {
        let text = serde_json::to_string(&fact).unwrap();
        assert_eq!(text.matches("\"version\":").count(), 1, "{text}");
        assert_eq!(serde_json::from_str::<RecordedFact>(&text).unwrap(), fact);
    }
}

#[test]
fn what_memory_no_longer_holds_cannot_be_reverted() {
    let revert = |version| Fact::Reverted { version, what: "it".into(), reason: "worse".into() };
    let mut knowledge = Knowledge::with(Settings { facts_max: 3, changes_max: 5 });
    for weights in ["one", "two", "three", "four", "five"] {
        assert_eq!(knowledge.append(Timestamp(7), vec![confirmed(weights)]).len(), 1);
    }
    assert!(knowledge.append(Timestamp(7), vec![revert(1)]).is_empty(), "it is left out");
    assert!(knowledge.append(Timestamp(7), vec![revert(9)]).is_empty(), "that is to come");
    assert_eq!(knowledge.snapshot().channel_weights, "five");
    assert_eq!(knowledge.append(Timestamp(7), vec![revert(5)]).len(), 1);
    assert_eq!(knowledge.snapshot().channel_weights, "four");
}

#[test]
fn nobody_starts_acting_again_by_going_back() {
    let held = Fact::ActingHeld { kind: HoldKind::Kill, by: "ada".into(), reason: "a flood".into() };
    let back = |to| Fact::RolledBack { to, reason: "not so".into() };
    let (knowledge, log) = recorded(vec![left_alone(true), held, left_alone(true), back(1)]);
    let known = knowledge.snapshot();
    let hold = known.control.hold.as_ref().unwrap();
    assert_eq!((hold.kind, hold.by.as_str(), hold.reason.as_str()), (HoldKind::Kill, "ada", "a flood"));
    let ended = known.left_alone("hang", FaultClass::Transient);
    assert_eq!(ended, Belief { successes: 1.0, failures: 0.0 }, "the rest has gone back");
    assert_eq!(as_of(&log, 1).control, theriac_contract::Control::default());
    assert_eq!(&as_of(&log, 4), known);
}

#[test]
fn how_strategies_fared_is_counted_before_and_after_what_may_change_decisions() {
    let yes = || verified(VerificationVerdict::Recovered, true);
    let no = || verified(VerificationVerdict::NotRecovered, true);
    let loaded = |text: &str| Fact::ConfigurationLoaded { configuration: text.into(), policy: "p".into() };
    let worsened = Fact::KnowledgeWorsened {
        version: 5,
        what: "the confirmed cause of incident-1".into(),
        recovered_before: 2,
        of_before: 3,
        recovered_since: 0,
        of_since: 2,
        chance: 0.001,
    };
    let facts = vec![loaded("a"), yes(), no(), yes(), confirmed("one"), no(), no(), worsened];
    let (knowledge, log) = recorded(facts);
    let watersheds: Vec<_> = knowledge
        .snapshot()
        .watersheds
        .iter()
        .map(|one| {
            let [before, after] = [one.before, one.after].map(|belief| (belief.successes, belief.failures));
            (one.version, one.what.as_str(), before, after, one.told)
        })
        .collect();
    assert_eq!(
        watersheds,
        [
            (1, "configuration a", (0.0, 0.0), (2.0, 3.0), false),
            (5, "the confirmed cause of incident-1", (2.0, 1.0), (0.0, 2.0), true)
        ]
    );
    let told = line(&log[7]);
    let text = "worse since version 5, the confirmed cause of incident-1: 0 of 2 plans recovered, before it 2 of 3 \
                (chance 1.0e-3); version 4 is the one to go back to";
    assert!(told.ends_with(text), "{told}");
}
