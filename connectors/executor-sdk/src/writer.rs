//! Writes what happens to commands of one partition, in transactions that fence the holder before.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use rdkafka::{
    Offset, TopicPartitionList,
    consumer::ConsumerGroupMetadata,
    error::KafkaError,
    message::{Header, OwnedHeaders},
    producer::{BaseProducer, BaseRecord, Producer, PurgeConfig},
};
use theriac_contract::{Execution, ExecutionEvent, SCHEMA_VERSION, execution::EXECUTOR_HEADER};

use crate::{
    error::{ExecutorError, is_fenced},
    settings::Settings,
};

/// How long the broker keeps a transaction open whose producer is silent. Until then readers of
/// the partition wait.
const TRANSACTION_TIMEOUT_MS: &str = "10000";
const PAUSE: Duration = Duration::from_millis(50);

/// The place of this process in its group, as it is now; none if it is no member.
pub(crate) type Seat = dyn Fn() -> Option<ConsumerGroupMetadata> + Send + Sync;

/// The only writer of a partition, until a newer one is opened.
pub(crate) struct Writer {
    settings: Settings,
    partition: i32,
    /// Names this writer, and no other.
    pub(crate) holder: String,
    /// One transaction at a time: heartbeats and answers come from different threads.
    producer: Mutex<BaseProducer>,
    fenced: AtomicBool,
}

/// Milliseconds since 1970, by the wall clock.
pub(crate) fn wall_millis() -> i64 {
    i64::try_from(since_1970().as_millis()).unwrap_or(i64::MAX)
}

#[expect(clippy::disallowed_methods, reason = "the edge: an executor's deadlines are those of its machine")]
fn since_1970() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

impl Writer {
    /// Fences whoever wrote to this partition before; what it left uncommitted is undone.
    pub(crate) fn open(settings: &Settings, partition: i32) -> Result<Self, ExecutorError> {
        let mut config = settings.client();
        config.set("transactional.id", format!("{}-{partition}", settings.group()));
        config.set("transaction.timeout.ms", TRANSACTION_TIMEOUT_MS);
        config.set("linger.ms", "0");
        // A broker writes the markers of the transaction before within milliseconds; until then
        // it refuses what belongs to the next.
        config.set("retry.backoff.ms", "5");
        let fail = || ExecutorError::kafka(format!("the producer of partition {partition}"));
        let producer: BaseProducer = config.create().map_err(fail())?;
        producer.init_transactions(settings.patience).map_err(fail())?;
        let holder = format!("{}/{partition}@{:x}", settings.process, since_1970().as_nanos());
        Ok(Self {
            settings: settings.clone(),
            partition,
            holder,
            producer: Mutex::new(producer),
            fenced: AtomicBool::new(false),
        })
    }

    /// Commits an event.
    pub(crate) fn event(&self, event: &ExecutionEvent) -> Result<(), ExecutorError> {
        self.commit(Some(event), None)
    }

    /// Commits an event, if there is one, and with it that everything before `next` is done.
    pub(crate) fn done(
        &self,
        event: Option<&ExecutionEvent>,
        next: i64,
        seat: &Seat,
    ) -> Result<(), ExecutorError> {
        self.commit(event, Some((next, seat)))
    }

    fn commit(
        &self,
        event: Option<&ExecutionEvent>,
        done: Option<(i64, &Seat)>,
    ) -> Result<(), ExecutorError> {
        let producer = self.producer.lock().unwrap_or_else(PoisonError::into_inner);
        let begin = Instant::now();
        loop {
            if self.fenced.load(Ordering::SeqCst) {
                return Err(ExecutorError::Fenced { partition: self.partition });
            }
            let Err(error) = self.once(&producer, event, done) else { return Ok(()) };
            if is_fenced(&error) {
                // What librdkafka says of later calls is that this one failed.
                self.fenced.store(true, Ordering::SeqCst);
                continue;
            }
            self.undo(&producer);
            let fatal = matches!(&error, KafkaError::Transaction(error) if error.is_fatal());
            if fatal || begin.elapsed() > self.settings.patience {
                let what = format!("the transaction of partition {}", self.partition);
                return Err(ExecutorError::kafka(what)(error));
            }
            // The broker moved, or the group changes.
            thread::sleep(PAUSE);
        }
    }

    fn once(
        &self,
        producer: &BaseProducer,
        event: Option<&ExecutionEvent>,
        done: Option<(i64, &Seat)>,
    ) -> Result<(), KafkaError> {
        let patience = self.settings.patience;
        producer.begin_transaction()?;
        if let Some(event) = event {
            self.send(producer, event)?;
        }
        if let Some((next, seat)) = done {
            let mut list = TopicPartitionList::new();
            list.add_partition_offset(&self.settings.commands(), self.partition, Offset::Offset(next))?;
            // Fresh each time: it carries the generation that fences a member that was put out.
            let no_member = KafkaError::Canceled;
            let group = seat().ok_or(no_member)?;
            producer.send_offsets_to_transaction(&list, &group, patience)?;
        }
        producer.flush(patience)?;
        loop {
            match producer.commit_transaction(patience) {
                Err(KafkaError::Transaction(error)) if error.is_retriable() => thread::sleep(PAUSE),
                result => return result,
            }
        }
    }

    fn send(&self, producer: &BaseProducer, event: &ExecutionEvent) -> Result<(), KafkaError> {
        let execution = Execution {
            schema_version: SCHEMA_VERSION,
            executor: self.settings.executor.clone(),
            holder: self.holder.clone(),
            event: event.clone(),
        };
        let value = serde_json::to_vec(&execution).map_err(|_| KafkaError::Canceled)?;
        let headers = OwnedHeaders::new()
            .insert(Header { key: EXECUTOR_HEADER, value: Some(&self.settings.executor) })
            .insert(Header { key: "content-type", value: Some("application/json") });
        let topic = self.settings.executions();
        let key = match event {
            ExecutionEvent::Claimed { attempt, .. } | ExecutionEvent::Ended { attempt, .. } => {
                attempt.target.as_str()
            }
            ExecutionEvent::Opened | ExecutionEvent::Extended { .. } => &self.holder,
        };
        let record = BaseRecord::to(&topic).partition(self.partition).key(key).payload(&value);
        producer.send(record.headers(headers)).map_err(|(error, _)| error)
    }

    fn undo(&self, producer: &BaseProducer) {
        // Undoing waits until every record is accounted for, and accounts are served here alone.
        producer.purge(PurgeConfig::default().queue().inflight());
        let _ = producer.flush(self.settings.patience);
        // What cannot be undone now is undone by the broker, or by the next holder.
        let _ = producer.abort_transaction(self.settings.patience);
    }
}
