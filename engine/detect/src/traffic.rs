//! How much stands behind a value: a quantile of two requests is worth nothing.
//!
//! A value of a tick with less traffic than its rule asks for is as if it had not been told: nobody judges
//! it, and nobody learns it. A latency of one request is no news, but nor is it what is usual: what is judged
//! later are values of many requests, and they are held against their like. An open symptom is not held open
//! by it, nor ended; where traffic stays away it is lost, which is no recovery.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

use theriac_contract::{Series, SeriesId, Tick};

use crate::rules::Rule;

/// How well a series fits as the traffic of another; better ones take the place of all others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    /// It tells of the same attributes: of the same operation, route or method.
    Same,
    /// It tells of everything at the place.
    Whole,
    /// It tells of a part of what is at the place, and is added to the other parts.
    Part,
}

/// The traffic of one series.
struct Behind {
    least: f64,
    fit: Fit,
    /// Each with whether it tells events a second, not events a tick.
    told_by: Vec<(SeriesId, bool)>,
}

/// The traffic of all series of which a rule asks for it.
#[derive(Default)]
pub(crate) struct Traffic {
    behind: BTreeMap<SeriesId, Behind>,
    /// Whose value of this tick has too little behind it.
    thin: BTreeSet<SeriesId>,
}

impl Traffic {
    /// Two series of one place have met: `other` may tell the traffic of `series`.
    pub(crate) fn meet(
        &mut self,
        (id, series, rule): (SeriesId, &Series, &Rule),
        (other, told): (SeriesId, &Series),
    ) {
        let Some(fit) = fit(series, rule, told).filter(|_| rule.traffic_min > 0.0) else { return };
        let new = || Behind { least: rule.traffic_min, fit, told_by: Vec::new() };
        let behind = self.behind.entry(id).or_insert_with(new);
        if fit < behind.fit {
            *behind = new();
        }
        if fit == behind.fit {
            behind.told_by.push((other, told.signal.ends_with(".rate")));
        }
    }

    /// Finds out whose value of a tick has too little behind it. Where nothing is told of the traffic, nothing is
    /// held against the value.
    pub(crate) fn weigh(&mut self, tick: &Tick) {
        let value = |id: &SeriesId| tick.values.get(id.index()).copied().filter(|value| value.is_finite());
        let is_thin = |(id, behind): &(&SeriesId, &Behind)| {
            let told = behind.told_by.iter().filter_map(|(other, a_second)| {
                let scale = if *a_second { tick.step.as_seconds() } else { 1.0 };
                value(other).map(|events| events * scale)
            });
            // Rates are fractions; what is a hair below a whole number is that number.
            let events = told.fold(None, |sum, events| Some(sum.unwrap_or(1e-6) + events));
            value(id).is_some() && events.is_some_and(|events| events < behind.least)
        };
        self.thin.clear();
        self.thin.extend(self.behind.iter().filter(is_thin).map(|(id, _)| *id));
    }

    /// Whether the value of a series has too little behind it in this tick.
    pub(crate) fn is_thin(&self, id: SeriesId) -> bool {
        self.thin.contains(&id)
    }

    /// Series whose value has too little behind it in this tick.
    pub(crate) fn thin(&self) -> impl Iterator<Item = SeriesId> {
        self.thin.iter().copied()
    }

    /// Values of a tick, with the last one that was `judged` where there is too little behind the present one, and notes what
    /// is judged now. For those who learn how often a series speaks: it did, whatever it said.
    pub(crate) fn frozen<'a>(&self, tick: &'a Tick, judged: &mut BTreeMap<SeriesId, f64>) -> Cow<'a, [f64]> {
        let mut values = Cow::Borrowed(tick.values.as_slice());
        for id in self.behind.keys() {
            let value = tick.values.get(id.index()).copied().filter(|value| value.is_finite());
            match value {
                Some(_) if self.is_thin(*id) => {
                    values.to_mut()[id.index()] = judged.get(id).copied().unwrap_or(f64::NAN);
                }
                Some(value) => _ = judged.insert(*id, value),
                None => {}
            }
        }
        values
    }

    /// The tick without values that have too little behind them.
    pub(crate) fn without_thin<'a>(&self, tick: &'a Tick) -> Cow<'a, Tick> {
        let mut tick = Cow::Borrowed(tick);
        for id in &self.thin {
            tick.to_mut().values[id.index()] = f64::NAN;
        }
        tick
    }
}

