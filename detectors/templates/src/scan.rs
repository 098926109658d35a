//! One pass over a line: words, delimiters, and values that are told by their form.

use crate::calendar;

/// Form of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ValueKind {
    /// Digits, with a sign, separators, or a percent sign.
    Number,
    /// `0x` and hexadecimal digits.
    Hexadecimal,
    /// An address of the internet protocol, of a network card, or `host:port`.
    Address,
    /// A UUID.
    Uuid,
    /// A path in a file system.
    Path,
    /// `scheme://…`.
    Url,
    /// A date with a time of day.
    Time,
    /// Letters and digits mixed: `blk_12`, `node-7`.
    Identifier,
    /// A word that was found to vary, or that stands where a value belongs.
    Word,
}

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Letters without a digit.
    Word,
    /// Letters and one digit behind them, `eth0`: as a rule a name that is written in the program.
    Named,
    /// Letters and digits mixed in another way.
    Mixed,
    /// A value by its form.
    Value(ValueKind),
    /// What stands between words.
    Delimiter,
}

/// A part of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) start: u32,
    pub(crate) end: u32,
    pub(crate) kind: Kind,
    /// Whether a blank is before it.
    pub(crate) gap: bool,
    /// It is letters and nothing else.
    pub(crate) plain: bool,
}

impl Token {
    pub(crate) fn text<'a>(&self, line: &'a [u8]) -> &'a [u8] {
        &line[self.start as usize..self.end as usize]
    }
}

const BLANK: u8 = 1;
const DELIMITER: u8 = 2;
const DIGIT: u8 = 4;
/// ASCII letters, and every byte of a character beyond ASCII.
const LETTER: u8 = 8;
/// May end a sentence: no part of the word before it then.
const STOP: u8 = 16;
/// Other marks within words.
const MARK: u8 = 32;
/// Ends a run of word characters.
const END: u8 = BLANK | DELIMITER;

const CLASS: [u8; 256] = {
    let mut class = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        class[byte] = match byte as u8 {
            b' ' | b'\t' | b'\r' | b'\n' | 0x0b | 0x0c => BLANK,
            b'=' | b',' | b':' | b';' | b'(' | b')' | b'[' | b']' | b'{' | b'}' | b'"' | b'\'' | b'|'
            | b'<' | b'>' | b'!' | b'?' | b'#' => DELIMITER,
            b'0'..=b'9' => DIGIT,
            b'a'..=b'z' | b'A'..=b'Z' | 0x80..=0xff => LETTER,
            b'.' | b'*' => STOP,
            _ => MARK,
        };
        byte += 1;
    }
    class
};

const fn class(byte: u8) -> u8 {
    CLASS[byte as usize]
}

/// Takes lines apart. Its buffer is used again from line to line.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scanner {
    pub(crate) tokens: Vec<Token>,
    /// Whether there is a quotation mark among them.
    pub(crate) quoted: bool,
}

impl Scanner {
    /// Takes a line apart into at most `tokens_max` tokens; what is behind them is left out.
    pub(crate) fn scan(&mut self, line: &[u8], tokens_max: usize) {
        self.tokens.clear();
        self.quoted = false;
        let mut at = 0;
        let mut gap = false;
        while at < line.len() && self.tokens.len() < tokens_max {
            let byte = line[at];
            match class(byte) {
                BLANK => {
                    at += 1;
                    gap = true;
                    continue;
                }
                DELIMITER => {
                    self.quoted |= byte == b'"';
                    self.push(at, at + 1, Kind::Delimiter, gap);
                    at += 1;
                }
                _ => at = self.run(line, at, gap),
            }
            gap = false;
        }
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "a line is shorter than 4 GiB: the miner cuts it off"
    )]
    fn push(&mut self, start: usize, end: usize, kind: Kind, gap: bool) {
        self.tokens.push(Token { start: start as u32, end: end as u32, kind, gap, plain: false });
    }

    /// Takes what begins at `start` and is neither blank nor delimiter; gives where it ends.
    fn run(&mut self, line: &[u8], start: usize, gap: bool) -> usize {
        let mut classes = 0;
        let mut end = start;
        while end < line.len() && class(line[end]) & END == 0 {
            classes |= class(line[end]);
            end += 1;
        }
        let (run, rest) = (&line[start..end], &line[end..]);
        if let Some((length, kind)) = beyond_a_run(&line[start..], run, rest, classes) {
            self.push(start, start + length, Kind::Value(kind), gap);
            return start + length;
        }
        let before = if gap || start == 0 { b' ' } else { line[start - 1] };
        if run.len() > 1 && run[0] == b'/' && before != b')' && before != b']' {
            let length = path(&line[start..]);
            self.push(start, start + length, Kind::Value(ValueKind::Path), gap);
            return start + length;
        }
        if classes == LETTER {
            self.push(start, end, Kind::Word, gap);
            if let Some(last) = self.tokens.last_mut() {
                last.plain = true;
            }
            return end;
        }
        if classes & STOP == 0 {
            self.word(line, start, end, classes, gap);
            return end;
        }
        // The punctuation of a sentence is not a part of its last word.
        let core =
            run.iter().rposition(|byte| !matches!(byte, b'.' | b'*')).map_or(run.len(), |last| last + 1);
        self.words(line, start, start + core, classes, gap);
        if core < run.len() {
            self.push(start + core, end, Kind::Delimiter, false);
        }
        end
    }

    /// Takes a run apart where dots lead from one word to another, `exception......0x1f`.
    fn words(&mut self, line: &[u8], start: usize, end: usize, classes: u8, gap: bool) {
        let (mut from, mut gap) = (start, gap);
        while let Some(dots) = line[from..end].windows(2).position(|pair| pair == b"..") {
            let dots = from + dots;
            let after =
                line[dots..end].iter().position(|byte| *byte != b'.').map_or(end, |count| dots + count);
            if dots > from {
                self.word(
                    line,
                    from,
                    dots,
                    line[from..dots].iter().fold(0, |all, byte| all | class(*byte)),
                    gap,
                );
                gap = false;
            }
            self.push(dots, after, Kind::Delimiter, gap);
            (from, gap) = (after, false);
        }
        if from == start {
            self.word(line, from, end, classes, gap);
        } else if from < end {
            self.word(line, from, end, line[from..end].iter().fold(0, |all, byte| all | class(*byte)), gap);
        }
    }

    fn word(&mut self, line: &[u8], start: usize, end: usize, classes: u8, gap: bool) {
        let kind = match classes & (DIGIT | LETTER) {
            0 => Kind::Delimiter,
            LETTER => Kind::Word,
            _ => with_digits(&line[start..end]),
        };
        self.push(start, end, kind, gap);
    }
}

