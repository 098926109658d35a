//! Bytes met before and what they were turned into.

use std::sync::Arc;

use theriac_contract::telemetry::{Attributes, Label, fingerprint};

use super::otlp;

/// Entries for each kind, in sets of four; telemetry repeats its attribute sets, so a few
/// thousand serve nearly every row.
const SETS: usize = 2048;
const WAYS: usize = 4;

/// Longer keys are not kept: they hardly repeat and would let hostile input grow memory.
const KEY_BYTES_MAX: usize = 4096;

/// Room that is kept to make texts in, bytes.
const MADE_BYTES_MAX: usize = 16 * KEY_BYTES_MAX;

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
    FlatResource,
    FlatAttributes,
}

const KINDS: usize = 10;

/// A canonical text, and what is known of it.
#[derive(Clone, Copy)]
pub(crate) struct Text<'m> {
    pub(crate) label: Label<'m>,
    /// As [`otlp::names_event`] says.
    pub(crate) names_event: bool,
}

struct Entry {
    key: Box<[u8]>,
    text: Arc<str>,
    /// [`fingerprint`] of the text.
    hash: u64,
    names_event: bool,
    /// The entry that followed when this one served last.
    next: usize,
}

/// A place in a set of entries.
#[derive(Clone, Copy)]
struct Place {
    /// A part of the hash of the key.
    tag: u32,
    entry: u32,
}

/// The part of a hash that tells the places of a set apart.
#[inline]
const fn tag(hash: u64) -> u32 {
    (hash >> 32) as u32
}

const VACANT: Place = Place { tag: 0, entry: u32::MAX };

/// What is known of one kind.
#[derive(Default)]
struct Known {
    entries: Vec<Entry>,
    /// By hash of the key; empty until the first comes.
    sets: Vec<[Place; WAYS]>,
    /// The entry that served last.
    last: usize,
    /// Tags of the keys that were met last while their sets were full, for each set.
    met: Vec<[u32; WAYS]>,
    /// Counts the entries that were pushed out.
    turn: usize,
    /// The text that was made last.
    made: String,
}

/// A bounded map from raw bytes (attributes as they stand in the payload) to the canonical
/// text. An entry serves only if its key is equal, byte by byte, so the map changes the speed of
/// decoding only, never its result; to trust a hash instead would leave a chance of error, and
/// to hash costs more than to compare where the next key is foreseen.
///
/// It is foreseen because a source sends its series in the same order each time: every entry
/// remembers which came after it. Any other key is found by its hash, which gives the set of
/// entries that may have it. Where a set is full, a key that is met for the second time pushes
/// another out; one that never comes again costs nothing but the making of its text.
#[derive(Default)]
pub(crate) struct Memo {
    kinds: [Known; KINDS],
    defaults: Attributes,
}

impl Known {
    /// The entry that should serve next.
    #[inline]
    fn expected(&self) -> Option<(usize, &Entry)> {
        let next = self.entries.get(self.last)?.next;
        Some((next, self.entries.get(next)?))
    }

    /// The entry for a key, which is the expected one if it was `foreseen`. Its text is made by
    /// `canonical` if there is none; if it is not kept, `made` holds it.
    #[inline]
    fn find<E>(
        &mut self,
        key: &[u8],
        foreseen: bool,
        canonical: impl FnOnce(&mut String) -> Result<(), E>,
    ) -> Result<Option<&Entry>, E> {
        let found = match self.expected() {
            Some((next, entry)) if foreseen || *entry.key == *key => next,
            _ => {
                let Some(found) = self.search(key, canonical)? else { return Ok(None) };
                self.entries[self.last].next = found;
                found
            }
        };
        self.last = found;
        Ok(Some(&self.entries[found]))
    }

    /// The entry for a key that was not foreseen.
    fn search<E>(
        &mut self,
        key: &[u8],
        canonical: impl FnOnce(&mut String) -> Result<(), E>,
    ) -> Result<Option<usize>, E> {
        if self.sets.is_empty() {
            self.sets.resize(SETS, [VACANT; WAYS]);
        }
        let hash = fingerprint(key);
        if let Some(found) = self.locate(key, hash) {
            return Ok(Some(found));
        }
        let tag = tag(hash);
        self.made.clear();
        self.made.shrink_to(MADE_BYTES_MAX);
        canonical(&mut self.made)?;
        Ok(if key.len() > KEY_BYTES_MAX { None } else { self.keep(key, hash, tag) })
    }

    /// The entry of a key with this hash.
    #[inline]
    fn locate(&self, key: &[u8], hash: u64) -> Option<usize> {
        let set = self.sets.get(hash as usize % SETS)?;
        let mut found = set.iter().filter(|place| place.tag == tag(hash)).map(|place| place.entry as usize);
        found.find(|entry| self.entries.get(*entry).is_some_and(|entry| *entry.key == *key))
    }

    /// Makes an entry of a key and the text that was made for it, if there is room or the key
    /// was met before.
    fn keep(&mut self, key: &[u8], hash: u64, tag: u32) -> Option<usize> {
        let set = &mut self.sets[hash as usize % SETS];
        let place = if let Some(place) = set.iter_mut().find(|place| place.entry == VACANT.entry) {
            place.entry = self.entries.len() as u32;
            place
        } else {
            self.met.resize(SETS, [0; WAYS]);
            let met = &mut self.met[hash as usize % SETS];
            if !met.contains(&tag) {
                met.rotate_right(1);
                met[0] = tag;
                return None;
            }
            self.turn = (self.turn + 1) % WAYS;
            &mut set[self.turn]
        };
        place.tag = tag;
        let (text, hash) = (self.made.as_str(), fingerprint(self.made.as_bytes()));
        let names_event = otlp::names_event(text);
        let entry = Entry { key: key.into(), text: text.into(), hash, names_event, next: 0 };
        let found = place.entry as usize;
        match self.entries.get_mut(found) {
            Some(old) => *old = entry,
            None => self.entries.push(entry),
        }
        Some(found)
    }
}

