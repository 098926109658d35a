//! What a saga does next, until it has to wait for time, an answer or telemetry.

use theriac_contract::{
    Command, Hold, Id, Interval, Outcome, OutcomeKind, Timestamp, VerificationVerdict,
    seeded::{self, Bug},
};

use crate::{
    doubt,
    execute::Executed,
    incidents::Known,
    record::{self, Of},
    saga::{Ending, Phase, Saga, WAIT},
    verify,
};

/// What a saga sees in one step of event time, and where it speaks.
pub(crate) struct Turn<'a> {
    pub(crate) at: Timestamp,
    pub(crate) grace: Interval,
    pub(crate) incident: Option<&'a Known>,
    /// Set while nothing may be done.
    pub(crate) hold: Option<&'a Hold>,
    /// When something was last done in the domain, by a plan whose verdict is awaited: this one or another.
    pub(crate) latest: Option<Timestamp>,
    pub(crate) out: &'a mut Executed,
}

impl Turn<'_> {
    pub(crate) fn say(&mut self, saga: &Saga, of: Of, kind: OutcomeKind, detail: &str) {
        let outcome: Outcome = record::outcome(&saga.plan, saga.token, self.at, of, kind, detail);
        self.out.outcomes.push(outcome);
    }
}

/// Whether a saga goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flow {
    Moved,
    Waits,
    Ended,
}

/// Moves the saga as far as it can. Gives whether it has ended.
pub(crate) fn advance(saga: &mut Saga, turn: &mut Turn<'_>) -> bool {
    loop {
        match once(saga, turn) {
            Flow::Moved => {}
            Flow::Waits => return false,
            Flow::Ended => return true,
        }
    }
}

fn once(saga: &mut Saga, turn: &mut Turn<'_>) -> Flow {
    match saga.phase.clone() {
        Phase::Due { from, .. } if turn.at < from => Flow::Waits,
        Phase::Due { attempt, .. } if saga.undoing.is_some() => undo_next(saga, turn, attempt),
        Phase::Due { step, attempt, .. } => begin(saga, turn, step, attempt),
        Phase::Running { deadline, .. } if turn.at < deadline => Flow::Waits,
        Phase::Running { command, .. } => {
            timed_out(saga, turn, Of::attempt(&command), "no answer in time");
            Flow::Moved
        }
        Phase::Resting { until, .. } if turn.at < until => Flow::Waits,
        Phase::Resting { step, .. } => {
            let of = resting_of(saga, step);
            done(saga, turn, step, of, turn.at, "waited");
            Flow::Moved
        }
        Phase::Verifying { from, .. } if turn.at < from => Flow::Waits,
        Phase::Verifying { acted, from, until } => verify(saga, turn, acted, from, turn.at >= until),
    }
}

/// Begins a step of the stage, or passes it over, or ends the stage.
fn begin(saga: &mut Saga, turn: &mut Turn<'_>, position: usize, attempt: u32) -> Flow {
    let Some(step) = saga.step(position).cloned() else { return end_of_steps(saga, turn) };
    if turn.at > saga.plan.expires && !seeded::on(Bug::ExpiredPlanGoesOn) {
        let reason = format!("the plan expired before step {} began", step.index);
        undo(saga, Ending::Abandoned(reason), turn.at);
        return Flow::Moved;
    }
    if step.precondition == "incident_open" && turn.incident.is_some_and(Known::is_over) {
        let action = Some(step.action);
        let of = Of { step: Some(step.index), attempt, action, ..Of::default() };
        turn.say(saga, of, OutcomeKind::Refused, "the incident is over");
        saga.phase = Phase::Due { step: position + 1, attempt: 1, from: turn.at };
        return Flow::Moved;
    }
    if saga.acted.is_some()
        && let Some(why) = doubted(saga, turn, saga.plan.at)
    {
        undo(saga, Ending::Abandoned(format!("before step {}: {why}", step.index)), turn.at);
        return Flow::Moved;
    }
    if saga.standing.is_none() {
        saga.standing = Some(verify::tally(saga, turn.incident, None).open);
    }
    start(saga, turn, position, attempt)
}

/// Undoes the last step that was done and can be undone; with none left, the stage is undone.
fn undo_next(saga: &mut Saga, turn: &mut Turn<'_>, attempt: u32) -> Flow {
    while let Some(last) = saga.done.last().copied() {
        if !seeded::on(Bug::UndoDropped) && saga.step(last).is_some_and(|step| step.compensation.is_some()) {
            return start(saga, turn, last, attempt);
        }
        saga.done.pop();
    }
    undone(saga, turn)
}

