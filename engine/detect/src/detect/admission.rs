//! Series that are new with a tick: by which rule, with which model and with whom each is judged.

use theriac_contract::{Entity, SeriesId, Tick};

use super::Detect;
use crate::{
    counting::Counting,
    log_lines,
    proportion::{self, Proportion},
    reading::Reading,
    routine::Routine,
    rules::{Matters, Rule},
    watched::Watched,
};

impl Detect {
    /// Takes in the series that are new with this tick.
    pub(super) fn admit(&mut self, tick: &Tick) {
        for series in &tick.opened {
            let service = Entity(series.entity.service().to_owned());
            let first = *self.state.first_heard.entry(series.entity.clone()).or_insert(tick.number);
            let first = first.min(*self.state.first_heard.entry(service).or_insert(tick.number));
            let rule = Rule::of(series, &self.settings.rules);
            let silent = tick.number.saturating_sub(first) as f64;
            let silent = silent.min(self.settings.count_memory_ticks);
            let counting = match (rule.rare, rule.few, rule.counts) {
                (true, ..) => Some(Counting::rare()),
                (false, true, _) => Some(Counting::few_after(silent)),
                (false, false, true) => Some(Counting::silent_for(silent)),
                (false, false, false) => None,
            };
            let series = series.clone();
            let known = Watched { series, rule, counting, proportion: None, routine: None, filling: None };
            self.state.watched.push(known);
        }
        self.pair(tick.opened.len());
        self.join(self.state.watched.len() - tick.opened.len());
        self.admit_routine(tick.opened.len());
        self.compare(tick.opened.len());
        self.resize();
    }

    /// Begins the series that are new with this tick like a sibling, where one is known whose band
    /// their first value fits.
    pub(super) fn begin(&mut self, tick: &Tick) {
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

    /// Lets the series from `first` on meet those of the same place.
    pub(super) fn join(&mut self, first: usize) {
        let watched = &self.state.watched;
        for (id, new) in (first as u32..).map(SeriesId).zip(&watched[first..]) {
            for other in self.places.admit(id, &new.series) {
                let known = &watched[other.index()];
                self.traffic.meet((id, &new.series, &new.rule), (*other, &known.series));
                self.limits.meet((id, &new.series), (*other, &known.series));
                if *other != id {
                    self.traffic.meet((*other, &known.series, &known.rule), (id, &new.series));
                    self.limits.meet((*other, &known.series), (id, &new.series));
                }
            }
        }
    }

    /// Notes which of the series from `first` on count all log lines of an entity.
    pub(super) fn note_lines(&mut self, first: usize) {
        for (id, watched) in (first as u32..).map(SeriesId).zip(&self.state.watched[first..]) {
            self.log_lines.admit(id, &watched.series);
        }
    }

    /// Begins to watch those of the last `opened` series that count routine log lines.
    fn admit_routine(&mut self, opened: usize) {
        let first = self.state.watched.len() - opened.min(self.state.watched.len());
        self.note_lines(first);
        // Which other entities say something here depends on the shard, and symptoms must not.
        let whole = self.settings.false_share_series == 0;
        for watched in &mut self.state.watched[first..] {
            let is_all = log_lines::counts_all(&watched.series);
            if watched.rule.routine && (whole || !is_all) {
                let all = self.log_lines.beside(&watched.series).filter(|_| !is_all);
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

    pub(super) fn resize(&mut self) {
        let series = self.state.watched.len();
        self.bank.grow(series);
        for column in [&mut self.p_value, &mut self.expected, &mut self.low, &mut self.high] {
            column.resize(series, f64::NAN);
        }
        self.learn.resize(series, true);
        self.readings.resize(series, Reading::ORDINARY);
    }
}
