//! The place in data that surprises a detector most.
//!
//! The rule looks at no label: the smallest p-value that the detector, alone, gives after its
//! warm-up, in any course of what it judges. The first such place counts.

use std::{collections::BTreeMap, path::Path};

use anyhow::Result;
use indicatif::ProgressBar;
use theriac_contract::Timestamp;
use theriac_datasets::catalogue::NotFound;
use theriac_detectors::{Bank, Enabled, Scores, Settings};

use super::{
    super::eval::{self, live},
    card::{Card, Place},
};
use crate::report::cards::{Picture, Stretch};

/// Ticks that are shown before the place, and after it.
pub(super) type Around = [usize; 2];

/// On the page of a report, which may be large.
pub(super) const WIDE: Around = [400, 80];

/// What a series, an entity, or the replicas of a service did.
pub(super) struct Course {
    pub(super) name: String,
    pub(super) times: Vec<Timestamp>,
    /// `[channels][ticks]`.
    pub(super) channels: Vec<Vec<f64>>,
}

/// What detectors are tried on, by what they judge.
#[derive(Default)]
pub(super) struct Courses {
    pub(super) series: Vec<Course>,
    pub(super) entities: Vec<Course>,
    pub(super) replicas: Vec<Course>,
}

/// What a detector says of one tick.
#[derive(Clone, Copy)]
struct Said {
    p_value: f64,
    expected: f64,
    low: f64,
    high: f64,
}

/// A detector that has seen what came before.
type Judge = Box<dyn FnMut(Timestamp, &[f64]) -> Said>;

/// NAB, which must be there, and SMD. Neither has replicas.
pub(super) fn public(data: Option<&Path>) -> Result<Courses> {
    let mut courses = Courses::default();
    for file in &eval::nab_corpus(data)?.files {
        let name = format!("NAB, {}", file.layout.name);
        courses.series.push(course(name, &file.times, vec![&file.values])?);
    }
    let machines = match eval::open_smd(data) {
        Err(error) if error.is::<NotFound>() => Vec::new(),
        machines => machines?,
    };
    for machine in machines {
        let channels = machine.channels.iter().map(Vec::as_slice).collect();
        courses.entities.push(course(format!("SMD, {}", machine.name), &machine.times, channels)?);
    }
    Ok(courses)
}

/// Pictures by the name of the detector; none where there is nothing that it judges.
pub(super) fn all(
    cards: &[Card],
    courses: &Courses,
    around: Around,
    bar: &ProgressBar,
) -> BTreeMap<&'static str, Picture> {
    let mut pictures = BTreeMap::new();
    for card in cards {
        bar.set_message(format!("what surprises {}", card.spec.name));
        bar.inc(1);
        let courses = match card.place {
            Place::Bank => &courses.series,
            Place::Beside(beside) if beside.together == 1 => &courses.series,
            Place::Beside(_) if card.spec.name == "peers" => &courses.replicas,
            Place::Beside(_) => &courses.entities,
        };
        if let Some(picture) = most_surprising(card, courses, around) {
            pictures.insert(card.spec.name, picture);
        }
    }
    pictures
}

/// Rows as the loop sees them: in ticks, with those that are missing.
fn course(name: String, times: &[Timestamp], channels: Vec<&[f64]>) -> Result<Course> {
    let count = channels.len();
    let mut course = Course { name, times: Vec::new(), channels: vec![Vec::new(); count] };
    let mut channel_of_series = Vec::new();
    live::ticks(&theriac_monitor::Settings::default(), &live::Rows { times, channels }, |tick, _| {
        for series in &tick.opened {
            channel_of_series.push(live::channel(series)?);
        }
        course.times.push(tick.start);
        course.channels.iter_mut().for_each(|channel| channel.push(f64::NAN));
        for (value, channel) in tick.values.iter().zip(&channel_of_series) {
            if let Some(last) = course.channels[*channel].last_mut() {
                *last = *value;
            }
        }
        Ok(())
    })?;
    Ok(course)
}

