//! The unit of work: a fixed number of series.

/// Series in a block. Large enough to hide the cost of a call, small enough for the
/// values, scores and state of a block to stay in the first-level cache.
pub const BLOCK: usize = 64;

/// Largest magnitude that is taken: its square is finite. Beyond it a value counts as absent.
pub(crate) const MAGNITUDE_MAX: f64 = 1e150;

/// Input of one block.
#[derive(Clone, Debug)]
pub struct Block {
    /// Value by series; NaN is absent.
    pub values: [f64; BLOCK],
    /// 1 where the series may learn, else 0.
    pub learn: [f64; BLOCK],
}

/// Output of one block; [`crate::Scores`] says what each is.
#[derive(Clone, Debug)]
pub struct BlockScores {
    /// P-value by series.
    pub p_value: [f64; BLOCK],
    /// Expected value by series.
    pub expected: [f64; BLOCK],
    /// Low end of the band by series.
    pub low: [f64; BLOCK],
    /// High end of the band by series.
    pub high: [f64; BLOCK],
}

impl Block {
    /// The block that begins at series `first`, with the number of its values that are
    /// infinite or larger than 1e150 and therefore taken as absent.
    pub(crate) fn load(values: &[f64], learn: &[bool], first: usize) -> (Self, u64) {
        let mut block = Self { values: [f64::NAN; BLOCK], learn: [0.0; BLOCK] };
        let mut unusable = 0;
        for (lane, &value) in values.iter().skip(first).take(BLOCK).enumerate() {
            if value.abs() <= MAGNITUDE_MAX {
                block.values[lane] = value;
            } else if !value.is_nan() {
                unusable += 1;
            }
        }
        for (lane, &learn) in learn.iter().skip(first).take(BLOCK).enumerate() {
            block.learn[lane] = f64::from(u8::from(learn));
        }
        (block, unusable)
    }
}

impl BlockScores {
    /// Nothing unusual, nothing expected.
    pub(crate) const ORDINARY: Self = Self {
        p_value: [1.0; BLOCK],
        expected: [f64::NAN; BLOCK],
        low: [f64::NAN; BLOCK],
        high: [f64::NAN; BLOCK],
    };

    /// Writes the block that begins at series `first`.
    pub(crate) fn store(&self, out: &mut crate::Scores<'_>, first: usize) {
        let end = out.p_value.len().min(first + BLOCK);
        let width = end.saturating_sub(first);
        out.p_value[first..end].copy_from_slice(&self.p_value[..width]);
        out.expected[first..end].copy_from_slice(&self.expected[..width]);
        out.low[first..end].copy_from_slice(&self.low[..width]);
        out.high[first..end].copy_from_slice(&self.high[..width]);
    }
}
