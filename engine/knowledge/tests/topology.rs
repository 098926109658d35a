//! The graph: learnt and given, its other names, how much it is used, and as it was.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use theriac_contract::{
    Checkpointed, EdgeKind, EdgeObservation, Entity, Fact, GivenEdge, GivenTopology, Interval, NodeKind,
    RecordedFact, Sightings, Timestamp,
};
use theriac_knowledge::{Knowledge, as_of, as_of_time, line};

fn entity(name: &str) -> Entity {
    Entity(name.to_owned())
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(1_000_000 * 60 + seconds)
}

fn edge(from: &str, kind: EdgeKind, to: &str, count: u64, served: u64) -> EdgeObservation {
    EdgeObservation { from: entity(from), to: entity(to), kind, count, served }
}

/// A tick that ends at an instant, through knowledge as the engine takes it there.
fn tick(knowledge: &mut Knowledge, end: Timestamp, edges: &[EdgeObservation]) -> Vec<RecordedFact> {
    let ends = edges.iter().filter(|edge| edge.kind != EdgeKind::StandsFor);
    let entities = ends.flat_map(|edge| [edge.from.clone(), edge.to.clone()]).collect();
    let flows = knowledge.gather(end, edges);
    let sightings = Sightings { entities, edges: edges.to_vec(), flows, ..Sightings::default() };
    knowledge.observe(end, &sightings)
}

fn calls(knowledge: &Knowledge) -> Vec<(String, String)> {
    let edges = knowledge.snapshot().topology.edges.iter();
    edges.map(|(from, to, _)| (from.0.clone(), to.0.clone())).collect()
}

fn pair(from: &str, to: &str) -> (String, String) {
    (from.to_owned(), to.to_owned())
}

const CALLS: EdgeKind = EdgeKind::Calls;
const STANDS_FOR: EdgeKind = EdgeKind::StandsFor;

#[test]
fn a_constant_rate_is_told_once_and_exactly() {
    let mut knowledge = Knowledge::new();
    let mut told = Vec::new();
    for n in 1..=360 {
        // Both sides of the same calls are known: they are not counted twice.
        let edges = [edge("shop/1", CALLS, "cart", 15, 0), edge("shop/2", CALLS, "cart/1", 0, 15)];
        told.extend(tick(&mut knowledge, at(10 * n), &edges));
    }
    let used: Vec<_> = told.iter().filter(|fact| matches!(fact.fact, Fact::EdgeUsed { .. })).collect();
    assert_eq!(used.len(), 1, "{used:?}");
    assert_eq!(knowledge.snapshot().topology.volume("shop", "cart"), Some(1.5));
}

#[test]
fn what_is_used_more_is_told_and_what_comes_by_chance_is_not() {
    let mut knowledge = Knowledge::new();
    let mut used = Vec::new();
    for n in 1..=720 {
        let busy = if n > 360 { 400 } else { 100 };
        let rare = u64::from(n % 90 == 0);
        let edges = [edge("shop", CALLS, "cart", busy, 0), edge("shop", CALLS, "mail", rare, 0)];
        for fact in tick(&mut knowledge, at(10 * n), &edges[..if rare > 0 { 2 } else { 1 }]) {
            if let Fact::EdgeUsed { to, per_second, .. } = fact.fact {
                used.push((to.0, per_second));
            }
        }
    }
    let of = |name: &str| used.iter().filter(|(to, _)| to == name).map(|(_, rate)| *rate).collect::<Vec<_>>();
    let cart = of("cart");
    assert_eq!(cart[0], 10.0);
    assert!(cart.len() <= 3 && *cart.last().unwrap() > 20.0, "{cart:?}");
    assert!(of("mail").len() <= 2, "one call in fifteen minutes is no news each time: {:?}", of("mail"));
}

