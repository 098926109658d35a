//! Spans and their parents across entities, whichever comes first.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

/// Trace and span.
type Key = (u128, u64);

/// What a span needs to be known for once its parent or children come.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct End {
    pub(crate) resource: u32,
    pub(crate) nanoseconds: i64,
    pub(crate) error: bool,
    /// As a parent: it says itself whom it calls.
    pub(crate) names_peer: bool,
}

/// A parent and a child of different spans.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) parent: End,
    pub(crate) child: End,
}

/// Bounded tables of recent spans and of children whose parent has not come yet. A child
/// usually ends, and is reported, before its parent.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Links {
    #[serde(with = "entries")]
    spans: BTreeMap<Key, End>,
    #[serde(with = "entries")]
    waiting: BTreeMap<Key, Vec<End>>,
    /// In the order of event time: which to give up first.
    order: VecDeque<(i64, Key, Option<Key>)>,
}

/// Maps with composite keys as lists, because keys of JSON objects are text.
mod entries {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::Key;

    pub(super) fn serialize<V: Serialize, S: Serializer>(
        map: &BTreeMap<Key, V>,
        out: S,
    ) -> Result<S::Ok, S::Error> {
        out.collect_seq(map.iter().map(|((trace, span), value)| (format!("{trace:032x}"), span, value)))
    }

    pub(super) fn deserialize<'de, V: Deserialize<'de>, D: Deserializer<'de>>(
        input: D,
    ) -> Result<BTreeMap<Key, V>, D::Error> {
        let list: Vec<(String, u64, V)> = Vec::deserialize(input)?;
        let parse = |text: &str| u128::from_str_radix(text, 16).map_err(serde::de::Error::custom);
        list.into_iter().map(|(trace, span, value)| Ok(((parse(&trace)?, span), value))).collect()
    }
}

impl Links {
    /// Notes a span and gives the links that are now complete.
    pub(crate) fn add(
        &mut self,
        at: i64,
        trace: u128,
        span: u64,
        parent: Option<u64>,
        end: End,
    ) -> Vec<Link> {
        let mut links = Vec::new();
        let key = (trace, span);
        let parent = parent.map(|parent| (trace, parent));
        let mut waits = None;
        if let Some(parent) = parent {
            match self.spans.get(&parent) {
                Some(known) => links.push(Link { parent: known.clone(), child: end.clone() }),
                None => {
                    self.waiting.entry(parent).or_default().push(end.clone());
                    waits = Some(parent);
                }
            }
        }
        let children = self.waiting.remove(&key).unwrap_or_default();
        links.extend(children.into_iter().map(|child| Link { parent: end.clone(), child }));
        self.spans.insert(key, end);
        self.order.push_back((at, key, waits));
        links
    }

    /// Forgets what is older than `before`, and the oldest beyond `max`; gives how many of
    /// those that were still young.
    pub(crate) fn expire(&mut self, before: i64, max: usize) -> u64 {
        let mut shed = 0;
        while let Some((at, key, waits)) = self.order.front().copied() {
            if at >= before && self.order.len() <= max {
                break;
            }
            shed += u64::from(at >= before);
            self.order.pop_front();
            self.spans.remove(&key);
            if let Some(parent) = waits {
                self.waiting.remove(&parent);
            }
        }
        shed
    }
}
