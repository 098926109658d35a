//! Log records: counts by severity, by template and by exception, what is new, out of order or
//! without example in them, and change events.
//!
//! | module | holds |
//! |---|---|
//! | `kinds` | templates as entities say them, each under a text that stays |
//! | `novelty` | what a tick says that was never said before |
//! | `sequence` | which template follows which |
//! | `parameters` | which values stand in the places of a template |

mod kinds;
mod novelty;
mod parameters;
mod sequence;

use std::collections::BTreeMap;

use arrow::array::Array;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use theriac_contract::{
    Change, SignalKind, Timestamp,
    telemetry::{Attributes, Logs, canonical, parse_attributes},
};
use theriac_templates::{Miner, Stack};

use crate::{
    bucket::{Bucket, LogRow},
    counts::Counts,
    index::{Index, LOGS, Silence, Slot},
    settings::Settings,
};

use kinds::Kinds;
use novelty::Novelty;
pub(crate) use parameters::{At, Gathered};
pub(crate) use sequence::Session;

/// Names of events that say that somebody changed something, and the kind of the change.
const CHANGES: [(&str, &str); 19] = [
    ("deploy", "deploy"),
    ("deployment", "deploy"),
    ("release", "deploy"),
    ("rollout", "deploy"),
    ("rollback", "deploy"),
    ("configuration", "configuration"),
    ("config", "configuration"),
    ("config_change", "configuration"),
    ("flag", "flag"),
    ("feature_flag", "flag"),
    ("scaling", "scaling"),
    ("schema", "schema"),
    ("schema_migration", "schema"),
    ("migration", "schema"),
    ("certificate", "certificate"),
    ("certificate_rotation", "certificate"),
    ("maintenance", "maintenance"),
    ("checkpoint", "checkpoint"),
    ("compensator", "compensator"),
];

/// Names of loggers that are told apart at most.
const LOGGERS_MAX: usize = 10_000;

/// What is known of logs.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Journal {
    /// One for all, so that its limits are those of the whole. What services say is held apart:
    /// it must not depend on which of them are watched here.
    miner: Miner,
    kinds: Kinds,
    novelty: Novelty,
    /// Numbers of loggers, by name.
    loggers: BTreeMap<String, u32>,
    /// Series that count the lines of an entity, by class.
    #[serde(with = "crate::entries")]
    by_class: BTreeMap<(usize, u8), Slot>,
}

/// Classes of severity.
const CLASSES: [&str; 7] = ["unspecified", "trace", "debug", "info", "warn", "error", "fatal"];
const INFO: u8 = 3;
const ERROR: u8 = 5;

/// Class of a severity, after OpenTelemetry's ranges; by its text where there is no number.
fn class_of(number: u8, text: &str) -> u8 {
    match number {
        1..=24 => (number - 1) / 4 + 1,
        _ => match text.to_ascii_lowercase().as_str() {
            "trace" => 1,
            "debug" => 2,
            "info" | "notice" | "information" => INFO,
            "warn" | "warning" => 4,
            "error" | "err" => ERROR,
            "fatal" | "critical" | "crit" | "alert" | "emerg" | "panic" => 6,
            _ => 0,
        },
    }
}

impl Journal {
    /// Puts a row into its bucket. Gives whether there was room.
    pub(crate) fn take(
        &mut self,
        logs: &Logs<'_>,
        row: usize,
        index: &mut Index,
        bucket: &mut Bucket,
        counts: &mut Counts,
        settings: &Settings,
    ) -> bool {
        if take_change(logs, row, index, bucket, settings) {
            return true;
        }
        let Some(resource) = index.resource(logs.resource.text(row), settings) else { return false };
        let at = Timestamp(logs.time.value(row));
        let (entity, service) = (index.at(resource).entity, index.at(resource).service);
        bucket.hear(resource, LOGS);
        let body = logs.body.value(row);
        let class = class_of(logs.severity_number.value(row), logs.severity_text.text(row));
        let template = self.miner.add_of(service as u64, body).template;
        let kind = self.kinds.of(template, (entity, service), &self.miner, bucket, counts, settings);
        let (by_class, by_template) = self.slots(kind, class, index, settings);
        let session = match logs.trace_id.is_valid(row) {
            true => u128::from_be_bytes(logs.trace_id.value(row).try_into().unwrap_or_default()),
            false => self.logger(logs.scope.text(row)).into(),
        };
        let session = (resource, session);
        bucket.logs.push(LogRow { session, time: at.0, template, kind, slot: by_template });
        for parameter in self.miner.parameters(body) {
            let at = ((template, parameter.place), entity);
            if let Some(gathered) = bucket.parameters.get_mut(&at) {
                gathered.add(&parameter);
            } else if bucket.parameters.len() < settings.parameters_max {
                bucket.parameters.entry(at).or_default().add(&parameter);
            } else {
                counts.shed_parameters += 1;
            }
        }
        let said = bucket.severities.entry(entity).or_default();
        said.0 += 1;
        said.1 += u64::from(class >= ERROR);
        let notable = class > INFO || class == 0;
        let thrown = if notable { thrown(body, entity, index, settings) } else { None };
        for slot in [by_class, by_template, thrown].into_iter().flatten() {
            *bucket.counts.entry(slot).or_default() += 1;
            if notable || Some(slot) == by_template {
                bucket.example(slot, at, body, settings.examples_max, settings.example_length_max);
            }
        }
        if let (Some(slot), true, true) = (by_template, class > INFO, logs.trace_id.is_valid(row)) {
            bucket.tell(slot, at.0, session.1, body, settings.example_length_max);
        }
        by_class.is_some() && by_template.is_some()
    }

