//! Exponential histograms as histograms with explicit bounds.

/// Buckets that follow each other: `counts[i]` values lie in
/// `(base^(offset + i), base^(offset + i + 1)]`.
#[derive(Default)]
pub(crate) struct Buckets {
    pub(crate) offset: i64,
    pub(crate) counts: Vec<f64>,
}

/// Buckets on both sides together beyond which a point is refused; SDKs make at most 320.
pub(crate) const BUCKETS_MAX: usize = 4096;

/// Bounds `[buckets - 1]` and counts `[buckets]`, from the runs of buckets on both sides in
/// the order of their offsets.
///
/// The base is `2^(2^-scale)` (OpenTelemetry metrics data model, "Exponential scale"). What
/// lies between the sides, zeros among it, is one bucket, and so is each gap between runs.
pub(crate) fn explicit_buckets(
    scale: i64,
    zero_count: f64,
    positive: &[Buckets],
    negative: &[Buckets],
) -> Result<(Vec<f64>, Vec<f64>), String> {
    if positive.iter().chain(negative).map(|run| run.counts.len()).sum::<usize>() > BUCKETS_MAX {
        return Err(format!("the exponential histogram has more than {BUCKETS_MAX} buckets"));
    }
    if !(-64..=64).contains(&scale) {
        return Err(format!("`scale` {scale} is out of range: SDKs use -10 to 20"));
    }
    let ((above, positive_counts), (below, negative_counts)) = (side(scale, positive), side(scale, negative));
    let bounds: Vec<f64> = below.iter().rev().map(|edge| -edge).chain(above.iter().copied()).collect();
    if bounds.iter().any(|bound| !bound.is_finite()) || !bounds.is_sorted_by(|a, b| a < b) {
        let first = |runs: &[Buckets]| runs.first().map_or(0, |run| run.offset);
        return Err(format!(
            "scale {scale} with offsets {} and {} gives bounds beyond the range of f64",
            first(positive),
            first(negative)
        ));
    }
    let mut buckets = Vec::with_capacity(bounds.len() + 1);
    if !below.is_empty() {
        buckets.push(0.0);
        buckets.extend(negative_counts.iter().rev());
    }
    buckets.push(zero_count);
    if !above.is_empty() {
        buckets.extend(&positive_counts);
        buckets.push(0.0);
    }
    Ok((bounds, buckets))
}

/// Edges of one side, away from zero, and counts between them.
fn side(scale: i64, runs: &[Buckets]) -> (Vec<f64>, Vec<f64>) {
    let edge = |index: i64| libm::exp2(libm::ldexp(index as f64, -(scale as i32)));
    let (mut edges, mut counts) = (Vec::new(), Vec::new());
    let mut end = None;
    for run in runs.iter().filter(|run| !run.counts.is_empty()) {
        if end != Some(run.offset) {
            if end.is_some() {
                counts.push(0.0);
            }
            edges.push(edge(run.offset));
        }
        edges.extend((1..=run.counts.len() as i64).map(|i| edge(run.offset.saturating_add(i))));
        counts.extend(&run.counts);
        end = Some(run.offset.saturating_add(run.counts.len() as i64));
    }
    (edges, counts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_powers_of_the_base() {
        let positive = Buckets { offset: 0, counts: vec![1.0, 2.0] };
        let negative = Buckets { offset: 1, counts: vec![3.0] };
        let (positive, negative) = ([positive], [negative]);
        let (bounds, buckets) = explicit_buckets(0, 4.0, &positive, &negative).unwrap();
        assert_eq!(bounds, [-4.0, -2.0, 1.0, 2.0, 4.0]);
        assert_eq!(buckets, [0.0, 3.0, 4.0, 1.0, 2.0, 0.0]);
        let (bounds, buckets) = explicit_buckets(1, 0.0, &positive, &[]).unwrap();
        assert_eq!(bounds, [1.0, std::f64::consts::SQRT_2, 2.0]);
        assert_eq!(buckets, [0.0, 1.0, 2.0, 0.0]);
        assert_eq!(explicit_buckets(3, 5.0, &[Buckets::default()], &[]).unwrap(), (vec![], vec![5.0]));
    }

    #[test]
    fn a_gap_between_runs_is_one_empty_bucket() {
        let run = |offset, count| Buckets { offset, counts: vec![count] };
        let (bounds, buckets) =
            explicit_buckets(0, 1.0, &[run(0, 2.0), run(1, 3.0), run(9, 4.0)], &[run(0, 5.0), run(2, 6.0)])
                .unwrap();
        assert_eq!(bounds, [-8.0, -4.0, -2.0, -1.0, 1.0, 2.0, 4.0, 512.0, 1024.0]);
        assert_eq!(buckets, [0.0, 6.0, 0.0, 5.0, 1.0, 2.0, 3.0, 0.0, 4.0, 0.0]);
        // Runs that lie over each other have no order.
        assert!(explicit_buckets(0, 1.0, &[run(2, 2.0), run(0, 3.0)], &[]).is_err());
    }

    #[test]
    fn refuses_what_overflows() {
        let far = [Buckets { offset: i64::MAX, counts: vec![1.0] }];
        assert!(explicit_buckets(0, 0.0, &far, &[]).is_err());
        let many = [Buckets { offset: 0, counts: vec![1.0; 5000] }];
        assert!(explicit_buckets(20, 0.0, &many, &[]).is_err());
        assert!(explicit_buckets(i64::MIN, 0.0, &many, &[]).is_err());
    }
}
