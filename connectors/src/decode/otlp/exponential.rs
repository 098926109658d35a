//! Exponential histograms as histograms with explicit bounds.

/// One side: `counts[i]` values lie in `(base^(offset + i), base^(offset + i + 1)]`.
#[derive(Default)]
pub(crate) struct Buckets {
    pub(crate) offset: i64,
    pub(crate) counts: Vec<f64>,
}

/// Buckets on both sides together beyond which a point is refused; SDKs make at most 320.
const BUCKETS_MAX: usize = 4096;

/// Bounds `[buckets - 1]` and counts `[buckets]`.
///
/// The base is `2^(2^-scale)` (OpenTelemetry metrics data model, "Exponential scale"). What
/// lies between the sides, zeros among it, is one bucket.
pub(crate) fn explicit_buckets(
    scale: i64,
    zero_count: f64,
    positive: &Buckets,
    negative: &Buckets,
) -> Result<(Vec<f64>, Vec<f64>), String> {
    if positive.counts.len() + negative.counts.len() > BUCKETS_MAX {
        return Err(format!("the exponential histogram has more than {BUCKETS_MAX} buckets"));
    }
    if !(-64..=64).contains(&scale) {
        return Err(format!("`scale` {scale} is out of range: SDKs use -10 to 20"));
    }
    let edges = |side: &Buckets| -> Vec<f64> {
        if side.counts.is_empty() {
            return Vec::new();
        }
        let edge = |index: i64| libm::exp2(libm::ldexp(index as f64, -(scale as i32)));
        (0..=side.counts.len() as i64).map(|i| edge(side.offset.saturating_add(i))).collect()
    };
    let (above, below) = (edges(positive), edges(negative));
    let bounds: Vec<f64> = below.iter().rev().map(|edge| -edge).chain(above.iter().copied()).collect();
    if bounds.iter().any(|bound| !bound.is_finite()) || !bounds.is_sorted_by(|a, b| a < b) {
        return Err(format!(
            "scale {scale} with offsets {} and {} gives bounds beyond the range of f64",
            positive.offset, negative.offset
        ));
    }
    let mut buckets = Vec::with_capacity(bounds.len() + 1);
    if !below.is_empty() {
        buckets.push(0.0);
        buckets.extend(negative.counts.iter().rev());
    }
    buckets.push(zero_count);
    if !above.is_empty() {
        buckets.extend(&positive.counts);
        buckets.push(0.0);
    }
    Ok((bounds, buckets))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_powers_of_the_base() {
        let positive = Buckets { offset: 0, counts: vec![1.0, 2.0] };
        let negative = Buckets { offset: 1, counts: vec![3.0] };
        let (bounds, buckets) = explicit_buckets(0, 4.0, &positive, &negative).unwrap();
        assert_eq!(bounds, [-4.0, -2.0, 1.0, 2.0, 4.0]);
        assert_eq!(buckets, [0.0, 3.0, 4.0, 1.0, 2.0, 0.0]);
        let (bounds, buckets) = explicit_buckets(1, 0.0, &positive, &Buckets::default()).unwrap();
        assert_eq!(bounds, [1.0, std::f64::consts::SQRT_2, 2.0]);
        assert_eq!(buckets, [0.0, 1.0, 2.0, 0.0]);
        assert_eq!(
            explicit_buckets(3, 5.0, &Buckets::default(), &Buckets::default()).unwrap(),
            (vec![], vec![5.0])
        );
    }

    #[test]
    fn refuses_what_overflows() {
        let far = Buckets { offset: i64::MAX, counts: vec![1.0] };
        assert!(explicit_buckets(0, 0.0, &far, &Buckets::default()).is_err());
        let many = Buckets { offset: 0, counts: vec![1.0; 5000] };
        assert!(explicit_buckets(20, 0.0, &many, &Buckets::default()).is_err());
        assert!(explicit_buckets(i64::MIN, 0.0, &many, &Buckets::default()).is_err());
    }
}
