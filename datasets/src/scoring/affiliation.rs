//! Affiliation F: how near predictions lie to events, against a prediction at random.
//!
//! Source: A. Huet, J. Navarro and D. Rossi, "Local Evaluation of Time Series Anomaly
//! Detection Algorithms", KDD 2022. Time is continuous: row i covers [i, i+1). Each event
//! has a zone that ends half way to its neighbours; within it, precision asks how likely a
//! place at random would lie at least as far from the event as each predicted place, recall
//! how likely it would lie at least as far from each place of the event as the nearest
//! prediction.

use super::{even_thresholds, ranges::harmonic, segments};

/// A span of time, end exclusive.
#[derive(Clone, Copy)]
struct Span {
    start: f64,
    end: f64,
}

impl Span {
    fn length(self) -> f64 {
        self.end - self.start
    }

    fn within(self, zone: Self) -> Option<Self> {
        let cut = Self { start: self.start.max(zone.start), end: self.end.min(zone.end) };
        (cut.start < cut.end).then_some(cut)
    }
}

fn spans(flags: &[bool]) -> Vec<Span> {
    let spans = segments(flags).into_iter();
    spans.map(|segment| Span { start: segment.first as f64, end: (segment.last + 1) as f64 }).collect()
}

/// The best affiliation F over 100 even thresholds; see [`super::Measures::of`] for what is
/// asked of the input.
#[must_use]
pub fn best(labels: &[bool], scores: &[f64]) -> f64 {
    let events = spans(labels);
    let mut predicted = vec![false; scores.len()];
    let mut best = 0.0_f64;
    for threshold in even_thresholds(scores) {
        for (predicted, score) in predicted.iter_mut().zip(scores) {
            *predicted = *score > threshold;
        }
        best = best.max(affiliation_f(&events, &spans(&predicted), labels.len() as f64));
    }
    best
}

/// Harmonic mean of the mean precision over zones that hold predictions, and the mean recall
/// over all zones.
fn affiliation_f(events: &[Span], predicted: &[Span], end: f64) -> f64 {
    let (mut precision, mut recall, mut predicted_zones) = (0.0, 0.0, 0.0);
    let mut first = 0;
    for (index, event) in events.iter().enumerate() {
        let before = index.checked_sub(1).map(|before| events[before].end);
        let after = events.get(index + 1).map(|after| after.start);
        let zone = Span {
            start: before.map_or(0.0, |before| f64::midpoint(before, event.start)),
            end: after.map_or(end, |after| f64::midpoint(event.end, after)),
        };
        first += predicted[first..].partition_point(|span| span.end <= zone.start);
        let inside: Vec<Span> = predicted[first..]
            .iter()
            .take_while(|span| span.start < zone.end)
            .filter_map(|span| span.within(zone))
            .collect();
        if !inside.is_empty() {
            precision += zone_precision(*event, zone, &inside);
            predicted_zones += 1.0;
            recall += zone_recall(*event, zone, &inside);
        }
    }
    if predicted_zones > 0.0 {
        harmonic(precision / predicted_zones, recall / events.len() as f64)
    } else {
        0.0
    }
}

/// Integral of `f`, which is straight between the `breaks` that lie in the span.
fn integral(span: Span, breaks: &[f64], f: impl Fn(f64) -> f64) -> f64 {
    let mut places: Vec<f64> = Vec::with_capacity(breaks.len() + 2);
    places.extend(breaks.iter().copied().filter(|place| span.start < *place && *place < span.end));
    places.extend([span.start, span.end]);
    places.sort_by(f64::total_cmp);
    places.windows(2).map(|pair| (pair[1] - pair[0]) * f64::midpoint(f(pair[0]), f(pair[1]))).sum()
}

fn zone_precision(event: Span, zone: Span, predicted: &[Span]) -> f64 {
    let narrow = (event.start - zone.start).min(zone.end - event.end);
    // How likely a place at random lies at least as far from the event.
    let at = |distance: f64| 1.0 - (event.length() + distance + distance.min(narrow)) / zone.length();
    let mut sum = 0.0;
    for span in predicted {
        if let Some(early) = span.within(Span { start: zone.start, end: event.start }) {
            sum += integral(early, &[event.start - narrow], |place| at(event.start - place));
        }
        if let Some(inside) = span.within(event) {
            sum += inside.length();
        }
        if let Some(late) = span.within(Span { start: event.end, end: zone.end }) {
            sum += integral(late, &[event.end + narrow], |place| at(place - event.end));
        }
    }
    sum / predicted.iter().map(|span| span.length()).sum::<f64>()
}

fn zone_recall(event: Span, zone: Span, predicted: &[Span]) -> f64 {
    let mut sum: f64 = predicted.iter().filter_map(|span| span.within(event)).map(Span::length).sum();
    // Between two predictions, or before the first and after the last.
    let starts = predicted.iter().map(|span| Some(span.start)).chain([None]);
    let ends = [None].into_iter().chain(predicted.iter().map(|span| Some(span.end)));
    for (before, after) in ends.zip(starts) {
        let gap = Span { start: before.unwrap_or(zone.start), end: after.unwrap_or(zone.end) };
        let Some(open) = gap.within(event) else { continue };
        let at = |place: f64| {
            let to_before = before.map_or(f64::INFINITY, |before| place - before);
            let distance = after.map_or(f64::INFINITY, |after| after - place).min(to_before);
            1.0 - (distance.min(place - zone.start) + distance.min(zone.end - place)) / zone.length()
        };
        let middle = before.zip(after).map(|(before, after)| f64::midpoint(before, after));
        let near_start = after.map(|after| f64::midpoint(after, zone.start));
        let near_end = before.map(|before| f64::midpoint(before, zone.end));
        let breaks: Vec<f64> = middle.into_iter().chain(near_start).chain(near_end).collect();
        sum += integral(open, &breaks, at);
    }
    sum / event.length()
}