/// Values that go on behind a delimiter or are told as a whole; gives their length.
fn beyond_a_run(line: &[u8], run: &[u8], rest: &[u8], classes: u8) -> Option<(usize, ValueKind)> {
    if rest.first() == Some(&b':') {
        if rest.starts_with(b"://") && run[0].is_ascii_alphabetic() {
            return Some((run.len() + url(rest), ValueKind::Url))
                .filter(|(length, _)| *length > run.len() + 3);
        }
        if let Some(length) = colons(line, run) {
            return Some((length, ValueKind::Address));
        }
        if let Some(port) = port(run, rest) {
            return Some((run.len() + port, ValueKind::Address));
        }
    }
    if classes & DIGIT == 0 {
        return calendar::date(line).map(|length| (length, ValueKind::Time));
    }
    if run.get(4) == Some(&b'-')
        && let Some(length) = calendar::iso(line)
    {
        return Some((length, ValueKind::Time));
    }
    (run.len() == 36 && is_uuid(run)).then_some((run.len(), ValueKind::Uuid))
}

/// Length of a URL from its colon on.
fn url(rest: &[u8]) -> usize {
    let ends = |byte: &u8| {
        class(*byte) == BLANK
            || matches!(
                byte,
                b'"' | b'\'' | b'<' | b'>' | b'(' | b')' | b'[' | b']' | b'{' | b'}' | b',' | b';'
            )
    };
    rest.iter().position(ends).unwrap_or(rest.len())
}

/// Length of a path.
fn path(line: &[u8]) -> usize {
    let ends = |byte: &u8| class(*byte) & END != 0 && !matches!(byte, b'!' | b'?' | b'#');
    line.iter().position(ends).unwrap_or(line.len())
}

/// Length of six or more groups of hexadecimal digits with colons between them: the address of
/// a network card, or one of version 6 of the internet protocol.
fn colons(line: &[u8], run: &[u8]) -> Option<usize> {
    let hexadecimal = |text: &[u8]| {
        let count = text.iter().take(5).take_while(|byte| byte.is_ascii_hexdigit()).count();
        (1..=4).contains(&count).then_some(count)
    };
    if hexadecimal(run)? != run.len() {
        return None;
    }
    let (mut at, mut groups) = (run.len(), 1);
    while line.get(at) == Some(&b':') {
        let Some(count) = hexadecimal(&line[at + 1..]) else { break };
        at += 1 + count;
        groups += 1;
    }
    let ends =
        line.get(at).is_none_or(|byte| class(*byte) & (DIGIT | LETTER) == 0 && !matches!(byte, b':' | b'_'));
    (groups >= 6 && ends).then_some(at)
}

/// Length of `:port` behind the name of a host with dots in it, all in small letters.
fn port(run: &[u8], rest: &[u8]) -> Option<usize> {
    let digits = rest[1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let ends = rest.get(1 + digits).is_none_or(|byte| class(*byte) & (DIGIT | LETTER) == 0 && *byte != b'_');
    if digits == 0 || !ends || !run[0].is_ascii_lowercase() || run.ends_with(b".") {
        return None;
    }
    let of_a_host =
        |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'-');
    let dots = run.windows(2).any(|pair| pair == b"..");
    (run.contains(&b'.') && !dots && run.iter().all(of_a_host)).then_some(1 + digits)
}