#[test]
fn an_edge_that_nobody_sees_for_more_than_a_day_ends_unless_a_file_gives_it() {
    let mut knowledge = Knowledge::new();
    let given = GivenTopology {
        edges: vec![GivenEdge { from: entity("shop"), to: entity("bank"), kind: CALLS, per_second: None }],
        ..GivenTopology::default()
    };
    knowledge.append(at(0), vec![Fact::TopologyGiven { topology: given }]);
    let edges = [edge("shop", CALLS, "cart", 5, 0), edge("shop", CALLS, "bank", 5, 0)];
    tick(&mut knowledge, at(10), &edges);
    tick(&mut knowledge, at(70), &edges);
    let day = 86_400;
    tick(&mut knowledge, at(day), &[]);
    assert_eq!(calls(&knowledge), [pair("shop", "bank"), pair("shop", "cart")]);
    let told = tick(&mut knowledge, at(day + 7_200), &[]);
    assert!(told.iter().any(|fact| line(fact).contains("shop no longer calls cart")), "{told:?}");
    assert_eq!(calls(&knowledge), [pair("shop", "bank")]);
    // It is there again as soon as it is seen.
    tick(&mut knowledge, at(day + 7_300), &edges);
    assert_eq!(calls(&knowledge), [pair("shop", "bank"), pair("shop", "cart")]);
}

#[test]
fn a_file_takes_the_place_of_the_one_before() {
    let give = |callees: &[&str]| {
        let edges = callees.iter().map(|to| GivenEdge {
            from: entity("shop"),
            to: entity(to),
            kind: EdgeKind::Queries,
            per_second: Some(2.0),
        });
        let nodes = callees.iter().map(|name| (entity(name), NodeKind::Database));
        Fact::TopologyGiven {
            topology: GivenTopology {
                edges: edges.collect(),
                nodes: nodes.collect(),
                aliases: BTreeMap::new(),
                ..GivenTopology::default()
            },
        }
    };
    let mut knowledge = Knowledge::new();
    knowledge.append(at(0), vec![give(&["orders-db", "users-db"]), give(&["orders-db"])]);
    assert_eq!(calls(&knowledge), [pair("shop", "orders-db")]);
    let topology = &knowledge.snapshot().topology;
    assert_eq!(topology.kind_of(&entity("orders-db")), NodeKind::Database);
    assert_eq!(topology.volume("shop", "orders-db"), Some(2.0));
}

#[test]
fn a_name_whose_calls_one_service_serves_is_that_service() {
    let mut knowledge = Knowledge::new();
    let mut told = Vec::new();
    for n in 1..=8 {
        let edges = [
            edge("shop", CALLS, "10.1.2.3:8080", 1, 0),
            edge("shop", CALLS, "orders/orders-1", 0, 1),
            edge("10.1.2.3:8080", STANDS_FOR, "orders", 1, 0),
        ];
        told = tick(&mut knowledge, at(n), &edges);
        assert_eq!(knowledge.snapshot().topology.aliases.len(), usize::from(n == 8), "{n}");
    }
    let text = line(told.last().unwrap());
    assert!(text.ends_with("10.1.2.3:8080 is orders: all 8 calls by this name of which both sides are known were served by orders"), "{text}");
    assert_eq!(calls(&knowledge), [pair("shop", "orders")]);
    assert_eq!(knowledge.snapshot().topology.resolve(&entity("10.1.2.3:8080")), entity("orders"));
    // The name is no entity any more, and none that would be met anew.
    assert!(!knowledge.snapshot().topology.instances.contains_key("10.1.2.3:8080"));
    let again = tick(&mut knowledge, at(20), &[edge("shop", CALLS, "10.1.2.3:8080", 1, 0)]);
    assert_eq!(again, []);
}

#[test]
fn a_name_whose_calls_several_services_serve_stands_in_front_of_them() {
    let mut knowledge = Knowledge::new();
    for n in 1..=6 {
        let to = if n % 2 == 0 { "cart" } else { "orders" };
        let edges = [edge("web", CALLS, "lb:80", 1, 0), edge("lb:80", STANDS_FOR, to, 1, 0)];
        tick(&mut knowledge, at(n), &edges);
    }
    let topology = &knowledge.snapshot().topology;
    assert_eq!(topology.kind_of(&entity("lb:80")), NodeKind::Balancer);
    assert_eq!(topology.callees("lb:80"), ["cart", "orders"]);
    assert_eq!(topology.callees("web"), ["lb:80"]);
}

