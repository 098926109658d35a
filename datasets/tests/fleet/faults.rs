use std::collections::BTreeSet;

use theriac_datasets::fleet::{
    HELD_OUT, Request, SECOND, Topology, TopologyError, catalogue, draw_held_out,
    episode::{FAULT_AT, at_onset},
    parse_catalogue, record,
};

#[test]
fn the_catalogue_is_whole() {
    let codes: Vec<String> = (1..=45).map(|number| format!("F{number:02}")).collect();
    assert_eq!(catalogue().iter().map(|record| record.code.clone()).collect::<Vec<_>>(), codes);
    let names: BTreeSet<&str> = catalogue().iter().map(|record| record.name.as_str()).collect();
    assert_eq!(names.len(), 45);
    assert!(parse_catalogue("[{}]").unwrap_err().to_string().contains("fields"));
}

#[test]
fn held_out_types_are_those_of_the_draw() {
    assert_eq!(draw_held_out(), HELD_OUT);
}

#[test]
fn every_step_of_every_remedy_has_a_target() {
    let topology = Topology::boutique().unwrap();
    for record in catalogue() {
        for seed in 1..3 {
            let mut world = at_onset(record, seed, &topology, SECOND);
            let truth = world.truth();
            assert_eq!(truth.len(), 1, "{}", record.code);
            assert!(truth[0].injected_at == FAULT_AT && truth[0].observable_at > FAULT_AT);
            let lists = [
                (world.remedies_of(0), record.remedies.clone()),
                (world.forbidden_of(0), record.forbidden.iter().map(|wrong| wrong.steps.clone()).collect()),
            ];
            for (filled, written) in lists {
                for (steps, texts) in filled.iter().zip(&written) {
                    assert_eq!(steps.len(), texts.len(), "{}: {texts:?}", record.code);
                    for step in steps {
                        let probe = Request { key: format!("probe {}", step.key), ..step.clone() };
                        let handle = world.apply(&probe);
                        let outcome = world.poll(handle);
                        let refused = matches!(outcome, theriac_datasets::fleet::Outcome::Refused(_));
                        assert!(!refused, "{} {probe:?}: {outcome:?}", record.code);
                    }
                }
            }
        }
    }
}

/// What the injector does leaves no word of its own in the telemetry.
#[test]
fn telemetry_does_not_name_the_fault() {
    let topology = Topology::boutique().unwrap();
    for record in catalogue() {
        let mut setup = (*theriac_datasets::fleet::episode::setup(record, 3, &topology)).clone();
        setup.telemetry = true;
        let mut world = theriac_datasets::fleet::World::new(&std::sync::Arc::new(setup));
        let exports = world.advance(FAULT_AT + 30 * SECOND);
        for word in [record.name.as_str(), &record.code, "inject"] {
            let told = exports.iter().any(|export| export.line.contains(&format!("\"{word}")));
            assert!(!told, "{} is in the telemetry", word);
        }
    }
}

#[test]
fn what_is_wrong_with_a_topology_is_said() {
    let text = include_str!("../../src/fleet/topology/boutique-12.json");
    let back = text.replacen("\"callee\": \"catalog\"", "\"callee\": \"frontend\"", 1);
    assert!(matches!(Topology::parse(&back), Err(TopologyError::Call { .. })));
    let route = text.replacen("\"routes\": [\"browse\"]", "\"routes\": [\"brows\"]", 1);
    let said = Topology::parse(&route).unwrap_err().to_string();
    assert!(said.contains("services[frontend].calls[catalog].routes") && said.contains("brows"), "{said}");
    assert!(record("F99").is_none());
}
