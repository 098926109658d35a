//! The benchmark's scoring rules.
//!
//! A row is a detection if its score reaches the threshold. Of the detections in a window
//! the earliest counts, by how early in the window it is; a window without one costs;
//! every detection outside windows costs, less if it comes soon after a window. The first
//! rows of a file (the probation) are not scored.

use std::{cmp::Reverse, collections::BTreeMap};

use serde::{Deserialize, Serialize};

/// A labelled window, rows from 0, both ends inclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// First row.
    pub first: usize,
    /// Last row.
    pub last: usize,
}

/// What the scorer must know of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layout {
    /// `category/file.csv`.
    pub name: String,
    /// Category.
    pub category: String,
    /// Rows.
    pub rows: usize,
    /// Labelled windows, ascending, apart from each other.
    pub windows: Vec<Window>,
}

impl Layout {
    /// Rows at the start that are not scored: 15 %, at most 750.
    #[must_use]
    pub const fn probation(&self) -> usize {
        let share = self.rows * 15 / 100;
        if share < 750 { share } else { 750 }
    }
}

/// Application profile: what a hit, a false alarm and a miss are worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Profile {
    /// Hit 1, false alarm 0.11, miss 1.
    Standard,
    /// Hit 1, false alarm 0.22, miss 1.
    RewardLowFpRate,
    /// Hit 1, false alarm 0.11, miss 2.
    RewardLowFnRate,
}

impl Profile {
    /// All three.
    pub const ALL: [Self; 3] = [Self::Standard, Self::RewardLowFpRate, Self::RewardLowFnRate];

    /// Name in results.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::RewardLowFpRate => "reward_low_fp_rate",
            Self::RewardLowFnRate => "reward_low_fn_rate",
        }
    }

    const fn false_alarm(self) -> f64 {
        match self {
            Self::RewardLowFpRate => 0.22,
            Self::Standard | Self::RewardLowFnRate => 0.11,
        }
    }

    const fn miss(self) -> f64 {
        match self {
            Self::RewardLowFnRate => 2.0,
            Self::Standard | Self::RewardLowFpRate => 1.0,
        }
    }
}

/// What a detector has under one profile.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProfileScore {
    /// Profile.
    pub profile: Profile,
    /// Threshold that was used; 1.1 means that nothing is a detection.
    pub threshold: f64,
    /// Sum of credits and costs.
    pub raw: f64,
    /// 0 = detects nothing, 100 = first row of each window and nothing else.
    pub score: f64,
    /// Windows with a detection.
    pub windows_hit: usize,
    /// Windows.
    pub windows: usize,
    /// Detections outside windows, rows.
    pub false_alarm_rows: usize,
    /// By category.
    pub categories: Vec<CategoryGain>,
}

/// Part of a category in a score.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CategoryGain {
    /// Category.
    pub category: String,
    /// Raw score above that of detecting nothing.
    pub gain: f64,
    /// The most that can be had.
    pub gain_max: f64,
    /// Windows with a detection.
    pub windows_hit: usize,
    /// Windows.
    pub windows: usize,
    /// Detections outside windows, rows.
    pub false_alarm_rows: usize,
}

/// Score with the threshold of each category chosen on all the other categories.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LeftOut {
    /// Profile.
    pub profile: Profile,
    /// Normalised like [`ProfileScore::score`].
    pub score: f64,
    /// Threshold that each category was scored at.
    pub thresholds: BTreeMap<String, f64>,
}

/// Scores that cannot be scored.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ScoreError {
    /// Not one series of scores for each file.
    #[error("{found} series of scores were given for {expected} files")]
    Files {
        /// Given.
        found: usize,
        /// Needed.
        expected: usize,
    },
    /// Not one score for each row.
    #[error("{name}: {found} scores were given for {expected} rows")]
    Rows {
        /// File.
        name: String,
        /// Given.
        found: usize,
        /// Needed.
        expected: usize,
    },
    /// A score outside 0..=1.
    #[error("{name}: the score of row {row} is {score}; scores lie between 0 and 1")]
    Range {
        /// File.
        name: String,
        /// Row, from 0.
        row: usize,
        /// Score.
        score: f64,
    },
    /// A window that the file does not have, or that overlaps another.
    #[error("{name}: window {window} does not fit: windows ascend, lie apart and within the file")]
    Window {
        /// File.
        name: String,
        /// Window, from 0.
        window: usize,
    },
}