#[test]
fn a_balancer_that_is_left_with_one_service_is_that_service_by_all_its_names() {
    let mut knowledge = Knowledge::new();
    let behind = [edge("c", STANDS_FOR, "lb:80", 2, 0), edge("lb:80", STANDS_FOR, "c.ns.svc:80", 8, 0)];
    tick(&mut knowledge, at(1), &behind);
    tick(&mut knowledge, at(2), &[edge("c", STANDS_FOR, "topic:t", 2, 0)]);
    assert_eq!(knowledge.snapshot().topology.kind_of(&entity("c")), NodeKind::Balancer);
    // The call shows `c.ns.svc:80` to be an address of `c`, which leaves `c` in front of the topic alone.
    tick(&mut knowledge, at(3), &[edge("a/1", CALLS, "lb:80", 0, 1)]);
    let topology = &knowledge.snapshot().topology;
    for name in ["c", "c.ns.svc:80", "lb:80"] {
        assert_eq!(topology.resolve(&entity(name)), entity("topic:t"), "{name}");
    }
    assert_eq!(calls(&knowledge), [pair("a", "topic:t")]);
}

#[test]
fn an_address_of_a_service_that_tells_of_itself_is_that_service() {
    for order in
        [["orders/1", "orders.shop.svc.cluster.local"], ["orders.shop.svc.cluster.local", "orders/1"]]
    {
        let mut knowledge = Knowledge::new();
        for (n, name) in (1..).zip(order) {
            tick(&mut knowledge, at(60 * n), &[edge("web", CALLS, name, 1, 0)]);
        }
        assert_eq!(calls(&knowledge), [pair("web", "orders")]);
        let topology = &knowledge.snapshot().topology;
        let alias = &topology.aliases[&entity("orders.shop.svc.cluster.local")];
        assert_eq!(alias.reason, "it is an address of orders, which tells of itself");
    }
}

#[test]
fn an_instance_that_has_moved_is_where_it_is() {
    let mut knowledge = Knowledge::new();
    let runs = |host: &str, count| edge("cart/1", EdgeKind::RunsOn, host, count, 0);
    tick(&mut knowledge, at(10), &[runs("host:a", 1)]);
    tick(&mut knowledge, at(300), &[runs("host:b", 1), runs("host:a", 0)]);
    assert_eq!(calls(&knowledge), [pair("cart/1", "host:b")]);
    // What was is not lost: a look back finds it where it was.
    let topology = &knowledge.snapshot().topology;
    let then = topology.at(at(60), Interval::from_seconds(60));
    assert_eq!(then.into_iter().map(|(_, to, _)| to.0).collect::<Vec<_>>(), ["host:a"]);
}

#[test]
fn the_graph_of_a_moment_is_had_from_the_log_and_from_memory() {
    let mut knowledge = Knowledge::new();
    let mut log = tick(&mut knowledge, at(10), &[edge("web", CALLS, "cart", 1, 0)]);
    log.extend(tick(&mut knowledge, at(500), &[edge("web", CALLS, "bank", 1, 0)]));
    assert_eq!(as_of_time(&log, at(499)).unwrap().topology.callees("web"), ["cart"]);
    assert_eq!(as_of_time(&log, at(500)).unwrap().topology.callees("web"), ["bank", "cart"]);
    assert_eq!(as_of_time(&log, at(0)).unwrap().version, 0);
    let moment = |seconds| {
        let edges = knowledge.snapshot().topology.at(at(seconds), Interval::from_seconds(300));
        edges.into_iter().map(|(_, to, _)| to.0).collect::<Vec<_>>()
    };
    assert_eq!(moment(100), ["cart"]);
    assert_eq!(moment(300), ["bank", "cart"], "what is first seen soon after was there before");
}

