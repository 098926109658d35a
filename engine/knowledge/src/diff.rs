//! What differs between two snapshots.

use std::{collections::BTreeSet, fmt};

use serde::{Deserialize, Serialize};
use theriac_contract::{
    Belief, Change, EdgeKind, Entity, Judgement, LogTemplate, Snapshot, TemplateReplacement,
};

use crate::line;

/// One difference.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "difference", rename_all = "snake_case")]
pub enum Difference {
    /// An entity is known in one of the two.
    Entity {
        /// Whether the later one knows it.
        added: bool,
        /// The entity.
        entity: Entity,
    },
    /// An edge is known in one of the two.
    Edge {
        /// Whether the later one knows it.
        added: bool,
        /// From.
        from: Entity,
        /// To.
        to: Entity,
        /// Meaning.
        kind: EdgeKind,
    },
    /// A name stands for others in one of the two.
    Alias {
        /// Whether the later one knows it.
        added: bool,
        /// The name.
        name: Entity,
        /// Whom it stands for.
        of: BTreeSet<Entity>,
    },
    /// The word of an entity does not count in one of the two.
    Distrust {
        /// Whether that is the later one.
        added: bool,
        /// The entity.
        entity: Entity,
    },
    /// A change is known in one of the two.
    Change {
        /// Whether the later one knows it.
        added: bool,
        /// The change.
        change: Change,
    },
    /// A log template is known in one of the two.
    Template {
        /// Whether the later one knows it.
        added: bool,
        /// The template.
        template: LogTemplate,
    },
    /// A log template is known to be others in one of the two.
    Replaced {
        /// Whether that is the later one.
        added: bool,
        /// Which, and by what.
        replacement: TemplateReplacement,
    },
    /// What people said of symptoms of a measure is not the same.
    Judgement {
        /// [`Snapshot::judgement_key`].
        measure: String,
        /// Before.
        before: Judgement,
        /// After.
        after: Judgement,
    },
    /// What was learnt from confirmed causes is not the same.
    Weights {
        /// [`Snapshot::channel_weights`] before.
        before: String,
        /// After.
        after: String,
    },
    /// The evidence on a strategy is not the same.
    Belief {
        /// [`Snapshot::belief_key`].
        key: String,
        /// Before; none if there was none.
        before: Option<Belief>,
        /// After; none if there is none.
        after: Option<Belief>,
    },
}

/// What leads from `a` to `b`: entities, edges, other names, distrust, changes, log templates and what
/// became of them, beliefs, judgements, weights of channels, each in order.
#[must_use]
pub fn diff(a: &Snapshot, b: &Snapshot) -> Vec<Difference> {
    let entities = |s: &Snapshot| s.topology.instances.values().flatten().cloned().collect::<BTreeSet<_>>();
    let changes = |s: &Snapshot| s.changes.iter().cloned().collect::<BTreeSet<_>>();
    let mut found = Vec::new();
    for (added, entity) in either(&entities(a), &entities(b)) {
        found.push(Difference::Entity { added, entity });
    }
    for (added, (from, to, kind)) in either(&a.topology.edges, &b.topology.edges) {
        found.push(Difference::Edge { added, from, to, kind });
    }
    let aliases = |s: &Snapshot| {
        let all = s.topology.aliases.iter();
        all.map(|(name, alias)| (name.clone(), alias.of.clone())).collect::<BTreeSet<_>>()
    };
    for (added, (name, of)) in either(&aliases(a), &aliases(b)) {
        found.push(Difference::Alias { added, name, of });
    }
    let distrusted = |s: &Snapshot| s.distrusted.keys().cloned().collect::<BTreeSet<_>>();
    for (added, entity) in either(&distrusted(a), &distrusted(b)) {
        found.push(Difference::Distrust { added, entity });
    }
    for (added, change) in either(&changes(a), &changes(b)) {
        found.push(Difference::Change { added, change });
    }
    for (added, template) in either(&a.templates, &b.templates) {
        found.push(Difference::Template { added, template });
    }
    for (added, replacement) in either(&a.replaced_templates, &b.replaced_templates) {
        found.push(Difference::Replaced { added, replacement });
    }
    for key in a.beliefs.keys().chain(b.beliefs.keys()).collect::<BTreeSet<_>>() {
        let (before, after) = (a.beliefs.get(key).copied(), b.beliefs.get(key).copied());
        if before != after {
            found.push(Difference::Belief { key: key.clone(), before, after });
        }
    }
    for measure in a.judgements.keys().chain(b.judgements.keys()).collect::<BTreeSet<_>>() {
        let said = |s: &Snapshot| s.judgements.get(measure).copied().unwrap_or_default();
        let (before, after) = (said(a), said(b));
        if before != after {
            found.push(Difference::Judgement { measure: measure.clone(), before, after });
        }
    }
    if a.channel_weights != b.channel_weights {
        let (before, after) = (a.channel_weights.clone(), b.channel_weights.clone());
        found.push(Difference::Weights { before, after });
    }
    found
}

/// What is in one of the two, in order, and whether it is in the second.
fn either<T: Ord + Clone>(a: &BTreeSet<T>, b: &BTreeSet<T>) -> Vec<(bool, T)> {
    a.symmetric_difference(b).map(|item| (b.contains(item), item.clone())).collect()
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = |added: &bool| if *added { '+' } else { '-' };
        let text = |belief: &Option<Belief>| match belief {
            Some(Belief { successes, failures }) => format!("{successes} of {} helped", successes + failures),
            None => "nothing known".to_owned(),
        };
        match self {
            Self::Entity { added, entity } => write!(f, "{} {entity}", sign(added)),
            Self::Edge { added, from, to, kind } => write!(f, "{} {from} {} {to}", sign(added), kind.verb()),
            Self::Alias { added, name, of } => {
                let of: Vec<&str> = of.iter().map(Entity::as_str).collect();
                write!(f, "{} {name} stands for {}", sign(added), of.join(", "))
            }
            Self::Distrust { added: true, entity } => write!(f, "~ {entity} is not believed"),
            Self::Distrust { added: false, entity } => write!(f, "~ {entity} is believed again"),
            Self::Change { added, change } => {
                let Change { at, entity, kind, from, to, .. } = change;
                write!(f, "{} {kind} of {entity} from `{from}` to `{to}` at {at}", sign(added))
            }
            Self::Template { added, template: LogTemplate { service, severity, text } } => {
                write!(f, "{} {service} says ({severity}): {text}", sign(added))
            }
            Self::Replaced { added, replacement } => {
                write!(f, "{} {}", sign(added), line::replaced(replacement))
            }
            Self::Judgement { measure, before, after } => {
                let text = |said: &Judgement| format!("{} right, {} noise", said.right, said.noise);
                write!(f, "~ symptoms of {measure}: {} -> {}", text(before), text(after))
            }
            Self::Weights { before, after } => {
                let text =
                    |weights: &str| if weights.is_empty() { "none learnt" } else { weights }.to_owned();
                write!(f, "~ weights of channels: {} -> {}", text(before), text(after))
            }
            Self::Belief { key, before, after } => write!(f, "~ {key}: {} -> {}", text(before), text(after)),
        }
    }
}
