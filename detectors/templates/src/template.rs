//! One template: how its lines are laid out, and which of their tokens vary.

use serde::{Deserialize, Serialize};

use crate::{
    hash::Sequence,
    scan::{Kind, Token},
    signature::is_unit,
    variants::{self, Variants},
};

/// Layouts that are kept of a template; lines of others are counted, and shown as the largest.
const LAYOUTS_MAX: usize = 8;

/// So many lines of a layout must agree on a word with digits in it before it is a part of the template.
const SETTLED: u64 = 20;

/// What so many lines have not shown to vary is looked for in some of the lines only, each of which stands
/// for as many.
const KNOWN: u64 = 1000;
const STRIDE: u64 = 8;

/// Whether a line is one of those: one in [`STRIDE`], at no fixed distance, for programs say things
/// in turns. Multiples of the golden ratio are spread evenly over every such turn.
const fn is_sampled(line: u64) -> bool {
    line.wrapping_mul(0x9e37_79b9_7f4a_7c15) < u64::MAX / STRIDE
}

/// A token of a layout.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Part {
    text: String,
    gap: bool,
    form: Form,
    /// Not all lines have this text.
    varies: bool,
    /// Bytes that the texts of all lines begin with.
    prefix: usize,
    /// All texts so far are units, `KB` and `MB`.
    unit: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Form {
    Delimiter,
    Word,
    /// A word with digits.
    Mixed,
    Value,
}

impl Form {
    const fn of(kind: Kind) -> Self {
        match kind {
            Kind::Delimiter => Self::Delimiter,
            Kind::Word => Self::Word,
            Kind::Named | Kind::Mixed => Self::Mixed,
            Kind::Value(_) => Self::Value,
        }
    }
}

impl Part {
    fn of(line: &[u8], token: &Token) -> Self {
        let text = token.text(line);
        Self {
            text: String::from_utf8_lossy(text).into_owned(),
            gap: token.gap,
            form: Form::of(token.kind),
            varies: false,
            prefix: text.len(),
            unit: is_unit(text),
        }
    }

    fn see(&mut self, text: &[u8], form: Form) {
        if form == Form::Value {
            self.form = Form::Value;
        }
        // Nothing that is still to be learnt of it.
        if self.varies && self.prefix == 0 && !self.unit || text == self.text.as_bytes() {
            return;
        }
        self.varies = true;
        self.unit &= is_unit(text);
        let same = self.text.bytes().zip(text).take_while(|(ours, theirs)| ours == *theirs).count();
        self.prefix = self.prefix.min(same);
    }

    /// What is shown of it; nothing if it is a unit that varies behind a value.
    fn show(&self, settled: bool, out: &mut String, first: bool) {
        let stays = match self.form {
            Form::Delimiter => true,
            Form::Word => !self.varies,
            Form::Mixed => !self.varies && (settled || is_name(&self.text)),
            Form::Value => false,
        };
        if !stays && self.varies && self.unit && self.form != Form::Value && out.ends_with("<*>") {
            return;
        }
        if self.gap && !first {
            out.push(' ');
        }
        if stays {
            out.push_str(&self.text);
        } else {
            out.push_str(self.lead());
            out.push_str("<*>");
        }
    }

    /// The part of a value that is the same in all of them: the scheme of a URL, `core.`, `node-`.
    fn lead(&self) -> &str {
        let same = self.text.get(..self.prefix).unwrap_or("");
        if self.form == Form::Value {
            return same.find("://").map_or("", |scheme| &same[..scheme + 3]);
        }
        let letters = same.find(|c: char| c.is_ascii_digit()).unwrap_or(same.len());
        let end = same[..letters].rfind(['-', '.', '/', '@']).map_or(0, |last| last + 1);
        let lead = &same[..end];
        let named = |c: char| c.is_ascii_alphabetic() || matches!(c, '.' | '_' | '/' | '-' | '@');
        // The `-` of `blk_-12` is a sign.
        if lead.starts_with(|c: char| c.is_ascii_alphabetic())
            && lead.chars().all(named)
            && !lead.ends_with("_-")
        {
            lead
        } else {
            ""
        }
    }
}

/// Whether a word is a name though it has digits: few of them, behind letters or among many.
fn is_name(word: &str) -> bool {
    let count = |of: fn(&char) -> bool| word.chars().filter(of).count();
    let (digits, letters) = (count(char::is_ascii_digit), count(|c| c.is_alphabetic()));
    let stem = word.trim_end_matches(|c: char| c.is_ascii_digit());
    let behind = digits <= 2
        && word.len() - stem.len() == digits
        && !stem.is_empty()
        && stem.chars().all(|c| c.is_ascii_alphabetic() || matches!(c, '_' | '-'));
    digits <= 2 && letters >= 4 * digits || behind
}

/// Lines of the same delimiters in the same places.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Layout {
    hash: u64,
    lines: u64,
    parts: Vec<Part>,
}

fn layout_hash(line: &[u8], tokens: &[Token]) -> u64 {
    let mut sequence = Sequence::new();
    for token in tokens {
        match token.kind {
            Kind::Delimiter => {
                let text = token.text(line);
                sequence.push(u64::from(text[0]) << 32 | text.len() as u64);
            }
            _ => sequence.push(0),
        }
    }
    sequence.finish()
}

/// What is known of the lines that one statement of a program writes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Template {
    pub(crate) id: u64,
    pub(crate) lines: u64,
    /// Number of the line that was its latest.
    pub(crate) latest: u64,
    layouts: Vec<Layout>,
    #[serde(default)]
    variants: Variants,
}

