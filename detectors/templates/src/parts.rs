//! Templates that turn out to be several: their parts get names, and lines find the part that is theirs.

use crate::{
    miner::{Miner, TemplateId},
    template::Template,
};

impl Miner {
    /// The names of the templates that a name was found to stand for, the largest first; empty if it
    /// was not. Each was given a name of its own, so that a name never means two things.
    #[must_use]
    pub fn parts(&self, id: TemplateId) -> &[TemplateId] {
        let at = self.splits.binary_search_by_key(&id, |(from, _)| *from);
        at.map_or(&[], |at| &self.splits[at].1)
    }

    /// The name that was found to stand for this template and others, if it began as a part.
    #[must_use]
    pub fn whole(&self, id: TemplateId) -> Option<TemplateId> {
        self.splits.iter().find(|(_, parts)| parts.contains(&id)).map(|(from, _)| *from)
    }

    /// The part that a line with words that nobody knows belongs to by its layout, if the slot that it
    /// was found to be of is the largest of parts, knows no such layout, and another of them does.
    #[cold]
    pub(crate) fn part_laid_out(&self, slot: u32, line: &[u8]) -> Option<u32> {
        if self.routes.len() >= self.settings.patterns_max {
            return None;
        }
        let largest = self.templates[slot as usize].as_ref()?;
        let of_largest = |whole: &TemplateId| self.current(*whole).0 == largest.id;
        let mut parts = self.splits.iter().filter(|(whole, _)| of_largest(whole)).peekable();
        let tokens = &self.scanner.tokens;
        if parts.peek().is_none() || largest.lays_out(line, tokens) {
            return None;
        }
        let names = parts.flat_map(|(_, parts)| &parts[1..]).map(|part| self.current(*part).0);
        let slot_of = |name: u64| {
            let named = |template: &Option<Template>| template.as_ref().is_some_and(|one| one.id == name);
            self.templates.iter().position(named)
        };
        let laid_out =
            |slot: &usize| self.templates[*slot].as_ref().is_some_and(|part| part.lays_out(line, tokens));
        names.filter_map(slot_of).find(laid_out).and_then(|slot| u32::try_from(slot).ok())
    }

    /// Makes templates of the parts of one, if it has any; gives the slot of the line that was added.
    #[cold]
    pub(crate) fn split(&mut self, slot: u32) -> u32 {
        let Some(whole) = self.templates[slot as usize].as_mut() else { return slot };
        let old = TemplateId(whole.id);
        let room =
            self.living < self.settings.templates_max && self.routes.len() < self.settings.patterns_max;
        let parts = if room { whole.parts() } else { Vec::new() };
        let (mut names, mut of_line, mut first) = (Vec::new(), None, None);
        for (mut part, words) in parts {
            part.rename(self.next_id);
            names.push(TemplateId(self.next_id));
            self.next_id += 1;
            let new = u32::try_from(self.templates.len()).expect("fewer templates than u32 holds");
            self.templates.push(Some(part));
            self.merged.push(new);
            self.living += 1;
            if words.contains(&self.signature.words) {
                of_line = Some(new);
            }
            // What is not known yet goes on to the largest.
            if *first.get_or_insert(new) != new {
                self.routes.extend(words.into_iter().map(|words| (words, new)));
            }
        }
        let Some(first) = first else { return slot };
        self.templates[slot as usize] = None;
        self.merged[slot as usize] = first;
        self.living -= 1;
        // Names only grow, but an older template may be split after a younger one.
        let at = self.splits.partition_point(|(from, _)| *from < old);
        self.splits.insert(at, (old, names));
        self.remembered.clear();
        self.given_up += 1;
        self.version += 1;
        of_line.unwrap_or(first)
    }
}
