//! From incidents that are given as data to ranked causes, one thread.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use theriac_diagnose::channel::{
    Settings, diagnose, made_up,
    requests::{delays, errors, transitions, window::Observed},
};

/// Services of all cases.
const SERVICES: usize = 50;
/// Spans in each window: as many as in the largest minutes of Nezha.
const SPANS: usize = 20_000;

fn diagnosis(criterion: &mut Criterion) {
    let settings = Settings::default();
    let mut group = criterion.benchmark_group("diagnosis");
    group.sample_size(10);
    for series in [500, 10_000] {
        let (incident, _) = made_up::incident(SERVICES, series, 1);
        group.bench_function(format!("series_{series}"), |bencher| {
            bencher.iter(|| black_box(diagnose(black_box(&incident), &settings, None)));
        });
    }
    let ([normal, fault], _) = made_up::windows(SERVICES, SPANS, 1);
    group.bench_function("windows_in_order", |bencher| {
        bencher.iter(|| black_box([Observed::new(black_box(&normal)), Observed::new(black_box(&fault))]));
    });
    let (normal, fault) = (&Observed::new(&normal), &Observed::new(&fault));
    group.bench_function("transitions", |bencher| {
        bencher.iter(|| black_box(transitions::transitions(black_box(normal), black_box(fault))));
    });
    group.bench_function("errors", |bencher| {
        bencher.iter(|| black_box(errors::errors(black_box(normal), black_box(fault))));
    });
    group.bench_function("gaps", |bencher| {
        bencher.iter(|| black_box(delays::gaps(black_box(normal), black_box(fault))));
    });
    group.bench_function("self_time", |bencher| {
        bencher.iter(|| black_box(delays::self_time(black_box(normal), black_box(fault))));
    });
    group.finish();
}

criterion_group!(benches, diagnosis);
criterion_main!(benches);
