//! One tick: score, judge, tell.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use theriac_contract::{
    DetectorScore, Entity, Series, SeriesId, SignalKind, Snapshot, Symptom, SymptomPhase, Tick,
    frame::Example,
    seeded::{self, Bug},
};
use theriac_detectors::{Bank, Scores};

use crate::{
    discovery::Discovery,
    entities::{Entities, EntityReading},
    episode::{Episode, Sight, Turn},
    grain::Grains,
    history::History,
    limits::Limits,
    log_lines::LogLines,
    near::Near,
    places::Places,
    reading::Reading,
    replicas::Replicas,
    roll_call::RollCall,
    settings::Settings,
    siblings::Siblings,
    symptom,
    traffic::Traffic,
    watched::Watched,
};

mod admission;
mod checkpoint;
mod sight;

/// What was done and what was shed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Symptoms opened.
    pub opened: u64,
    /// Symptoms that were not opened because too many were open.
    pub shed: u64,
    /// Symptoms that were taken for the new normal.
    pub adopted: u64,
    /// Series that are not compared with their whole history, because too many are.
    pub unrecorded: u64,
    /// Series that began with what was known of a sibling.
    pub begun_like_siblings: u64,
    /// Series that are not judged together with the others of their entity, because too many
    /// entities are.
    pub alone: u64,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct State {
    watched: Vec<Watched>,
    episodes: BTreeMap<SeriesId, Episode>,
    /// Number of the first tick in which an entity or a service was heard.
    first_heard: BTreeMap<Entity, u64>,
    discovery: Discovery,
    counts: Counts,
    #[serde(default)]
    roll_call: RollCall,
    /// What series that need traffic told last with enough of it.
    #[serde(default)]
    judged: BTreeMap<SeriesId, f64>,
}

/// Traces that a symptom shows at most: what was usual, and two that are not.
const TRACES_MAX: usize = 3;

/// The detect stage.
pub struct Detect {
    settings: Settings,
    bank: Bank,
    history: History,
    entities: Entities,
    replicas: Replicas,
    siblings: Siblings,
    log_lines: LogLines,
    places: Places,
    traffic: Traffic,
    limits: Limits,
    state: State,
    p_value: Vec<f64>,
    expected: Vec<f64>,
    low: Vec<f64>,
    high: Vec<f64>,
    learn: Vec<bool>,
    grains: Grains,
    readings: Vec<Reading>,
    /// Episodes that are open symptoms.
    open: usize,
    /// Chance at or below which an episode opens in this tick.
    level: f64,
    near: Near,
    /// How often chance alone brings about what is said of one of many in this tick.
    chances: BTreeMap<SeriesId, f64>,
}

