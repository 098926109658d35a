//! Seasonal: a value that is unusual for the time of day or the day of the week.

use theriac_contract::Timestamp;

use crate::{
    calendar::{Calendar, HALF_HOURS, Moment, WEEKDAYS},
    detector::Spec,
    modelled::{self, Reading, SeriesModel},
    slots::{Model, Numbers},
};

/// Half hours that the level without the time of day remembers: a day. So it knows as well as a season what
/// yesterday was like, and a series that wanders has no season.
const LEVEL_MEMORY: f64 = 48.0;
/// The same where the time of day is known, and for how large errors are: a week.
const SHIFT_MEMORY: f64 = 336.0;
/// Days that the time of day remembers.
const DAY_MEMORY: f64 = 14.0;
/// Weeks that the day of the week remembers.
const WEEK_MEMORY: f64 = 8.0;
/// Days over which errors with and without the day of the week are compared.
const COMPARED_DAYS: f64 = 28.0;
/// Comparisons before the time of day is used, in half hours: a day of them.
const DAY_NEEDS: f64 = 48.0;
/// The same for the day of the week, in days: a week.
const WEEK_NEEDS: f64 = 7.0;
/// A season is used if it leaves at most this share of the squared errors.
const LEAVES: f64 = 0.9;
/// Of an error no more is learnt than so many usual ones.
const BOUND: f64 = 3.0;

/// Additive exponential smoothing with two seasons, time of day and day of the week (Holt 1957; Winters
/// 1960; Taylor 2003, Journal of the Operational Research Society 54:799), with bounded errors
/// (Gelper, Fried and Croux 2010, Journal of Forecasting 29:285).
///
/// It learns means of half hours and of days by civil time, when they are over; so each error that it
/// learns from, or judges itself by, is that of a forecast from earlier days. Each season has to show that
/// forecasts are better with it; as long as none has, nothing is said. Between the middles of half hours
/// the forecast is a straight line.
#[derive(Clone, Debug)]
pub(crate) struct Seasonal {
    calendar: Calendar,
    /// The first value; all others are taken less this.
    origin: f64,
    /// Of the last value.
    latest: Option<Moment>,
    /// Values of the present half hour.
    values: Mean,
    /// Shares of the half hour that had passed when they came.
    passed: Mean,
    /// Their distances from the forecast.
    distances: Mean,
    /// Errors of the present day, without the day of the week.
    errors: Mean,
    /// Level without the time of day.
    level: Smoothed,
    /// Where in a half hour values lie on average.
    middle: Smoothed,
    /// What the time of day is moved by.
    shift: f64,
    day: [Smoothed; HALF_HOURS],
    week: [Smoothed; WEEKDAYS],
    by_day: Comparison,
    by_week: Comparison,
    /// Mean distance of values from the forecast.
    spread: Smoothed,
    /// The same by the half hour.
    spreads: [Smoothed; HALF_HOURS],
}

/// A mean that is being made.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Mean {
    sum: f64,
    count: f64,
}

impl Mean {
    fn add(&mut self, value: f64) {
        self.sum += value;
        self.count += 1.0;
    }

    /// The mean, if there is any; what comes next makes another.
    fn take(&mut self) -> Option<f64> {
        let Self { sum, count } = std::mem::take(self);
        (count > 0.0).then(|| sum / count)
    }
}

/// A number that follows what it meets; the first of them weigh alike.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Smoothed {
    value: f64,
    seen: f64,
}

impl Smoothed {
    /// Moves by a share of `error`.
    fn follow(&mut self, error: f64, memory: f64) {
        self.value += error / (self.seen + 1.0).min(memory);
        self.seen += 1.0;
    }

    fn known(&self) -> Option<f64> {
        (self.seen > 0.0).then_some(self.value)
    }
}

/// Mean squared errors of forecasts without a season and with it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Comparison {
    without: f64,
    with: f64,
    seen: f64,
}

impl Comparison {
    fn learn(&mut self, without: f64, with: f64, memory: f64) {
        let weight = 1.0 / (self.seen + 1.0).min(memory);
        for (mean, error) in [(&mut self.without, without), (&mut self.with, with)] {
            let error = if self.seen < WEEK_NEEDS { error } else { bounded(error, mean.sqrt()) };
            *mean += weight * (error * error - *mean);
        }
        self.seen += 1.0;
    }

