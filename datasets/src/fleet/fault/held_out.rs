//! Which types of fault are kept out of view while rules are written.

use super::catalogue;
use crate::random::Stream;

/// The seed of the draw.
const SEED: u64 = 7;
/// One of five.
const COUNT: usize = 9;

/// Codes of the types that no rule, threshold or playbook may be written from: what
/// [`draw_held_out`] gives, written down; a test compares.
pub const HELD_OUT: [&str; COUNT] = ["F04", "F08", "F12", "F15", "F25", "F31", "F33", "F34", "F40"];

/// The draw itself: nine of the codes in a random order, sorted.
#[must_use]
pub fn draw_held_out() -> Vec<String> {
    let mut codes: Vec<String> = catalogue().iter().map(|record| record.code.clone()).collect();
    Stream::of(SEED, "fleet", "held out").shuffle(&mut codes);
    codes.truncate(COUNT);
    codes.sort();
    codes
}
