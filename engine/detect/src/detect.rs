//! One tick: score, judge, tell.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use theriac_contract::{
    Checkpointed, DetectorScore, Direction, EdgeKind, Entity, SCHEMA_VERSION, SeriesId, SignalKind, Snapshot,
    StateError, StateTable, Symptom, SymptomPhase, Tick, frame::Example,
};
use theriac_detectors::{Bank, P_VALUE_MIN, Scores};

use crate::{
    counting::Counting,
    discovery::Discovery,
    entities::{Entities, EntityReading},
    episode::{Episode, Sight, Turn},
    explain,
    history::History,
    proportion::{self, Proportion},
    reading::Reading,
    replicas::Replicas,
    roll_call::RollCall,
    routine::Routine,
    rules::{Matters, Rule, direction},
    settings::Settings,
    siblings::Siblings,
    watched::Watched,
};

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
}

/// Share of the digits of a p-value that a single tick is believed. Models of counts and shares
/// are exact; what the bank says of a value a hundred times rarer than all that it has seen is
/// drawn out from a tail, and one request in a thousand makes a quantile of latencies jump.
const TRUSTED_ALONE: f64 = 2.0 / 3.0;

/// Signal of the series that counts all log lines of an entity.
const ALL_LINES: &str = "log.count";

/// Traces that a symptom shows at most: what was usual, and two that are not.
const TRACES_MAX: usize = 3;

const TABLE: &str = "detect";
const TABLE_VERSION: u16 = 5;

