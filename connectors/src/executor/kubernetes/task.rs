//! One command on one object: the fence, the key, the change and the note of it.

use std::time::Duration;

use serde_json::Value;
use theriac_contract::Command;

use super::{
    api::{Api, Refused},
    ledger::{Effect, Ledger, State},
    settings::KubernetesSettings,
    verb::{Inverse, Verb},
};
use crate::executor::failure::Failure;

/// Pause before an object is read again that somebody else has changed, or a server asked that was busy.
pub(super) const PAUSE: Duration = Duration::from_millis(100);

/// A command that is carried out.
pub(super) struct Task<'a> {
    pub(super) api: &'a Api,
    pub(super) settings: &'a KubernetesSettings,
    pub(super) verb: Verb,
    pub(super) command: &'a Command,
}

/// What a change comes to.
pub(super) enum Change<T> {
    /// The object stays as it is.
    Leave(T),
    /// The object and its ledger are written.
    Write(T),
}

/// A change of the object itself, with what was there before and is there since.
pub(super) struct Changed {
    pub(super) said: String,
    pub(super) before: Value,
    pub(super) after: Value,
}

impl Task<'_> {
    /// Reads the object, changes it, and writes it if nobody else has meanwhile; else begins again. So a
    /// write whose answer is lost is asked about by reading once more, and one that arrives late finds
    /// another version and does nothing.
    pub(super) async fn edit<T>(
        &self,
        path: &str,
        mut change: impl FnMut(&mut Value, &mut Ledger) -> Result<Change<T>, Failure>,
    ) -> Result<T, Failure> {
        loop {
            let mut object = self.api.get(path).await.map_err(|refused| refused.failure(path))?;
            let mut ledger = Ledger::of(&object)?;
            let value = match change(&mut object, &mut ledger)? {
                Change::Leave(value) => return Ok(value),
                Change::Write(value) => value,
            };
            ledger.annotate(&mut object)?;
            match self.api.put(path, &object).await {
                Ok(_) => return Ok(value),
                Err(Refused::Conflict | Refused::Silence(_)) => tokio::time::sleep(PAUSE).await,
                Err(refused) => return Err(refused.failure(path)),
            }
        }
    }

    /// Makes the command's token the newest of the target, whatever comes of the command.
    pub(super) async fn raise(&self, path: &str) -> Result<(), Failure> {
        self.edit(path, |_, ledger| {
            if let Some(Ok(_)) = ledger.answer(self.command) {
                return Ok(Change::Leave(()));
            }
            let news = ledger.raise(self.command)?;
            Ok(if news { Change::Write(()) } else { Change::Leave(()) })
        })
        .await
    }

    /// Does what one write can do: the change, the note of it and the token are one. If nothing comes of it
    /// the token is raised all the same. Not before: for a deployment annotations count for its generation.
    pub(super) async fn at_once(
        &self,
        path: &str,
        change: impl Fn(&mut Value) -> Result<Changed, Failure>,
        bring_back: impl Fn(&mut Value, &Effect) -> Result<String, Failure>,
    ) -> Result<String, Failure> {
        let outcome = self.edit(path, |object, ledger| {
            if let Some(answer) = ledger.answer(self.command) {
                return answer.map(Change::Leave);
            }
            ledger.raise(self.command)?;
            let changed = match self.undone(ledger)? {
                Some(Undone::Nothing) => Changed {
                    said: "nothing was done that had to be undone".to_owned(),
                    before: Value::Null,
                    after: Value::Null,
                },
                Some(Undone::Effect(effect)) => {
                    let said = bring_back(object, &effect)?;
                    Changed { said, before: effect.after, after: effect.before }
                }
                None => {
                    self.of_generation(object)?;
                    change(object)?
                }
            };
            let Changed { said, before, after } = changed;
            ledger.note(self.command, State::Done, &said, before, after);
            Ok(Change::Write(said))
        });
        match outcome.await {
            Ok(said) => Ok(said),
            Err(failure) => {
                // Why nothing was done is the answer, whatever becomes of the token.
                let _ = self.raise(path).await;
                Err(failure)
            }
        }
    }

    /// What the command is to bring back; none if it acts like any other, since another verb undoes it.
    pub(super) fn undone(&self, ledger: &Ledger) -> Result<Option<Undone>, Failure> {
        if !self.command.compensation {
            return Ok(None);
        }
        let Some(effect) = ledger.undone_by(self.command) else { return Ok(Some(Undone::Nothing)) };
        if effect.verb != self.verb.name() {
            return Ok(None);
        }
        match self.verb.inverse() {
            Inverse::Irreversible(why) => Err(Failure::lasting(format!("it cannot be undone: {why}"))),
            Inverse::BringBack => Ok(Some(Undone::Effect(effect.clone()))),
        }
    }

    /// Refuses an object that is not of the generation, or the version, that the plan was made for.
    pub(super) fn of_generation(&self, object: &Value) -> Result<(), Failure> {
        let metadata = &object["metadata"];
        let generation = metadata["generation"].as_i64().map(|generation| generation.to_string());
        let version = metadata["resourceVersion"].as_str().map(str::to_owned);
        for (parameter, now) in [("generation", generation), ("resource_version", version)] {
            let Some(wanted) = self.command.action.parameters.get(parameter) else { continue };
            let now = now.unwrap_or_default();
            if *wanted != now {
                let why = format!("its {parameter} is {now} by now, not {wanted}");
                return Err(Failure::lasting(why));
            }
        }
        Ok(())
    }
}

/// What a compensation is to bring back.
pub(super) enum Undone {
    /// What this effect has changed.
    Effect(Effect),
    /// Nothing was done.
    Nothing,
}
