//! What ticks hold of log lines.

mod rows;

use rows::{Row, run, settings, value};
use theriac_contract::{Entity, TemplateReplacement, Tick};
use theriac_monitor::Monitor;

#[test]
fn what_counts_is_zero_while_its_entity_is_heard_and_absent_otherwise() {
    let rows = [
        Row::Gauge { ms: 0, value: 1.0 },
        Row::Log { ms: 1_000, severity: 17, body: "order 7 failed".into() },
        Row::Log { ms: 2_000, severity: 17, body: "order 8 failed".into() },
        Row::Gauge { ms: 10_000, value: 1.0 },
        Row::Gauge { ms: 30_000, value: 1.0 },
    ];
    let (monitor, ticks) = run(&rows, settings());
    let template = r#"default|cart/cart-1|log.template|{"severity":"error","template":"order <*> failed"}"#;
    for key in ["default|cart/cart-1|log.severity.error|{}", template] {
        let counts: Vec<f64> = ticks.iter().map(|tick| value(&monitor, tick, key)).collect();
        assert_eq!(counts[..2], [2.0, 0.0]);
        assert!(counts[2].is_nan());
        assert_eq!(counts[3], 0.0);
    }
    assert_eq!(ticks[0].examples.len(), 4);
    assert_eq!(ticks[0].examples[0].text, "order 7 failed");
}

#[test]
fn templates_that_become_one_are_one_series_from_then_on() {
    let log = |ms, user: &str| Row::Log {
        ms,
        severity: 17,
        body: format!("session opened for user {user} by (uid={ms})"),
    };
    let rows = [
        log(1_000, "ann"),
        log(2_000, "bob"),
        log(11_000, "cid"),
        log(12_000, "dan"),
        log(13_000, "bob"),
        log(21_000, "ann"),
    ];
    let (monitor, ticks) = run(&rows, settings());
    let count = |tick: usize, user: &str| {
        let text = format!(
            r#"default|cart/cart-1|log.template|{{"severity":"error","template":"session opened for user {user} by (uid=<*>)"}}"#
        );
        value(&monitor, &ticks[tick], &text)
    };
    // Two names may be two messages; with the third they are one, which keeps the older series.
    assert_eq!((count(0, "ann"), count(0, "bob")), (1.0, 1.0));
    assert_eq!((count(1, "ann"), count(2, "ann")), (3.0, 1.0));
    // Nobody is missed of whom nothing can be heard any more.
    assert!(count(1, "bob").is_nan() && count(2, "bob").is_nan());
    assert!(!monitor.series().iter().any(|series| series.attributes.contains("cid")));
    let replaced: Vec<_> = ticks.iter().map(|tick| tick.replaced.as_slice()).collect();
    let opened_by = |user: &str| format!("session opened for user {user} by (uid=<*>)");
    let service = Entity("cart".to_owned());
    let merged = TemplateReplacement { service, text: opened_by("bob"), by: vec![opened_by("ann")] };
    assert_eq!(replaced, [&[][..], &[merged], &[]]);
}

