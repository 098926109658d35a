//! Which instances tell nothing of themselves, and how rare that is.
//!
//! One series that misses a tick says little: how long gaps of one source may be is learnt slowly. That
//! all readings of one instance stay away is rarer, and all instances together soon show how rare:
//! of `n` instance ticks `c` began a gap of at least `g`, so the chance of one more is
//! `(c + 1/2) / (n + 1)` (Jeffreys' prior), halved for each tick beyond the longest gap that ever ended,
//! as for a memoryless pause of one tick in the mean. Who still logs or sends spans is not missed: then it is
//! its exporter that is silent. Where half of all instances are silent it is the
//! way to them that is broken: nobody is missed, and the tick is none of anybody's gap.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use theriac_contract::{
    Entity, SignalKind, Tick,
    seeded::{self, Bug},
};

use crate::watched::Watched;

/// Readings of an instance that must all stay away.
const READINGS_MIN: usize = 3;
/// Gaps are told apart up to this length, in ticks; an instance that is silent for longer is gone.
const GAP_MAX: usize = 64;
/// Ticks for which a line or a span shows that its sender is there.
const TALK: usize = 2;
/// Instance ticks before anybody is missed.
const HEARD_MIN: f64 = 256.0;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Call {
    readings: usize,
    answered: bool,
    /// Ticks since it was heard last; none before it was heard.
    silent: Option<usize>,
    /// Ticks since it logged or sent a span; none before it did.
    #[serde(default)]
    talked: Option<usize>,
}

impl Call {
    /// Whether it still says something although its readings stay away. Its last words may lie in the
    /// first tick without them, or, as these are taken at the end of a tick, in the second.
    fn still_talks(&self) -> bool {
        self.talked.zip(self.silent).is_some_and(|(talked, silent)| talked <= TALK && talked + 2 < silent)
    }
}

/// Who is there and who is not.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct RollCall {
    /// Places of instances in `calls`.
    places: BTreeMap<Entity, usize>,
    calls: Vec<Call>,
    /// Whom each series is a reading of, by series; made anew after a restore.
    #[serde(skip)]
    of: Vec<Option<usize>>,
    /// Whose lines or spans each series counts, by series: who says something is there, whatever became
    /// of its readings.
    #[serde(skip)]
    talk: Vec<Option<usize>>,
    /// Instance ticks in which somebody answered.
    heard: f64,
    /// Gaps that ended, by length.
    ended: Vec<f64>,
    /// Whether so many are silent that it says nothing of one.
    blind: bool,
}

impl RollCall {
    /// Takes a tick.
    pub(crate) fn update(&mut self, watched: &[Watched], tick: &Tick) {
        self.admit(watched);
        for call in &mut self.calls {
            (call.readings, call.answered) = (0, false);
            call.talked = call.talked.map(|ticks| ticks.saturating_add(1));
        }
        for ((reading, talk), value) in self.of.iter().zip(&self.talk).zip(&tick.values) {
            if let Some(call) = reading.and_then(|place| self.calls.get_mut(place)) {
                call.readings += 1;
                call.answered |= value.is_finite();
            }
            if let Some(call) = talk.and_then(|place| self.calls.get_mut(place)).filter(|_| *value > 0.0) {
                call.talked = Some(0);
            }
        }
        self.ended.resize(GAP_MAX + 1, 0.0);
        self.blind = self.half_are_silent() && !seeded::on(Bug::MissedByTheDeaf);
        for call in self.calls.iter_mut().filter(|call| call.readings >= READINGS_MIN) {
            if call.answered {
                let gap = call.silent.replace(0).unwrap_or(0);
                self.heard += 1.0;
                if gap > 0 {
                    self.ended[gap.min(GAP_MAX)] += 1.0;
                }
            } else if let Some(gap) = call.silent.as_mut().filter(|_| !self.blind) {
                *gap += 1;
            }
        }
    }

    /// Whether half of those who might answer do not. Who is gone for long is none of them.
    fn half_are_silent(&self) -> bool {
        let asked = self.calls.iter().filter(|call| {
            call.readings >= READINGS_MIN && (call.answered || call.silent.is_some_and(|gap| gap < GAP_MAX))
        });
        let (all, silent) =
            asked.fold((0, 0), |(all, silent), call| (all + 1, silent + u32::from(!call.answered)));
        2 * silent >= all
    }

    /// Takes in the series that are new.
    fn admit(&mut self, watched: &[Watched]) {
        for watched in &watched[self.of.len().min(watched.len())..] {
            let entity = &watched.series.entity;
            let talk = watched.series.kind != SignalKind::Metric;
            let place = (entity.is_instance() && (talk || watched.rule.silence)).then(|| {
                if let Some(place) = self.places.get(entity) {
                    return *place;
                }
                self.calls.push(Call::default());
                self.places.insert(entity.clone(), self.calls.len() - 1);
                self.calls.len() - 1
            });
            self.of.push(place.filter(|_| !talk && watched.rule.silence));
            self.talk.push(place.filter(|_| talk));
        }
    }

