//! A real Apache Kafka for a test executable, on loopback, ended with it.

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
    time::Duration,
};

use rdkafka::{
    ClientConfig, Message as _, Offset, TopicPartitionList,
    admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    consumer::{BaseConsumer, Consumer},
    error::KafkaError,
    message::{Header, Headers, OwnedHeaders},
    producer::{BaseProducer, BaseRecord, Producer},
};
use theriac_connectors::kafka::Settings;
use theriac_contract::Interval;

/// A record to produce, or that was consumed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// Topic.
    pub topic: &'static str,
    /// Partition.
    pub partition: i32,
    /// Milliseconds since 1970.
    pub time: i64,
    /// Key; none if it is empty.
    pub key: Vec<u8>,
    /// Headers, in order.
    pub headers: Vec<(String, Vec<u8>)>,
    /// Value.
    pub payload: Vec<u8>,
}

/// A cluster that was started by `tests/kafka/broker`.
pub struct Broker {
    folder: tempfile::TempDir,
    first_port: u16,
    /// `host:port` of every node, joined by commas.
    pub addresses: String,
}

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("kafka/broker")
}

fn call(arguments: &[&str]) -> String {
    let output = Command::new(script()).args(arguments).output().expect("tests/kafka/broker starts");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "tests/kafka/broker {arguments:?}: {told}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// The first of so many ports in a row that are free.
fn free_ports(count: u16) -> u16 {
    loop {
        let first =
            TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port").port();
        let rest = first.checked_add(count).is_some()
            && (first..first + count).all(|port| TcpListener::bind(("127.0.0.1", port)).is_ok());
        if rest {
            return first;
        }
    }
}

impl Broker {
    /// Starts a cluster of its own.
    ///
    /// # Panics
    /// If it does not start.
    #[must_use]
    pub fn start(nodes: u16) -> Self {
        Self::start_with(&["--nodes", &nodes.to_string()], 2 * nodes)
    }

    /// Starts one node that also listens where clients must say who they are, and may do what was
    /// granted to them alone.
    ///
    /// # Panics
    /// If it does not start.
    #[must_use]
    pub fn start_secure() -> Self {
        Self::start_with(&["--secure"], 4)
    }

    fn start_with(options: &[&str], ports: u16) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().display().to_string();
        let first_port = free_ports(ports);
        let (first, owner) = (first_port.to_string(), std::process::id().to_string());
        let begin = ["start", &path, "--port", &first, "--while", &owner];
        let addresses = call(&[&begin, options].concat());
        Self { folder, first_port, addresses }
    }

    /// Address of the listener for TLS with client certificates.
    #[must_use]
    pub fn tls(&self) -> String {
        format!("127.0.0.1:{}", self.first_port + 2)
    }

    /// Address of the listener for SASL over TLS.
    #[must_use]
    pub fn sasl(&self) -> String {
        format!("127.0.0.1:{}", self.first_port + 3)
    }

    /// A certificate or key of a secure node: `ca.crt`, `theriac.key`.
    #[must_use]
    pub fn certificate(&self, name: &str) -> PathBuf {
        self.folder.path().join("tls").join(name)
    }

    /// Lets a user do what theriac does with these settings.
    ///
    /// # Panics
    /// If the node refuses.
    pub fn grant(&self, user: &str, settings: &Settings, inputs: &[&str]) {
        let folder = self.folder.path().display().to_string();
        let begin = ["grant", &folder, user, &settings.group, &settings.prefix];
        call(&[&begin, inputs].concat());
    }

    /// One cluster of one node for all tests of this executable.
    #[must_use]
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Broker> = OnceLock::new();
        SHARED.get_or_init(|| Self::start(1))
    }

    fn with(&self, verb: &str, node: u16) {
        call(&[verb, &self.folder.path().display().to_string(), &node.to_string()]);
    }

    /// Kills a node at once.
    ///
    /// # Panics
    /// If it does not run.
    pub fn kill(&self, node: u16) {
        self.with("kill", node);
    }

    /// Starts a node that was killed, and waits until it answers.
    ///
    /// # Panics
    /// If it does not start.
    pub fn revive(&self, node: u16) {
        self.with("revive", node);
    }

    fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.addresses);
        config
    }

    /// Makes topics with so many partitions each.
    ///
    /// # Panics
    /// If they cannot be made.
    pub fn create(&self, topics: &[&str], partitions: i32) {
        let admin: AdminClient<DefaultClientContext> = self.client().create().expect("a client");
        let new: Vec<NewTopic<'_>> = topics
            .iter()
            .map(|topic| NewTopic::new(topic, partitions, TopicReplication::Fixed(-1)))
            .collect();
        let options = AdminOptions::new().operation_timeout(Some(Duration::from_secs(20)));
        let made = pollster::block_on(admin.create_topics(&new, &options)).expect("an answer");
        assert!(made.iter().all(Result::is_ok), "{made:?}");
    }

    /// Gives a topic more partitions: so many in all.
    ///
    /// # Panics
    /// If it cannot have them.
    pub fn grow(&self, topic: &str, partitions: usize) {
        let admin: AdminClient<DefaultClientContext> = self.client().create().expect("a client");
        let options = AdminOptions::new().operation_timeout(Some(Duration::from_secs(20)));
        let new = NewPartitions::new(topic, partitions);
        let grown = pollster::block_on(admin.create_partitions([&new], &options)).expect("an answer");
        assert!(grown.iter().all(Result::is_ok), "{grown:?}");
    }

    /// Produces records and waits until the broker has them.
    ///
    /// # Panics
    /// If it does not take them.
    pub fn produce(&self, messages: &[Message]) {
        let producer: BaseProducer =
            self.client().set("linger.ms", "5").set("compression.type", "lz4").create().expect("a client");
        for message in messages {
            let mut headers = OwnedHeaders::new();
            for (key, value) in &message.headers {
                headers = headers.insert(Header { key, value: Some(value) });
            }
            let mut record = BaseRecord::<[u8], [u8]>::to(message.topic)
                .partition(message.partition)
                .timestamp(message.time)
                .headers(headers)
                .payload(&message.payload);
            if !message.key.is_empty() {
                record = record.key(&message.key);
            }
            while let Err((error, back)) = producer.send(record) {
                assert_eq!(
                    error.rdkafka_error_code(),
                    Some(rdkafka::error::RDKafkaErrorCode::QueueFull),
                    "{error}"
                );
                record = back;
                producer.poll(Duration::from_millis(20));
            }
        }
        producer.flush(Duration::from_secs(60)).expect("the broker takes them");
    }

    /// The records of a partition from an offset on, up to its end.
    ///
    /// # Panics
    /// If they cannot be read.
    #[must_use]
    pub fn consume(&self, topic: &'static str, partition: i32, from: i64) -> Vec<Message> {
        let mut config = self.client();
        config.set("group.id", "tests").set("enable.partition.eof", "true");
        let consumer: BaseConsumer = config.create().expect("a client");
        let mut place = TopicPartitionList::new();
        place.add_partition_offset(topic, partition, Offset::Offset(from)).expect("an offset");
        consumer.assign(&place).expect("a partition");
        let mut messages = Vec::new();
        loop {
            match consumer.poll(Duration::from_secs(20)).expect("an answer") {
                Err(KafkaError::PartitionEOF(_)) => return messages,
                Err(error) => panic!("{topic}/{partition}: {error}"),
                Ok(message) => {
                    let headers = message.headers().into_iter().flat_map(Headers::iter);
                    messages.push(Message {
                        topic,
                        partition,
                        time: message.timestamp().to_millis().unwrap_or_default(),
                        key: message.key().unwrap_or_default().to_vec(),
                        headers: headers
                            .map(|header| (header.key.to_owned(), header.value.unwrap_or_default().to_vec()))
                            .collect(),
                        payload: message.payload().unwrap_or_default().to_vec(),
                    });
                }
            }
        }
    }

    /// How many records of a topic a group has not committed yet.
    ///
    /// # Panics
    /// If the broker does not say.
    #[must_use]
    pub fn behind(&self, group: &str, topic: &str) -> i64 {
        let patience = Duration::from_secs(20);
        let consumer: BaseConsumer = self.client().set("group.id", group).create().expect("a client");
        let metadata = consumer.fetch_metadata(Some(topic), patience).expect("an answer");
        let count = metadata.topics()[0].partitions().len() as i32;
        let mut places = TopicPartitionList::new();
        places.add_partition_range(topic, 0, count - 1);
        let committed = consumer.committed_offsets(places, patience).expect("an answer");
        let lag = committed.elements().into_iter().map(|place| {
            let (first, end) =
                consumer.fetch_watermarks(topic, place.partition(), patience).expect("an answer");
            end - place.offset().to_raw().filter(|offset| *offset >= 0).unwrap_or(first)
        });
        lag.sum()
    }

    /// The consumer groups that the broker knows.
    ///
    /// # Panics
    /// If it does not say.
    #[must_use]
    pub fn groups(&self) -> Vec<String> {
        let consumer: BaseConsumer = self.client().set("group.id", "tests").create().expect("a client");
        let groups = consumer.fetch_group_list(None, Duration::from_secs(20)).expect("an answer");
        groups.groups().iter().map(|group| group.name().to_owned()).collect()
    }

    /// The topics that the broker knows.
    ///
    /// # Panics
    /// If it does not say.
    #[must_use]
    pub fn topics(&self) -> Vec<String> {
        let consumer: BaseConsumer = self.client().set("group.id", "tests").create().expect("a client");
        let metadata = consumer.fetch_metadata(None, Duration::from_secs(20)).expect("an answer");
        metadata.topics().iter().map(|topic| topic.name().to_owned()).collect()
    }

    /// Settings with a group and topics of their own.
    #[must_use]
    pub fn settings(&self, name: &str) -> Settings {
        Settings {
            group: name.to_owned(),
            prefix: format!("{name}."),
            patience: Interval::from_seconds(20),
            ..Settings::at(&self.addresses)
        }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        call(&["stop", &self.folder.path().display().to_string()]);
    }
}
