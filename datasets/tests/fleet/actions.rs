use std::sync::Arc;

use theriac_datasets::fleet::{Outcome, Request, SECOND, Setup, Topology, Verb, World, trial::harm};

fn quiet() -> World {
    let mut world = World::new(&Arc::new(Setup::new(2, Topology::boutique().unwrap())));
    world.advance(20 * SECOND);
    world
}

#[test]
fn a_key_acts_once() {
    let mut world = quiet();
    let request = Request::new("once", Verb::Restart, "search/search-1");
    let first = world.apply(&request);
    assert_eq!(world.poll(first), Outcome::Pending);
    assert_eq!(world.apply(&request), first);
    world.advance(120 * SECOND);
    assert_eq!(world.poll(first), Outcome::Succeeded);
    assert_eq!(world.apply(&request), first);
    world.advance(240 * SECOND);
    assert_eq!(world.effects().len(), 1);
    assert_eq!(world.handle_of("once"), Some(first));
}

#[test]
fn old_tokens_late_orders_and_strange_targets_are_refused() {
    let mut world = quiet();
    let newer = Request { token: 5, ..Request::new("a", Verb::Drain, "cart/cart-1") };
    world.apply(&newer);
    let older = world.apply(&Request { token: 4, ..Request::new("b", Verb::Drain, "cart/cart-1") });
    let late =
        world.apply(&Request { expires: Some(SECOND), ..Request::new("c", Verb::Drain, "cart/cart-2") });
    let nobody = world.apply(&Request::new("d", Verb::Restart, "nobody"));
    let theirs = world.apply(&Request::new("e", Verb::Restart, "bank"));
    for handle in [older, late, nobody, theirs] {
        assert!(matches!(world.poll(handle), Outcome::Refused(_)), "{:?}", world.poll(handle));
    }
}

#[test]
fn all_verbs_are_known_by_name() {
    assert_eq!(Verb::all().count(), 27);
    for (index, verb) in Verb::all().enumerate() {
        assert_eq!(Verb::from_slug(verb.slug()), Some(verb));
        assert_eq!(verb.code(), format!("A{index}"));
    }
    let request = Request::parse("k", "undo open_circuit payment->bank ramp=30").unwrap();
    assert!(request.undo && request.verb == Verb::OpenCircuit);
    assert!(Request::parse("k", "explode everything").is_err());
}

#[test]
fn what_can_be_undone_is() {
    let mut world = quiet();
    let drain = Request::new("x", Verb::Drain, "catalog/catalog-1");
    world.apply(&drain);
    world.advance(60 * SECOND);
    let requests = |world: &World| {
        world.view().replicas.iter().find(|replica| replica.entity == "catalog/catalog-1").map(|r| r.requests)
    };
    assert_eq!(requests(&world), Some(0));
    world.apply(&Request { undo: true, ..Request::new("y", Verb::Drain, "catalog/catalog-1") });
    world.advance(120 * SECOND);
    assert!(requests(&world) > Some(0));
}

#[test]
fn harm_is_what_users_lose_by_an_action_and_nothing_for_none() {
    let world = quiet();
    let (refused, broke) = harm(&world, &Request::new("a", Verb::Restart, "nobody"));
    assert_eq!((refused.to_bits(), broke), (0.0_f64.to_bits(), false), "two equal futures");
    let (all_at_once, _) = harm(&world, &Request::new("b", Verb::Restart, "cart"));
    let (one, _) = harm(&world, &Request::new("c", Verb::Restart, "cart/cart-1"));
    assert!(all_at_once > 0.0 && one <= all_at_once, "{one} {all_at_once}");
    assert!(world.effects().is_empty(), "it was only looked at");
}

#[test]
fn a_brake_that_is_told_how_long_to_hold_lets_go_by_itself() {
    let braked = |text: &str, until: u64| {
        let mut world = quiet();
        world.apply(&Request::parse("k", text).unwrap());
        world.advance(until * SECOND);
        !world.restored()
    };
    let held = "shed_load frontend share=0.4 seconds=120";
    assert!(braked(held, 100) && !braked(held, 160));
    assert!(braked("shed_load frontend share=0.4", 160));
}