    /// How likely it is that the instance behind a series tells nothing for as long as it does; none
    /// while it tells something.
    pub(crate) fn p_value(&self, series: usize) -> Option<f64> {
        let call = self.calls.get((*self.of.get(series)?)?)?;
        // Who has been gone for so long is not missed any more: that was told.
        let missed = |gap: &usize| (1..=GAP_MAX).contains(gap) && call.readings >= READINGS_MIN;
        let gap = call.silent.filter(missed)?;
        if self.blind || self.heard < HEARD_MIN || call.still_talks() {
            return None;
        }
        let as_long: f64 = self.ended.iter().skip(gap).sum();
        let longest = self.ended.iter().rposition(|count| *count > 0.0).unwrap_or(0);
        let beyond = gap.saturating_sub(longest).min(GAP_MAX) as i32;
        Some((as_long + 0.5) / (self.heard + 1.0) * libm::ldexp(1.0, -beyond))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calls(count: usize, heard: f64) -> RollCall {
        let here = Call { readings: READINGS_MIN, answered: true, silent: Some(0), talked: None };
        RollCall {
            calls: vec![here; count],
            of: (0..count).map(Some).collect(),
            talk: vec![None; count],
            heard,
            ended: vec![0.0; GAP_MAX + 1],
            ..RollCall::default()
        }
    }

    #[test]
    fn the_chance_is_the_closed_form() {
        let mut roll = calls(4, 999.0);
        assert_eq!(roll.p_value(0), None, "it answered");
        let silent_for = |roll: &mut RollCall, gap| {
            roll.calls[0].silent = Some(gap);
            roll.p_value(0).unwrap()
        };
        // (0 + 1/2) / 1000 / 2^3
        assert!((silent_for(&mut roll, 3) - 0.5 / 1_000.0 / 8.0).abs() < 1e-15);
        roll.ended[2] = 4.0;
        roll.ended[5] = 1.0;
        // One gap of five ended: (1 + 1/2) / 1000, and nothing beyond.
        assert!((silent_for(&mut roll, 3) - 1.5 / 1_000.0).abs() < 1e-15);
        assert!((silent_for(&mut roll, 7) - 0.5 / 1_000.0 / 4.0).abs() < 1e-15);
        let end = silent_for(&mut roll, GAP_MAX);
        assert!(end > 0.0);
        roll.calls[0].silent = Some(GAP_MAX + 1);
        assert_eq!(roll.p_value(0), None, "it is gone");
        roll.calls[0].silent = Some(7);
        roll.blind = true;
        assert_eq!(roll.p_value(0), None, "half of them are silent");
    }

    #[test]
    fn where_half_of_all_are_silent_nobody_is_missed() {
        let mut roll = calls(4, 999.0);
        roll.of = (0..4 * READINGS_MIN).map(|series| Some(series / READINGS_MIN)).collect();
        roll.talk = vec![None; 4 * READINGS_MIN];
        let silent = |instances: usize| {
            let value = |series| if series / READINGS_MIN < instances { f64::NAN } else { 1.0 };
            Tick { values: (0..4 * READINGS_MIN).map(value).collect(), ..Tick::default() }
        };
        roll.update(&[], &silent(1));
        assert!(roll.p_value(0).is_some() && roll.p_value(READINGS_MIN).is_none());
        roll.update(&[], &silent(2));
        assert_eq!((roll.p_value(0), roll.p_value(READINGS_MIN)), (None, None), "the way to them is broken");
        roll.update(&[], &silent(1));
        assert!(roll.p_value(0).is_some(), "the others answer again");
        assert_eq!(roll.calls[0].silent, Some(2), "of the second tick nobody knows");
        roll.update(&[], &silent(3));
        roll.update(&[], &silent(0));
        assert_eq!(roll.ended[1..=3], [0.0, 1.0, 0.0], "the others had no gap of their own");
    }

    #[test]
    fn who_still_logs_is_not_missed() {
        let mut roll = calls(4, 999.0);
        roll.of = (0..4 * READINGS_MIN).map(|series| Some(series / READINGS_MIN)).chain([None]).collect();
        roll.talk = vec![None; 4 * READINGS_MIN];
        roll.talk.push(Some(0));
        let lines = |lines: f64| {
            let value = |series| if series < READINGS_MIN { f64::NAN } else { 1.0 };
            Tick { values: (0..4 * READINGS_MIN).map(value).chain([lines]).collect(), ..Tick::default() }
        };
        roll.update(&[], &lines(2.0));
        roll.update(&[], &lines(2.0));
        assert!(roll.p_value(0).is_some(), "these may have been its last words");
        roll.update(&[], &lines(0.0));
        assert!(roll.p_value(0).is_some());
        roll.update(&[], &lines(1.0));
        assert_eq!(roll.p_value(0), None, "its exporter is silent, it is not");
        roll.update(&[], &lines(0.0));
        roll.update(&[], &lines(0.0));
        assert_eq!(roll.p_value(0), None);
        roll.update(&[], &lines(0.0));
        assert!(roll.p_value(0).is_some(), "now it says nothing either");
    }
}
