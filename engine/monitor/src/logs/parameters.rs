//! Which values stand in the places of a template, and which never did.
//!
//! A place that has had few different values is a set: the chance that a line has a new one is that
//! of Good and Turing, `(values seen once + 1) / (lines + 1)`. Lines of one tick are about one thing,
//! so no new one must have come for [`TICKS_MIN`] ticks either. A place of many numbers has a tail:
//! the chance of a tick with one beyond the largest is drawn out from the [`TOP`] largest of all
//! ticks' largest, as an exponential tail and as a power law (Hill 1975), whichever is the more
//! careful. Values that come though their chance is small are told; what is judged is how many of
//! them come in a tick.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use theriac_templates::{Parameter, TemplateId, ValueKind};

use crate::{bits::Bits, bucket::cut, counts::Counts};

/// Different values of a place at most; a place that has more is no set.
const VALUES_MAX: usize = 64;

/// Bytes of a value that are looked at.
const VALUE_BYTES_MAX: usize = 64;

/// Largest numbers that a tail is drawn out from.
const TOP: usize = 16;

/// Ticks before anything is told of a place.
const TICKS_MIN: u64 = 100;

/// Chance at or below which a value is unlikely.
const UNLIKELY: f64 = 1e-3;

/// A place that has unlikely values in more than this share of its ticks does not keep still: a
/// counter, a date, a growing file. Nothing is told of it.
const RESTLESS: f64 = 10.0 * UNLIKELY;

/// Values that stood in one place in one tick.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Gathered {
    pub(crate) lines: u64,
    numbers: u64,
    values: BTreeMap<String, u64>,
    /// There were more.
    many: bool,
    /// The largest.
    most: Option<Bits>,
}

impl Gathered {
    /// Adds what stood there in one line.
    pub(crate) fn add(&mut self, parameter: &Parameter<'_>) {
        self.lines += 1;
        let Ok(text) = std::str::from_utf8(parameter.text) else { return };
        let text = cut(text, VALUE_BYTES_MAX);
        if let Some(count) = self.values.get_mut(text) {
            *count += 1;
        } else if self.values.len() < VALUES_MAX {
            self.values.insert(text.to_owned(), 1);
        } else {
            self.many = true;
        }
        if let Some(number) = number(parameter.kind, text) {
            self.numbers += 1;
            self.most = Some(Bits(self.most.map_or(number, |most| most.0.max(number))));
        }
    }
}

fn number(kind: ValueKind, text: &str) -> Option<f64> {
    if kind != ValueKind::Number {
        return None;
    }
    text.trim_end_matches('%').replace(',', "").parse::<f64>().ok().filter(|number| number.is_finite())
}

fn keep_largest(top: &mut Vec<Bits>, number: f64) {
    let at = top.partition_point(|larger| larger.0 >= number);
    if at < TOP {
        top.insert(at, Bits(number));
        top.truncate(TOP);
    }
}

/// What is known of one place.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Place {
    lines: u64,
    numbers: u64,
    /// Ticks in which anything stood there.
    ticks: u64,
    /// Of them those since the last value that was new.
    closed: u64,
    /// None once there were too many.
    values: Option<BTreeMap<String, u64>>,
    /// The largest numbers of the ticks that had the largest.
    top: Vec<Bits>,
    /// Ticks with unlikely values.
    unlikely: u64,
}

impl Place {
    fn new() -> Self {
        Self { values: Some(BTreeMap::new()), ..Self::default() }
    }

    /// What is unlikely, in words.
    fn judge(&self, gathered: &Gathered) -> Vec<String> {
        if self.ticks < TICKS_MIN || self.unlikely as f64 > 1.0 + RESTLESS * self.ticks as f64 {
            return Vec::new();
        }
        match &self.values {
            Some(known) => {
                let once = known.values().filter(|count| **count == 1).count() as f64;
                if self.closed < TICKS_MIN || (once + 1.0) / (self.lines as f64 + 1.0) > UNLIKELY {
                    return Vec::new();
                }
                if gathered.many {
                    return vec![format!("more than {VALUES_MAX} values, {} before", known.len())];
                }
                let new = gathered.values.keys().filter(|value| !known.contains_key(*value));
                new.map(|value| format!("{value} among {} values in {} lines", known.len(), self.lines))
                    .collect()
            }
            None if self.numbers == self.lines => {
                let beyond = gathered.most.filter(|number| self.tail(number.0) <= UNLIKELY);
                let most = self.top.first().map_or(f64::NAN, |most| most.0);
                let told =
                    beyond.map(|number| format!("{}, at most {most} in {} lines", number.0, self.lines));
                told.into_iter().collect()
            }
            None => Vec::new(),
        }
    }

