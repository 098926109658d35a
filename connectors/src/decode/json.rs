//! A walk through JSON text (RFC 8259) that makes nothing of it: keys and values are borrowed.
//!
//! It knows the text as nearly every writer writes it and says `None` of anything else: of what is
//! wrong, and of what is right but odd, as a key with escapes. That is left to serde_json, which
//! knows everything and says what is wrong with it. So whatever is given here is what serde_json
//! would give, only sooner; the tests hold one against the other.

use std::{borrow::Cow, fmt::Write};

use serde_json::Number;

/// Values nested deeper are left to serde_json.
const DEPTH_MAX: usize = 64;

const ONES: u64 = u64::MAX / 255;

/// The high bit of the first of eight bytes that is a control character, a quote or a backslash
/// ("Bit Twiddling Hacks", <https://graphics.stanford.edu/~seander/bithacks.html#HasLessInWord>);
/// bits of bytes behind it mean nothing. 0 if there is none.
#[inline]
const fn special(word: u64) -> u64 {
    const fn less(word: u64, than: u8) -> u64 {
        word.wrapping_sub(ONES * than as u64) & !word & (ONES * 0x80)
    }
    less(word, 0x20) | less(word ^ (ONES * b'"' as u64), 1) | less(word ^ (ONES * b'\\' as u64), 1)
}

/// A place in a text of JSON.
#[derive(Clone, Copy)]
pub(crate) struct Cursor<'p> {
    text: &'p str,
    at: usize,
}

impl<'p> Cursor<'p> {
    pub(crate) const fn new(text: &'p str) -> Self {
        Self { text, at: 0 }
    }

