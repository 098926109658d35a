//! The rows of a tick that is not sealed yet.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use theriac_contract::{Change, Timestamp, telemetry::SpanKind};
use theriac_templates::TemplateId;

use crate::{
    bits::Bits,
    distribution::Distribution,
    index::Slot,
    logs::{At, Gathered, Session},
    traces::asking::Portion,
};

/// Log lines that are shown with a trace, and traces of a tick that have some, at most.
const TRACE_LINES_MAX: usize = 3;
const TRACES_MAX: usize = 10_000;

/// One point of a stream of sums or histograms.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Accumulated {
    pub(crate) stream: u32,
    pub(crate) time: i64,
    pub(crate) start: Option<i64>,
    pub(crate) body: Distribution,
}

/// One span, with what is needed to count it and to find its parent and children. Rows are in the
/// order of trace and span; who serves comes before who calls, for some let both sides of a call
/// have one id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct SpanRow {
    pub(crate) trace: u128,
    pub(crate) span: u64,
    /// [`SpanKind`] as number.
    pub(crate) kind: u8,
    pub(crate) end: i64,
    /// 0 for none.
    pub(crate) parent: u64,
    pub(crate) nanoseconds: i64,
    /// How many spans it stands for, in parts of [`crate::traces::sketch::WHOLE`].
    pub(crate) weight: u64,
    /// Of its entity.
    pub(crate) operation: u32,
    /// Whom it says it calls, or from where it takes a message, or [`crate::traces::ids::NONE`].
    pub(crate) call: u32,
    pub(crate) error: bool,
    /// It says itself that it repeats a call.
    pub(crate) resend: bool,
    /// It was joined to its parent.
    pub(crate) met: bool,
    /// It was counted in an earlier tick.
    pub(crate) counted: bool,
}

impl SpanRow {
    /// A call that is made, not served: counts for edges only.
    #[inline]
    pub(crate) const fn is_outgoing(&self) -> bool {
        self.kind == SpanKind::Client as u8 || self.kind == SpanKind::Producer as u8
    }

    /// Whom it says it calls.
    #[inline]
    pub(crate) const fn called(&self) -> Option<u32> {
        if self.is_outgoing() { crate::traces::catalog::some(self.call) } else { None }
    }

    /// A request that is served, as far as its kind tells.
    #[inline]
    pub(crate) const fn is_served(&self) -> bool {
        self.kind == SpanKind::Server as u8 || self.kind == SpanKind::Consumer as u8
    }

    #[inline]
    pub(crate) const fn start(&self) -> i64 {
        self.end.saturating_sub(self.nanoseconds)
    }
}

/// One log record, with what is needed to tell whether it came in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct LogRow {
    pub(crate) session: Session,
    pub(crate) time: i64,
    pub(crate) template: TemplateId,
    /// Number of the template as its entity says it.
    pub(crate) kind: u32,
    /// The series of its template; none if there was no room.
    pub(crate) slot: Option<Slot>,
}

/// Rows by kind. Where the order of arrival could show, rows are sorted at the seal.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Bucket {
    /// Slot, time, value in order of arrival.
    pub(crate) gauges: Vec<(Slot, i64, Bits)>,
    pub(crate) accumulated: Vec<Accumulated>,
    pub(crate) counts: BTreeMap<Slot, u64>,
    pub(crate) spans: Vec<SpanRow>,
    /// What each asker, or key, has of the requests of a place: number of the place, name.
    #[serde(default)]
    pub(crate) asked: BTreeMap<u32, BTreeMap<String, Portion>>,
    /// Weight of the calls from zones that name an instance, by call.
    #[serde(default)]
    pub(crate) placed: BTreeMap<u32, u64>,
    /// How far sources, by number, were ahead of all others while it was this tick, nanoseconds.
    #[serde(default)]
    pub(crate) ahead: BTreeMap<usize, i64>,
    pub(crate) changes: Vec<Change>,
    pub(crate) logs: Vec<LogRow>,
    /// Log records of each entity, and how many of them tell of errors.
    pub(crate) severities: BTreeMap<usize, (u64, u64)>,
    /// What stood in the places of templates, by entity.
    #[serde(with = "crate::entries")]
    pub(crate) parameters: BTreeMap<(At, usize), Gathered>,
    /// Templates that were found to be others in this tick.
    pub(crate) renamed: BTreeMap<TemplateId, TemplateId>,
    /// Templates that were found to be several in this tick, and which.
    #[serde(default)]
    pub(crate) split: BTreeMap<TemplateId, Vec<TemplateId>>,
    /// Entities, the text of a template of theirs that was found to be others in this tick, and the texts
    /// of those.
    #[serde(default)]
    pub(crate) replaced: BTreeSet<(usize, String, Vec<String>)>,
    /// Series of which nothing more will be heard from this tick on.
    pub(crate) gone: Vec<Slot>,
    /// What was said in traces, warnings and worse.
    #[serde(with = "crate::entries")]
    pub(crate) told_in: BTreeMap<u128, Vec<(i64, String)>>,
    /// The earliest trace in which a series of log lines was said, and when.
    pub(crate) told_of: BTreeMap<Slot, (i64, u128)>,
    /// Earliest examples of each slot.
    pub(crate) examples: BTreeMap<Slot, Vec<(Timestamp, String)>>,
    /// Resource to signals heard.
    pub(crate) heard: BTreeMap<u32, u8>,
}

impl Bucket {
    /// Rows that take memory until the seal.
    pub(crate) fn rows(&self) -> usize {
        self.gauges.len() + self.accumulated.len() + self.spans.len() + self.changes.len() + self.logs.len()
    }

    pub(crate) fn hear(&mut self, resource: u32, signal: u8) {
        *self.heard.entry(resource).or_default() |= signal;
    }

    /// Notes that a series of log lines was said in a trace, and what: the earliest lines of the
    /// traces that come first in order, so that who came first does not show.
    pub(crate) fn tell(&mut self, slot: Slot, at: i64, trace: u128, text: &str, length: usize) {
        let earliest = self.told_of.entry(slot).or_insert((at, trace));
        *earliest = (*earliest).min((at, trace));
        let lines = self.told_in.entry(trace).or_default();
        if lines.len() < TRACE_LINES_MAX || lines.last().is_some_and(|(latest, _)| *latest >= at) {
            lines.push((at, cut(text, length).to_owned()));
            lines.sort();
            lines.truncate(TRACE_LINES_MAX);
        }
        if self.told_in.len() > TRACES_MAX {
            self.told_in.pop_last();
        }
    }

    /// Keeps an example if it is among the earliest.
    pub(crate) fn example(&mut self, slot: Slot, at: Timestamp, text: &str, examples: usize, length: usize) {
        let kept = self.examples.entry(slot).or_default();
        if kept.len() >= examples && kept.last().is_none_or(|(latest, _)| *latest < at) {
            return;
        }
        kept.push((at, cut(text, length).to_owned()));
        kept.sort();
        kept.truncate(examples);
    }
}

/// At most `length` bytes of a text, cut between characters.
pub(crate) fn cut(text: &str, length: usize) -> &str {
    let mut end = length.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