/// Nothing is a detection at this threshold.
const NOTHING: f64 = 1.1;

/// A scorable row. Windows are numbered over the whole corpus.
#[derive(Clone, Copy)]
struct Row {
    score: f64,
    category: usize,
    place: Place,
}

#[derive(Clone, Copy)]
enum Place {
    /// In a window, with the credit of its row, 0..=1.
    Inside { window: usize, credit: f64 },
    /// Outside windows, with the share of a false alarm's cost, -1..=1 (a cost is negative).
    Outside { share: f64 },
}

/// The scores of one detector over all files, ready to be scored at any threshold.
pub struct Scorer {
    /// Descending by score.
    rows: Vec<Row>,
    categories: Vec<String>,
    /// Category of each window.
    windows: Vec<usize>,
}

/// Credits and costs at one threshold, kept up while rows become detections.
#[derive(Clone)]
struct Tally {
    /// Credit of the best detection in each window.
    credit: Vec<Option<f64>>,
    /// By category: sum of credits, windows hit, sum of false alarm shares, false alarm rows.
    categories: Vec<(f64, usize, f64, usize)>,
}

impl Tally {
    fn detect(&mut self, row: &Row) {
        let (credits, hits, shares, false_alarms) = &mut self.categories[row.category];
        match row.place {
            Place::Inside { window, credit } => match &mut self.credit[window] {
                Some(best) if credit > *best => {
                    *credits += credit - *best;
                    *best = credit;
                }
                Some(_) => {}
                none => {
                    *none = Some(credit);
                    *credits += credit;
                    *hits += 1;
                }
            },
            Place::Outside { share } => {
                *shares += share;
                *false_alarms += 1;
            }
        }
    }

    /// Raw score above that of detecting nothing, over the categories that `counts` keeps.
    fn gain(&self, profile: Profile, counts: impl Fn(usize) -> bool) -> f64 {
        let kept = self.categories.iter().enumerate().filter(|(category, _)| counts(*category));
        kept.map(|(_, (credits, hits, shares, _))| {
            credits + *hits as f64 * profile.miss() + shares * profile.false_alarm()
        })
        .sum()
    }
}

/// The benchmark's sigmoid: 1 far before 0, -1 far after it.
fn sigmoid(x: f64) -> f64 {
    if x > 3.0 { -1.0 } else { 2.0 / (1.0 + libm::exp(5.0 * x)) - 1.0 }
}

impl Scorer {
    /// Takes the scores of a detector: `scores[file][row]`, 0 to 1, in the order of `layouts`.
    ///
    /// # Errors
    /// If scores are missing, too many or out of range, or windows overlap.
    pub fn new(layouts: &[Layout], scores: &[Vec<f64>]) -> Result<Self, ScoreError> {
        if layouts.len() != scores.len() {
            return Err(ScoreError::Files { found: scores.len(), expected: layouts.len() });
        }
        let mut categories: Vec<String> = layouts.iter().map(|layout| layout.category.clone()).collect();
        categories.sort();
        categories.dedup();
        let mut rows = Vec::with_capacity(layouts.iter().map(|layout| layout.rows).sum());
        let mut windows = Vec::new();
        for (layout, scores) in layouts.iter().zip(scores) {
            let category = categories.partition_point(|name| *name < layout.category);
            add_file(layout, scores, category, windows.len(), &mut rows)?;
            windows.resize(windows.len() + layout.windows.len(), category);
        }
        rows.sort_by_key(|row| Reverse(ordered(row.score)));
        Ok(Self { rows, categories, windows })
    }

    /// The best score over all thresholds, as the benchmark reports it. The threshold is
    /// fitted on the labels: see [`Self::at`] and [`Self::leave_one_category_out`].
    #[must_use]
    pub fn best(&self, profile: Profile) -> ProfileScore {
        self.at(profile, self.best_threshold(profile, |_| true))
    }

