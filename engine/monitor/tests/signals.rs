//! What ticks hold of points and spans, and the changes that both show.

mod rows;

use rows::{CART, Row, SHOP, at, run, settings, value};

#[test]
fn a_sum_becomes_a_rate_and_survives_a_restart() {
    let sum = |ms, start_ms, value| Row::Sum { ms, start_ms, name: "jobs", value };
    // 20 in 10 s; then a restart: 5 since the last point; then 30 in 10 s.
    let rows = [sum(0, 0, 100.0), sum(10_000, 0, 120.0), sum(20_000, 15_000, 5.0), sum(30_000, 15_000, 35.0)];
    let (monitor, ticks) = run(&rows, settings());
    let rates: Vec<f64> =
        ticks.iter().map(|tick| value(&monitor, tick, "default|cart/cart-1|jobs.rate|{}")).collect();
    assert!(rates[0].is_nan());
    assert_eq!(rates[1..], [2.0, 0.5, 3.0]);
}

#[test]
fn a_point_of_a_sum_that_comes_twice_counts_once() {
    let sum = |ms, value| Row::Sum { ms, start_ms: 0, name: "jobs", value };
    let rows = [sum(0, 100.0), sum(10_000, 120.0), sum(10_000, 120.0), sum(20_000, 150.0)];
    let (monitor, ticks) = run(&rows, settings());
    let rates: Vec<f64> =
        ticks.iter().map(|tick| value(&monitor, tick, "default|cart/cart-1|jobs.rate|{}")).collect();
    assert_eq!(rates[1..], [2.0, 3.0]);
}

#[test]
fn a_process_that_begins_anew_is_a_change_once() {
    let sum = |ms, start_ms, name, value| Row::Sum { ms, start_ms, name, value };
    let rows = [
        sum(0, 0, "jobs", 100.0),
        sum(0, 0, "mails", 3.0),
        sum(20_000, 15_000, "jobs", 5.0),
        sum(20_000, 15_100, "mails", 1.0),
        sum(30_000, 15_000, "jobs", 35.0),
    ];
    let (_, ticks) = run(&rows, settings());
    let changes: Vec<_> = ticks.iter().flat_map(|tick| &tick.changes).collect();
    assert_eq!(changes.len(), 1, "{changes:?}");
    assert_eq!((changes[0].entity.as_str(), changes[0].kind.as_str()), ("cart/cart-1", "restart"));
    assert_eq!(changes[0].at, at(15_000));
}

#[test]
fn requests_are_added_over_how_they_ended() {
    let requests = |ms, status, count, sum, buckets: [f64; 3]| Row::Requests {
        ms,
        status,
        count,
        sum,
        buckets: buckets.to_vec(),
    };
    let rows = [
        requests(0, 200, 100, 5.0, [100.0, 0.0, 0.0]),
        requests(10_000, 200, 130, 8.0, [130.0, 0.0, 0.0]),
        // The first failures ever: all of them happened since the last report.
        requests(10_001, 500, 10, 5.0, [0.0, 10.0, 0.0]),
    ];
    let (monitor, ticks) = run(&rows, settings());
    let of = |suffix: &str, attributes: &str| {
        let key = format!("default|cart/cart-1|http.server.request.duration.{suffix}|{attributes}");
        value(&monitor, &ticks[1], &key)
    };
    for attributes in ["{}", r#"{"http.route":"/cart"}"#] {
        assert_eq!(of("error_ratio", attributes), 0.25);
        assert_eq!(of("rate", attributes), 40.0 / 10.001);
        assert_eq!(of("mean", attributes), 8.0 / 40.0);
        // Rank 38 of 40 is 8 of 10 into the bucket from 0.1 to 1.
        assert!((of("p95", attributes) - 0.82).abs() < 1e-12);
    }
}

#[test]
fn a_call_is_an_edge_whether_the_caller_names_it_or_the_child_shows_it() {
    for peer in [true, false] {
        let span = |ms, duration_ms, id, parent, resource, error| Row::Span {
            ms,
            duration_ms,
            id,
            parent,
            resource,
            peer: peer && resource == SHOP,
            error,
        };
        // The child ends, and comes, before its parent.
        let rows = [span(900, 400, 2, Some(1), CART, true), span(1_000, 600, 1, None, SHOP, true)];
        let (monitor, ticks) = run(&rows, settings());
        let of = |key: &str| value(&monitor, &ticks[0], key);
        assert_eq!(of("default|shop->cart|edge.count|{}"), 1.0);
        assert_eq!(of("default|shop->cart|edge.duration.mean|{}"), if peer { 0.6 } else { 0.4 });
        assert_eq!(of("default|shop->cart/cart-1|edge.error_ratio|{}"), 1.0);
        assert_eq!(of(r#"default|cart|span.count|{"operation":"GET /"}"#), 1.0);
        assert_eq!(of(r#"default|cart/cart-1|span.duration.p95|{"operation":"GET /"}"#), 0.4);
        let calls = ticks[0].edges.iter().filter(|edge| edge.from.as_str() == "shop");
        assert!(calls.clone().any(|edge| edge.to.as_str() == "cart/cart-1"));
        assert!(ticks[0].edges.iter().any(|edge| edge.to.as_str() == "host:node-1"));
    }
}

#[test]
fn what_is_registered_against_trouble_is_kept_with_the_changes() {
    for kind in [theriac_contract::Change::CHECKPOINT, theriac_contract::Change::COMPENSATOR] {
        let (_, ticks) =
            run(&[Row::Log { ms: 5, severity: 9, body: format!("{kind} of the orders") }], settings());
        let [change] = ticks[0].changes.as_slice() else { panic!("{:?}", ticks[0].changes) };
        assert_eq!(
            (change.entity.as_str(), change.kind.as_str(), change.to.as_str()),
            ("cart/cart-1", kind, "2")
        );
        assert!(change.is_harmless());
    }
}

#[test]
fn a_deploy_is_a_change() {
    let (_, ticks) = run(&[Row::Log { ms: 5, severity: 9, body: "deploy of cart".into() }], settings());
    let change = &ticks[0].changes[0];
    assert_eq!(
        (change.entity.as_str(), change.kind.as_str(), change.to.as_str()),
        ("cart/cart-1", "deploy", "2")
    );
}
