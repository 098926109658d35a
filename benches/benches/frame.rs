//! Rows a second from Arrow to sealed ticks, one thread.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use theriac_connectors::decode::{Rows, otlp_json};
use theriac_contract::{Interval, Telemetry};
use theriac_datasets::simulator::{Scenario, World};
use theriac_monitor::{Monitor, Settings};

/// Five simulated minutes, a batch of each signal for each ten seconds.
fn telemetry() -> Vec<Vec<Telemetry>> {
    let mut world = World::new(&Scenario::default());
    let mut rows = Rows::default();
    let mut batches = Vec::new();
    for _ in 0..30 {
        for line in world.advance(world.now().plus(Interval::from_seconds(10))).otlp {
            otlp_json::decode(line.as_bytes(), &mut rows).expect("the simulator writes OTLP/JSON");
        }
        batches.push(rows.take());
    }
    batches
}

fn frame(criterion: &mut Criterion) {
    let batches = telemetry();
    let rows: usize = batches.iter().flatten().map(Telemetry::rows).sum();
    let mut group = criterion.benchmark_group("frame");
    group.throughput(Throughput::Elements(rows as u64)).sample_size(10);
    group.bench_function("fleet", |bencher| {
        bencher.iter(|| {
            let mut monitor = Monitor::new(Settings::default());
            for together in &batches {
                monitor.push(together).expect("decoded telemetry has the schema");
                while let Some(tick) = monitor.seal() {
                    black_box(tick);
                }
            }
            monitor.finish();
            while let Some(tick) = monitor.seal() {
                black_box(tick);
            }
        });
    });
    group.finish();
}

criterion_group!(benches, frame);
criterion_main!(benches);
