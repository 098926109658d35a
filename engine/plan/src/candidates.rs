//! Every strategy that could be tried now, with what it is worth.

use theriac_contract::{Candidate, FaultClass, Hypothesis, Incident, Snapshot};

use crate::{
    playbook::{Playbooks, Requirement, Strategy},
    settings::Settings,
    target, utility,
};

/// A candidate with the strategy behind it; none for doing nothing.
pub(crate) struct Choice<'a> {
    pub(crate) candidate: Candidate,
    pub(crate) behind: Option<(&'a Strategy, &'a Hypothesis)>,
}

/// All candidates, the best first. `failed` are strategies on causes that did not help.
pub(crate) fn candidates<'a>(
    incident: &'a Incident,
    playbooks: &'a Playbooks,
    failed: &[String],
    knowledge: &Snapshot,
    settings: &Settings,
) -> Vec<Choice<'a>> {
    let mut all = Vec::new();
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
            let utility =
                utility::expected(hypothesis.probability, belief, settings.benefit, cost, risk, damage);
            let candidate = Candidate {
                strategy: strategy.name.clone(),
                hypothesis: hypothesis.rank,
                utility,
                refused: refused(strategy, hypothesis, failed, settings),
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
    strategy: &Strategy,
    hypothesis: &Hypothesis,
    failed: &[String],
    settings: &Settings,
) -> Option<String> {
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
        let (met, text) = match requirement {
            Requirement::Instance => (
                hypothesis.entity.as_ref().is_some_and(theriac_contract::Entity::is_instance),
                "it needs one instance as the cause",
            ),
            Requirement::Change => (hypothesis.change.is_some(), "it needs a change to take back"),
            Requirement::Transient => {
                (hypothesis.class == FaultClass::Transient, "it is for faults that pass by themselves")
            }
        };
        if !met {
            return Some(text.to_owned());
        }
    }
    if hypothesis.fault != "unknown" && hypothesis.probability < settings.probability_min {
        return Some(format!(
            "the evidence is weak: {:.2} probable, {:.2} are asked for",
            hypothesis.probability, settings.probability_min
        ));
    }
    let mut steps = strategy.stages.iter().flat_map(|stage| &stage.steps);
    let filled = steps.all(|step| {
        target::resolve(&step.target, hypothesis).is_some()
            && step.parameters.values().all(|text| target::fill(text, hypothesis).is_some())
    });
    (!filled).then(|| "the hypothesis lacks something that the steps name".to_owned())
}
