//! The miner: from lines to templates, one pass.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    families::{Families, Opened, Word, opened},
    hash::{self, ByFingerprint, Sequence},
    scan::{Scanner, ValueKind},
    settings::Settings,
    signature::{GAP, Looks, Signature, value_kind},
    template::Template,
};

/// Name of a template: stays the same while the miner learns, and is never given twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TemplateId(pub u64);

/// What became of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mined {
    /// Its template.
    pub template: TemplateId,
    /// No line of this template was seen before.
    pub new: bool,
}

/// A value in a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameter<'a> {
    /// Where it stands: the same for lines of one template that are laid out alike, and another
    /// one for every other place.
    pub place: u64,
    /// Its form.
    pub kind: ValueKind,
    /// Its bytes, as they stand in the line.
    pub text: &'a [u8],
}

/// A template, to be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// Its name.
    pub id: TemplateId,
    /// Lines so far.
    pub lines: u64,
    /// Number of its latest line, from 1.
    pub latest: u64,
    /// What the program writes, and `<*>` for what varies.
    pub text: String,
}

/// Words and gaps that lines of a template have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pattern {
    /// Who says it.
    pub(crate) program: u64,
    /// `None` is a gap.
    pub(crate) words: Vec<Option<String>>,
    pub(crate) slot: u32,
    /// It was made by opening a place of others.
    pub(crate) opened: bool,
}

/// Counts of what the limits made the miner do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shed {
    /// Templates that were forgotten to make room.
    pub templates: u64,
    /// Lines that were longer than the limit; what is beyond it was not looked at.
    pub long_lines: u64,
}

/// Lines to remember by their signatures, of those whose words are values: cleared as soon as
/// something new is learnt, so it changes the speed only.
const REMEMBERED_MAX: usize = 1 << 16;

/// Finds the templates of log lines.
#[derive(Clone, Debug, Default)]
pub struct Miner {
    pub(crate) settings: Settings,
    pub(crate) templates: Vec<Option<Template>>,
    /// Slot that a slot was merged into.
    pub(crate) merged: Vec<u32>,
    /// Patterns in the order in which they were met.
    pub(crate) patterns: Vec<Pattern>,
    /// Names that were merged into others, and the names of those.
    pub(crate) aliases: Vec<(TemplateId, TemplateId)>,
    /// Names that were found to stand for several templates, and the names of those.
    pub(crate) splits: Vec<(TemplateId, Vec<TemplateId>)>,
    /// Slots of words that were found to be of a template of their own.
    pub(crate) routes: BTreeMap<u64, u32>,
    pub(crate) next_id: u64,
    pub(crate) lines: u64,
    pub(crate) shed: Shed,
    /// Changes of what is known: new templates and merged ones.
    pub(crate) version: u64,
    /// Names that were given up because they turned out to be those of other templates.
    pub(crate) given_up: u64,
    pub(crate) living: usize,
    /// Slot of the line that was added last.
    added: u32,
    /// Slot by the words of a signature, and the first whole signature that had them.
    by_words: ByFingerprint<(u32, u64)>,
    /// Whole signatures that are patterns.
    whole: ByFingerprint<()>,
    pub(crate) remembered: ByFingerprint<u32>,
    families: Families,
    pub(crate) scanner: Scanner,
    pub(crate) signature: Signature,
    buffer: Vec<Opened>,
}

