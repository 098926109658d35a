//! What the answer of an executor means.

use theriac_contract::{
    Command, Completion, OutcomeKind, Verdict,
    seeded::{self, Bug},
};

use crate::{
    advance::{Turn, done, not_undone, timed_out, undo, watch},
    record::Of,
    saga::{Ending, Phase, Saga},
};

/// Takes the answer to the attempt that is out. Gives whether there was one that it answers.
pub(crate) fn answer(saga: &mut Saga, turn: &mut Turn<'_>, completion: &Completion) -> bool {
    let Phase::Running { step, command, key, .. } = &saga.phase else { return false };
    if *key != completion.attempt_key {
        return false;
    }
    let (step, command) = (*step, command.clone());
    let of = Of { executor: completion.executor.clone(), ..Of::attempt(&command) };
    let detail = completion.detail.as_str();
    // The clock of an executor may be ahead of the telemetry; the effect is awaited in event time.
    let acted = completion.at.min(turn.at).max(command.issued);
    match completion.verdict {
        Verdict::Succeeded => done(saga, turn, step, of, acted, detail),
        Verdict::Failed { retryable } => failed(saga, turn, step, &command, of, retryable, detail),
        Verdict::TimedOut if seeded::on(Bug::TimeoutRetried) => {
            failed(saga, turn, step, &command, of, true, detail);
        }
        Verdict::TimedOut => timed_out(saga, turn, of, detail),
        Verdict::Unknown if seeded::on(Bug::UnknownIsSuccess) => done(saga, turn, step, of, acted, detail),
        Verdict::Unknown if saga.undoing.is_some() => not_undone(saga, turn, of, detail),
        Verdict::Unknown => {
            turn.say(saga, of, OutcomeKind::Unknown, detail);
            saga.uncertain = Some(command.step);
            saga.acted = Some(acted);
            watch(saga, acted);
        }
    }
    true
}

fn failed(
    saga: &mut Saga,
    turn: &mut Turn<'_>,
    position: usize,
    command: &Command,
    of: Of,
    retryable: bool,
    detail: &str,
) {
    let retry = saga.step(position).map(|step| step.retry.clone()).unwrap_or_default();
    if retryable && command.attempt < retry.attempts {
        turn.say(saga, of, OutcomeKind::Failed, detail);
        let pause = retry.wait(&command.idempotency_key, command.attempt);
        saga.phase = Phase::Due { step: position, attempt: command.attempt + 1, from: turn.at.plus(pause) };
    } else if saga.undoing.is_some() {
        not_undone(saga, turn, of, detail);
    } else {
        turn.say(saga, of, OutcomeKind::Failed, detail);
        let reason = format!("step {} failed: {detail}", command.step);
        undo(saga, Ending::Abandoned(reason), turn.at);
    }
}
