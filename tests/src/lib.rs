//! What the tests of the whole program share: the program itself, and the contract of topics.

pub mod program;
pub mod topic_contract;
