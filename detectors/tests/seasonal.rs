//! Time of day and day of the week: agreement with `reference/seasonal.py`, clocks that change, holidays,
//! and silence where there is no season.

#![expect(clippy::unwrap_used, reason = "a test stops where a reference is malformed")]

use rand_core::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use serde_json::{Value, json};
use theriac_contract::{Checkpointed, Interval, Timestamp};
use theriac_detectors::{Bank, DetectorSettings, Enabled, Scores, Settings};

/// A bank of this one detector, and one series.
struct Subject {
    bank: Bank,
    at: Timestamp,
    step: Interval,
}

/// P-value, expected value, low and high end of the band.
type Said = [f64; 4];

impl Subject {
    fn new(begin: &str, minutes: i64, zone: &str, holidays: &Value) -> Self {
        let detectors: DetectorSettings =
            serde_json::from_value(json!({"time_zone": zone, "holidays": holidays, "warmup_ticks": 200}))
                .unwrap();
        let mut bank =
            Bank::new(&Settings { detectors, enabled: Enabled::only(&["seasonal"]).unwrap(), onnx: None });
        bank.grow(1);
        Self { bank, at: begin.parse().unwrap(), step: Interval::from_seconds(60 * minutes) }
    }

    fn tick(&mut self, value: f64, learn: bool) -> Said {
        let [mut p_value, mut expected, mut low, mut high] = [[0.0]; 4];
        let mut out =
            Scores { p_value: &mut p_value, expected: &mut expected, low: &mut low, high: &mut high };
        self.bank.update(self.at, &[value], &[learn], &mut out);
        self.at = self.at.plus(self.step);
        [p_value[0], expected[0], low[0], high[0]]
    }
}

fn reference() -> Value {
    serde_json::from_str(include_str!("reference/seasonal.json")).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap_or(f64::NAN)).collect()
}

#[test]
fn forecasts_agree_with_the_plain_recursion_while_clocks_change() {
    let reference = reference();
    for season in ["spring", "autumn"] {
        let story = &reference[season];
        let begin = story["begin"].as_str().unwrap();
        let mut subject = Subject::new(begin, 20, "Europe/Berlin", &story["holidays"]);
        let (values, expected) = (numbers(&story["values"]), numbers(&story["expected"]));
        let mut compared = 0;
        for (tick, (value, expected)) in values.iter().zip(expected).enumerate() {
            let [_, found, low, high] = subject.tick(*value, true);
            // Until it is warm it keeps to itself what it expects.
            if !found.is_nan() {
                assert!((found - expected).abs() < 1e-4, "{season}, {tick}: {found}, numpy {expected}");
                assert!(low < found && found < high, "{season}, {tick}: {low} {found} {high}");
                compared += 1;
            }
        }
        assert!(compared > 2_600, "{season}: {compared}");
    }
}

/// Mean distance from what was expected between two days, counted from the beginning.
fn distance(season: &str, zone: &str, holidays: &Value, from: usize, to: usize) -> f64 {
    let story = &reference()[season];
    let mut subject = Subject::new(story["begin"].as_str().unwrap(), 20, zone, holidays);
    let mut distances = Vec::new();
    for (tick, value) in numbers(&story["values"]).into_iter().enumerate() {
        let [_, expected, ..] = subject.tick(value, true);
        if (from..to).contains(&(tick / 72)) {
            distances.push((value - expected).abs());
        }
    }
    distances.iter().sum::<f64>() / f64::from(u32::try_from(distances.len()).unwrap())
}

#[test]
fn only_who_follows_the_clock_on_the_wall_is_not_surprised_when_it_changes() {
    // 30 March and 26 October are the days 33 and 27; the noise alone has a mean distance of 2.4.
    for (season, day) in [("spring", 33), ("autumn", 27)] {
        let holidays = &reference()[season]["holidays"];
        let berlin = distance(season, "Europe/Berlin", holidays, day, day + 3);
        let utc = distance(season, "UTC", holidays, day, day + 3);
        assert!(berlin < 3.0 && utc > 5.0, "{season}: {berlin}, in UTC {utc}");
    }
}

