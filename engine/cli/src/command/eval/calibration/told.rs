//! What all evaluations of causes told of their cases, in one form.

use std::{collections::BTreeMap, path::Path};

use anyhow::Result;
use theriac_contract::Entity;
use theriac_diagnose::{
    channel::{Claim, reweight::Weights},
    weighing::{Suspect, Weighed, weigh},
};

use super::super::{causes, nezha, rootcausebench};

/// One case: what the channels said of whom, and who it was.
pub(in crate::command::eval) struct Told {
    pub(super) set: &'static str,
    pub(super) case: String,
    /// Name of the true cause, as suspects are called here.
    pub(super) truth: String,
    /// What is meant if nothing that is listed was it; none if that is no answer to the case.
    pub(super) otherwise: Option<String>,
    /// With names for entities.
    pub(super) claims: Vec<Claim>,
    /// Log odds of what is not listed.
    pub(super) unknown: f64,
}

impl Told {
    /// What was weighed, with the names by which suspects are judged; those without one are left out.
    pub(in crate::command::eval) fn of(
        set: &'static str,
        (case, truth): (&str, &str),
        weighed: &[Weighed],
        name: impl Fn(&Suspect) -> Option<String>,
    ) -> Self {
        let mut claims = Vec::new();
        for one in weighed {
            let Some(suspect) = &one.suspect else { continue };
            let Some(name) = name(suspect) else { continue };
            // Where several are called the same, each stays a suspect of its own.
            let part = format!("{} {}", suspect.entity.0, suspect.part);
            let suspect = Suspect { entity: Entity(name), part };
            claims.extend(one.evidence.iter().map(|evidence| (suspect.clone(), evidence.clone())));
        }
        let unknown = weighed.iter().find(|one| one.suspect.is_none()).map_or(0.0, |one| one.log_odds);
        let (case, truth) = (case.to_owned(), truth.to_owned());
        Self { set, case, truth, otherwise: None, claims, unknown }
    }

    /// The same, where "nothing that is listed" is an answer.
    pub(in crate::command::eval) fn otherwise(self, name: &str) -> Self {
        Self { otherwise: Some(name.to_owned()), ..self }
    }

    /// Who it was, as something that is learnt from.
    pub(super) fn cause(&self) -> Option<Entity> {
        Some(Entity(self.truth.clone())).filter(|_| self.otherwise.as_ref() != Some(&self.truth))
    }

    /// The same without what one channel said, the others as they were.
    pub(super) fn without(&self, channel: &str) -> Self {
        let claims = self.claims.iter().filter(|(_, evidence)| evidence.channel != channel);
        Self {
            set: self.set,
            case: self.case.clone(),
            truth: self.truth.clone(),
            otherwise: self.otherwise.clone(),
            claims: claims.cloned().collect(),
            unknown: self.unknown,
        }
    }

    /// What is named first with its probability, and that of the truth.
    pub(super) fn answer(&self, weights: &Weights, temperature: f64) -> Answer {
        let mut claims = weights.heard(&self.claims);
        claims.iter_mut().for_each(|(_, evidence)| evidence.log_likelihood_ratio /= temperature);
        let mut of_name: BTreeMap<String, f64> = BTreeMap::new();
        for one in weigh(&claims, self.unknown / temperature) {
            let name = one.suspect.map(|suspect| suspect.entity.0).or_else(|| self.otherwise.clone());
            if let Some(name) = name {
                *of_name.entry(name).or_default() += one.probability;
            }
        }
        let truth = of_name.get(&self.truth).copied().unwrap_or(0.0);
        let first = of_name.into_iter().max_by(|a, b| a.1.total_cmp(&b.1).then_with(|| b.0.cmp(&a.0)));
        match first {
            Some((name, sure)) => Answer { right: name == self.truth, sure, truth },
            None => Answer { right: false, sure: 0.0, truth },
        }
    }
}

/// What was answered first.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::command) struct Answer {
    pub(in crate::command) right: bool,
    /// Its probability.
    pub(in crate::command) sure: f64,
    /// That of the truth.
    pub(in crate::command) truth: f64,
}

/// Cases of all data sets, each set in its own order.
pub(super) fn all(data: Option<&Path>) -> Result<Vec<Told>> {
    let mut all = nezha::told_of(data)?;
    all.extend(causes::petshop::told_of(data)?);
    all.extend(causes::sockshop::told_of(data)?);
    all.extend(rootcausebench::told_of(data)?);
    all.extend(causes::alerts::told_of(data)?);
    Ok(all)
}
