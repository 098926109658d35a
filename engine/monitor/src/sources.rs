//! How far event time has come by the clocks of those who tell: one that runs ahead of all others is
//! wrong, and takes nobody along.

use serde::{Deserialize, Serialize};
use theriac_contract::Interval;

/// One who tells, by a clock of its own: a host.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Source {
    /// Its latest event time.
    at: i64,
    /// [`Sources::went`] when it was heard last.
    went: i64,
}

/// Those who tell, by number.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Sources {
    all: Vec<Option<Source>>,
    /// Who is furthest, and who of the others.
    first: Option<usize>,
    second: Option<usize>,
    /// How far those who were furthest went on, a step at a time at most: a clock that jumps does not make
    /// others silent.
    went: i64,
}

impl Sources {
    fn at(&self, number: usize) -> i64 {
        self.all.get(number).copied().flatten().map_or(i64::MIN, |source| source.at)
    }

    /// Hears a source tell of an instant; a step is `step` long.
    pub(crate) fn hear(&mut self, number: usize, time: i64, step: i64) {
        if self.all.len() <= number {
            self.all.resize(number + 1, None);
        }
        let at = self.at(number).max(time);
        match self.first {
            None => self.first = Some(number),
            Some(first) if at > self.at(first) => {
                self.went = self.went.saturating_add(at.saturating_sub(self.at(first)).min(step));
                if first != number {
                    (self.first, self.second) = (Some(number), Some(first));
                }
            }
            Some(first) if first == number => {}
            Some(_) => {
                if self.second.is_none_or(|second| at >= self.at(second)) {
                    self.second = Some(number);
                }
            }
        }
        self.all[number] = Some(Source { at, went: self.went });
    }

    /// Event time as all of them tell it: that of the furthest, but no more than `lateness` ahead of the
    /// second furthest of those who were heard while the furthest went on for `quiet`.
    pub(crate) fn time(&mut self, lateness: Interval, quiet: Interval) -> Option<i64> {
        let first = self.first?;
        let is_heard =
            |source: &Option<Source>| source.is_some_and(|source| self.went - source.went <= quiet.0);
        if self.second.is_some_and(|second| !is_heard(&self.all[second])) {
            let others =
                self.all.iter().enumerate().filter(|(number, source)| *number != first && is_heard(source));
            self.second =
                others.max_by_key(|(_, source)| source.map(|source| source.at)).map(|(number, _)| number);
        }
        let most = self.second.map_or(i64::MAX, |second| self.at(second).saturating_add(lateness.0));
        Some(self.at(first).min(most))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STEP: i64 = 10;
    const LATENESS: Interval = Interval(5);
    const QUIET: Interval = Interval(60);

    fn hear(sources: &mut Sources, number: usize, time: i64) -> i64 {
        sources.hear(number, time, STEP);
        sources.time(LATENESS, QUIET).expect("somebody was heard")
    }

    #[test]
    fn one_by_itself_says_what_time_it_is() {
        let mut sources = Sources::default();
        assert_eq!(sources.time(LATENESS, QUIET), None);
        let told = [0, 10, 7, 500].map(|time| hear(&mut sources, 3, time));
        assert_eq!(told, [0, 10, 10, 500]);
    }

    #[test]
    fn one_that_runs_ahead_takes_nobody_along_while_others_tell() {
        let mut sources = Sources::default();
        for time in (0..200).step_by(10) {
            let ahead = if time >= 100 { 1_000 } else { 0 };
            for number in [1, 2] {
                hear(&mut sources, number, time);
            }
            let told = hear(&mut sources, 0, time + ahead);
            assert!((time..=time + LATENESS.0).contains(&told), "{told} at {time}");
        }
        // Its clock is set right.
        assert_eq!(hear(&mut sources, 0, 200), 195);
        assert_eq!(hear(&mut sources, 1, 200), 205);
    }

    #[test]
    fn who_goes_on_alone_is_believed_after_a_while() {
        let mut sources = Sources::default();
        hear(&mut sources, 1, 0);
        let told: Vec<i64> = (1..=10).map(|tick| hear(&mut sources, 0, tick * 10)).collect();
        assert_eq!(told[..6], [5, 5, 5, 5, 5, 5]);
        assert_eq!(told[6..], [70, 80, 90, 100]);
        // Who comes back tells of now.
        assert_eq!(hear(&mut sources, 1, 110), 105);
    }

    proptest! {
        #[test]
        fn it_is_the_second_furthest_of_those_who_are_heard(
            rows in prop::collection::vec((0_usize..4, 0_i64..40), 1..80),
        ) {
            let (mut sources, mut heads) = (Sources::default(), [None::<i64>; 4]);
            for (number, time) in rows {
                let told = hear(&mut sources, number, time);
                heads[number] = heads[number].max(Some(time));
                let mut sorted: Vec<i64> = heads.iter().flatten().copied().collect();
                sorted.sort_unstable_by(|a, b| b.cmp(a));
                // Nobody is silent for so long that he would not be waited for.
                let most = sorted.get(1).map_or(i64::MAX, |second| second + LATENESS.0);
                prop_assert_eq!(told, sorted[0].min(most));
            }
        }
    }
}