    /// The series that count a line: by its class, and by its template. The class is part of a
    /// template's identity: who reads it wants to know whether an error is new.
    fn slots(
        &mut self,
        kind: u32,
        class: u8,
        index: &mut Index,
        settings: &Settings,
    ) -> (Option<Slot>, Option<Slot>) {
        let name = CLASSES[class as usize];
        let kind = self.kinds.at_mut(kind);
        let entity = kind.entity;
        let mut slot = |signal: &str, attributes: &str| {
            index.slot(entity, None, signal, SignalKind::Log, "1", attributes, Silence::Zero, settings)
        };
        let by_class = self.by_class.get(&(entity, class)).copied();
        let by_class = by_class.or_else(|| slot(&format!("log.severity.{name}"), "{}"));
        let by_template = kind.slots.get(&class).copied().or_else(|| {
            let attributes = Attributes::from([
                ("severity".to_owned(), Value::String(name.to_owned())),
                ("template".to_owned(), Value::String(kind.text.clone())),
            ]);
            slot("log.template", &canonical(&attributes))
        });
        by_class.and_then(|slot| self.by_class.insert((entity, class), slot));
        by_template.and_then(|slot| kind.slots.insert(class, slot));
        (by_class, by_template)
    }

    /// Number of a logger; one for all that there is no room for.
    fn logger(&mut self, name: &str) -> u32 {
        if let Some(known) = self.loggers.get(name) {
            return *known;
        }
        let number = u32::try_from(self.loggers.len()).unwrap_or(u32::MAX);
        if self.loggers.len() < LOGGERS_MAX {
            self.loggers.insert(name.to_owned(), number);
        }
        number
    }

    /// The values of a tick that are known from all lines of it.
    pub(crate) fn seal(
        &mut self,
        bucket: &mut Bucket,
        (tick, start): (u64, i64),
        index: &mut Index,
        counts: &mut Counts,
        settings: &Settings,
        values: &mut BTreeMap<Slot, f64>,
    ) {
        for slot in std::mem::take(&mut bucket.gone) {
            index.close(slot);
        }
        let mut put = |entity: usize, signal: &str, silence: Silence, value: f64| {
            let slot = index.slot(entity, None, signal, SignalKind::Log, "1", "{}", silence, settings);
            slot.and_then(|slot| values.insert(slot, value));
            slot
        };
        let mut shed = 0;
        for (entity, (lines, errors)) in std::mem::take(&mut bucket.severities) {
            let all = put(entity, "log.count", Silence::Zero, lines as f64);
            let share = put(entity, "log.error_ratio", Silence::Absent, errors as f64 / lines as f64);
            shed += [all, share].iter().filter(|slot| slot.is_none()).count() as u64;
        }
        for ((entity, what), found) in self.novelty.step(bucket, (tick, start), &self.kinds, counts, settings)
        {
            let Some(slot) = put(entity, what.signal(), Silence::Zero, found.count as f64) else {
                shed += 1;
                continue;
            };
            for (at, text) in found.examples {
                bucket.example(slot, at, &text, settings.examples_max, settings.example_length_max);
            }
        }
        counts.shed_series += shed;
    }
}

/// The series that counts what was thrown in the place that a stack trace names, if there is one.
fn thrown(body: &str, entity: usize, index: &mut Index, settings: &Settings) -> Option<Slot> {
    let stack = Stack::read(body)?;
    let name = ("exception".to_owned(), Value::String(stack.name()));
    let attributes = canonical(&Attributes::from([name]));
    index.slot(entity, None, "log.exception", SignalKind::Log, "1", &attributes, Silence::Zero, settings)
}

