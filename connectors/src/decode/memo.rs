//! Bytes met before and what they were turned into.

use std::sync::Arc;

use theriac_contract::telemetry::Attributes;

/// Entries for each kind, in sets of four; telemetry repeats its attribute sets, so a few
/// thousand serve nearly every row.
const SETS: usize = 2048;
const WAYS: usize = 4;

/// Longer keys are not kept: they hardly repeat and would let hostile input grow memory.
const KEY_BYTES_MAX: usize = 4096;

/// What bytes stand for. The same bytes may mean one thing as a resource and another as a
/// list of attributes, or in one format and in another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Resource,
    Scope,
    Attributes,
    ProtoResource,
    ProtoScope,
    ProtoAttributes,
    LabelResource,
    LabelAttributes,
}

const KINDS: usize = 8;

struct Entry {
    key: Box<[u8]>,
    text: Arc<str>,
}

/// What is known of one kind.
#[derive(Default)]
struct Known {
    last: Option<(Box<[u8]>, Arc<str>)>,
    /// Empty until the first entry comes.
    sets: Vec<[Option<Entry>; WAYS]>,
}

/// A bounded map from raw bytes (attributes as they stand in the payload) to the canonical
/// text. The set of an entry follows from a hash of its key, and a newer entry pushes the
/// oldest one out of it; an entry serves only if its key is equal, byte by byte. So it changes
/// the speed of decoding only, never its result.
#[derive(Default)]
pub(crate) struct Memo {
    kinds: [Known; KINDS],
    defaults: Attributes,
}

fn place(key: &[u8]) -> usize {
    const MULTIPLIER: u64 = 0x517c_c1b7_2722_0a95;
    let step = |hash: u64, word: u64| (hash.rotate_left(5) ^ word).wrapping_mul(MULTIPLIER);
    let (words, rest) = key.as_chunks::<8>();
    let hash = words.iter().fold(key.len() as u64, |hash, word| step(hash, u64::from_le_bytes(*word)));
    let hash = rest.iter().fold(hash, |hash, byte| step(hash, u64::from(*byte)));
    // The high bits of a product depend on all of its factors' bits.
    (hash >> 52) as usize % SETS
}

impl Memo {
    /// Says which resource attributes the resources that follow have by default; what was
    /// made of resources with others is forgotten.
    pub(crate) fn set_defaults(&mut self, defaults: &Attributes) {
        if self.defaults != *defaults {
            self.defaults = defaults.clone();
            for kind in [Kind::Resource, Kind::ProtoResource, Kind::LabelResource] {
                self.kinds[kind as usize] = Known::default();
            }
        }
    }

    /// The canonical text of `raw`, made by `canonical` if it was not met before.
    pub(crate) fn canonical<E>(
        &mut self,
        kind: Kind,
        raw: &[u8],
        canonical: impl FnOnce() -> Result<String, E>,
    ) -> Result<Arc<str>, E> {
        let known = &mut self.kinds[kind as usize];
        if let Some((key, text)) = &known.last
            && **key == *raw
        {
            return Ok(Arc::clone(text));
        }
        if raw.len() > KEY_BYTES_MAX {
            return Ok(canonical()?.into());
        }
        if known.sets.is_empty() {
            known.sets.resize_with(SETS, Default::default);
        }
        let set = &mut known.sets[place(raw)];
        let found = set.iter().flatten().find(|entry| *entry.key == *raw);
        let text = match found {
            Some(entry) => Arc::clone(&entry.text),
            None => {
                let made: Arc<str> = canonical()?.into();
                set.rotate_right(1);
                set[0] = Some(Entry { key: raw.into(), text: Arc::clone(&made) });
                made
            }
        };
        match &mut known.last {
            // Without a new box where one fits.
            Some((key, held)) if key.len() == raw.len() => {
                key.copy_from_slice(raw);
                *held = Arc::clone(&text);
            }
            last => *last = Some((raw.into(), Arc::clone(&text))),
        }
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(memo: &mut Memo, kind: Kind, key: &[u8]) -> (Arc<str>, bool) {
        let mut made = false;
        let text = memo.canonical(kind, key, || {
            made = true;
            Ok::<_, ()>(format!("{kind:?} {key:?}"))
        });
        (text.unwrap(), made)
    }

    #[test]
    fn a_text_is_made_once_for_each_kind() {
        let mut memo = Memo::default();
        for (kind, made) in
            [(Kind::Resource, true), (Kind::Scope, true), (Kind::Resource, false), (Kind::Scope, false)]
        {
            assert_eq!(look(&mut memo, kind, b"k"), (format!("{kind:?} [107]").into(), made));
        }
        memo.set_defaults(&[("host.name".to_owned(), "h".into())].into());
        assert!(look(&mut memo, Kind::Resource, b"k").1, "made with other defaults");
        assert!(!look(&mut memo, Kind::Scope, b"k").1);
    }

    #[test]
    fn keys_that_share_a_place_keep_their_own_texts() {
        let mut memo = Memo::default();
        // Ten times as many keys as there are places.
        for round in 0..2 {
            for number in 0..80_000_u32 {
                let key = number.to_le_bytes();
                let expected: Arc<str> = format!("{:?} {key:?}", Kind::Attributes).into();
                assert_eq!(look(&mut memo, Kind::Attributes, &key).0, expected, "round {round}");
            }
        }
    }

    #[test]
    fn most_of_a_few_thousand_keys_are_kept() {
        let mut memo = Memo::default();
        let mut made = 0;
        for _ in 0..2 {
            made = 0;
            for number in 0..3_000_u32 {
                let key = format!("service.name cart-{number} http.route /api/{}", number % 7);
                made += u32::from(look(&mut memo, Kind::Attributes, key.as_bytes()).1);
            }
        }
        assert!(made < 250, "{made} of 3000 were made again");
    }

    #[test]
    fn long_keys_are_not_kept() {
        let mut memo = Memo::default();
        let key = vec![0; KEY_BYTES_MAX + 1];
        assert!(look(&mut memo, Kind::Scope, &key).1);
        assert!(look(&mut memo, Kind::Scope, &key).1);
    }
}
