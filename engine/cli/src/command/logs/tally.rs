//! What is counted of each template on the way.

use std::collections::{BTreeMap, BTreeSet};

use theriac_templates::{Miner, TemplateId};

/// Bins over the input. Twice as many as are shown: two become one when they are full.
const BINS: usize = 64;

/// Parts of the input that are shown at most.
pub(super) const PARTS: usize = 32;

/// Counts over an input of unknown length: when the bins are full each becomes twice as wide.
#[derive(Clone, Debug)]
struct Bins {
    counts: [u64; BINS],
}

impl Bins {
    fn halve(&mut self) {
        let halves: [u64; BINS] = std::array::from_fn(|at| match at < BINS / 2 {
            true => self.counts[2 * at] + self.counts[2 * at + 1],
            false => 0,
        });
        self.counts = halves;
    }
}

/// What is counted of one template.
#[derive(Clone, Debug)]
pub(super) struct Count {
    /// Records.
    pub(super) records: u64,
    /// Number of its first record, from 1.
    pub(super) first: u64,
    /// Of its latest.
    pub(super) latest: u64,
    /// Its first records.
    pub(super) examples: Vec<String>,
    bins: Bins,
}

/// Counts of all templates.
#[derive(Debug)]
pub(super) struct Tally {
    counts: BTreeMap<TemplateId, Count>,
    /// Records so far.
    pub(super) records: u64,
    /// Records of a bin.
    width: u64,
    examples_max: usize,
    /// Records of templates that the miner has forgotten.
    pub(super) forgotten: u64,
}

/// Templates that are counted before it is looked which of them the miner still knows.
const COUNTS_MAX: usize = 50_000;

impl Tally {
    pub(super) const fn new(examples_max: usize) -> Self {
        Self { counts: BTreeMap::new(), records: 0, width: 1, examples_max, forgotten: 0 }
    }

    /// Puts together the counts of templates that the miner has forgotten, if there are very many.
    pub(super) fn make_room(&mut self, miner: &Miner) {
        if self.counts.len() >= COUNTS_MAX {
            self.forget(miner);
        }
    }

    /// Puts together the counts of templates that the miner has forgotten.
    pub(super) fn forget(&mut self, miner: &Miner) {
        let known: BTreeSet<TemplateId> = miner.templates().into_iter().map(|known| known.id).collect();
        let forgotten = &mut self.forgotten;
        self.counts.retain(|id, count| {
            let keep = known.contains(&miner.current(*id));
            *forgotten += if keep { 0 } else { count.records };
            keep
        });
    }

    /// Counts a record.
    pub(super) fn add(&mut self, template: TemplateId, record: &str) {
        if self.records / self.width >= BINS as u64 {
            self.width *= 2;
            self.counts.values_mut().for_each(|count| count.bins.halve());
        }
        let bin = (self.records / self.width) as usize;
        self.records += 1;
        let count = self.counts.entry(template).or_insert_with(|| Count {
            records: 0,
            first: self.records,
            latest: 0,
            examples: Vec::new(),
            bins: Bins { counts: [0; BINS] },
        });
        count.records += 1;
        count.latest = self.records;
        count.bins.counts[bin] += 1;
        if count.examples.len() < self.examples_max {
            count.examples.push(record.to_owned());
        }
    }

    /// Counts under the names that the templates have in the end.
    pub(super) fn by_current(
        mut self,
        current: impl Fn(TemplateId) -> TemplateId,
    ) -> BTreeMap<TemplateId, Count> {
        let mut all: BTreeMap<TemplateId, Count> = BTreeMap::new();
        for (id, count) in std::mem::take(&mut self.counts) {
            let Some(kept) = all.get_mut(&current(id)) else {
                all.insert(current(id), count);
                continue;
            };
            kept.records += count.records;
            kept.first = kept.first.min(count.first);
            kept.latest = kept.latest.max(count.latest);
            kept.bins.counts.iter_mut().zip(count.bins.counts).for_each(|(ours, theirs)| *ours += theirs);
            kept.examples.extend(count.examples);
            kept.examples.truncate(self.examples_max);
        }
        all
    }