fn is_uuid(run: &[u8]) -> bool {
    run.iter().enumerate().all(|(at, byte)| match at {
        8 | 13 | 18 | 23 => *byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    })
}

/// What a word with digits in it is.
fn with_digits(word: &[u8]) -> Kind {
    if let Some(kind) = number(word) {
        return Kind::Value(kind);
    }
    let (last, name) = (word[word.len() - 1], &word[..word.len() - 1]);
    let is_name = |byte: &u8| class(*byte) == LETTER || matches!(byte, b'_' | b'-');
    if last.is_ascii_digit() && name.len() >= 2 && name.iter().all(is_name) {
        Kind::Named
    } else {
        Kind::Mixed
    }
}

/// Numbers, in any of the ways in which people separate their digits.
fn number(word: &[u8]) -> Option<ValueKind> {
    let digits = match word {
        [b'+' | b'-', rest @ ..] => rest,
        all => all,
    };
    if let [b'0', b'x', rest @ ..] = digits {
        let hexadecimal = !rest.is_empty() && rest.iter().all(u8::is_ascii_hexdigit);
        return hexadecimal.then_some(ValueKind::Hexadecimal);
    }
    let plain = digits.strip_suffix(b"%").unwrap_or(digits);
    let separated = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'.' | b'/' | b'_' | b'-');
    if !plain.first()?.is_ascii_digit() || !plain.iter().all(separated) {
        return None;
    }
    let count = |wanted: u8| plain.iter().filter(|byte| **byte == wanted).count();
    let is_address = count(b'.') == 3 && plain.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.');
    Some(if is_address { ValueKind::Address } else { ValueKind::Number })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn scanned(line: &str) -> Vec<(String, Kind)> {
        let mut scanner = Scanner::default();
        scanner.scan(line.as_bytes(), 100);
        let text = |token: &Token| String::from_utf8_lossy(token.text(line.as_bytes())).into_owned();
        scanner.tokens.iter().map(|token| (text(token), token.kind)).collect()
    }

    #[test]
    fn values_are_told_by_their_form() {
        use ValueKind::{Address, Hexadecimal, Number, Path, Time, Url, Uuid};
        for (line, kind) in [
            ("12", Number),
            ("-3.25", Number),
            ("99%", Number),
            ("2026-11-29", Number),
            ("0xdeadBEEF", Hexadecimal),
            ("10.0.0.7", Address),
            ("ec:f4:bb:00:17:2a", Address),
            ("2607:f140:6000:8:c6b3:1ff:fecd:467f", Address),
            ("proxy.example.org:5070", Address),
            ("6f1e0a9c-0000-4000-8000-000000000000", Uuid),
            ("/var/log/a.log", Path),
            ("hdfs://host:8020/a?b=c", Url),
            ("2026-11-29T10:00:00.5Z", Time),
            ("Fri Jul  1 07:57:30 2005", Time),
        ] {
            assert_eq!(scanned(line), [(line.to_owned(), Kind::Value(kind))], "{line}");
        }
    }

    #[test]
    fn words_are_told_from_what_holds_digits() {
        for (word, kind) in [
            ("failed", Kind::Word),
            ("größe", Kind::Word),
            ("Input/output", Kind::Word),
            ("/", Kind::Delimiter),
            ("eth0", Kind::Named),
            ("blk_12", Kind::Mixed),
            ("node-D12", Kind::Mixed),
            ("--", Kind::Delimiter),
        ] {
            assert_eq!(scanned(word), [(word.to_owned(), kind)], "{word}");
        }
    }

    #[test]
    fn punctuation_is_no_part_of_words() {
        let texts = |line| scanned(line).into_iter().map(|(text, _)| text).collect::<Vec<_>>();
        assert_eq!(
            texts("failed (uid=0), Ignoring."),
            ["failed", "(", "uid", "=", "0", ")", ",", "Ignoring", "."]
        );
        assert_eq!(texts("exception......0x1f..."), ["exception", "......", "0x1f", "..."]);
        assert_eq!(texts("  \t "), Vec::<String>::new());
        // Behind brackets a slash divides.
        assert_eq!(scanned("(ops)/s")[3], ("/s".to_owned(), Kind::Word));
    }

    proptest! {
        #[test]
        fn what_is_scanned_is_the_line_without_its_blanks(line in "\\PC{0,120}|[ -~]{0,120}") {
            let mut scanner = Scanner::default();
            scanner.scan(line.as_bytes(), usize::MAX);
            let mut end = 0;
            for token in &scanner.tokens {
                prop_assert!(token.start >= end && token.end > token.start);
                let between = &line.as_bytes()[end as usize..token.start as usize];
                prop_assert!(between.iter().all(|byte| class(*byte) == BLANK));
                prop_assert_eq!(token.gap, token.start > end);
                end = token.end;
            }
            prop_assert!(line.as_bytes()[end as usize..].iter().all(|byte| class(*byte) == BLANK));
        }
    }
}