    fn helps(&self, needs: f64) -> bool {
        self.seen >= needs && self.with < LEAVES * self.without
    }
}

/// `error`, at most [`BOUND`] times `usual`, and a little more, or what never erred would never learn.
fn bounded(error: f64, usual: f64) -> f64 {
    error.abs().min(BOUND * usual + 0.001 * error.abs()).copysign(error)
}

impl Seasonal {
    fn uses_day(&self) -> bool {
        self.by_day.helps(DAY_NEEDS)
    }

    fn uses_week(&self) -> bool {
        self.by_week.helps(WEEK_NEEDS)
    }

    /// What the day of the week adds, if it is used.
    fn weekly(&self, moment: Moment) -> f64 {
        if self.uses_week() { self.week[self.calendar.weekday(moment)].value } else { 0.0 }
    }

    /// The forecast, less the origin; none as long as there is no season, or where this time of day was
    /// never seen.
    fn forecast(&self, moment: Moment) -> Option<f64> {
        if !self.uses_day() {
            return self.uses_week().then(|| self.level.value + self.weekly(moment));
        }
        let slot = moment.slot();
        let own = self.day[slot].known()?;
        let beyond = moment.passed - self.middle.value;
        let next = if beyond < 0.0 { slot + HALF_HOURS - 1 } else { slot + 1 } % HALF_HOURS;
        let towards = self.day[next].known().unwrap_or(own);
        Some(self.shift + own + beyond.abs() * (towards - own) + self.weekly(moment))
    }

    /// How far values are from the forecast: half by that of this half hour, which few days tell, and half
    /// by that of all; none before the first.
    fn scatter(&self, moment: Moment) -> Option<f64> {
        let all = self.spread.known()?;
        Some(0.5 * (all + self.spreads[moment.slot()].known().unwrap_or(all)))
    }

    /// Learns from the half hour that is over, and from the day if that is over too.
    fn turn(&mut self, over: Moment, day_over: bool) {
        if let Some(value) = self.values.take() {
            self.learn_half_hour(over, value);
        }
        if day_over && let Some(error) = self.errors.take() {
            self.learn_day(over, error);
        }
        if let Some(passed) = self.passed.take() {
            self.middle.follow(passed - self.middle.value, SHIFT_MEMORY);
        }
        if let Some(distance) = self.distances.take() {
            let usual = if self.spread.seen < DAY_NEEDS { distance } else { self.spread.value };
            let own = &mut self.spreads[over.slot()];
            own.follow(bounded(distance - own.value, usual), DAY_MEMORY);
            self.spread.follow(bounded(distance - self.spread.value, usual), SHIFT_MEMORY);
        }
    }

    fn learn_half_hour(&mut self, over: Moment, value: f64) {
        let weekly = self.weekly(over);
        let slot = over.slot();
        let of_level = self.level.known().map(|level| value - level);
        let of_day = self.day[slot].known().map(|own| value - self.shift - own);
        if let Some(error) = if self.uses_day() { of_day } else { of_level } {
            self.errors.add(error);
        }
        let usual = |mean: f64| if self.by_day.seen < DAY_NEEDS { f64::INFINITY } else { mean.sqrt() };
        let (usual_level, usual_day) = (usual(self.by_day.without), usual(self.by_day.with));
        if let (Some(without), Some(with)) = (of_level, of_day) {
            self.by_day.learn(without - weekly, with - weekly, SHIFT_MEMORY);
        }
        let of_level = of_level.unwrap_or(value) - weekly;
        self.level.follow(bounded(of_level, usual_level), LEVEL_MEMORY);
        if let Some(error) = of_day {
            let error = bounded(error - weekly, usual_day);
            self.shift += error / SHIFT_MEMORY;
            self.day[slot].follow(error, DAY_MEMORY);
        } else {
            self.day[slot].follow(value - self.shift - weekly, DAY_MEMORY);
        }
    }

    fn learn_day(&mut self, over: Moment, error: f64) {
        let own = &mut self.week[self.calendar.weekday(over)];
        let usual = if self.by_week.seen < WEEK_NEEDS { f64::INFINITY } else { self.by_week.without.sqrt() };
        if let Some(weekly) = own.known() {
            self.by_week.learn(error, error - weekly, COMPARED_DAYS);
        }
        own.follow(bounded(error - own.value, usual), WEEK_MEMORY);
    }
}