impl Template {
    pub(crate) fn new(id: u64) -> Self {
        Self { id, lines: 0, latest: 0, layouts: Vec::new(), variants: Variants::default() }
    }

    /// Takes a line in; gives whether it is time to ask for [`Self::parts`]. `words` is the
    /// fingerprint of its words.
    pub(crate) fn see(&mut self, words: u64, line: &[u8], tokens: &[Token]) -> bool {
        self.lines += 1;
        let weight = if self.lines <= KNOWN { 1 } else { STRIDE };
        if weight > 1 && !is_sampled(self.lines) {
            return false;
        }
        let hash = layout_hash(line, tokens);
        if let Some(layout) = self.layouts.iter_mut().find(|layout| layout.hash == hash) {
            layout.lines += weight;
            for (part, token) in layout.parts.iter_mut().zip(tokens) {
                if part.form != Form::Delimiter {
                    part.see(token.text(line), Form::of(token.kind));
                }
            }
        } else if self.layouts.len() < LAYOUTS_MAX {
            let parts = tokens.iter().map(|token| Part::of(line, token)).collect();
            self.layouts.push(Layout { hash, lines: weight, parts });
        }
        weight > 1 && self.variants.see(words, hash)
    }

    /// Whether a line is laid out as lines of it were.
    pub(crate) fn lays_out(&self, line: &[u8], tokens: &[Token]) -> bool {
        let hash = layout_hash(line, tokens);
        self.layouts.iter().any(|layout| layout.hash == hash)
    }

    /// Whether what it says of itself can be.
    pub(crate) const fn is_sound(&self) -> bool {
        self.variants.is_sound()
    }

    /// Gives it another name.
    pub(crate) const fn rename(&mut self, id: u64) {
        self.id = id;
    }

    /// The templates that it turned out to be, without their names, and the words of each: the
    /// largest first. None if it is one.
    pub(crate) fn parts(&mut self) -> Vec<(Self, Vec<u64>)> {
        let parts = self.variants.parts();
        let shown =
            |part: &variants::Part| self.layouts.iter().any(|layout| part.layouts.contains(&layout.hash));
        let several = parts.len() > 1 && parts.iter().all(shown);
        self.variants.settle();
        if !several {
            return Vec::new();
        }
        let of = |part: variants::Part| {
            let own = |layout: &&Layout| part.layouts.contains(&layout.hash);
            let layouts: Vec<Layout> = self.layouts.iter().filter(own).cloned().collect();
            let lines = layouts.iter().map(|layout| layout.lines).sum();
            let template = Self { lines, latest: self.latest, layouts, ..Self::new(self.id) };
            (template, part.words)
        };
        parts.into_iter().map(of).collect()
    }

    /// Takes in what is known of another one, whose lines were found to be of this one.
    pub(crate) fn merge(&mut self, other: Self) {
        self.lines += other.lines;
        self.latest = self.latest.max(other.latest);
        // What was seen of either says nothing of both.
        self.variants = Variants::default();
        for theirs in other.layouts {
            if let Some(ours) = self.layouts.iter_mut().find(|ours| ours.hash == theirs.hash) {
                ours.lines += theirs.lines;
                for (our, their) in ours.parts.iter_mut().zip(&theirs.parts) {
                    our.see(their.text.as_bytes(), their.form);
                    our.varies |= their.varies;
                    our.unit &= their.unit;
                    our.prefix = our.prefix.min(their.prefix);
                }
            } else if self.layouts.len() < LAYOUTS_MAX {
                self.layouts.push(theirs);
            }
        }
    }

    /// The layout that is shown: the longest of those that a tenth of the lines have.
    fn shown(&self) -> Option<&Layout> {
        let often = |layout: &&Layout| layout.lines.saturating_mul(10) >= self.lines;
        let longest = self.layouts.iter().filter(often).rev().max_by_key(|layout| layout.parts.len());
        longest.or_else(|| self.layouts.iter().rev().max_by_key(|layout| layout.lines))
    }

    /// Its text: what is written in the program, and `<*>` for what varies.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        if let Some(layout) = self.shown() {
            for (at, part) in layout.parts.iter().enumerate() {
                part.show(layout.lines >= SETTLED, &mut text, at == 0);
            }
        }
        text
    }

    /// The tokens of a line that vary, as far as is known, each with its place.
    pub(crate) fn values<'a>(
        &'a self,
        line: &[u8],
        tokens: &'a [Token],
    ) -> impl Iterator<Item = (u64, &'a Token)> {
        let hash = layout_hash(line, tokens);
        let layout = self.layouts.iter().find(|layout| layout.hash == hash);
        let part = move |at: usize| Some((layout?.parts.get(at)?, layout?.lines >= SETTLED));
        let varies = move |at: usize, token: &Token| match token.kind {
            Kind::Delimiter => false,
            Kind::Value(_) => true,
            Kind::Word => part(at).is_some_and(|(part, _)| part.varies),
            Kind::Named | Kind::Mixed => {
                part(at).is_none_or(|(part, settled)| part.varies || !settled && !is_name(&part.text))
            }
        };
        let values = tokens.iter().enumerate().filter(move |(at, token)| varies(*at, token));
        values.map(move |(at, token)| {
            let mut place = Sequence::new();
            place.push(hash);
            place.push(at as u64);
            (place.finish(), token)
        })
    }
}
