//! Which word of a message is a value: messages that differ in one word are held against each other.
//!
//! `session closed for user cyrus`, `… news`, `… test`: where enough different words stand in one
//! place of what is otherwise the same, the place holds a value. How many are enough depends on how
//! much else is the same, and on what the words look like.

use crate::{
    hash::{ByFingerprint, Sequence},
    signature::{GAP, Looks},
};

/// A message with one place left open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Opened {
    /// Fingerprint of what is left.
    pub(crate) key: u64,
    /// Fingerprint of what stood in the place.
    pub(crate) value: u64,
    pub(crate) looks: Looks,
    /// Words that are left.
    pub(crate) words: u32,
    /// Which place; all composed words at once if none.
    pub(crate) place: Option<u32>,
}

/// A word of a pattern, as far as families need to know it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Word {
    /// [`GAP`] for a gap.
    pub(crate) hash: u64,
    pub(crate) looks: Looks,
}

impl Word {
    const fn is_gap(&self) -> bool {
        self.hash == GAP
    }
}

/// Fingerprint of a pattern whose marked places are gaps; gaps that touch are one.
fn key_of(program: u64, pattern: &[Word], open: impl Fn(usize) -> bool) -> u64 {
    let mut sequence = Sequence::of_program(program);
    let mut gap = false;
    for (at, word) in pattern.iter().enumerate() {
        let opens = word.is_gap() || open(at);
        if !(opens && gap) {
            sequence.push(if opens { GAP } else { word.hash });
        }
        gap = opens;
    }
    sequence.finish()
}

/// Messages of more words are not held against each other: what that costs in memory and time grows
/// with the square of their number.
const WORDS_MAX: usize = 40;

/// A pattern in every way in which a place of it can be left open.
pub(crate) fn opened(program: u64, pattern: &[Word], into: &mut Vec<Opened>) {
    into.clear();
    let words = pattern.iter().filter(|word| !word.is_gap()).count();
    if words > WORDS_MAX {
        return;
    }
    let left = |open: usize| u32::try_from(words - open).unwrap_or(u32::MAX);
    for (at, word) in pattern.iter().enumerate() {
        // Between two gaps a word is the only thing that tells them apart.
        let is_gap = |at: Option<usize>| at.and_then(|at| pattern.get(at)).is_some_and(Word::is_gap);
        if word.is_gap() || is_gap(at.checked_sub(1)) && is_gap(Some(at + 1)) {
            continue;
        }
        let key = key_of(program, pattern, |place| place == at);
        let place = u32::try_from(at).ok();
        into.push(Opened { key, value: word.hash, looks: word.looks, words: left(1), place });
    }
    let composed = |at: usize| !pattern[at].is_gap() && pattern[at].looks.composed;
    let count = (0..pattern.len()).filter(|at| composed(*at)).count();
    if count > 1 {
        let mut value = Sequence::new();
        pattern
            .iter()
            .filter(|word| !word.is_gap() && word.looks.composed)
            .for_each(|word| value.push(word.hash));
        let looks = Looks { composed: true, ..Looks::default() };
        let key = key_of(program, pattern, composed);
        into.push(Opened { key, value: value.finish(), looks, words: left(count), place: None });
    }
}

/// Words seen in one place.
#[derive(Clone, Debug, Default)]
pub(crate) struct Family {
    /// Fingerprints of the words, and the slots of the templates that they came with.
    pub(crate) values: Vec<(u64, u32)>,
    composed: u32,
    capitals: u32,
    participles: u32,
    words: u32,
    /// A template whose pattern has a gap in this place.
    pub(crate) gap: Option<u32>,
    /// It is decided that the place holds a value.
    pub(crate) open: bool,
    /// A pattern that the key can be made from again: which, and what of it to open.
    pub(crate) example: Option<(u32, Option<u32>)>,
}

/// More words than any rule asks for need not be kept.
const VALUES_MAX: usize = 40;

impl Family {
    /// Adds a word that came with a template.
    pub(crate) fn add(&mut self, opened: &Opened, pattern: u32, slot: u32) {
        self.words = opened.words;
        if self.open {
            // It has only to be made one with the others.
            self.values.push((opened.value, slot));
            return;
        }
        if self.values.len() >= VALUES_MAX || self.values.iter().any(|(value, _)| *value == opened.value) {
            return;
        }
        self.example.get_or_insert((pattern, opened.place));
        self.values.push((opened.value, slot));
        self.composed += u32::from(opened.looks.composed);
        self.capitals += u32::from(opened.looks.capitals);
        self.participles += u32::from(opened.looks.participle);
    }

    /// Whether the place holds a value.
    ///
    /// One word beside a gap is enough if three words or more are the same. Else the fewer words
    /// are the same, the more different ones it takes; twice as many if most are in capitals
    /// (states of something) or participles (what happened). Three are enough if all are composed
    /// of letters and digits or dots.
    pub(crate) fn holds_a_value(&self) -> bool {
        let count = u32::try_from(self.values.len()).unwrap_or(u32::MAX);
        if count == 0 || self.words < 2 {
            return false;
        }
        if self.gap.is_some() && self.words >= 3 {
            return true;
        }
        if self.composed == count {
            return count >= 3;
        }
        let enough = match self.words {
            2 => 16,
            3 => 8,
            4 => 4,
            _ => 3,
        };
        let telling = self.capitals * 2 > count || self.participles * 2 > count;
        count >= if telling { 2 * enough } else { enough }
    }
}

/// Families by the fingerprint of what is the same in them.
pub(crate) type Families = ByFingerprint<Family>;
