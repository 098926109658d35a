//! What people have said about acting: how far a plan may go, who approved what, and whether
//! anything may be done at all.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    id::Id,
    seeded::{self, Bug},
    time::Timestamp,
};

/// How far a plan may go by itself. The order is from the strictest to the freest.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Autonomy {
    /// No plan is made.
    Observe,
    /// The plan is published; nothing of it is done.
    Suggest,
    /// The plan is published, and done once a person has approved it.
    Approve,
    /// The plan is done.
    #[default]
    Act,
}

impl Autonomy {
    /// As it is written in a policy.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Observe => "observe",
            Self::Suggest => "suggest",
            Self::Approve => "approve",
            Self::Act => "act",
        }
    }
}

/// What a plan waits for before anything of it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Awaiting {
    /// Somebody has to approve the plan by its id, before it expires.
    Approval,
}

/// How much is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HoldKind {
    /// Nothing new is begun; what was begun may be undone.
    Pause,
    /// No effect begins at all, not even one that undoes another.
    Kill,
}

impl HoldKind {
    /// The word for people.
    #[must_use]
    pub const fn participle(self) -> &'static str {
        match self {
            Self::Pause => "paused",
            Self::Kill => "stopped by the kill switch",
        }
    }
}

/// Nothing may be done, until somebody says so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Hold {
    /// How much is held.
    pub kind: HoldKind,
    /// Event time at which that became known.
    pub since: Timestamp,
    /// Who said so.
    pub by: String,
    /// Why.
    pub reason: String,
}

impl Hold {
    /// Whether a command may not begin; `undoes` says whether it only undoes an earlier one.
    #[must_use]
    pub fn stops(&self, undoes: bool) -> bool {
        matches!(self.kind, HoldKind::Kill) && !seeded::on(Bug::KillSwitchIsPause) || !undoes
    }

    /// Sentence for people.
    #[must_use]
    pub fn text(&self) -> String {
        let by = if self.by.is_empty() { String::new() } else { format!(" by {}", self.by) };
        let why = if self.reason.is_empty() { String::new() } else { format!(": {}", self.reason) };
        format!("acting is {} since {}{by}{why}", self.kind.participle(), self.since)
    }
}

/// What somebody said of a plan that awaits approval.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Ruling {
    /// 1 for the first ruling of all; grows by one.
    pub number: u64,
    /// The plan: the digest of its content.
    pub plan: Id,
    /// Whether it may be done.
    pub approved: bool,
    /// Event time at which that became known.
    pub at: Timestamp,
    /// Who said so.
    pub by: String,
    /// Why.
    pub reason: String,
}

/// What holds of all that was said. A rollback of what is known leaves it as it is: nobody
/// starts acting again by going back to an older version.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Control {
    /// Set while nothing may be done.
    pub hold: Option<Hold>,
    /// The last [`Control::RULINGS_MAX`] rulings, in their order.
    pub rulings: Vec<Ruling>,
    /// Rulings so far.
    pub ruled: u64,
}

impl Control {
    /// Rulings that are kept: plans that are older have expired long since.
    pub const RULINGS_MAX: usize = 256;

    /// Notes a ruling.
    pub fn rule(&mut self, plan: &Id, approved: bool, at: Timestamp, by: &str, reason: &str) {
        self.ruled += 1;
        let (by, reason) = (by.to_owned(), reason.to_owned());
        self.rulings.push(Ruling { number: self.ruled, plan: plan.clone(), approved, at, by, reason });
        let over = self.rulings.len().saturating_sub(Self::RULINGS_MAX);
        self.rulings.drain(..over);
    }

    /// The ruling on a plan that counts: a rejection, whenever it came, or else the first approval.
    /// Who rejects takes an approval back as long as nothing was begun.
    #[must_use]
    pub fn ruling(&self, plan: &Id) -> Option<&Ruling> {
        let mut of_plan = self.rulings.iter().filter(|ruling| ruling.plan == *plan);
        let heard = |ruling: &&Ruling| !ruling.approved && !seeded::on(Bug::RejectionUnheard);
        of_plan.clone().find(heard).or_else(|| of_plan.next())
    }

    /// Whether somebody approved a plan, and nobody rejected it.
    #[must_use]
    pub fn approves(&self, plan: &Id) -> bool {
        self.ruling(plan).is_some_and(|ruling| ruling.approved)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_strictest_comes_first() {
        assert!(Autonomy::Observe < Autonomy::Suggest && Autonomy::Suggest < Autonomy::Approve);
        assert_eq!(Autonomy::Approve.min(Autonomy::Act), Autonomy::Approve);
    }

    #[test]
    fn a_pause_lets_things_be_undone_and_the_kill_switch_does_not() {
        let hold = |kind| Hold { kind, since: Timestamp(0), by: String::new(), reason: String::new() };
        assert!(hold(HoldKind::Pause).stops(false) && !hold(HoldKind::Pause).stops(true));
        assert!(hold(HoldKind::Kill).stops(false) && hold(HoldKind::Kill).stops(true));
    }

    #[test]
    fn a_rejection_outweighs_approvals_and_old_rulings_go() {
        let mut control = Control::default();
        let plan = Id("plan-1".to_owned());
        control.rule(&plan, true, Timestamp(0), "ada", "");
        assert!(control.approves(&plan));
        control.rule(&plan, false, Timestamp(1), "bob", "");
        control.rule(&plan, true, Timestamp(2), "ada", "");
        assert!(!control.approves(&plan));
        assert_eq!(control.ruling(&plan).map(|ruling| ruling.by.as_str()), Some("bob"));
        for number in 0..Control::RULINGS_MAX {
            control.rule(&Id(format!("plan-x{number}")), true, Timestamp(2), "", "");
        }
        assert_eq!(control.rulings.len(), Control::RULINGS_MAX);
        assert_eq!(control.rulings.last().map(|ruling| ruling.number), Some(control.ruled));
        assert!(control.ruling(&plan).is_none());
    }
}
