//! What is known of keys and tokens of one partition, and what a command gets. Reads no clock.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use theriac_contract::{Attempt, Command, Entity, ExecutionEvent, Id, Verdict};

/// Verdict and words.
pub(crate) type Answer = (Verdict, String);

/// What a command gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// It may be begun.
    Act,
    /// It was claimed and never answered: from this instant on, ask whether it was done.
    Reconcile(Instant),
    /// This answer, and nothing is done.
    Answer(Answer),
}

/// What is known of an idempotency key.
#[derive(Clone, Debug)]
struct Known {
    /// Order in which the keys were first seen.
    place: u64,
    attempt: Attempt,
    /// End of the lease, counted from when the claim was seen.
    until: Instant,
    ended: Option<Answer>,
}

/// The fold of one partition of `executions`.
#[derive(Debug)]
pub(crate) struct Book {
    answers_max: usize,
    places: u64,
    known: BTreeMap<Id, Known>,
    /// The newest token of each target of each domain.
    tokens: BTreeMap<(String, Entity), u64>,
}

fn refused(detail: String) -> Answer {
    (Verdict::Failed { retryable: false }, detail)
}

impl Book {
    pub(crate) const fn new(answers_max: usize) -> Self {
        Self { answers_max, places: 0, known: BTreeMap::new(), tokens: BTreeMap::new() }
    }

    /// Takes what happened; `seen` is now.
    pub(crate) fn fold(&mut self, event: ExecutionEvent, seen: Instant) {
        match event {
            ExecutionEvent::Opened => {}
            ExecutionEvent::Claimed { attempt, lease } => {
                self.note(attempt, seen + length(lease), None);
            }
            ExecutionEvent::Extended { attempt_key, lease } => {
                let claimed =
                    self.known.values_mut().rev().find(|known| known.attempt.attempt_key == attempt_key);
                if let Some(known) = claimed {
                    known.until = seen + length(lease);
                }
            }
            ExecutionEvent::Ended { attempt, verdict, detail } => {
                self.note(attempt, seen, Some((verdict, detail)));
            }
        }
    }

    fn note(&mut self, mut attempt: Attempt, until: Instant, ended: Option<Answer>) {
        let newest = self.tokens.entry((attempt.domain.clone(), attempt.target.clone())).or_default();
        *newest = attempt.fencing_token.max(*newest);
        let before = self.known.get(&attempt.idempotency_key);
        // The answer to an old attempt, once more, says nothing of a later one.
        attempt.attempt = before.map_or(0, |known| known.attempt.attempt).max(attempt.attempt);
        let place = before.map_or(self.places, |known| known.place);
        self.places += 1;
        self.known.insert(attempt.idempotency_key.clone(), Known { place, attempt, until, ended });
        if self.known.len() > 2 * self.answers_max {
            self.forget();
        }
    }

    /// What the command gets. Without `timely` it must not be begun any more.
    pub(crate) fn decide(&self, command: &Command, timely: bool) -> Decision {
        if command.dry_run {
            return Decision::Answer(refused("a dry run; theriac itself says what would be done".to_owned()));
        }
        match self.known.get(&command.idempotency_key) {
            Some(Known { ended: None, until, .. }) => return Decision::Reconcile(*until),
            Some(Known { ended: Some((Verdict::Failed { retryable: true }, _)), attempt, .. })
                if command.attempt > attempt.attempt => {}
            Some(Known { ended: Some(answer), .. }) => return Decision::Answer(answer.clone()),
            None => {}
        }
        self.allow(command, timely).map_or_else(Decision::Answer, |()| Decision::Act)
    }

    /// Whether a command of which nothing was done may be begun.
    pub(crate) fn allow(&self, command: &Command, timely: bool) -> Result<(), Answer> {
        let (token, target) = (command.fencing_token, &command.action.target);
        let newest = self.tokens.get(&(command.domain.clone(), target.clone())).copied().unwrap_or(0);
        if token < newest {
            return Err(refused(format!("fenced: token {token} is older than {newest} for {target}")));
        }
        if !timely {
            return Err(refused("expired before it was begun".to_owned()));
        }
        Ok(())
    }

    /// Forgets the oldest answers of targets that were acted upon under a newer token since: the
    /// fence refuses those commands as well as the answer would.
    fn forget(&mut self) {
        let fenced = |known: &&Known| {
            let place = (known.attempt.domain.clone(), known.attempt.target.clone());
            known.ended.is_some() && known.attempt.fencing_token < self.tokens[&place]
        };
        let places: BTreeSet<u64> = self.known.values().filter(fenced).map(|known| known.place).collect();
        let excess = places.len().saturating_sub(self.answers_max);
        let forgotten: BTreeSet<u64> = places.into_iter().take(excess).collect();
        self.known.retain(|_, known| !forgotten.contains(&known.place));
    }
}

