//! Symptoms that belong together become an incident; its possible causes are ranked with
//! evidence for and against. `unknown` is one of the answers.
//!
//! | module | holds |
//! |---|---|
//! | [`settings`] | windows, limits, what it takes to open an incident |
//! | [`mod@family`] | what a signal speaks of: latency, errors, memory, … from its name |
//! | [`channel`] | channels of evidence over incidents that are given as data, each a density ratio |
//! | `incident` | the state of one incident: its symptoms, bounded |
//! | `correlate` | which incident a symptom belongs to |
//! | `graph` | the topology of an incident's onset, for questions of distance |
//! | `changes` | known changes, by service |
//! | `restarts`, `departures` | which restarts, and which silences, a change explains |
//! | `spread` | how trouble went from the cause to those who feel it |
//! | `suspicion` | which change is suspect of the trouble at a place |
//! | `vantage` | what a thing says of itself against what others say of it; whose word does not count |
//! | `spot` | a service as an incident shows it, and what was read of it |
//! | `view` | an incident as evidence sees it: trouble by entity and family |
//! | `evidence` | the channels: each gives a log likelihood ratio and a sentence |
//! | `memory` | what suspects weighed before, as long as nothing that it rests on changed |
//! | `hypotheses` | every cause weighed, normalised with `unknown` |
//! | [`weighing`] | claims of any channels put together, for incidents that are given as data |
//! | `class` | transient, permanent or Byzantine |
//! | `diagnose` | the stage: one step per tick |
//! | [`made_up`] | systems in trouble of any size, for benchmarks |
//!
//! Scores add up log likelihood ratios of channels that are taken as independent (naive
//! Bayes); they are set by principle (what kind of fault shows what), never by data.

mod changes;
pub mod channel;
mod class;
mod correlate;
mod departures;
mod diagnose;
mod evidence;
pub mod family;
mod graph;
mod hypotheses;
mod incident;
pub mod made_up;
mod memory;
mod restarts;
pub mod settings;
mod spot;
mod spread;
mod suspicion;
mod vantage;
mod view;
pub mod weighing;

pub use diagnose::Diagnose;
pub use family::{Family, family};
pub use settings::Settings;