    /// The score at a threshold that was fixed beforehand.
    #[must_use]
    pub fn at(&self, profile: Profile, threshold: f64) -> ProfileScore {
        let mut tally = self.tally();
        for row in self.rows.iter().take_while(|row| row.score >= threshold) {
            tally.detect(row);
        }
        let mut categories = Vec::with_capacity(self.categories.len());
        for (index, (name, sums)) in self.categories.iter().zip(&tally.categories).enumerate() {
            let windows = self.windows.iter().filter(|category| **category == index).count();
            categories.push(CategoryGain {
                category: name.clone(),
                gain: tally.gain(profile, |category| category == index),
                gain_max: windows as f64 * (1.0 + profile.miss()),
                windows_hit: sums.1,
                windows,
                false_alarm_rows: sums.3,
            });
        }
        let gain = tally.gain(profile, |_| true);
        ProfileScore {
            profile,
            threshold,
            raw: gain - self.windows.len() as f64 * profile.miss(),
            score: self.normalised(profile, gain),
            windows_hit: categories.iter().map(|category| category.windows_hit).sum(),
            windows: self.windows.len(),
            false_alarm_rows: categories.iter().map(|category| category.false_alarm_rows).sum(),
            categories,
        }
    }

    /// Chooses the threshold for each category on all the others: what a threshold is
    /// worth on data that it has not seen.
    #[must_use]
    pub fn leave_one_category_out(&self, profile: Profile) -> LeftOut {
        let mut thresholds = BTreeMap::new();
        let mut gain = 0.0;
        for (left_out, name) in self.categories.iter().enumerate() {
            let threshold = self.best_threshold(profile, |category| category != left_out);
            let mut tally = self.tally();
            for row in self.rows.iter().take_while(|row| row.score >= threshold) {
                tally.detect(row);
            }
            gain += tally.gain(profile, |category| category == left_out);
            thresholds.insert(name.clone(), threshold);
        }
        LeftOut { profile, score: self.normalised(profile, gain), thresholds }
    }

    /// The highest of the best thresholds over the categories that `counts` keeps: 1.1
    /// and all scores that occur there.
    fn best_threshold(&self, profile: Profile, counts: impl Fn(usize) -> bool) -> f64 {
        let mut tally = self.tally();
        let mut best = (0.0, NOTHING);
        let mut rows = self.rows.iter().filter(|row| counts(row.category)).peekable();
        while let Some(row) = rows.next() {
            tally.detect(row);
            if rows.peek().is_some_and(|next| next.score == row.score) {
                continue;
            }
            let gain = tally.gain(profile, &counts);
            if gain > best.0 {
                best = (gain, row.score);
            }
        }
        best.1
    }

    fn tally(&self) -> Tally {
        Tally {
            credit: vec![None; self.windows.len()],
            categories: vec![(0.0, 0, 0.0, 0); self.categories.len()],
        }
    }

    fn normalised(&self, profile: Profile, gain: f64) -> f64 {
        let most = self.windows.len() as f64 * (1.0 + profile.miss());
        if most > 0.0 { 100.0 * gain / most } else { 0.0 }
    }
}

/// A score in 0..=1 as a number with the same order; it is finite and not negative.
const fn ordered(score: f64) -> u64 {
    (score + 0.0).to_bits()
}

fn add_file(
    layout: &Layout,
    scores: &[f64],
    category: usize,
    window_base: usize,
    rows: &mut Vec<Row>,
) -> Result<(), ScoreError> {
    let name = || layout.name.clone();
    if scores.len() != layout.rows {
        return Err(ScoreError::Rows { name: name(), found: scores.len(), expected: layout.rows });
    }
    for (index, window) in layout.windows.iter().enumerate() {
        let apart = index == 0 || layout.windows[index - 1].last < window.first;
        if !(apart && window.first <= window.last && window.last < layout.rows) {
            return Err(ScoreError::Window { name: name(), window: index });
        }
    }
    let mut next = 0;
    for (row, &score) in scores.iter().enumerate() {
        if !(0.0..=1.0).contains(&score) {
            return Err(ScoreError::Range { name: name(), row, score });
        }
        while layout.windows.get(next).is_some_and(|window| window.last < row) {
            next += 1;
        }
        if row < layout.probation() {
            continue;
        }
        let place = match (layout.windows.get(next), next.checked_sub(1)) {
            (Some(window), _) if window.first <= row => {
                let width = (window.last - window.first + 1) as f64;
                let x = -((window.last - row + 1) as f64) / width;
                Place::Inside { window: window_base + next, credit: sigmoid(x) / sigmoid(-1.0) }
            }
            (_, Some(before)) => {
                let before = layout.windows[before];
                let width = (before.last - before.first) as f64;
                Place::Outside { share: sigmoid((row - before.last) as f64 / width) }
            }
            (_, None) => Place::Outside { share: -1.0 },
        };
        rows.push(Row { score, category, place });
    }
    Ok(())
}
