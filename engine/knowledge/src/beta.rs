//! How sure a share is that was counted: the Beta distribution.

/// The bounds between which a share lies with the probability `mass`, with as much left below as above,
/// given `successes` and `failures` (prior included, both above 0). Exact to twelve digits.
#[must_use]
pub fn interval(successes: f64, failures: f64, mass: f64) -> (f64, f64) {
    let tail = (1.0 - mass) / 2.0;
    (quantile(successes, failures, tail), quantile(successes, failures, 1.0 - tail))
}

/// Where the distribution function reaches `p`, by bisection.
fn quantile(a: f64, b: f64, p: f64) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..60 {
        let middle = (low + high) / 2.0;
        if distribution(a, b, middle) < p {
            low = middle;
        } else {
            high = middle;
        }
    }
    (low + high) / 2.0
}

/// The regularised incomplete beta function `I_x(a, b)`: the continued fraction 8.17.22 of the NIST
/// Digital Library of Mathematical Functions where it converges fast, elsewhere by
/// `I_x(a, b) = 1 - I_(1-x)(b, a)`.
fn distribution(a: f64, b: f64, x: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    if x >= 1.0 {
        return 1.0;
    }
    if x > (a + 1.0) / (a + b + 2.0) {
        return 1.0 - distribution(b, a, 1.0 - x);
    }
    let log_front =
        a * libm::log(x) + b * libm::log1p(-x) - libm::lgamma(a) - libm::lgamma(b) + libm::lgamma(a + b);
    libm::exp(log_front) * fraction(a, b, x) / a
}

/// The continued fraction, by Lentz's method.
fn fraction(a: f64, b: f64, x: f64) -> f64 {
    const TINY: f64 = 1e-300;
    let safe = |value: f64| if value.abs() < TINY { TINY } else { value };
    let (mut c, mut d) = (1.0, 1.0 / safe(1.0 - (a + b) * x / (a + 1.0)));
    let mut value = d;
    for step in 1..10_000_u32 {
        let m = f64::from(step);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        let mut change = 1.0;
        for term in [even, odd] {
            d = 1.0 / safe(1.0 + term * d);
            c = safe(1.0 + term / c);
            change = c * d;
            value *= change;
        }
        if (change - 1.0_f64).abs() < 1e-15 {
            break;
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: f64, b: f64) {
        assert!((a - b).abs() < 1e-11, "{a} is not {b}");
    }

    #[test]
    fn where_there_is_a_closed_form_it_is_that() {
        for p in [0.01, 0.05, 0.5, 0.9, 0.999] {
            close(quantile(1.0, 1.0, p), p);
            for n in [0.5, 2.0, 7.0, 300.0] {
                close(quantile(n, 1.0, p), libm::pow(p, 1.0 / n));
                close(quantile(1.0, n, p), 1.0 - libm::pow(1.0 - p, 1.0 / n));
            }
            // The arcsine law.
            let sine = libm::sin(core::f64::consts::FRAC_PI_2 * p);
            close(quantile(0.5, 0.5, p), sine * sine);
        }
        // Three at least of four throws: 5/16.
        close(distribution(3.0, 2.0, 0.5), 5.0 / 16.0);
    }

    #[test]
    fn more_evidence_makes_it_narrower() {
        let (low, high) = interval(3.0, 1.0, 0.9);
        let (nearer, less_high) = interval(300.0, 100.0, 0.9);
        assert!(low < nearer && nearer < 0.75 && 0.75 < less_high && less_high < high);
        close(interval(8.0, 8.0, 0.9).0, 1.0 - interval(8.0, 8.0, 0.9).1);
    }
}