/// The detect stage.
pub struct Detect {
    settings: Settings,
    bank: Bank,
    history: History,
    entities: Entities,
    replicas: Replicas,
    siblings: Siblings,
    /// Series that counts all log lines of an entity, by domain and entity.
    lines_of: BTreeMap<(String, Entity), SeriesId>,
    /// Log lines of this tick, by domain.
    lines: BTreeMap<String, f64>,
    state: State,
    p_value: Vec<f64>,
    expected: Vec<f64>,
    low: Vec<f64>,
    high: Vec<f64>,
    learn: Vec<bool>,
    readings: Vec<Reading>,
    /// Episodes that are open symptoms.
    open: usize,
    /// Chance at or below which an episode opens in this tick.
    level: f64,
    /// What is added to it near trouble, and for which series, by place.
    level_near: f64,
    near: Vec<bool>,
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
            lines_of: BTreeMap::new(),
            lines: BTreeMap::new(),
            settings,
            state: State::default(),
            p_value: Vec::new(),
            expected: Vec::new(),
            low: Vec::new(),
            high: Vec::new(),
            learn: Vec::new(),
            readings: Vec::new(),
            open: 0,
            level: 0.0,
            level_near: 0.0,
            near: Vec::new(),
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
        self.score(tick);
        if self.settings.false_share_series == 0 {
            // Who else answers depends on the shard, and symptoms must not.
            self.state.roll_call.update(&self.state.watched, tick);
        }
        let alive = self.alive(tick);
        self.lines.values_mut().for_each(|lines| *lines = 0.0);
        for ((domain, _), id) in &self.lines_of {
            let told = tick.values.get(id.index()).copied().filter(|lines| lines.is_finite());
            *self.lines.entry(domain.clone()).or_default() += told.unwrap_or(0.0);
        }
        let (share, span) = (self.settings.false_share, self.settings.false_share_ticks);
        let may_open = self.state.watched.len() - self.open.min(self.state.watched.len());
        self.level = match self.settings.false_share_series {
            0 => self.state.discovery.level(may_open, share, span),
            series => Discovery::default().level(series, share, span),
        };
        self.near = self.near(known);
        self.level_near = match self.near.iter().filter(|near| **near).count() {
            0 => 0.0,
            series => self.state.discovery.level_near(series),
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

    /// Which series are near trouble: of services with symptoms, of whom these speak of, and of the hosts
    /// that they run on. Which those are depends on the shard, and symptoms must not: then there are none.
    fn near(&self, known: &Snapshot) -> Vec<bool> {
        let open = self.state.episodes.iter().filter(|(_, episode)| episode.open.is_some());
        let mut services: BTreeSet<&str> = BTreeSet::new();
        for (id, _) in open.filter(|_| self.settings.false_share_series == 0) {
            let series = &self.state.watched[id.index()].series;
            services.extend(
                [Some(&series.entity), series.peer.as_ref()].into_iter().flatten().map(Entity::service),
            );
        }
        if services.is_empty() {
            return Vec::new();
        }
        let runs = known.topology.edges.iter().filter(|(_, _, kind)| *kind == EdgeKind::RunsOn);
        let hosts: BTreeSet<&str> = runs
            .filter(|(guest, ..)| services.contains(guest.service()))
            .map(|(_, host, _)| host.as_str())
            .collect();
        let is_near = |watched: &Watched| {
            let series = &watched.series;
            let service = series.entity.service();
            services.contains(service) || hosts.contains(service)
        };
        self.state.watched.iter().map(is_near).collect()
    }

    fn is_near(&self, index: usize) -> bool {
        self.near.get(index).copied().unwrap_or_default()
    }

    /// P-value of an unusual tick of a series: near trouble one of which two would open a symptom.
    fn open_p(&self, index: usize) -> f64 {
        // Two of three ticks, as in the chance of an episode.
        let pair = (self.level_near / 6.0).sqrt();
        if self.is_near(index) { self.settings.open_p.max(pair) } else { self.settings.open_p }
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

    /// Takes in the series that are new with this tick.
    fn admit(&mut self, tick: &Tick) {
        for series in &tick.opened {
            let service = Entity(series.entity.service().to_owned());
            let first = *self.state.first_heard.entry(series.entity.clone()).or_insert(tick.number);
            let first = first.min(*self.state.first_heard.entry(service).or_insert(tick.number));
            let rule = Rule::of(series, &self.settings.rules);
            let silent = tick.number.saturating_sub(first) as f64;
            let counting = match (rule.rare, rule.counts) {
                (true, _) => Some(Counting::rare()),
                (false, true) => Some(Counting::silent_for(silent.min(self.settings.count_memory_ticks))),
                (false, false) => None,
            };
            let series = series.clone();
            self.state.watched.push(Watched { series, rule, counting, proportion: None, routine: None });
        }
        self.pair(tick.opened.len());
        self.admit_routine(tick.opened.len());
        self.compare(tick.opened.len());
        self.resize();
    }

    /// Begins the series that are new with this tick like a sibling, where one is known whose band
    /// their first value fits.
    fn begin(&mut self, tick: &Tick) {
        let first = self.state.watched.len() - tick.opened.len().min(self.state.watched.len());
        for (index, series) in (first..).zip(&tick.opened) {
            let id = SeriesId(index as u32);
            let siblings = self.siblings.admit(id, series);
            let value = tick.values.get(index).copied().unwrap_or(f64::NAN);
            let is_known = |sibling: &&SeriesId| {
                let (done, needed) = self.bank.warmup(**sibling);
                let band = self.low[sibling.index()]..=self.high[sibling.index()];
                done >= needed && band.contains(&value) && !self.state.episodes.contains_key(sibling)
            };
            // Which siblings are here depends on the shard, and symptoms must not.
            let whole = self.settings.false_share_series == 0;
            let sibling = siblings.iter().find(is_known).copied().filter(|_| whole);
            if let Some(sibling) = sibling.filter(|_| !self.state.watched[index].is_modelled()) {
                self.bank.begin_like(id, sibling);
                self.history.begin_like(id, sibling);
                self.state.counts.begun_like_siblings += 1;
            }
        }
    }

    /// Joins the last `opened` series, as far as they are shares of failures, to those that
    /// tell among how many.
    fn pair(&mut self, opened: usize) {
        let watched = &mut self.state.watched;
        let first = watched.len() - opened.min(watched.len());
        let shares = watched[first..].iter().map(|one| &one.series);
        let all = (0..).map(SeriesId).zip(watched.iter().map(|one| &one.series));
        let mut pairs = proportion::of_shares(shares, all);
        for share in &mut watched[first..] {
            let pair = pairs.remove(&share.series.key);
            share.proportion = pair.map(|(of, a_second)| Proportion::new(of, a_second));
        }
    }

    /// Notes which of the series from `first` on count all log lines of an entity.
    fn note_lines(&mut self, first: usize) {
        for (id, watched) in (first as u32..).map(SeriesId).zip(&self.state.watched[first..]) {
            if watched.series.signal == ALL_LINES {
                let of = (watched.series.domain.clone(), watched.series.entity.clone());
                self.lines_of.insert(of, id);
            }
        }
    }

    /// Begins to watch those of the last `opened` series that count routine log lines.
    fn admit_routine(&mut self, opened: usize) {
        let first = self.state.watched.len() - opened.min(self.state.watched.len());
        self.note_lines(first);
        // Which other entities say something here depends on the shard, and symptoms must not.
        let whole = self.settings.false_share_series == 0;
        for watched in &mut self.state.watched[first..] {
            let is_all = watched.series.signal == ALL_LINES;
            if watched.rule.routine && (whole || !is_all) {
                let of = (watched.series.domain.clone(), watched.series.entity.clone());
                let all = self.lines_of.get(&of).copied().filter(|_| !is_all);
                watched.routine = Some(Routine::new(all));
            }
        }
    }

    /// Begins to compare the last `opened` series with their history, and metrics with the others
    /// of their entity.
    fn compare(&mut self, opened: usize) {
        let first = self.state.watched.len() - opened.min(self.state.watched.len());
        for (index, watched) in self.state.watched.iter().enumerate().skip(first) {
            if watched.is_modelled() || watched.rule.matters == Matters::Nothing {
                continue;
            }
            let id = SeriesId(index as u32);
            let recorded = self.history.admit(id);
            self.state.counts.unrecorded += u64::from(!recorded);
            if watched.is_judged_together() {
                let joined = self.entities.admit(id, &watched.series.entity);
                self.state.counts.alone += u64::from(!joined);
                self.replicas.admit(id, &watched.series);
            }
        }
    }

    fn resize(&mut self) {
        let series = self.state.watched.len();
        self.bank.grow(series);
        for column in [&mut self.p_value, &mut self.expected, &mut self.low, &mut self.high] {
            column.resize(series, f64::NAN);
        }
        self.learn.resize(series, true);
        self.readings.resize(series, Reading::ORDINARY);
    }

    /// Runs the bank; a series inside an episode is not learnt from.
    fn score(&mut self, tick: &Tick) {
        for (index, learn) in self.learn.iter_mut().enumerate() {
            *learn = !self.state.episodes.contains_key(&SeriesId(index as u32));
        }
        let mut out = Scores {
            p_value: &mut self.p_value,
            expected: &mut self.expected,
            low: &mut self.low,
            high: &mut self.high,
        };
        self.bank.update(tick.start, &tick.values, &self.learn, &mut out);
        self.history.update(tick);
        self.entities.update(tick);
        self.replicas.update(tick, &self.learn);
        self.begin(tick);
    }

    /// What log lines that nobody worries about show at this tick.
    fn sight_of_routine(&mut self, index: usize, observed: f64, tick: &Tick) -> Option<Sight> {
        let watched = &mut self.state.watched[index];
        let routine = watched.routine.as_mut()?;
        let lines = self.lines.get(&watched.series.domain).copied().unwrap_or(0.0);
        let all = routine.of().map_or(lines, |of| tick.values.get(of.index()).copied().unwrap_or(f64::NAN));
        let silent = observed.is_nan() || all.is_nan();
        let (learn, memory) = (self.learn[index], self.settings.count_memory_ticks);
        let judged = (!silent).then(|| routine.observe(observed, all, learn, memory));
        let p_value = judged.map_or(1.0, |judged| judged.p_value);
        Some(Sight {
            start: tick.start,
            end: tick.end(),
            p_value,
            alone: libm::pow(p_value, TRUSTED_ALONE),
            observed: (!silent).then_some(observed),
            expected: judged.map(|judged| judged.expected).filter(|expected| expected.is_finite()),
            band: None,
            direction: judged.map_or(Direction::None, |judged| judged.direction),
            detectors: Vec::new(),
            unlike: String::new(),
        })
    }

    /// What the series shows at this tick, after the rules.
    fn sight(&mut self, index: usize, observed: f64, tick: &Tick) -> Sight {
        if let Some(sight) = self.sight_of_routine(index, observed, tick) {
            return sight;
        }
        let watched = &mut self.state.watched[index];
        let silent = observed.is_nan();
        let id = SeriesId(index as u32);
        let beside = [self.history.p_value(id), self.replicas.p_value(id)];
        let beside = beside.into_iter().flatten().chain(self.entities.p_values(id));
        let mut p_value = fuse(self.p_value[index], self.bank.specs().count(), beside);
        let (mut expected, mut low, mut high) = (self.expected[index], self.low[index], self.high[index]);
        if let Some(counting) = &mut watched.counting {
            // Rates are counts a second; what is counted happened in the whole tick.
            let rate = watched.series.signal.ends_with(".rate");
            let scale = if rate { tick.step.as_seconds() } else { 1.0 };
            (expected, low, high) = (counting.expected() / scale, f64::NAN, f64::NAN);
            // For events the model of counts knows more than the bank: it knows the silence
            // before the first one. A tick without telemetry is no tick without events.
            p_value = if silent {
                counting.miss()
            } else {
                let covered = if rate { counting.ticks_covered() } else { 1.0 };
                let count = observed * scale * covered;
                counting.observe(count, self.learn[index], self.settings.count_memory_ticks)
            };
        }
        if let (Some(proportion), false) = (&mut watched.proportion, silent) {
            let told = tick.values.get(proportion.of.index()).copied().filter(|told| told.is_finite());
            let scale = if proportion.a_second { tick.step.as_seconds() } else { 1.0 };
            let trials = (told.unwrap_or(0.0) * scale).round();
            (expected, low, high) = (proportion.expected(), f64::NAN, f64::NAN);
            let memory = self.settings.count_memory_ticks;
            p_value = proportion.observe(observed, trials, self.learn[index], memory);
        }
        if silent {
            let judged =
                watched.rule.rare || watched.rule.silence && watched.rule.matters != Matters::Nothing;
            let missed = self.state.roll_call.p_value(index);
            p_value = if judged { missed.map_or(p_value, |missed| missed.min(p_value)) } else { 1.0 };
        } else if !watched.rule.rare && !expected.is_nan() && !watched.rule.lets_through(observed, expected)
            || watched.rule.matters == Matters::Nothing
        {
            p_value = 1.0;
        }
        let finite = |value: f64| value.is_finite().then_some(value);
        Sight {
            start: tick.start,
            end: tick.end(),
            p_value,
            alone: if watched.is_modelled() { p_value } else { libm::pow(p_value, TRUSTED_ALONE) },
            observed: finite(observed),
            expected: finite(expected),
            band: finite(low).zip(finite(high)),
            direction: if silent { Direction::None } else { direction(observed, expected) },
            detectors: Vec::new(),
            unlike: String::new(),
        }
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
        let near = if self.is_near(index) { self.level_near } else { 0.0 };
        (self.level + near) * libm::pow(10.0, -judgement.decades())
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
        let open_p = self.open_p(index);
        let unusual = sight.p_value <= open_p;
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
                episode.meet(sight, judged, open_p, &self.settings);
                episode
            }
        };
        let is_trace = self.state.watched[index].series.kind == SignalKind::Trace;
        let most = if is_trace { TRACES_MAX } else { self.settings.examples_max };
        episode.show(&tick.examples, id, most, more);
        let was_open = episode.open.is_some();
        if !was_open && self.open >= self.settings.open_symptoms_max {
            self.state.counts.shed += 1;
            return;
        }
        match episode.turn(tick.end(), idle, &self.settings) {
            Turn::Forget => return,
            Turn::Stay if was_open || episode.chance() > self.level(index, known) => {}
            Turn::Stay => {
                episode.open(tick.end(), &self.state.watched[index].series.key);
                self.state.counts.opened += 1;
                self.open += 1;
                out.extend(self.symptom(index, &episode, SymptomPhase::Open, tick, known.version));
            }
            Turn::Tell(phase) => {
                out.extend(self.symptom(index, &episode, phase, tick, known.version));
                if matches!(phase, SymptomPhase::Close | SymptomPhase::Lost) {
                    self.open -= 1;
                    return;
                }
            }
            Turn::Adopt => {
                self.state.counts.adopted += 1;
                self.open -= 1;
                out.extend(self.symptom(index, &episode, SymptomPhase::Lost, tick, known.version));
                self.bank.forget(id);
                self.state.watched[index].forget();
                return;
            }
        }
        self.state.episodes.insert(id, episode);
    }

