//! What the screen shows, as lines.

use std::collections::{BTreeMap, VecDeque};

use theriac_contract::{Interval, Series, Symptom, SymptomState, Tick, Timestamp};
use theriac_detect::Reading;

use crate::words::{fit, label, odds, quantity, span, sparkline, time_of_day};

/// Values that a sparkline shows.
const VALUES_SHOWN: usize = 40;
/// How long something that is over stays on the screen.
const SHOWN_FOR: Interval = Interval::from_seconds(300);

/// One series as it is now.
struct Row {
    series: Series,
    values: VecDeque<f64>,
    reading: Option<Reading>,
}

impl Row {
    fn value(&self) -> f64 {
        self.values.back().copied().unwrap_or(f64::NAN)
    }

    /// How far the last value lies from the mean of those shown, in standard deviations:
    /// orders the series while too little is known to judge them.
    fn departure(&self) -> f64 {
        let finite: Vec<f64> = self.values.iter().copied().filter(|value| value.is_finite()).collect();
        let count = finite.len() as f64;
        let mean = finite.iter().sum::<f64>() / count;
        let spread = libm::sqrt(finite.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / count);
        let departure = (self.value() - mean).abs() / spread;
        if departure.is_finite() { departure } else { 0.0 }
    }
}

/// Everything that the screen shows.
#[derive(Default)]
pub(super) struct Table {
    first: Option<Timestamp>,
    now: Timestamp,
    rows: Vec<Row>,
    /// By series' key: the newest symptom.
    symptoms: BTreeMap<String, Symptom>,
}

impl Table {
    /// Takes over what a tick brought.
    pub(super) fn take(
        &mut self,
        series: &[Series],
        readings: &[Reading],
        tick: &Tick,
        symptoms: &[Symptom],
    ) {
        self.first.get_or_insert(tick.start);
        self.now = tick.end();
        for new in series.iter().skip(self.rows.len()) {
            self.rows.push(Row { series: new.clone(), values: VecDeque::new(), reading: None });
        }
        for (index, row) in self.rows.iter_mut().enumerate() {
            if row.values.len() == VALUES_SHOWN {
                row.values.pop_front();
            }
            row.values.push_back(tick.values.get(index).copied().unwrap_or(f64::NAN));
            row.reading = readings.get(index).copied();
        }
        for symptom in symptoms {
            self.symptoms.insert(symptom.series.clone(), symptom.clone());
        }
        let oldest = self.now.minus(SHOWN_FOR);
        self.symptoms.retain(|_, symptom| symptom.end.is_none_or(|end| end >= oldest));
    }

    /// The machine's name, as its own series give it.
    fn host(&self) -> &str {
        let mut entities = self.rows.iter().map(|row| row.series.entity.as_str());
        entities.find_map(|entity| entity.strip_prefix("host:")).unwrap_or("this machine")
    }

    /// Ticks of warm-up, done and needed, of the series that is furthest.
    fn warmup(&self) -> (u32, u32) {
        let readings = self.rows.iter().filter_map(|row| row.reading);
        let warmups = readings.map(|reading| (reading.warmup_ticks_done, reading.warmup_ticks_needed));
        warmups.max_by_key(|(done, needed)| (done >= needed, *done)).unwrap_or((0, 0))
    }

    /// Whether enough is known to call something unusual.
    pub(super) fn judges(&self) -> bool {
        let (done, needed) = self.warmup();
        needed > 0 && done >= needed
    }

    fn header(&self) -> [String; 2] {
        let elapsed = self.first.map_or(0.0, |first| self.now.since(first).as_seconds());
        let (done, needed) = self.warmup();
        let open = self.symptoms.values().filter(|symptom| symptom.state() == SymptomState::Open).count();
        let warm = self.rows.iter().filter_map(|row| row.reading);
        let warm = warm.filter(|reading| reading.warmup_ticks_done >= reading.warmup_ticks_needed).count();
        let state = if self.judges() {
            format!(
                "warm-up {} of {needed} ticks; {warm} of {} series are judged; {open} unusual now",
                done.min(needed),
                self.rows.len()
            )
        } else {
            format!("warming up: {done} of {needed} ticks: too little is known to call anything unusual")
        };
        let first = format!(
            "theriac watch  {}  {} UTC  {}  {} series",
            self.host(),
            time_of_day(self.now),
            span(elapsed),
            self.rows.len()
        );
        [first, state]
    }