impl Detect {
    /// A stage that has seen nothing.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            bank: Bank::new(&settings.bank),
            history: History::new(settings.records_series_max, settings.records_families),
            entities: Entities::new(&settings.entities),
            replicas: Replicas::new(settings.peers.filter(|_| settings.false_share_series == 0)),
            siblings: Siblings::default(),
            log_lines: LogLines::default(),
            places: Places::default(),
            traffic: Traffic::default(),
            limits: Limits::default(),
            settings,
            state: State::default(),
            p_value: Vec::new(),
            expected: Vec::new(),
            low: Vec::new(),
            high: Vec::new(),
            learn: Vec::new(),
            grains: Grains::default(),
            readings: Vec::new(),
            open: 0,
            level: 0.0,
            near: Near::default(),
            chances: BTreeMap::new(),
        }
    }

    /// What the last tick said of each series, by [`SeriesId`].
    #[must_use]
    pub fn readings(&self) -> &[Reading] {
        &self.readings
    }

    /// What the last tick said of each entity that is judged as a whole.
    pub fn entity_readings(&self) -> impl Iterator<Item = (&Entity, &EntityReading)> {
        self.entities.readings()
    }

    /// What was done and what was shed.
    #[must_use]
    pub const fn counts(&self) -> &Counts {
        &self.state.counts
    }

    /// Symptoms that are open.
    #[must_use]
    pub const fn open(&self) -> usize {
        self.open
    }

    /// Scores one tick and gives the revisions of symptoms that it led to, by series.
    pub fn step(&mut self, tick: &Tick, known: &Snapshot) -> Vec<Symptom> {
        self.step_shown(tick, known, &|_| Vec::new())
    }

    /// As [`Self::step`]; `more` gives examples of a series that are not in the tick, because they
    /// are only made for series that are looked at.
    pub fn step_shown(
        &mut self,
        tick: &Tick,
        known: &Snapshot,
        more: &dyn Fn(SeriesId) -> Vec<Example>,
    ) -> Vec<Symptom> {
        self.admit(tick);
        self.chances = sight::chances(tick);
        self.traffic.weigh(tick);
        self.fill(tick);
        self.score(tick);
        if self.settings.false_share_series == 0 {
            // Who else answers depends on the shard, and symptoms must not.
            self.state.roll_call.update(&self.state.watched, tick);
        }
        let alive = self.alive(tick);
        self.log_lines.update(tick);
        let (share, span) = (self.settings.false_share, self.settings.false_share_ticks);
        let may_open = self.state.watched.len() - self.open.min(self.state.watched.len());
        self.level = match self.settings.false_share_series {
            0 => self.state.discovery.level(may_open, share, span),
            series => Discovery::default().level(series, share, span),
        };
        // Who is near trouble depends on the shard, and symptoms must not: then nobody is.
        self.near = match self.settings.false_share_series {
            0 => Near::of(&self.state.episodes, &self.state.watched, known, &mut self.state.discovery),
            _ => Near::default(),
        };
        let before = self.state.counts.opened;
        let mut symptoms = Vec::new();
        for index in 0..self.state.watched.len() {
            let observed = tick.values.get(index).copied().unwrap_or(f64::NAN);
            let sight = self.sight(index, observed, tick);
            self.readings[index] = self.reading(index, &sight);
            let idle = self.is_idle(index, observed, &alive);
            self.live(index, sight, idle, (tick, more), known, &mut symptoms);
        }
        self.state.discovery.found(self.state.counts.opened - before, share);
        for (example, id) in tick.examples.iter().flat_map(|one| one.series.iter().map(move |id| (one, id))) {
            let watched = self.state.watched.get_mut(id.index());
            if let Some(routine) = watched.and_then(|watched| watched.routine.as_mut()) {
                routine.latest.clone_from(&example.text);
            }
        }
        symptoms
    }

    /// Follows what has a limit, whether or not anything is unusual about it.
    fn fill(&mut self, tick: &Tick) {
        for (id, limit) in self.limits.iter() {
            let watched = &mut self.state.watched[id.index()];
            let told = tick.values.get(id.index()).copied().filter(|_| !self.traffic.is_thin(id));
            let within = watched.rule.exhausted_within.map(|time| time.as_seconds() / tick.step.as_seconds());
            let filling = watched.filling.get_or_insert_default();
            filling.observe(told.unwrap_or(f64::NAN), limit.of(tick), within);
        }
    }

    /// Services that told of themselves in this tick, if anybody asks.
    fn alive(&self, tick: &Tick) -> BTreeSet<String> {
        if self.state.episodes.is_empty() {
            return BTreeSet::new();
        }
        let told = self.state.watched.iter().zip(&tick.values);
        let told = told.filter(|(watched, value)| watched.rule.silence && value.is_finite());
        told.map(|(watched, _)| watched.series.entity.service().to_owned()).collect()
    }

    /// Whether a series is silent because nothing was asked: it is made from requests, and its
    /// service still tells of itself.
    fn is_idle(&self, index: usize, observed: f64, alive: &BTreeSet<String>) -> bool {
        let watched = &self.state.watched[index];
        let derived = !watched.rule.silence && watched.counting.is_none();
        observed.is_nan() && derived && alive.contains(watched.series.entity.service())
    }

    /// Runs the bank; a series inside an episode is not learnt from.
    fn score(&mut self, tick: &Tick) {
        for (index, learn) in self.learn.iter_mut().enumerate() {
            let inside = self.state.episodes.contains_key(&SeriesId(index as u32));
            *learn = !inside || seeded::on(Bug::IncidentLearnt);
        }
        let mut out = Scores {
            p_value: &mut self.p_value,
            expected: &mut self.expected,
            low: &mut self.low,
            high: &mut self.high,
        };
        let judged = self.traffic.without_thin(tick);
        let frozen = self.traffic.frozen(tick, &mut self.state.judged);
        let values = self.grains.fine(&self.state.watched, &frozen);
        let thin: Vec<usize> =
            self.traffic.thin().map(SeriesId::index).filter(|at| self.learn[*at]).collect();
        thin.iter().for_each(|at| self.learn[*at] = false);
        self.bank.update(tick.start, values, &self.learn, &mut out);
        thin.iter().for_each(|at| self.learn[*at] = true);
        [&mut self.expected, &mut self.low, &mut self.high]
            .into_iter()
            .for_each(|said| self.grains.coarse(said));
        self.history.update(&judged);
        self.entities.update(&judged);
        self.replicas.update(&judged, &self.learn);
        self.begin(&judged);
    }

    fn reading(&self, index: usize, sight: &Sight) -> Reading {
        let id = SeriesId(index as u32);
        let (done, needed) = self.bank.warmup(id);
        let verdict = self.history.verdict(id).copied().unwrap_or_default();
        Reading {
            p_value: sight.p_value,
            expected: sight.expected.unwrap_or(f64::NAN),
            low: sight.band.map_or(f64::NAN, |band| band.0),
            high: sight.band.map_or(f64::NAN, |band| band.1),
            direction: sight.direction,
            evidence: verdict.evidence,
            alert: verdict.alert,
            lasting: verdict.lasting,
            warmup_ticks_done: done,
            warmup_ticks_needed: needed,
        }
    }

    /// Chance at or below which a symptom of a series opens: what people called noise must be
    /// rarer.
    fn level(&self, index: usize, known: &Snapshot) -> f64 {
        let judgement = known.judgement(&self.state.watched[index].series);
        (self.level + self.near.level(index)) * libm::pow(10.0, -judgement.decades())
    }

    /// Whether an episode is a symptom: it is too unusual, or what the series measures is about to be used up, and nobody
    /// ever called that noise.
    fn may_open(&self, index: usize, episode: &Episode, known: &Snapshot) -> bool {
        let is_noise = || known.judgement(&self.state.watched[index].series).decades() > 0.0;
        episode.chance() <= self.level(index, known) || episode.is_exhausting() && !is_noise()
    }

    /// What each detector said of a series at this tick, the most surprised first.
    fn detectors(&self, index: usize) -> Vec<DetectorScore> {
        let watched = &self.state.watched[index];
        let own = watched.own_model(self.readings[index].direction);
        if let Some(own) = own {
            let p_value = self.readings[index].p_value;
            return vec![DetectorScore { detector: own.to_owned(), p_value }];
        }
        let id = SeriesId(index as u32);
        let names = self.bank.specs().map(|spec| spec.name);
        let score = |(name, p_value): (&str, f64)| DetectorScore { detector: name.to_owned(), p_value };
        let mut scores: Vec<DetectorScore> = names.zip(self.bank.p_values(id)).map(score).collect();
        scores.extend(self.history.score(id));
        scores.extend(self.entities.scores(id));
        scores.extend(self.replicas.score(id));
        let due = watched.filling.as_ref().and_then(|filling| filling.is_due(false));
        scores.extend(due.map(|p_value| DetectorScore { detector: "exhaustion".to_owned(), p_value }));
        scores.retain(|score| score.p_value < 0.05);
        scores.sort_by(|a, b| a.p_value.total_cmp(&b.p_value).then_with(|| a.detector.cmp(&b.detector)));
        scores
    }

    /// Moves the episode of a series on, or begins one.
    fn live(
        &mut self,
        index: usize,
        mut sight: Sight,
        idle: bool,
        (tick, more): (&Tick, &dyn Fn(SeriesId) -> Vec<Example>),
        known: &Snapshot,
        out: &mut Vec<Symptom>,
    ) {
        let id = SeriesId(index as u32);
        let open_p = self.near.open_p(index, self.settings.open_p);
        let unusual = sight.p_value <= open_p || sight.exhausts;
        if unusual {
            sight.detectors = self.detectors(index);
            sight.unlike = self.history.unlike(id);
            let clear = |p_value: f64| p_value <= open_p;
            if self.entities.p_values(id).any(clear) {
                sight.is_unlike("out of step with the other metrics of its entity");
            }
            if self.replicas.p_value(id).is_some_and(clear) {
                sight.is_unlike("unlike the other replicas");
            }
        }
        let mut episode = match self.state.episodes.remove(&id) {
            None if !unusual => return,
            None => {
                let mut episode = Episode::begin(sight);
                let routine = self.state.watched[index].routine.as_ref();
                let latest = routine.map(|routine| routine.latest.clone()).filter(|line| !line.is_empty());
                episode.examples.extend(latest.map(|line| format!("before: {line}")));
                episode
            }
            Some(mut episode) => {
                let silence_judged =
                    episode.peak.observed.is_none() || self.state.watched[index].counting.is_some();
                let judged = sight.observed.is_some() || sight.p_value <= open_p || silence_judged;
                if self.traffic.is_thin(id) {
                    episode.thin = Some(tick.end());
                } else {
                    episode.meet(sight, judged, open_p, &self.settings);
                }
                episode
            }
        };
        let is_trace = self.state.watched[index].series.kind == SignalKind::Trace;
        let most = if is_trace { TRACES_MAX } else { self.settings.examples_max };
        episode.show(&tick.examples, id, most, more);
        let filling = self.state.watched[index].filling.as_ref();
        episode.exhaustion = filling.and_then(|filling| filling.told(tick.end(), tick.step));
        let was_open = episode.open.is_some();
        if !was_open && self.open >= self.settings.open_symptoms_max {
            self.state.counts.shed += 1;
            return;
        }
        let mut tell = |phase: SymptomPhase, episode: &Episode, series: &Series| {
            out.extend(symptom::revision(series, episode, phase, tick.end(), known.version));
        };
        match episode.turn(tick.end(), idle, &self.settings) {
            Turn::Forget => return,
            Turn::Stay if was_open || !self.may_open(index, &episode, known) => {}
            Turn::Stay => {
                episode.open(tick.end(), &self.state.watched[index].series.key);
                self.state.counts.opened += 1;
                self.open += 1;
                tell(SymptomPhase::Open, &episode, &self.state.watched[index].series);
            }
            Turn::Tell(phase) => {
                tell(phase, &episode, &self.state.watched[index].series);
                if matches!(phase, SymptomPhase::Close | SymptomPhase::Lost) {
                    self.open -= 1;
                    return;
                }
            }
            Turn::Adopt => {
                self.state.counts.adopted += 1;
                self.open -= 1;
                tell(SymptomPhase::Lost, &episode, &self.state.watched[index].series);
                self.bank.forget(id);
                self.state.watched[index].forget();
                return;
            }
        }
        self.state.episodes.insert(id, episode);
    }
}
