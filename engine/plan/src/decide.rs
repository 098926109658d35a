//! What is to be done about one incident now: the best of what the guardrails allow.

use std::collections::BTreeMap;

use theriac_contract::{Autonomy, Awaiting, Entity, Fact, Id, Plan, Step, Timestamp};

use crate::{
    approval::{self, Pending, Review},
    build::{self, Order},
    candidates::{self, ASK, Behind, Choice, WAIT, attempt},
    case::{Case, given_up_at},
    explore,
    graver::Gravers,
    guard::{Draft, Guard, Scene},
    known_good::known_good,
    overview::Overview,
    planner::{Planned, refused},
    playbook::{Playbooks, Strategy},
    reach::{self, Reach},
    settings::Settings,
};

/// What a decision looks at beside the incident.
pub(crate) struct Desk<'a, 'k> {
    pub(crate) at: Timestamp,
    pub(crate) settings: &'a Settings,
    pub(crate) playbooks: &'a Playbooks,
    pub(crate) ask: &'a Strategy,
    pub(crate) overview: &'a Overview<'k>,
    /// Why there is a storm in the domain, if there is one.
    pub(crate) storm: Option<&'a str>,
    /// What runs on hosts that incidents suspect.
    pub(crate) sick: &'a Guests,
    /// Incidents that are felt outside.
    pub(crate) gravers: &'a Gravers,
    pub(crate) guard: &'a mut Guard,
    pub(crate) policy_version: &'a str,
}

/// What runs on hosts that are taken for a cause: by whom the host, and by which incident.
pub(crate) type Guests = BTreeMap<Entity, (Entity, Id)>;

/// What is to be done.
enum Decision {
    /// Nothing is worth doing, or allowed.
    Nothing(Told),
    /// It is decided again later.
    Wait(Told),
    /// A plan is made.
    Plan(Box<Chosen>),
    /// A plan would be made, but was suggested before.
    Suggested,
}

/// A strategy that was allowed.
struct Chosen {
    plan: Plan,
    reaches: BTreeMap<Entity, Reach>,
    attempt: String,
    rank: u32,
    risk: f64,
}

/// A refusal to be told once.
struct Told {
    strategy: String,
    target: Entity,
    reason: &'static str,
    detail: String,
}

impl Told {
    fn of(strategy: &str, reason: &'static str, detail: String) -> Self {
        Self { strategy: strategy.to_owned(), target: Entity("unknown".to_owned()), reason, detail }
    }
}

