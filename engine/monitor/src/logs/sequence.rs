//! Which template follows which, and which never does.
//!
//! The lines of a trace, or of a logger of a resource where there is no trace, are a sequence.
//! If order said nothing, template `b` would follow `a` in `E = from(a) to(b) / all` cases. A pair
//! that is seen so seldom that its count has a probability of at most [`AVOIDED`] under that
//! Poisson law is avoided: the program does not go that way. What is interleaved by chance avoids
//! nothing, so nothing is told of it. A line that comes where it is avoided is told, as long as
//! the chance that it does, `(pairs + 1) / (from(a) + 1)`, is at most [`UNLIKELY`]: a way that is
//! gone now and then is known.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use theriac_templates::TemplateId;

use crate::counts::Counts;

/// Probability of a count at or below which a pair is avoided.
const AVOIDED: f64 = 1e-4;

/// Chance of a pair at or below which it is told.
const UNLIKELY: f64 = 1e-3;

/// Beyond so many pairs all counts are halved: what a program did long ago fades.
const PAIRS_BEFORE_FADING: u64 = 1 << 20;

type Pair = (TemplateId, TemplateId);

/// A resource, and a trace or the number of a logger.
pub(crate) type Session = (u32, u128);

/// A line of a tick: its session, its time, its service and its template.
pub(crate) type Line = (Session, i64, usize, TemplateId);

/// Pairs of one service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Transitions {
    #[serde(with = "crate::entries")]
    pairs: BTreeMap<Pair, u64>,
    from: BTreeMap<TemplateId, u64>,
    to: BTreeMap<TemplateId, u64>,
    all: u64,
}

/// Which template of which service follows which.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Sequence {
    of_service: BTreeMap<usize, Transitions>,
    /// Latest line of each session: time and template.
    #[serde(with = "crate::entries")]
    latest: BTreeMap<Session, (i64, TemplateId)>,
    /// Pairs that are kept, of all services.
    kept: usize,
}

impl Transitions {
    /// Whether the pair is avoided, as far as is known.
    fn avoids(&self, pair: Pair) -> bool {
        let count = |of: &BTreeMap<TemplateId, u64>, id| of.get(&id).copied().unwrap_or(0) as f64;
        let (from, to) = (count(&self.from, pair.0), count(&self.to, pair.1));
        let seen = self.pairs.get(&pair).copied().unwrap_or(0);
        let chance = (seen as f64 + 1.0) / (from + 1.0);
        chance <= UNLIKELY && poisson_at_most(seen, from * to / (self.all as f64).max(1.0)) <= AVOIDED
    }

    /// Counts a pair; gives whether there was room.
    fn learn(&mut self, pair: Pair, kept: &mut usize, pairs_max: usize) -> bool {
        if let Some(count) = self.pairs.get_mut(&pair) {
            *count += 1;
        } else if *kept < pairs_max {
            self.pairs.insert(pair, 1);
            *kept += 1;
        } else {
            return false;
        }
        *self.from.entry(pair.0).or_default() += 1;
        *self.to.entry(pair.1).or_default() += 1;
        self.all += 1;
        true
    }

    fn fade(&mut self) {
        for counts in [&mut self.from, &mut self.to] {
            *counts = BTreeMap::new();
        }
        self.pairs.values_mut().for_each(|count| *count /= 2);
        self.pairs.retain(|_, count| *count > 0);
        self.all = 0;
        for ((a, b), count) in &self.pairs {
            *self.from.entry(*a).or_default() += count;
            *self.to.entry(*b).or_default() += count;
            self.all += count;
        }
    }

    /// Takes what is known of a name as known of another.
    fn rename(&mut self, old: TemplateId, new: TemplateId) {
        for counts in [&mut self.from, &mut self.to] {
            if let Some(count) = counts.remove(&old) {
                *counts.entry(new).or_default() += count;
            }
        }
        let renamed = |id: TemplateId| if id == old { new } else { id };
        let pairs = std::mem::take(&mut self.pairs);
        for ((a, b), count) in pairs {
            *self.pairs.entry((renamed(a), renamed(b))).or_default() += count;
        }
    }
}

impl Sequence {
    /// Takes the lines of a tick, in the order of sessions and of time. Gives the positions of those
    /// that came where none comes, each with what it followed. All are judged by what was known
    /// before the tick.
    pub(crate) fn step(
        &mut self,
        lines: &[Line],
        pairs_max: usize,
        counts: &mut Counts,
    ) -> Vec<(usize, TemplateId)> {
        let mut followed = Vec::with_capacity(lines.len());
        for (at, (session, time, service, template)) in lines.iter().enumerate() {
            let before = self.latest.insert(*session, (*time, *template));
            followed.extend(before.map(|(_, before)| (at, *service, (before, *template))));
        }
        // A pair that is not known because there was no room for it is not avoided for that.
        let full = self.kept >= pairs_max;
        let avoided = |service: &usize, pair| {
            let transitions = self.of_service.get(service);
            transitions.is_some_and(|t| t.avoids(pair) && (!full || t.pairs.contains_key(&pair)))
        };
        let unlikely = followed.iter().filter(|(_, service, pair)| avoided(service, *pair));
        let unlikely = unlikely.map(|(at, _, pair)| (*at, pair.0)).collect();
        for (_, service, pair) in followed {
            let transitions = self.of_service.entry(service).or_default();
            counts.shed_log_pairs += u64::from(!transitions.learn(pair, &mut self.kept, pairs_max));
            if transitions.all >= PAIRS_BEFORE_FADING {
                transitions.fade();
                self.kept = self.of_service.values().map(|t| t.pairs.len()).sum();
            }
        }
        unlikely
    }

