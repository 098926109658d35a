//! What the tests of the whole program share: the program itself, a real Kafka, and the contract
//! of topics.

pub mod broker;
pub mod program;
pub mod topic_contract;
