//! What is told of an entity from the alerts of an incident: which alerts it has, how rare each is for
//! its service, what its replicas and its neighbours in the call graph show.

use std::collections::{BTreeMap, BTreeSet};

use super::Confirmed;

/// What a detector said; entities by their index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Alert {
    /// A metric changed.
    Metric {
        /// Whose.
        entity: usize,
        /// Which.
        metric: String,
        /// Which way.
        direction: String,
    },
    /// Calls were slow or failed.
    Call {
        /// Who called; none for the outside.
        caller: Option<usize>,
        /// Who was called; the caller itself for work within it.
        callee: usize,
        /// Failed and not slow.
        failed: bool,
    },
    /// Lines of a log became more or fewer.
    Log {
        /// Whose.
        entity: usize,
        /// Which template.
        template: String,
    },
}

/// All alerts of an incident.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Alerts {
    /// Who may be the cause. Names of replicas differ in the number at their end.
    pub entities: Vec<String>,
    /// Who speaks with whom, by index.
    pub neighbours: Vec<(usize, usize)>,
    /// What was said.
    pub alerts: Vec<Alert>,
}

/// Groups of features: the channels of this model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// Metrics that changed.
    Metrics,
    /// Slow and failed calls, and the share of the neighbours that they are with.
    Calls,
    /// Logs.
    Logs,
    /// How rare the alerts are for the service.
    Rarity,
    /// What its replicas do not show.
    Peers,
}

impl Group {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Metrics, Self::Calls, Self::Logs, Self::Rarity, Self::Peers];

    /// As in evidence.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Metrics => "metrics",
            Self::Calls => "calls",
            Self::Logs => "logs",
            Self::Rarity => "rarity",
            Self::Peers => "peers",
        }
    }
}

/// An alert as one entity has it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Token {
    Metric(String, String),
    /// As caller, callee or within; whether it failed.
    Call(Side, bool),
    Log(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Side {
    Caller,
    Callee,
    Within,
}

/// One number that is told of an entity.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Feature {
    Has(Token),
    /// It has it and no replica of it has.
    HasAlone(Token),
    /// Sum and maximum of the surprise (−ln of the frequency) of metrics and calls.
    Surprise,
    SurpriseMax,
    /// The same of logs.
    LogSurprise,
    LogSurpriseMax,
    /// ln(1 + templates).
    Logs,
    /// Surprise beyond that of the replica that has most.
    SurpriseAbovePeers,
    LogSurpriseAbovePeers,
    /// Share of the neighbours with which calls are slow or fail; beyond the replicas; at the neighbour
    /// where it is largest.
    Bad(bool),
    BadAbovePeers(bool),
    BadAtNeighbour(bool),
}

impl Feature {
    const fn group(&self) -> Group {
        match self {
            Self::Has(Token::Metric(..)) => Group::Metrics,
            Self::Has(Token::Call(..)) | Self::Bad(_) | Self::BadAtNeighbour(_) => Group::Calls,
            Self::Has(Token::Log(_)) | Self::LogSurprise | Self::LogSurpriseMax | Self::Logs => Group::Logs,
            Self::Surprise | Self::SurpriseMax => Group::Rarity,
            Self::HasAlone(_)
            | Self::SurpriseAbovePeers
            | Self::LogSurpriseAbovePeers
            | Self::BadAbovePeers(_) => Group::Peers,
        }
    }
}

/// The service of a replica: its name without the number at the end.
fn service(entity: &str) -> &str {
    let name = entity.trim_end_matches(|letter: char| letter.is_ascii_digit());
    let name = name.trim_end_matches(['-', '_', '.']);
    if name.is_empty() { entity } else { name }
}

/// Which alerts each entity has.
fn tokens(alerts: &Alerts) -> Vec<BTreeSet<Token>> {
    let mut tokens: Vec<BTreeSet<Token>> = vec![BTreeSet::new(); alerts.entities.len()];
    let mut add = |entity: usize, token: Token| {
        if let Some(own) = tokens.get_mut(entity) {
            own.insert(token);
        }
    };
    for alert in &alerts.alerts {
        match alert {
            Alert::Metric { entity, metric, direction } => {
                add(*entity, Token::Metric(metric.clone(), direction.clone()));
            }
            Alert::Call { caller, callee, failed } if *caller == Some(*callee) => {
                add(*callee, Token::Call(Side::Within, *failed));
            }
            Alert::Call { caller, callee, failed } => {
                add(*callee, Token::Call(Side::Callee, *failed));
                if let Some(caller) = caller {
                    add(*caller, Token::Call(Side::Caller, *failed));
                }
            }
            Alert::Log { entity, template } => add(*entity, Token::Log(template.clone())),
        }
    }
    tokens
}

