//! theriac on a real Apache Kafka.

#![allow(clippy::unwrap_used, reason = "a suite fails where it stands")]

mod fleet;
mod service;
mod topics;
