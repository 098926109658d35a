//! Points per second on one core for each detector and the bank, beside what memory bears:
//! reading, changing and writing back as many bytes as the bank's state has.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use theriac_detectors::{Bank, Scores, Settings, registry};

#[expect(clippy::cast_precision_loss, reason = "any number will do")]
fn values(series: usize) -> Vec<Vec<f64>> {
    let value = |t: usize, s: usize| ((t * 7919 + s * 104_729) % 1_009) as f64 / 1_009.0;
    (0..8).map(|t| (0..series).map(|s| value(t, s)).collect()).collect()
}

fn detect(criterion: &mut Criterion) {
    for series in [1_000, 100_000, 1_000_000] {
        let mut group = criterion.benchmark_group("detect");
        group.throughput(Throughput::Elements(series as u64)).sample_size(10);
        let ticks = values(series);
        let learn = vec![true; series];
        let mut columns = vec![vec![0.0; series]; 4];
        let [p_value, expected, low, high] = &mut columns[..] else { unreachable!("four columns") };
        let mut out = Scores { p_value, expected, low, high };
        for entry in registry() {
            let mut detector = entry.build(&Settings::default().detectors);
            detector.grow(series);
            let mut ticks = ticks.iter().cycle();
            group.bench_function(BenchmarkId::new(entry.spec.name, series), |bencher| {
                bencher.iter(|| {
                    ticks.next().into_iter().for_each(|values| detector.update(values, &learn, &mut out));
                });
            });
        }
        let mut bank = Bank::new(&Settings::default());
        bank.grow(series);
        let bytes: usize = bank.specs().map(|spec| spec.bytes_per_series).sum();
        let mut cycle = ticks.iter().cycle();
        group.bench_function(BenchmarkId::new("bank", series), |bencher| {
            bencher.iter(|| {
                cycle.next().into_iter().for_each(|values| bank.update(values, &learn, &mut out));
            });
        });
        let mut memory = vec![1.0_f64; series * bytes / 8];
        group.bench_function(BenchmarkId::new("memory", series), |bencher| {
            bencher.iter(|| {
                for value in &mut memory {
                    *value += 1.0;
                }
                black_box(&mut memory);
            });
        });
        group.finish();
    }
}

criterion_group!(benches, detect);
criterion_main!(benches);
