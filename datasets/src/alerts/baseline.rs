//! The plainest ranking: who has the most distinct alerts.

use std::collections::{BTreeMap, BTreeSet};

use super::Alerts;
use crate::ranking::{Ranked, sort};

/// Instances by how many distinct alerts they have, the most first, equals as the nodes are listed. Calls
/// count by their kind and the side on which the instance is; that there are logs at all counts once.
#[must_use]
pub fn distinct_alerts(alerts: &Alerts) -> Vec<Ranked> {
    let mut tokens: BTreeMap<&str, BTreeSet<(&str, &str, &str)>> = BTreeMap::new();
    for alert in &alerts.metrics {
        tokens.entry(&alert.instance).or_default().insert(("metric", &alert.metric, &alert.direction));
    }
    for alert in &alerts.calls {
        tokens.entry(&alert.caller).or_default().insert(("call", "caller", &alert.kind));
        tokens.entry(&alert.callee).or_default().insert(("call", "callee", &alert.kind));
        if alert.caller == alert.callee {
            tokens.entry(&alert.callee).or_default().insert(("call", "within", &alert.kind));
        }
    }
    for alert in &alerts.logs {
        let own = tokens.entry(&alert.instance).or_default();
        own.insert(("log", "", ""));
        own.insert(("log", "template", alert.number()));
    }
    let count = |node: &String| tokens.get(node.as_str()).map_or(0, BTreeSet::len) as f64;
    let mut ranking: Vec<Ranked> =
        alerts.nodes.iter().map(|node| Ranked { name: node.clone(), score: count(node) }).collect();
    sort(&mut ranking);
    ranking
}

#[cfg(test)]
mod tests {
    use super::{
        super::{CallAlert, LogAlert, MetricAlert},
        *,
    };

    #[test]
    fn each_alert_counts_once() {
        let text = str::to_owned;
        let metric = MetricAlert { instance: text("b"), metric: text("cpu"), direction: text("up") };
        let call = CallAlert { caller: text("a"), callee: text("b"), operation: text("x"), kind: text("PD") };
        let alerts = Alerts {
            nodes: vec![text("a"), text("b")],
            metrics: vec![metric.clone(), metric],
            calls: vec![call.clone(), CallAlert { caller: text("c"), ..call }],
            logs: vec![LogAlert { instance: text("b"), template: text("b-4") }],
            ..Alerts::default()
        };
        let ranking = distinct_alerts(&alerts);
        assert_eq!((ranking[0].name.as_str(), ranking[0].score, ranking[1].score), ("b", 4.0, 1.0));
    }
}