    fn symptom(
        &self,
        index: usize,
        episode: &Episode,
        phase: SymptomPhase,
        tick: &Tick,
        knowledge_version: u64,
    ) -> Option<Symptom> {
        let open = episode.open.as_ref()?;
        let series = &self.state.watched[index].series;
        let over = matches!(phase, SymptomPhase::Close | SymptomPhase::Lost);
        let mut symptom = Symptom {
            schema_version: SCHEMA_VERSION,
            id: open.id.clone(),
            revision: open.revision,
            phase,
            at: tick.end(),
            domain: series.domain.clone(),
            entity: series.entity.clone(),
            peer: series.peer.clone(),
            signal: series.signal.clone(),
            kind: series.kind,
            attributes: series.attributes.clone(),
            series: series.key.clone(),
            onset: episode.onset,
            peak: episode.peak.start,
            end: over.then_some(episode.last_unusual),
            p_value: episode.peak.p_value,
            severity: severity(episode.peak.p_value),
            direction: episode.peak.direction,
            observed: episode.peak.observed,
            expected: episode.peak.expected,
            band: episode.peak.band,
            detectors: episode.peak.detectors.clone(),
            explanation: String::new(),
            examples: episode.examples.clone(),
            knowledge_version,
        };
        symptom.explanation = explain::sentence(series, &symptom, &episode.peak.unlike);
        Some(symptom)
    }
}

