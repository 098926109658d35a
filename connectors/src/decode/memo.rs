//! Text met before and what it was turned into.

use std::{collections::BTreeMap, sync::Arc};

/// Distinct texts kept; telemetry repeats its attribute sets, so a few thousand serve
/// nearly every row.
const ENTRIES_MAX: usize = 4096;

/// Longer texts are not kept: they hardly repeat and would let hostile input grow memory.
const KEY_BYTES_MAX: usize = 4096;

/// A bounded map from raw text (attributes as they stand in the payload) to the canonical
/// text. It is emptied when full: what repeats comes back at once. It changes the speed of
/// decoding only, never its result.
#[derive(Default)]
pub(crate) struct Memo {
    known: BTreeMap<Box<str>, Arc<str>>,
    last: Option<(Box<str>, Arc<str>)>,
}

impl Memo {
    /// The canonical text of `raw`, made by `canonical` if it was not met before.
    pub(crate) fn canonical<E>(
        &mut self,
        raw: &str,
        canonical: impl FnOnce(&str) -> Result<String, E>,
    ) -> Result<Arc<str>, E> {
        if let Some((key, text)) = &self.last
            && **key == *raw
        {
            return Ok(Arc::clone(text));
        }
        if let Some((key, text)) = self.known.get_key_value(raw) {
            let found = Arc::clone(text);
            self.last = Some((key.clone(), Arc::clone(&found)));
            return Ok(found);
        }
        let made: Arc<str> = canonical(raw)?.into();
        if raw.len() <= KEY_BYTES_MAX {
            if self.known.len() >= ENTRIES_MAX {
                self.known.clear();
            }
            self.known.insert(raw.into(), Arc::clone(&made));
        }
        Ok(made)
    }
}