    /// Chance of a tick with a number at least as large as `number`.
    fn tail(&self, number: f64) -> f64 {
        let (Some(largest), Some(threshold)) = (self.top.first(), self.top.get(TOP - 1)) else { return 1.0 };
        let threshold = threshold.0;
        if number <= largest.0 {
            return 1.0;
        }
        let share = TOP as f64 / self.ticks as f64;
        let excesses = self.top.iter().map(|number| number.0 - threshold);
        // Ties and near ties tell of no tail at all: a tenth more is nothing to speak of.
        let mean = (excesses.sum::<f64>() / TOP as f64).max(0.1 * threshold.abs()).max(f64::MIN_POSITIVE);
        let exponential = libm::exp(-(number - threshold) / mean);
        let power = if threshold > 0.0 {
            let logarithms = self.top.iter().map(|number| libm::log(number.0 / threshold));
            let index = (logarithms.sum::<f64>() / TOP as f64).max(0.1);
            libm::pow(number / threshold, -1.0 / index)
        } else {
            0.0
        };
        share * exponential.max(power)
    }

    fn learn<'a>(&mut self, of_tick: impl Iterator<Item = &'a Gathered>) {
        self.ticks += 1;
        self.closed += 1;
        let mut most: Option<f64> = None;
        for gathered in of_tick {
            self.lines += gathered.lines;
            self.numbers += gathered.numbers;
            most = gathered.most.map(|number| most.map_or(number.0, |most| most.max(number.0))).or(most);
            let Some(values) = &mut self.values else { continue };
            let known = values.len();
            for (value, lines) in &gathered.values {
                *values.entry(value.clone()).or_default() += lines;
            }
            self.closed = if values.len() > known { 0 } else { self.closed };
            if gathered.many || values.len() > VALUES_MAX {
                self.values = None;
            }
        }
        if let Some(most) = most {
            keep_largest(&mut self.top, most);
        }
    }
}

/// A template and a place in it.
pub(crate) type At = (TemplateId, u64);

/// What is known of all places.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Parameters {
    #[serde(with = "crate::entries")]
    places: BTreeMap<At, Place>,
}

impl Parameters {
    /// Takes what stood in one place in one tick, of entities each; gives what was unlikely, by entity. All
    /// are judged by what was known before.
    pub(crate) fn step<'a>(
        &mut self,
        at: At,
        gathered: impl Iterator<Item = (usize, &'a Gathered)> + Clone,
        places_max: usize,
        counts: &mut Counts,
    ) -> Vec<(usize, String)> {
        let room = self.places.len() < places_max;
        let place = match self.places.entry(at) {
            std::collections::btree_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::btree_map::Entry::Vacant(new) if room => new.insert(Place::new()),
            std::collections::btree_map::Entry::Vacant(_) => {
                counts.shed_parameters += 1;
                return Vec::new();
            }
        };
        let judged = gathered
            .clone()
            .flat_map(|(entity, gathered)| place.judge(gathered).into_iter().map(move |told| (entity, told)));
        let unlikely: Vec<(usize, String)> = judged.collect();
        place.learn(gathered.map(|(_, gathered)| gathered));
        place.unlikely += u64::from(!unlikely.is_empty());
        unlikely
    }