    /// What has not been walked yet.
    #[inline]
    pub(crate) fn rest(&self) -> &'p [u8] {
        &self.text.as_bytes()[self.at..]
    }

    /// Passes over bytes that are known to be a whole value.
    #[inline]
    pub(crate) const fn pass(&mut self, bytes: usize) {
        self.at += bytes;
    }

    /// The next byte that is no blank, which stays.
    #[inline(always)]
    pub(crate) fn peek(&mut self) -> Option<u8> {
        loop {
            match self.text.as_bytes().get(self.at) {
                Some(b' ' | b'\t' | b'\n' | b'\r') => self.at += 1,
                other => return other.copied(),
            }
        }
    }

    #[inline(always)]
    fn take(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    /// Whether nothing but blanks follows.
    #[inline]
    pub(crate) fn end(&mut self) -> Option<()> {
        self.peek().is_none().then_some(())
    }

    /// Steps into an object.
    #[inline]
    pub(crate) fn object(&mut self) -> Option<Members> {
        self.take(b'{').map(|()| Members { begun: false })
    }

    /// Steps into an array.
    #[inline]
    pub(crate) fn array(&mut self) -> Option<Members> {
        self.take(b'[').map(|()| Members { begun: false })
    }

    /// The characters of a string between its quotes, and whether there are escapes among them.
    #[inline]
    pub(crate) fn string(&mut self) -> Option<(&'p str, bool)> {
        self.take(b'"')?;
        let (bytes, start, mut escaped) = (self.text.as_bytes(), self.at, false);
        let mut at = start;
        loop {
            let byte = match bytes[at..].first_chunk() {
                Some(word) => match special(u64::from_le_bytes(*word)) {
                    0 => {
                        at += 8;
                        continue;
                    }
                    found => {
                        at += found.trailing_zeros() as usize / 8;
                        bytes[at]
                    }
                },
                None => *bytes.get(at)?,
            };
            match byte {
                b'"' => break,
                b'\\' => {
                    escaped = true;
                    at += match bytes.get(at + 1)? {
                        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => 2,
                        b'u' if bytes.get(at + 2..at + 6)?.iter().all(u8::is_ascii_hexdigit) => 6,
                        _ => return None,
                    };
                }
                0..0x20 => return None,
                _ => at += 1,
            }
        }
        self.at = at + 1;
        Some((self.text.get(start..at)?, escaped))
    }

    /// A string without escapes.
    #[inline]
    pub(crate) fn plain(&mut self) -> Option<&'p str> {
        self.string().and_then(|(text, escaped)| (!escaped).then_some(text))
    }

    /// A string, borrowed if it has no escapes.
    #[inline]
    pub(crate) fn text(&mut self) -> Option<Cow<'p, str>> {
        self.peek()?;
        let start = self.at;
        let (text, escaped) = self.string()?;
        if escaped {
            unescaped(&self.text[start..self.at]).map(Cow::Owned)
        } else {
            Some(Cow::Borrowed(text))
        }
    }

    /// A number as it is written, and whether it is a whole one without exponent.
    #[inline]
    pub(crate) fn number(&mut self) -> Option<(&'p str, bool)> {
        self.peek()?;
        let (bytes, start) = (self.text.as_bytes(), self.at);
        let mut at = start + usize::from(bytes[start] == b'-');
        let digits =
            |from: usize| from + bytes[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        let whole = digits(at);
        if whole == at || (bytes[at] == b'0' && whole > at + 1) {
            return None;
        }
        at = whole;
        let mut integer = true;
        if bytes.get(at) == Some(&b'.') {
            integer = false;
            let end = digits(at + 1);
            if end == at + 1 {
                return None;
            }
            at = end;
        }
        if matches!(bytes.get(at), Some(b'e' | b'E')) {
            integer = false;
            let sign = usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
            let from = (at + 1 + sign).min(bytes.len());
            let end = digits(from);
            if end == from {
                return None;
            }
            at = end;
        }
        self.at = at;
        Some((self.text.get(start..at)?, integer))
    }

    /// `true` or `false`.
    pub(crate) fn truth(&mut self) -> Option<bool> {
        let truth = self.peek()? == b't';
        self.literal(if truth { b"true" } else { b"false" }).map(|()| truth)
    }

    #[inline]
    fn literal(&mut self, word: &[u8]) -> Option<()> {
        self.rest().starts_with(word).then(|| self.at += word.len())
    }

    /// Passes over a value of any kind.
    #[inline]
    pub(crate) fn skip(&mut self) -> Option<()> {
        self.skip_within(DEPTH_MAX)
    }

    fn skip_within(&mut self, depth: usize) -> Option<()> {
        match self.peek()? {
            b'"' => self.string().map(drop),
            b'{' => {
                let depth = depth.checked_sub(1)?;
                let mut members = self.object()?;
                while members.more(self, b'}')? {
                    self.string()?;
                    self.take(b':')?;
                    self.skip_within(depth)?;
                }
                Some(())
            }
            b'[' => {
                let depth = depth.checked_sub(1)?;
                let mut members = self.array()?;
                while members.more(self, b']')? {
                    self.skip_within(depth)?;
                }
                Some(())
            }
            b't' => self.literal(b"true"),
            b'f' => self.literal(b"false"),
            b'n' => self.literal(b"null"),
            _ => self.number().map(drop),
        }
    }

    /// Passes over a value and gives it as it is written.
    #[inline]
    pub(crate) fn raw(&mut self) -> Option<&'p str> {
        self.peek()?;
        let start = self.at;
        self.skip()?;
        self.text.get(start..self.at)
    }

    /// What lies between this place and a later one.
    #[inline]
    pub(crate) fn until(&self, later: &Self) -> Option<&'p str> {
        self.text.get(self.at..later.at)
    }

    /// A whole number of 64 bits, as number or text.
    #[inline]
    pub(crate) fn unsigned(&mut self) -> Option<u64> {
        let digits =
            if self.peek()? == b'"' { self.plain()? } else { self.number().filter(|(_, whole)| *whole)?.0 };
        unsigned(digits)
    }

    /// As [`Self::unsigned`], with a sign.
    #[inline]
    pub(crate) fn signed(&mut self) -> Option<i64> {
        let digits =
            if self.peek()? == b'"' { self.plain()? } else { self.number().filter(|(_, whole)| *whole)?.0 };
        signed(digits)
    }

    /// A number, which is finite.
    #[inline]
    pub(crate) fn double(&mut self) -> Option<f64> {
        finite(self.number()?.0)
    }
}

/// Where the walk is among the members of an object or the entries of an array.
pub(crate) struct Members {
    begun: bool,
}

impl Members {
    /// Whether there is another before `close`, which is passed over.
    #[inline(always)]
    fn more(&mut self, cursor: &mut Cursor<'_>, close: u8) -> Option<bool> {
        let next = cursor.peek()?;
        if next == close {
            cursor.at += 1;
            return Some(false);
        }
        if std::mem::replace(&mut self.begun, true) {
            if next != b',' {
                return None;
            }
            cursor.at += 1;
            // A comma before the end is none of JSON's.
            if cursor.peek()? == close {
                return None;
            }
        }
        Some(true)
    }

