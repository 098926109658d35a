//! Tables of knowledge as they were, against the fold of the facts up to there.

mod memory;

use memory::Memory;
use proptest::prelude::*;
use serde_json::Value;
use theriac_contract::{
    EdgeKind, Entity, Fact, Id, RecordedFact, Snapshot, Timestamp, Topic, VerificationVerdict,
};
use theriac_knowledge::{Knowledge, as_of};
use theriac_query::{json_lines, query};

fn fact() -> impl Strategy<Value = Fact> {
    let service = |number: u8| Entity(format!("s{number}"));
    let verdict = prop_oneof![Just(VerificationVerdict::Recovered), Just(VerificationVerdict::NotRecovered)];
    prop_oneof![
        (0..4_u8, 0..4_u8).prop_map(move |(from, to)| Fact::EdgeSeen {
            from: service(from),
            to: service(to),
            kind: EdgeKind::Calls
        }),
        (0..4_u8, 0..4_u8).prop_map(move |(from, to)| Fact::EdgeEnded {
            from: service(from),
            to: service(to),
            kind: EdgeKind::Calls
        }),
        (0..3_u8, verdict).prop_map(|(number, verdict)| Fact::Verified {
            plan: Id("plan-1".into()),
            incident: Id("incident-1".into()),
            fault: "memory_leak".into(),
            strategy: "restart".into(),
            service: format!("s{number}"),
            verdict,
            learn: true,
        }),
        (0..3_u8, any::<bool>()).prop_map(|(number, right)| Fact::SymptomJudged {
            symptom: Id("symptom-1".into()),
            measure: format!("m{number}"),
            right,
            reason: String::new(),
        }),
        (0..20_u64).prop_map(|to| Fact::RolledBack { to, reason: "bad".into() }),
    ]
}

/// A fact every ten seconds.
fn log(facts: Vec<Fact>) -> Vec<RecordedFact> {
    let mut knowledge = Knowledge::new();
    let at = |number: i64| Timestamp::from_seconds(10 * number);
    (1..).zip(facts).flat_map(|(number, fact)| knowledge.append(at(number), vec![fact])).collect()
}

fn memory(log: &[RecordedFact]) -> Memory {
    log.iter().fold(Memory::default(), |memory, fact| memory.with(Topic::Knowledge, fact))
}

fn ask(memory: &Memory, sql: &str) -> Vec<Value> {
    let lines = json_lines(&query(memory, sql).expect("a question with an answer")).expect("rows");
    lines.lines().map(|line| serde_json::from_str(line).expect("a row is JSON")).collect()
}

fn beliefs(known: &Snapshot) -> Vec<Value> {
    let rows = known.beliefs.iter().map(|(key, belief)| {
        let service = key.rsplit('|').next().filter(|service| *service != "*");
        serde_json::json!({ "fault": "memory_leak", "strategy": "restart", "service": service,
            "successes": belief.successes, "failures": belief.failures })
    });
    rows.collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_past_version_is_the_fold_of_the_facts_up_to_it(
        facts in prop::collection::vec(fact(), 1..20), version in any::<prop::sample::Index>(), at in 0..210_i64,
    ) {
        let log = log(facts);
        let memory = memory(&log);
        let version = version.index(log.len() + 1) as u64;
        let at_time = log.iter().rfind(|fact| fact.at <= Timestamp::from_seconds(at)).map_or(0, |fact| fact.version);
        let time = format!("AS OF TIMESTAMP '{}'", Timestamp::from_seconds(at));
        for (moment, version) in [(format!("AS OF VERSION {version}"), version), (time, at_time)] {
            let known = as_of(&log, version);
            let found = ask(&memory, &format!("SELECT fault, strategy, service, successes, failures FROM beliefs {moment}"));
            prop_assert_eq!(found, beliefs(&known));
            let edges: Vec<Value> = known.topology.edges.iter().map(|(from, to, _)| serde_json::json!({"from": from, "to": to, "version": version})).collect();
            prop_assert_eq!(ask(&memory, &format!("SELECT e.\"from\", e.\"to\", version FROM topology_edges {moment} e")), edges);
            let thresholds: Vec<Value> = known.judgements.iter().map(|(measure, one)| serde_json::json!({"measure": measure, "decades": one.decades()})).collect();
            prop_assert_eq!(ask(&memory, &format!("SELECT measure, decades FROM thresholds {moment} WHERE right >= 0")), thresholds);
            let facts = ask(&memory, &format!("SELECT count(*) AS n FROM knowledge {moment}"));
            prop_assert_eq!(&facts[0]["n"], version);
        }
        let now = ask(&memory, "SELECT fault, strategy, service, successes, failures FROM beliefs");
        prop_assert_eq!(now, beliefs(&as_of(&log, u64::MAX)));
    }
}

#[test]
fn two_versions_can_be_held_against_each_other_and_others_are_refused() {
    let seen = |to: &str| Fact::EdgeSeen {
        from: Entity("web".into()),
        to: Entity(to.into()),
        kind: EdgeKind::Calls,
    };
    let memory = memory(&log(vec![seen("cart"), seen("bank")]));
    let sql = "SELECT b.\"to\" FROM topology_edges AS OF VERSION 2 b LEFT JOIN topology_edges AS OF VERSION 1 a \
               ON a.\"to\" = b.\"to\" WHERE a.\"to\" IS NULL";
    assert_eq!(ask(&memory, sql), [serde_json::json!({ "to": "bank" })]);
    let error = query(&memory, "SELECT * FROM beliefs AS OF VERSION 3").unwrap_err().to_string();
    assert_eq!(error, "there is no version 3: the log has versions 0 to 2");
    let kinds = ask(&memory, "SELECT entity, kind FROM topology_nodes WHERE entity = 'cart'");
    assert_eq!(kinds, [serde_json::json!({ "entity": "cart", "kind": "service" })]);
}
