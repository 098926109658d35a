//! Every strategy that could be tried now, with what it is worth.

use theriac_contract::{
    Candidate, Change, Entity, FaultClass, Hypothesis, Incident, Interval, Snapshot, Timestamp,
};

use crate::{
    known_good::known_good,
    playbook::{Playbooks, Requirement, Strategy},
    settings::Settings,
    target, utility,
};

/// A candidate with the strategy behind it; none for doing nothing.
pub(crate) struct Choice<'a> {
    pub(crate) candidate: Candidate,
    pub(crate) behind: Option<(&'a Strategy, &'a Hypothesis)>,
}

/// A migration is announced with the deploy that brings it, before or after.
const TOGETHER: Interval = Interval::from_seconds(120);

/// All candidates, the best first. `failed` are strategies on causes that did not help.
pub(crate) fn candidates<'a>(
    incident: &'a Incident,
    at: Timestamp,
    playbooks: &'a Playbooks,
    failed: &[String],
    knowledge: &Snapshot,
    settings: &Settings,
) -> Vec<Choice<'a>> {
    let mut all = Vec::new();
    let benefit = settings.benefit_of(incident.felt);
    for hypothesis in incident.hypotheses.iter().take(settings.hypotheses_considered) {
        for strategy in playbooks.strategies(&hypothesis.fault) {
            let service = hypothesis.entity.as_ref().map(|entity| entity.service());
            let own = knowledge.belief(&hypothesis.fault, &strategy.name, service);
            let everywhere = knowledge.belief(&hypothesis.fault, &strategy.name, None);
            let belief = utility::belief(strategy, own, everywhere, settings.evidence_of_others);
            // An action may have been lost on the way. Tried again it is worth less.
            let tries = tries(strategy, hypothesis, failed) as f64;
            let belief = (belief.0, belief.1 + tries * (belief.0 + belief.1));
            let (cost, risk, damage) = (strategy.cost, strategy.risk, strategy.damage);
            let utility = utility::expected(hypothesis.probability, belief, benefit, cost, risk, damage);
            let candidate = Candidate {
                strategy: strategy.name.clone(),
                hypothesis: hypothesis.rank,
                utility,
                refused: refused(incident, at, strategy, hypothesis, failed, knowledge, settings),
            };
            all.push(Choice { candidate, behind: Some((strategy, hypothesis)) });
        }
    }
    let nothing = Candidate {
        strategy: "do_nothing".to_owned(),
        hypothesis: 0,
        utility: utility::expected(0.0, (1.0, 1.0), settings.benefit, 0.0, 0.0, 0.0),
        refused: None,
    };
    all.push(Choice { candidate: nothing, behind: None });
    all.sort_by(|a, b| {
        let (a, b) = (&a.candidate, &b.candidate);
        let by_worth = b.utility.expected.total_cmp(&a.utility.expected);
        by_worth.then_with(|| (a.hypothesis, &a.strategy).cmp(&(b.hypothesis, &b.strategy)))
    });
    all
}

/// What identifies a strategy on a cause: what did not help there is not tried again.
pub(crate) fn attempt(strategy: &str, hypothesis: &Hypothesis) -> String {
    let entity = hypothesis.entity.as_ref().map_or("", |entity| entity.as_str());
    format!("{strategy}|{entity}")
}

/// How often a strategy on this cause did not help.
fn tries(strategy: &Strategy, hypothesis: &Hypothesis, failed: &[String]) -> usize {
    let tried = attempt(&strategy.name, hypothesis);
    failed.iter().filter(|one| **one == tried).count()
}

/// Why a strategy cannot be tried; none if it can.
fn refused(
    incident: &Incident,
    at: Timestamp,
    strategy: &Strategy,
    hypothesis: &Hypothesis,
    failed: &[String],
    knowledge: &Snapshot,
    settings: &Settings,
) -> Option<String> {
    let stood = at.since(incident.opened);
    if hypothesis.class == FaultClass::Transient && stood < settings.decide_after_transient {
        return Some(format!(
            "it may pass by itself: it has stood for {:.0} s, {} are given it",
            stood.as_seconds(),
            settings.decide_after_transient
        ));
    }
    let tries = tries(strategy, hypothesis, failed);
    if tries >= settings.tries_max as usize {
        return Some(format!("it was tried {tries} times for this incident and did not help"));
    }
    let mut verbs = strategy.stages.iter().flat_map(|stage| &stage.steps).map(|step| &step.verb);
    let nobody = verbs.find(|verb| !settings.only_verbs.is_empty() && !settings.only_verbs.contains(verb));
    if let Some(verb) = nobody {
        return Some(format!("nobody here can `{verb}`: it is not in only_verbs"));
    }
    for requirement in &strategy.requires {
        if let Some(text) = unmet(*requirement, hypothesis, knowledge) {
            return Some(text.to_owned());
        }
    }
    if hypothesis.fault != "unknown" && hypothesis.probability < settings.probability_min {
        return Some(format!(
            "the evidence is weak: {:.2} probable, {:.2} are asked for",
            hypothesis.probability, settings.probability_min
        ));
    }
    let known = known_good(incident, hypothesis, knowledge);
    let mut steps = strategy.stages.iter().flat_map(|stage| &stage.steps);
    let filled = steps.all(|step| {
        target::resolve(&step.target, hypothesis).is_some()
            && step.parameters.values().all(|text| target::fill(text, hypothesis, known).is_some())
    });
    (!filled).then(|| "the hypothesis lacks something that the steps name, or its service has registered nothing like it".to_owned())
}

/// What a hypothesis lacks that a strategy needs; none if it has it.
fn unmet(requirement: Requirement, hypothesis: &Hypothesis, knowledge: &Snapshot) -> Option<&'static str> {
    let entity = hypothesis.entity.as_ref();
    let change = hypothesis.change.as_ref();
    let of_programs = change.filter(|change| !change.is_of_settings() && change.kind != Change::SCHEMA);
    let migrated = of_programs.is_some_and(|change| {
        knowledge.changes.iter().any(|other| {
            other.kind == Change::SCHEMA
                && other.entity.service() == change.entity.service()
                && other.at >= change.at.minus(TOGETHER)
        })
    });
    let (met, text) = match requirement {
        Requirement::Instance => {
            (entity.is_some_and(Entity::is_instance), "it needs one instance as the cause")
        }
        Requirement::Host => (
            entity.is_some_and(|entity| entity.as_str().starts_with("host:")),
            "it needs a host as the cause",
        ),
        Requirement::External => (
            entity
                .is_some_and(|entity| !entity.is_instance() && !knowledge.topology.speaks(entity.service())),
            "it is for what belongs to others: without its own part a service does not work",
        ),
        Requirement::Change => (change.is_some(), "it needs a change to take back"),
        Requirement::Deploy if migrated => {
            (false, "data were changed for the new version: the one before cannot read them")
        }
        Requirement::Deploy => (of_programs.is_some(), "it needs a deploy to take back"),
        Requirement::Migrated => (migrated, "it is for versions that cannot be taken back"),
        Requirement::Configuration => {
            (change.is_some() && of_programs.is_none(), "it needs a change of settings to take back")
        }
        Requirement::Transient => {
            (hypothesis.class == FaultClass::Transient, "it is for faults that pass by themselves")
        }
    };
    (!met).then_some(text)
}
