//! Public data sets and what is measured on them: readers, scorers, where to get them.

pub mod alerts;
pub mod catalogue;
pub mod fetch;
pub mod fleet;
pub mod loghub;
pub mod nab;
pub mod nezha;
pub mod null_fleet;
mod packed;
pub mod petshop;
mod random;
pub mod ranking;
mod read_error;
pub mod rootcausebench;
pub mod scoring;
pub mod simulator;
pub mod sockshop;
pub mod tsb;

pub use read_error::ReadError;