#[test]
fn a_holiday_that_is_known_is_like_a_sunday() {
    // 4 April is day 38 and a Friday.
    let known = distance("spring", "Europe/Berlin", &json!(["2025-04-04"]), 38, 39);
    let unknown = distance("spring", "Europe/Berlin", &json!([]), 38, 39);
    assert!(known < 3.0 && unknown > 15.0, "{known}, unknown {unknown}");
}

#[test]
fn what_is_usual_by_day_is_unusual_by_night() {
    let story = &reference()["spring"];
    let mut subject = Subject::new(story["begin"].as_str().unwrap(), 20, "Europe/Berlin", &story["holidays"]);
    let values = numbers(&story["values"]);
    let mut ordinary = 1.0_f64;
    for (tick, value) in values.iter().enumerate() {
        let [p_value, ..] = subject.tick(*value, true);
        ordinary = if tick > 25 * 72 { ordinary.min(p_value) } else { 1.0 };
    }
    // Seven days later it is one in the night; the peak of the day comes near 260.
    for _ in 0..3 {
        subject.tick(200.0, true);
    }
    let [p_value, expected, low, high] = subject.tick(255.0, true);
    assert!((190.0..210.0).contains(&expected) && low > 180.0 && high < 220.0, "{low} {expected} {high}");
    assert!(p_value < 3e-4 && ordinary > 10.0 * p_value, "{p_value}, without anomalies {ordinary}");
}

#[test]
fn what_scatters_by_day_and_not_by_night_is_measured_by_the_time_of_day() {
    let mut subject = Subject::new("2025-01-06T00:00:00Z", 10, "UTC", &json!([]));
    let by_day = |tick: u32| (48..120).contains(&(tick % 144));
    let mut widths = [0.0; 2];
    for tick in 0..40 * 144_u32 {
        let noise = f64::from(tick.wrapping_mul(2_654_435_761) >> 8) / f64::from(1 << 24) - 0.5;
        let value = if by_day(tick) { 300.0 + 40.0 * noise } else { 100.0 + 2.0 * noise };
        let [_, _, low, high] = subject.tick(value, true);
        if tick > 30 * 144 && matches!(tick % 144, 12 | 84) {
            widths[usize::from(by_day(tick))] = high - low;
        }
    }
    assert!(widths[0] < 0.7 * widths[1], "by night {}, by day {}", widths[0], widths[1]);
}

#[test]
fn a_day_of_nonsense_is_forgiven_and_an_incident_teaches_nothing() {
    let story = &reference()["autumn"];
    let values = numbers(&story["values"]);
    let begin = story["begin"].as_str().unwrap();
    let run = |nonsense: Option<(f64, bool)>| {
        let mut subject = Subject::new(begin, 20, "Europe/Berlin", &story["holidays"]);
        let mut last = [0.0; 4];
        for (tick, value) in values[..40 * 72].iter().enumerate() {
            let nonsense = nonsense.filter(|_| tick / 72 == 36);
            last = subject.tick(nonsense.map_or(*value, |of| of.0), nonsense.is_none_or(|of| of.1));
        }
        last[1]
    };
    let (quiet, learnt, frozen) = (run(None), run(Some((1e4, true))), run(Some((1e4, false))));
    assert!((learnt - quiet).abs() < 150.0, "{learnt}, without nonsense {quiet}");
    assert!((frozen - quiet).abs() < 1.0, "{frozen}, without nonsense {quiet}");
}

