//! The simulated fleet: equal runs, honest gates, actions that are done once, harmless disturbances.

#![allow(clippy::unwrap_used, reason = "a suite fails where it stands")]

mod actions;
mod determinism;
mod faults;
mod fluid;
mod gates;
mod modes;
mod score;
