//! What happens in one step of event time.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};
use theriac_contract::{
    Checkpointed, Command, Completion, Control, Fact, Id, Incident, Outcome, OutcomeKind, Plan, StateError,
    StateTable, SymptomState, Timestamp, Verification,
    seeded::{self, Bug},
};

use crate::{
    accept,
    advance::{Turn, advance},
    answer::answer,
    doubt,
    incidents::Incidents,
    record::{self, Of},
    saga::{Phase, Saga},
    settings::Settings,
};

/// What one step gave.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Executed {
    /// What executors and sagas said. An intent is among them before its command is sent.
    pub outcomes: Vec<Outcome>,
    /// Verdicts on stages; the last of a plan comes with [`Fact::Verified`].
    pub verifications: Vec<Verification>,
    /// To be sent once all of the rest is durable.
    pub commands: Vec<Command>,
    /// [`Fact::Verified`] once for each accepted plan, [`Fact::Refused`] for each other.
    pub facts: Vec<Fact>,
}

/// What was taken and what was passed over, since the beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Plans that were begun.
    pub accepted: u64,
    /// Plans that were not, with a reason.
    pub refused: u64,
    /// Plans that had been given before.
    pub repeated: u64,
    /// Answers that were awaited.
    pub answers: u64,
    /// Answers that nobody waited for: late, given twice, or of something else.
    pub answers_ignored: u64,
    /// Incidents that were forgotten because there were too many.
    pub incidents_shed: u64,
}

/// Everything that a checkpoint keeps.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct State {
    now: Timestamp,
    /// The last fencing token. One sequence for all targets, so it grows for each of them.
    token: u64,
    /// In the order in which they were accepted.
    sagas: Vec<Saga>,
    /// Plans that have ended, the oldest first.
    ended: VecDeque<Id>,
    incidents: Incidents,
    counts: Counts,
    /// What people said about acting.
    #[serde(default)]
    control: Control,
}

const TABLE: &str = "execute";
const TABLE_VERSION: u16 = 2;

/// Sagas under way, leases, and what is known of incidents.
#[derive(Clone, Debug)]
pub struct Execute {
    settings: Settings,
    state: State,
}

