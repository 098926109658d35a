//! Block maxima of every member, the references made of them, and evidence.

use super::{Families, Family, MEMBERS, SCALES, SIGNALS, WARM_UP, signals::Signal, windows::Statistics};
use crate::arithmetic::ln;

/// Block maxima kept; when so many are there, each two become one of twice the length.
const BLOCKS: usize = 32;
/// Block maxima that a reference needs.
const BLOCKS_MIN: usize = 8;
/// The reference is the largest but one: the smallest order statistic that outlives one event.
const RANK: usize = 2;
/// Decades that a member gives at most.
const CAP: f32 = 1.0;
/// A unit is at least this share of the range seen.
const UNIT_SHARE: f64 = 0.01;
/// Unit of [`Family::Calm`] at least: it is a logarithm, and a tenth is nothing.
const UNIT_CALM: f32 = 0.1;

type Members = [[f32; MEMBERS]; SIGNALS];

#[derive(Clone, Debug)]
pub(super) struct Maxima {
    /// By block, signal and member: what is done at a block's end goes over members.
    pub(super) blocks: [Members; BLOCKS],
    /// Of the block under way.
    pub(super) current: Members,
    /// The largest but one; infinite while it is not known.
    pub(super) reference: Members,
    /// The median.
    pub(super) middle: Members,
    /// Decades between median and reference.
    pub(super) decades: Members,
    pub(super) count: f64,
    /// Observations of a block, and of the one under way.
    pub(super) length: f64,
    pub(super) filled: f64,
}

/// Quantile of the standard Gumbel distribution, in decades.
fn gumbel_decades(p: f64) -> f64 {
    -ln(-ln(p)) / std::f64::consts::LN_10
}

impl Maxima {
    pub(super) const fn new() -> Self {
        const NONE: Members = [[f32::NEG_INFINITY; MEMBERS]; SIGNALS];
        Self {
            blocks: [NONE; BLOCKS],
            current: NONE,
            reference: [[f32::INFINITY; MEMBERS]; SIGNALS],
            middle: [[0.0; MEMBERS]; SIGNALS],
            decades: [[1.0; MEMBERS]; SIGNALS],
            count: 0.0,
            length: 1.0,
            filled: 0.0,
        }
    }

    /// References of the shortest departure from the time of day, by signal.
    pub(super) fn season_references(&self) -> [f64; SIGNALS] {
        self.reference.map(|reference| f64::from(reference[Family::Season as usize * SCALES.len()]))
    }

    /// Decades in all, and by family. The two signals of a member are one member: the larger counts.
    #[expect(clippy::cast_possible_truncation, reason = "of a unit f32 keeps enough")]
    pub(super) fn evidence(
        &self,
        statistics: &Statistics,
        signal: &Signal,
        rows: f64,
        counted: Families,
    ) -> (f64, [f32; 8]) {
        let mut members = [0.0_f32; MEMBERS];
        let mut families = [0.0; 8];
        if rows < WARM_UP {
            return (0.0, families);
        }
        for (a, statistics) in statistics.iter().enumerate() {
            let floor = (UNIT_SHARE * signal.span[a]).max(1e-12 * signal.now[a].abs() + 1e-300) as f32;
            let floor = floor.max(f32::MIN_POSITIVE);
            let (reference, middle) = (&self.reference[a], &self.middle[a]);
            for (j, member) in members.iter_mut().enumerate() {
                let floor = if j < Family::Calm as usize * SCALES.len() { floor } else { UNIT_CALM };
                let above = statistics[j] - reference[j];
                let unit = (reference[j] - middle[j]).max(floor);
                let decades = (above / unit * self.decades[a][j]).min(CAP);
                // Not so where either is infinite, for then nothing is known.
                *member = if above > 0.0 && decades > *member { decades } else { *member };
            }
        }
        let of_family = members.chunks_mut(SCALES.len()).zip(&mut families).zip(Family::ALL);
        for ((members, decades), family) in of_family {
            if !counted.contain(family) {
                members.fill(0.0);
            }
            *decades = members.iter().sum();
        }
        (members.iter().copied().map(f64::from).sum(), families)
    }

    /// Learns from the statistics that were judged.
    pub(super) fn learn(&mut self, statistics: &Statistics, rows: f64) {
        for (current, statistics) in self.current.as_flattened_mut().iter_mut().zip(statistics.as_flattened())
        {
            *current = current.max(*statistics);
        }
        self.filled += 1.0;
        if self.filled >= self.length {
            self.filled = 0.0;
            self.end_block(rows);
        }
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of blocks")]
    fn end_block(&mut self, rows: f64) {
        let mut count = self.count as usize;
        self.blocks[count] = self.current;
        self.current = [[f32::NEG_INFINITY; MEMBERS]; SIGNALS];
        count += 1;
        if count == BLOCKS {
            count /= 2;
            for b in 0..count {
                let other = self.blocks[2 * b + 1];
                self.blocks[b] = self.blocks[2 * b];
                let merged = self.blocks[b].as_flattened_mut().iter_mut();
                merged.zip(other.as_flattened()).for_each(|(one, other)| *one = one.max(*other));
            }
            self.length *= 2.0;
        }
        self.count = count as f64;
        if rows >= WARM_UP / 2.0 && count >= BLOCKS_MIN {
            self.refer(count);
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "f32 keeps enough of some decades")]
    fn refer(&mut self, count: usize) {
        for a in 0..SIGNALS {
            for j in 0..MEMBERS {
                let mut maxima = [0.0_f32; BLOCKS];
                let mut known = 0;
                for block in &self.blocks[..count] {
                    if block[a][j] > f32::NEG_INFINITY {
                        maxima[known] = block[a][j];
                        known += 1;
                    }
                }
                if known < BLOCKS_MIN {
                    continue;
                }
                maxima[..known].sort_unstable_by(f32::total_cmp);
                let middle = (known - 1) / 2;
                let n = known as f64;
                self.reference[a][j] = maxima[known - RANK];
                self.middle[a][j] = maxima[middle];
                let (high, low) = ((n - RANK as f64 + 0.5) / n, (middle as f64 + 0.5) / n);
                self.decades[a][j] = (gumbel_decades(high) - gumbel_decades(low)) as f32;
            }
        }
    }
}