/// Makes the intent known and the command ready. A `wait` needs no executor.
fn start(saga: &mut Saga, turn: &mut Turn<'_>, position: usize, attempt: u32) -> Flow {
    let Some(step) = saga.step(position).cloned() else { return Flow::Moved };
    let Some(action) = saga.action(&step) else { return Flow::Moved };
    if let Some(hold) = turn.hold.filter(|hold| hold.stops(saga.undoing.is_some()))
        && !seeded::on(Bug::PauseIgnored)
    {
        if !std::mem::replace(&mut saga.held, true) {
            let compensation = saga.undoing.is_some();
            let of =
                Of { step: Some(step.index), attempt, compensation, action: Some(action), ..Of::default() };
            turn.say(saga, of, OutcomeKind::Refused, &hold.text());
        }
        return Flow::Waits;
    }
    saga.held = false;
    let command = Command {
        plan: saga.plan.id.clone(),
        incident: saga.plan.incident.clone(),
        step: step.index,
        attempt,
        compensation: saga.undoing.is_some(),
        idempotency_key: if seeded::on(Bug::RetryWithNewKey) {
            Id::derive("attempt", &[step.idempotency_key.as_str(), &attempt.to_string()])
        } else {
            saga.idempotency_key(&step)
        },
        domain: saga.plan.domain.clone(),
        fencing_token: saga.token,
        dry_run: saga.plan.dry_run,
        timeout: Interval(step.timeout.0.max(0)),
        issued: turn.at,
        action,
    };
    let kind = if command.compensation { OutcomeKind::Compensating } else { OutcomeKind::Intended };
    turn.say(saga, Of::attempt(&command), kind, &step.expected_effect);
    if command.action.verb == WAIT {
        let length = command.action.parameters.get("for").and_then(|text| text.parse().ok());
        let until = turn.at.plus(length.unwrap_or(Interval(0)));
        saga.phase = Phase::Resting { step: position, until };
        return Flow::Moved;
    }
    let deadline = turn.at.plus(command.timeout).plus(turn.grace);
    turn.out.commands.push(command.clone());
    let (key, command) = (command.attempt_key(), Box::new(command));
    saga.phase = Phase::Running { step: position, key, command, deadline };
    Flow::Moved
}

fn resting_of(saga: &Saga, position: usize) -> Of {
    let step = saga.step(position);
    Of {
        step: step.map(|step| step.index),
        attempt: 1,
        compensation: saga.undoing.is_some(),
        action: step.and_then(|step| saga.action(step)),
        executor: String::new(),
    }
}

/// All steps of the stage were done or passed over.
fn end_of_steps(saga: &mut Saga, turn: &mut Turn<'_>) -> Flow {
    match saga.acted {
        Some(acted) => {
            watch(saga, acted);
            Flow::Moved
        }
        None => finish(saga, turn, OutcomeKind::Abandoned, "the incident was over before anything was done"),
    }
}

/// Lets the effect settle, then watches the telemetry; the most patient step decides.
pub(crate) fn watch(saga: &mut Saga, acted: Timestamp) {
    let steps = saga.stage().map(|stage| stage.steps.as_slice()).unwrap_or_default();
    let within = steps.iter().map(|step| step.verify_within.0).max().unwrap_or(0).max(0);
    let from = acted.plus(saga.settle());
    saga.phase = Phase::Verifying { acted, from, until: from.plus(Interval(within)) };
}

/// A step, or the undoing of one, was done.
pub(crate) fn done(
    saga: &mut Saga,
    turn: &mut Turn<'_>,
    position: usize,
    of: Of,
    acted: Timestamp,
    detail: &str,
) {
    if saga.undoing.is_some() {
        turn.say(saga, of, OutcomeKind::Compensated, detail);
        undo_on(saga, turn.at);
    } else {
        turn.say(saga, of, OutcomeKind::Succeeded, detail);
        saga.done.push(position);
        saga.acted = Some(acted);
        saga.phase = Phase::Due { step: position + 1, attempt: 1, from: turn.at };
    }
}

/// An executor did not answer, or said that it ran out of time: nobody knows what was done,
/// so it is not repeated, and what was surely done before it is undone.
pub(crate) fn timed_out(saga: &mut Saga, turn: &mut Turn<'_>, of: Of, detail: &str) {
    let step = of.step.unwrap_or_default();
    if saga.undoing.is_some() {
        not_undone(saga, turn, of, detail);
    } else {
        turn.say(saga, of, OutcomeKind::TimedOut, detail);
        let reason = format!("step {step} did not answer in time and may have been done: {detail}");
        undo(saga, Ending::Abandoned(reason), turn.at);
    }
}

/// A step could not be undone. The earlier ones still are, as far as they can.
pub(crate) fn not_undone(saga: &mut Saga, turn: &mut Turn<'_>, of: Of, detail: &str) {
    saga.stuck.extend(of.step);
    turn.say(saga, of, OutcomeKind::CompensationFailed, detail);
    undo_on(saga, turn.at);
}

fn undo_on(saga: &mut Saga, at: Timestamp) {
    saga.done.pop();
    saga.phase = Phase::Due { step: 0, attempt: 1, from: at };
}

/// From now on the stage is undone, the last step first.
pub(crate) fn undo(saga: &mut Saga, ending: Ending, at: Timestamp) {
    saga.undoing = Some(ending);
    saga.phase = Phase::Due { step: 0, attempt: 1, from: at };
}

