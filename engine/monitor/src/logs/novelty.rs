//! What a tick says that was never said before: templates, their order, and their values.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use theriac_contract::Timestamp;
use theriac_templates::TemplateId;

use super::{
    kinds::Kinds,
    parameters::{At, Gathered, Parameters},
    sequence::{Line, Sequence},
};
use crate::{
    bucket::{Bucket, LogRow},
    counts::Counts,
    settings::Settings,
};

/// What is new.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum What {
    Template,
    Order,
    Value,
}

impl What {
    pub(crate) const fn signal(self) -> &'static str {
        match self {
            Self::Template => "log.template.new",
            Self::Order => "log.sequence.unlikely",
            Self::Value => "log.parameter.unlikely",
        }
    }
}

/// How much of it there is, and lines that show it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Found {
    pub(crate) count: u64,
    pub(crate) examples: Vec<(Timestamp, String)>,
}

/// By entity.
type Told = BTreeMap<(usize, What), Found>;

/// What is known of what services say.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Novelty {
    /// First tick of each service.
    since: BTreeMap<usize, u64>,
    /// Templates that were told before, with the tick in which they were seen last.
    seen: BTreeMap<TemplateId, u64>,
    sequence: Sequence,
    parameters: Parameters,
}

impl Novelty {
    /// Takes the lines of a tick, and gives what is new in them. All of it is judged by what was
    /// known before the tick; a service that is not known for long says nothing new.
    pub(crate) fn step(
        &mut self,
        bucket: &mut Bucket,
        (tick, start): (u64, i64),
        kinds: &Kinds,
        counts: &mut Counts,
        settings: &Settings,
    ) -> Told {
        let renamed = resolved(std::mem::take(&mut bucket.renamed));
        self.rename(&renamed);
        self.split(&std::mem::take(&mut bucket.split));
        let mut rows = std::mem::take(&mut bucket.logs);
        for row in &mut rows {
            row.template = renamed.get(&row.template).copied().unwrap_or(row.template);
        }
        rows.sort_unstable();
        let shown = |row: &LogRow| {
            let first = row.slot.and_then(|slot| bucket.examples.get(&slot)?.first());
            first.map_or("", |(_, text)| text.as_str())
        };
        let mut told = Told::new();
        for row in self.unseen(&rows, tick, settings) {
            let found = told.entry((kinds.at(row.kind).entity, What::Template)).or_default();
            found.count += 1;
            found.examples.push((Timestamp(row.time), shown(row).to_owned()));
        }
        let line =
            |row: &LogRow| -> Line { (row.session, row.time, kinds.at(row.kind).service, row.template) };
        let lines: Vec<Line> = rows.iter().map(line).collect();
        for (at, before) in self.sequence.step(&lines, settings.log_pairs_max, counts) {
            let row = &rows[at];
            let entity = kinds.at(row.kind).entity;
            let found = told.entry((entity, What::Order)).or_default();
            found.count += 1;
            let before = kinds.text(entity, before).unwrap_or("another line");
            found.examples.push((Timestamp(row.time), format!("{}, after: {before}", shown(row))));
        }
        self.sequence.expire(start.saturating_sub(settings.link_for.0), settings.links_max);
        let gathered = std::mem::take(&mut bucket.parameters);
        self.values(gathered, &renamed, start, kinds, &mut told, counts, settings);
        let services: BTreeMap<usize, usize> =
            rows.iter().map(|row| (kinds.at(row.kind).entity, kinds.at(row.kind).service)).collect();
        for service in services.values() {
            self.since.entry(*service).or_insert(tick);
        }
        told.retain(|(entity, _), _| {
            let since = services.get(entity).and_then(|service| self.since.get(service));
            since.is_some_and(|since| tick.saturating_sub(*since) >= settings.novelty_after_ticks)
        });
        told
    }

    /// The first line of each template that was not seen before, in the order of time.
    fn unseen<'a>(&mut self, rows: &'a [LogRow], tick: u64, settings: &Settings) -> Vec<&'a LogRow> {
        let mut first: BTreeMap<TemplateId, &LogRow> = BTreeMap::new();
        for row in rows {
            let kept = first.entry(row.template).or_insert(row);
            if (row.time, row.kind) < (kept.time, kept.kind) {
                *kept = row;
            }
        }
        let mut new: Vec<&LogRow> = Vec::new();
        for (template, row) in first {
            if self.seen.insert(template, tick).is_none() {
                new.push(row);
            }
        }
        if self.seen.len() > settings.told_templates_max {
            let mut order: Vec<(u64, TemplateId)> = self.seen.iter().map(|(id, at)| (*at, *id)).collect();
            order.sort_unstable();
            for (_, id) in &order[..order.len().div_ceil(2)] {
                self.seen.remove(id);
            }
        }
        new.sort_unstable_by_key(|row| (row.time, row.template));
        new
    }

    /// Values that are unlikely.
    #[expect(clippy::too_many_arguments, reason = "what a tick knows of values")]
    fn values(
        &mut self,
        gathered: BTreeMap<(At, usize), Gathered>,
        renamed: &BTreeMap<TemplateId, TemplateId>,
        start: i64,
        kinds: &Kinds,
        told: &mut Told,
        counts: &mut Counts,
        settings: &Settings,
    ) {
        let mut by_place: BTreeMap<At, Vec<(usize, Gathered)>> = BTreeMap::new();
        for (((template, place), entity), gathered) in gathered {
            let template = renamed.get(&template).copied().unwrap_or(template);
            by_place.entry((template, place)).or_default().push((entity, gathered));
        }
        for (at, gathered) in by_place {
            let gathered = gathered.iter().map(|(entity, gathered)| (*entity, gathered));
            for (entity, unlikely) in self.parameters.step(at, gathered, settings.parameters_max, counts) {
                let found = told.entry((entity, What::Value)).or_default();
                found.count += 1;
                let template = kinds.text(entity, at.0).unwrap_or_default();
                found.examples.push((Timestamp(start), format!("{unlikely}: {template}")));
            }
        }
    }

    /// What a template was told before, its parts were.
    fn split(&mut self, split: &BTreeMap<TemplateId, Vec<TemplateId>>) {
        for (old, parts) in split {
            if let Some(at) = self.seen.get(old).copied() {
                for part in parts {
                    self.seen.entry(*part).or_insert(at);
                }
            }
            self.sequence.forget(*old);
        }
        self.parameters.forget(split.keys().copied());
    }

    fn rename(&mut self, renamed: &BTreeMap<TemplateId, TemplateId>) {
        self.sequence.rename(renamed);
        self.parameters.forget(renamed.keys().copied());
        for (old, new) in renamed {
            if let Some(at) = self.seen.remove(old) {
                let seen = self.seen.entry(*new).or_insert(at);
                *seen = at.max(*seen);
            }
        }
    }
}

/// Each name with the one that is reached from it.
fn resolved(renamed: BTreeMap<TemplateId, TemplateId>) -> BTreeMap<TemplateId, TemplateId> {
    let last = |first: TemplateId| {
        let (mut id, mut met) = (first, BTreeSet::new());
        while let Some(next) = renamed.get(&id).filter(|_| met.insert(id)) {
            id = *next;
        }
        id
    };
    renamed.keys().map(|id| (*id, last(*id))).collect()
}
