//! Texts that repeat, with what finds them again.

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    sync::LazyLock,
};

/// Factors of the hash, the fractional digits of pi, each mixed with what the process drew.
static FACTORS: LazyLock<[u64; 4]> = LazyLock::new(|| {
    const PI: [u64; 4] =
        [0x243f_6a88_85a3_08d3, 0x1319_8a2e_0370_7344, 0xa409_3822_299f_31d0, 0x082e_fa98_ec4e_6c89];
    let drawn = RandomState::new();
    PI.map(|digits| {
        let mut hasher = drawn.build_hasher();
        hasher.write_u64(digits);
        hasher.finish() | 1
    })
});

#[inline]
const fn fold(a: u64, b: u64) -> u64 {
    let product = a as u128 * b as u128;
    product as u64 ^ (product >> 64) as u64
}

#[inline]
fn word(bytes: &[u8; 8]) -> u64 {
    u64::from_le_bytes(*bytes)
}

/// Fewer than sixteen bytes as two words.
#[inline]
fn few(bytes: &[u8]) -> [u64; 2] {
    if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        return [word(first), word(last)];
    }
    if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        return [u32::from_le_bytes(*first).into(), u32::from_le_bytes(*last).into()];
    }
    [bytes.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)), 0]
}

#[inline]
fn sixteen(bytes: &[u8; 16]) -> [u64; 2] {
    let number = u128::from_le_bytes(*bytes);
    [number as u64, (number >> 64) as u64]
}

#[inline]
fn step(factors: &[u64; 4], lanes: [u64; 2], [p, q]: [u64; 2], [r, s]: [u64; 2]) -> [u64; 2] {
    [fold(p ^ factors[2], q ^ lanes[0]), fold(r ^ factors[3], s ^ lanes[1])]
}

#[inline]
fn step_block(factors: &[u64; 4], lanes: [u64; 2], block: &[u8; 32]) -> [u64; 2] {
    let (halves, _) = block.as_chunks();
    step(factors, lanes, sixteen(&halves[0]), sixteen(&halves[1]))
}

/// A hash of bytes, for tables in memory: folded products, thirty-two bytes a step (after
/// wyhash, <https://github.com/wangyi-fudan/wyhash>). Every process hashes in another way, so
/// that nobody can send keys that share a place; what is found by it must be compared.
#[must_use]
#[inline]
pub fn fingerprint(bytes: &[u8]) -> u64 {
    let factors: &[u64; 4] = &FACTORS;
    let mut lanes = [factors[0] ^ bytes.len() as u64, factors[1]];
    if let Some(last) = bytes.last_chunk() {
        let (blocks, rest) = bytes.as_chunks();
        lanes = blocks.iter().fold(lanes, |lanes, block| step_block(factors, lanes, block));
        if !rest.is_empty() {
            // Some bytes before the rest are taken twice.
            lanes = step_block(factors, lanes, last);
        }
    } else if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        lanes = step(factors, lanes, sixteen(first), sixteen(last));
    } else {
        let words = few(bytes);
        lanes = step(factors, lanes, words, words);
    }
    fold(lanes[0] ^ factors[0], lanes[1] ^ factors[1])
}

/// A text with its [`fingerprint`], so that a text that is appended often is hashed once.
#[derive(Clone, Copy, Debug)]
pub struct Label<'a> {
    text: &'a str,
    hash: u64,
}

impl<'a> Label<'a> {
    /// Of a text that is not known.
    #[must_use]
    #[inline]
    pub fn new(text: &'a str) -> Self {
        Self { text, hash: fingerprint(text.as_bytes()) }
    }

    /// Of a text with this [`fingerprint`]. With another, rows that have the same text may get
    /// different dictionary keys.
    #[must_use]
    #[inline]
    pub const fn with_hash(text: &'a str, hash: u64) -> Self {
        Self { text, hash }
    }

    /// The text.
    #[must_use]
    #[inline]
    pub const fn text(&self) -> &'a str {
        self.text
    }

    /// Its hash.
    #[must_use]
    #[inline]
    pub const fn hash(&self) -> u64 {
        self.hash
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_byte_and_the_length_count() {
        for length in 0..100 {
            let zeros = vec![0; length];
            let mut hashes = BTreeSet::from([fingerprint(&zeros)]);
            for at in 0..length {
                let mut changed = zeros.clone();
                changed[at] = 1;
                hashes.insert(fingerprint(&changed));
            }
            assert_eq!(hashes.len(), length + 1, "{length} bytes");
            assert_ne!(fingerprint(&zeros), fingerprint(&vec![0; length + 1]));
        }
    }
}
