//! theriac-tests

pub mod topic_contract;
