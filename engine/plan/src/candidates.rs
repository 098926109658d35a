//! Every strategy that could be tried now, with what it is worth.

use std::collections::BTreeSet;

use theriac_contract::{Candidate, FaultClass, Hypothesis, Incident, Utility};

use crate::{
    overview::Overview,
    playbook::{Playbooks, Requirement, Strategy},
    settings::Settings,
    target, utility,
};

/// Name of asking a person.
pub(crate) const ASK: &str = "ask_a_person";
/// Name of deciding again a little later.
pub(crate) const WAIT: &str = "wait";

/// What is behind a candidate.
#[derive(Clone, Copy)]
pub(crate) enum Behind<'a> {
    /// A strategy against what a hypothesis says, or asking a person about it.
    Strategy(&'a Strategy, &'a Hypothesis),
    /// Deciding again a little later.
    Wait,
    /// Nothing.
    Nothing,
}

/// A candidate with what is behind it.
pub(crate) struct Choice<'a> {
    pub(crate) candidate: Candidate,
    pub(crate) behind: Behind<'a>,
}

/// What the case of an incident has seen so far.
pub(crate) struct Past<'a> {
    /// Attempts that did not help.
    pub(crate) failed: &'a [String],
    /// Attempts that a person rejected.
    pub(crate) rejected: &'a BTreeSet<String>,
    /// Times that waiting was chosen.
    pub(crate) waits: u32,
    /// Whether a person was asked.
    pub(crate) asked: bool,
}

/// All candidates, the best first. `ask` is the strategy of asking a person.
pub(crate) fn candidates<'a>(
    incident: &'a Incident,
    playbooks: &'a Playbooks,
    ask: &'a Strategy,
    past: &Past<'_>,
    overview: &Overview<'_>,
    settings: &Settings,
) -> Vec<Choice<'a>> {
    let mut all = Vec::new();
    for hypothesis in incident.hypotheses.iter().take(settings.hypotheses_considered) {
        for strategy in playbooks.strategies(&hypothesis.fault) {
            let belief = utility::belief(strategy, hypothesis, overview, settings);
            // An action may have been lost on the way. Tried again it is worth less.
            let tries = tries(strategy, hypothesis, past.failed) as f64;
            let belief = (belief.0, belief.1 + tries * (belief.0 + belief.1));
            let (cost, risk, damage) = (strategy.cost, strategy.risk, strategy.damage);
            let utility =
                utility::expected(hypothesis.probability, belief, settings.benefit, cost, risk, damage);
            let candidate = Candidate {
                strategy: strategy.name.clone(),
                hypothesis: hypothesis.rank,
                utility,
                refused: refused(strategy, hypothesis, past, settings),
            };
            all.push(Choice { candidate, behind: Behind::Strategy(strategy, hypothesis) });
        }
    }
    let mut always = |strategy: &str, utility: Utility, refused: Option<&str>, behind: Behind<'a>| {
        let (strategy, refused) = (strategy.to_owned(), refused.map(str::to_owned));
        all.push(Choice { candidate: Candidate { strategy, hypothesis: 0, utility, refused }, behind });
    };
    let nothing = utility::expected(0.0, (1.0, 1.0), settings.benefit, 0.0, 0.0, 0.0);
    always("do_nothing", nothing, None, Behind::Nothing);
    let considered = &incident.hypotheses[..incident.hypotheses.len().min(settings.hypotheses_considered)];
    let waited = (past.waits >= settings.choice.waits_max).then_some("it was waited for long enough");
    always(WAIT, utility::wait(considered, overview.known, settings), waited, Behind::Wait);
    if let Some(first) = incident.hypotheses.first() {
        let utility = utility::ask(&first.fault, overview.known, settings);
        let asked = past.asked.then_some("a person was asked already");
        always(ASK, utility, asked, Behind::Strategy(ask, first));
    }
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
    past: &Past<'_>,
    settings: &Settings,
) -> Option<String> {
    if past.rejected.contains(&attempt(&strategy.name, hypothesis)) {
        return Some("a person rejected it for this incident".to_owned());
    }
    let tries = tries(strategy, hypothesis, past.failed);
    if tries >= settings.tries_max as usize {
        return Some(format!("it was tried {tries} times for this incident and did not help"));
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
