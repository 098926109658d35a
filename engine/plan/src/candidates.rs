//! Every strategy that could be tried now, with what it is worth.

use std::collections::{BTreeMap, BTreeSet};

use theriac_contract::{
    Candidate, Change, Entity, FaultClass, Felt, Hypothesis, Incident, NodeKind, Snapshot, Timestamp, Utility,
};

use crate::{
    known_good::known_good,
    overview::Overview,
    playbook::{Playbooks, Requirement, Strategy},
    settings::Settings,
    target, utility,
};

/// Name of asking a person.
pub(crate) const ASK: &str = "ask_a_person";
/// Signal of zones that do not hear each other.
const CUT_OFF: &str = "zone.calls.missed";

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
    /// Nothing stands against it but that the fault is given some time to pass by itself.
    pub(crate) early: bool,
    pub(crate) behind: Behind<'a>,
}

/// What the case of an incident has seen so far.
pub(crate) struct Past<'a> {
    /// Attempts that did not help.
    pub(crate) failed: &'a [String],
    /// Attempts that a person rejected.
    pub(crate) rejected: &'a BTreeSet<String>,
    /// Places that are suspected, and since when.
    pub(crate) suspected: &'a BTreeMap<Entity, Timestamp>,
    /// Times that waiting was chosen.
    pub(crate) waits: u32,
    /// Whether a person was asked.
    pub(crate) asked: bool,
}

