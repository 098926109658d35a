//! Where telemetry comes from and where plans go: readers, topics and executors.
//!
//! | module | holds |
//! |---|---|
//! | [`read`] | files as sources: CSV, Parquet, JSON lines, OTLP/JSON, text; compressed or growing |
//! | [`topics`] | the embedded durable log |
//! | [`merge`] | several sources as one, in the order of event time |
//! | [`decode`] | bytes of one record into Arrow rows |
//! | [`executor`] | what does the commands of plans: log, webhook, programs, services; ledger, routes, worker threads |
//! | [`kafka`] | topics and sources on Apache Kafka, and which part of the work a process has |
//! | [`host`] | the machine itself as a source |
//! | [`objects`] | whole objects in a folder, S3, Google Cloud Storage or Azure |
//! | [`secret`] | what must not be shown |

pub mod decode;
pub mod executor;
pub mod host;
pub mod kafka;
pub mod merge;
pub mod objects;
pub mod read;
pub mod secret;
pub mod topics;
