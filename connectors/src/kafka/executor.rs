//! Commands for executors in other processes, and the answers that come back.
//!
//! The engine's side of the protocol that `connectors/executor-sdk/README.md` tells. All workers of
//! a pool share one producer and one reader of the answers; a worker blocks until its own is there.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use rdkafka::{
    Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    error::KafkaError,
    message::{Header, Headers, OwnedHeaders},
    producer::{BaseProducer, BaseRecord, Producer},
};
use theriac_contract::{
    Command, Execution, ExecutionEvent, Executor, Id, Interval, SCHEMA_VERSION, Verdict,
    execution::{COMMANDS, EXECUTIONS, EXECUTOR_HEADER, EXPIRES_HEADER},
};

use super::{
    admin,
    client::{Complaints, KafkaFailure, config, duration, reading},
    producer::{Deliveries, put},
    settings::Settings,
};
use crate::executor::{Clock, words};

const POLL: Duration = Duration::from_millis(100);
/// Answers that are kept, the newest. A command that is sent again after its answer is gone gets it
/// from the executor.
const ANSWERS_MAX: usize = 4096;

type Answer = (Verdict, String);

/// What was read of the answers.
#[derive(Default)]
struct Told {
    /// Everything was read that was there at the beginning.
    caught_up: bool,
    answers: BTreeMap<Id, Answer>,
    order: VecDeque<Id>,
    /// The last thing that went wrong.
    complaint: Option<String>,
}

#[derive(Default)]
struct Answers {
    told: Mutex<Told>,
    changed: Condvar,
}

impl Answers {
    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut Told)) {
        change(&mut self.told());
        self.changed.notify_all();
    }

    fn put(&self, attempt: Id, answer: Answer) {
        self.change(|told| {
            // The first answer counts: those that come again are copies.
            if !told.answers.contains_key(&attempt) {
                told.order.push_back(attempt.clone());
                told.answers.insert(attempt, answer);
            }
            if told.order.len() > ANSWERS_MAX
                && let Some(oldest) = told.order.pop_front()
            {
                told.answers.remove(&oldest);
            }
        });
    }

    /// Waits for what `look` finds; none if there is nothing before `until`.
    fn wait<T>(&self, until: Instant, look: impl Fn(&Told) -> Option<T>) -> Option<T> {
        let mut told = self.told();
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match look(&told) {
                None if left.is_zero() => return None,
                None => {
                    told = self.changed.wait_timeout(told, left).unwrap_or_else(PoisonError::into_inner).0;
                }
                found => return found,
            }
        }
    }
}

/// Sends each command to the topic `<prefix>commands`, keyed by its target, and waits for the
/// answer on `<prefix>executions`. Without one in time nobody knows whether it was done.
///
/// The processes that act remember what they did, across their crashes and ours: a command that is
/// sent once more gets the answer that was given, or that of the attempt that is under way.
pub struct TopicExecutor {
    name: String,
    topic: String,
    clock: Clock,
    producer: BaseProducer<Deliveries>,
    answers: Arc<Answers>,
    stop: Arc<AtomicBool>,
    reader: Option<JoinHandle<()>>,
}

impl TopicExecutor {
    /// Makes the two topics if they are not there, with so many partitions, and begins to read the
    /// answers.
    ///
    /// # Errors
    /// If the broker does not answer, or the topics are not there and may not be made.
    pub fn open(
        name: &str,
        partitions: u32,
        settings: &Settings,
        clock: Clock,
    ) -> Result<Self, KafkaFailure> {
        let count = admin::ensure_executors(settings, partitions)?;
        let mut sending = config(settings)?;
        sending.set("enable.idempotence", "true");
        sending.set("linger.ms", "0");
        // As Java's clients do, so that others who write here keep a target on its partition.
        sending.set("partitioner", "murmur2_random");
        let producer = sending
            .create_with_context(Deliveries::default())
            .map_err(|error| KafkaFailure::of("a producer", &error, &Complaints::default()))?;
        let consumer = reader(settings, count)?;
        let (answers, stop) = (Arc::<Answers>::default(), Arc::<AtomicBool>::default());
        let (told, over, executor) = (Arc::clone(&answers), Arc::clone(&stop), name.to_owned());
        let reader = thread::Builder::new()
            .name(format!("answers-{name}"))
            .spawn(move || read(&consumer, count, &executor, &told, &over))
            .map_err(|error| KafkaFailure::new("a thread for the answers", error.to_string()))?;
        Ok(Self {
            name: name.to_owned(),
            topic: format!("{}{COMMANDS}", settings.prefix),
            clock,
            producer,
            answers,
            stop,
            reader: Some(reader),
        })
    }

