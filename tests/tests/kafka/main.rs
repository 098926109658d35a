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
mod secured;
mod service;
mod shards;
mod source;
mod stores;
mod tap;
mod topics;