/// A look ahead: the keys that will be asked for, in their order, before they are.
#[derive(Clone, Copy)]
pub(crate) struct Ahead {
    kind: Kind,
    /// The entry that would have served last.
    last: usize,
}

impl Memo {
    /// Begins a look ahead.
    pub(crate) const fn ahead(&self, kind: Kind) -> Ahead {
        Ahead { kind, last: self.kinds[kind as usize].last }
    }

    /// Length of the key that should come next, if `raw` begins with it; else 0.
    #[inline]
    pub(crate) fn ahead_foreseen(&self, ahead: &mut Ahead, raw: &[u8]) -> usize {
        let known = &self.kinds[ahead.kind as usize];
        let next = known.entries.get(ahead.last).map(|entry| entry.next);
        match next.and_then(|next| Some((next, known.entries.get(next)?))) {
            Some((next, entry)) if raw.starts_with(&entry.key) => {
                ahead.last = next;
                entry.key.len()
            }
            _ => 0,
        }
    }

    /// Says that a key comes that was not foreseen.
    #[inline]
    pub(crate) fn ahead_met(&self, ahead: &mut Ahead, key: &[u8]) {
        let known = &self.kinds[ahead.kind as usize];
        if let Some(found) = known.locate(key, fingerprint(key)) {
            ahead.last = found;
        }
    }

    /// Says which resource attributes the resources that follow have by default; what was
    /// made of resources with others is forgotten.
    pub(crate) fn set_defaults(&mut self, defaults: &Attributes) {
        if self.defaults != *defaults {
            self.defaults = defaults.clone();
            for kind in [Kind::Resource, Kind::ProtoResource, Kind::LabelResource, Kind::FlatResource] {
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
        let make = |made: &mut String| canonical().map(|text| *made = text);
        let found = known.find(raw, false, make)?.map(|entry| Arc::clone(&entry.text));
        Ok(found.unwrap_or_else(|| known.made.as_str().into()))
    }

    /// As [`Self::canonical`], with what else is known of the text; `canonical` appends it.
    /// `foreseen` says that `raw` is as long as [`Self::foreseen`] said.
    #[inline]
    pub(crate) fn text<E>(
        &mut self,
        kind: Kind,
        raw: &[u8],
        foreseen: bool,
        canonical: impl FnOnce(&mut String) -> Result<(), E>,
    ) -> Result<Text<'_>, E> {
        let known = &mut self.kinds[kind as usize];
        let kept = known.find(raw, foreseen, canonical)?.is_some();
        Ok(if kept {
            let Entry { text, hash, names_event, .. } = &known.entries[known.last];
            Text { label: Label::with_hash(text, *hash), names_event: *names_event }
        } else {
            Text { label: Label::new(&known.made), names_event: otlp::names_event(&known.made) }
        })
    }

    /// Length of the key that should come next, if `raw` begins with it; else 0.
    #[inline]
    pub(crate) fn foreseen(&self, kind: Kind, raw: &[u8]) -> usize {
        match self.kinds[kind as usize].expected() {
            Some((_, entry)) if raw.starts_with(&entry.key) => entry.key.len(),
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_in_the_same_order_are_foreseen() {
        let mut memo = Memo::default();
        let keys = [&b"a"[..], b"bc", b"", b"def"];
        for key in keys.iter().cycle().take(9) {
            look(&mut memo, Kind::Scope, key);
        }
        // The one after the first.
        assert_eq!(memo.foreseen(Kind::Scope, b"bcd"), 2);
        assert_eq!(memo.foreseen(Kind::Scope, b"xbc"), 0);
        assert_eq!(memo.foreseen(Kind::Resource, b"bc"), 0);
        let text = memo.text(Kind::Scope, b"bc", true, |_| Err(()));
        assert_eq!(text.unwrap().label.text(), "Scope [98, 99]");
        assert_eq!(memo.foreseen(Kind::Scope, b"def"), 0, "no bytes are nothing to foresee");
        assert_eq!(look(&mut memo, Kind::Scope, b""), ("Scope []".into(), false));
        assert_eq!(memo.foreseen(Kind::Scope, b"def"), 3);
    }

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
    fn keys_that_come_again_push_out_those_that_do_not() {
        let mut memo = Memo::default();
        for number in 0..40_000_u32 {
            look(&mut memo, Kind::Scope, format!("passing {number}").as_bytes());
        }
        let mut made = 0;
        for _ in 0..20 {
            made = 0;
            for number in 0..1000_u32 {
                made += u32::from(look(&mut memo, Kind::Scope, format!("series {number}").as_bytes()).1);
            }
        }
        assert!(made < 100, "{made} of 1000 were made again");
    }

    #[test]
    fn long_keys_are_not_kept() {
        let mut memo = Memo::default();
        let key = vec![0; KEY_BYTES_MAX + 1];
        assert!(look(&mut memo, Kind::Scope, &key).1);
        assert!(look(&mut memo, Kind::Scope, &key).1);
    }
}