    /// Templates were found to be the same.
    pub(crate) fn rename(&mut self, renamed: &BTreeMap<TemplateId, TemplateId>) {
        for (old, new) in renamed {
            let transitions = self.of_service.values_mut();
            transitions
                .filter(|t| t.from.contains_key(old) || t.to.contains_key(old))
                .for_each(|t| t.rename(*old, *new));
        }
        if !renamed.is_empty() {
            self.kept = self.of_service.values().map(|t| t.pairs.len()).sum();
            self.latest.values_mut().for_each(|(_, id)| *id = renamed.get(id).copied().unwrap_or(*id));
        }
    }

    /// Forgets what followed a template that there is no more, and what it followed.
    pub(crate) fn forget(&mut self, old: TemplateId) {
        for transitions in self.of_service.values_mut() {
            transitions.from.remove(&old);
            transitions.to.remove(&old);
            transitions.pairs.retain(|(a, b), _| *a != old && *b != old);
        }
        self.kept = self.of_service.values().map(|t| t.pairs.len()).sum();
    }

    /// Forgets sessions that said nothing since `before`, and the oldest beyond `most`.
    pub(crate) fn expire(&mut self, before: i64, most: usize) {
        self.latest.retain(|_, (at, _)| *at >= before);
        if self.latest.len() > most {
            let mut times: Vec<(i64, Session)> = self.latest.iter().map(|(id, (at, _))| (*at, *id)).collect();
            times.sort_unstable();
            for (_, session) in &times[..times.len() - most] {
                self.latest.remove(session);
            }
        }
    }
}

/// `P(X <= count)` for `X` Poisson with mean `expected`.
fn poisson_at_most(count: u64, expected: f64) -> f64 {
    if count as f64 >= expected {
        return 1.0;
    }
    let mut term = libm::exp(-expected);
    let mut sum = term;
    for k in 1..=count {
        term *= expected / k as f64;
        sum += term;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORDER: [u64; 4] = [1, 2, 3, 4];

    fn lines(templates: &[u64], session: u64) -> Vec<Line> {
        (0..).zip(templates).map(|(at, id)| ((0, session.into()), at, 0, TemplateId(*id))).collect()
    }

    #[test]
    fn the_poisson_law_is_the_closed_form() {
        // scipy.stats.poisson.cdf
        for (count, expected, p) in
            [(0, 9.0, 1.2340980408667956e-4), (3, 12.5, 0.0015545578430110672), (5, 2.0, 1.0)]
        {
            let found = poisson_at_most(count, expected);
            assert!((found / p - 1.0).abs() < 1e-9, "{count} of {expected}: {found} {p}");
        }
    }

    #[test]
    fn a_step_that_was_never_taken_is_told_and_one_that_is_taken_is_not() {
        let (mut sequence, mut counts) = (Sequence::default(), Counts::default());
        for session in 0..1_000 {
            assert!(sequence.step(&lines(&ORDER, session), 1_000, &mut counts).is_empty());
        }
        let skipped = sequence.step(&lines(&[1, 2, 4], 2_000), 1_000, &mut counts);
        assert_eq!(skipped, [(2, TemplateId(2))], "the third step is left out");
        assert!(sequence.step(&lines(&ORDER, 2_001), 1_000, &mut counts).is_empty());
        assert!(sequence.step(&lines(&[1, 2, 4], 2_002), 1_000, &mut counts).is_empty(), "twice is known");
        assert_eq!(counts.shed_log_pairs, 0);
    }

    #[test]
    fn what_is_interleaved_by_chance_avoids_nothing() {
        let (mut sequence, mut counts) = (Sequence::default(), Counts::default());
        let mut state = 1_u64;
        let mut told = 0;
        for tick in 0..200 {
            let random: Vec<u64> = (0..50)
                .map(|_| {
                    state =
                        state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    state >> 61
                })
                .collect();
            told += sequence.step(&lines(&random, tick), 1_000, &mut counts).len();
        }
        assert_eq!(told, 0);
    }

    #[test]
    fn names_that_become_one_are_known_as_one_and_memory_is_bounded() {
        let (mut sequence, mut counts) = (Sequence::default(), Counts::default());
        for session in 0..100 {
            sequence.step(&lines(&[1, 2 + session % 2, 4], session), 1_000, &mut counts);
        }
        sequence.rename(&BTreeMap::from([(TemplateId(3), TemplateId(2))]));
        assert_eq!(sequence.kept, 2);
        assert_eq!(sequence.of_service[&0].pairs[&(TemplateId(1), TemplateId(2))], 100);
        sequence.step(&lines(&(0..500).collect::<Vec<_>>(), 900), 100, &mut counts);
        assert_eq!(sequence.kept, 100);
        assert!(counts.shed_log_pairs > 300);
        sequence.expire(0, 10);
        assert_eq!(sequence.latest.len(), 10);
    }
}
