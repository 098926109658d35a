//! What is kept of each series beside the bank.

use serde::{Deserialize, Serialize};
use theriac_contract::{Direction, Series};

use crate::{
    counting::Counting,
    filling::Filling,
    proportion::Proportion,
    routine::Routine,
    rules::{Matters, Rule},
};

/// What is kept of each series beside the bank.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Watched {
    pub(crate) series: Series,
    pub(crate) rule: Rule,
    pub(crate) counting: Option<Counting>,
    /// For a share of failures, when it is known among how many.
    pub(crate) proportion: Option<Proportion>,
    /// For log lines that nobody worries about.
    pub(crate) routine: Option<Routine>,
    /// For what has a limit.
    #[serde(default)]
    pub(crate) filling: Option<Filling>,
}

impl Watched {
    /// Whether its numbers are counts or shares, which a model of their own knows better than
    /// any other detector.
    pub(crate) const fn is_modelled(&self) -> bool {
        self.counting.is_some() || self.proportion.is_some() || self.routine.is_some()
    }

    /// Whether it is judged together with the other metrics of its entity, and beside the same metric
    /// of other replicas.
    pub(crate) fn is_judged_together(&self) -> bool {
        !self.is_modelled() && self.rule.matters != Matters::Nothing && self.rule.silence
    }

    /// The name of the model of its own, which alone judges it; none if the bank does.
    pub(crate) const fn own_model(&self, direction: Direction) -> Option<&'static str> {
        match (&self.counting, &self.proportion, &self.routine) {
            (Some(_), ..) => Some("counting"),
            (None, None, Some(_)) if matches!(direction, Direction::Down) => Some("absence"),
            (None, Some(_), _) | (None, None, Some(_)) => Some("proportion"),
            (None, None, None) => None,
        }
    }

    /// Its own model begins anew.
    pub(crate) fn forget(&mut self) {
        if let Some(counting) = &mut self.counting {
            *counting = counting.fresh();
        }
        if let Some(proportion) = &mut self.proportion {
            *proportion = Proportion::new(proportion.of, proportion.a_second);
        }
        if let Some(routine) = &mut self.routine {
            *routine = routine.fresh();
        }
    }
}
