//! Limits on what is done: a loop of remedies must end, and no remedy may be worse than the fault.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use theriac_contract::{
    Control, Entity, Hypothesis, Id, Interval, Outcome, OutcomeKind, Plan, Step, Timestamp, Topology,
    seeded::{self, Bug},
};

use crate::{
    ledger::{Budget, Ledger},
    quorum,
    reach::{Reach, Share, WHOLE},
    settings::{Blast, Settings},
    storm,
};

/// A word for programs and a sentence for people.
pub(crate) type Refusal = (&'static str, String);

const HOUR: Interval = Interval::from_seconds(3_600);

/// Probability from which a cause is taken for sure.
pub(crate) const SURE: f64 = 0.8;

/// A plan that was made and has not ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Active {
    incident: Id,
    domain: String,
    /// Services that it acts on.
    services: BTreeSet<String>,
    /// Reserved share of each target.
    shares: BTreeMap<Entity, Share>,
    /// Targets on which something was really begun.
    begun: BTreeSet<Entity>,
    /// Steps that were begun and cannot be taken back.
    gone: BTreeSet<u32>,
    /// Steps of its only stage that are not done yet; none if others may come.
    #[serde(default)]
    undone: Option<BTreeSet<u32>>,
    /// How long the slowest of its steps is given to show its effect.
    #[serde(default)]
    settle: Interval,
    /// When the effect of all that it does must have shown, once all of it is done.
    #[serde(default)]
    shown: Option<Timestamp>,
    /// It is given up for lost at this time: then all of it counts as done.
    until: Timestamp,
    /// Whether it waits for a person: nobody acts yet.
    waits: bool,
}

impl Active {
    /// Whether it is being done, or its effect need not have shown yet.
    fn acts(&self, at: Timestamp) -> bool {
        !self.waits && self.shown.is_none_or(|shown| at < shown)
    }

    /// A step is done.
    fn done(&mut self, step: u32, at: Timestamp) {
        let Some(undone) = &mut self.undone else { return };
        if undone.remove(&step) && undone.is_empty() {
            self.shown = Some(at.plus(self.settle));
        }
    }
}

/// A step that cannot be taken back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Irreversible {
    at: Timestamp,
    plan: Id,
    step: u32,
}

/// What was done, is being done, and may yet be done.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Guard {
    /// When services were acted upon, within the window.
    acted: BTreeMap<String, Vec<Timestamp>>,
    #[serde(default)]
    active: BTreeMap<Id, Active>,
    /// By domain.
    #[serde(default)]
    ledgers: BTreeMap<String, Ledger>,
    /// By domain.
    #[serde(default)]
    irreversible: BTreeMap<String, Vec<Irreversible>>,
}

/// What a plan is held against.
pub(crate) struct Scene<'a> {
    pub(crate) at: Timestamp,
    pub(crate) topology: &'a Topology,
    pub(crate) control: &'a Control,
    /// Why there is a storm in the plan's domain, if there is one.
    pub(crate) storm: Option<&'a str>,
    pub(crate) settings: &'a Settings,
}

/// A plan that may be made, and what it touches.
pub(crate) struct Draft<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) reaches: BTreeMap<Entity, Reach>,
    pub(crate) hypothesis: &'a Hypothesis,
    pub(crate) risk: f64,
}

fn budget(blast: &Blast) -> Budget {
    Budget { size: (blast.budget.max(0.0) * WHOLE as f64) as Share, window: blast.window }
}

