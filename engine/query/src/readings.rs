//! What is known as rows: the members that the columns of the tables name.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use theriac_contract::{Entity, Judgement, Snapshot, Timestamp};

use crate::tables::Reading;

/// The rows of one part of what is known, in its order.
pub(crate) fn rows(reading: Reading, known: &Snapshot) -> Vec<Value> {
    let Snapshot { topology, .. } = known;
    let mut rows: Vec<Value> = match reading {
        Reading::Beliefs => known.beliefs.iter().map(|(key, belief)| {
            let mut parts = key.splitn(3, '|');
            let mut part = || parts.next().unwrap_or_default().to_owned();
            let (fault, strategy, service) = (part(), part(), part());
            let service = Some(service).filter(|service| service != "*");
            json!({ "fault": fault, "strategy": strategy, "service": service, "successes": belief.successes, "failures": belief.failures })
        }).collect(),
        Reading::Thresholds => known.judgements.iter().map(|(measure, judgement)| {
            let Judgement { right, noise } = judgement;
            json!({ "measure": measure, "right": right, "noise": noise, "decades": judgement.decades() })
        }).collect(),
        Reading::Nodes => {
            let of_edges = topology.edges.iter().flat_map(|(from, to, _)| [from, to]);
            let nodes: BTreeSet<&Entity> = topology.instances.values().flatten().chain(of_edges).collect();
            nodes.into_iter().map(|node| json!({ "entity": node, "kind": topology.kind_of(node) })).collect()
        }
        Reading::Edges => topology.edges.iter().map(|edge| {
            let (from, to, kind) = edge;
            let life = topology.life(edge);
            json!({
                "from": from, "to": to, "kind": kind,
                // What always was there has no beginning.
                "since": life.map(|life| life.since).filter(|since| *since > Timestamp::MIN),
                "given": life.map(|life| life.given),
                "per_second": life.and_then(|life| life.per_second),
            })
        }).collect(),
        Reading::Aliases => topology.aliases.iter().map(|(name, alias)| {
            json!({ "name": name, "stands_for": alias.of, "given": alias.given, "reason": alias.reason })
        }).collect(),
        Reading::Distrusted => known.distrusted.iter().map(|(entity, distrust)| {
            json!({ "entity": entity, "since": distrust.since, "signals": distrust.signals, "incident": distrust.incident, "reason": distrust.reason })
        }).collect(),
        Reading::Changes => known.changes.iter().map(|change| json!(change)).collect(),
        Reading::Templates => known.templates.iter().map(|template| json!(template)).collect(),
        Reading::Precedents => known.precedents.iter().map(|precedent| json!(precedent)).collect(),
    };
    for row in rows.iter_mut().filter_map(Value::as_object_mut) {
        row.insert("version".to_owned(), known.version.into());
    }
    rows
}
