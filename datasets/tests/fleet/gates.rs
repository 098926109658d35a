use theriac_datasets::fleet::{
    Topology,
    gate::{Options, gates},
};

/// The quick form: a fifth of the types, one seed. All: `cargo run --example fleet_gates`.
#[test]
fn the_quick_gates_hold() {
    let table = gates(&Topology::boutique().unwrap(), &Options::quick());
    assert!(table.passes(), "{table}");
}
