//! Whether a template is several after all.
//!
//! Templates are made one when enough words were seen in a place. That is sometimes too soon: the
//! place may turn out to hold a few words only, and what stands around the values to go with the
//! word: `worker alpha left 3 of 7 jobs`, always, and `worker beta left (3/7 jobs)`. Those are
//! statements of their own.
//!
//! What varies in a template is told by its words and by its layout, the delimiters between them.
//! Both are watched in a sample of the lines. Where neither has brought anything new for thousands
//! of lines, words that never share a layout with others are a part of their own. Words that share
//! one, however seldom, are not told apart: a place that holds few values, as users or hosts, is
//! still a place of values.

use serde::{Deserialize, Serialize};

/// Words and layouts of one template that are watched. More are no small set.
const WORDS_MAX: usize = 16;
const LAYOUTS_MAX: usize = 8;

/// So many sampled lines must bring nothing new. By the rule of three, less than three in a
/// thousand lines then do (at 95 %).
const CLOSED_AFTER: u32 = 1000;

/// Sampled lines that each part must have. Of words that take one of two layouts by chance, one in
/// ten times the other, fewer than one in a thousand never show it in so many.
const PART_MIN: u32 = 64;

/// Words of a template, and the layouts that they were seen in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Variant {
    words: u64,
    /// Bit by place in [`Variants::layouts`].
    layouts: u8,
    lines: u32,
}

/// What was seen of a template's words and layouts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Variants {
    seen: Vec<Variant>,
    layouts: Vec<u64>,
    /// Sampled lines since there was anything new.
    calm: u32,
    /// It is one template for good: there are too many words or layouts, or they hang together.
    one: bool,
}

/// A part of a template: fingerprints of its words, and of its layouts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) words: Vec<u64>,
    pub(crate) layouts: Vec<u64>,
    lines: u32,
}

impl Variants {
    /// Takes a sampled line; gives whether it is time to ask for [`Self::parts`].
    #[inline]
    pub(crate) fn see(&mut self, words: u64, layout: u64) -> bool {
        if self.one {
            return false;
        }
        let place = self.layouts.iter().position(|known| *known == layout);
        let known = self.seen.iter_mut().find(|variant| variant.words == words);
        if let (Some(place), Some(variant)) = (place, known)
            && variant.layouts & 1 << place != 0
        {
            variant.lines = variant.lines.saturating_add(1);
            self.calm = self.calm.saturating_add(1);
            return self.calm >= CLOSED_AFTER && self.seen.len() > 1;
        }
        self.note(words, layout, place);
        false
    }

    #[cold]
    fn note(&mut self, words: u64, layout: u64, place: Option<usize>) {
        self.calm = 0;
        let place = place.unwrap_or_else(|| {
            self.layouts.push(layout);
            self.layouts.len() - 1
        });
        if place >= LAYOUTS_MAX {
            return self.settle();
        }
        let room = self.seen.len() < WORDS_MAX;
        match self.seen.iter_mut().find(|variant| variant.words == words) {
            Some(variant) => {
                variant.layouts |= 1 << place;
                variant.lines = variant.lines.saturating_add(1);
            }
            None if room => {
                self.seen.push(Variant { words, layouts: 1 << place, lines: 1 });
            }
            None => self.settle(),
        }
    }

    /// Whether it is what [`Self::see`] leaves behind.
    pub(crate) const fn is_sound(&self) -> bool {
        self.seen.len() <= WORDS_MAX && self.layouts.len() <= LAYOUTS_MAX
    }

    /// It is one.
    pub(crate) fn settle(&mut self) {
        *self = Self { one: true, ..Self::default() };
    }

    /// Its parts, the largest first, of equals the one that was seen first; a single one if it is
    /// one after all.
    pub(crate) fn parts(&self) -> Vec<Part> {
        let mut groups: Vec<(u8, Part)> = Vec::new();
        for variant in &self.seen {
            let mut layouts = variant.layouts;
            let mut part = Part { words: vec![variant.words], layouts: Vec::new(), lines: variant.lines };
            // Groups that share a layout with it are one group with it.
            let (with, others): (Vec<_>, Vec<_>) =
                groups.into_iter().partition(|(theirs, _)| theirs & layouts != 0);
            for (theirs, group) in with {
                layouts |= theirs;
                part.words.extend(group.words);
                part.lines = part.lines.saturating_add(group.lines);
            }
            groups = others;
            groups.push((layouts, part));
        }
        for (bits, part) in &mut groups {
            let has = |place: &usize| *bits & 1 << *place != 0;
            part.layouts = (0..self.layouts.len()).filter(has).map(|place| self.layouts[place]).collect();
            part.words.sort_unstable_by_key(|words| self.place(*words));
        }
        let mut parts: Vec<Part> = groups.into_iter().map(|(_, part)| part).collect();
        parts.sort_by_key(|part| {
            (std::cmp::Reverse(part.lines), part.words.first().map(|words| self.place(*words)))
        });
        if parts.iter().any(|part| part.lines < PART_MIN) { Vec::new() } else { parts }
    }

    fn place(&self, words: u64) -> usize {
        self.seen.iter().position(|variant| variant.words == words).unwrap_or(usize::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Words and layout of line number `line`; whether it was time to ask, and the parts.
    fn parts(of: impl Fn(u32) -> (u64, u64)) -> (bool, Vec<Vec<u64>>) {
        let mut variants = Variants::default();
        let asked = (0..20_000).map(of).any(|(words, layout)| variants.see(words, layout));
        (asked, variants.parts().into_iter().map(|part| part.words).collect())
    }

    #[test]
    fn words_with_layouts_of_their_own_are_parts() {
        let own = |line: u32| ((line % 3).into(), [7, 7, 8][line as usize % 3]);
        assert_eq!(parts(own), (true, vec![vec![0, 1], vec![2]]));
    }

    #[test]
    fn words_that_share_a_layout_are_one() {
        let seldom =
            |line: u32| ((line % 2).into(), if line.is_multiple_of(997) { 9 } else { (line % 2).into() });
        assert_eq!(parts(seldom).1.len(), 1);
        assert_eq!(parts(|line| ((line % 5).into(), 7)).1.len(), 1);
    }

    #[test]
    fn an_open_set_is_one_for_good() {
        assert_eq!(parts(|line| (line.into(), line.into())), (false, vec![]));
        assert!(!parts(|line| ((line % 17).into(), (line % 17 % 8).into())).0);
        assert!(!parts(|_| (1, 7)).0, "nobody asks for the parts of what has one");
    }

    #[test]
    fn what_was_hardly_seen_is_no_part() {
        assert_eq!(parts(|line| (u64::from(line == 5), u64::from(line == 5))), (true, vec![]));
    }
}