fn most_surprising(card: &Card, courses: &[Course], around: Around) -> Option<Picture> {
    let mut best: Option<(f64, Picture)> = None;
    for course in courses {
        let said = judge(card, course);
        let places = said.iter().enumerate().map(|(place, said)| (place, said.p_value));
        let Some((place, p_value)) = places.reduce(|least, next| if next.1 < least.1 { next } else { least })
        else {
            continue;
        };
        if p_value < best.as_ref().map_or(1.0, |(least, _)| *least) {
            best = Some((p_value, picture(course, &said, place, around)));
        }
    }
    best.map(|(_, picture)| picture)
}

/// What the detector says of each tick, from nothing that comes later.
fn judge(card: &Card, course: &Course) -> Vec<Said> {
    let mut tick: Judge = match card.place {
        Place::Bank => {
            let enabled = Enabled::only(&[card.spec.name]).expect("a name of the registry");
            let mut bank = Bank::new(&Settings { enabled, ..Settings::default() });
            bank.grow(1);
            Box::new(move |at, row| {
                let [mut p_value, mut expected, mut low, mut high] =
                    [[1.0], [f64::NAN], [f64::NAN], [f64::NAN]];
                let mut out =
                    Scores { p_value: &mut p_value, expected: &mut expected, low: &mut low, high: &mut high };
                bank.update(at, row, &[true], &mut out);
                Said { p_value: p_value[0], expected: expected[0], low: low[0], high: high[0] }
            })
        }
        Place::Beside(beside) => {
            let mut judge = beside.start(course.channels.len());
            Box::new(move |at, row| {
                let judgement = judge(at, row);
                Said {
                    p_value: judgement.p_value,
                    expected: judgement.expected,
                    low: f64::NAN,
                    high: f64::NAN,
                }
            })
        }
    };
    let mut row = vec![0.0; course.channels.len()];
    let rows = course.times.iter().enumerate().map(|(place, at)| {
        row.iter_mut().zip(&course.channels).for_each(|(value, channel)| *value = channel[place]);
        tick(*at, &row)
    });
    rows.collect()
}

fn picture(course: &Course, said: &[Said], place: usize, [before, after]: Around) -> Picture {
    let shown = place.saturating_sub(before)..(place + after).min(said.len());
    let of = |number: fn(&Said) -> f64| said[shown.clone()].iter().map(number).collect::<Vec<f64>>();
    let time = course.times[place].to_string()[..16].replace('T', " ");
    Picture {
        caption: format!("{}, {time}: p-value {:.1e}", course.name, said[place].p_value),
        stretch: Stretch {
            times: course.times[shown.clone()].to_vec(),
            channels: course.channels.iter().map(|channel| channel[shown.clone()].to_vec()).collect(),
            expected: of(|said| said.expected),
            low: of(|said| said.low),
            high: of(|said| said.high),
            p_value: of(|said| said.p_value),
            place: place - shown.start,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::{super::card, *};

    /// A wave of 1,000 minutes with one value that is not of it.
    fn course(name: &str, outlier: f64) -> Course {
        let mut values: Vec<f64> = (0..1_000).map(|tick| f64::from(tick * 37 % 23)).collect();
        values[700] += outlier;
        let times = (0..1_000).map(|tick| Timestamp::from_seconds(60 * tick)).collect();
        Course { name: name.to_owned(), times, channels: vec![values] }
    }

    #[test]
    fn the_first_of_the_most_surprising_places_is_shown() {
        let level = card::all().into_iter().find(|card| card.spec.name == "level").unwrap();
        let courses = [course("quiet", 0.0), course("first", 400.0), course("second", 400.0)];
        let picture = most_surprising(&level, &courses, WIDE).unwrap();
        assert!(picture.caption.starts_with("first, 1970-01-01 11:40"), "{}", picture.caption);
        let stretch = picture.stretch;
        assert_eq!(stretch.times[stretch.place], Timestamp::from_seconds(60 * 700));
        assert_eq!(stretch.channels[0].len(), WIDE[0] + WIDE[1]);
        assert!(stretch.p_value.iter().all(|p_value| *p_value >= stretch.p_value[stretch.place]));
        assert!(stretch.low[stretch.place] <= 11.0 && stretch.high[stretch.place] < 400.0);
    }
}
