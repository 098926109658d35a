//! The 45 faults: records of data, where each sits, what cures it and what does harm.
//!
//! | file | what |
//! |---|---|
//! | `catalogue.json` | the records: places, signature, causal path, remedies, forbidden remedies |
//! | `mod` | their types; a fault of a scenario |
//! | `inject` | what each changes in the fleet, in state that outlives processes |
//! | `rhythm` | those that come and go, and those that come out of others |
//! | `held_out` | the fifth of the types that nobody looks at while writing rules |

use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

use super::{
    action::Request,
    clock::{Nanos, SECOND},
    world::World,
};
use crate::random::Stream;

mod held_out;
mod inject;
mod rhythm;

pub use held_out::{HELD_OUT, draw_held_out};

/// How a fault behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// It, or what set it off, goes away by itself.
    Transient,
    /// It stays until somebody does something.
    Permanent,
    /// What says that it is well is not.
    Byzantine,
}

/// What telemetry shows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signature {
    /// Name of the metric; `none` if there is nothing to see.
    pub metric: String,
    /// Of what, with placeholders.
    pub entity: String,
    /// `up`, `down`, `error`, `rate`, `absent`, `absurd`, `flat`.
    pub direction: String,
    /// How much at least, in the metric's unit or as a factor.
    pub effect: f64,
    /// How many seconds after the fault.
    pub lag_s: f64,
}

/// Something that makes it worse.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Forbidden {
    /// What is done, in this order.
    pub steps: Vec<String>,
    /// In words; how much is measured.
    pub harm: String,
}

/// A fault of the catalogue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// `F01` to `F45`.
    pub code: String,
    /// Name.
    pub name: String,
    /// How it behaves.
    pub class: Class,
    /// Class of the cause.
    pub cause: String,
    /// Whether users notice if nobody does anything.
    pub impact: bool,
    /// Load at which it is tried, relative to the usual: loops need a busy hour.
    #[serde(default = "usual")]
    pub load: f64,
    /// Where it may sit.
    pub places: Vec<String>,
    /// From the cause to the users, with placeholders.
    pub path: Vec<String>,
    /// What telemetry shows.
    pub signature: Vec<Signature>,
    /// What cures it, the best known first; each is done in its order.
    pub remedies: Vec<Vec<String>>,
    /// What must not be done.
    pub forbidden: Vec<Forbidden>,
}

const fn usual() -> f64 {
    1.0
}

/// A catalogue that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the catalogue of faults cannot be read: {0}; the fields are those of `Record`")]
pub struct CatalogueError(#[from] serde_json::Error);

/// Reads records from JSON.
///
/// # Errors
/// If it is not a list of records.
pub fn parse_catalogue(json: &str) -> Result<Vec<Record>, CatalogueError> {
    Ok(serde_json::from_str(json)?)
}

/// All faults in the order of their codes.
#[must_use]
pub fn catalogue() -> &'static [Record] {
    static CATALOGUE: OnceLock<Vec<Record>> = OnceLock::new();
    // A test holds that the built-in file can be read.
    CATALOGUE.get_or_init(|| parse_catalogue(include_str!("catalogue.json")).unwrap_or_default())
}

/// The record of a code.
#[must_use]
pub fn record(code: &str) -> Option<&'static Record> {
    catalogue().iter().find(|record| record.code == code)
}

/// A fault of a scenario.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// Which.
    pub record: &'static Record,
    /// Where.
    pub place: String,
    /// When, from the start; one that comes out of another at the earliest then.
    pub at: Nanos,
    /// It comes and goes, and is there and away for so long each; none: it stays.
    pub half: Option<Nanos>,
    /// Out of which fault of the scenario it comes: it does not if users do not feel that one.
    pub follows: Option<usize>,
}

impl Fault {
    /// A fault at one of its places, chosen by the seed.
    #[must_use]
    pub fn draw(record: &'static Record, seed: u64, at: Nanos) -> Self {
        let chosen = Stream::of(seed, &record.code, "place").below(record.places.len());
        let place = record.places.get(chosen).cloned().unwrap_or_default();
        Self { record, place, at, half: None, follows: None }
    }
}

/// A fault in a world.
#[derive(Clone, Debug)]
pub(crate) struct Injected {
    pub(crate) fault: Fault,
    /// When it began.
    pub(crate) begun: Option<Nanos>,
    /// The node of its place when it began.
    pub(crate) node: Option<usize>,
    /// For one that comes and goes: what is in its place while it is away.
    other: Option<rhythm::Other>,
}

impl Injected {
    pub(crate) fn new(fault: &Fault) -> Self {
        Self { fault: fault.clone(), begun: None, node: None, other: None }
    }
}

