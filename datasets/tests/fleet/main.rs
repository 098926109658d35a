//! The simulated fleet: equal runs, honest gates, actions that are done once, harmless disturbances.

mod actions;
mod determinism;
mod faults;
mod fluid;
mod gates;
mod score;