    /// Records in each of the parts that [`Count::over_the_input`] gives: the same number in all but
    /// the last.
    pub(super) fn parts(&self) -> Vec<u64> {
        let width = self.width * self.bins_of_a_part() as u64;
        let whole = usize::try_from(self.records / width).unwrap_or(usize::MAX);
        let rest = self.records % width;
        std::iter::repeat_n(width, whole).chain((rest > 0).then_some(rest)).collect()
    }

    /// Bins in a part, so that there are no more parts than are shown.
    pub(super) fn bins_of_a_part(&self) -> usize {
        let bins = self.records.div_ceil(self.width).min(BINS as u64) as usize;
        bins.div_ceil(PARTS).max(1)
    }
}

impl Count {
    /// Records over the input, in as many parts as [`Tally::parts`] has.
    pub(super) fn over_the_input(&self, parts: usize, bins_of_a_part: usize) -> Vec<u64> {
        self.bins.counts.chunks(bins_of_a_part).take(parts).map(|bins| bins.iter().sum()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_widen_and_lose_nothing() {
        let mut tally = Tally::new(1);
        for number in 0..1000_u64 {
            tally.add(TemplateId(number / 500), "record");
        }
        assert_eq!(tally.records, 1000);
        let (parts, of_a_part) = (tally.parts(), tally.bins_of_a_part());
        assert_eq!(parts.iter().sum::<u64>(), 1000);
        assert!(
            parts.len() <= PARTS && parts[..parts.len() - 1].iter().all(|part| *part == parts[0]),
            "{parts:?}"
        );
        let counts = tally.by_current(|id| id);
        let over = |id: u64| counts[&TemplateId(id)].over_the_input(parts.len(), of_a_part);
        let (first, second) = (over(0), over(1));
        assert_eq!((first.iter().sum::<u64>(), second.iter().sum::<u64>()), (500, 500));
        for (at, part) in parts.iter().enumerate() {
            assert_eq!(first[at] + second[at], *part, "every record is of one of them");
        }
        assert_eq!((counts[&TemplateId(1)].first, counts[&TemplateId(1)].latest), (501, 1000));
    }

    #[test]
    fn what_the_miner_forgets_is_counted_together() {
        let settings = theriac_templates::Settings { templates_max: 100, ..Default::default() };
        let (mut miner, mut tally) = (Miner::new(settings), Tally::new(1));
        let letters = |mut number: u32| -> String {
            (0..5)
                .map(|_| {
                    let letter = number % 26;
                    number /= 26;
                    char::from(b'a' + letter as u8)
                })
                .collect()
        };
        for number in 0..2 * COUNTS_MAX as u32 {
            let record = format!("{} {}x", letters(number), letters(7 * number + 3));
            tally.add(miner.add(&record).template, &record);
            tally.make_room(&miner);
            assert!(tally.counts.len() <= COUNTS_MAX);
        }
        let kept: u64 = tally.counts.values().map(|count| count.records).sum();
        assert_eq!(kept + tally.forgotten, tally.records);
        assert!(tally.forgotten > 0);
    }

    #[test]
    fn templates_that_became_one_are_counted_as_one() {
        let mut tally = Tally::new(2);
        ["a", "b", "c"].iter().enumerate().for_each(|(id, record)| tally.add(TemplateId(id as u64), record));
        let counts = tally.by_current(|_| TemplateId(0));
        assert_eq!(counts.len(), 1);
        let count = &counts[&TemplateId(0)];
        assert_eq!((count.records, count.first, count.latest), (3, 1, 3));
        assert_eq!(count.examples, ["a", "b"]);
        assert_eq!(count.over_the_input(3, 1), [1, 1, 1]);
    }
}
