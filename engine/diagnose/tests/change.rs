//! Changes as suspects, on an incident made by hand.

use std::collections::BTreeSet;

use theriac_contract::{Evidence, Timestamp};
use theriac_diagnose::{
    channel::{
        Claim,
        change::{
            changes::{Change, Rollout, Unusual, changes},
            outside::{self, outside},
        },
    },
    weighing::weigh,
};

fn change(id: &str, minute: i64, path: &str, diff: &str) -> Change {
    Change {
        id: id.to_owned(),
        made: Timestamp::from_seconds(minute * 60),
        message: "tidy".to_owned(),
        paths: vec![path.to_owned()],
        diff: Some(diff.to_owned()),
    }
}

fn rollout(change: &str, minute: i64, service: &str) -> Rollout {
    Rollout {
        at: Timestamp::from_seconds(minute * 60),
        service: service.to_owned(),
        change: change.to_owned(),
    }
}

fn unusual() -> Unusual {
    Unusual {
        service: "cart".to_owned(),
        services: BTreeSet::from(["cart".to_owned(), "web".to_owned()]),
        onset: Timestamp::from_seconds(100 * 60),
        texts: vec!["pool exhausted: no connection within deadline".to_owned()],
    }
}

fn history() -> (Vec<Change>, Vec<Rollout>) {
    let pool = "-\tMaxPoolConnections: 50,\n+\tMaxPoolConnections: 5,";
    let moved = "-\tx := load(a)\n-\treturn x\n+\treturn load(a)";
    let changes = vec![
        change("docs", 80, "docs/pool.md", "-\told\n+\tpool connection deadline exhausted"),
        change("pool", 90, "pkg/db/pool.go", pool),
        change("moved", 95, "services/cart/handler.go", moved),
        change("late", 105, "services/cart/pool.go", "+\tpool.connection.exhausted(deadline)"),
        change("never", 60, "services/mail/pool.go", "+\tpool.connection.exhausted(deadline)"),
    ];
    let rollouts =
        vec![rollout("moved", 97, "cart"), rollout("late", 110, "cart"), rollout("docs", 85, "web")];
    (changes, rollouts)
}

fn first(claims: &[Claim]) -> String {
    let weighed = weigh(claims, 0.0);
    weighed[0].suspect.as_ref().map_or("none".to_owned(), |one| one.part.clone())
}

#[test]
fn a_shared_change_that_a_later_revision_holds_is_found() {
    let (all, rollouts) = history();
    let claims = changes(&all, &rollouts, &unusual());
    assert_eq!(first(&claims), "pool");
    let of = |id: &str, channel: &str| -> Evidence {
        claims.iter().find(|(one, said)| one.part == id && said.channel == channel).expect("said").1.clone()
    };
    assert!(of("late", "lag").log_likelihood_ratio < -4.0, "it came after");
    assert!(of("never", "lag").text.contains("not put into service"));
    assert!(of("docs", "effect").text.contains("nothing that runs"));
    assert!(of("pool", "effect").text.contains("factor of 10.0"));
    assert!(of("pool", "mechanism").log_likelihood_ratio > of("moved", "mechanism").log_likelihood_ratio);
    assert!(of("pool", "place").text.contains("as part of a later revision"));
    // The order of the history does not matter.
    let (mut all, mut rollouts) = history();
    all.reverse();
    rollouts.reverse();
    assert_eq!(weigh(&changes(&all, &rollouts, &unusual()), 0.0), weigh(&claims, 0.0));
    assert_eq!(first(&changes(&[], &[], &unusual())), "none");
}

#[test]
fn trouble_that_names_a_cause_outside_is_heard() {
    let named = |text: &str, status: &str, surge: f64| first(&outside(&[text.to_owned()], status, surge));
    assert_eq!(named("x509: certificate has expired", "", 1.0), "certificate");
    assert_eq!(named("Throttling container on node n1", "", 1.0), "node");
    assert_eq!(named("POST https://api.example.com/v1 returned 503", "", 1.0), outside::PROVIDER);
    assert_eq!(named("request failed", "", 4.0), outside::TRAFFIC);
    for harmless in [
        "panic in google.golang.org/protobuf",
        "POST http://cart.svc/add returned 503",
        "certificate is valid",
    ] {
        assert_eq!(named(harmless, "", 1.2), "none", "{harmless}");
    }
}
