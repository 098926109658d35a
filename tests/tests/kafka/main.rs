//! theriac on a real Apache Kafka.

#![allow(clippy::unwrap_used, reason = "a suite fails where it stands")]

mod crash;
mod demo;
mod dlq;
mod encodings;
mod fleet;
mod noticed;
mod replay;
mod service;
mod shards;
mod source;
mod tap;
mod topics;
