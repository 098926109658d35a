//! A small fleet of services with faults, in simulated time: it sends telemetry as
//! OTLP/JSON, takes control actions, and knows what really happened.
//!
//! A discrete-event simulation at the level of single requests. Services call each other
//! through load balancers; replicas have slots, a bounded queue and lognormal service
//! times; callers time out (and leave their work running downstream) and retry within a
//! budget. Users arrive in an open loop, so what is done to the fleet does not shift them.
//! Faults live in durable places (a version, the local state of an instance, a host), so
//! that only what would help in life helps here.
//!
//! The same scenario and commands give the same bytes, however [`World::advance`] is cut
//! into calls, and a [`World`] that was saved and restored goes on as if nothing happened.
//!
//! ```
//! use theriac_contract::Interval;
//! use theriac_datasets::simulator::{Scenario, World};
//!
//! let scenario = Scenario::demo(7);
//! let mut world = World::new(&scenario);
//! let emitted = world.advance(scenario.start.plus(Interval::from_seconds(10)));
//! assert!(emitted.otlp[0].starts_with(r#"{"resourceMetrics":"#));
//! ```

mod action;
mod clock;
mod demo;
mod fault;
mod lifecycle;
mod load;
mod request;
mod scenario;
mod service;
pub(crate) mod telemetry;
mod truth;
mod world;

pub use action::Effect;
pub use scenario::{
    Benign, BenignKind, Call, Fault, FaultKind, Load, Route, Scenario, ScenarioError, Service, Telemetry,
};
pub use truth::{Ending, Remedy, RemedyEffect, Truth};
pub use world::{Emitted, Statistics, World};