impl Guard {
    /// Why a plan may not be made now.
    pub(crate) fn refusal(&mut self, draft: &Draft<'_>, scene: &Scene<'_>) -> Option<Refusal> {
        let Draft { plan, reaches, hypothesis, risk } = draft;
        let Scene { at, settings, .. } = *scene;
        let forbidden = plan.steps().find(|step| settings.forbidden_verbs.contains(&step.action.verb));
        if let Some(step) = forbidden {
            return Some(("forbidden_verb", format!("`{}` is in forbidden_verbs", step.action.verb)));
        }
        if let Some(refusal) = self.not_now(plan, reaches, (*risk, hypothesis.probability), scene) {
            return Some(refusal);
        }
        let lost: Vec<&Step> = irreversible(plan, settings).collect();
        if (*risk > settings.quorum_above_risk || !lost.is_empty())
            && let Some(missing) = quorum::missing(hypothesis)
        {
            let why = match lost.first() {
                Some(step) => format!("`{}` cannot be taken back", step.action.verb),
                None => format!("it risks {risk:.2}"),
            };
            return Some(("quorum", format!("{why}, but {missing}")));
        }
        for (service, wanted) in actions(plan) {
            let times = self.acted.get(service).map_or(&[][..], Vec::as_slice);
            let done = times.iter().filter(|time| at.since(**time) < settings.rate_window).count();
            if done + wanted > settings.actions_per_target_max as usize {
                let text = format!(
                    "{service} was acted upon {done} times within {}; {} are allowed",
                    settings.rate_window, settings.actions_per_target_max
                );
                return Some(("rate_limit", text));
            }
        }
        let most = settings.blast.irreversible_per_hour as usize;
        let earlier = self.irreversible.get(&plan.domain).into_iter().flatten();
        let count = earlier.filter(|one| at.since(one.at) < HOUR).count();
        if !lost.is_empty() && count + lost.len() > most {
            let text = format!(
                "{count} steps that cannot be taken back were done within an hour, {} more would be; {most} are \
                 allowed",
                lost.len()
            );
            return Some(("irreversible_budget", text));
        }
        let wanted = share(reaches);
        let budget = budget(&settings.blast);
        let taken = self.ledgers.entry(plan.domain.clone()).or_default().taken(budget, at);
        let fits = wanted <= budget.size.saturating_sub(taken) || seeded::on(Bug::BudgetIgnored);
        (!fits).then(|| {
            let [wanted, taken] = [wanted, taken].map(|share| share as f64 / WHOLE as f64);
            let text = format!(
                "it acts on {wanted:.3} of the traffic; of a budget of {} within {}, {taken:.3} are taken",
                settings.blast.budget, settings.blast.window
            );
            ("blast_budget", text)
        })
    }

    /// Why nothing may be done at this moment, though it may be later: what a plan that waits for a
    /// person is held against once more.
    pub(crate) fn not_now(
        &self,
        plan: &Plan,
        reaches: &BTreeMap<Entity, Reach>,
        (risk, probability): (f64, f64),
        scene: &Scene<'_>,
    ) -> Option<Refusal> {
        let Scene { at, control, storm, settings, .. } = *scene;
        if let Some(hold) = &control.hold {
            return Some(("held", hold.text()));
        }
        let touched = reaches.values().flat_map(|reach| &reach.touched);
        if let Some((maintenance, spared)) = settings.policy.spared(touched, at) {
            return Some(("maintenance", format!("`{}` spares {spared} now", maintenance.name)));
        }
        if let Some(storm) = storm
            && !storm::is_mild(plan, risk, &settings.storm)
        {
            return Some(("storm", format!("{storm}; only what is mild and can be undone is tried")));
        }
        if settings.neighbours_apart { self.neighbour(plan, reaches, probability, scene) } else { None }
    }

    /// Who else acts on the same services, or on services next to them. Where all is done that was to be
    /// done, and its effect must have shown, only the verdict is awaited: another cause that is sure is not
    /// kept waiting for that.
    fn neighbour(
        &self,
        plan: &Plan,
        reaches: &BTreeMap<Entity, Reach>,
        probability: f64,
        scene: &Scene<'_>,
    ) -> Option<Refusal> {
        let Scene { at, topology, .. } = *scene;
        let own: BTreeSet<&str> =
            reaches.values().flat_map(|reach| reach.services.iter().map(String::as_str)).collect();
        if own.is_empty() {
            return None;
        }
        let acts = |active: &Active| active.acts(at) || !active.waits && probability < SURE;
        let others = self.active.iter().filter(|(_, active)| {
            active.domain == plan.domain && active.incident != plan.incident && acts(active)
        });
        for (id, active) in others {
            for other in &active.services {
                if own.contains(other.as_str()) {
                    return Some(("one_hand", format!("{} acts on {other}", id.short())));
                }
                let mut next = topology.callers(other);
                next.extend(topology.callees(other));
                if let Some(service) = next.into_iter().find(|service| own.contains(service)) {
                    let text = format!("{} acts on {other}, which is next to {service}", id.short());
                    return Some(("one_hand", text));
                }
            }
        }
        None
    }

    /// Whether a plan is under way whose effect need not have shown yet.
    pub(crate) fn acts(&self, plan: &Id, at: Timestamp) -> bool {
        self.active.get(plan).is_some_and(|active| active.acts(at))
    }