/// What sort of change a row tells of, if it does.
fn change_of(logs: &Logs<'_>, row: usize) -> Option<&'static str> {
    let event = logs.event_name.text(row);
    CHANGES.into_iter().find(|(name, _)| *name == event).map(|(_, kind)| kind)
}

/// Whether a row tells that somebody changed something.
pub(crate) fn tells_of_a_change(logs: &Logs<'_>, row: usize) -> bool {
    change_of(logs, row).is_some()
}

/// Puts a row into a bucket if it tells of a change, whose time is its own whichever tick it is told in.
/// Gives whether it does.
pub(crate) fn take_change(
    logs: &Logs<'_>,
    row: usize,
    index: &mut Index,
    bucket: &mut Bucket,
    settings: &Settings,
) -> bool {
    let Some(kind) = change_of(logs, row) else { return false };
    let Some(resource) = index.resource(logs.resource.text(row), settings) else { return false };
    bucket.hear(resource, LOGS);
    let attributes = parse_attributes(logs.attributes.text(row));
    let entity = index.known(index.at(resource).entity).entity.clone();
    let at = Timestamp(logs.time.value(row));
    bucket.changes.push(change(at, kind, entity, &attributes, logs.body.value(row)));
    true
}

fn change(
    at: Timestamp,
    kind: &str,
    entity: theriac_contract::Entity,
    attributes: &Attributes,
    body: &str,
) -> Change {
    let text = |key: &str| match attributes.get(key) {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => String::new(),
    };
    let described = text("change.description");
    let description = if described.is_empty() { body.to_owned() } else { described };
    Change {
        at,
        entity,
        kind: kind.to_owned(),
        from: text("change.from"),
        to: text("change.to"),
        description,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_goes_on_under_its_own_text_when_templates_become_one() {
        let (mut journal, mut counts, mut bucket) =
            (Journal::default(), Counts::default(), Bucket::default());
        let mut text = |user: &str, entity: usize| {
            let body = format!("session opened for user {user} by (uid=0)");
            let template = journal.miner.add_of(0, &body).template;
            let (miner, settings) = (&journal.miner, Settings::default());
            let kind = journal.kinds.of(template, (entity, 0), miner, &mut bucket, &mut counts, &settings);
            journal.kinds.at(kind).text.clone()
        };
        let ann = text("ann", 1);
        let bob = text("bob", 2);
        assert!(ann.contains("user ann by") && bob.contains("user bob by"));
        // With the third name they are one template.
        assert_eq!((text("cid", 1), text("dan", 2)), (ann, bob));
        assert!(text("eve", 3).contains("user <*> by"), "a series that begins now has the text of now");
    }

    #[test]
    fn a_template_that_is_split_ends_and_its_parts_are_no_news() {
        let (mut journal, mut counts, settings) = (
            Journal::default(),
            Counts::default(),
            Settings { novelty_after_ticks: 0, ..Settings::default() },
        );
        let (mut tick, mut news) = (0, Vec::new());
        let mut gone = Vec::new();
        for first in (0..16_000_usize).step_by(1_000) {
            let mut bucket = Bucket::default();
            for number in first..first + 1_000 {
                let name = ["alpha", "beta", "gamma", "delta"][number * 7919 % 4];
                let body = match number * 7919 % 4 {
                    0 | 1 => format!("worker {name} is now done with {number} of its jobs"),
                    _ => format!("worker {name} is now done (with {number}) of its jobs"),
                };
                let template = journal.miner.add_of(0, &body).template;
                let kind =
                    journal.kinds.of(template, (1, 0), &journal.miner, &mut bucket, &mut counts, &settings);
                journal.kinds.at_mut(kind).slots.insert(INFO, kind);
                let row = LogRow { session: (0, 0), time: number as i64, template, kind, slot: None };
                bucket.logs.push(row);
            }
            gone.push(bucket.gone.len());
            let told = journal.novelty.step(&mut bucket, (tick, 0), &journal.kinds, &mut counts, &settings);
            news.extend(told.into_keys().map(|(_, what)| (tick, what)));
            tick += 1;
        }
        assert_eq!(journal.miner.templates().len(), 2, "{:?}", journal.miner.templates());
        assert_eq!(gone.iter().skip(1).sum::<usize>(), 1, "the series of what was split ends once: {gone:?}");
        assert!(news.iter().all(|(tick, _)| *tick == 0), "{news:?}");
    }

    #[test]
    fn classes_follow_the_ranges_of_opentelemetry() {
        let of_number: Vec<&str> =
            [1, 4, 5, 9, 12, 13, 17, 21, 24].map(|n| CLASSES[class_of(n, "") as usize]).into();
        assert_eq!(of_number, ["trace", "trace", "debug", "info", "info", "warn", "error", "fatal", "fatal"]);
        let of_text: Vec<&str> =
            ["Notice", "WARNING", "crit", "?"].map(|t| CLASSES[class_of(0, t) as usize]).into();
        assert_eq!(of_text, ["info", "warn", "fatal", "unspecified"]);
    }
}
