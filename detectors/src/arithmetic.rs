//! Logarithm and exponential from exact operations only, so that every machine and
//! every vector width gives the same bits, and loops over lanes vectorise.

/// 1.5 * 2^52: adding it rounds to an integer and leaves that integer in the low bits.
const ROUNDER: f64 = 6_755_399_441_055_744.0;
/// ln 2 in two parts; the first has trailing zeros, so that products with an exponent are exact.
const LN2_HIGH: f64 = 6.931_471_803_691_238e-1;
const LN2_LOW: f64 = 1.908_214_929_270_587_7e-10;

/// `yes` where `condition` holds, else `no`.
#[inline(always)]
#[must_use]
pub fn select(condition: bool, yes: f64, no: f64) -> f64 {
    if condition { yes } else { no }
}

/// The smaller of two numbers, neither of them NaN.
#[inline(always)]
#[must_use]
pub fn least(a: f64, b: f64) -> f64 {
    select(a < b, a, b)
}

/// The larger of two numbers, neither of them NaN.
#[inline(always)]
#[must_use]
pub fn most(a: f64, b: f64) -> f64 {
    select(a > b, a, b)
}

/// Natural logarithm of a positive normal number; relative error below 1e-15, or absolute
/// error below 1e-16 near 1. The atanh series of fdlibm's `e_log.c`, with plain coefficients.
#[inline(always)]
#[must_use]
pub fn ln(x: f64) -> f64 {
    let bits = x.to_bits();
    // Shift the mantissa range to [sqrt(1/2), sqrt(2)).
    let shifted = bits.wrapping_add(0x0009_5F61_9980_C433);
    let exponent =
        f64::from_bits((shifted >> 52) | 0x4330_0000_0000_0000) - (4_503_599_627_370_496.0 + 1023.0);
    let mantissa = f64::from_bits((shifted & 0x000F_FFFF_FFFF_FFFF).wrapping_add(0x3FE6_A09E_667F_3BCD));
    let f = mantissa - 1.0;
    let s = f / (2.0 + f);
    let z = s * s;
    let r = z
        * (6.666_666_666_666_735e-1
            + z * (3.999_999_999_940_942e-1
                + z * (2.857_142_874_366_239e-1
                    + z * (2.222_219_843_214_978_4e-1
                        + z * (1.818_357_216_161_805e-1
                            + z * (1.531_383_769_920_937_3e-1 + z * 1.479_819_860_511_658_6e-1))))));
    let half = 0.5 * f * f;
    exponent * LN2_HIGH - ((half - (s * (half + r) + exponent * LN2_LOW)) - f)
}

/// Exponential for |x| <= 700 (beyond, that of the bound); relative error below 1e-14.
/// Cody-Waite reduction and the Taylor polynomial of degree 13 on |r| <= ln 2 / 2.
#[inline(always)]
#[must_use]
pub fn exp(x: f64) -> f64 {
    let x = most(least(x, 700.0), -700.0);
    let shifted = x * std::f64::consts::LOG2_E + ROUNDER;
    let n = shifted - ROUNDER;
    let r = (x - n * LN2_HIGH) - n * LN2_LOW;
    let mut sum = 1.0 / 6_227_020_800.0;
    sum = sum * r + 1.0 / 479_001_600.0;
    sum = sum * r + 1.0 / 39_916_800.0;
    sum = sum * r + 1.0 / 3_628_800.0;
    sum = sum * r + 1.0 / 362_880.0;
    sum = sum * r + 1.0 / 40_320.0;
    sum = sum * r + 1.0 / 5_040.0;
    sum = sum * r + 1.0 / 720.0;
    sum = sum * r + 1.0 / 120.0;
    sum = sum * r + 1.0 / 24.0;
    sum = sum * r + 1.0 / 6.0;
    sum = sum * r + 0.5;
    sum = sum * r + 1.0;
    sum = sum * r + 1.0;
    sum * f64::from_bits((shifted.to_bits() << 52).wrapping_add(0x3FF0_0000_0000_0000))
}

