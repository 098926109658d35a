//! Log records: counts by severity and by template, examples, and change events.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use theriac_contract::{
    Change, SignalKind, Timestamp,
    telemetry::{Attributes, Logs, canonical, parse_attributes},
};

use theriac_templates::{Miner, TemplateId};

use crate::{
    bucket::Bucket,
    counts::Counts,
    index::{Index, LOGS, Silence},
    settings::Settings,
};

/// Names of events that say that somebody changed something.
const CHANGES: [&str; 4] = ["deploy", "configuration", "flag", "scaling"];

/// Longest text of a template in the name of a series, in bytes; the rest is cut off.
const TEXT_BYTES_MAX: usize = 200;

/// Templates known so far.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Templates {
    /// One for all, so that its limits are those of the whole. What services say is held apart:
    /// it must not depend on which of them are watched here.
    miner: Miner,
    /// By entity, with the text that each had when its series began: a series keeps its name
    /// when more is learnt of its template.
    of_entity: BTreeMap<usize, BTreeMap<TemplateId, String>>,
}

/// Class of a severity, after OpenTelemetry's ranges; by its text where there is no number.
pub(crate) fn severity(number: u8, text: &str) -> &'static str {
    match number {
        1..=4 => "trace",
        5..=8 => "debug",
        9..=12 => "info",
        13..=16 => "warn",
        17..=20 => "error",
        21..=24 => "fatal",
        _ => match text.to_ascii_lowercase().as_str() {
            "trace" => "trace",
            "debug" => "debug",
            "info" | "notice" | "information" => "info",
            "warn" | "warning" => "warn",
            "error" | "err" => "error",
            "fatal" | "critical" | "crit" | "alert" | "emerg" | "panic" => "fatal",
            _ => "unspecified",
        },
    }
}

impl Templates {
    /// The text of a record's template, as the series of this entity has it in its name.
    fn text(
        &mut self,
        body: &str,
        (entity, service): (usize, usize),
        counts: &mut Counts,
        settings: &Settings,
    ) -> String {
        let id = self.miner.add_of(service as u64, body).template;
        let known = self.of_entity.entry(entity).or_default();
        if let Some(text) = known.get(&id) {
            return text.clone();
        }
        // Known by a name that has led to this one since it was found to be the same.
        let old = known.keys().find(|old| self.miner.current(**old) == id).copied();
        if let Some(text) = old.and_then(|old| known.remove(&old)) {
            known.insert(id, text.clone());
            return text;
        }
        if known.len() >= settings.templates_max {
            counts.other_templates += 1;
            return "<other>".to_owned();
        }
        let mut text = self.miner.text(id).unwrap_or_default();
        if text.len() > TEXT_BYTES_MAX {
            text.truncate(text.floor_char_boundary(TEXT_BYTES_MAX));
            text.push_str(" ...");
        }
        known.insert(id, text.clone());
        text
    }

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
        let Some(resource) = index.resource(logs.resource.text(row), settings) else { return false };
        let at = Timestamp(logs.time.value(row));
        let (entity, service) = (index.at(resource).entity, index.at(resource).service);
        bucket.hear(resource, LOGS);
        if let Some(kind) = CHANGES.into_iter().find(|kind| *kind == logs.event_name.text(row)) {
            let attributes = parse_attributes(logs.attributes.text(row));
            bucket.changes.push(change(
                at,
                kind,
                index.known(entity).entity.clone(),
                &attributes,
                logs.body.value(row),
            ));
            return true;
        }
        let class = severity(logs.severity_number.value(row), logs.severity_text.text(row));
        let body = logs.body.value(row);
        let text = self.text(body, (entity, service), counts, settings);
        let mut slot = |signal: &str, attributes: &str| {
            index.slot(entity, None, signal, SignalKind::Log, "1", attributes, Silence::Zero, settings)
        };
        // The severity is part of a template's identity: who reads it wants to know whether
        // an error is new.
        let attributes = Attributes::from([
            ("severity".to_owned(), Value::String(class.to_owned())),
            ("template".to_owned(), Value::String(text)),
        ]);
        let by_class = slot(&format!("log.severity.{class}"), "{}");
        let by_template = slot("log.template", &canonical(&attributes));
        for slot in [by_class, by_template].into_iter().flatten() {
            *bucket.counts.entry(slot).or_default() += 1;
            if class != "info" && class != "debug" && class != "trace" || Some(slot) == by_template {
                bucket.example(slot, at, body, settings.examples_max, settings.example_length_max);
            }
        }
        by_class.is_some() && by_template.is_some()
    }
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
        let (mut templates, mut counts) = (Templates::default(), Counts::default());
        let mut text = |user: &str, entity: usize| {
            let body = format!("session opened for user {user} by (uid=0)");
            templates.text(&body, (entity, 0), &mut counts, &Settings::default())
        };
        let ann = text("ann", 1);
        let bob = text("bob", 2);
        assert!(ann.contains("user ann by") && bob.contains("user bob by"));
        // With the third name they are one template.
        assert_eq!((text("cid", 1), text("dan", 2)), (ann, bob));
        assert!(text("eve", 3).contains("user <*> by"), "a series that begins now has the text of now");
        let known: Vec<usize> = templates.of_entity.values().map(BTreeMap::len).collect();
        assert_eq!(known, [1, 1, 1]);
    }
}
