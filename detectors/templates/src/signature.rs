//! What of a line is likely to be written in the program: its words, in order.

use crate::{
    hash::{self, Sequence},
    scan::{Kind, Scanner, Token, ValueKind},
};

/// Fingerprint of "something stands here".
pub(crate) const GAP: u64 = 0x1b0d_8f4a_6c3e_9275;

/// A place in a signature: a word, or a gap for one or more values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Fingerprint of the word, or [`GAP`].
    pub(crate) hash: u64,
    /// The token, if it is a word.
    pub(crate) token: u32,
}

impl Place {
    pub(crate) const fn is_gap(self) -> bool {
        self.hash == GAP
    }
}

/// Units that belong to the number before them.
const UNITS: [&str; 38] = [
    "b", "kb", "mb", "gb", "tb", "kib", "mib", "gib", "byte", "bytes", "s", "sec", "secs", "second",
    "seconds", "ms", "us", "ns", "min", "mins", "minute", "minutes", "hour", "hours", "day", "days", "hz",
    "khz", "mhz", "ghz", "millis", "msec", "usec", "nsec", "tib", "h", "m", "d",
];

/// Whether a word is a unit.
pub(crate) fn is_unit(word: &[u8]) -> bool {
    word.len() <= 7 && UNITS.iter().any(|unit| unit.as_bytes().eq_ignore_ascii_case(word))
}

/// The words of a line with gaps between them. Its buffer is used again from line to line.
#[derive(Clone, Debug, Default)]
pub(crate) struct Signature {
    pub(crate) places: Vec<Place>,
    /// Fingerprint of the words alone; of the gaps too if there is no word.
    pub(crate) words: u64,
    /// Fingerprint of words and gaps.
    pub(crate) whole: u64,
}

impl Signature {
    /// Reads the signature from the tokens of a line of a program.
    pub(crate) fn read(&mut self, program: u64, line: &[u8], scanner: &Scanner) {
        let tokens = scanner.tokens.as_slice();
        self.places.clear();
        let (mut words, mut whole) = (Sequence::of_program(program), Sequence::of_program(program));
        let mut any = false;
        let mut quotes = Quotes::default();
        for (at, token) in tokens.iter().enumerate() {
            let quoted = scanner.quoted && quotes.pass(line, tokens, at);
            let word = match token.kind {
                Kind::Delimiter => continue,
                Kind::Value(_) | Kind::Mixed => false,
                Kind::Word | Kind::Named => {
                    let before = at.checked_sub(1).map(|before| &tokens[before]);
                    if before.is_some_and(|before| matches!(before.kind, Kind::Value(_)))
                        && is_unit(token.text(line))
                    {
                        continue;
                    }
                    // `a=b`, `a = b`; but in `a= b=` the value of `a` is empty.
                    let assigned =
                        before.is_some_and(|before| before.text(line) == b"=" && (before.gap || !token.gap));
                    let value = (assigned || quoted) && !is_boolean(token.text(line));
                    !(value || !token.plain && is_component(token.text(line)))
                }
            };
            if word {
                let hash = hash::part(line, token.start as usize, token.end as usize);
                self.places.push(Place { hash, token: u32::try_from(at).unwrap_or(u32::MAX) });
                words.push(hash);
                whole.push(hash);
                any = true;
            } else if self.places.last().is_none_or(|last| !last.is_gap()) {
                self.places.push(Place { hash: GAP, token: u32::MAX });
                whole.push(GAP);
            }
        }
        self.whole = whole.finish();
        self.words = if any { words.finish() } else { self.whole };
    }
}

/// Whether a word stands between quotation marks that hold a value.
#[derive(Default)]
struct Quotes {
    inside: bool,
    /// The mark was opened behind `=`, or behind the `:` of a quoted key.
    assigned: bool,
}

impl Quotes {
    /// Passes a token; gives whether it is a value by its marks. A phrase of several words in
    /// marks is none, for programs quote what they say, too; nor is the key of an object.
    fn pass(&mut self, line: &[u8], tokens: &[Token], at: usize) -> bool {
        let is = |at: Option<usize>, mark: u8| {
            at.and_then(|at| tokens.get(at)).is_some_and(|token| token.text(line) == [mark])
        };
        let before = at.checked_sub(1);
        if is(Some(at), b'"') {
            self.inside = !self.inside;
            if self.inside {
                self.assigned = is(before, b'=') || is(before, b':') && is(at.checked_sub(2), b'"');
            }
            return false;
        }
        let alone = is(before, b'"') && is(Some(at + 1), b'"');
        let key = alone && is(Some(at + 2), b':');
        self.inside && (self.assigned || alone) && !key
    }
}

fn is_boolean(word: &[u8]) -> bool {
    word.eq_ignore_ascii_case(b"true") || word.eq_ignore_ascii_case(b"false")
}

/// `package/part.of.it`: names of parts that are given at run time.
fn is_component(word: &[u8]) -> bool {
    word.contains(&b'/') && word.contains(&b'.')
}

/// What a word looks like, for the question whether it may be a value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Looks {
    /// Holds a digit or the marks of a qualified name: as likely a value as not.
    pub(crate) composed: bool,
    /// All capitals: as a rule one of a few states.
    pub(crate) capitals: bool,
    /// Ends like a participle, `stopped`, `stopping`: as a rule what happened.
    pub(crate) participle: bool,
}

impl Looks {
    pub(crate) fn of(word: &[u8]) -> Self {
        let mark = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'.' | b'_' | b'/' | b'@');
        let lower = |byte: &u8| byte.is_ascii_lowercase() || !byte.is_ascii();
        Self {
            composed: word.iter().any(mark),
            capitals: word.iter().any(u8::is_ascii_uppercase) && !word.iter().any(lower),
            participle: word.ends_with(b"ed") || word.ends_with(b"ing"),
        }
    }
}

/// Kind of a parameter that a token holds.
pub(crate) const fn value_kind(kind: Kind) -> ValueKind {
    match kind {
        Kind::Value(kind) => kind,
        Kind::Mixed | Kind::Named => ValueKind::Identifier,
        Kind::Word | Kind::Delimiter => ValueKind::Word,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signature(line: &str) -> String {
        let (mut scanner, mut signature) = (Scanner::default(), Signature::default());
        scanner.scan(line.as_bytes(), 100);
        signature.read(0, line.as_bytes(), &scanner);
        let text = |place: &Place| match place.is_gap() {
            true => "*".into(),
            false => String::from_utf8_lossy(scanner.tokens[place.token as usize].text(line.as_bytes())),
        };
        signature.places.iter().map(text).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn words_are_what_the_program_wrote() {
        for (line, expected) in [
            ("took 12 ms, retry 3", "took * retry *"),
            ("close, 403 bytes sent", "close * sent"),
            ("close, 1190 bytes (1.16 KB) sent", "close * sent"),
            ("uid=0 tty=ssh ruser= ok", "uid * tty * ruser ok"),
            ("force=true", "force true"),
            ("tag=\"View Lock\", name=\"x\"", "tag * name *"),
            ("said \"no such file\"", "said no such file"),
            ("open \"file\" now", "open * now"),
            (r#"{"level":"warn","message":"disk is full"}"#, "level * message *"),
            ("10 20 30", "*"),
            ("connect com.example/.Main", "connect *"),
            ("---", ""),
        ] {
            assert_eq!(signature(line), expected, "{line}");
        }
    }
}