impl SeriesModel for Seasonal {
    const SPEC: Spec = Spec {
        name: "seasonal",
        sees: "a value that is unusual for the time of day or the day of the week",
        formula: "|x - (level + time of day + day of the week)| / mean of it then; a season counts if forecasts are better with it",
        source: "Holt 1957; Winters 1960; Taylor 2003",
        parameters: &[],
        state_version: 1,
        warmup_ticks: 256,
        bytes_per_series: modelled::BYTES + size_of::<Self>(),
        on_by_default: false,
    };

    fn update(&mut self, value: f64, at: Timestamp, learn: bool) -> Option<Reading> {
        let moment = self.calendar.moment(at);
        if let Some(latest) = self.latest.filter(|latest| latest.half_hour != moment.half_hour) {
            self.turn(latest, latest.day() != moment.day());
        }
        self.latest = Some(moment);
        if self.origin.is_nan() {
            self.origin = value;
        }
        let value = value - self.origin;
        let forecast = self.forecast(moment);
        let reading = forecast.zip(self.scatter(moment)).map(|(forecast, scatter)| {
            let rounding = 1e-12 * (self.origin.abs() + forecast.abs()) + f64::MIN_POSITIVE;
            let unit = scatter + rounding;
            Reading { score: (value - forecast).abs() / unit, expected: self.origin + forecast, unit }
        });
        if learn {
            self.values.add(value);
            self.passed.add(moment.passed);
            if let Some(forecast) = forecast {
                self.distances.add((value - forecast).abs());
            }
        }
        reading
    }
}

impl Model for Seasonal {
    const TABLE: &'static str = "detectors.seasonal";
    const VERSION: u16 = 1;
    type Settings = Calendar;

    fn empty(calendar: &Calendar, _channels: usize) -> Self {
        Self {
            calendar: calendar.clone(),
            origin: f64::NAN,
            latest: None,
            values: Mean::default(),
            passed: Mean::default(),
            distances: Mean::default(),
            errors: Mean::default(),
            level: Smoothed::default(),
            middle: Smoothed::default(),
            shift: 0.0,
            day: [Smoothed::default(); HALF_HOURS],
            week: [Smoothed::default(); WEEKDAYS],
            by_day: Comparison::default(),
            by_week: Comparison::default(),
            spread: Smoothed::default(),
            spreads: [Smoothed::default(); HALF_HOURS],
        }
    }

    fn channels(&self) -> usize {
        1
    }

    #[expect(clippy::cast_precision_loss, reason = "half hours since 1970")]
    fn save(&self, numbers: &mut Vec<f64>) {
        let latest = self.latest.map_or([f64::NAN; 2], |at| [at.half_hour as f64, at.passed]);
        numbers.extend([self.origin, self.shift]);
        numbers.extend(latest);
        for mean in [self.values, self.passed, self.distances, self.errors] {
            numbers.extend([mean.sum, mean.count]);
        }
        for comparison in [self.by_day, self.by_week] {
            numbers.extend([comparison.without, comparison.with, comparison.seen]);
        }
        let single = [&self.level, &self.middle, &self.spread];
        for smoothed in single.into_iter().chain(&self.day).chain(&self.week).chain(&self.spreads) {
            numbers.extend([smoothed.value, smoothed.seen]);
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "half hours since 1970")]
    fn load(&mut self, numbers: &mut Numbers<'_>) -> Option<()> {
        let [origin, shift, half_hour, passed] = numbers.array()?;
        (self.origin, self.shift) = (origin, shift);
        self.latest = (!passed.is_nan()).then_some(Moment { half_hour: half_hour as i64, passed });
        for mean in [&mut self.values, &mut self.passed, &mut self.distances, &mut self.errors] {
            [mean.sum, mean.count] = numbers.array()?;
        }
        for comparison in [&mut self.by_day, &mut self.by_week] {
            [comparison.without, comparison.with, comparison.seen] = numbers.array()?;
        }
        let single = [&mut self.level, &mut self.middle, &mut self.spread];
        for smoothed in single.into_iter().chain(&mut self.day).chain(&mut self.week).chain(&mut self.spreads)
        {
            [smoothed.value, smoothed.seen] = numbers.array()?;
        }
        Some(())
    }
}
