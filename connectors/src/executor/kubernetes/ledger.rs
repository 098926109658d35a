//! What was done to an object, as an annotation of it. It is written together with what it tells of, and both
//! are there or neither.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use theriac_contract::{Command, Id, Verdict};

use crate::executor::failure::Failure;

/// Name of the annotation.
pub(super) const ANNOTATION: &str = "theriac.io/ledger";
/// Effects that are kept of one object; an annotation must not grow without bound.
const EFFECTS_MAX: usize = 32;

/// The newest tokens, and what was done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Ledger {
    /// By domain and target. A workload has the targets of its pods, too.
    tokens: BTreeMap<String, BTreeMap<String, u64>>,
    /// By domain: one more than the newest of the tokens that were forgotten. Tokens grow over all targets, so
    /// for a target that has none here it stands in.
    floors: BTreeMap<String, u64>,
    /// The oldest first.
    effects: Vec<Effect>,
}

/// One key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Effect {
    key: Id,
    domain: String,
    target: String,
    token: u64,
    pub(super) verb: String,
    pub(super) state: State,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) detail: String,
    /// What was there before.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub(super) before: Value,
    /// What is there since.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub(super) after: Value,
}

/// How far something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    /// Under way, or left: whoever asks may bring it to its end, for what is done of it is done to certain
    /// pods, by their UID.
    Begun,
    Done,
}

/// The key of what undoes the effect of a key, as sagas derive it.
fn undo_key(key: &Id) -> Id {
    Id::derive("compensation", &[key.as_str()])
}

impl Ledger {
    /// That of an object.
    pub(super) fn of(object: &Value) -> Result<Self, Failure> {
        match object["metadata"]["annotations"][ANNOTATION].as_str() {
            None => Ok(Self::default()),
            Some(text) => serde_json::from_str(text).map_err(|error| {
                Failure::lasting(format!(
                    "the annotation {ANNOTATION} cannot be read: {error}; see what was done, then remove it"
                ))
            }),
        }
    }

    /// Puts it into the object.
    pub(super) fn annotate(&self, object: &mut Value) -> Result<(), Failure> {
        let text = serde_json::to_string(self).map_err(|error| Failure::lasting(error.to_string()))?;
        if object["metadata"]["annotations"].is_null() {
            object["metadata"]["annotations"] = json!({});
        }
        object["metadata"]["annotations"][ANNOTATION] = Value::String(text);
        Ok(())
    }

    /// Makes the command's token the newest of its target, or refuses it. Gives whether that is news.
    pub(super) fn raise(&mut self, command: &Command) -> Result<bool, Failure> {
        let (target, token) = (command.action.target.as_str(), command.fencing_token);
        let floor = self.floors.get(&command.domain).copied().unwrap_or(0);
        let tokens = self.tokens.entry(command.domain.clone()).or_default();
        let newest = tokens.get(target).copied().unwrap_or(floor);
        if token < newest {
            return Err(Failure::lasting(format!(
                "fenced: token {token} is older than {newest} for {target}"
            )));
        }
        Ok(tokens.insert(target.to_owned(), token) != Some(token))
    }

    /// What is known of the command's key.
    pub(super) fn known(&self, command: &Command) -> Option<&Effect> {
        self.effects.iter().find(|effect| effect.key == command.idempotency_key)
    }

    /// The answer that the command gets without anything being done; none if it may act.
    pub(super) fn answer(&self, command: &Command) -> Option<Result<String, Failure>> {
        if let Some(Effect { state: State::Done, detail, .. }) = self.known(command) {
            return Some(Ok(detail.clone()));
        }
        let undo = undo_key(&command.idempotency_key);
        let undone = self.effects.iter().any(|effect| effect.key == undo);
        undone.then(|| {
            let why = "it was taken back before it was begun".to_owned();
            Err(Failure { verdict: Verdict::Failed { retryable: false }, why })
        })
    }

    /// What a compensation undoes.
    pub(super) fn undone_by(&self, command: &Command) -> Option<&Effect> {
        self.effects.iter().find(|effect| undo_key(&effect.key) == command.idempotency_key)
    }

