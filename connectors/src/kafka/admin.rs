//! Topics that are there, and those that are made.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use rdkafka::{
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    consumer::{BaseConsumer, Consumer},
    error::{KafkaError, RDKafkaErrorCode},
};
use theriac_contract::{
    Topic,
    execution::{COMMANDS, EXECUTIONS},
};

use super::{
    client::{Complaints, KafkaFailure, config, duration, failure},
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

    /// The topics between the service and executors that subscribe. A command is over in minutes,
    /// so what is older than the retention is never needed to refuse one.
    #[must_use]
    pub fn of_executors(settings: &Settings, partitions: u32) -> Vec<Self> {
        let keep = settings.retention.0 / 1_000_000;
        let retention = if keep == 0 { "-1".to_owned() } else { keep.to_string() };
        [COMMANDS, EXECUTIONS]
            .into_iter()
            .map(|topic| Self {
                name: format!("{}{topic}", settings.prefix),
                partitions: partitions.max(1),
                config: BTreeMap::from([
                    ("cleanup.policy", "delete".to_owned()),
                    ("retention.ms", retention.clone()),
                ]),
            })
            .collect()
    }
}

/// Largest record of a topic of ours: a batch of telemetry, an incident with its evidence.
pub(super) const MESSAGE_BYTES_MAX: usize = 16 << 20;

/// Asks about topics, makes and removes them.
struct Admin<'s> {
    settings: &'s Settings,
    client: AdminClient<Complaints>,
    /// Asks what there is: unlike the other it tells why nobody answers.
    reader: BaseConsumer<Complaints>,
}

impl<'s> Admin<'s> {
    fn open(settings: &'s Settings) -> Result<Self, KafkaFailure> {
        let config = config(settings)?;
        let fail = |error| KafkaFailure::of("the broker", &error, &Complaints::default());
        let client = config.create_with_context(Complaints::default()).map_err(fail)?;
        let reader = config.create_with_context(Complaints::default()).map_err(fail)?;
        Ok(Self { settings, client, reader })
    }

    fn patience(&self) -> Duration {
        duration(self.settings.patience)
    }

    fn options(&self) -> AdminOptions {
        let patience = Some(self.patience());
        AdminOptions::new().operation_timeout(patience).request_timeout(patience)
    }

    fn fail(&self, what: impl Into<String>, error: &KafkaError) -> KafkaFailure {
        KafkaFailure::of(what, error, self.client.inner().context())
    }

    /// Partitions of the topics that are there.
    fn there(&self) -> Result<BTreeMap<String, u32>, KafkaFailure> {
        let brokers = self.settings.brokers.join(",");
        let metadata = self
            .reader
            .fetch_metadata(None, self.patience())
            .map_err(|error| failure(format!("the topics of {brokers}"), &error, &self.reader))?;
        let known = metadata.topics().iter().filter(|topic| topic.error().is_none());
        Ok(known.map(|topic| (topic.name().to_owned(), topic.partitions().len() as u32)).collect())
    }

    /// Waits until the broker lists what it was told.
    fn until<T>(
        &self,
        lacking: &str,
        mut done: impl FnMut(BTreeMap<String, u32>) -> Option<T>,
    ) -> Result<T, KafkaFailure> {
        let begin = Instant::now();
        loop {
            if let Some(done) = done(self.there()?) {
                return Ok(done);
            }
            if begin.elapsed() > self.patience() {
                return Err(KafkaFailure::new("topics", lacking));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// Makes the service's own topics that are not there, if the settings allow it. Gives the
/// number of shards: the partitions that all of them have.
///
/// # Errors
/// If the broker does not answer, a topic is not there and may not be made, or they differ in
/// the number of their partitions.
pub fn ensure(settings: &Settings) -> Result<u32, KafkaFailure> {
    make(settings, &TopicPlan::all(settings))
}

/// The same for the topics of executors that subscribe; gives the number of their partitions.
pub(super) fn ensure_executors(settings: &Settings, partitions: u32) -> Result<u32, KafkaFailure> {
    make(settings, &TopicPlan::of_executors(settings, partitions))
}

fn make(settings: &Settings, plans: &[TopicPlan]) -> Result<u32, KafkaFailure> {
    let admin = Admin::open(settings)?;
    let before = admin.there()?;
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
    let shards = plans.iter().find_map(|plan| before.get(&plan.name)).copied().unwrap_or(plans[0].partitions);
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
        let results = pollster::block_on(admin.client.create_topics(&new, &admin.options()))
            .map_err(|error| admin.fail("creating topics", &error))?;
        for result in results {
            if let Err((name, code)) = result
                && code != RDKafkaErrorCode::TopicAlreadyExists
            {
                return Err(admin.fail(format!("creating the topic {name}"), &KafkaError::AdminOp(code)));
            }
        }
    }
    // Another process may have made some of them a moment ago.
    let counts = admin.until("the broker made them and does not list them", |there| {
        let counts = plans.iter().map(|plan| Some((plan.name.as_str(), *there.get(&plan.name)?)));
        counts.collect::<Option<Vec<(&str, u32)>>>()
    })?;
    if let Some((name, count)) = counts.iter().find(|(_, count)| *count != counts[0].1) {
        let text = format!(
            "{name} has {count} partitions and {} has {}: give both the same number",
            counts[0].0, counts[0].1
        );
        return Err(KafkaFailure::new("topics", text));
    }
    Ok(counts[0].1)
}

/// Removes the service's own topics with everything on them, to begin anew.
///
/// # Errors
/// If the broker does not answer, or refuses.
pub fn remove(settings: &Settings) -> Result<(), KafkaFailure> {
    let admin = Admin::open(settings)?;
    let plans = [TopicPlan::all(settings), TopicPlan::of_executors(settings, 1)].concat();
    let there = admin.there()?;
    let names: Vec<&str> =
        plans.iter().map(|plan| plan.name.as_str()).filter(|name| there.contains_key(*name)).collect();
    if names.is_empty() {
        return Ok(());
    }
    let results = pollster::block_on(admin.client.delete_topics(&names, &admin.options()))
        .map_err(|error| admin.fail("removing topics", &error))?;
    for result in results {
        if let Err((name, code)) = result
            && code != RDKafkaErrorCode::UnknownTopicOrPartition
        {
            return Err(admin.fail(format!("removing the topic {name}"), &KafkaError::AdminOp(code)));
        }
    }
    admin.until("the broker removed them and still lists them", |there| {
        (!names.iter().any(|name| there.contains_key(*name))).then_some(())
    })
}
