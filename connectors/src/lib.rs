//! Where telemetry comes from and where plans go: readers, topics and executors.
//!
//! | module | holds |
//! |---|---|
//! | [`read`] | files as sources: CSV, Parquet, JSON lines, OTLP/JSON, text; compressed or growing |
//! | [`topics`] | the embedded durable log |
//! | [`decode`] | bytes of one record into Arrow rows |
//! | [`executor`] | what does the commands of plans: log, webhook, programs; ledger, routes, worker threads |

pub mod decode;
pub mod executor;
pub mod read;
pub mod topics;