    /// Reserves and counts what a plan is going to do, until `until` at the latest.
    pub(crate) fn note(
        &mut self,
        plan: &Plan,
        reaches: &BTreeMap<Entity, Reach>,
        until: Timestamp,
        settings: &Settings,
    ) {
        let at = plan.at;
        for (service, wanted) in actions(plan) {
            self.acted.entry(service.to_owned()).or_default().extend(std::iter::repeat_n(at, wanted));
        }
        for times in self.acted.values_mut() {
            times.retain(|time| at.since(*time) < settings.rate_window);
        }
        self.acted.retain(|_, times| !times.is_empty());
        let ledger = self.ledgers.entry(plan.domain.clone()).or_default();
        ledger.reserve(&plan.id, share(reaches), budget(&settings.blast), at);
        let lost = self.irreversible.entry(plan.domain.clone()).or_default();
        lost.retain(|one| at.since(one.at) < HOUR);
        lost.extend(irreversible(plan, settings).map(|step| Irreversible {
            at,
            plan: plan.id.clone(),
            step: step.index,
        }));
        let only = match plan.stages.as_slice() {
            [only] => Some(only.steps.iter().map(|step| step.index).collect()),
            _ => None,
        };
        let active = Active {
            undone: only,
            settle: plan.steps().map(|step| step.settle).max().unwrap_or_default(),
            shown: None,
            incident: plan.incident.clone(),
            domain: plan.domain.clone(),
            services: reaches.values().flat_map(|reach| reach.services.iter().cloned()).collect(),
            shares: reaches.iter().map(|(target, reach)| (target.clone(), reach.share)).collect(),
            begun: BTreeSet::new(),
            gone: BTreeSet::new(),
            until,
            waits: plan.awaiting.is_some(),
        };
        self.active.insert(plan.id.clone(), active);
    }

    /// A plan that waited for a person goes ahead.
    pub(crate) fn begin(&mut self, plan: &Id, until: Timestamp) {
        if let Some(active) = self.active.get_mut(plan) {
            (active.waits, active.until) = (false, until);
        }
    }

    /// Takes in what was done of plans, and settles those that have ended.
    pub(crate) fn hear(&mut self, outcomes: &[Outcome], topology: &Topology, settings: &Settings) {
        for outcome in outcomes {
            let Some(active) = self.active.get_mut(&outcome.plan) else { continue };
            match (outcome.step, outcome.kind, &outcome.action) {
                (Some(step), OutcomeKind::Intended, Some(action)) if !outcome.dry_run => {
                    active.begun.insert(topology.resolve(&action.target));
                    active.gone.insert(step);
                }
                (Some(step), OutcomeKind::Succeeded, _) => active.done(step, outcome.at),
                (None, OutcomeKind::Completed | OutcomeKind::Abandoned | OutcomeKind::Refused, _) => {
                    self.end(&outcome.plan, false, outcome.at, settings);
                }
                _ => {}
            }
        }
    }

    /// Settles a plan with what was begun of it, or with all of it.
    fn end(&mut self, plan: &Id, all: bool, at: Timestamp, settings: &Settings) {
        let Some(active) = self.active.remove(plan) else { return };
        let done = active.shares.iter().filter(|(target, _)| all || active.begun.contains(*target));
        let used = done.map(|(_, share)| share).sum();
        if let Some(ledger) = self.ledgers.get_mut(&active.domain) {
            ledger.settle(plan, used, budget(&settings.blast), at);
        }
        if let Some(lost) = self.irreversible.get_mut(&active.domain) {
            lost.retain(|one| all || one.plan != *plan || active.gone.contains(&one.step));
        }
    }

    /// A plan that waited for a person is not done.
    pub(crate) fn drop(&mut self, plan: &Id, at: Timestamp, settings: &Settings) {
        self.end(plan, false, at, settings);
    }

    /// Gives up plans of which nothing was heard: all that they reserved counts as done.
    pub(crate) fn give_up(&mut self, at: Timestamp, settings: &Settings) {
        let overdue = self.active.iter().filter(|(_, active)| at >= active.until && !active.waits);
        let lost: Vec<Id> = overdue.map(|(plan, _)| plan.clone()).collect();
        lost.iter().for_each(|plan| self.end(plan, true, at, settings));
    }
}

/// What a plan may act on in all.
fn share(reaches: &BTreeMap<Entity, Reach>) -> Share {
    reaches.values().fold(0, |sum, reach| sum.saturating_add(reach.share))
}

/// Steps that cannot be taken back.
fn irreversible<'a>(plan: &'a Plan, settings: &'a Settings) -> impl Iterator<Item = &'a Step> {
    let lost =
        |step: &&Step| step.compensation.is_none() && settings.irreversible_verbs.contains(&step.action.verb);
    plan.steps().filter(lost)
}

/// Actions of a plan by service. Only its first stage is sure to be done, but all of them
/// may be.
fn actions(plan: &Plan) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for step in plan.steps().filter(|step| !step.action.is_harmless()) {
        *counts.entry(step.action.target.service()).or_insert(0) += 1;
    }
    counts
}
