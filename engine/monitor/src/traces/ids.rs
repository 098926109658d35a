//! Numbers for what has a few numbers itself: an entity with the name of an operation, two ends of
//! a call.

use serde::{Deserialize, Serialize};

/// What is numbered: up to three numbers, the others 0.
pub(crate) type Key = [u32; 3];

/// Where there is none.
pub(crate) const NONE: u32 = u32::MAX;

/// Keys in the order in which they came; a key is found by its hash, and no order of hashes shows.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(from = "Vec<Key>", into = "Vec<Key>")]
pub(crate) struct Ids {
    keys: Vec<Key>,
    /// Number of a key, or [`NONE`], by hash; a power of two, at most half of it taken.
    table: Vec<u32>,
}

/// Odd, the fractional digits of pi.
const FACTOR: u64 = 0x243f_6a88_85a3_08d3;

fn hash(key: Key) -> usize {
    let fold = |hash: u64, word: u64| {
        let product = u128::from(hash ^ word) * u128::from(FACTOR);
        product as u64 ^ (product >> 64) as u64
    };
    let pair = u64::from(key[0]) << 32 | u64::from(key[1]);
    fold(fold(FACTOR, pair), u64::from(key[2])) as usize
}

impl Ids {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    /// The key of a number that was given.
    pub(crate) fn key(&self, id: u32) -> Key {
        self.keys[id as usize]
    }

    /// The number of a key that is known.
    pub(crate) fn get(&self, key: Key) -> Option<u32> {
        self.table.get(self.place(key)?).copied().filter(|id| *id != NONE)
    }

    /// The number of a key, the next one if it is new.
    pub(crate) fn add(&mut self, key: Key) -> u32 {
        if let Some(known) = self.get(key) {
            return known;
        }
        let id = self.keys.len() as u32;
        self.keys.push(key);
        if 2 * self.keys.len() > self.table.len() {
            self.rebuild();
        } else if let Some(place) = self.place(key) {
            self.table[place] = id;
        }
        id
    }

    /// Where the key is, or would be; none if there is no table yet.
    fn place(&self, key: Key) -> Option<usize> {
        let mask = self.table.len().checked_sub(1)?;
        let mut place = hash(key) & mask;
        while self.table[place] != NONE && self.keys[self.table[place] as usize] != key {
            place = (place + 1) & mask;
        }
        Some(place)
    }

    fn rebuild(&mut self) {
        self.table = vec![NONE; (4 * self.keys.len()).next_power_of_two()];
        for id in 0..self.keys.len() as u32 {
            if let Some(place) = self.place(self.key(id)) {
                self.table[place] = id;
            }
        }
    }
}

impl From<Vec<Key>> for Ids {
    fn from(keys: Vec<Key>) -> Self {
        let mut ids = Self { keys, table: Vec::new() };
        ids.rebuild();
        ids
    }
}

impl From<Ids> for Vec<Key> {
    fn from(ids: Ids) -> Self {
        ids.keys
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_given_once_and_survive() {
        let mut ids = Ids::default();
        assert_eq!(ids.get([1, 2, 0]), None);
        for i in 0..1_000 {
            assert_eq!(ids.add([i % 7, i, 0]), i);
        }
        let again = Ids::from(Vec::from(ids.clone()));
        for i in 0..1_000 {
            assert_eq!(ids.add([i % 7, i, 0]), i);
            assert_eq!((again.get([i % 7, i, 0]), again.key(i)), (Some(i), [i % 7, i, 0]));
        }
        assert_eq!(again.get([9, 9, 9]), None);
    }
}
