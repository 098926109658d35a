//! How far plans may go by themselves, and when nothing is done to whom.
//!
//! Everything that a step acts on gets the strictest of the levels of the rules that match it, or the
//! default if none does; the strictest of all is the level of the plan. So whoever drains a host needs
//! leave for all that runs there.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use theriac_contract::{Autonomy, Entity, FaultClass, Plan, Timestamp, Topology};

use crate::{calendar::Weekly, pattern::Pattern, reach::Reach};

/// What may be done without asking, and when nothing is done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// Level of steps that no rule matches.
    pub default: Autonomy,
    /// All that match count; the strictest decides.
    pub rules: Vec<Rule>,
    /// When nothing is done to whom. Symptoms and incidents are told all the same.
    pub maintenance: Vec<Maintenance>,
}

/// A level for the steps that it matches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Name for people.
    pub name: String,
    /// What it matches: everything that is named has to fit. Empty for all.
    #[serde(default, rename = "match")]
    pub matching: Match,
    /// Level.
    pub autonomy: Autonomy,
}

/// What a rule matches; a list that is left out fits everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Match {
    /// What is acted upon, or part of it, or runs there: entities, or their services.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<Pattern>,
    /// Suspected faults.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<Pattern>,
    /// How the fault behaves.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<FaultClass>,
    /// What the step does.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub verbs: Vec<Pattern>,
    /// Strategies of the playbooks.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub strategies: Vec<Pattern>,
    /// Times at which it holds; always if left out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub times: Vec<Weekly>,
}

/// A time in which nothing is done to some: once (`from`, `to`), or each week (`weekly`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, try_from = "MaintenanceText")]
pub struct Maintenance {
    /// Name for people.
    pub name: String,
    /// Whom it spares.
    pub targets: Vec<Pattern>,
    /// From this instant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// Until before this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Timestamp>,
    /// Times of each week.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub weekly: Vec<Weekly>,
}

/// A maintenance before it is checked: once (`from`, `to`), or each week (`weekly`).
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct MaintenanceText {
    /// Name for people.
    name: String,
    /// Whom it spares.
    targets: Vec<Pattern>,
    /// From this instant.
    from: Option<Timestamp>,
    /// Until before this one.
    to: Option<Timestamp>,
    /// Times of each week.
    #[serde(default)]
    weekly: Vec<Weekly>,
}

/// A maintenance makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("maintenance `{name}`: {reason}")]
pub struct MaintenanceError {
    name: String,
    reason: &'static str,
}

impl TryFrom<MaintenanceText> for Maintenance {
    type Error = MaintenanceError;

    fn try_from(text: MaintenanceText) -> Result<Self, MaintenanceError> {
        let MaintenanceText { name, targets, from, to, weekly } = text;
        let reason = match (from, to, weekly.is_empty()) {
            _ if targets.is_empty() => "`targets` is empty: name whom it spares, or write [\"*\"]",
            (Some(from), Some(to), true) if from >= to => "`to` is not after `from`: it would spare nobody",
            (Some(_), Some(_), true) | (None, None, false) => {
                return Ok(Self { name, targets, from, to, weekly });
            }
            _ => "give either `from` and `to`, or `weekly`",
        };
        Err(MaintenanceError { name, reason })
    }
}

/// How far a plan may go, and which rules say so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Level {
    pub(crate) autonomy: Autonomy,
    /// Names of the rules that give this level, in their order; none for the default.
    pub(crate) rules: Vec<String>,
}

impl Level {
    /// Who says so, for people.
    pub(crate) fn by(&self) -> String {
        match self.rules.as_slice() {
            [] => "the policy's default".to_owned(),
            names => {
                let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
                format!("the policy's rule {}", names.join(", "))
            }
        }
    }
}

impl Match {
    fn fits(&self, plan: &Plan, verb: &str, target: &Entity, at: Timestamp) -> bool {
        fn any<T>(list: &[T], fits: impl Fn(&T) -> bool) -> bool {
            list.is_empty() || list.iter().any(fits)
        }
        any(&self.targets, |pattern| pattern.fits_entity(target))
            && any(&self.faults, |pattern| pattern.fits(&plan.fault))
            && any(&self.classes, |class| *class == plan.class)
            && any(&self.verbs, |pattern| pattern.fits(verb))
            && any(&self.strategies, |pattern| pattern.fits(&plan.strategy))
            && any(&self.times, |weekly| weekly.holds(at))
    }
}

impl Policy {
    /// What makes no sense beyond its form, one text each.
    pub(crate) fn problems(&self) -> Vec<String> {
        let mut names = std::collections::BTreeSet::new();
        let rules = self.rules.iter().map(|rule| ("rule", &rule.name));
        let all = rules.chain(self.maintenance.iter().map(|maintenance| ("maintenance", &maintenance.name)));
        all.filter(|named| !names.insert(*named))
            .map(|(kind, name)| format!("policy: {kind} `{name}` is there already; rename one"))
            .collect()
    }

    /// JSON Schema of a policy file.
    #[must_use]
    pub fn schema() -> schemars::Schema {
        schemars::schema_for!(Self)
    }

    /// How far a plan may go at an instant. `reaches` are what its targets touch, by the names that
    /// they have themselves.
    pub(crate) fn level(
        &self,
        plan: &Plan,
        reaches: &BTreeMap<Entity, Reach>,
        topology: &Topology,
        at: Timestamp,
    ) -> Level {
        let mut strictest = Level { autonomy: Autonomy::Act, rules: Vec::new() };
        let mut first = true;
        let acted = plan.steps().flat_map(|step| {
            let target = &step.action.target;
            let reach = reaches.get(&topology.resolve(target)).map(|reach| &reach.acted);
            let others = reach.into_iter().flatten().filter(move |entity| *entity != target);
            std::iter::once(target).chain(others).map(|entity| (step.action.verb.as_str(), entity))
        });
        for (verb, entity) in acted {
            let matching: Vec<&Rule> =
                self.rules.iter().filter(|rule| rule.matching.fits(plan, verb, entity, at)).collect();
            let autonomy = matching.iter().map(|rule| rule.autonomy).min().unwrap_or(self.default);
            if first || autonomy < strictest.autonomy {
                strictest = Level { autonomy, rules: Vec::new() };
                first = false;
            }
            for rule in matching.into_iter().filter(|rule| rule.autonomy == strictest.autonomy) {
                if autonomy == strictest.autonomy && !strictest.rules.contains(&rule.name) {
                    strictest.rules.push(rule.name.clone());
                }
            }
        }
        strictest
    }

    /// The maintenance that spares one of `touched` at an instant, and whom.
    pub(crate) fn spared<'a>(
        &self,
        touched: impl IntoIterator<Item = &'a Entity>,
        at: Timestamp,
    ) -> Option<(&Maintenance, &'a Entity)> {
        let now: Vec<&Maintenance> =
            self.maintenance.iter().filter(|maintenance| maintenance.holds(at)).collect();
        touched.into_iter().find_map(|entity| {
            let spares = |pattern: &Pattern| pattern.fits_entity(entity);
            now.iter()
                .find(|maintenance| maintenance.targets.iter().any(spares))
                .map(|maintenance| (*maintenance, entity))
        })
    }
}

impl Maintenance {
    fn holds(&self, at: Timestamp) -> bool {
        self.from.is_some_and(|from| from <= at) && self.to.is_some_and(|to| at < to)
            || self.weekly.iter().any(|weekly| weekly.holds(at))
    }
}