    /// The next key, which has no escapes; `Some(None)` behind the last member.
    #[inline(always)]
    pub(crate) fn key<'p>(&mut self, cursor: &mut Cursor<'p>) -> Option<Option<&'p str>> {
        if !self.more(cursor, b'}')? {
            return Some(None);
        }
        let key = cursor.plain()?;
        cursor.take(b':')?;
        Some(Some(key))
    }

    /// Whether there is another entry; past the end of the array if not.
    #[inline(always)]
    pub(crate) fn entry(&mut self, cursor: &mut Cursor<'_>) -> Option<bool> {
        self.more(cursor, b']')
    }
}

/// Keys of an object that were there; a key that repeats is for serde_json to judge.
#[derive(Clone, Copy, Default)]
pub(crate) struct Seen(u32);

impl Seen {
    #[inline]
    pub(crate) const fn once(&mut self, key: u32) -> Option<()> {
        let bit = 1 << key;
        if self.0 & bit != 0 {
            return None;
        }
        self.0 |= bit;
        Some(())
    }
}

#[inline]
fn unsigned(digits: &str) -> Option<u64> {
    // Nineteen digits always fit.
    if digits.is_empty() || digits.len() > 19 {
        return digits.parse().ok();
    }
    let mut number = 0;
    for digit in digits.bytes() {
        let digit = digit.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        number = number * 10 + u64::from(digit);
    }
    Some(number)
}

#[inline]
fn signed(digits: &str) -> Option<i64> {
    match digits.strip_prefix('-') {
        // What is a float to serde_json.
        Some("0") => None,
        _ => digits.parse().ok(),
    }
}

fn finite(number: &str) -> Option<f64> {
    number.parse::<f64>().ok().filter(|number| number.is_finite())
}

/// The text that a string with its quotes stands for.
pub(crate) fn unescaped(quoted: &str) -> Option<String> {
    serde_json::from_str(quoted).ok()
}

/// Appends text as a JSON string.
pub(crate) fn quote(text: &str, out: &mut String) {
    let (words, rest) = text.as_bytes().as_chunks::<8>();
    let escapes = words.iter().fold(0, |found, word| found | special(u64::from_le_bytes(*word)));
    if escapes != 0 || rest.iter().any(|byte| matches!(byte, 0..0x20 | b'"' | b'\\')) {
        // A string never fails to be written.
        out.push_str(&serde_json::to_string(text).unwrap_or_default());
    } else {
        quote_plain(text, out);
    }
}

/// Appends text that needs no escapes.
#[inline]
fn quote_plain(text: &str, out: &mut String) {
    out.push('"');
    out.push_str(text);
    out.push('"');
}

/// Appends the string that comes next as serde_json writes it.
#[inline]
pub(crate) fn requote(cursor: &mut Cursor<'_>, out: &mut String) -> Option<()> {
    cursor.peek()?;
    let start = cursor.at;
    match cursor.string()? {
        // What has no escapes needs none.
        (text, false) => quote_plain(text, out),
        (_, true) => quote(&unescaped(cursor.text.get(start..cursor.at)?)?, out),
    }
    Some(())
}

/// Appends the value that comes next as serde_json writes it: no blanks, sorted keys.
pub(crate) fn rewrite(cursor: &mut Cursor<'_>, out: &mut String) -> Option<()> {
    match cursor.peek()? {
        b'"' => requote(cursor, out)?,
        b'{' | b'[' => {
            let value: serde_json::Value = serde_json::from_str(cursor.raw()?).ok()?;
            write!(out, "{value}").ok()?;
        }
        b't' | b'f' | b'n' => out.push_str(cursor.raw()?),
        _ => match cursor.number()? {
            // Eighteen digits fit 64 bits, with or without a sign; -0 is a float.
            (digits, true) if digits.len() <= 18 && digits != "-0" => out.push_str(digits),
            (digits, true) => write!(out, "{}", serde_json::from_str::<Number>(digits).ok()?).ok()?,
            (digits, false) => write_double(finite(digits)?, out)?,
        },
    }
    Some(())
}

