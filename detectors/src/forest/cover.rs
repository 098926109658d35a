//! Bounding boxes over quantised points.

/// A point: one level for each dimension, zero beyond the last.
pub(super) type Point<const L: usize> = [u16; L];

/// Smallest box around some points, faces included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cover<const L: usize> {
    pub(super) low: Point<L>,
    pub(super) high: Point<L>,
}

/// What a box would have to grow to take in a point, against what it measures; summed over dimensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Growth {
    pub(super) extension: i32,
    pub(super) range: i32,
}

impl Growth {
    /// Chance that a random cut of the grown box parts the point from the box.
    #[inline(always)]
    pub(super) fn chance(self) -> f32 {
        self.extension as f32 / (self.extension + self.range) as f32
    }
}

impl<const L: usize> Cover<L> {
    #[inline(always)]
    pub(super) fn of(point: &Point<L>) -> Self {
        Self { low: *point, high: *point }
    }

    #[inline(always)]
    pub(super) fn merge(&mut self, other: &Self) {
        for i in 0..L {
            self.low[i] = self.low[i].min(other.low[i]);
            self.high[i] = self.high[i].max(other.high[i]);
        }
    }

    #[inline(always)]
    pub(super) fn include(&mut self, point: &Point<L>) {
        for (i, &level) in point.iter().enumerate() {
            self.low[i] = self.low[i].min(level);
            self.high[i] = self.high[i].max(level);
        }
    }

    /// Distance of the point from the box in dimension `i`: of above and below one is zero.
    #[inline(always)]
    pub(super) fn outside(&self, point: &Point<L>, i: usize) -> u16 {
        point[i].saturating_sub(self.high[i]) | self.low[i].saturating_sub(point[i])
    }

    /// Whether the point, which is inside, lies on a face.
    #[inline(always)]
    pub(super) fn touches(&self, point: &Point<L>) -> bool {
        (0..L).fold(false, |touches, i| touches | (point[i] == self.low[i]) | (point[i] == self.high[i]))
    }

    #[inline(always)]
    pub(super) fn growth(&self, point: &Point<L>) -> Growth {
        let (mut extension, mut range) = (0, 0);
        for i in 0..L {
            extension += i32::from(self.outside(point, i));
            range += i32::from(self.high[i] - self.low[i]);
        }
        Growth { extension, range }
    }
}

/// [`Cover::growth`] of several boxes, extensions and ranges apart: that way compilers find vectors.
#[inline(always)]
pub(super) fn growths<const L: usize, const N: usize>(
    covers: &[Cover<L>],
    places: [u32; N],
    point: &Point<L>,
) -> ([i32; N], [i32; N]) {
    let (mut extensions, mut ranges) = ([[0; 4]; N], [[0; 4]; N]);
    for i in 0..N {
        let cover = &covers[places[i] as usize];
        extensions[i] = quarters::<L>(std::array::from_fn(|k| cover.outside(point, k)));
        ranges[i] = quarters::<L>(std::array::from_fn(|k| cover.high[k] - cover.low[k]));
    }
    let sum = |[a, b, c, d]: [i32; 4]| a + b + (c + d);
    (extensions.map(sum), ranges.map(sum))
}

/// Four sums over a quarter of the levels each.
#[inline(always)]
fn quarters<const L: usize>(levels: [u16; L]) -> [i32; 4] {
    let mut sums = [0; 4];
    for (pair, levels) in levels.as_chunks::<2>().0.iter().enumerate() {
        sums[pair % 4] += i32::from(levels[0]) + i32::from(levels[1]);
    }
    sums
}