    /// Hands the command to the broker; that it is there is not certain before the answer comes.
    fn send(&self, command: &Command, left: Duration) -> Result<(), String> {
        let value = serde_json::to_vec(command).map_err(|error| error.to_string())?;
        let left_nanos = Interval(i64::try_from(left.as_nanos()).unwrap_or(i64::MAX));
        let expires = ((self.clock)().plus(left_nanos).0 / 1_000_000).to_string();
        let kind = format!("theriac.command.v{SCHEMA_VERSION}");
        let id = command.attempt_key();
        let header = |key, value| Header { key, value: Some(value) };
        let headers = OwnedHeaders::new()
            .insert(header("ce_specversion", "1.0"))
            .insert(header("ce_id", id.as_str()))
            .insert(header("ce_source", "theriac/commands"))
            .insert(header("ce_type", kind.as_str()))
            .insert(header("content-type", "application/json"))
            .insert(header(EXECUTOR_HEADER, self.name.as_str()))
            .insert(header(EXPIRES_HEADER, expires.as_str()));
        let record = BaseRecord::<[u8], [u8]>::to(&self.topic)
            .key(command.action.target.as_str().as_bytes())
            .payload(&value)
            .headers(headers);
        put(&self.producer, record).map_err(|error| error.to_string())
    }

    fn complaint(&self) -> String {
        self.answers.told().complaint.as_ref().map_or_else(String::new, |text| format!(" ({text})"))
    }
}

fn reader(settings: &Settings, partitions: u32) -> Result<BaseConsumer<Complaints>, KafkaFailure> {
    let topic = format!("{}{EXECUTIONS}", settings.prefix);
    let fail = |error: KafkaError| KafkaFailure::of(&topic, &error, &Complaints::default());
    let mut config = reading(settings)?;
    config.set("enable.partition.eof", "true");
    config.set("auto.offset.reset", "earliest");
    let consumer: BaseConsumer<Complaints> =
        config.create_with_context(Complaints::default()).map_err(fail)?;
    let mut places = TopicPartitionList::new();
    for partition in 0..partitions {
        let partition = i32::try_from(partition).unwrap_or(i32::MAX);
        places.add_partition_offset(&topic, partition, Offset::Beginning).map_err(fail)?;
    }
    consumer.assign(&places).map_err(fail)?;
    Ok(consumer)
}

/// Reads answers until it is told to stop.
fn read(
    consumer: &BaseConsumer<Complaints>,
    partitions: u32,
    executor: &str,
    answers: &Answers,
    stop: &AtomicBool,
) {
    let mut unread: BTreeSet<i32> = (0..partitions).filter_map(|p| i32::try_from(p).ok()).collect();
    while !stop.load(Ordering::SeqCst) {
        match consumer.poll(POLL) {
            Some(Ok(message)) => {
                let named = message.headers().and_then(|all| all.iter().find(|h| h.key == EXECUTOR_HEADER));
                if named.is_none_or(|header| header.value != Some(executor.as_bytes())) {
                    continue;
                }
                match serde_json::from_slice::<Execution>(message.payload().unwrap_or_default()) {
                    Ok(Execution { event: ExecutionEvent::Ended { attempt, verdict, detail }, .. }) => {
                        answers.put(attempt.attempt_key, (verdict, detail))
                    }
                    Ok(_) => {}
                    Err(error) => {
                        let (partition, offset) = (message.partition(), message.offset());
                        let text = format!("{}/{partition} at offset {offset}: {error}", message.topic());
                        answers.change(|told| told.complaint = Some(text));
                    }
                }
            }
            Some(Err(KafkaError::PartitionEOF(partition))) => {
                unread.remove(&partition);
                if unread.is_empty() {
                    answers.change(|told| told.caught_up = true);
                }
            }
            Some(Err(error)) => answers.change(|told| told.complaint = Some(error.to_string())),
            None => {}
        }
    }
}

impl Executor for TopicExecutor {
    fn name(&self) -> &str {
        &self.name
    }

    fn execute(&self, command: &Command) -> Answer {
        if command.dry_run {
            return (Verdict::Succeeded, format!("would {} by way of {}", words(command), self.topic));
        }
        let until = Instant::now() + duration(command.timeout);
        if self.answers.wait(until, |told| told.caught_up.then_some(())).is_none() {
            let detail = format!("not sent, for earlier answers cannot be read{}", self.complaint());
            return (Verdict::Failed { retryable: true }, detail);
        }
        let attempt = command.attempt_key();
        let found = |told: &Told| told.answers.get(&attempt).cloned();
        // Sent and answered before a crash of the engine.
        if let Some(answer) = self.answers.wait(Instant::now(), found) {
            return answer;
        }
        if let Err(reason) = self.send(command, until.saturating_duration_since(Instant::now())) {
            return (Verdict::Failed { retryable: true }, format!("not sent: {reason}"));
        }
        // Serves the producer; whether it arrived, the answer says.
        let arrived = self.producer.flush(until.saturating_duration_since(Instant::now()));
        self.answers.wait(until, found).unwrap_or_else(|| {
            let unsure =
                arrived.err().map_or_else(String::new, |error| format!(" to {}: {error}", self.topic));
            (Verdict::TimedOut, format!("no answer within {}{unsure}{}", command.timeout, self.complaint()))
        })
    }

    fn remembers(&self, _: &Command) -> bool {
        true
    }
}

impl Drop for TopicExecutor {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}
