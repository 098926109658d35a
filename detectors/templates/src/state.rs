//! What a miner knows, as JSON: to keep, and to hand on to another one.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::{
    miner::{Miner, Pattern, Shed, TemplateId},
    settings::Settings,
    template::Template,
};

/// Version of the form.
const VERSION: u32 = 1;

/// What cannot be taken up.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// Not what [`Miner::export`] writes.
    #[error("these are no templates that theriac exported: {0}")]
    Json(#[from] serde_json::Error),
    /// Written by another version.
    #[error("templates of form {found} cannot be read; this program reads form {VERSION}")]
    Version {
        /// The version that it says it is of.
        found: u32,
    },
    /// Parts of it contradict each other.
    #[error("these templates contradict themselves: {0}")]
    Contradiction(String),
}

#[derive(Serialize, Deserialize)]
struct State {
    version: u32,
    settings: Settings,
    lines: u64,
    changes: u64,
    next_id: u64,
    #[serde(default)]
    given_up: u64,
    shed: Shed,
    aliases: Vec<(TemplateId, TemplateId)>,
    #[serde(default)]
    splits: Vec<(TemplateId, Vec<TemplateId>)>,
    #[serde(default)]
    routes: Vec<(u64, u32)>,
    templates: Vec<Template>,
    patterns: Vec<Pattern>,
}

impl State {
    fn of(miner: &Miner) -> Self {
        let mut place = vec![0; miner.templates.len()];
        let mut templates = Vec::new();
        for (slot, template) in miner.templates.iter().enumerate() {
            if let Some(template) = template {
                place[slot] = u32::try_from(templates.len()).unwrap_or(u32::MAX);
                templates.push(template.clone());
            }
        }
        let moved =
            |pattern: &Pattern| Pattern { slot: place[miner.slot(pattern.slot) as usize], ..pattern.clone() };
        Self {
            version: VERSION,
            settings: miner.settings,
            lines: miner.lines,
            changes: miner.version,
            next_id: miner.next_id,
            given_up: miner.given_up,
            shed: miner.shed,
            aliases: miner.aliases.clone(),
            splits: miner.splits.clone(),
            routes: miner
                .routes
                .iter()
                .map(|(words, slot)| (*words, place[miner.slot(*slot) as usize]))
                .collect(),
            templates,
            patterns: miner.patterns.iter().map(moved).collect(),
        }
    }

    fn check(&self) -> Result<(), StateError> {
        if self.version != VERSION {
            return Err(StateError::Version { found: self.version });
        }
        let count = self.templates.len();
        let wrong = |what: String| Err(StateError::Contradiction(what));
        if let Some(pattern) = self.patterns.iter().find(|pattern| pattern.slot as usize >= count) {
            return wrong(format!("a pattern is of template {} of {count}", pattern.slot));
        }
        if let Some((_, slot)) = self.routes.iter().find(|(_, slot)| *slot as usize >= count) {
            return wrong(format!("words lead to template {slot} of {count}"));
        }
        if !self.splits.is_sorted_by(|a, b| a.0 < b.0) {
            return wrong("names that were split are not in order".to_owned());
        }
        if let Some(template) = self.templates.iter().find(|template| template.id >= self.next_id) {
            return wrong(format!("template {} is not below {}", template.id, self.next_id));
        }
        if let Some(template) = self.templates.iter().find(|template| !template.is_sound()) {
            return wrong(format!("template {} has more variants than are watched", template.id));
        }
        if !self.templates.is_sorted_by(|a, b| a.id < b.id) {
            return wrong("templates are not in the order of their names, each once".to_owned());
        }
        if self.aliases.iter().any(|(from, to)| to >= from) || !self.aliases.is_sorted_by(|a, b| a.0 < b.0) {
            return wrong("names that were merged are not in order".to_owned());
        }
        Ok(())
    }
}

impl TryFrom<State> for Miner {
    type Error = StateError;

    fn try_from(state: State) -> Result<Self, StateError> {
        state.check()?;
        let mut miner = Self::new(state.settings);
        miner.merged = (0..u32::try_from(state.templates.len()).unwrap_or(u32::MAX)).collect();
        miner.templates = state.templates.into_iter().map(Some).collect();
        miner.aliases = state.aliases;
        miner.splits = state.splits;
        miner.routes = state.routes.into_iter().collect();
        miner.index(state.patterns);
        (miner.lines, miner.version) = (state.lines, state.changes);
        (miner.next_id, miner.given_up, miner.shed) = (state.next_id, state.given_up, state.shed);
        Ok(miner)
    }
}

impl Serialize for Miner {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        State::of(self).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Miner {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::try_from(State::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

impl Miner {
    /// What it knows. A miner that takes it up goes on like this one.
    #[must_use]
    pub fn export(&self) -> String {
        serde_json::to_string(self).expect("text and numbers are JSON")
    }

    /// Takes up what another miner exported.
    ///
    /// # Errors
    /// If it is something else, of another version, or was changed by hand so that it contradicts itself.
    pub fn import(json: &str) -> Result<Self, StateError> {
        serde_json::from_str::<State>(json)?.try_into()
    }
}