/// Inverse hyperbolic sine: linear about 0, logarithmic far from it.
#[must_use]
pub fn asinh(x: f64) -> f64 {
    let size = x.abs();
    // ln(1 + y), exact for small y (Kahan), with y = |x| + x^2 / (1 + sqrt(1 + x^2)).
    let y = size + size * size / (1.0 + (1.0 + size * size).sqrt());
    let whole = 1.0 + y;
    let result = if whole <= 1.0 { y } else { ln(whole) * (y / (whole - 1.0)) };
    if x < 0.0 { -result } else { result }
}

/// What single precision is worth where a number is for show, or its error is far below the
/// noise of what it is made from; half the bytes, and twice the lanes at a time.
pub mod single {
    /// `yes` where `condition` holds, else `no`.
    #[inline(always)]
    #[must_use]
    pub fn select(condition: bool, yes: f32, no: f32) -> f32 {
        if condition { yes } else { no }
    }

    /// The smaller of two numbers, neither of them NaN.
    #[inline(always)]
    #[must_use]
    pub fn least(a: f32, b: f32) -> f32 {
        select(a < b, a, b)
    }

    /// The larger of two numbers, neither of them NaN.
    #[inline(always)]
    #[must_use]
    pub fn most(a: f32, b: f32) -> f32 {
        select(a > b, a, b)
    }

    /// Natural logarithm of a positive normal number; error below 1e-7 relative, or absolute near
    /// 1. Polynomial of Cephes' `logf.c` (Moshier 1992).
    #[inline(always)]
    #[must_use]
    #[expect(clippy::cast_precision_loss, clippy::cast_possible_wrap, reason = "an exponent")]
    pub fn ln(x: f32) -> f32 {
        // Shift the mantissa range to [sqrt(1/2), sqrt(2)).
        let shifted = x.to_bits().wrapping_add(0x3F80_0000 - 0x3F35_04F3);
        let exponent = ((shifted >> 23) as i32 - 127) as f32;
        let f = f32::from_bits((shifted & 0x007F_FFFF) + 0x3F35_04F3) - 1.0;
        let mut sum = 7.037_683_6e-2;
        for coefficient in [
            -1.151_461e-1,
            1.167_699_84e-1,
            -1.242_014_1e-1,
            1.424_932_3e-1,
            -1.666_805_7e-1,
            2.000_071_5e-1,
            -2.499_999_4e-1,
            3.333_333e-1,
        ] {
            sum = sum * f + coefficient;
        }
        let square = f * f;
        let rest = f * square * sum - 2.121_944_4e-4 * exponent - 0.5 * square;
        f + rest + 0.693_359_4 * exponent
    }

    /// Exponential for |x| <= 87 (beyond, that of the bound); relative error below 3e-7.
    /// Cody-Waite reduction and the polynomial of Cephes' `expf.c` (Moshier 1992).
    #[inline(always)]
    #[must_use]
    pub fn exp(x: f32) -> f32 {
        /// 1.5 * 2^23: adding it rounds to an integer and leaves that integer in the low bits.
        const ROUNDER: f32 = 12_582_912.0;
        let x = most(least(x, 87.0), -87.0);
        let shifted = x * std::f32::consts::LOG2_E + ROUNDER;
        let n = shifted - ROUNDER;
        let r = (x - n * 0.693_359_4) + n * 2.121_944_4e-4;
        let mut sum = 1.987_569_1e-4;
        for coefficient in [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 5e-1] {
            sum = sum * r + coefficient;
        }
        (sum * (r * r) + r + 1.0) * f32::from_bits((shifted.to_bits() << 23).wrapping_add(0x3F80_0000))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asinh_agrees_with_libm() {
        for x in [0.0, 1e-300, 1e-12, 1e-5, 0.1, 0.7, 1.0, 3.0, 1e3, 1e9, 1e100] {
            let (ours, theirs) = (asinh(x), libm::asinh(x));
            assert!((ours - theirs).abs() <= 1e-14 * theirs, "{x}: {ours}, {theirs}");
            assert!((asinh(-x) + ours).abs() <= 0.0);
        }
    }
}