    /// The screen: at most `height` lines of `width` characters.
    pub(super) fn lines(&self, width: usize, height: usize) -> Vec<String> {
        let mut lines: Vec<String> = self.header().into();
        let by_key: BTreeMap<&str, &Row> =
            self.rows.iter().map(|row| (row.series.key.as_str(), row)).collect();
        let mut told: Vec<&Symptom> = self.symptoms.values().collect();
        told.sort_by(|a, b| {
            let closed = |symptom: &Symptom| symptom.state() != SymptomState::Open;
            closed(a).cmp(&closed(b)).then(a.p_value.total_cmp(&b.p_value)).then(a.series.cmp(&b.series))
        });
        let room = height.saturating_sub(lines.len());
        // The quiet list keeps at least a third of the screen.
        let shown = told.len().min((room * 2 / 3).saturating_sub(2));
        if shown > 0 {
            lines.push(String::new());
            lines.push(titles("UNUSUAL", "SINCE"));
            lines.extend(told[..shown].iter().filter_map(|symptom| {
                by_key.get(symptom.series.as_str()).map(|row| told_line(symptom, row))
            }));
            if told.len() > shown {
                lines.push(format!("and {} more", told.len() - shown));
            }
        }
        let mut quiet: Vec<(&Row, f64, f64)> = self
            .rows
            .iter()
            .filter(|row| row.value().is_finite() && !self.symptoms.contains_key(&row.series.key))
            .map(|row| (row, row.reading.map_or(1.0, |reading| reading.p_value), row.departure()))
            .collect();
        quiet.sort_by(|a, b| a.1.total_cmp(&b.1).then(b.2.total_cmp(&a.2)));
        lines.push(String::new());
        lines.push(titles(if self.judges() { "LEAST ORDINARY" } else { "MOVING MOST" }, ""));
        let room = height.saturating_sub(lines.len()).min(15);
        lines.extend(quiet[..quiet.len().min(room)].iter().map(|(row, _, _)| quiet_line(row)));
        lines.truncate(height);
        lines.iter().map(|line| fit(line, width).trim_end().to_owned()).collect()
    }
}

fn name(series: &Series) -> String {
    let label = label(&series.attributes);
    let entity = if series.entity.as_str().starts_with("host:") { "" } else { series.entity.as_str() };
    [series.signal.as_str(), entity, label.as_str()]
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

fn titles(what: &str, since: &str) -> String {
    format!("{} {:>12} {:>12}   {:<14} {:<11} LAST", fit(what, 42), "VALUE", "EXPECTED", since, "CHANCE")
}

fn line(series: &Series, value: f64, expected: f64, since: &str, p_value: f64, bars: &str) -> String {
    let arrow = if value > expected { '↑' } else { '↓' };
    let arrow = if since.is_empty() { ' ' } else { arrow };
    format!(
        "{} {:>12} {:>12} {arrow} {} {} {bars}",
        fit(&name(series), 42),
        quantity(value, &series.unit),
        quantity(expected, &series.unit),
        fit(since, 14),
        fit(&odds(p_value), 11),
    )
}

fn told_line(symptom: &Symptom, row: &Row) -> String {
    let since = match (symptom.state(), symptom.end) {
        (SymptomState::Open, _) | (_, None) => time_of_day(symptom.onset),
        (SymptomState::Closed, Some(end)) => format!("over {}", time_of_day(end)),
        (SymptomState::Lost, Some(end)) => format!("silent {}", time_of_day(end)),
    };
    let value = symptom.observed.unwrap_or(f64::NAN);
    let bars = sparkline(row.values.iter().copied());
    line(&row.series, value, symptom.expected.unwrap_or(f64::NAN), &since, symptom.p_value, &bars)
}

fn quiet_line(row: &Row) -> String {
    let bars = sparkline(row.values.iter().copied());
    let (p_value, expected) = row.reading.map_or((1.0, f64::NAN), |r| (r.p_value, r.expected));
    line(&row.series, row.value(), expected, "", p_value, &bars)
}
