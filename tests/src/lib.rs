//! What the tests of the whole program share: the program itself, a service and its HTTP port, a real Kafka, a real S3, and the
//! contract of topics.

pub mod broker;
pub mod http;
pub mod object_server;
pub mod program;
pub mod service;
pub mod topic_contract;