/// What really happened: keep it from whoever is to find it out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Truth {
    /// Code of the fault.
    pub code: String,
    /// Its name.
    pub name: String,
    /// How it behaves.
    pub class: Class,
    /// Where it sits.
    pub component: String,
    /// Class of the cause.
    pub cause: String,
    /// From the cause to the users.
    pub path: Vec<String>,
    /// When it was put in, in nanoseconds from the start.
    pub injected_at: Nanos,
    /// The first collection of telemetry that could show it.
    pub observable_at: Nanos,
    /// What cures it.
    pub remedies: Vec<Vec<String>>,
    /// What must not be done.
    pub forbidden: Vec<Vec<String>>,
}

impl World {
    pub(crate) fn fill_in(&self, index: usize, text: &str) -> String {
        let injected = &self.injected[index];
        let place = injected.fault.place.as_str();
        let (service, instance) = place.split_once('/').unwrap_or((place, place));
        let (caller, callee) = place.split_once("->").unwrap_or((place, place));
        let node = injected.node.map_or_else(String::new, |node| format!("host:{}", self.nodes[node].name));
        text.replace("{place}", place)
            .replace("{service}", service)
            .replace("{instance}", instance)
            .replace("{caller}", caller)
            .replace("{callee}", callee)
            .replace("{node}", &node)
            .replace("{tenant}", &self.arrivals.abuser.to_string())
            .replace("{key}", &self.arrivals.popular.to_string())
    }

    fn requests(&self, index: usize, list: &str, number: usize, steps: &[String]) -> Vec<Request> {
        let code = &self.injected[index].fault.record.code;
        // The same kind may be there twice.
        let which = if index == 0 { code.clone() } else { format!("{code}#{index}") };
        let parsed = steps.iter().enumerate().filter_map(|(step, text)| {
            Request::parse(&format!("{which}/{list}/{number}/{step}"), &self.fill_in(index, text)).ok()
        });
        parsed.collect()
    }

    /// What cures a fault of the scenario, filled in; each is a list of steps.
    #[must_use]
    pub fn remedies_of(&self, fault: usize) -> Vec<Vec<Request>> {
        let Some(injected) = self.injected.get(fault) else { return Vec::new() };
        let remedies = injected.fault.record.remedies.iter().enumerate();
        remedies.map(|(number, steps)| self.requests(fault, "remedy", number, steps)).collect()
    }

    /// What must not be done about a fault of the scenario, filled in.
    #[must_use]
    pub fn forbidden_of(&self, fault: usize) -> Vec<Vec<Request>> {
        let Some(injected) = self.injected.get(fault) else { return Vec::new() };
        let forbidden = injected.fault.record.forbidden.iter().enumerate();
        forbidden.map(|(number, wrong)| self.requests(fault, "forbidden", number, &wrong.steps)).collect()
    }

    /// The node that a fault of the scenario is on, if it is on one.
    pub(crate) fn injected_node(&self, index: usize) -> Option<String> {
        let node = self.injected.get(index)?.node?;
        Some(format!("host:{}", self.nodes[node].name))
    }

    /// How many remedies there are for a fault of the scenario.
    pub(crate) fn fault_remedies(&self, index: usize) -> usize {
        self.injected.get(index).map_or(0, |injected| injected.fault.record.remedies.len())
    }

    /// How many faults the scenario has, whether they have begun or not.
    pub(crate) const fn fault_count(&self) -> usize {
        self.injected.len()
    }

    /// The truth about all faults that have begun.
    #[must_use]
    pub fn truth(&self) -> Vec<Truth> {
        (0..self.injected.len()).filter_map(|index| self.truth_of(index)).collect()
    }

    /// The truth about a fault of the scenario; none if it has not begun.
    pub(crate) fn truth_of(&self, index: usize) -> Option<Truth> {
        let tick = u64::from(self.setup.tick_seconds) * SECOND;
        let injected = self.injected.get(index)?;
        let at = injected.begun?;
        let record = injected.fault.record;
        let fill = |text: &String| self.fill_in(index, text);
        let lag = record.signature.iter().map(|signature| signature.lag_s).fold(f64::INFINITY, f64::min);
        let visible = at + super::clock::nanos(if lag.is_finite() { (lag - 10.0).max(0.0) } else { 0.0 });
        Some(Truth {
            code: record.code.clone(),
            name: record.name.clone(),
            class: record.class,
            component: injected.fault.place.clone(),
            cause: record.cause.clone(),
            path: record.path.iter().map(fill).collect(),
            injected_at: at,
            observable_at: (visible / tick + 1) * tick,
            remedies: record.remedies.iter().map(|steps| steps.iter().map(fill).collect()).collect(),
            forbidden: record.forbidden.iter().map(|wrong| wrong.steps.iter().map(fill).collect()).collect(),
        })
    }
}