impl Desk<'_, '_> {
    fn scene(&self) -> Scene<'_> {
        let Self { at, settings, storm, .. } = *self;
        let knowledge = self.overview.known;
        Scene { at, topology: &knowledge.topology, control: &knowledge.control, storm, settings }
    }

    /// Looks at the plan that waits for a person, if there is one. Gives it, and why, if it is not
    /// done.
    pub(crate) fn review(&mut self, case: &mut Case, planned: &mut Planned) -> Option<(Plan, String)> {
        let pending = case.pending.take()?;
        let control = &self.overview.known.control;
        let (reason, detail) =
            match approval::review(&pending, &case.incident, self.at, control, self.policy_version) {
                Review::Waits => {
                    case.pending = Some(pending);
                    return None;
                }
                Review::Approved => {
                    self.go_ahead(case, pending, planned);
                    return None;
                }
                Review::Rejected(refusal) => {
                    case.rejected.insert(pending.attempt.clone());
                    refusal
                }
                Review::Withdrawn(refusal) => refusal,
            };
        planned.facts.push(refused(&pending.plan, reason, &detail));
        Some((pending.plan, detail))
    }

    /// An approved plan is begun, unless something stands against it at this moment: then it goes
    /// on waiting, as long as it is good.
    fn go_ahead(&mut self, case: &mut Case, pending: Pending, planned: &mut Planned) {
        let Pending { plan, risk, attempt, .. } = &pending;
        let reaches = reach::of(plan, self.overview);
        if let Some((reason, detail)) = self.guard.not_now(plan, &reaches, (*risk, 0.0), &self.scene()) {
            let target = plan.steps().next().map(|step| step.action.target.clone()).unwrap_or_default();
            tell(case, planned, Told { strategy: plan.strategy.clone(), target, reason, detail });
            case.pending = Some(pending);
            return;
        }
        self.guard.begin(&plan.id, given_up_at(plan));
        case.run(plan, attempt.clone());
        planned.approved.push(pending.plan);
    }

    /// Decides about an incident that has no plan under way.
    pub(crate) fn decide(&mut self, case: &mut Case, planned: &mut Planned) {
        if case.plans >= self.settings.plans_per_incident_max {
            let text = format!("{} plans did not help; a person has to look", case.plans);
            tell(case, planned, Told::of("any", "plans_used_up", text));
            return;
        }
        if case.is_ending(self.at) {
            let text = format!("{} symptoms of it still stand, and it gets better", case.standing);
            tell(case, planned, Told::of("any", "ending", text));
            return;
        }
        let mut refusals = Vec::new();
        let decision = self.choose(case, &mut refusals);
        refusals.into_iter().for_each(|told| tell(case, planned, told));
        match decision {
            Decision::Suggested => {}
            Decision::Nothing(told) => tell(case, planned, told),
            Decision::Wait(told) => {
                tell(case, planned, told);
                case.waits += 1;
                case.not_before = self.at.plus(self.settings.choice.wait);
            }
            Decision::Plan(chosen) => self.make(case, *chosen, planned),
        }
    }

    /// Makes a plan that does something, if one is best by now, beside one that only tells somebody or
    /// waits, or that is about another fault. On the `same` place only what can be undone is done.
    pub(crate) fn act_beside(&mut self, case: &mut Case, same: bool, planned: &mut Planned) {
        if case.plans >= self.settings.plans_per_incident_max || case.is_ending(self.at) {
            return;
        }
        if let Decision::Plan(chosen) = self.choose(case, &mut Vec::new())
            && chosen.plan.autonomy == Autonomy::Act
            && chosen.plan.steps().any(|step| !step.action.is_harmless())
            && (!same || chosen.plan.steps().all(Step::can_be_undone))
        {
            self.make(case, *chosen, planned);
        }
    }

    /// Makes a plan known, and holds ready what it may need.
    fn make(&mut self, case: &mut Case, chosen: Chosen, planned: &mut Planned) {
        let Chosen { plan, reaches, attempt, rank, risk } = chosen;
        let target = plan.steps().next().map(|step| step.action.target.clone()).unwrap_or_default();
        planned.facts.push(Fact::Planned {
            plan: plan.id.clone(),
            incident: plan.incident.clone(),
            strategy: plan.strategy.clone(),
            target,
        });
        case.asked |= plan.strategy == ASK;
        match plan.autonomy {
            Autonomy::Observe | Autonomy::Suggest => _ = case.suggested.insert(attempt),
            Autonomy::Approve => {
                case.plans += 1;
                self.guard.note(&plan, &reaches, given_up_at(&plan), self.settings);
                case.pending = Some(Pending { plan: plan.clone(), rank, risk, attempt });
            }
            Autonomy::Act => {
                case.plans += 1;
                self.guard.note(&plan, &reaches, given_up_at(&plan), self.settings);
                case.run(&plan, attempt);
            }
        }
        planned.plans.push(plan);
    }

    fn choose(&mut self, case: &Case, refusals: &mut Vec<Told>) -> Decision {
        let settings = self.settings;
        let mut choices = candidates::candidates(
            &case.incident,
            self.at,
            self.playbooks,
            self.ask,
            &case.past(),
            self.overview,
            settings,
        );
        // Guardrails look at the plan itself, so each allowed choice is built in turn.
        let mut allowed: Vec<(usize, Chosen)> = Vec::new();
        for position in 0..choices.len() {
            let choice = &choices[position];
            if choice.early && allowed.is_empty() && choice.candidate.utility.expected > 0.0 {
                // The best is worth a moment; the second best might spoil it.
                let text = choice.candidate.refused.clone().unwrap_or_default();
                return Decision::Nothing(Told::of(&choice.candidate.strategy, "too_early", text));
            }
            if choice.candidate.refused.is_some() {
                continue;
            }
            if let Some((first, _)) = allowed.first() {
                let best = choices[*first].candidate.utility.expected;
                if choice.candidate.utility.expected < best - settings.choice.explore_margin {
                    break;
                }
            }
            let (strategy, hypothesis) = match choice.behind {
                Behind::Strategy(strategy, hypothesis) => (strategy, hypothesis),
                Behind::Wait | Behind::Nothing if !allowed.is_empty() => break,
                Behind::Wait => {
                    let text = choice.candidate.utility.formula.clone();
                    return Decision::Wait(Told::of(WAIT, "waits", text));
                }
                Behind::Nothing => return Decision::Nothing(nothing(&choices)),
            };
            if !allowed.is_empty() && strategy.risk > settings.choice.explore_risk {
                continue;
            }
            match self.vet(case, strategy, hypothesis) {
                None => {}
                Some(Ok(chosen)) => {
                    let draws = settings.choice.explore
                        && chosen.plan.autonomy >= Autonomy::Approve
                        && strategy.risk <= settings.choice.explore_risk;
                    allowed.push((position, chosen));
                    if !draws {
                        break;
                    }
                }
                Some(Err(told)) => {
                    choices[position].candidate.refused = Some(told.detail.clone());
                    refusals.push(told);
                }
            }
        }
        let options: Vec<_> =
            allowed.iter().map(|(position, _)| &choices[*position].candidate.utility).collect();
        let (drawn, propensity) = explore::draw(&case.incident.id, case.plans, &options);
        if drawn >= allowed.len() {
            return Decision::Nothing(nothing(&choices));
        }
        let (_, mut chosen) = allowed.swap_remove(drawn);
        if chosen.plan.autonomy == Autonomy::Suggest && case.suggested.contains(&chosen.attempt) {
            return Decision::Suggested;
        }
        chosen.plan.propensity = propensity;
        chosen.plan.candidates = choices.into_iter().map(|choice| choice.candidate).collect();
        chosen.plan = chosen.plan.sealed();
        Decision::Plan(Box::new(chosen))
    }

    /// What runs on a host that another incident takes for its cause is healed with the host.
    fn hosts_first(&self, case: &Case, draft: &Draft<'_>) -> Option<(&'static str, String)> {
        let acted = draft.plan.steps().filter(|step| !step.action.is_harmless());
        let mut targets = acted.flat_map(|step| [&draft.plan.cause, &step.action.target]);
        let (host, incident) = targets.find_map(|target| self.sick.get(target))?;
        let text = || format!("{host}, on which it runs, is suspected in {}", incident.short());
        (*incident != case.incident.id).then(|| ("host_suspected", text()))
    }

    /// What nobody outside feels may be a trace of what is felt, and waits for it.
    fn gravest_first(&self, case: &Case, draft: &Draft<'_>) -> Option<(&'static str, String)> {
        if draft.plan.steps().all(|step| step.action.is_harmless()) {
            return None;
        }
        let graver = self.gravers.waited_for(case, self.at, &self.overview.known.topology)?;
        let text =
            format!("nobody outside feels it, and {} beside it is felt: that comes first", graver.short());
        Some(("graver_first", text))
    }

    /// Builds the plan of a strategy and holds it against policy and guardrails; none if a name
    /// cannot be filled in.
    fn vet(
        &mut self,
        case: &Case,
        strategy: &Strategy,
        hypothesis: &theriac_contract::Hypothesis,
    ) -> Option<Result<Chosen, Told>> {
        let Self { at, settings, .. } = *self;
        let knowledge = self.overview.known;
        let order = Order {
            incident: &case.incident,
            strategy,
            hypothesis,
            known: known_good(&case.incident, hypothesis, knowledge),
            escalation: case.plans,
            at,
            knowledge_version: knowledge.version,
            policy_version: self.policy_version,
        };
        let mut plan = build::plan(&order, settings)?;
        let reaches = reach::of(&plan, self.overview);
        let level = settings.policy.level(&plan, &reaches, &knowledge.topology, at);
        plan.autonomy = level.autonomy;
        if level.autonomy == Autonomy::Approve {
            plan.awaiting = Some(Awaiting::Approval);
            plan.expires = at.plus(settings.approval_valid_for);
        }
        let refusal = if level.autonomy == Autonomy::Observe {
            Some(("observe", format!("{} lets it be observed only", level.by())))
        } else {
            let draft = Draft { plan: &plan, reaches: reaches.clone(), hypothesis, risk: strategy.risk };
            let scene = Scene {
                at,
                topology: &knowledge.topology,
                control: &knowledge.control,
                storm: self.storm,
                settings,
            };
            self.guard
                .refusal(&draft, &scene)
                .or_else(|| self.hosts_first(case, &draft))
                .or_else(|| self.gravest_first(case, &draft))
        };
        Some(match refusal {
            Some((reason, detail)) => {
                let target = plan.steps().next().map(|step| step.action.target.clone()).unwrap_or_default();
                Err(Told { strategy: strategy.name.clone(), target, reason, detail })
            }
            None => Ok(Chosen {
                plan,
                reaches,
                attempt: attempt(&strategy.name, hypothesis),
                rank: hypothesis.rank,
                risk: strategy.risk,
            }),
        })
    }
}

/// Why nothing is done, by the best strategy.
fn nothing(choices: &[Choice<'_>]) -> Told {
    let best = choices.iter().find(|choice| choice.candidate.hypothesis > 0);
    let text = best.map_or_else(
        || "no strategy fits".to_owned(),
        |choice| {
            let why = choice.candidate.refused.as_deref().unwrap_or("it is worth less than nothing");
            format!("{} would be {}, but: {why}", choice.candidate.strategy, choice.candidate.utility.formula)
        },
    );
    Told::of("do_nothing", "nothing_worth_doing", text)
}

fn tell(case: &mut Case, planned: &mut Planned, told: Told) {
    let Told { strategy, target, reason, detail } = told;
    if case.told.insert(format!("{strategy}|{target}|{reason}")) {
        let incident: Id = case.incident.id.clone();
        planned.facts.push(Fact::Refused { incident, strategy, target, reason: reason.to_owned(), detail });
    }
}
