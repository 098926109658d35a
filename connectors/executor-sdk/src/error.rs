//! Why an executor cannot go on.

use rdkafka::error::{KafkaError, RDKafkaErrorCode};

/// An executor, or one of its partitions, cannot go on. Named by what the operator does next.
#[derive(Debug, thiserror::Error)]
pub enum ExecutorError {
    /// The broker did not do it; it is tried again where that can help.
    #[error("Kafka: {what}: {source}")]
    Kafka {
        /// What was tried.
        what: String,
        /// Why it failed.
        source: KafkaError,
    },
    /// Another process has this partition now.
    #[error("partition {partition}: another process has taken over")]
    Fenced {
        /// Which.
        partition: i32,
    },
    /// The lease ran out before anything was done.
    #[error(
        "partition {partition}: the broker took longer to note a claim than the lease lasts; is `lease` too short?"
    )]
    Lapsed {
        /// Which.
        partition: i32,
    },
    /// The broker gave less than it must have.
    #[error("{topic}/{partition}: {reason}")]
    Silent {
        /// Topic.
        topic: String,
        /// Partition.
        partition: i32,
        /// What was waited for.
        reason: &'static str,
    },
    /// What earlier holders wrote cannot be read, so it is not known what was done.
    #[error(
        "{topic}/{partition} at offset {offset}: {reason}; nothing of this partition is done until it can be read: is this program older than the one that wrote it?"
    )]
    Damaged {
        /// Topic.
        topic: String,
        /// Partition.
        partition: i32,
        /// Kafka's offset.
        offset: i64,
        /// What is wrong.
        reason: String,
    },
    /// The two topics do not fit each other.
    #[error("{0}")]
    Topics(String),
}

impl ExecutorError {
    /// An error of the broker with what was tried.
    pub(crate) fn kafka(what: impl Into<String>) -> impl FnOnce(KafkaError) -> Self {
        let what = what.into();
        move |source| Self::Kafka { what, source }
    }
}

/// Whether a newer holder of the transactional id is there.
pub(crate) fn is_fenced(error: &KafkaError) -> bool {
    use RDKafkaErrorCode as Code;
    let code = error.rdkafka_error_code();
    matches!(code, Some(Code::Fenced | Code::ProducerFenced | Code::InvalidProducerEpoch))
}
