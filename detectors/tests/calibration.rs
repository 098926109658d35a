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
    /// Rests at 0; at each tick it is 1 with this chance, however long it rested.
    Resting(f64),
    Sparse,
}

const NULLS: [Null; 10] = [
    Null::Normal,
    Null::StudentT3,
    Null::LogNormal,
    Null::Autoregressive,
    Null::Poisson,
    Null::Resting(0.01),
    Null::Resting(0.005),
    Null::Resting(0.002),
    Null::Resting(0.001),
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
            Self::Resting(rate) => f64::from(u8::from(uniform(random) < rate)),
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

/// Off by default, and not held on series that change less than once in a hundred ticks: a change stays
/// in their scores, or its absence does, for as long as changes are apart.
const NEED_CHANGE: [&str; 5] = ["cusum", "variance", "page_hinkley", "dspot", "profile"];

/// Where there may be three times as many p-values as there should be, and no more.
fn levels(name: &str, null: Null) -> &'static [f64] {
    match (name, null) {
        // Symptoms are made of fused ones, and of smaller ones. Tails are taken to fall like the power -4 until
        // they have shown otherwise; these fall like -3, and so there are 3.4 times too many at 1e-6.
        ("bank", Null::StudentT3) => &[0.05, 1e-2, 1e-3, 1e-4, 1e-5],
        ("bank", _) => &[0.05, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6],
        // An event that is all there was for so long stays in its score for tens of ticks, and has about 1/n
        // in each: as few events as there may be, but ten to twenty times as many ticks.
        ("drift", Null::Resting(rate)) if rate < 0.005 => &[0.05, 1e-4, 1e-5],
        _ => &[0.05, 1e-2, 1e-3],
    }
}

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
        "{name:10} {null:15?} share of p <= 1e-6 {:.7}, 1e-5 {:.6}, 1e-4 {:.6}, 1e-3 {rare:.5}, 1e-2 {common:.4}, 0.05 {:.4}; distance {distance:.3}, least {:.1e}",
        share(sorted, 1e-6),
        share(sorted, 1e-5),
        share(sorted, 1e-4),
        share(sorted, 0.05),
        sorted[0]
    );
    let excessive = levels(name, null).iter().any(|p| share(sorted, *p) > 3.0 * p);
    // On tied values p-values have steps, and a harmonic mean is only meant for small p-values.
    let smooth = !matches!(null, Null::Poisson | Null::Resting(_)) && name != "bank";
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
        let rests = matches!(null, Null::Resting(rate) if rate < 0.01);
        let each = each.filter(|(name, _)| !(rests && NEED_CHANGE.contains(name)));
        for (name, enabled) in each.chain([("bank", Enabled::default())]) {
            let mut bank = Bank::new(&Settings { enabled, ..Settings::default() });
            // Smaller ones take more series; fewer suffice of what takes long.
            let series = match bank.bytes_per_series() {
                _ if name == "bank" => 8 * SERIES,
                4_097.. => SERIES / 8,
                _ => SERIES,
            };
            bank.grow(series);
            let sorted = p_values(null, series, |tick, values, out| {
                bank.update(Timestamp::from_seconds(1_800 * tick as i64), values, &vec![true; series], out);
            });
            check(name, null, &sorted, &mut failures);
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}
