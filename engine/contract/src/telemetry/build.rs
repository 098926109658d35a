//! Columns that grow by values or by runs of one value.
//!
//! Arrow's own builders begin each batch with nothing and check a value at a time; these keep
//! the size of the batch before, and what repeats is written once for all its rows.

use std::sync::Arc;

use arrow::{
    array::{
        ArrayRef, ArrowPrimitiveType, DictionaryArray, FixedSizeBinaryArray, NullBufferBuilder,
        PrimitiveArray, StringArray, StringBuilder, UInt32Array,
    },
    buffer::{Buffer, ScalarBuffer},
    datatypes::UInt32Type,
};

use super::label::{Label, fingerprint};

/// Room that is kept at most, bytes: one large batch must not make all others large.
const ROOM_BYTES_MAX: usize = 1 << 22;

/// Says whether the next row has a value.
#[inline]
fn mark(valid: &mut NullBufferBuilder, has: bool) {
    if has {
        valid.append_non_null();
    } else {
        valid.append_null();
    }
}

/// Takes a vector and leaves an empty one with room for as much.
pub(super) fn take<T>(values: &mut Vec<T>) -> Vec<T> {
    let room = values.len().min(ROOM_BYTES_MAX / size_of::<T>());
    std::mem::replace(values, Vec::with_capacity(room))
}

/// As [`take`], of texts.
fn take_texts(texts: &mut StringBuilder) -> StringArray {
    let (rows, bytes) = (texts.offsets_slice().len() - 1, texts.values_slice().len());
    let room = StringBuilder::with_capacity(rows.min(ROOM_BYTES_MAX / 4), bytes.min(ROOM_BYTES_MAX));
    std::mem::replace(texts, room).finish()
}

/// Whether two texts are equal. The empty ones are told by their length: the C library may
/// look at the address of an empty slice, which is none, and that takes a hundred nanoseconds.
#[inline]
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && (a.is_empty() || a == b)
}

/// The distinct texts of a batch in the order in which they came. Keys count from 0.
pub(super) struct Dictionary {
    texts: StringBuilder,
    /// Hash of each text.
    hashes: Vec<u64>,
    /// Tag (see [`slot`]) and key by hash, 0 where there is none; a power of two, at most a
    /// quarter of it taken.
    table: Vec<u64>,
    /// The key that was given last.
    last: Option<u32>,
}

const TABLE_MIN: usize = 16;
/// Places of the table for each text.
const PLACES: usize = 4;

/// What stands in the table for a key: the high half of the hash, with a bit that is never 0.
#[inline]
const fn slot(hash: u64, key: u32) -> u64 {
    hash & !(u32::MAX as u64) | 1 << 63 | key as u64
}

impl Default for Dictionary {
    fn default() -> Self {
        Self { texts: StringBuilder::new(), hashes: Vec::new(), table: vec![0; TABLE_MIN], last: None }
    }
}

impl Dictionary {
    #[inline]
    fn bytes(&self, key: u32) -> &[u8] {
        let offsets = self.texts.offsets_slice();
        let key = key as usize;
        &self.texts.values_slice()[offsets[key] as usize..offsets[key + 1] as usize]
    }

    /// Key of a text.
    #[inline]
    pub(super) fn key(&mut self, text: &str) -> u32 {
        match self.last {
            Some(key) if same(self.bytes(key), text.as_bytes()) => key,
            _ => self.find(text, fingerprint(text.as_bytes())),
        }
    }

    /// Key of a text whose hash is known.
    #[inline]
    pub(super) fn key_of(&mut self, label: Label<'_>) -> u32 {
        self.find(label.text(), label.hash())
    }

    #[inline]
    fn find(&mut self, text: &str, hash: u64) -> u32 {
        let mask = self.table.len() - 1;
        let mut place = hash as usize & mask;
        let key = loop {
            let held = self.table[place];
            if held == 0 {
                break self.insert(text, hash, place);
            }
            let key = held as u32;
            if held == slot(hash, key) && same(self.bytes(key), text.as_bytes()) {
                break key;
            }
            place = (place + 1) & mask;
        };
        self.last = Some(key);
        key
    }

    #[inline]
    fn insert(&mut self, text: &str, hash: u64, place: usize) -> u32 {
        // Texts fill 2^31 bytes and their offsets 2^33 before there are as many keys.
        let key = self.hashes.len() as u32;
        self.texts.append_value(text);
        self.hashes.push(hash);
        self.table[place] = slot(hash, key);
        if self.hashes.len() * PLACES > self.table.len() {
            self.grow(self.table.len() * 2);
        }
        key
    }

    /// Makes a table of this size for the texts that are there.
    #[cold]
    fn grow(&mut self, size: usize) {
        self.table.clear();
        self.table.resize(size, 0);
        for (key, hash) in (0..).zip(&self.hashes) {
            let mut place = *hash as usize & (size - 1);
            while self.table[place] != 0 {
                place = (place + 1) & (size - 1);
            }
            self.table[place] = slot(*hash, key);
        }
    }

    /// The texts, `[keys]`; there are none afterwards.
    fn finish(&mut self) -> StringArray {
        let texts = self.hashes.len();
        self.hashes.clear();
        self.last = None;
        // As large as this batch would have needed: one large batch does not burden all others.
        self.grow((texts * PLACES).next_power_of_two().max(TABLE_MIN));
        take_texts(&mut self.texts)
    }

