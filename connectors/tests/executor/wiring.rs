//! From a section of the configuration to an executor.

use serde_json::json;
use theriac_connectors::executor::{Settings, build};
use theriac_contract::{Command, Interval, Verdict};

use crate::{clock, command};

fn settings(json: serde_json::Value) -> Settings {
    serde_json::from_value(json).expect("good settings")
}

fn error(json: serde_json::Value) -> String {
    build(&settings(json), None, &clock()).err().map(|e| e.to_string()).expect("an error")
}

#[test]
fn the_first_route_that_matches_acts() {
    let folder = tempfile::tempdir().expect("a folder");
    let executor = build(
        &settings(json!({
            "executors": {
                "say": { "kind": "log" },
                "local": { "kind": "command", "programs": { "restart": { "program": "/bin/echo", "arguments": ["{target}"] } } },
            },
            "routes": [
                { "verb": "restart", "target": "cart/*", "executor": "local" },
                { "verb": "open_*", "executor": "say" },
            ],
            "ledger": folder.path().join("ledger"),
        })),
        None,
        &clock(),
    )
    .expect("good settings");
    let ask = |verb: &str, target: &str| executor.execute(&command(verb, target, Interval::from_seconds(60)));
    assert_eq!(ask("restart", "cart/cart-2"), (Verdict::Succeeded, "local: cart/cart-2".to_owned()));
    assert_eq!(ask("open_circuit", "cart"), (Verdict::Succeeded, "log: would open_circuit cart".to_owned()));
    let nobody = (Verdict::Failed { retryable: false }, "no route for restart on payment".to_owned());
    assert_eq!(ask("restart", "payment"), nobody);
    let dry = Command { dry_run: true, ..command("restart", "payment", Interval::from_seconds(1)) };
    assert_eq!(executor.execute(&dry), (Verdict::Succeeded, "would restart payment".to_owned()));
}

#[test]
fn errors_name_the_place_and_the_mend() {
    let local = json!({ "local": { "kind": "command", "programs": {} } });
    assert!(error(json!({ "executors": local })).contains("`ledger` must name a file"));
    let text = error(json!({ "executors": { "say": { "kind": "log" } }, "routes": [{ "executor": "sya" }] }));
    assert_eq!(text, "routes[0]: executor `sya` is not defined; there are: say");
    let text = error(
        json!({ "executors": { "say": { "kind": "log" } }, "routes": [{ "verb": "[", "executor": "say" }] }),
    );
    assert!(text.starts_with("routes[0]: `[`"), "{text}");
    for unknown in [
        json!({ "executor": {} }),
        json!({ "executors": { "x": { "kind": "command", "program": {} } } }),
        json!({ "routes": [{ "executor": "x", "targets": "*" }] }),
    ] {
        assert!(serde_json::from_value::<Settings>(unknown).is_err(), "unknown keys are errors");
    }
}
