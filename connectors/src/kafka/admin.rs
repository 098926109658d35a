//! Topics that are there, and those that are made.

use std::collections::BTreeMap;

use rdkafka::{
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    error::RDKafkaErrorCode,
};
use theriac_contract::Topic;

use super::{
    client::{Complaints, KafkaFailure, config, duration},
    settings::Settings,
};

/// One of the service's own topics as it is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicPlan {
    /// Name on Kafka.
    pub name: String,
    /// Partitions.
    pub partitions: u32,
    /// Settings of the topic.
    pub config: BTreeMap<&'static str, String>,
}

impl TopicPlan {
    /// The service's own topics, as the settings want them.
    #[must_use]
    pub fn all(settings: &Settings) -> Vec<Self> {
        let keep = settings.retention.0 / 1_000_000;
        Topic::ALL
            .into_iter()
            .map(|topic| {
                // What is known is never forgotten by age: every later version is built on it.
                let forever = keep == 0 || topic == Topic::Knowledge;
                let retention = if forever { "-1".to_owned() } else { keep.to_string() };
                let config = BTreeMap::from([
                    ("cleanup.policy", "delete".to_owned()),
                    ("retention.ms", retention),
                    ("max.message.bytes", MESSAGE_BYTES_MAX.to_string()),
                ]);
                Self { name: settings.topic(topic), partitions: settings.shards.max(1), config }
            })
            .collect()
    }
}

/// Largest record of a topic of ours: a batch of telemetry, an incident with its evidence.
pub(super) const MESSAGE_BYTES_MAX: usize = 16 << 20;

/// Makes the service's own topics that are not there, if the settings allow it. Gives the
/// number of shards: the partitions that all of them have.
///
/// # Errors
/// If the broker does not answer, a topic is not there and may not be made, or they differ in
/// the number of their partitions.
pub fn ensure(settings: &Settings) -> Result<u32, KafkaFailure> {
    let config = config(settings)?;
    let admin: AdminClient<Complaints> = config
        .create_with_context(Complaints::default())
        .map_err(|error| KafkaFailure::of("the broker", &error, &Complaints::default()))?;
    let patience = duration(settings.patience);
    let fail = |what: String, error: &_| KafkaFailure::of(what, error, admin.inner().context());
    let plans = TopicPlan::all(settings);
    let brokers = settings.brokers.join(",");
    let there = || {
        let metadata = admin
            .inner()
            .fetch_metadata(None, patience)
            .map_err(|error| fail(format!("the topics of {brokers}"), &error))?;
        let counts = metadata.topics().iter().filter(|topic| topic.error().is_none());
        Ok::<_, KafkaFailure>(
            counts
                .map(|topic| (topic.name().to_owned(), topic.partitions().len() as u32))
                .collect::<BTreeMap<_, _>>(),
        )
    };
    let before = there()?;
    let missing: Vec<&TopicPlan> = plans.iter().filter(|plan| !before.contains_key(&plan.name)).collect();
    if !missing.is_empty() && !settings.create_topics {
        let names: Vec<&str> = missing.iter().map(|plan| plan.name.as_str()).collect();
        return Err(KafkaFailure::new(
            "topics",
            format!(
                "{} are not there: create them with the same number of partitions each, or set `kafka.create_topics: true`",
                names.join(", ")
            ),
        ));
    }
    // Topics that were made before tell how many partitions the others must have.
    let shards =
        plans.iter().find_map(|plan| before.get(&plan.name)).copied().unwrap_or(settings.shards.max(1));
    let new: Vec<NewTopic<'_>> = missing
        .iter()
        .map(|plan| {
            let topic = NewTopic::new(
                &plan.name,
                i32::try_from(shards).unwrap_or(i32::MAX),
                TopicReplication::Fixed(settings.replication),
            );
            plan.config.iter().fold(topic, |topic, (name, value)| topic.set(name, value))
        })
        .collect();
    if !new.is_empty() {
        let options = AdminOptions::new().operation_timeout(Some(patience)).request_timeout(Some(patience));
        let results = pollster::block_on(admin.create_topics(&new, &options))
            .map_err(|error| fail("creating topics".to_owned(), &error))?;
        for result in results {
            if let Err((name, code)) = result
                && code != RDKafkaErrorCode::TopicAlreadyExists
            {
                let error = rdkafka::error::KafkaError::AdminOp(code);
                return Err(fail(format!("creating the topic {name}"), &error));
            }
        }
    }
    // Another process may have made some of them a moment ago.
    let begin = std::time::Instant::now();
    loop {
        let now = there()?;
        let counts: Vec<(&str, u32)> = plans
            .iter()
            .filter_map(|plan| now.get(&plan.name).map(|count| (plan.name.as_str(), *count)))
            .collect();
        if counts.len() == plans.len() {
            if let Some((name, count)) = counts.iter().find(|(_, count)| *count != counts[0].1) {
                let text = format!(
                    "{name} has {count} partitions and {} has {}: give all topics that begin with `{}` the same number",
                    counts[0].0, counts[0].1, settings.prefix
                );
                return Err(KafkaFailure::new("topics", text));
            }
            return Ok(counts[0].1);
        }
        if begin.elapsed() > patience {
            return Err(KafkaFailure::new("topics", "the broker made them and does not list them"));
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}