fn observation() -> impl Strategy<Value = EdgeObservation> {
    let name =
        prop::sample::select(vec!["a/1", "a/2", "b", "b/1", "c.ns.svc:80", "c", "c/1", "lb:80", "topic:t"]);
    let kind = prop::sample::select(vec![
        CALLS,
        EdgeKind::Queries,
        EdgeKind::Publishes,
        EdgeKind::Consumes,
        EdgeKind::RunsOn,
        STANDS_FOR,
    ]);
    (name.clone(), name, kind, 0..20_u64, 0..20_u64)
        .prop_map(|(from, to, kind, count, served)| edge(from, kind, to, count, served))
}

fn history() -> impl Strategy<Value = Vec<(i64, Vec<EdgeObservation>)>> {
    let one = (1..40_i64, prop::collection::vec(observation(), 0..6));
    prop::collection::vec(one, 0..40).prop_map(|steps| {
        let mut now = 0;
        let steps = steps.into_iter().map(|(step, edges)| {
            now += step;
            (now, edges)
        });
        steps.collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_version_is_the_fold_of_its_facts_and_a_restore_changes_nothing(
        history in history(), cut in 0..40_usize,
    ) {
        let (mut straight, mut stopped) = (Knowledge::new(), Knowledge::new());
        let mut log = Vec::new();
        for (n, (seconds, edges)) in history.iter().enumerate() {
            let told = tick(&mut straight, at(*seconds), edges);
            prop_assert_eq!(&tick(&mut stopped, at(*seconds), edges), &told);
            log.extend(told);
            if n == cut {
                let tables = Checkpointed::snapshot(&stopped).unwrap();
                stopped = Knowledge::new();
                stopped.restore(&tables).unwrap();
                prop_assert_eq!(&stopped, &straight);
            }
        }
        prop_assert_eq!(&as_of(&log, u64::MAX), straight.snapshot());
        let topology = &straight.snapshot().topology;
        // Nothing hangs on a name that stands for one other thing.
        for (name, alias) in topology.aliases.iter().filter(|(_, alias)| alias.of.len() == 1) {
            prop_assert!(topology.edges.iter().all(|(from, to, _)| from != name && to != name), "{}", alias.reason);
        }
        prop_assert!(topology.edges.iter().all(|(from, to, _)| from != to));
    }

    #[test]
    fn who_counted_and_in_which_order_does_not_show(
        history in history(), shards in 1..4_usize, seed in any::<u64>(),
    ) {
        let mut alone = Knowledge::new();
        let mut fleet: Vec<Knowledge> = (0..shards).map(|_| Knowledge::new()).collect();
        for (seconds, edges) in &history {
            let end = at(*seconds);
            let mut sorted = edges.clone();
            sorted.sort();
            let flows = alone.gather(end, &sorted);
            let all = Sightings { edges: sorted, flows, ..Sightings::default() };
            let expected = alone.observe(end, &all);
            // The same spread over shards, in another order, joined as they join it.
            let mut joined = Sightings::default();
            for (number, shard) in fleet.iter_mut().enumerate() {
                let mine = |place: &usize| (seed >> (place % 60)) as usize % shards == number;
                let places = (0..edges.len()).rev().filter(mine);
                let mut own: Vec<EdgeObservation> = places.map(|place| edges[place].clone()).collect();
                own.sort();
                let flows = shard.gather(end, &own);
                let news = shard.news(&Sightings { edges: own, ..Sightings::default() });
                joined.extend(Sightings { flows, ..news });
            }
            for shard in &mut fleet {
                let told: BTreeSet<String> = shard.observe(end, &joined).iter().map(|fact| line(fact)[8..].to_owned()).collect();
                let expected: BTreeSet<String> = expected.iter().map(|fact| line(fact)[8..].to_owned()).collect();
                prop_assert_eq!(told, expected);
            }
        }
    }
}