/// The stage is undone.
fn undone(saga: &mut Saga, turn: &mut Turn<'_>) -> Flow {
    match saga.undoing.take() {
        Some(Ending::NextStage) if saga.stuck.is_empty() => {
            saga.stage += 1;
            saga.standing = None;
            saga.acted = None;
            saga.phase = Phase::Due { step: 0, attempt: 1, from: turn.at };
            Flow::Moved
        }
        Some(Ending::Abandoned(reason)) => finish(saga, turn, OutcomeKind::Abandoned, &reason),
        Some(Ending::NextStage) | None => {
            finish(saga, turn, OutcomeKind::Abandoned, "a stage that did not help could not be undone")
        }
    }
}

/// Why the plan is no longer believed in; none while it is. What came before `from` does not count.
fn doubted(saga: &Saga, turn: &Turn<'_>, from: Timestamp) -> Option<String> {
    let suspect = doubt::elsewhere(saga, turn.incident?)?;
    doubt::stands(saga.doubted, from, turn.at).then(|| doubt::text(&saga.plan, suspect))
}

/// Gives the verdict on the stage, if there can be one, and draws the consequence.
fn verify(saga: &mut Saga, turn: &mut Turn<'_>, acted: Timestamp, from: Timestamp, due: bool) -> Flow {
    let tally = verify::tally(saga, turn.incident, Some(from));
    let doubted = doubted(saga, turn, from);
    let judgement = verify::judge(saga, tally, turn.incident, turn.at, due)
        .or_else(|| doubted.clone().map(|why| (VerificationVerdict::NotRecovered, why)));
    let Some(judgement) = judgement else { return Flow::Waits };
    let verdict = judgement.0;
    // What another plan is about to cure is not held against this one, where that has done its part.
    let cured = turn.incident.is_some_and(|known| !verify::shows(saga, known));
    let muddled = cured && turn.latest.is_some_and(|other| other > acted) && !saga.was_given(turn.at, 2);
    if verdict == VerificationVerdict::NotRecovered && doubted.is_none() && muddled {
        return Flow::Waits;
    }
    let further = verdict == VerificationVerdict::NotRecovered
        && saga.has_next_stage()
        && saga.uncertain.is_none()
        && doubted.is_none();
    turn.out.verifications.push(verify::verification(saga, turn.at, acted, tally, &judgement));
    if !further {
        saga.judged = true;
        // A remedy of something else was not put to the test.
        let tested = doubted.is_none() || verdict != VerificationVerdict::NotRecovered;
        let sure = tested && saga.uncertain.is_none() || seeded::on(Bug::UncertainIsLearnt);
        turn.out.facts.push(verify::fact(saga, verdict, sure));
    }
    let why = judgement.1;
    match verdict {
        VerificationVerdict::NotRecovered if further => {
            undo(saga, Ending::NextStage, turn.at);
            Flow::Moved
        }
        VerificationVerdict::NotRecovered if tally.is_nearly_over() && saga.uncertain.is_none() => {
            let reason = format!("what was done is kept, as most of the trouble is over: {why}");
            finish(saga, turn, OutcomeKind::Completed, &reason)
        }
        VerificationVerdict::NotRecovered => {
            match (saga.is_reversible(), saga.uncertain) {
                (true, _) => {
                    undo(saga, Ending::Abandoned(format!("it did not help and was undone: {why}")), turn.at)
                }
                (false, Some(step)) => {
                    let reason = format!("nobody knows whether step {step} was done: {why}");
                    return finish(saga, turn, OutcomeKind::Abandoned, &reason);
                }
                (false, None) => return finish(saga, turn, OutcomeKind::Completed, &why),
            }
            Flow::Moved
        }
        VerificationVerdict::Recovered => finish(saga, turn, OutcomeKind::Completed, &why),
        VerificationVerdict::Unknown if saga.has_next_stage() || saga.uncertain.is_some() => {
            finish(saga, turn, OutcomeKind::Abandoned, &why)
        }
        VerificationVerdict::Unknown => finish(saga, turn, OutcomeKind::Completed, &why),
    }
}

/// Closes the plan. One that comes to its end unjudged gets the verdict unknown, so that
/// every accepted plan has a last verdict.
fn finish(saga: &mut Saga, turn: &mut Turn<'_>, kind: OutcomeKind, reason: &str) -> Flow {
    let mut reason = reason.to_owned();
    if !saga.stuck.is_empty() {
        let steps: Vec<String> = saga.stuck.iter().map(ToString::to_string).collect();
        reason =
            format!("{reason}; a person has to look at step {}, which could not be undone", steps.join(", "));
    }
    if !saga.judged {
        saga.judged = true;
        let tally = verify::tally(saga, turn.incident, None);
        let judgement = (VerificationVerdict::Unknown, reason.clone());
        let acted = saga.acted.unwrap_or(turn.at);
        turn.out.verifications.push(verify::verification(saga, turn.at, acted, tally, &judgement));
        turn.out.facts.push(verify::fact(saga, judgement.0, false));
    }
    turn.say(saga, Of::default(), kind, &reason);
    Flow::Ended
}
