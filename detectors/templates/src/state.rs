//! What a miner knows, as JSON: to keep, and to hand on to another one.

use serde::{Deserialize, Serialize};

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
struct State<'a> {
    version: u32,
    settings: Settings,
    lines: u64,
    changes: u64,
    next_id: u32,
    shed: Shed,
    aliases: std::borrow::Cow<'a, [(TemplateId, TemplateId)]>,
    templates: Vec<Template>,
    patterns: Vec<Pattern>,
}

impl Miner {
    /// What it knows. A miner that takes it up goes on like this one.
    #[must_use]
    pub fn export(&self) -> String {
        let mut place = vec![0; self.templates.len()];
        let mut templates = Vec::new();
        for (slot, template) in self.templates.iter().enumerate() {
            if let Some(template) = template {
                place[slot] = u32::try_from(templates.len()).unwrap_or(u32::MAX);
                templates.push(template.clone());
            }
        }
        let at = |slot: u32| place[self.slot(slot) as usize];
        let patterns = self
            .patterns
            .iter()
            .map(|pattern| Pattern { slot: at(pattern.slot), ..pattern.clone() })
            .collect();
        let state = State {
            version: VERSION,
            settings: self.settings,
            lines: self.lines,
            changes: self.version,
            next_id: self.next_id,
            shed: self.shed,
            aliases: self.aliases.as_slice().into(),
            templates,
            patterns,
        };
        serde_json::to_string(&state).expect("text and numbers are JSON")
    }

    /// Takes up what another miner exported.
    ///
    /// # Errors
    /// If it is something else, of another version, or was changed by hand so that it contradicts itself.
    pub fn import(json: &str) -> Result<Self, StateError> {
        let state: State<'_> = serde_json::from_str(json)?;
        if state.version != VERSION {
            return Err(StateError::Version { found: state.version });
        }
        let count = state.templates.len();
        let wrong = |what: String| Err(StateError::Contradiction(what));
        if let Some(pattern) = state.patterns.iter().find(|pattern| pattern.slot as usize >= count) {
            return wrong(format!("a pattern is of template {} of {count}", pattern.slot));
        }
        if let Some(template) = state.templates.iter().find(|template| template.id >= state.next_id) {
            return wrong(format!("template {} is not below {}", template.id, state.next_id));
        }
        if state.aliases.iter().any(|(from, to)| to >= from) || !state.aliases.is_sorted_by(|a, b| a.0 < b.0)
        {
            return wrong("names that were merged are not in order".to_owned());
        }
        let mut miner = Self::new(state.settings);
        miner.merged = (0..u32::try_from(count).unwrap_or(u32::MAX)).collect();
        miner.templates = state.templates.into_iter().map(Some).collect();
        miner.aliases = state.aliases.into_owned();
        miner.index(state.patterns);
        (miner.lines, miner.version) = (state.lines, state.changes);
        (miner.next_id, miner.shed) = (state.next_id, state.shed);
        Ok(miner)
    }
}