    /// The column of these keys, `[rows]`.
    pub(super) fn column(&mut self, keys: Vec<u32>) -> ArrayRef {
        let keys = UInt32Array::new(ScalarBuffer::from(keys), None);
        let texts = Arc::new(self.finish());
        Arc::new(DictionaryArray::<UInt32Type>::new(keys, texts))
    }
}

/// A dictionary column with a key of its own for each row.
#[derive(Default)]
pub(super) struct TextBuilder {
    keys: Vec<u32>,
    dictionary: Dictionary,
}

impl TextBuilder {
    #[inline]
    pub(super) fn append(&mut self, text: &str) {
        self.keys.push(self.dictionary.key(text));
    }

    #[inline]
    pub(super) fn append_label(&mut self, label: Label<'_>) {
        self.keys.push(self.dictionary.key_of(label));
    }

    pub(super) fn finish(&mut self) -> ArrayRef {
        self.dictionary.column(take(&mut self.keys))
    }
}

/// A column of numbers, some of which may be missing.
pub(super) struct NumberBuilder<P: ArrowPrimitiveType> {
    values: Vec<P::Native>,
    valid: NullBufferBuilder,
}

impl<P: ArrowPrimitiveType> Default for NumberBuilder<P> {
    fn default() -> Self {
        Self { values: Vec::new(), valid: NullBufferBuilder::new(0) }
    }
}

impl<P: ArrowPrimitiveType> NumberBuilder<P> {
    #[inline]
    pub(super) fn append(&mut self, value: Option<P::Native>) {
        self.values.push(value.unwrap_or_default());
        mark(&mut self.valid, value.is_some());
    }

    /// Adds missing values until there are so many rows.
    pub(super) fn pad(&mut self, rows: usize) {
        let missing = rows.saturating_sub(self.values.len());
        if missing > 0 {
            self.valid.append_n_nulls(missing);
            self.values.resize(rows, P::Native::default());
        }
    }

    pub(super) fn finish(&mut self) -> PrimitiveArray<P> {
        PrimitiveArray::new(take(&mut self.values).into(), self.valid.finish())
    }
}

/// A column of ids of `N` bytes, some of which may be missing.
pub(super) struct IdBuilder<const N: usize> {
    bytes: Vec<u8>,
    valid: NullBufferBuilder,
}

impl<const N: usize> Default for IdBuilder<N> {
    fn default() -> Self {
        Self { bytes: Vec::new(), valid: NullBufferBuilder::new(0) }
    }
}

impl<const N: usize> IdBuilder<N> {
    #[inline]
    pub(super) fn append(&mut self, id: Option<[u8; N]>) {
        self.bytes.extend_from_slice(&id.unwrap_or([0; N]));
        mark(&mut self.valid, id.is_some());
    }

    pub(super) fn finish(&mut self) -> ArrayRef {
        let bytes = Buffer::from_vec(take(&mut self.bytes));
        Arc::new(FixedSizeBinaryArray::new(N as i32, bytes, self.valid.finish()))
    }
}

/// A column of text that does not repeat.
#[derive(Default)]
pub(super) struct ProseBuilder(StringBuilder);

impl ProseBuilder {
    #[inline]
    pub(super) fn append(&mut self, text: &str) {
        self.0.append_value(text);
    }

    pub(super) fn finish(&mut self) -> ArrayRef {
        Arc::new(take_texts(&mut self.0))
    }
}

#[cfg(test)]
mod tests {
    use arrow::{
        array::{Array, StringDictionaryBuilder},
        datatypes::Float64Type,
    };
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Keys and texts are those of Arrow's own builder, batch after batch.
        #[test]
        fn a_dictionary_is_built_as_arrow_builds_it(
            batches in prop::collection::vec(prop::collection::vec("[a-c]{0,3}|[a-z ]{20,40}", 0..80), 1..4)
        ) {
            let mut ours = TextBuilder::default();
            for (number, texts) in batches.iter().enumerate() {
                let mut theirs = StringDictionaryBuilder::<UInt32Type>::new();
                for (row, text) in texts.iter().enumerate() {
                    theirs.append_value(text);
                    match (row + number) % 2 {
                        0 => ours.append(text),
                        _ => ours.append_label(Label::new(text)),
                    }
                }
                let (ours, theirs) = (ours.finish(), theirs.finish());
                let ours = ours.as_any().downcast_ref::<DictionaryArray<UInt32Type>>().expect("a dictionary");
                prop_assert_eq!(ours.keys(), theirs.keys());
                prop_assert_eq!(ours.values(), theirs.values());
            }
        }
    }

    #[test]
    fn numbers_and_ids_may_be_missing() {
        let mut numbers = NumberBuilder::<Float64Type>::default();
        for _ in 0..2 {
            numbers.append(Some(1.5));
            numbers.append(None);
            numbers.pad(1);
            numbers.pad(4);
            let expected = PrimitiveArray::<Float64Type>::from(vec![Some(1.5), None, None, None]);
            assert_eq!(numbers.finish(), expected);
        }
        let mut ids = IdBuilder::<2>::default();
        ids.append(Some([1, 2]));
        ids.append(None);
        let ids = ids.finish();
        let ids = ids.as_any().downcast_ref::<FixedSizeBinaryArray>().expect("ids");
        assert_eq!((ids.value(0), ids.is_null(1)), (&[1, 2][..], true));
    }
}