#[test]
fn a_template_that_is_split_is_said_to_be_others_and_each_has_a_series() {
    let rows: Vec<Row> = (0..20_000_i64)
        .map(|number| {
            let which = number * 7919 % 4;
            let name = ["alpha", "beta", "gamma", "delta"][which as usize];
            let done = match which {
                0 | 1 => format!("worker {name} is now done with {number} of its jobs"),
                _ => format!("worker {name} is now done (with {number}) of its jobs"),
            };
            log(10 * number, &done)
        })
        .collect();
    let (monitor, ticks) = run(&rows, settings());
    let said: Vec<&TemplateReplacement> = ticks.iter().flat_map(|tick| &tick.replaced).collect();
    let split: Vec<&&TemplateReplacement> = said.iter().filter(|one| one.by.len() > 1).collect();
    assert_eq!(split.len(), 1, "{said:?}");
    assert_eq!(split[0].service.0, "cart");
    let end = ticks.last().unwrap();
    for text in &split[0].by {
        let attributes = format!(r#"{{"severity":"info","template":"{text}"}}"#);
        let last = monitor.series().iter().rposition(|series| series.attributes == attributes);
        assert!(end.values[last.unwrap()] > 0.0, "{text}");
    }
}

fn log(ms: i64, body: &str) -> Row {
    Row::Log { ms, severity: 9, body: body.to_owned() }
}

/// What a series of the cart says in each tick, and its examples.
fn told(monitor: &Monitor, ticks: &[Tick], signal: &str) -> Vec<(u64, f64, Vec<String>)> {
    let key = format!("default|cart/cart-1|{signal}|{{}}");
    let Some(id) = monitor.series().iter().position(|series| series.key == key) else { return Vec::new() };
    let examples = |tick: &Tick| {
        let of_series =
            tick.examples.iter().filter(|example| example.series.iter().any(|one| one.index() == id));
        of_series.map(|example| example.text.clone()).collect()
    };
    let spoke = ticks.iter().filter(|tick| tick.values.get(id).is_some_and(|value| *value > 0.0));
    spoke.map(|tick| (tick.number - ticks[0].number, tick.values[id], examples(tick))).collect()
}

#[test]
fn a_template_that_was_never_seen_is_told_once_and_not_of_a_service_that_is_new_itself() {
    let rows = [
        log(1_000, "cart loaded in 3 ms"),
        log(11_000, "cart saved"),
        log(31_000, "cart loaded in 5 ms"),
        log(32_000, "coupon 17 was refused"),
        log(33_000, "coupon 18 was refused"),
        log(41_000, "coupon 19 was refused"),
    ];
    let (monitor, ticks) = run(&rows, settings());
    let shown = vec!["coupon 17 was refused".to_owned()];
    assert_eq!(told(&monitor, &ticks, "log.template.new"), [(3, 1.0, shown)]);
}

#[test]
fn lines_that_come_out_of_order_are_told_with_what_they_followed() {
    let steps = ["order 1 received", "stock reserved", "card charged", "parcel sent"];
    let mut rows: Vec<Row> = (0..5_000_i64).map(|i| log(100 * i, steps[i as usize % 4])).collect();
    // The card is not charged.
    rows.extend((0..2).map(|i| log(500_000 + i * 1_000, steps[i as usize])));
    rows.push(log(502_000, steps[3]));
    let (monitor, ticks) = run(&rows, settings());
    let shown = vec!["parcel sent, after: stock reserved".to_owned()];
    assert_eq!(told(&monitor, &ticks, "log.sequence.unlikely"), [(50, 1.0, shown)]);
}

#[test]
fn a_value_that_never_stood_there_is_told() {
    let opened = |user: &str| format!("session opened for user {user} by (uid=0)");
    let users = ["ann", "bob", "cid"];
    let mut rows: Vec<Row> = (0..3_000_i64).map(|i| log(500 * i, &opened(users[i as usize % 3]))).collect();
    rows.push(log(1_500_500, &opened("mallory")));
    let (monitor, ticks) = run(&rows, settings());
    let told = told(&monitor, &ticks, "log.parameter.unlikely");
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0].1, 1.0);
    assert!(told[0].2[0].starts_with("mallory among 3 values in "), "{told:?}");
}

#[test]
fn errors_that_were_thrown_in_one_place_are_one_series_and_severities_have_a_share() {
    let thrown = |ms: i64, message: &str| Row::Log {
        ms,
        severity: 17,
        body: format!(
            "{message}\njava.io.IOException: {message}\n\tat shop.Disk.write(Disk.java:{ms})\n\tat shop.Cart.save(Cart.java:1)"
        ),
    };
    let rows = [
        thrown(1_000, "disk full"),
        thrown(2_000, "no route to host"),
        log(3_000, "cart saved"),
        log(4_000, "cart saved"),
    ];
    let (monitor, ticks) = run(&rows, settings());
    let key = r#"default|cart/cart-1|log.exception|{"exception":"java.io.IOException < shop.Disk.write < shop.Cart.save"}"#;
    assert_eq!(value(&monitor, &ticks[0], key), 2.0);
    assert_eq!(value(&monitor, &ticks[0], "default|cart/cart-1|log.count|{}"), 4.0);
    assert_eq!(value(&monitor, &ticks[0], "default|cart/cart-1|log.error_ratio|{}"), 0.5);
}