/// The p-value of `detectors` detectors, fused before, with those of the detectors beside them that
/// have one: the harmonic mean of all, as in the bank.
fn fuse(p_value: f64, detectors: usize, beside: impl Iterator<Item = f64>) -> f64 {
    let (mut count, mut odds) = (detectors as f64, detectors as f64 / p_value);
    for p_value in beside {
        count += 1.0;
        odds += 1.0 / p_value;
    }
    if count > detectors as f64 { (count / odds).clamp(P_VALUE_MIN, 1.0) } else { p_value }
}

/// `-log10(p)` on the scale of 0 to 1 that ends at p = 1e-20.
fn severity(p_value: f64) -> f64 {
    (-libm::log10(p_value) / 20.0).clamp(0.0, 1.0)
}

impl Checkpointed for Detect {
    fn snapshot(&self) -> Result<Vec<StateTable>, StateError> {
        let mut tables = vec![StateTable::from_json(TABLE, TABLE_VERSION, &self.state)?];
        tables.extend(self.bank.snapshot()?);
        tables.extend(self.history.snapshot()?);
        tables.extend(self.entities.snapshot()?);
        tables.extend(self.replicas.snapshot()?);
        Ok(tables)
    }

    fn restore(&mut self, tables: &[StateTable]) -> Result<(), StateError> {
        self.state = StateTable::to_json(tables, TABLE, TABLE_VERSION)?;
        self.bank.restore(tables)?;
        self.history.restore(tables)?;
        self.entities.restore(tables)?;
        let watched = (0..).map(SeriesId).zip(&self.state.watched);
        let together = watched.filter(|(_, watched)| watched.is_judged_together());
        self.replicas.restore(tables, together.map(|(id, watched)| (id, &watched.series)))?;
        self.open = self.state.episodes.values().filter(|episode| episode.open.is_some()).count();
        self.siblings = Siblings::default();
        self.lines_of.clear();
        self.note_lines(0);
        for (id, watched) in (0..).map(SeriesId).zip(&self.state.watched) {
            self.siblings.admit(id, &watched.series);
        }
        self.resize();
        Ok(())
    }
}
