//! The life of one symptom.

use serde::{Deserialize, Serialize};
use theriac_contract::{
    DetectorScore, Direction, Entity, Exhaustion, Id, Interval, SeriesId, SymptomPhase, Tick, Timestamp,
    frame::Example,
};

use crate::settings::Settings;

/// It is clearly worse if what it measures is used up so many times sooner than was told: seven times in seven days.
const NEARER: i64 = 4;

/// What a series showed at one tick, after the rules.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Sight {
    /// Start of the tick.
    pub(crate) start: Timestamp,
    /// End of the tick.
    pub(crate) end: Timestamp,
    /// Fused p-value; 1 if the rules let nothing through.
    pub(crate) p_value: f64,
    /// The p-value if nothing but this tick is looked at.
    pub(crate) alone: f64,
    pub(crate) observed: Option<f64>,
    pub(crate) expected: Option<f64>,
    pub(crate) band: Option<(f64, f64)>,
    pub(crate) direction: Direction,
    pub(crate) detectors: Vec<DetectorScore>,
    /// In what it is unlike the whole history, in words; empty if in nothing.
    pub(crate) unlike: String,
    /// It tells of the ticks before, too: two that are unusual are no two witnesses.
    #[serde(default)]
    pub(crate) overlaps: bool,
    /// What the series measures is used up soon.
    #[serde(default)]
    pub(crate) exhausts: bool,
}

impl Sight {
    /// Of a tick that says nothing of the series.
    pub(crate) const fn unjudged(tick: &Tick) -> Self {
        Self {
            start: tick.start,
            end: tick.end(),
            p_value: 1.0,
            alone: 1.0,
            observed: None,
            expected: None,
            band: None,
            direction: Direction::None,
            detectors: Vec::new(),
            unlike: String::new(),
            overlaps: false,
            exhausts: false,
        }
    }

    /// Adds in what it is unlike the rest.
    pub(crate) fn is_unlike(&mut self, what: &str) {
        if !self.unlike.is_empty() {
            self.unlike += ", ";
        }
        self.unlike += what;
    }
}

/// A run of unusual ticks, from the first on; a symptom once it is open.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Episode {
    /// Start of the first unusual tick.
    pub(crate) onset: Timestamp,
    /// End of the last unusual tick.
    pub(crate) last_unusual: Timestamp,
    /// The worst tick.
    pub(crate) peak: Sight,
    /// Lines that show it.
    pub(crate) examples: Vec<String>,
    /// Who stood out in the worst tick, where that is what it tells.
    #[serde(default)]
    pub(crate) who: Option<Entity>,
    /// Set once the symptom is open.
    pub(crate) open: Option<Open>,
    /// P-value of the worst tick but one; 1 if there is none.
    second: f64,
    /// Ordinary ticks since the last unusual one.
    ordinary: u32,
    /// End of the last tick in which the series spoke (or its silence was judged).
    heard: Timestamp,
    /// End of the last tick in which it spoke of too little traffic to be judged.
    #[serde(default)]
    pub(crate) thin: Option<Timestamp>,
    /// End of the last tick in which it was judged and what it measures was about to be used up.
    #[serde(default)]
    exhausts: Option<Timestamp>,
    /// When it is used up, as far as that is known now.
    #[serde(default)]
    pub(crate) exhaustion: Option<Exhaustion>,
}

/// An open symptom.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Open {
    pub(crate) id: Id,
    pub(crate) revision: u32,
    /// When it was opened.
    pub(crate) at: Timestamp,
    /// P-value that was told last.
    told: f64,
    peaks: u32,
    /// How long it lasts at most, as was told last.
    #[serde(default)]
    left: Option<Interval>,
}

/// What becomes of an episode with a tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Nothing to tell.
    Stay,
    /// Tell a revision.
    Tell(SymptomPhase),
    /// It was no symptom after all.
    Forget,
    /// It has stood so long that it is the new normal.
    Adopt,
}

impl Episode {
    /// Begins with an unusual tick.
    pub(crate) fn begin(sight: Sight) -> Self {
        Self {
            onset: sight.start,
            last_unusual: sight.end,
            heard: sight.end,
            exhausts: sight.exhausts.then_some(sight.end),
            exhaustion: None,
            peak: sight,
            examples: Vec::new(),
            who: None,
            open: None,
            second: 1.0,
            ordinary: 0,
            thin: None,
        }
    }

    /// One more tick. `judged` is false if the series was silent and its silence is not
    /// what is unusual; `open_p` is the p-value of an unusual tick.
    pub(crate) fn meet(&mut self, sight: Sight, judged: bool, open_p: f64, settings: &Settings) {
        let unusual_p = if self.open.is_some() { settings.close_p.max(open_p) } else { open_p };
        if !judged {
            return;
        }
        self.heard = sight.end;
        self.exhausts = sight.exhausts.then_some(sight.end).or(self.exhausts);
        if sight.p_value <= unusual_p {
            self.ordinary = 0;
            self.last_unusual = sight.end;
            self.second = self.second.min(sight.p_value.max(self.peak.p_value));
            if sight.p_value < self.peak.p_value {
                self.peak = sight;
            }
        } else {
            self.ordinary += 1;
        }
    }

