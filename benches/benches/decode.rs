//! Rows a second from OTLP/JSON to Arrow, one thread.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use theriac_connectors::decode::{Rows, otlp_json};
use theriac_contract::{Interval, Telemetry};
use theriac_datasets::simulator::{Scenario, World};

fn decoded(lines: &[String]) -> Vec<Telemetry> {
    let mut rows = Rows::default();
    for line in lines {
        otlp_json::decode(line.as_bytes(), &mut rows).expect("the simulator writes OTLP/JSON");
    }
    rows.take()
}

fn decode(criterion: &mut Criterion) {
    let mut world = World::new(&Scenario::default());
    let lines = world.advance(world.now().plus(Interval::from_seconds(300))).otlp;
    let rows: usize = decoded(&lines).iter().map(Telemetry::rows).sum();
    let mut group = criterion.benchmark_group("decode");
    group.throughput(Throughput::Elements(rows as u64)).sample_size(10);
    group.bench_function("otlp_json", |bencher| bencher.iter(|| black_box(decoded(&lines))));
    group.finish();
}

criterion_group!(benches, decode);
criterion_main!(benches);
