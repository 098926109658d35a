//! Attributes as nearly every exporter writes them, taken apart at one go.
//!
//! A few pairs of a key and a text, a number or a truth value, in this order and once each, of
//! bytes that JSON takes as they are. Whatever else there may be is left to `any_value`, which
//! knows everything and says what is wrong.

use std::io::Write;

use crate::decode::wire::{Fields, Value};

/// Pairs of one object.
const PAIRS_MAX: usize = 16;

#[derive(Clone, Copy)]
enum Scalar<'p> {
    Text(&'p [u8]),
    Truth(bool),
    Integer(i64),
}

/// Eight blanks, which JSON takes.
const SPACES: u64 = 0x2020_2020_2020_2020;

type Pair<'p> = (&'p [u8], Scalar<'p>);

/// Appends the object of all pairs that stand in `raw`, whose fields have this number, with
/// sorted keys; `None` if it is not plain. Whether it is UTF-8 is not looked at.
pub(super) fn write_object(raw: &[u8], number: u32, out: &mut Vec<u8>) -> Option<()> {
    let mut pairs: [Pair<'_>; PAIRS_MAX] = [(&[], Scalar::Truth(false)); PAIRS_MAX];
    let mut count = 0;
    let mut fields = Fields::new(raw);
    while let Some((found, value)) = fields.next().ok()? {
        let Value::Bytes(raw) = value else { return None };
        if found != number || count == PAIRS_MAX {
            return None;
        }
        let new = pair(raw)?;
        // Few enough for the simplest way to sort.
        let mut place = count;
        while place > 0 && pairs[place - 1].0 > new.0 {
            pairs[place] = pairs[place - 1];
            place -= 1;
        }
        if place > 0 && pairs[place - 1].0 == new.0 {
            return None;
        }
        pairs[place] = new;
        count += 1;
    }
    out.reserve(raw.len() + raw.len() / 2 + 2);
    out.push(b'{');
    for (at, (key, scalar)) in pairs[..count].iter().enumerate() {
        out.extend_from_slice(if at == 0 { b"\"" } else { b",\"" });
        out.extend_from_slice(key);
        match scalar {
            Scalar::Text(text) => {
                out.extend_from_slice(b"\":\"");
                out.extend_from_slice(text);
                out.push(b'"');
            }
            Scalar::Truth(truth) => out.extend_from_slice(if *truth { b"\":true" } else { b"\":false" }),
            Scalar::Integer(number) => write!(out, "\":{number}").ok()?,
        }
    }
    out.push(b'}');
    Some(())
}

/// A key and its value, and nothing else.
#[inline]
fn pair(raw: &[u8]) -> Option<Pair<'_>> {
    let mut fields = Fields::new(raw);
    let (Some((1, Value::Bytes(key))), Some((2, Value::Bytes(value)))) =
        (fields.next().ok()?, fields.next().ok()?)
    else {
        return None;
    };
    let mut values = Fields::new(value);
    let scalar = match values.next().ok()?? {
        (1, Value::Bytes(text)) if needs_no_escape(text) => Scalar::Text(text),
        (2, Value::Varint(truth)) => Scalar::Truth(truth != 0),
        (3, Value::Varint(number)) => Scalar::Integer(number as i64),
        _ => return None,
    };
    let whole = fields.at() == raw.len() && values.at() == value.len();
    (whole && needs_no_escape(key)).then_some((key, scalar))
}

/// Whether JSON takes these bytes between quotes as they are.
#[inline]
fn needs_no_escape(text: &[u8]) -> bool {
    let (words, rest) = text.as_chunks::<8>();
    let mut escapes = words.iter().fold(0, |escapes, word| escapes | escapes_in(u64::from_le_bytes(*word)));
    if let Some(last) = text.last_chunk::<8>() {
        escapes |= escapes_in(u64::from_le_bytes(*last));
    } else {
        let word = rest.iter().fold(SPACES, |word, byte| word << 8 | u64::from(*byte));
        escapes |= escapes_in(word);
    }
    escapes == 0
}

/// Not 0 if one of eight bytes is a control character, a quote or a backslash ("Bit Twiddling
/// Hacks", <https://graphics.stanford.edu/~seander/bithacks.html#HasLessInWord>).
#[inline]
fn escapes_in(word: u64) -> u64 {
    const ONES: u64 = u64::MAX / 255;
    let all = |byte: u8| ONES * u64::from(byte);
    let less = |word: u64, than: u8| word.wrapping_sub(all(than)) & !word & all(0x80);
    less(word, 0x20) | less(word ^ all(b'"'), 1) | less(word ^ all(b'\\'), 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_that_json_escapes_is_found() {
        for length in 1..20 {
            for at in 0..length {
                for byte in 0..=u8::MAX {
                    let mut text = vec![b'a'; length];
                    text[at] = byte;
                    let escaped = byte < 0x20 || byte == b'"' || byte == b'\\';
                    assert_eq!(needs_no_escape(&text), !escaped, "{byte} at {at} of {length}");
                }
            }
        }
        assert!(needs_no_escape(b""));
    }
}
