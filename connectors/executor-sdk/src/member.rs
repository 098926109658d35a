//! The group that shares out the partitions, and this process's part in it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use rdkafka::{
    ClientContext, TopicPartitionList,
    consumer::{BaseConsumer, Consumer, ConsumerContext, Rebalance},
    error::KafkaError,
};

use crate::{error::ExecutorError, hand::Hand, handler::Handler, settings::Settings, writer::Seat};

const POLL: Duration = Duration::from_millis(100);

/// One partition at work.
struct Running {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

/// The partitions of this process.
#[derive(Default)]
struct Partitions {
    /// Given by the group, not begun yet.
    gained: BTreeSet<i32>,
    running: BTreeMap<i32, Running>,
}

impl Partitions {
    /// Brings partitions to an end: tells all of them, then waits for what is being done.
    fn end(&mut self, partitions: impl IntoIterator<Item = i32>) {
        let ending: Vec<Running> = partitions
            .into_iter()
            .filter_map(|partition| {
                self.gained.remove(&partition);
                self.running.remove(&partition)
            })
            .collect();
        ending.iter().for_each(|running| running.stop.store(true, Ordering::SeqCst));
        // A hand that panicked has nothing left to end; its claim is the next holder's to reconcile.
        ending.into_iter().for_each(|running| _ = running.thread.join());
    }
}

#[derive(Default)]
struct Context(Mutex<Partitions>);

impl Context {
    fn partitions(&self) -> MutexGuard<'_, Partitions> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientContext for Context {}

impl ConsumerContext for Context {
    fn pre_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        if let Rebalance::Revoke(list) = rebalance {
            self.partitions().end(numbers(list));
        }
    }

    fn post_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        if let Rebalance::Assign(list) = rebalance {
            // Each partition is read by a consumer of its own; this one is here for the group.
            let _ = consumer.pause(list);
            self.partitions().gained.extend(numbers(list));
        }
    }

    fn main_queue_min_poll_interval(&self) -> rdkafka::util::Timeout {
        rdkafka::util::Timeout::After(POLL)
    }
}

fn numbers(list: &TopicPartitionList) -> Vec<i32> {
    list.elements().iter().map(rdkafka::topic_partition_list::TopicPartitionListElem::partition).collect()
}

/// Takes part in an executor's group until `stop` is set: serves the partitions that the group gives
/// to this process, each on a thread of its own. Waits for theriac's topics if they are not there yet.
///
/// # Errors
/// If a property makes no sense, the topics do not fit each other, or the group refuses this
/// process for good.
pub fn run(settings: &Settings, handler: impl Handler, stop: &AtomicBool) -> Result<(), ExecutorError> {
    let handler: Arc<dyn Handler> = Arc::new(handler);
    let session = settings.session_timeout.as_millis().max(1);
    let mut config = settings.consumer();
    config.set("partition.assignment.strategy", "cooperative-sticky");
    config.set("session.timeout.ms", session.to_string());
    config.set("heartbeat.interval.ms", (session / 4).max(1).to_string());
    let group = settings.group();
    let fail = || ExecutorError::kafka(format!("the group {group}"));
    let consumer: Arc<BaseConsumer<Context>> =
        Arc::new(config.create_with_context(Context::default()).map_err(fail())?);
    if !await_topics(settings, &consumer, handler.as_ref(), stop)? {
        return Ok(());
    }
    consumer.subscribe(&[&settings.commands()]).map_err(fail())?;
    let of_member = Arc::clone(&consumer);
    let seat: Arc<Seat> = Arc::new(move || of_member.group_metadata());
    let mut result = Ok(());
    while result.is_ok() && !stop.load(Ordering::SeqCst) {
        // What is wrong with the broker for now is seen by the hands, who say it.
        if let Some(Err(error @ KafkaError::MessageConsumptionFatal(_))) = consumer.poll(POLL) {
            result = Err(fail()(error));
        }
        let mut partitions = consumer.context().partitions();
        for partition in std::mem::take(&mut partitions.gained) {
            let stop = Arc::new(AtomicBool::new(false));
            let hand = Hand {
                settings: settings.clone(),
                handler: Arc::clone(&handler),
                seat: Arc::clone(&seat),
                partition,
                stop: Arc::clone(&stop),
            };
            partitions
                .running
                .insert(partition, Running { stop, thread: thread::spawn(move || hand.work()) });
        }
    }
    let all: Vec<i32> = consumer.context().partitions().running.keys().copied().collect();
    consumer.context().partitions().end(all);
    consumer.unsubscribe();
    // Serves the last loss.
    let _ = consumer.poll(POLL);
    result
}

/// Waits until both topics are there; gives whether they are.
fn await_topics(
    settings: &Settings,
    consumer: &BaseConsumer<Context>,
    handler: &dyn Handler,
    stop: &AtomicBool,
) -> Result<bool, ExecutorError> {
    let (commands, executions) = (settings.commands(), settings.executions());
    let mut said = false;
    while !stop.load(Ordering::SeqCst) {
        // All topics: to ask for one by name may make it.
        let counts = consumer.fetch_metadata(None, settings.patience).map(|metadata| {
            [&commands, &executions].map(|name| {
                let found = metadata.topics().iter().find(|topic| topic.name() == name);
                found.map_or(0, |topic| topic.partitions().len())
            })
        });
        match counts {
            Ok([one, other]) if one > 0 && one == other => return Ok(true),
            Ok([one, other]) if one > 0 && other > 0 => {
                return Err(ExecutorError::Topics(format!(
                    "{commands} has {one} partitions and {executions} has {other}: give both the same number"
                )));
            }
            Ok(_) if !said => {
                handler.notice(&format!("waiting for {commands} and {executions}: theriac makes them when it runs with an executor of the kind `topic`"));
                said = true;
            }
            Err(error) if !said => {
                handler.notice(&format!("waiting for Kafka on {}: {error}", settings.brokers));
                said = true;
            }
            _ => {}
        }
        thread::sleep(POLL);
    }
    Ok(false)
}