impl Execute {
    /// Nothing under way.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self { settings, state: State::default() }
    }

    /// What people said about acting: it holds for every attempt from here on.
    pub fn heed(&mut self, control: &Control) {
        if self.state.control != *control {
            self.state.control = control.clone();
        }
    }

    /// Takes what came since the last step and moves every saga as far as it can go. `at` is
    /// event time; an earlier one than before counts as that.
    pub fn step(
        &mut self,
        at: Timestamp,
        plans: &[Plan],
        incidents: &[Incident],
        completions: &[Completion],
    ) -> Executed {
        let mut out = Executed::default();
        self.state.now = self.state.now.max(at);
        incidents.iter().for_each(|incident| self.state.incidents.observe(incident));
        completions.iter().for_each(|completion| self.take(completion, &mut out));
        self.drive(&mut out);
        plans.iter().for_each(|plan| self.accept(plan, &mut out));
        self.drive(&mut out);
        let watched: BTreeSet<&Id> = self.state.sagas.iter().map(|saga| &saga.plan.incident).collect();
        self.state.counts.incidents_shed += self.state.incidents.shed(self.settings.incidents_max, &watched);
        out
    }

    /// Commands whose intent is durable and whose answer is not: they are sent again after a
    /// restart, and executors act at most once for each key.
    #[must_use]
    pub fn outstanding(&self) -> Vec<Command> {
        let running = self.state.sagas.iter().filter_map(|saga| match &saga.phase {
            Phase::Running { command, .. } => Some(command.as_ref()),
            _ => None,
        });
        // Nobody knows whether they began; while acting is stopped they must not.
        let hold = self.state.control.hold.as_ref().filter(|_| !seeded::on(Bug::PauseIgnored));
        let goes = |command: &&Command| !hold.is_some_and(|hold| hold.stops(command.compensation));
        running.filter(goes).cloned().collect()
    }

    /// Drops plans under way as if they had never been taken.
    pub fn forget(&mut self, which: impl Fn(&Id) -> bool) {
        self.state.sagas.retain(|saga| !which(&saga.plan.id));
    }

    /// What was taken and passed over.
    #[must_use]
    pub const fn counts(&self) -> &Counts {
        &self.state.counts
    }

    /// Commands that wait for an answer.
    #[must_use]
    pub fn awaited(&self) -> usize {
        self.state.sagas.iter().filter(|saga| matches!(saga.phase, Phase::Running { .. })).count()
    }

    /// Plans under way.
    #[must_use]
    pub fn running(&self) -> usize {
        self.state.sagas.len()
    }

    fn take(&mut self, completion: &Completion, out: &mut Executed) {
        let State { sagas, incidents, counts, now, control, .. } = &mut self.state;
        let hold = control.hold.as_ref();
        let grace = self.settings.grace;
        let taken = sagas.iter_mut().any(|saga| {
            let incident = incidents.get(&saga.plan.incident);
            answer(saga, &mut Turn { at: *now, grace, incident, hold, latest: None, out }, completion)
        });
        *(if taken { &mut counts.answers } else { &mut counts.answers_ignored }) += 1;
    }

    fn drive(&mut self, out: &mut Executed) {
        let State { sagas, incidents, ended, now, control, .. } = &mut self.state;
        let hold = control.hold.as_ref();
        let grace = self.settings.grace;
        let mut acted: BTreeMap<String, Timestamp> = BTreeMap::new();
        for saga in sagas.iter() {
            if let Some(at) = saga.acts(*now) {
                let last = acted.entry(saga.plan.domain.clone()).or_insert(at);
                *last = at.max(*last);
            }
        }
        sagas.retain_mut(|saga| {
            let latest = acted.get(&saga.plan.domain).copied();
            let incident = incidents.get(&saga.plan.incident);
            if let Some(known) = incident {
                doubt::heed(saga, known, *now);
            }
            let over = advance(saga, &mut Turn { at: *now, grace, incident, hold, latest, out });
            if over {
                ended.push_back(saga.plan.id.clone());
            }
            !over
        });
        let excess = ended.len().saturating_sub(self.settings.ended_max);
        ended.drain(..excess);
    }

    fn accept(&mut self, plan: &Plan, out: &mut Executed) {
        let state = &mut self.state;
        if state.sagas.iter().any(|saga| saga.plan.id == plan.id) || state.ended.contains(&plan.id) {
            state.counts.repeated += 1;
            return;
        }
        let incident = state.incidents.get(&plan.incident);
        let room = if state.sagas.len() < self.settings.plans_max {
            Ok(())
        } else {
            Err(("too_many", format!("{} plans are under way, as many as may be", state.sagas.len())))
        };
        let allowed = accept::sound(plan)
            .and_then(|()| accept::timely(plan, state.now, incident))
            .and(room)
            .and_then(|()| accept::allowed(plan, &state.control))
            .and_then(|()| accept::free(plan, &state.sagas));
        if let Err((reason, detail)) = allowed {
            state.counts.refused += 1;
            state.ended.push_back(plan.id.clone());
            let text = format!("{reason}: {detail}");
            out.outcomes.push(record::outcome(
                plan,
                0,
                state.now,
                Of::default(),
                OutcomeKind::Refused,
                &text,
            ));
            out.facts.push(record::refusal(plan, reason, &detail));
            return;
        }
        let standing = incident.map(|known| &known.symptoms).into_iter().flatten();
        let symptoms =
            standing.filter(|(_, seen)| seen.state == SymptomState::Open).map(|(id, _)| id.clone()).collect();
        state.counts.accepted += 1;
        state.token += u64::from(!seeded::on(Bug::TokenReused) || state.token == 0);
        let felt = incident.is_some_and(|known| known.unfelt_since.is_none());
        state.sagas.push(Saga { felt, ..Saga::new(plan.clone(), state.token, symptoms, state.now) });
    }
}

impl Checkpointed for Execute {
    fn snapshot(&self) -> Result<Vec<StateTable>, StateError> {
        Ok(vec![StateTable::from_json(TABLE, TABLE_VERSION, &self.state)?])
    }

    fn restore(&mut self, tables: &[StateTable]) -> Result<(), StateError> {
        self.state = StateTable::to_json(tables, TABLE, TABLE_VERSION)?;
        if seeded::on(Bug::UndoForgotten) {
            self.state.sagas.iter_mut().for_each(|saga| saga.done.clear());
        }
        Ok(())
    }
}