fn length(lease: theriac_contract::Interval) -> Duration {
    Duration::from_nanos(u64::try_from(lease.0).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use theriac_contract::{Action, Interval, Timestamp};

    use super::*;

    fn command(key: &str, attempt: u32, token: u64) -> Command {
        Command {
            plan: Id("plan-1".to_owned()),
            incident: Id("incident-1".to_owned()),
            step: 0,
            attempt,
            compensation: false,
            domain: "shop".to_owned(),
            action: Action {
                verb: "restart".to_owned(),
                target: Entity("cart".to_owned()),
                parameters: BTreeMap::new(),
            },
            idempotency_key: Id(key.to_owned()),
            fencing_token: token,
            dry_run: false,
            timeout: Interval::from_seconds(30),
            issued: Timestamp(0),
        }
    }

    fn claimed(command: &Command) -> ExecutionEvent {
        ExecutionEvent::Claimed { attempt: Attempt::of(command), lease: Interval::from_seconds(10) }
    }

    fn ended(command: &Command, verdict: Verdict) -> ExecutionEvent {
        ExecutionEvent::Ended { attempt: Attempt::of(command), verdict, detail: "words".to_owned() }
    }

    fn answer(decision: Decision) -> Answer {
        match decision {
            Decision::Answer(answer) => answer,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_key_that_was_answered_gets_its_answer_again() {
        let (mut book, now) = (Book::new(9), Instant::now());
        let first = command("a", 1, 1);
        assert_eq!(book.decide(&first, true), Decision::Act);
        book.fold(claimed(&first), now);
        book.fold(ended(&first, Verdict::Succeeded), now);
        for again in [first, command("a", 2, 1)] {
            let expected = (Verdict::Succeeded, "words".to_owned());
            assert_eq!(answer(book.decide(&again, false)), expected);
        }
    }

    #[test]
    fn only_a_failure_that_may_be_retried_lets_a_later_attempt_act() {
        let (mut book, now) = (Book::new(9), Instant::now());
        let first = command("a", 1, 1);
        book.fold(ended(&first, Verdict::Failed { retryable: true }), now);
        assert_eq!(book.decide(&command("a", 2, 1), true), Decision::Act);
        assert_eq!(answer(book.decide(&first, true)).0, Verdict::Failed { retryable: true });
        for last in [Verdict::Failed { retryable: false }, Verdict::Unknown, Verdict::TimedOut] {
            book.fold(ended(&command("a", 2, 1), last.clone()), now);
            assert_eq!(answer(book.decide(&command("a", 3, 1), true)).0, last);
        }
    }

    #[test]
    fn a_claim_without_an_answer_is_reconciled_after_its_lease() {
        let (mut book, now) = (Book::new(9), Instant::now());
        let first = command("a", 1, 1);
        book.fold(claimed(&first), now);
        // Even if it has expired: it may have been done.
        assert_eq!(book.decide(&first, false), Decision::Reconcile(now + Duration::from_secs(10)));
        let later = now + Duration::from_secs(5);
        let lease = Interval::from_seconds(10);
        book.fold(ExecutionEvent::Extended { attempt_key: first.attempt_key(), lease }, later);
        assert_eq!(book.decide(&first, true), Decision::Reconcile(later + Duration::from_secs(10)));
    }

    #[test]
    fn an_old_token_and_an_expired_command_are_refused() {
        let (mut book, now) = (Book::new(9), Instant::now());
        book.fold(claimed(&command("a", 1, 5)), now);
        assert!(answer(book.decide(&command("b", 1, 4), true)).1.starts_with("fenced: token 4"));
        assert!(answer(book.decide(&command("c", 1, 5), false)).1.starts_with("expired"));
        assert_eq!(book.decide(&command("d", 1, 5), true), Decision::Act);
        // What has the same name elsewhere is another thing.
        let elsewhere = Command { domain: "stage".to_owned(), ..command("f", 1, 1) };
        assert_eq!(book.decide(&elsewhere, true), Decision::Act);
        let dry = Command { dry_run: true, ..command("e", 1, 5) };
        assert!(answer(book.decide(&dry, true)).1.starts_with("a dry run"));
    }

    #[test]
    fn what_is_forgotten_is_fenced() {
        let (mut book, now) = (Book::new(4), Instant::now());
        for token in 1..=100 {
            let done = command(&format!("key-{token}"), 1, token);
            book.fold(ended(&done, Verdict::Succeeded), now);
        }
        assert!(book.known.len() <= 9, "{}", book.known.len());
        assert!(answer(book.decide(&command("key-1", 1, 1), true)).1.starts_with("fenced"));
        assert_eq!(answer(book.decide(&command("key-100", 1, 100), true)).0, Verdict::Succeeded);
    }
}
