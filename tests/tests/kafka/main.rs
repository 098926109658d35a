//! theriac on a real Apache Kafka.

#![allow(clippy::unwrap_used, reason = "a suite fails where it stands")]

mod crash;
mod demo;
mod dlq;
mod encodings;
mod executors;
mod fleet;
mod noticed;
mod operations;
mod replay;
mod service;
mod shards;
mod tap;
mod topics;
