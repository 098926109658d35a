//! Where the commands come from, and how patient an executor is.

use std::{collections::BTreeMap, time::Duration};

use rdkafka::{ClientConfig, config::RDKafkaLogLevel};
use theriac_contract::execution::{COMMANDS, EXECUTIONS};

/// Settings of an executor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Its name, as in `act.executors` of theriac's configuration. All processes of one name share
    /// out its commands.
    pub executor: String,
    /// Brokers to begin with, `host:port`, joined by commas.
    pub brokers: String,
    /// First part of the names of theriac's topics, `kafka.prefix` there.
    pub prefix: String,
    /// Name of this process, for people; it need not be unique.
    pub process: String,
    /// How long a claim holds without a heartbeat; there are three in that time. A process that
    /// dies while it acts holds up its command for so long.
    pub lease: Duration,
    /// After this long without a sign of life, the group gives a process's partitions to others.
    pub session_timeout: Duration,
    /// How long the broker may take to answer.
    pub patience: Duration,
    /// Answers that are kept in memory, the newest, beyond those that must be. A command that is
    /// repeated after its answer is gone is fenced instead.
    pub answers_max: usize,
    /// Properties of librdkafka, for every client: TLS, SASL.
    pub properties: BTreeMap<String, String>,
}

impl Settings {
    /// Settings for an executor's name and a broker's address, all else by default.
    #[must_use]
    pub fn new(executor: impl Into<String>, brokers: impl Into<String>) -> Self {
        Self {
            executor: executor.into(),
            brokers: brokers.into(),
            prefix: "theriac.".to_owned(),
            process: format!("process-{}", std::process::id()),
            lease: Duration::from_secs(30),
            session_timeout: Duration::from_secs(10),
            patience: Duration::from_secs(30),
            answers_max: 4096,
            properties: BTreeMap::new(),
        }
    }

    /// The consumer group; transactional ids are this, a dash and the partition.
    #[must_use]
    pub fn group(&self) -> String {
        format!("{}executor.{}", self.prefix, self.executor)
    }

    /// Topic of the commands.
    #[must_use]
    pub fn commands(&self) -> String {
        format!("{}{COMMANDS}", self.prefix)
    }

    /// Topic of what is written of them.
    #[must_use]
    pub fn executions(&self) -> String {
        format!("{}{EXECUTIONS}", self.prefix)
    }

    /// The properties that every client has.
    pub(crate) fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.brokers);
        config.set("client.id", &self.process);
        config.set("reconnect.backoff.max.ms", "2000");
        self.properties.iter().for_each(|(name, value)| _ = config.set(name, value));
        config.set_log_level(RDKafkaLogLevel::Error);
        config
    }

    /// The properties of a consumer of this group.
    pub(crate) fn consumer(&self) -> ClientConfig {
        let mut config = self.client();
        config.set("group.id", self.group());
        config.set("enable.auto.commit", "false");
        config.set("isolation.level", "read_committed");
        config.set("auto.offset.reset", "earliest");
        config
    }
}