/// Appends a finite number as serde_json writes it.
pub(crate) fn write_double(number: f64, out: &mut String) -> Option<()> {
    write!(out, "{}", Number::from_f64(number)?).ok()
}

/// Appends an object of pairs whose values stand in `values`: keys sorted, of a key that repeats
/// the last.
pub(crate) fn write_sorted(
    pairs: &mut [(Cow<'_, str>, std::ops::Range<usize>)],
    values: &str,
    out: &mut String,
) {
    // Keeps the order of equal keys.
    pairs.sort_by(|(a, _), (b, _)| a.cmp(b));
    out.push('{');
    let mut first = true;
    for (at, (key, value)) in pairs.iter().enumerate() {
        if pairs.get(at + 1).is_some_and(|(next, _)| next == key) {
            continue;
        }
        if !std::mem::take(&mut first) {
            out.push(',');
        }
        quote(key, out);
        out.push(':');
        out.push_str(&values[value.clone()]);
    }
    out.push('}');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, value::RawValue};

    use super::*;

    /// Text that is JSON, nearly is, or is not.
    fn text() -> impl Strategy<Value = String> {
        let piece = prop::sample::select(vec![
            "{",
            "}",
            "[",
            "]",
            ",",
            ":",
            "\"",
            "\"a\"",
            "\"b\\n\"",
            "\"\\u00e9\"",
            "\"\\ud800\"",
            "\"\\x\"",
            "0",
            "-0",
            "-1",
            "01",
            "1.",
            "1.5",
            "1e9",
            "1E+2",
            "1e",
            "2e400",
            ".5",
            "-",
            "true",
            "false",
            "null",
            "nul",
            " ",
            "\t",
            "\u{1}",
            "é",
            "\"long enough for a word\"",
            "\"12345678901234567890\"",
            "123456789012345678901234567890",
            "\\",
        ]);
        let pieces = prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat());
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".{0,12}".prop_map(Value::from),
        ];
        let value = leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec(("[a-c\"\\\\é]{0,3}", inner), 0..4)
                    .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
            ]
        });
        prop_oneof![
            pieces,
            value.clone().prop_map(|value| value.to_string()),
            value.prop_map(|value| serde_json::to_string_pretty(&value).unwrap_or_default()),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn what_is_passed_over_is_json(text in text()) {
            let mut cursor = Cursor::new(&text);
            let passed = cursor.skip().and_then(|()| cursor.end()).is_some();
            prop_assert_eq!(passed, serde_json::from_str::<&RawValue>(&text).is_ok(), "{}", text);
        }

        #[test]
        fn what_is_rewritten_is_what_serde_json_writes(text in text()) {
            let (mut cursor, mut out) = (Cursor::new(&text), String::new());
            let whole = rewrite(&mut cursor, &mut out).and_then(|()| cursor.end()).is_some();
            if whole {
                let value: Value = serde_json::from_str(&text).expect("it is JSON");
                prop_assert_eq!(out, value.to_string());
            }
        }

        #[test]
        fn numbers_are_those_of_serde_json(number in any::<f64>(), whole in any::<i64>()) {
            let text = Value::from(number).to_string();
            if number.is_finite() {
                prop_assert_eq!(Cursor::new(&text).double(), serde_json::from_str(&text).ok());
            }
            prop_assert_eq!(Cursor::new(&whole.to_string()).signed(), Some(whole));
            prop_assert_eq!(Cursor::new(&whole.to_string()).unsigned(), u64::try_from(whole).ok());
        }
    }

    #[test]
    fn every_special_byte_ends_a_run() {
        for length in 0..20 {
            for at in 0..=length {
                for byte in 0..0x80_u8 {
                    let mut text = vec![b'a'; length + 1];
                    text[at] = byte;
                    let text = format!("\"{}\"", String::from_utf8(text).expect("ASCII"));
                    let expected = serde_json::from_str::<&RawValue>(&text).is_ok();
                    let mut cursor = Cursor::new(&text);
                    assert_eq!(cursor.string().and_then(|_| cursor.end()).is_some(), expected, "{text:?}");
                }
            }
        }
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(Cursor::new(&nested(DEPTH_MAX)).skip().is_some());
        assert!(Cursor::new(&nested(DEPTH_MAX + 1)).skip().is_none());
        assert!(Cursor::new(&nested(1 << 20)).skip().is_none());
    }
}
