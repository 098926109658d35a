//! Fingerprints of words and of sequences of them: the same on every machine and in every run.

use std::hash::{BuildHasherDefault, Hasher};

/// Odd numbers without pattern: digits of pi.
const SEED: u64 = 0x243f_6a88_85a3_08d3;
const FACTOR: u64 = 0x1319_8a2e_0370_7345;

/// The two halves of a product of 128 bits depend on all bits of both factors (as in wyhash).
#[expect(clippy::cast_possible_truncation, reason = "the halves of a product")]
const fn fold(a: u64, b: u64) -> u64 {
    let product = (a as u128).wrapping_mul(b as u128);
    product as u64 ^ (product >> 64) as u64
}

/// Fingerprint of bytes.
pub(crate) fn bytes(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let mut hash = SEED ^ bytes.len() as u64;
    for word in words {
        hash = fold(hash ^ u64::from_le_bytes(*word), FACTOR);
    }
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    fold(hash ^ u64::from_le_bytes(last), FACTOR)
}

/// Fingerprint of a part of a line, as [`bytes`] gives it.
pub(crate) fn part(line: &[u8], start: usize, end: usize) -> u64 {
    let length = end - start;
    match line.get(start..).and_then(<[u8]>::first_chunk::<8>) {
        // Short words in one step: what is read behind them is masked out.
        Some(chunk) if (1..8).contains(&length) => {
            let word = u64::from_le_bytes(*chunk) & (u64::MAX >> (64 - 8 * length));
            fold(SEED ^ length as u64 ^ word, FACTOR)
        }
        _ => bytes(&line[start..end]),
    }
}

/// Fingerprint of a sequence, item by item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sequence(u64);

impl Sequence {
    /// Of nothing.
    pub(crate) const fn new() -> Self {
        Self(SEED)
    }

    /// Of what a program says: the same words of another program are another sequence.
    pub(crate) const fn of_program(program: u64) -> Self {
        let mut sequence = Self::new();
        sequence.push(program);
        sequence
    }

    /// Adds an item.
    pub(crate) const fn push(&mut self, item: u64) {
        self.0 = fold(self.0.rotate_left(17) ^ item, FACTOR);
    }

    /// The fingerprint.
    pub(crate) const fn finish(self) -> u64 {
        self.0
    }
}

/// Takes a fingerprint as it is: it is spread already.
#[derive(Clone, Copy, Default)]
pub(crate) struct Spread(u64);

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = self::bytes(bytes);
    }

    fn write_u64(&mut self, fingerprint: u64) {
        self.0 = fingerprint;
    }
}

/// A map whose keys are fingerprints.
#[expect(clippy::disallowed_types, reason = "nothing iterates over it, so it has no order to differ")]
pub(crate) type ByFingerprint<V> = std::collections::HashMap<u64, V, BuildHasherDefault<Spread>>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_has_the_fingerprint_of_its_bytes() {
        let line = b"some words of several lengths, 0123456789 and the last";
        for start in 0..line.len() {
            for end in start..line.len() {
                assert_eq!(part(line, start, end), bytes(&line[start..end]), "{start} to {end}");
            }
        }
    }
}
