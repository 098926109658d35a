//! What a series shows at a tick: all that judge it, fused, and then the rules.

use std::collections::BTreeMap;

use theriac_contract::{Direction, SeriesId, Tick};
use theriac_detectors::P_VALUE_MIN;

use super::Detect;
use crate::{
    episode::{Episode, Sight},
    rules::{Matters, direction},
};

/// Share of the digits of a p-value that a single tick is believed. Models of counts and shares
/// are exact; what the bank says of a value a hundred times rarer than all that it has seen is
/// drawn out from a tail, and one request in a thousand makes a quantile of latencies jump.
const TRUSTED_ALONE: f64 = 2.0 / 3.0;

impl Detect {
    /// What log lines that nobody worries about show at this tick.
    fn sight_of_routine(&mut self, index: usize, observed: f64, tick: &Tick) -> Option<Sight> {
        let watched = &mut self.state.watched[index];
        let routine = watched.routine.as_mut()?;
        let lines = self.log_lines.of_domain(&watched.series.domain);
        let all = routine.of().map_or(lines, |of| tick.values.get(of.index()).copied().unwrap_or(f64::NAN));
        let silent = observed.is_nan() || all.is_nan();
        let (learn, memory) = (self.learn[index], self.settings.count_memory_ticks);
        let judged = (!silent).then(|| routine.observe(observed, all, learn, memory));
        let p_value = judged.map_or(1.0, |judged| judged.p_value);
        Some(Sight {
            start: tick.start,
            end: tick.end(),
            p_value,
            alone: libm::pow(p_value, TRUSTED_ALONE),
            observed: (!silent).then_some(observed),
            expected: judged.map(|judged| judged.expected).filter(|expected| expected.is_finite()),
            band: None,
            direction: judged.map_or(Direction::None, |judged| judged.direction),
            detectors: Vec::new(),
            unlike: String::new(),
            overlaps: false,
            exhausts: false,
        })
    }

    /// What the series shows at this tick, after the rules.
    pub(super) fn sight(&mut self, index: usize, observed: f64, tick: &Tick) -> Sight {
        if self.traffic.is_thin(SeriesId(index as u32)) {
            return Sight::unjudged(tick);
        }
        if let Some(sight) = self.sight_of_routine(index, observed, tick) {
            return sight;
        }
        let watched = &mut self.state.watched[index];
        let silent = observed.is_nan();
        let id = SeriesId(index as u32);
        let by_chance = self.chances.get(&id).copied();
        let beside = [self.history.p_value(id), self.replicas.p_value(id)];
        let beside = beside.into_iter().flatten().chain(self.entities.p_values(id));
        let mut p_value = fuse(self.p_value[index], self.bank.specs().count(), beside);
        let (mut expected, mut low, mut high) = (self.expected[index], self.low[index], self.high[index]);
        // What is held against what was expected.
        let mut level = observed;
        if let Some(counting) = &mut watched.counting {
            // Rates are counts a second; what is counted happened in the whole tick.
            let rate = watched.series.signal.ends_with(".rate");
            let scale = if rate { tick.step.as_seconds() } else { 1.0 };
            (expected, low, high) = (counting.expected() / scale, f64::NAN, f64::NAN);
            // For events the model of counts knows more than the bank: it knows the silence
            // before the first one. A tick without telemetry is no tick without events.
            p_value = if silent {
                counting.miss()
            } else {
                let covered = if rate { counting.ticks_covered() } else { 1.0 };
                let count = observed * scale * covered;
                let p_value = counting.observe(count, self.learn[index], self.settings.count_memory_ticks);
                level = level.max(counting.level(count) / scale / covered);
                p_value
            };
            // Of one of many, neither habit nor chance may explain it.
            p_value = p_value.max(by_chance.unwrap_or(0.0));
        }
        if let (Some(proportion), false) = (&mut watched.proportion, silent) {
            let told = tick.values.get(proportion.of.index()).copied().filter(|told| told.is_finite());
            let scale = if proportion.a_second { tick.step.as_seconds() } else { 1.0 };
            let trials = (told.unwrap_or(0.0) * scale).round();
            (expected, low, high) = (proportion.expected(), f64::NAN, f64::NAN);
            let memory = self.settings.count_memory_ticks;
            p_value = proportion.observe(observed, trials, self.learn[index], memory);
        }
        if silent {
            let judged =
                watched.rule.rare || watched.rule.silence && watched.rule.matters != Matters::Nothing;
            let missed = self.state.roll_call.p_value(index);
            p_value = if judged { missed.map_or(p_value, |missed| missed.min(p_value)) } else { 1.0 };
        } else if !watched.rule.rare && !expected.is_nan() && !watched.rule.lets_through(level, expected)
            || watched.rule.matters == Matters::Nothing
        {
            p_value = 1.0;
        }
        // Whatever is usual: what is used up soon is trouble.
        let said = self.state.episodes.get(&id).is_some_and(Episode::is_exhausting);
        let due = watched.filling.as_ref().filter(|_| !silent).and_then(|filling| filling.is_due(said));
        let due = due.filter(|due| *due <= self.settings.close_p);
        // Each line is of nearly the same values as the one before.
        let overlaps = by_chance.is_some() || due.is_some_and(|due| due <= p_value);
        p_value = due.map_or(p_value, |due| due.min(p_value));
        let finite = |value: f64| value.is_finite().then_some(value);
        Sight {
            start: tick.start,
            end: tick.end(),
            p_value,
            alone: if watched.is_modelled() { p_value } else { libm::pow(p_value, TRUSTED_ALONE) },
            observed: finite(observed),
            expected: finite(expected),
            band: finite(low).zip(finite(high)),
            direction: if silent { Direction::None } else { direction(level, expected) },
            detectors: Vec::new(),
            unlike: String::new(),
            overlaps,
            exhausts: due.is_some(),
        }
    }
}

/// How often chance alone brings about what series say of one of many.
pub(super) fn chances(tick: &Tick) -> BTreeMap<SeriesId, f64> {
    let named = tick.examples.iter().filter_map(|example| Some((example, example.who.as_ref()?.chance)));
    named.flat_map(|(example, chance)| example.series.iter().map(move |id| (*id, chance))).collect()
}

/// The p-value of `detectors` detectors, fused before, with those of the detectors beside them that
/// have one: the harmonic mean of all, as in the bank.
fn fuse(p_value: f64, detectors: usize, beside: impl Iterator<Item = f64>) -> f64 {
    let (mut count, mut odds) = (detectors as f64, detectors as f64 / p_value);
    for p_value in beside {
        count += 1.0;
        odds += 1.0 / p_value;
    }
    if count > detectors as f64 { (count / odds).clamp(P_VALUE_MIN, 1.0) } else { p_value }
}
