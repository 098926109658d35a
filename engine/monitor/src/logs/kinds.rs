//! What an entity says: its templates, each under a text that stays.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use theriac_templates::{Miner, TemplateId};

use crate::{bucket::Bucket, counts::Counts, index::Slot, settings::Settings};

/// Longest text of a template in the name of a series, in bytes; the rest is cut off.
const TEXT_BYTES_MAX: usize = 200;

/// Templates of one entity beyond its limit.
const OTHER: &str = "<other>";

/// A template as one entity says it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Kind {
    pub(crate) entity: usize,
    pub(crate) service: usize,
    /// The text that it had when its first series began: a series keeps its name when more is
    /// learnt of its template.
    pub(crate) text: String,
    /// Its series by class of severity.
    pub(crate) slots: BTreeMap<u8, Slot>,
}

/// All of them.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Kinds {
    all: Vec<Kind>,
    of_entity: BTreeMap<usize, BTreeMap<TemplateId, u32>>,
    /// [`Miner::given_up`] when names were last looked through.
    given_up: u64,
}

impl Kinds {
    pub(crate) fn at(&self, kind: u32) -> &Kind {
        &self.all[kind as usize]
    }

    pub(crate) fn at_mut(&mut self, kind: u32) -> &mut Kind {
        &mut self.all[kind as usize]
    }

    /// The text that an entity's template has in the names of its series.
    pub(crate) fn text(&self, entity: usize, template: TemplateId) -> Option<&str> {
        let kind = self.of_entity.get(&entity)?.get(&template)?;
        Some(&self.at(*kind).text)
    }

    /// The kind of a line whose template was found.
    pub(crate) fn of(
        &mut self,
        template: TemplateId,
        (entity, service): (usize, usize),
        miner: &Miner,
        bucket: &mut Bucket,
        counts: &mut Counts,
        settings: &Settings,
    ) -> u32 {
        if miner.given_up() != self.given_up {
            self.given_up = miner.given_up();
            self.rename(miner, bucket);
        }
        let known = self.of_entity.entry(entity).or_default();
        if let Some(kind) = known.get(&template) {
            return *kind;
        }
        let full = known.len() >= settings.templates_max || self.all.len() >= settings.series_max;
        // One kind for all that there is no room for; no line has this name.
        let template = if full { TemplateId(u64::MAX) } else { template };
        counts.other_templates += u64::from(full);
        if let Some(kind) = known.get(&template) {
            return *kind;
        }
        let text = if full { OTHER.to_owned() } else { text(miner, template) };
        let kind = u32::try_from(self.all.len()).expect("fewer templates than u32 holds");
        self.all.push(Kind { entity, service, text, slots: BTreeMap::new() });
        known.insert(template, kind);
        kind
    }

    /// Templates were found to be the same: an entity that knows one of them goes on under its
    /// text, and of one that knows several the older goes on. Nothing more will be heard of the
    /// others from this tick on, which is no silence. Nor is it if one was found to be several:
    /// each of them has a text and series of its own from now on, and is nothing new.
    fn rename(&mut self, miner: &Miner, bucket: &mut Bucket) {
        for (entity, known) in &mut self.of_entity {
            let is_old = |id: &TemplateId| miner.current(*id) != *id;
            let old: Vec<TemplateId> = known.keys().copied().filter(is_old).collect();
            for id in old {
                let Some(kind) = known.remove(&id) else { continue };
                let current = miner.renamed(id);
                if current != id {
                    bucket.renamed.insert(id, current);
                }
                let parts = miner.parts(current);
                if !parts.is_empty() {
                    bucket.split.insert(current, parts.to_vec());
                    let by = parts.iter().map(|part| text(miner, *part)).collect();
                    bucket.replaced.insert((*entity, self.all[kind as usize].text.clone(), by));
                    bucket.gone.extend(self.all[kind as usize].slots.values());
                    continue;
                }
                let entry = known.entry(current).or_insert(kind);
                if *entry != kind {
                    let (kept, gone) = ((*entry).min(kind), (*entry).max(kind));
                    *entry = kept;
                    let [gone_text, kept_text] =
                        [gone, kept].map(|kind| self.all[kind as usize].text.clone());
                    if gone_text != kept_text {
                        bucket.replaced.insert((*entity, gone_text, vec![kept_text]));
                    }
                    bucket.gone.extend(self.all[gone as usize].slots.values());
                }
            }
        }
    }
}

fn text(miner: &Miner, template: TemplateId) -> String {
    let mut text = miner.text(template).unwrap_or_default();
    if text.len() > TEXT_BYTES_MAX {
        text.truncate(text.floor_char_boundary(TEXT_BYTES_MAX));
        text.push_str(" ...");
    }
    text
}
