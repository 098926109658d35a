//! The generator of a tree: eight bytes of state, one multiplication chain a draw.

/// SplitMix64 (Steele, Lea and Flood 2014). Cheap, and every seed is a good one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SplitMix(pub(super) u64);

impl SplitMix {
    /// A generator of its own for each pair of numbers under one seed.
    pub(super) fn seeded(seed: u64, model: u64, tree: u64) -> Self {
        let mut random = Self(seed);
        random.0 ^= random.next().wrapping_add(model);
        random.0 ^= random.next().wrapping_add(tree);
        random.next();
        random
    }

    /// 64 random bits.
    #[inline(always)]
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Uniform on 0 .. `end`. Off from uniform by less than `end` / 2^32.
    #[inline(always)]
    pub(super) fn below(&mut self, end: u32) -> u32 {
        (((self.next() >> 32) * u64::from(end)) >> 32) as u32
    }

    /// Uniform on the open interval from 0 to 1.
    #[inline(always)]
    pub(super) fn unit(&mut self) -> f64 {
        ((self.next() >> 11) as f64 + 0.5) / 9_007_199_254_740_992.0
    }
}