/// How often entities of a service have an alert in incidents that others caused.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Background {
    services: BTreeMap<String, usize>,
    counts: BTreeMap<String, BTreeMap<Token, usize>>,
}

impl Background {
    pub(super) fn count(confirmed: &[Confirmed]) -> Self {
        let mut background = Self::default();
        for one in confirmed {
            let tokens = tokens(&one.alerts);
            for (index, (entity, tokens)) in one.alerts.entities.iter().zip(tokens).enumerate() {
                if index == one.cause {
                    continue;
                }
                let name = service(entity).to_owned();
                *background.services.entry(name.clone()).or_default() += 1;
                let counts = background.counts.entry(name).or_default();
                tokens.into_iter().for_each(|token| *counts.entry(token).or_default() += 1);
            }
        }
        background
    }

    /// −ln of the frequency, with Jeffreys' prior.
    fn surprise(&self, service: &str, token: &Token) -> f64 {
        let seen = self.counts.get(service).and_then(|counts| counts.get(token)).copied().unwrap_or(0);
        let of = self.services.get(service).copied().unwrap_or(0);
        -libm::log((seen as f64 + 0.5) / (of as f64 + 1.0))
    }
}

/// An entity in fewer confirmed incidents than this shows a feature: it is left out.
const SEEN_MIN: usize = 5;

/// The features in use, with their scales.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Features {
    columns: Vec<(Feature, f64)>,
}

impl Features {
    /// Those that are seen often enough, scaled to a standard deviation of one.
    pub(super) fn of(confirmed: &[Confirmed], background: &Background, without: Option<Group>) -> Self {
        let mut values: BTreeMap<Feature, Vec<f64>> = BTreeMap::new();
        let mut rows = 0;
        for one in confirmed {
            for told in told(&one.alerts, background) {
                rows += 1;
                told.into_iter().for_each(|(feature, value)| values.entry(feature).or_default().push(value));
            }
        }
        let mut columns = Vec::new();
        for (feature, mut values) in values {
            // In an order that does not depend on that of the incidents.
            values.sort_by(f64::total_cmp);
            let mean = values.iter().sum::<f64>() / f64::from(rows);
            let squares = values.iter().map(|value| value * value).sum::<f64>() / f64::from(rows);
            let deviation = (squares - mean * mean).max(0.0).sqrt();
            let seen = values.iter().filter(|value| **value != 0.0).count();
            if seen >= SEEN_MIN && deviation > 0.0 && Some(feature.group()) != without {
                columns.push((feature, deviation));
            }
        }
        Self { columns }
    }

    pub(super) fn len(&self) -> usize {
        self.columns.len()
    }

    pub(super) fn group(&self, column: usize) -> Group {
        self.columns[column].0.group()
    }

    /// `[entities][features]`.
    pub(super) fn rows(&self, alerts: &Alerts, background: &Background) -> Vec<Vec<f64>> {
        let row = |told: BTreeMap<Feature, f64>| {
            self.columns.iter().map(|(feature, scale)| told.get(feature).unwrap_or(&0.0) / scale).collect()
        };
        told(alerts, background).into_iter().map(row).collect()
    }
}

/// What is told of each entity.
fn told(alerts: &Alerts, background: &Background) -> Vec<BTreeMap<Feature, f64>> {
    let tokens = tokens(alerts);
    let services: Vec<&str> = alerts.entities.iter().map(|entity| service(entity)).collect();
    let peers = |entity: usize| {
        let service = services[entity];
        (0..services.len()).filter(move |other| *other != entity).filter({
            let services = &services;
            move |other| services[*other] == service
        })
    };
    let mut told: Vec<BTreeMap<Feature, f64>> = Vec::new();
    for (entity, own) in tokens.iter().enumerate() {
        let mut features = surprises(services[entity], own, background);
        for token in own.iter().filter(|token| !matches!(token, Token::Log(_))) {
            features.insert(Feature::Has(token.clone()), 1.0);
            if peers(entity).next().is_some() && peers(entity).all(|peer| !tokens[peer].contains(token)) {
                features.insert(Feature::HasAlone(token.clone()), 1.0);
            }
        }
        told.push(features);
    }
    for failed in [false, true] {
        bad_shares(alerts, failed, &mut told);
    }
    let above = [
        (Feature::Surprise, Feature::SurpriseAbovePeers),
        (Feature::LogSurprise, Feature::LogSurpriseAbovePeers),
        (Feature::Bad(false), Feature::BadAbovePeers(false)),
        (Feature::Bad(true), Feature::BadAbovePeers(true)),
    ];
    for (of, above) in above {
        let values: Vec<f64> = told.iter().map(|one| one.get(&of).copied().unwrap_or(0.0)).collect();
        for entity in 0..told.len() {
            if let Some(most) = peers(entity).map(|peer| values[peer]).max_by(f64::total_cmp) {
                told[entity].insert(above.clone(), values[entity] - most);
            }
        }
    }
    told
}

