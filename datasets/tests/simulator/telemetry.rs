use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use sha2::{Digest as _, Sha256};
use theriac_datasets::simulator::{FaultKind, Scenario, World};

use super::{at, with_fault};

fn lines(scenario: &Scenario, seconds: i64) -> Vec<Value> {
    let mut world = World::new(scenario);
    let emitted = world.advance(at(&world, seconds));
    emitted.otlp.iter().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn attributes(holder: &Value) -> BTreeMap<String, String> {
    let list = holder["attributes"].as_array().map(Vec::as_slice).unwrap_or_default();
    let pair = |a: &Value| {
        let value = a["value"].as_object().unwrap().values().next().unwrap();
        (a["key"].as_str().unwrap().to_owned(), value.as_str().unwrap().to_owned())
    };
    list.iter().map(pair).collect()
}

/// All items with the attributes of their resource: `what` is Metrics, Logs or Spans.
fn items(
    lines: &[Value],
    resources: &str,
    scopes: &str,
    list: &str,
) -> Vec<(BTreeMap<String, String>, Value)> {
    let mut found = Vec::new();
    for resource in lines.iter().filter_map(|line| line[resources].as_array()).flatten() {
        for scope in resource[scopes].as_array().unwrap() {
            for item in scope[list].as_array().unwrap() {
                found.push((attributes(&resource["resource"]), item.clone()));
            }
        }
    }
    found
}

/// Value of a sum or gauge of an instance in each collection.
fn track(lines: &[Value], instance: &str, metric: &str, having: &str) -> Vec<f64> {
    let mut values = Vec::new();
    for (resource, item) in items(lines, "resourceMetrics", "scopeMetrics", "metrics") {
        if resource.get("service.instance.id").is_some_and(|id| id == instance) && item["name"] == metric {
            let data = item.get("gauge").or_else(|| item.get("sum")).unwrap();
            for point in data["dataPoints"].as_array().unwrap() {
                if having.is_empty() || attributes(point).values().any(|value| value == having) {
                    let whole = point["asInt"].as_str().map(|text| text.parse::<f64>().unwrap());
                    values.push(whole.or(point["asDouble"].as_f64()).unwrap());
                }
            }
        }
    }
    values
}

#[test]
fn a_leak_shows_in_memory_and_restarts() {
    let lines = lines(&with_fault(FaultKind::MemoryLeak, "cart"), 600);
    let memory = track(&lines, "cart-1", "process.memory.usage", "");
    let ordinary = memory[..20].iter().copied().fold(0.0, f64::max);
    assert!(memory.iter().copied().fold(0.0, f64::max) > 2.0 * ordinary);
    let restarts = track(&lines, "cart-1", "container.restarts", "");
    assert!(restarts.windows(2).all(|pair| pair[0] <= pair[1]));
    assert!(*restarts.last().unwrap() >= 2.0, "the deploy and at least one death");
    let other = track(&lines, "shop-1", "container.restarts", "");
    assert_eq!(*other.last().unwrap(), 0.0);
    let last_words = items(&lines, "resourceLogs", "scopeLogs", "logRecords");
    assert!(last_words.iter().any(|(r, log)| r["service.name"] == "cart"
        && log["body"]["stringValue"] == "java.lang.OutOfMemoryError: heap space"));
}

#[test]
fn a_crash_loop_repeats_its_last_words() {
    let lines = lines(&with_fault(FaultKind::CrashLoop, "cart/cart-2"), 600);
    let restarts = track(&lines, "cart-2", "container.restarts", "");
    assert!(*restarts.last().unwrap() >= 8.0, "{restarts:?}");
    let said: Vec<_> = items(&lines, "resourceLogs", "scopeLogs", "logRecords")
        .into_iter()
        .filter(|(r, log)| {
            r.get("service.instance.id").is_some_and(|id| id == "cart-2") && log["severityNumber"] == 17
        })
        .map(|(_, log)| log["body"]["stringValue"].as_str().unwrap().to_owned())
        .collect();
    assert!(said.len() >= 8);
    assert_eq!(said.iter().collect::<BTreeSet<_>>().len(), 1);
}

#[test]
fn a_liar_looks_well_and_is_contradicted_by_its_peers() {
    let lines = lines(&with_fault(FaultKind::ByzantineReplica, "catalog/catalog-2"), 300);
    assert!(track(&lines, "catalog-2", "health.status", "").iter().all(|status| *status == 1.0));
    let growth = |peer: &str| -> f64 {
        (1..=3)
            .map(|n| {
                let counts = track(&lines, &format!("shop-{n}"), "business.orders.mismatch", peer);
                counts.last().unwrap() - counts[20]
            })
            .sum()
    };
    assert!(growth("catalog-2") > 1000.0);
    assert!(growth("catalog-1") < 30.0 && growth("cart-2") < 30.0);
    for (resource, span) in items(&lines, "resourceSpans", "scopeSpans", "spans") {
        if resource["service.instance.id"] == "catalog-2" {
            assert_eq!(span["status"]["code"], 0, "no error of its own: {span}");
        } else if span["status"]["code"] == 2
            && attributes(&span).get("error.type").is_some_and(|e| e == "mismatch")
        {
            assert_eq!(span["kind"], 3);
        }
    }
    let wrong = items(&lines, "resourceSpans", "scopeSpans", "spans")
        .iter()
        .filter(|(_, span)| attributes(span).get("peer.instance").is_some_and(|peer| peer == "catalog-2"))
        .filter(|(_, span)| span["status"]["code"] == 2)
        .count();
    assert!(wrong > 50);
}

#[test]
fn spans_form_trees_and_clients_name_their_peers() {
    let lines = lines(&Scenario::default(), 60);
    let spans = items(&lines, "resourceSpans", "scopeSpans", "spans");
    let by_id: BTreeMap<&str, &(BTreeMap<String, String>, Value)> =
        spans.iter().map(|entry| (entry.1["spanId"].as_str().unwrap(), entry)).collect();
    assert_eq!(by_id.len(), spans.len(), "ids are unique");
    let mut edges = BTreeSet::new();
    for (resource, span) in &spans {
        let Some((parent_resource, parent)) = span["parentSpanId"].as_str().and_then(|id| by_id.get(id))
        else {
            continue;
        };
        assert_eq!(span["traceId"], parent["traceId"]);
        if span["kind"] == 2 {
            assert_eq!(parent["kind"], 3, "the parent of a server span is a client span");
            assert_eq!(attributes(parent)["peer.service"], resource["service.name"]);
            assert_eq!(attributes(parent)["peer.instance"], resource["service.instance.id"]);
        } else {
            assert_eq!(resource, parent_resource);
            edges.insert((resource["service.name"].clone(), attributes(span)["peer.service"].clone()));
        }
    }
    let expected = [
        ("catalog", "database"),
        ("gateway", "shop"),
        ("payment", "bank"),
        ("shop", "cart"),
        ("shop", "catalog"),
        ("shop", "payment"),
    ];
    assert_eq!(edges, expected.map(|(a, b)| (a.to_owned(), b.to_owned())).into());
    assert!(spans.iter().all(|(resource, _)| resource["service.name"] != "bank"), "the bank tells nothing");
}

#[test]
fn histograms_are_cumulative_and_whole() {
    let lines = lines(&Scenario::default(), 120);
    let mut last: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for (resource, metric) in items(&lines, "resourceMetrics", "scopeMetrics", "metrics") {
        let Some(points) = metric["histogram"]["dataPoints"].as_array() else { continue };
        for point in points {
            let number = |value: &Value| value.as_str().unwrap().parse::<u64>().unwrap();
            let counts: Vec<u64> = point["bucketCounts"].as_array().unwrap().iter().map(number).collect();
            assert_eq!(counts.len(), point["explicitBounds"].as_array().unwrap().len() + 1);
            assert_eq!(counts.iter().sum::<u64>(), number(&point["count"]));
            let key = format!("{resource:?}{}{:?}", metric["name"], attributes(point));
            if let Some(before) = last.insert(key, counts.clone()) {
                assert!(before.iter().zip(&counts).all(|(a, b)| a <= b));
            }
        }
    }
    assert!(last.len() > 30);
}

#[test]
fn the_volume_is_moderate_and_the_truth_stays_inside() {
    let scenario = Scenario::demo(3);
    let mut world = World::new(&scenario);
    let emitted = world.advance(scenario.start.plus(scenario.horizon));
    let ticks = scenario.horizon.as_seconds() / f64::from(scenario.tick_seconds);
    let bytes: usize = emitted.otlp.iter().map(String::len).sum();
    assert!(bytes as f64 / ticks < 400_000.0, "{} bytes a tick", bytes as f64 / ticks);
    let words = [
        "fault",
        "leak",
        "crash_loop",
        "byzantine",
        "inject",
        "benign",
        "slow_dependency",
        "error_burst",
        "decoy",
    ];
    for line in &emitted.otlp {
        for word in words {
            assert!(!line.contains(word), "`{word}` in the telemetry");
        }
    }
}

#[test]
fn nothing_is_shed_while_all_is_well() {
    let mut world = World::new(&Scenario::default());
    world.advance(at(&world, 900));
    assert_eq!(world.statistics().telemetry_shed, 0);
}

#[test]
fn storms_of_logs_are_shed_and_counted_but_changes_are_kept() {
    let mut scenario = with_fault(FaultKind::BadDeploy, "cart");
    scenario.telemetry.logs_max = 20;
    let mut world = World::new(&scenario);
    let emitted = world.advance(at(&world, 200));
    assert!(world.statistics().telemetry_shed > 100);
    assert!(emitted.otlp.iter().any(|line| line.contains(r#""eventName":"deploy""#)));
}

/// What `tests/reference/check_otlp.py` found when it read the same bytes with the parser of
/// the official protobuf definitions.
#[test]
fn the_official_parser_read_these_bytes() {
    let verdict: Value = serde_json::from_str(include_str!("../reference/otlp_verdict.json")).unwrap();
    let scenario = Scenario::demo(verdict["seed"].as_u64().unwrap());
    let mut world = World::new(&scenario);
    let emitted = world.advance(at(&world, verdict["seconds"].as_i64().unwrap()));
    let mut hasher = Sha256::new();
    for line in &emitted.otlp {
        hasher.update(line.as_bytes());
        hasher.update(b"\n");
    }
    let digest: String = hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(
        verdict["sha256"].as_str().unwrap(),
        digest,
        "the telemetry has changed: run tests/reference/check_otlp.py over it again"
    );
    let lines: Vec<Value> = emitted.otlp.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let counts = [
        ("lines", lines.len()),
        ("metrics", items(&lines, "resourceMetrics", "scopeMetrics", "metrics").len()),
        ("logs", items(&lines, "resourceLogs", "scopeLogs", "logRecords").len()),
        ("spans", items(&lines, "resourceSpans", "scopeSpans", "spans").len()),
    ];
    for (name, count) in counts {
        assert_eq!(verdict[name].as_u64().unwrap(), count as u64, "{name}");
    }
}