    /// Takes examples of its series in until it has `most`; what was usual only before all others,
    /// for that is from before its first tick.
    pub(crate) fn show(
        &mut self,
        examples: &[Example],
        series: SeriesId,
        most: usize,
        more: impl Fn(SeriesId) -> Vec<Example>,
    ) {
        let about = examples.iter().filter(|example| example.series.contains(&series));
        if let Some(who) =
            about.filter(|example| example.at == self.peak.start).find_map(|one| one.who.as_ref())
        {
            self.who = Some(who.who.clone());
        }
        let room = most.saturating_sub(self.examples.len());
        if room == 0 {
            return;
        }
        let begins = self.examples.is_empty();
        let shows = |example: &&Example| example.series.contains(&series) && (begins || !example.usual);
        let more = more(series);
        let mut shown: Vec<&Example> = examples.iter().chain(&more).filter(shows).collect();
        shown.sort_by(|a, b| (!a.usual, a.at, &a.text).cmp(&(!b.usual, b.at, &b.text)));
        self.examples.extend(shown.into_iter().take(room).map(|example| example.text.clone()));
    }

    /// How likely so much comes up by chance: one tick so bad, or two among three so bad. Each of
    /// the two questions may be answered wrongly, hence the factor of two.
    pub(crate) fn chance(&self) -> f64 {
        let second = if self.peak.overlaps { 1.0 } else { self.second };
        (2.0 * self.peak.alone).min(2.0 * 3.0 * second * second).min(1.0)
    }

    /// Whether what it measures was about to be used up when it was judged last.
    pub(crate) fn is_exhausting(&self) -> bool {
        self.exhausts == Some(self.heard)
    }

    /// Makes a symptom of it, at the end of a tick.
    pub(crate) fn open(&mut self, now: Timestamp, series: &str) {
        self.open = Some(Open {
            id: Id::derive("symptom", &[series.as_bytes(), &self.onset.0.to_be_bytes()]),
            revision: 0,
            at: now,
            told: self.peak.p_value,
            peaks: 0,
            left: self.exhaustion.map(|exhaustion| exhaustion.latest.since(now)),
        });
    }

    /// What is to be told after the tick that ended at `now`. `idle` if the series speaks only
    /// of requests, and its service of itself still speaks.
    pub(crate) fn turn(&mut self, now: Timestamp, idle: bool, settings: &Settings) -> Turn {
        let Some(open) = &mut self.open else {
            let over = self.ordinary > 1 || now.since(self.heard) >= settings.lost_after;
            return if over { Turn::Forget } else { Turn::Stay };
        };
        let left = self.exhaustion.map(|exhaustion| exhaustion.latest.since(now));
        let nearer = left.is_some_and(|left| open.left.is_none_or(|told| left.0 <= told.0 / NEARER));
        // Few requests may still fail: only where there are none does nobody wait.
        let spoke = self.thin.map_or(self.heard, |thin| self.heard.max(thin));
        let quiet = idle && now.since(spoke) >= settings.quiet_after;
        let phase = if quiet || self.ordinary >= settings.close_ticks {
            SymptomPhase::Close
        } else if now.since(self.heard) >= settings.lost_after {
            SymptomPhase::Lost
        } else if now.since(self.exhausts.unwrap_or(self.onset)) >= settings.adopt_after {
            open.revision += 1;
            return Turn::Adopt;
        } else if self.peak.p_value * settings.worse_factor <= open.told && open.peaks < settings.peaks_max {
            open.peaks += 1;
            open.told = self.peak.p_value;
            SymptomPhase::Peak
        } else if nearer {
            SymptomPhase::Peak
        } else {
            return Turn::Stay;
        };
        open.revision += 1;
        open.left = left.or(open.left);
        Turn::Tell(phase)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example(series: u32, text: &str, usual: bool) -> Example {
        let (at, text) = (Timestamp(0), text.to_owned());
        Example { series: vec![SeriesId(series)], at, text, usual, who: None }
    }

    #[test]
    fn what_was_usual_is_shown_first_and_only_from_before_the_first_tick() {
        let sight = Sight {
            start: Timestamp(0),
            end: Timestamp(1),
            p_value: 1e-9,
            alone: 1e-9,
            observed: None,
            expected: None,
            band: None,
            direction: Direction::None,
            detectors: Vec::new(),
            unlike: String::new(),
            overlaps: false,
            exhausts: false,
        };
        let mut episode = Episode::begin(sight);
        let first = [example(1, "slow", false), example(1, "before", true), example(2, "elsewhere", false)];
        episode.show(&first, SeriesId(1), 3, |_| Vec::new());
        assert_eq!(episode.examples, ["before", "slow"]);
        let second =
            [example(1, "no longer usual", true), example(1, "slower", false), example(1, "slowest", false)];
        episode.show(&second, SeriesId(1), 3, |_| Vec::new());
        assert_eq!(episode.examples, ["before", "slow", "slower"]);
        episode.show(&second, SeriesId(1), 3, |_| Vec::new());
        assert_eq!(episode.examples.len(), 3);
    }
}