impl Miner {
    /// A miner that knows nothing yet.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self { settings, ..Self::default() }
    }

    /// The first line of a record, as far as it is looked at: a stack trace belongs to what it follows.
    fn looked_at<'a>(&self, record: &'a str) -> &'a [u8] {
        let record = record.trim_start().as_bytes();
        let record = &record[..record.len().min(self.settings.line_bytes_max)];
        &record[..memchr::memchr(b'\n', record).unwrap_or(record.len())]
    }

    /// Takes a record and tells its template.
    pub fn add(&mut self, record: &str) -> Mined {
        self.add_of(0, record)
    }

    /// As [`Miner::add`], for records of several programs, which are told apart by a number: what
    /// one of them says is not held against what another says.
    pub fn add_of(&mut self, program: u64, record: &str) -> Mined {
        self.lines += 1;
        self.shed.long_lines += u64::from(record.len() > self.settings.line_bytes_max);
        let line = self.looked_at(record);
        self.scanner.scan(line, self.settings.tokens_max);
        self.signature.read(program, line, &self.scanner);
        self.make_room();
        let (slot, new) = self.place(program, line);
        let lines = self.lines;
        let template = self.templates[slot as usize].as_mut().expect("a slot that is looked up lives");
        template.latest = lines;
        let several = template.see(self.signature.words, line, &self.scanner.tokens);
        let slot = if several { self.split(slot) } else { slot };
        self.added = slot;
        let template = self.templates[slot as usize].as_ref().expect("a slot that is looked up lives");
        Mined { template: TemplateId(template.id), new }
    }

    /// The values of the line that was added last, as it was given, in order.
    pub fn parameters<'a>(&'a self, line: &'a str) -> impl Iterator<Item = Parameter<'a>> {
        let line = self.looked_at(line);
        let tokens = &self.scanner.tokens;
        let template = self.templates.get(self.added as usize).and_then(Option::as_ref);
        let values = template.into_iter().flat_map(move |template| template.values(line, tokens));
        values.map(move |(place, token)| Parameter {
            place,
            kind: value_kind(token.kind),
            text: token.text(line),
        })
    }

    /// Names that were given up so far because they turned out to be those of other templates, or of
    /// several: while it stays the same, [`Self::current`] gives what it gave.
    #[must_use]
    pub const fn given_up(&self) -> u64 {
        self.given_up
    }

    /// The name that a name goes by now: templates that turn out to be one keep the older name, and
    /// one that turns out to be several goes on as the largest of [`Self::parts`].
    #[must_use]
    pub fn current(&self, id: TemplateId) -> TemplateId {
        let mut id = self.renamed(id);
        while let Some(first) = self.parts(id).first() {
            id = self.renamed(*first);
        }
        id
    }

    /// The name that a name was merged into, whatever became of that one.
    #[must_use]
    pub fn renamed(&self, id: TemplateId) -> TemplateId {
        let mut id = id;
        while let Ok(at) = self.aliases.binary_search_by_key(&id, |(from, _)| *from) {
            id = self.aliases[at].1;
        }
        id
    }

    /// The text of a template, if it is still known.
    #[must_use]
    pub fn text(&self, id: TemplateId) -> Option<String> {
        let id = self.current(id);
        self.templates.iter().flatten().find(|template| template.id == id.0).map(Template::text)
    }

    /// All templates, by name.
    #[must_use]
    pub fn templates(&self) -> Vec<Known> {
        let known = |template: &Template| Known {
            id: TemplateId(template.id),
            lines: template.lines,
            latest: template.latest,
            text: template.text(),
        };
        let mut all: Vec<Known> = self.templates.iter().flatten().map(known).collect();
        all.sort_unstable_by_key(|known| known.id);
        all
    }

    /// How many templates are known.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.living
    }

    /// Whether none is.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.living == 0
    }

    /// Grows with each change of what is known.
    #[must_use]
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// What the limits made the miner do.
    #[must_use]
    pub const fn shed(&self) -> Shed {
        self.shed
    }

    pub(crate) fn slot(&self, slot: u32) -> u32 {
        let mut slot = slot;
        while self.merged[slot as usize] != slot {
            slot = self.merged[slot as usize];
        }
        slot
    }

    /// The slot of the line whose signature was read, and whether it was made for it.
    fn place(&mut self, program: u64, line: &[u8]) -> (u32, bool) {
        if !self.routes.is_empty()
            && let Some(&slot) = self.routes.get(&self.signature.words)
        {
            return (self.slot(slot), false);
        }
        if let Some(&(slot, whole)) = self.by_words.get(&self.signature.words) {
            let slot = self.slot(slot);
            if whole == self.signature.whole || self.whole.contains_key(&self.signature.whole) {
                return (slot, false);
            }
            // The same words with gaps in other places: one more way to write it.
            self.learn(program, line, slot);
            return (self.slot(slot), false);
        }
        if let Some(&slot) = self.remembered.get(&self.signature.whole) {
            return (slot, false);
        }
        let pattern = self.pattern(line);
        let mut buffer = std::mem::take(&mut self.buffer);
        opened(program, &pattern, &mut buffer);
        let open = |opened: &Opened| self.families.get(&opened.key).filter(|family| family.open)?.gap;
        let found = buffer.iter().find_map(open);
        self.buffer = buffer;
        if let Some(slot) = found {
            let slot = self.slot(slot);
            if !self.splits.is_empty()
                && let Some(part) = self.part_laid_out(slot, line)
            {
                self.routes.insert(self.signature.words, part);
                return (part, false);
            }
            if self.remembered.len() >= REMEMBERED_MAX {
                self.remembered.clear();
            }
            self.remembered.insert(self.signature.whole, slot);
            return (slot, false);
        }
        let slot = u32::try_from(self.templates.len()).expect("fewer templates than u32 holds");
        self.templates.push(Some(Template::new(self.next_id)));
        self.merged.push(slot);
        self.next_id += 1;
        self.living += 1;
        self.learn(program, line, slot);
        let kept = self.slot(slot);
        (kept, kept == slot)
    }

    /// The signature that was read, as families know it.
    fn pattern(&self, line: &[u8]) -> Vec<Word> {
        let word = |place: &crate::signature::Place| match self.scanner.tokens.get(place.token as usize) {
            Some(token) if !place.is_gap() => Word { hash: place.hash, looks: Looks::of(token.text(line)) },
            _ => Word { hash: GAP, looks: Looks::default() },
        };
        self.signature.places.iter().map(word).collect()
    }

    /// Takes the signature that was read as a pattern of a template.
    fn learn(&mut self, program: u64, line: &[u8], slot: u32) {
        let text = |place: &crate::signature::Place| {
            let token = self.scanner.tokens.get(place.token as usize).filter(|_| !place.is_gap())?;
            Some(String::from_utf8_lossy(token.text(line)).into_owned())
        };
        let words = self.signature.places.iter().map(text).collect();
        self.version += 1;
        self.remembered.clear();
        let mut decided = Vec::new();
        self.enter(Pattern { program, words, slot, opened: false }, &mut decided);
        while let Some(key) = decided.pop() {
            self.open(key, &mut decided);
        }
    }

    /// Enters a pattern into the tables, and notes the families that now hold a value.
    fn enter(&mut self, pattern: Pattern, decided: &mut Vec<u64>) {
        let at = u32::try_from(self.patterns.len()).unwrap_or(u32::MAX);
        let (program, slot, opened_before) = (pattern.program, pattern.slot, pattern.opened);
        let words = known(&pattern.words);
        let (mut of_words, mut whole) = (Sequence::of_program(program), Sequence::of_program(program));
        for word in &words {
            whole.push(word.hash);
            if word.hash != GAP {
                of_words.push(word.hash);
            }
        }
        let whole = whole.finish();
        let of_words = if words.iter().any(|word| word.hash != GAP) { of_words.finish() } else { whole };
        self.by_words.entry(of_words).or_insert((slot, whole));
        self.whole.insert(whole, ());
        self.patterns.push(pattern);
        let mut all = Vec::new();
        opened(program, &words, &mut all);
        for opened in all {
            let family = self.families.entry(opened.key).or_default();
            family.add(&opened, at, slot);
            if family.open || family.holds_a_value() {
                decided.push(opened.key);
            }
        }
        if words.iter().any(|word| word.hash == GAP) {
            let family = self.families.entry(whole).or_default();
            family.gap.get_or_insert(slot);
            family.open |= opened_before;
            if family.open || family.holds_a_value() {
                decided.push(whole);
            }
        }
    }

    /// Makes one template of those that differ in a place that holds a value.
    fn open(&mut self, key: u64, decided: &mut Vec<u64>) {
        let Some(family) = self.families.get_mut(&key) else { return };
        family.open = true;
        let example = family.example;
        let slots: Vec<u32> = family.values.drain(..).map(|(_, slot)| slot).chain(family.gap).collect();
        let Some(first) = slots.first() else { return };
        let mut kept = self.slot(*first);
        for slot in slots {
            kept = self.merge(kept, slot);
        }
        if let Some(family) = self.families.get_mut(&key) {
            family.gap = Some(kept);
        }
        let Some((pattern, place)) = example else { return };
        let Pattern { program, words, .. } = self.patterns[pattern as usize].clone();
        let looks = known(&words);
        let opens = |at: usize| match place {
            Some(place) => at == place as usize,
            None => looks[at].looks.composed,
        };
        let mut opened: Vec<Option<String>> = Vec::with_capacity(words.len());
        for (at, word) in words.into_iter().enumerate() {
            let word = word.filter(|_| !opens(at));
            if word.is_some() || opened.last().is_none_or(Option::is_some) {
                opened.push(word);
            }
        }
        let mut whole = Sequence::of_program(program);
        known(&opened).iter().for_each(|word| whole.push(word.hash));
        if !self.whole.contains_key(&whole.finish()) {
            self.enter(Pattern { program, words: opened, slot: kept, opened: true }, decided);
        }
    }

    /// Makes one template of two, with the older name; gives its slot.
    fn merge(&mut self, one: u32, other: u32) -> u32 {
        let (one, other) = (self.slot(one), self.slot(other));
        if one == other {
            return one;
        }
        let (into, from) = (one.min(other), one.max(other));
        self.merged[from as usize] = into;
        let gone = self.templates[from as usize].take().expect("a slot that is not merged lives");
        let stays = self.templates[into as usize].as_mut().expect("a slot that is not merged lives");
        let (old, new, gone_lines) = (TemplateId(gone.id), TemplateId(stays.id), gone.lines);
        stays.merge(gone);
        self.living -= 1;
        // A name that was never given away need not lead anywhere.
        if gone_lines > 0
            && let Err(at) = self.aliases.binary_search_by_key(&old, |(from, _)| *from)
        {
            self.aliases.insert(at, (old, new));
            self.given_up += 1;
        }
        into
    }

    /// Makes room if there is none for one more template or pattern.
    fn make_room(&mut self) {
        if self.living >= self.settings.templates_max {
            self.forget_half();
            self.compact();
        } else if self.patterns.len() >= self.settings.patterns_max {
            self.compact();
        }
    }

    /// Forgets the half of the templates that was seen least, and of those the ones longest ago.
    fn forget_half(&mut self) {
        let mut order: Vec<(u64, u64, u32)> = (0_u32..)
            .zip(&self.templates)
            .filter_map(|(slot, template)| template.as_ref().map(|t| (t.lines, t.latest, slot)))
            .collect();
        order.sort_unstable();
        for (_, _, slot) in &order[..order.len().div_ceil(2)] {
            self.templates[*slot as usize] = None;
            self.living -= 1;
            self.shed.templates += 1;
        }
    }

    /// Leaves out what is of no use any more: patterns that opened ones cover, slots that were merged
    /// or forgotten, names that lead nowhere; and templates, if there are too many patterns yet.
    fn compact(&mut self) {
        let mut patterns = std::mem::take(&mut self.patterns);
        patterns.iter_mut().for_each(|pattern| pattern.slot = self.slot(pattern.slot));
        patterns.retain(|pattern| self.templates[pattern.slot as usize].is_some());
        let most = self.settings.patterns_max / 2;
        if patterns.len() > most {
            let mut met = vec![false; self.templates.len()];
            patterns.retain(|pattern| {
                let first = !std::mem::replace(&mut met[pattern.slot as usize], true);
                first || pattern.opened
            });
            while patterns.len() > most && self.living > 1 {
                self.forget_half();
                patterns.retain(|pattern| self.templates[pattern.slot as usize].is_some());
            }
            patterns.truncate(most);
        }
        let mut led_to = vec![false; self.templates.len()];
        patterns.iter().for_each(|pattern| led_to[pattern.slot as usize] = true);
        let mut routes = std::mem::take(&mut self.routes);
        routes.values_mut().for_each(|slot| *slot = self.slot(*slot));
        routes.values().for_each(|slot| led_to[*slot as usize] = true);
        let mut place = vec![u32::MAX; self.templates.len()];
        let mut kept = Vec::with_capacity(self.living);
        for (slot, template) in self.templates.iter_mut().enumerate() {
            let Some(template) = template.take() else { continue };
            if led_to[slot] {
                place[slot] = u32::try_from(kept.len()).unwrap_or(u32::MAX);
                kept.push(Some(template));
            } else {
                self.shed.templates += 1;
            }
        }
        patterns.iter_mut().for_each(|pattern| pattern.slot = place[pattern.slot as usize]);
        routes.values_mut().for_each(|slot| *slot = place[*slot as usize]);
        routes.retain(|_, slot| *slot != u32::MAX);
        self.routes = routes;
        self.merged = (0..u32::try_from(kept.len()).unwrap_or(u32::MAX)).collect();
        self.templates = kept;
        let living: std::collections::BTreeSet<u64> =
            self.templates.iter().flatten().map(|template| template.id).collect();
        // A split whose parts are all forgotten leads nowhere; so do names that lead to it.
        let mut splits = std::mem::take(&mut self.splits);
        splits.retain(|(_, parts)| parts.iter().any(|part| living.contains(&self.renamed(*part).0)));
        self.splits = splits;
        let known = |id: &TemplateId| living.contains(&id.0) || !self.parts(*id).is_empty();
        let renamed = self.aliases.iter().map(|(from, _)| (*from, self.renamed(*from)));
        self.aliases = renamed.filter(|(_, to)| known(to)).collect();
        let oldest = self.aliases.len().saturating_sub(self.settings.templates_max);
        self.aliases.drain(..oldest);
        let oldest = self.splits.len().saturating_sub(self.settings.templates_max);
        self.splits.drain(..oldest);
        self.index(patterns);
        self.version += 1;
    }

    /// Makes the tables from patterns.
    pub(crate) fn index(&mut self, patterns: Vec<Pattern>) {
        self.patterns.clear();
        (self.by_words, self.whole, self.remembered, self.families) = Default::default();
        self.living = self.templates.iter().flatten().count();
        let mut decided = Vec::new();
        for pattern in patterns {
            self.enter(pattern, &mut decided);
        }
        while let Some(key) = decided.pop() {
            self.open(key, &mut decided);
        }
    }
}

/// The words of a pattern as families know them.
fn known(words: &[Option<String>]) -> Vec<Word> {
    let word = |word: &Option<String>| match word {
        Some(text) => Word { hash: hash::bytes(text.as_bytes()), looks: Looks::of(text.as_bytes()) },
        None => Word { hash: GAP, looks: Looks::default() },
    };
    words.iter().map(word).collect()
}