    /// Names were given up: their places are met anew under the names that go on.
    pub(crate) fn forget(&mut self, given_up: impl Iterator<Item = TemplateId>) {
        for template in given_up {
            let places: Vec<At> =
                self.places.range((template, 0)..=(template, u64::MAX)).map(|(at, _)| *at).collect();
            places.iter().for_each(|at| drop(self.places.remove(at)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tick(values: &[&str], kind: ValueKind) -> Gathered {
        let mut gathered = Gathered::default();
        for value in values {
            gathered.add(&Parameter { place: 0, kind, text: value.as_bytes() });
        }
        gathered
    }

    fn step(parameters: &mut Parameters, gathered: &Gathered) -> Vec<String> {
        let told =
            parameters.step((TemplateId(1), 0), std::iter::once((0, gathered)), 10, &mut Counts::default());
        told.into_iter().map(|(_, told)| told).collect()
    }

    #[test]
    fn a_new_member_of_a_closed_set_is_told_and_one_of_an_open_set_is_not() {
        let mut closed = Parameters::default();
        for _ in 0..600 {
            assert!(step(&mut closed, &tick(&["GET", "POST"], ValueKind::Word)).is_empty());
        }
        assert_eq!(
            step(&mut closed, &tick(&["GET", "DROP"], ValueKind::Word)),
            ["DROP among 2 values in 1200 lines"]
        );
        let mut open = Parameters::default();
        for user in 0..600 {
            let name = format!("user{}", user / 12);
            assert!(step(&mut open, &tick(&[&name], ValueKind::Word)).is_empty(), "{user}");
        }
    }

    #[test]
    fn a_number_far_beyond_all_others_is_told() {
        let mut parameters = Parameters::default();
        for number in 0..200_u64 {
            let numbers: Vec<String> =
                (0..20_u64).map(|i| (100 + (number * 20 + i) * 7 % 101).to_string()).collect();
            let numbers: Vec<&str> = numbers.iter().map(String::as_str).collect();
            assert!(step(&mut parameters, &tick(&numbers, ValueKind::Number)).is_empty());
        }
        assert!(step(&mut parameters, &tick(&["215", "199"], ValueKind::Number)).is_empty());
        let told = step(&mut parameters, &tick(&["30000", "30000"], ValueKind::Number));
        assert_eq!(told, ["30000, at most 215 in 4002 lines"]);
    }

    #[test]
    fn a_counter_is_left_alone_after_a_while() {
        let mut parameters = Parameters::default();
        let mut told = Vec::new();
        for number in 0..1_000_u64 {
            let numbers: Vec<String> = (0..10_u64).map(|i| (number * 10 + i).to_string()).collect();
            let numbers: Vec<&str> = numbers.iter().map(String::as_str).collect();
            told = step(&mut parameters, &tick(&numbers, ValueKind::Number));
        }
        assert!(told.is_empty());
    }

    #[test]
    fn values_that_go_on_slowly_are_no_closed_set() {
        // Each stands in some thirty lines of three ticks, then the next one comes.
        let mut parameters = Parameters::default();
        for number in 0..180_u64 {
            let value = (5_000 - number / 3).to_string();
            let lines = vec![value.as_str(); 10];
            assert!(step(&mut parameters, &tick(&lines, ValueKind::Number)).is_empty(), "{number}");
        }
    }

    #[test]
    fn the_tail_is_the_more_careful_of_two_closed_forms() {
        let mut place = Place::new();
        for number in 0..16 {
            keep_largest(&mut place.top, 100.0 + 4.0 * f64::from(number));
        }
        place.ticks = 1_600;
        // Mean excess 30; Hill index as numpy has it: np.log(np.arange(100, 161, 4) / 100).mean().
        let exponential = libm::exp(-80.0 / 30.0);
        let power = libm::pow(1.8, -1.0 / 0.252118570);
        let found = place.tail(180.0);
        assert!((found / (0.01 * f64::max(exponential, power)) - 1.0).abs() < 1e-3, "{found}");
        assert_eq!(place.tail(160.0), 1.0);
    }

    #[test]
    fn places_are_bounded_and_names_that_are_given_up_are_forgotten() {
        let (mut parameters, mut counts) = (Parameters::default(), Counts::default());
        let gathered = tick(&["a"], ValueKind::Word);
        for template in 0..5 {
            let told =
                parameters.step((TemplateId(template), 7), std::iter::once((0, &gathered)), 3, &mut counts);
            assert!(told.is_empty());
        }
        assert_eq!((parameters.places.len(), counts.shed_parameters), (3, 2));
        parameters.forget([TemplateId(1), TemplateId(9)].into_iter());
        assert_eq!(parameters.places.len(), 2);
    }
}
