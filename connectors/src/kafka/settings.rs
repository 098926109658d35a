//! How the broker is reached, and what is read from it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use theriac_contract::{Interval, Timestamp, Topic, telemetry::Attributes};

use crate::{decode::Encoding, secret::Secret};

/// Where reading of an input begins when no checkpoint says so. Written as `earliest`,
/// `latest`, or an instant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Start {
    /// The first record that is kept.
    Earliest,
    /// What is written from now on.
    #[default]
    Latest,
    /// The first record that the broker took at or after this instant.
    At(Timestamp),
}

impl TryFrom<String> for Start {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.as_str() {
            "earliest" => Ok(Self::Earliest),
            "latest" => Ok(Self::Latest),
            other => other.parse().map(Self::At).map_err(|_| {
                format!("`{text}` is no start; write earliest, latest, or an instant as 2026-11-24T10:00:00Z")
            }),
        }
    }
}

impl From<Start> for String {
    fn from(start: Start) -> Self {
        match start {
            Start::Earliest => "earliest".to_owned(),
            Start::Latest => "latest".to_owned(),
            Start::At(instant) => instant.to_string(),
        }
    }
}

/// One topic that is read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct InputSettings {
    /// How its records are written; a `content-type` or `MessageFormat` header of a record
    /// comes first.
    pub encoding: Encoding,
    /// Resource attributes for everything read from it; what a record says itself comes first.
    pub resource: Attributes,
}

/// The section `kafka` of the configuration. With it the service keeps its topics on Kafka
/// and reads its input from there.
///
/// ```yaml
/// kafka:
///   brokers: [broker-1:9092, broker-2:9092]
///   properties: { security.protocol: SASL_SSL, sasl.mechanism: SCRAM-SHA-512, sasl.username: theriac }
///   secrets: { sasl.password: { environment: KAFKA_PASSWORD } }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Brokers to begin with, `host:port`.
    pub brokers: Vec<String>,
    /// Consumer group, and first part of the transactional ids.
    pub group: String,
    /// First part of the names of the service's own topics.
    pub prefix: String,
    /// Partitions of its own topics if it creates them; those of topics that are there count.
    pub shards: u32,
    /// Whether topics that are not there are created.
    pub create_topics: bool,
    /// Replicas of topics that it creates; -1 for the broker's default.
    pub replication: i32,
    /// How long its own topics keep records, by the broker's clock; 0s for ever. `knowledge`
    /// is kept for ever.
    pub retention: Interval,
    /// Topics to read. Those of the OpenTelemetry Collector if none is named.
    pub inputs: BTreeMap<String, InputSettings>,
    /// Where reading begins when no checkpoint says so.
    pub start: Start,
    /// After this long without a sign of life, the group gives a process's shards to others.
    pub session_timeout: Interval,
    /// Name of this process for static membership: after a restart within `session_timeout`
    /// it has its shards back without a rebalance. Each process needs its own.
    pub instance: Option<String>,
    /// How long a broker may take to answer before the service gives up.
    pub patience: Interval,
    /// A shard that has read nothing for so long is not waited for where incidents are judged.
    pub quiet_after: Interval,
    /// How long incidents wait for a shard that says nothing at all: one whose process was killed
    /// needs some time until another has it.
    pub wait_for_shards: Interval,
    /// Input that is held in memory for each partition, at most, bytes.
    pub buffer_bytes: usize,
    /// Properties of librdkafka, for every client.
    pub properties: BTreeMap<String, String>,
    /// Properties whose values must not be shown.
    pub secrets: BTreeMap<String, Secret>,
}

/// The OpenTelemetry Collector's topics.
const COLLECTOR_TOPICS: [&str; 3] = ["otlp_logs", "otlp_metrics", "otlp_spans"];

impl Default for Settings {
    fn default() -> Self {
        Self {
            brokers: Vec::new(),
            group: "theriac".to_owned(),
            prefix: "theriac.".to_owned(),
            shards: 1,
            create_topics: true,
            replication: -1,
            retention: Interval::from_seconds(7 * 86_400),
            inputs: BTreeMap::new(),
            start: Start::default(),
            session_timeout: Interval::from_seconds(10),
            instance: None,
            patience: Interval::from_seconds(30),
            quiet_after: Interval::from_seconds(30),
            wait_for_shards: Interval::from_seconds(120),
            buffer_bytes: 8 << 20,
            properties: BTreeMap::new(),
            secrets: BTreeMap::new(),
        }
    }
}

impl Settings {
    /// Settings for a broker's address, all else by default.
    #[must_use]
    pub fn at(brokers: impl Into<String>) -> Self {
        Self { brokers: vec![brokers.into()], ..Self::default() }
    }

    /// Name of one of the service's own topics on Kafka.
    #[must_use]
    pub fn topic(&self, topic: Topic) -> String {
        format!("{}{topic}", self.prefix)
    }

    /// The topics to read.
    #[must_use]
    pub fn inputs(&self) -> BTreeMap<String, InputSettings> {
        if self.inputs.is_empty() {
            COLLECTOR_TOPICS.map(|topic| (topic.to_owned(), InputSettings::default())).into()
        } else {
            self.inputs.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_is_a_word_or_an_instant() {
        assert_eq!(Start::try_from("earliest".to_owned()), Ok(Start::Earliest));
        let instant = Start::try_from("2026-11-24T10:00:00Z".to_owned()).expect("an instant");
        assert_eq!(String::from(instant), "2026-11-24T10:00:00.000000000Z");
        assert!(Start::try_from("yesterday".to_owned()).is_err());
    }

    #[test]
    fn without_inputs_the_collectors_topics_are_read() {
        let topics: Vec<String> = Settings::at("localhost:9092").inputs().into_keys().collect();
        assert_eq!(topics, ["otlp_logs", "otlp_metrics", "otlp_spans"]);
    }
}
