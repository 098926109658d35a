//! What the tests of the whole program share: the program itself, a real Kafka, a real S3, and the
//! contract of topics.

pub mod broker;
pub mod object_server;
pub mod program;
pub mod topic_contract;