#[test]
fn values_once_a_day_have_days_of_the_week_alone() {
    let mut subject = Subject::new("2025-01-06T00:00:00Z", 24 * 60, "UTC", &json!([]));
    let mut told = 0;
    for day in 0..400 {
        let noise = f64::from(day * 7_919 % 1_009) / 1_009.0;
        let usual = if day % 7 > 4 { 20.0 } else { 100.0 };
        let [_, expected, ..] = subject.tick(usual + noise, true);
        if day > 300 {
            assert!((expected - usual - 0.5).abs() < 3.0, "day {day}: {expected}");
            told += 1;
        }
    }
    assert_eq!(told, 99);
}

#[test]
fn it_is_silent_where_there_is_no_season() {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(5);
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
    let mut uniform = || (random.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
    for walk in [0.0, 1.0] {
        let mut subject = Subject::new("2025-01-01T00:00:00Z", 10, "UTC", &json!([]));
        let mut value = 0.0;
        let mut told = 0;
        for _ in 0..60 * 144 {
            value = walk * value + uniform() - 0.5;
            let [p_value, expected, ..] = subject.tick(value, true);
            told += u32::from(!expected.is_nan() || p_value < 1.0);
        }
        assert!(told < 60 * 144 / 50, "walk {walk}: {told}");
    }
}

#[test]
fn state_saved_and_restored_in_the_middle_changes_nothing() {
    let story = &reference()["spring"];
    let begin = story["begin"].as_str().unwrap();
    let values = numbers(&story["values"]);
    let mut one = Subject::new(begin, 20, "Europe/Berlin", &story["holidays"]);
    let (before, after) = values.split_at(25 * 72 + 31);
    for value in before {
        one.tick(*value, true);
    }
    let mut other = Subject::new(begin, 20, "Europe/Berlin", &story["holidays"]);
    other.bank.restore(&one.bank.snapshot().unwrap()).unwrap();
    other.at = one.at;
    for value in after {
        let (a, b) = (one.tick(*value, true), other.tick(*value, true));
        assert_eq!(a.map(f64::to_bits), b.map(f64::to_bits));
    }
    assert_eq!(one.bank.snapshot().unwrap(), other.bank.snapshot().unwrap());
}

#[test]
fn settings_that_are_no_zone_or_no_date_are_refused_by_name() {
    let refused =
        |settings: Value| serde_json::from_value::<DetectorSettings>(settings).unwrap_err().to_string();
    let zone = refused(json!({"time_zone": "Europe/Berln"}));
    assert!(zone.contains("time_zone: there is no `Europe/Berln`"), "{zone}");
    let date = refused(json!({"holidays": ["25.12.2025"]}));
    assert!(date.contains("holidays: `25.12.2025` is no date"), "{date}");
    let settings = json!({"time_zone": "Asia/Kathmandu", "holidays": ["2025-10-02"]});
    let read: DetectorSettings = serde_json::from_value(settings.clone()).unwrap();
    let written = serde_json::to_value(read).unwrap();
    assert_eq!(
        [&written["time_zone"], &written["holidays"]],
        [&settings["time_zone"], &settings["holidays"]]
    );
}

proptest::proptest! {
    #[test]
    fn any_values_give_p_values_and_finite_expectations(
        seeds in proptest::collection::vec(proptest::num::f64::ANY, 1..50),
    ) {
        let mut subject = Subject::new("2025-03-01T00:00:00Z", 180, "America/Sao_Paulo", &json!(["2025-03-04"]));
        for t in 0..600_usize {
            // A season where the seeds allow it.
            let value = seeds[t * t / 7 % seeds.len()] + if t % 8 < 4 { 1e149 } else { 0.0 };
            let [p_value, expected, low, high] = subject.tick(value, t % 50 > 3);
            proptest::prop_assert!((1e-36..=1.0).contains(&p_value), "{}", p_value);
            for place in [expected, low, high] {
                proptest::prop_assert!(place.is_nan() || place.is_finite(), "{place} at {t}");
            }
            proptest::prop_assert!(!expected.is_finite() || (low <= expected && expected <= high));
        }
    }
}