/// How `other`, of the same place, fits as the traffic of `series`; none if it is something else.
fn fit(series: &Series, rule: &Rule, other: &Series) -> Option<Fit> {
    if rule.traffic.is_empty() {
        let is_it = other.attributes == series.attributes && counts_events_of(series, &other.signal);
        return is_it.then_some(Fit::Same);
    }
    (other.signal == rule.traffic).then(|| match other.attributes.as_str() {
        attributes if attributes == series.attributes => Fit::Same,
        "{}" => Fit::Whole,
        _ => Fit::Part,
    })
}

/// Whether a signal counts the events that `series` is derived from: spans, calls or log lines, or what
/// a histogram is made of.
fn counts_events_of(series: &Series, signal: &str) -> bool {
    for family in ["span", "edge", "log"] {
        if series.signal.strip_prefix(family).is_some_and(|rest| rest.starts_with('.')) {
            return signal.strip_prefix(family) == Some(".count");
        }
    }
    let stems = [".mean", ".p95", ".error_ratio"].into_iter().find_map(|end| series.signal.strip_suffix(end));
    stems.is_some_and(|stem| signal.strip_prefix(stem) == Some(".rate"))
}

#[cfg(test)]
mod tests {
    use theriac_contract::{Entity, SignalKind};

    use super::*;

    fn series(signal: &str, attributes: &str) -> Series {
        Series {
            key: String::new(),
            entity: Entity("cart".to_owned()),
            peer: None,
            signal: signal.to_owned(),
            kind: SignalKind::Metric,
            unit: String::new(),
            attributes: attributes.to_owned(),
            domain: "default".to_owned(),
        }
    }

    #[test]
    fn what_is_derived_from_events_is_weighed_by_their_count() {
        let rule = Rule { traffic_min: 20.0, ..Rule::default() };
        for (signal, traffic) in [
            ("span.duration.p95", "span.count"),
            ("span.error_ratio", "span.count"),
            ("span.self_time.mean", "span.count"),
            ("edge.gap.mean", "edge.count"),
            ("log.error_ratio", "log.count"),
            ("http.server.request.duration.p95", "http.server.request.duration.rate"),
        ] {
            let of = |attributes| fit(&series(signal, "{\"a\":1}"), &rule, &series(traffic, attributes));
            assert_eq!(of("{\"a\":1}"), Some(Fit::Same), "{signal}");
            assert_eq!(of("{}"), None, "{signal}: another operation's");
        }
        let gauge = fit(&series("cart.latency", "{}"), &rule, &series("span.count", "{}"));
        assert_eq!(gauge, None, "nobody said so");
    }

    #[test]
    fn the_count_of_the_same_attributes_is_better_than_that_of_all_and_that_than_parts() {
        let rule = Rule { traffic: "requests.rate".to_owned(), traffic_min: 20.0, ..Rule::default() };
        let judged = series("cart.latency", "{\"route\":\"/a\"}");
        let tick = |values: Vec<f64>| Tick {
            values,
            step: theriac_contract::Interval::from_seconds(5),
            ..Tick::default()
        };
        let values = || tick(vec![0.2, 3.0, 3.0, 3.9, 4.0]);
        let mut traffic = Traffic::default();
        let mut thin_with = |id: u32, attributes: &str| {
            let told = series("requests.rate", attributes);
            traffic.meet((SeriesId(0), &judged, &rule), (SeriesId(id), &told));
            traffic.weigh(&values());
            traffic.is_thin(SeriesId(0))
        };
        assert!(thin_with(1, "{\"route\":\"/b\"}"), "15 in five seconds");
        assert!(!thin_with(2, "{\"route\":\"/c\"}"), "30 of two routes");
        assert!(thin_with(3, "{}"), "19.5 in all, routes are no more");
        assert!(!thin_with(4, "{\"route\":\"/a\"}"), "20 of this route");
        assert!(!thin_with(1, "{\"route\":\"/b\"}"), "other routes do not count any more");
        traffic.weigh(&tick(vec![0.2, 3.0, 3.0, 3.9, f64::NAN]));
        assert!(!traffic.is_thin(SeriesId(0)), "nothing is known of its traffic");
        traffic.weigh(&tick(vec![f64::NAN, 3.0, 3.0, 3.9, 0.0]));
        assert!(!traffic.is_thin(SeriesId(0)), "there is no value to hold anything against");
    }
}
