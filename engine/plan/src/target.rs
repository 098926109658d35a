//! Names in playbooks that stand for what was diagnosed.

use theriac_contract::{Entity, Hypothesis};

use crate::known_good::KnownGood;

const PLACEHOLDERS: [&str; 6] =
    ["cause", "cause.service", "change.from", "change.to", "checkpoint.id", "compensator.id"];

/// The instances of a service that bear the mark of its fault, as a target: a step for each of them.
pub(crate) const INSTANCES: &str = "cause.instances";

/// The entities that a target stands for, one after the other; none if the hypothesis does not have it.
pub(crate) fn all(target: &str, hypothesis: &Hypothesis) -> Vec<Entity> {
    match target {
        INSTANCES => hypothesis.instances.clone(),
        one => resolve(one, hypothesis).into_iter().collect(),
    }
}

/// The entity that a target stands for; none if the hypothesis does not have it.
pub(crate) fn resolve(target: &str, hypothesis: &Hypothesis) -> Option<Entity> {
    match target {
        "cause" => Some(hypothesis.entity.clone().unwrap_or_else(|| Entity("unknown".to_owned()))),
        "cause.service" => hypothesis.entity.as_ref().map(|entity| Entity(entity.service().to_owned())),
        "change.entity" => hypothesis.change.as_ref().map(|change| change.entity.clone()),
        name => Some(Entity(name.to_owned())),
    }
}

/// Fills in placeholders; none if the hypothesis, or its service, lacks one.
pub(crate) fn fill(text: &str, hypothesis: &Hypothesis, known: KnownGood<'_>) -> Option<String> {
    let mut filled = text.to_owned();
    for name in PLACEHOLDERS {
        let pattern = format!("{{{name}}}");
        if filled.contains(&pattern) {
            let value = match name {
                "change.from" => hypothesis.change.as_ref().map(|change| change.from.clone()),
                "change.to" => hypothesis.change.as_ref().map(|change| change.to.clone()),
                "checkpoint.id" => known.checkpoint.map(|checkpoint| checkpoint.to.clone()),
                "compensator.id" => known.compensator.map(|compensator| compensator.to.clone()),
                place => resolve(place, hypothesis).map(|entity| entity.0),
            }?;
            filled = filled.replace(&pattern, &value);
        }
    }
    Some(filled)
}

/// What is wrong with the placeholders of a text.
pub(crate) fn problem(text: &str) -> Option<String> {
    let mut rest = text;
    while let Some(open) = rest.find('{') {
        let Some(close) = rest[open..].find('}') else {
            return Some(format!("`{text}` has a brace that is not closed"));
        };
        let name = &rest[open + 1..open + close];
        if !PLACEHOLDERS.contains(&name) {
            return Some(format!("`{{{name}}}` is no placeholder; there are {}", PLACEHOLDERS.join(", ")));
        }
        rest = &rest[open + close + 1..];
    }
    None
}
