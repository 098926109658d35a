//! Confirmed causes re-weight the channels: what alerts of entities say of the cause, learnt from
//! incidents whose cause and kind of fault are known.
//!
//! | module | holds |
//! |---|---|
//! | this | [`Model`]: what was learnt, and what it says of a new incident |
//! | `features` | what is told of an entity from the alerts of an incident |
//! | `fit` | the weights: a maximum of the posterior, found without chance |
//!
//! The model is a logistic choice among all pairs of an entity and a kind of fault. A feature has a
//! weight in common and one for each kind, all with normal priors around zero: without confirmed causes
//! nothing is told, and a kind of which little is known is judged as kinds in general are.

mod features;
mod fit;

use theriac_contract::{Entity, Evidence};

pub use features::{Alert, Alerts, Group};
use features::{Background, Features};

use super::Claim;
use crate::weighing::{Suspect, Weighed, weigh};

/// What is assumed of weights before anything is known, features scaled to a standard deviation of one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prior {
    /// Variance of a weight that all kinds of fault have in common. One of a hundred: with a hundred
    /// features of which none is known to matter, the log odds beforehand have a variance of one.
    pub shared: f64,
    /// Variance of what a kind of fault adds. A kind shows in a third of them at most.
    pub of_kind: f64,
}

impl Default for Prior {
    fn default() -> Self {
        Self { shared: 0.01, of_kind: 0.03 }
    }
}

/// An incident whose cause was confirmed.
#[derive(Clone, Debug, PartialEq)]
pub struct Confirmed {
    /// What was seen.
    pub alerts: Alerts,
    /// Index of the entity at fault.
    pub cause: usize,
    /// The kind of fault.
    pub fault: String,
}

/// What was learnt.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    background: Background,
    features: Features,
    faults: Vec<String>,
    /// `[1 + faults][features + 1]`: in common, then what each kind adds; the last is a kind's own
    /// frequency.
    weights: Vec<Vec<f64>>,
}

impl Model {
    /// Learns from confirmed causes; the order in which they come does not matter. A group of features
    /// can be left out.
    #[must_use]
    pub fn learn(confirmed: &[Confirmed], prior: &Prior, without: Option<Group>) -> Self {
        let mut faults: Vec<String> = confirmed.iter().map(|one| one.fault.clone()).collect();
        faults.sort();
        faults.dedup();
        let background = Background::count(confirmed);
        let features = Features::of(confirmed, &background, without);
        let mut cases: Vec<fit::Case> = confirmed
            .iter()
            .filter_map(|one| {
                let rows = features.rows(&one.alerts, &background);
                let fault = faults.binary_search(&one.fault).ok()?;
                (one.cause < rows.len()).then_some(fit::Case { rows, cause: one.cause, fault })
            })
            .collect();
        // Sums of floating-point numbers depend on their order.
        cases.sort_by(|a, b| (a.fault, a.cause).cmp(&(b.fault, b.cause)).then_with(|| a.order(b)));
        let weights = fit::fit(&cases, features.len(), faults.len(), prior);
        Self { background, features, faults, weights }
    }

    /// What each group of features says of each entity and kind of fault; each group in relation to what
    /// it says on average, so that what it says of all of them is left out.
    #[must_use]
    pub fn claims(&self, alerts: &Alerts) -> Vec<Claim> {
        let rows = self.features.rows(alerts, &self.background);
        let mut claims = Vec::new();
        for group in Group::ALL {
            let columns: Vec<usize> =
                (0..self.features.len()).filter(|column| self.features.group(*column) == group).collect();
            let mut said = Vec::new();
            for (entity, row) in alerts.entities.iter().zip(&rows) {
                for (kind, fault) in self.faults.iter().enumerate() {
                    let weight = |column: &usize| self.weights[0][*column] + self.weights[1 + kind][*column];
                    let sum: f64 = columns.iter().map(|column| weight(column) * row[*column]).sum();
                    said.push((entity, fault, sum));
                }
            }
            let mean = said.iter().map(|one| one.2).sum::<f64>() / said.len().max(1) as f64;
            claims.extend(said.into_iter().map(|(entity, fault, sum)| {
                let text =
                    format!("{} of {entity} are as confirmed causes of {fault} had them", group.name());
                one(entity, fault, group.name(), sum - mean, text)
            }));
        }
        for entity in &alerts.entities {
            for (kind, fault) in self.faults.iter().enumerate() {
                let ratio = self.weights[1 + kind].last().copied().unwrap_or(0.0);
                claims.push(one(entity, fault, "prior", ratio, format!("how common {fault} is")));
            }
        }
        claims
    }

    /// Suspects with their probabilities; the part is the kind of fault.
    #[must_use]
    pub fn diagnose(&self, alerts: &Alerts) -> Vec<Weighed> {
        weigh(&self.claims(alerts), 0.0)
    }
}

fn one(entity: &str, fault: &str, channel: &str, ratio: f64, text: String) -> Claim {
    let suspect = Suspect { entity: Entity(entity.to_owned()), part: fault.to_owned() };
    let channel = channel.to_owned();
    (suspect, Evidence { channel, log_likelihood_ratio: ratio, text, symptoms: Vec::new() })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two services of two replicas; every case has noise at `a-0`, and the cause a busy processor and
    /// slow calls.
    fn confirmed(cause: usize, fault: &str) -> Confirmed {
        let entities = ["a-0", "a-1", "b-0", "b-1"].map(str::to_owned).to_vec();
        let metric = |entity, name: &str| Alert::Metric {
            entity,
            metric: name.to_owned(),
            direction: "up".to_owned(),
        };
        let alerts = vec![
            metric(0, "disk"),
            metric(cause, fault),
            Alert::Call { caller: None, callee: cause, failed: false },
        ];
        let alerts = Alerts { entities, neighbours: vec![(0, 2), (2, 0)], alerts };
        Confirmed { alerts, cause, fault: fault.to_owned() }
    }

    fn all() -> Vec<Confirmed> {
        (0..24).map(|case| confirmed(case % 4, ["cpu", "memory"][case % 3 % 2])).collect()
    }

    #[test]
    fn what_was_confirmed_is_recognised() {
        let model = Model::learn(&all(), &Prior::default(), None);
        for cause in 0..4 {
            let weighed = model.diagnose(&confirmed(cause, "memory").alerts);
            let first = weighed[0].suspect.as_ref().expect("not unknown");
            let name = ["a-0", "a-1", "b-0", "b-1"][cause];
            assert_eq!((first.entity.0.as_str(), first.part.as_str()), (name, "memory"));
        }
    }

    #[test]
    fn the_order_of_what_was_confirmed_does_not_matter() {
        let mut shuffled = all();
        shuffled.reverse();
        shuffled.rotate_left(5);
        let prior = Prior::default();
        assert_eq!(Model::learn(&shuffled, &prior, None), Model::learn(&all(), &prior, None));
    }

    #[test]
    fn nothing_confirmed_tells_nothing() {
        let model = Model::learn(&[], &Prior::default(), None);
        let weighed = model.diagnose(&confirmed(1, "cpu").alerts);
        assert_eq!((weighed.len(), weighed[0].probability), (1, 1.0));
    }
}