    /// Notes how far the command is, and forgets the oldest of what the fences refuse.
    pub(super) fn note(
        &mut self,
        command: &Command,
        state: State,
        detail: &str,
        before: Value,
        after: Value,
    ) {
        let effect = Effect {
            key: command.idempotency_key.clone(),
            domain: command.domain.clone(),
            target: command.action.target.as_str().to_owned(),
            token: command.fencing_token,
            verb: command.action.verb.clone(),
            state,
            detail: detail.to_owned(),
            before,
            after,
        };
        self.drop(command);
        self.effects.push(effect);
        while self.effects.len() > EFFECTS_MAX {
            let fenced = |effect: &Effect| self.newest(&effect.domain, &effect.target) > effect.token;
            let of_others = |effect: &Effect| effect.target != command.action.target.as_str();
            let Some(oldest) =
                self.effects.iter().position(fenced).or_else(|| self.effects.iter().position(of_others))
            else {
                break;
            };
            let gone = self.effects.remove(oldest);
            self.forget_token(&gone);
        }
    }

    /// Forgets the command: nothing is left of it.
    pub(super) fn drop(&mut self, command: &Command) {
        self.effects.retain(|effect| effect.key != command.idempotency_key);
    }

    fn newest(&self, domain: &str, target: &str) -> u64 {
        self.tokens.get(domain).and_then(|tokens| tokens.get(target)).copied().unwrap_or(0)
    }

    /// Without a single effect of a target its token goes as well; the floor refuses what it refused.
    fn forget_token(&mut self, gone: &Effect) {
        let same = |effect: &Effect| effect.domain == gone.domain && effect.target == gone.target;
        if self.effects.iter().any(same) {
            return;
        }
        let token = self.tokens.get_mut(&gone.domain).and_then(|tokens| tokens.remove(&gone.target));
        let floor = self.floors.entry(gone.domain.clone()).or_default();
        *floor = (token.unwrap_or(gone.token) + 1).max(*floor);
    }
}

#[cfg(test)]
mod tests {
    use theriac_contract::{Action, Entity, Interval, Timestamp};

    use super::*;

    fn command(target: &str, step: u32, token: u64) -> Command {
        Command {
            plan: Id::derive("plan", &["p"]),
            incident: Id::derive("incident", &["i"]),
            step,
            attempt: 1,
            compensation: false,
            action: Action {
                verb: "restart".to_owned(),
                target: Entity(target.to_owned()),
                parameters: [].into(),
            },
            idempotency_key: Id::derive("step", &[target, &step.to_string()]),
            domain: "shop".to_owned(),
            fencing_token: token,
            dry_run: false,
            timeout: Interval::from_seconds(1),
            issued: Timestamp::from_seconds(0),
        }
    }

    #[test]
    fn it_stays_small_and_what_it_forgets_stays_refused() {
        let mut ledger = Ledger::default();
        for step in 0..200_u32 {
            let restart = command(&format!("cart/cart-{step}"), step, u64::from(step) + 1);
            assert!(ledger.raise(&restart).expect("a newer token"));
            ledger.note(&restart, State::Done, "deleted", Value::Null, Value::Null);
        }
        let mut object = json!({ "metadata": {} });
        ledger.annotate(&mut object).expect("JSON");
        assert_eq!(Ledger::of(&object).expect("the same"), ledger);
        let text = object["metadata"]["annotations"][ANNOTATION].as_str().expect("a text");
        assert!(text.len() < 16_384, "{} bytes", text.len());
        for step in 0..200_u32 {
            let repeated = command(&format!("cart/cart-{step}"), step, u64::from(step) + 1);
            let refused = ledger.clone().raise(&repeated).is_err();
            assert!(refused || ledger.answer(&repeated).is_some(), "step {step} would be done again");
        }
    }

    #[test]
    fn a_plan_of_many_steps_on_one_target_keeps_them_all() {
        let mut ledger = Ledger::default();
        for step in 0..50 {
            ledger.raise(&command("cart", step, 9)).expect("the same token");
            ledger.note(&command("cart", step, 9), State::Done, "done", Value::Null, Value::Null);
        }
        assert!((0..50).all(|step| ledger.answer(&command("cart", step, 9)).is_some()));
    }

    #[test]
    fn a_damaged_one_is_told_with_the_mend() {
        let object = json!({ "metadata": { "annotations": { ANNOTATION: "{" } } });
        let failure = Ledger::of(&object).expect_err("damage");
        assert!(failure.why.ends_with("see what was done, then remove it"), "{}", failure.why);
        assert_eq!(failure.verdict, Verdict::Failed { retryable: false });
    }
}