/// Sums and maxima of surprises.
fn surprises(service: &str, own: &BTreeSet<Token>, background: &Background) -> BTreeMap<Feature, f64> {
    let (mut sum, mut max, mut log_sum, mut log_max, mut logs) = (0.0, 0.0_f64, 0.0, 0.0_f64, 0.0);
    for token in own {
        let surprise = background.surprise(service, token);
        max = max.max(surprise);
        if matches!(token, Token::Log(_)) {
            log_sum += surprise;
            log_max = log_max.max(surprise);
            logs += 1.0;
        } else {
            sum += surprise;
        }
    }
    BTreeMap::from([
        (Feature::Surprise, sum),
        (Feature::SurpriseMax, max),
        (Feature::LogSurprise, log_sum),
        (Feature::LogSurpriseMax, log_max),
        (Feature::Logs, libm::log1p(logs)),
    ])
}

/// The shares of neighbours with which calls are slow or fail: at the entity, and at its worst neighbour.
fn bad_shares(alerts: &Alerts, failed: bool, told: &mut [BTreeMap<Feature, f64>]) {
    let count = alerts.entities.len();
    let mut neighbours = vec![BTreeSet::new(); count];
    let mut bad = vec![BTreeSet::new(); count];
    let known = |a: usize, b: usize| a != b && a < count && b < count;
    for (a, b) in alerts.neighbours.iter().copied().filter(|(a, b)| known(*a, *b)) {
        neighbours[a].insert(b);
        neighbours[b].insert(a);
    }
    for alert in &alerts.alerts {
        let Alert::Call { caller: Some(caller), callee, failed: kind } = alert else { continue };
        if *kind == failed && known(*caller, *callee) {
            bad[*caller].insert(*callee);
            bad[*callee].insert(*caller);
        }
    }
    let share = |entity: usize| {
        let all = neighbours[entity].union(&bad[entity]).count();
        bad[entity].len() as f64 / all.max(1) as f64
    };
    let shares: Vec<f64> = (0..count).map(share).collect();
    for (entity, one) in told.iter_mut().enumerate() {
        let worst = neighbours[entity].iter().map(|other| shares[*other]).fold(0.0, f64::max);
        one.insert(Feature::Bad(failed), shares[entity]);
        one.insert(Feature::BadAtNeighbour(failed), worst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replicas_differ_in_the_number_at_their_end() {
        for (entity, expected) in [("cart-0", "cart"), ("db12", "db"), ("web", "web"), ("7", "7")] {
            assert_eq!(service(entity), expected);
        }
    }

    #[test]
    fn features_are_those_of_closed_forms() {
        let entities = ["a-0", "a-1", "b-0"].map(str::to_owned).to_vec();
        let cpu = Alert::Metric { entity: 0, metric: "cpu".to_owned(), direction: "up".to_owned() };
        let slow = Alert::Call { caller: Some(2), callee: 0, failed: false };
        let alerts =
            Alerts { entities, neighbours: vec![(0, 2), (2, 1)], alerts: vec![cpu.clone(), cpu, slow] };
        let told = told(&alerts, &Background::default());
        let of = |entity: usize, feature: &Feature| told[entity].get(feature).copied();
        // Of a service of which nothing is known an alert is as likely as not.
        assert_eq!(of(0, &Feature::Surprise), Some(2.0 * std::f64::consts::LN_2));
        assert_eq!(of(0, &Feature::SurpriseAbovePeers), of(0, &Feature::Surprise));
        assert_eq!((of(2, &Feature::Bad(false)), of(0, &Feature::Bad(false))), (Some(0.5), Some(1.0)));
        assert_eq!(of(1, &Feature::BadAtNeighbour(false)), Some(0.5));
        assert_eq!(of(0, &Feature::HasAlone(Token::Call(Side::Callee, false))), Some(1.0));
        assert_eq!(of(2, &Feature::HasAlone(Token::Call(Side::Caller, false))), None);
        assert_eq!(of(2, &Feature::SurpriseAbovePeers), None);
    }

    #[test]
    fn surprise_counts_only_those_who_are_not_the_cause() {
        let entities = ["a-0", "a-1"].map(str::to_owned).to_vec();
        let log = |entity| Alert::Log { entity, template: "3".to_owned() };
        let alerts = Alerts { entities, neighbours: Vec::new(), alerts: vec![log(0), log(1)] };
        let confirmed = vec![Confirmed { alerts, cause: 0, fault: "x".to_owned() }; 3];
        let background = Background::count(&confirmed);
        let found = background.surprise("a", &Token::Log("3".to_owned()));
        assert!((found + libm::log(3.5 / 4.0)).abs() < 1e-12);
    }
}