/// All candidates, the best first. `ask` is the strategy of asking a person.
pub(crate) fn candidates<'a>(
    incident: &'a Incident,
    at: Timestamp,
    playbooks: &'a Playbooks,
    ask: &'a Strategy,
    past: &Past<'_>,
    overview: &Overview<'_>,
    settings: &Settings,
) -> Vec<Choice<'a>> {
    let mut all = Vec::new();
    let benefit = settings.benefit_of(incident.felt);
    // What is done to one place in one way may help against several faults there: which it is does not
    // matter, then.
    let mut together: BTreeMap<(&str, Option<&Entity>), f64> = BTreeMap::new();
    for hypothesis in incident.hypotheses.iter().take(settings.hypotheses_considered) {
        for strategy in playbooks.strategies(&hypothesis.fault) {
            let sum = together.entry((strategy.name.as_str(), hypothesis.entity.as_ref())).or_default();
            *sum += hypothesis.probability;
        }
    }
    for hypothesis in incident.hypotheses.iter().take(settings.hypotheses_considered) {
        for strategy in playbooks.strategies(&hypothesis.fault) {
            // The most probable of them speaks for all.
            let key = (strategy.name.as_str(), hypothesis.entity.as_ref());
            let Some(probability) = together.remove(&key) else { continue };
            let probability = probability.min(1.0);
            let belief = utility::belief(strategy, hypothesis, overview, settings);
            // An action may have been lost on the way. Tried again it is worth less.
            let tries = tries(strategy, hypothesis, past.failed) as f64;
            let belief = (belief.0, belief.1 + tries * (belief.0 + belief.1));
            let (cost, risk, damage) = (strategy.cost, strategy.risk, strategy.damage);
            let utility = utility::expected(probability, belief, benefit, cost, risk, damage);
            let considered = (hypothesis, probability);
            let refusal = refused(incident, strategy, considered, past, overview.known, settings);
            let wait = too_early(incident, at, hypothesis, past, settings);
            let early = refusal.is_none() && wait.is_some();
            let candidate = Candidate {
                strategy: strategy.name.clone(),
                hypothesis: hypothesis.rank,
                utility,
                refused: refusal.or(wait),
            };
            all.push(Choice { candidate, early, behind: Behind::Strategy(strategy, hypothesis) });
        }
    }
    let mut always = |strategy: &str, utility: Utility, refused: Option<&str>, behind: Behind<'a>| {
        let (strategy, refused) = (strategy.to_owned(), refused.map(str::to_owned));
        let candidate = Candidate { strategy, hypothesis: 0, utility, refused };
        all.push(Choice { candidate, early: false, behind });
    };
    let nothing = utility::expected(0.0, (1.0, 1.0), settings.benefit, 0.0, 0.0, 0.0);
    always("do_nothing", nothing, None, Behind::Nothing);
    let considered = &incident.hypotheses[..incident.hypotheses.len().min(settings.hypotheses_considered)];
    let waited = (past.waits >= settings.choice.waits_max).then_some("it was waited for long enough");
    always(WAIT, utility::wait(considered, overview.known, benefit, settings), waited, Behind::Wait);
    if let Some(first) = incident.hypotheses.first() {
        let utility = utility::ask(&first.fault, overview.known, benefit, settings);
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

/// Why it is too early for a strategy; none if it is not.
fn too_early(
    incident: &Incident,
    at: Timestamp,
    hypothesis: &Hypothesis,
    past: &Past<'_>,
    settings: &Settings,
) -> Option<String> {
    if let Some(entity) = &hypothesis.entity {
        let since = past.suspected.get(entity).copied().unwrap_or(at);
        let confirm = settings.choice.confirm;
        if at.since(since) < confirm {
            let seconds = at.since(since).as_seconds();
            return Some(format!("{entity} has been suspected for {seconds:.0} s, {confirm} are asked for"));
        }
    }
    let stood = at.since(incident.opened);
    let may_pass = matches!(hypothesis.class, FaultClass::Transient | FaultClass::Unknown);
    (may_pass && stood < settings.decide_after_transient).then(|| {
        format!(
            "it may pass by itself: it has stood for {:.0} s, {} are given it",
            stood.as_seconds(),
            settings.decide_after_transient
        )
    })
}

/// Why a strategy cannot be tried; none if it can.
fn refused(
    incident: &Incident,
    strategy: &Strategy,
    (hypothesis, probability): (&Hypothesis, f64),
    past: &Past<'_>,
    knowledge: &Snapshot,
    settings: &Settings,
) -> Option<String> {
    if past.rejected.contains(&attempt(&strategy.name, hypothesis)) {
        return Some("a person rejected it for this incident".to_owned());
    }
    let tries = tries(strategy, hypothesis, past.failed);
    if tries >= settings.tries_max as usize {
        return Some(format!("it was tried {tries} times for this incident and did not help"));
    }
    let mut verbs = strategy.stages.iter().flat_map(|stage| &stage.steps).map(|step| &step.verb);
    let nobody = verbs.find(|verb| !settings.only_verbs.is_empty() && !settings.only_verbs.contains(verb));
    if let Some(verb) = nobody {
        return Some(format!("nobody here can `{verb}`: it is not in only_verbs"));
    }
    for requirement in &strategy.requires {
        if let Some(text) = unmet(*requirement, hypothesis, incident, knowledge) {
            return Some(text.to_owned());
        }
    }
    if hypothesis.fault != "unknown" && probability < settings.probability_min {
        return Some(format!(
            "the evidence is weak: {probability:.2} probable, {:.2} are asked for",
            settings.probability_min
        ));
    }
    let known = known_good(incident, hypothesis, knowledge);
    let mut steps = strategy.stages.iter().flat_map(|stage| &stage.steps);
    let filled = steps.all(|step| {
        !target::all(&step.target, hypothesis).is_empty()
            && step.parameters.values().all(|text| target::fill(text, hypothesis, known).is_some())
    });
    (!filled).then(|| "the hypothesis lacks something that the steps name, or its service has registered nothing like it".to_owned())
}

/// What a hypothesis lacks that a strategy needs; none if it has it.
fn unmet(
    requirement: Requirement,
    hypothesis: &Hypothesis,
    incident: &Incident,
    knowledge: &Snapshot,
) -> Option<&'static str> {
    let entity = hypothesis.entity.as_ref();
    let change = hypothesis.change.as_ref();
    let of_programs = change.filter(|change| !change.is_of_settings() && change.kind != Change::SCHEMA);
    let migrated = of_programs.is_some_and(|change| {
        knowledge.changes.iter().any(|other| {
            other.kind == Change::SCHEMA
                && other.entity.service() == change.entity.service()
                && other.at >= change.at.minus(Change::TOGETHER)
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
        Requirement::Zone => (
            entity.is_some_and(|entity| entity.as_str().starts_with("zone:")),
            "it needs a zone as the cause",
        ),
        Requirement::Reachable => (
            !incident.symptoms.iter().any(|symptom| symptom.signal == CUT_OFF),
            "nothing gets through: what runs there cannot be told from what is gone, and a split ends by itself",
        ),
        Requirement::Stateless => (
            entity.is_some_and(|entity| {
                let service = Entity(entity.service().to_owned());
                !matches!(knowledge.topology.kind_of(&service), NodeKind::Database | NodeKind::Queue)
            }),
            "it keeps data: a new instance is cold, and an old one has what others may not",
        ),
        Requirement::PeersWell => (
            entity.is_some_and(|entity| peers_well(entity, 1, incident, knowledge)),
            "the other instances are in trouble, too, or there are none: nobody could take over",
        ),
        Requirement::Room => (
            entity.is_some_and(|entity| peers_well(entity, 3, incident, knowledge)),
            "fewer than three others are well: they would have to do half as much again",
        ),
        Requirement::Dispensable => (
            entity.is_some_and(|entity| {
                !entity.is_instance() && knowledge.topology.can_do_without(entity.service())
            }),
            "its callers cannot do without it: it is their own, and no topology file says `optional: true`",
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
        Requirement::Felt => (incident.felt == Felt::Outside, "nobody outside feels it"),
    };
    (!met).then_some(text)
}

/// Whether the other instances of the service show no symptom of their own; so it is taken to be where
/// nobody knows which instances there are. What one of them does falls to the others: where they have
/// trouble themselves, a new one comes first.
fn peers_well(entity: &Entity, least: usize, incident: &Incident, knowledge: &Snapshot) -> bool {
    let ill: BTreeSet<&Entity> = incident.open_symptoms().map(|symptom| &symptom.entity).collect();
    let known = knowledge.topology.instances.get(entity.service()).filter(|known| known.contains(entity));
    known.is_none_or(|known| {
        let peers: Vec<&Entity> = known.iter().filter(|peer| peer.is_instance() && *peer != entity).collect();
        peers.len() >= least && peers.iter().all(|peer| !ill.contains(peer))
    })
}
