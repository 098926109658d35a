//! On streams without anomalies p-values are uniform or conservative.

use rand_core::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use theriac_contract::Timestamp;
use theriac_detectors::{Bank, Enabled, Scores, Settings, registry};

const SERIES: usize = 128;
const WARMUP: usize = 1_000;
const TICKS: usize = 2_000;

#[derive(Clone, Copy, Debug)]
enum Null {
    Normal,
    StudentT3,
    LogNormal,
    Autoregressive,
    Poisson,
    MostlyConstant,
    Sparse,
}

const NULLS: [Null; 7] = [
    Null::Normal,
    Null::StudentT3,
    Null::LogNormal,
    Null::Autoregressive,
    Null::Poisson,
    Null::MostlyConstant,
    Null::Sparse,
];

#[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
fn uniform(random: &mut Xoshiro256PlusPlus) -> f64 {
    ((random.next_u64() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
}

/// Box and Muller 1958.
fn normal(random: &mut Xoshiro256PlusPlus) -> f64 {
    let radius = (-2.0 * libm::log(uniform(random))).sqrt();
    radius * libm::cos(std::f64::consts::TAU * uniform(random))
}

impl Null {
    fn next(self, random: &mut Xoshiro256PlusPlus, last: f64) -> f64 {
        match self {
            Self::Normal => normal(random),
            Self::StudentT3 => {
                let squares: f64 = (0..3).map(|_| normal(random)).map(|z| z * z).sum();
                normal(random) / (squares / 3.0).sqrt()
            }
            Self::LogNormal => libm::exp(normal(random)),
            Self::Autoregressive => 0.5 * last + normal(random),
            Self::Poisson => {
                let (mut count, mut product) = (0.0, uniform(random));
                while product > libm::exp(-2.0) {
                    count += 1.0;
                    product *= uniform(random);
                }
                count
            }
            Self::MostlyConstant => f64::from(u8::from(uniform(random) < 0.01)),
            Self::Sparse => {
                let value = normal(random);
                if uniform(random) < 0.3 { value } else { f64::NAN }
            }
        }
    }
}

/// P-values of present values (or of all ticks, for the detector of silence), sorted.
fn p_values(null: Null, series: usize, mut update: impl FnMut(usize, &[f64], &mut Scores<'_>)) -> Vec<f64> {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(7);
    let mut last = vec![0.0; series];
    let mut columns = vec![vec![0.0; series]; 4];
    let [p, expected, low, high] = &mut columns[..] else { unreachable!() };
    let mut all = Vec::new();
    for tick in 0..WARMUP + TICKS {
        for value in &mut last {
            *value = null.next(&mut random, *value);
        }
        let mut out = Scores { p_value: p, expected, low, high };
        update(tick, &last, &mut out);
        if tick >= WARMUP {
            all.extend_from_slice(p);
        }
    }
    all.sort_by(f64::total_cmp);
    all
}

#[expect(clippy::cast_precision_loss, reason = "counts are small")]
fn share(sorted: &[f64], p: f64) -> f64 {
    sorted.partition_point(|&q| q <= p) as f64 / sorted.len() as f64
}

/// These score what is most ordinary too, so that p-values are hardly above a half.
const SCORES_ALL: [&str; 3] = ["forest", "half_space", "profile"];

/// Kolmogorov and Smirnov's distance, one-sided: by how much p-values of up to `below` in a hundred are
/// too small.
fn liberal(sorted: &[f64], below: i32) -> f64 {
    (1..below).map(|i| f64::from(i) / 100.0).map(|p| share(sorted, p) - p).fold(0.0, f64::max)
}

fn check(name: &str, null: Null, sorted: &[f64], failures: &mut Vec<String>) {
    let (rare, common, distance) = (
        share(sorted, 1e-3),
        share(sorted, 1e-2),
        liberal(sorted, if SCORES_ALL.contains(&name) { 25 } else { 100 }),
    );
    println!(
        "{name:10} {null:15?} share of p <= 1e-5 {:.6}, 1e-3 {rare:.5}, 1e-2 {common:.4}, 0.05 {:.4}; distance {distance:.3}, least {:.1e}",
        share(sorted, 1e-5),
        share(sorted, 0.05),
        sorted[0]
    );
    // At most three times as many small p-values as there should be, at each level.
    let levels = [(0.05, 0.15), (1e-2, 3e-2), (1e-3, 3e-3)];
    let excessive = levels.iter().any(|&(p, most)| share(sorted, p) > most);
    // On tied values p-values have steps, and a harmonic mean is only meant for small p-values.
    let smooth = !matches!(null, Null::Poisson | Null::MostlyConstant) && name != "bank";
    if excessive || sorted[0] < 1e-20 || (smooth && distance > 0.1) {
        failures.push(format!("{name} on {null:?}: {rare} {common} {distance} {}", sorted[0]));
    }
}

#[test]
fn p_values_of_ordinary_streams_are_not_too_small() {
    let mut failures = Vec::new();
    for null in NULLS {
        let each =
            registry().iter().map(|entry| (entry.spec.name, Enabled::only(&[entry.spec.name]).unwrap()));
        for (name, enabled) in each.chain([("bank", Enabled::default())]) {
            let mut bank = Bank::new(&Settings { enabled, ..Settings::default() });
            // Fewer suffice of what takes long.
            let series = if bank.bytes_per_series() > 4_096 { SERIES / 8 } else { SERIES };
            bank.grow(series);
            let sorted = p_values(null, series, |tick, values, out| {
                bank.update(Timestamp::from_seconds(1_800 * tick as i64), values, &vec![true; series], out);
            });
            check(name, null, &sorted, &mut failures);
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}
