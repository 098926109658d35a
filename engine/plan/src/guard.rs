//! Limits on what is done: a loop of remedies must end.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use theriac_contract::{Plan, Timestamp};

use crate::settings::Settings;

/// Verbs that change nothing: they are not limited.
pub(crate) const HARMLESS: [&str; 2] = ["wait", "notify"];

/// When services were acted upon, within the window.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Guard {
    acted: BTreeMap<String, Vec<Timestamp>>,
}

impl Guard {
    /// Why a plan may not be made: a word and a sentence.
    pub(crate) fn refusal(
        &self,
        plan: &Plan,
        at: Timestamp,
        settings: &Settings,
    ) -> Option<(&'static str, String)> {
        let forbidden = plan.steps().find(|step| settings.forbidden_verbs.contains(&step.action.verb));
        if let Some(step) = forbidden {
            return Some(("forbidden_verb", format!("`{}` is in forbidden_verbs", step.action.verb)));
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
        None
    }

    /// Counts what a plan is going to do.
    pub(crate) fn note(&mut self, plan: &Plan, at: Timestamp, settings: &Settings) {
        for (service, wanted) in actions(plan) {
            self.acted.entry(service.to_owned()).or_default().extend(std::iter::repeat_n(at, wanted));
        }
        for times in self.acted.values_mut() {
            times.retain(|time| at.since(*time) < settings.rate_window);
        }
        self.acted.retain(|_, times| !times.is_empty());
    }
}

/// Actions of a plan by service. Only its first stage is sure to be done, but all of them
/// may be.
fn actions(plan: &Plan) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for step in plan.steps().filter(|step| !HARMLESS.contains(&step.action.verb.as_str())) {
        *counts.entry(step.action.target.service()).or_insert(0) += 1;
    }
    counts
}
