//! A process of a fleet on Kafka: it runs the shards that its group gives it, each on a thread
//! of its own, and brings them to an end before they go to another process.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::{Context, Result};
use theriac_connectors::{
    executor::{ExecutorError, LedgerError, clock::wall},
    kafka::{
        self, KafkaShards, KafkaSource, KafkaTopics,
        membership::{Change, InputPositions, Membership, Seat},
    },
};
use theriac_contract::{
    ObjectError, Source, SourceError, TopicError,
    seeded::{self, Bug},
};
use theriac_engine::{DriverError, EnvironmentError, checkpoint::CheckpointError};

use crate::{
    config::Config,
    environment::Live,
    operations::{Operations, Phase, Watch},
    output::{causes, note},
    wiring,
};

/// How often the group is asked for news.
const POLL: Duration = Duration::from_millis(100);
/// How long a shard waits after a failure that may pass: this, then twice as long, and so on.
const PAUSE: Duration = Duration::from_millis(500);
const PAUSE_MAX: Duration = Duration::from_secs(10);

/// How a process takes part.
pub(crate) struct Service {
    pub(crate) config: Config,
    pub(crate) kafka: kafka::Settings,
    pub(crate) verbose: bool,
    pub(crate) until_end: bool,
    pub(crate) operations: Arc<Operations>,
}

impl Service {
    /// The same with another configuration.
    fn with(&self, config: Config) -> Self {
        let kafka = config.kafka.clone().unwrap_or_else(|| self.kafka.clone());
        let (verbose, until_end) = (self.verbose, self.until_end);
        Self { config, kafka, verbose, until_end, operations: Arc::clone(&self.operations) }
    }
}

/// One shard at work.
struct Running {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<()>>,
}

/// The shards of this process.
#[derive(Default)]
struct Shards {
    /// Given by the group, not begun yet.
    gained: BTreeSet<u32>,
    running: BTreeMap<u32, Running>,
}

impl Shards {
    /// Brings shards to an end: tells all of them, then waits for each.
    fn end(&mut self, shards: impl IntoIterator<Item = u32>) -> Result<()> {
        let ending: Vec<Running> = shards
            .into_iter()
            .filter_map(|shard| {
                self.gained.remove(&shard);
                self.running.remove(&shard)
            })
            .collect();
        for running in &ending {
            running.stop.store(true, Ordering::SeqCst);
        }
        ending.into_iter().try_for_each(Running::join)
    }

    /// Brings all shards to an end that run, and has them begun anew.
    fn begin_anew(&mut self) -> Result<()> {
        let running: Vec<u32> = self.running.keys().copied().collect();
        self.end(running.iter().copied())?;
        self.gained.extend(running);
        Ok(())
    }

    /// Takes those that have ended by themselves; how the first of them failed, if one did.
    fn ended(&mut self, operations: &Operations) -> Result<usize> {
        let over = |running: &Running| running.thread.is_finished();
        let ended: Vec<u32> =
            self.running.iter().filter(|(_, running)| over(running)).map(|(shard, _)| *shard).collect();
        let count = ended.len();
        ended.iter().for_each(|shard| operations.forget(*shard));
        self.end(ended)?;
        Ok(count)
    }
}

impl Running {
    fn join(self) -> Result<()> {
        self.thread.join().unwrap_or_else(|_| Err(anyhow::anyhow!("a shard has panicked")))
    }
}

fn lock(shards: &Mutex<Shards>) -> MutexGuard<'_, Shards> {
    shards.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes part in the fleet until it is told to stop. `load` reads the configuration anew.
pub(crate) fn run(service: Service, load: &dyn Fn() -> Result<Config>, stop: &AtomicBool) -> Result<()> {
    note!("looking for Kafka on {}", service.kafka.brokers.join(","));
    let count = kafka::ensure(&service.kafka)?;
    let shards: Arc<Mutex<Shards>> = Arc::default();
    let (seen, operations) = (Arc::clone(&shards), Arc::clone(&service.operations));
    let membership = Membership::join(&service.kafka, move |change| match change {
        Change::Gained(gained) => {
            operations.join();
            if gained.is_empty() {
                return;
            }
            tracing::info!(shards = ?gained, "gained shards {gained:?}");
            operations.rebalanced("gained");
            gained.iter().for_each(|shard| operations.reach(*shard, Phase::Opening));
            lock(&seen).gained.extend(gained);
        }
        Change::Losing(lost) if seeded::on(Bug::LostShardsRunOn) => note!("shards {lost:?} are given up"),
        Change::Losing(lost) => {
            tracing::info!(shards = ?lost, "shards {lost:?} are given up");
            operations.rebalanced("lost");
            // How a shard fails that is given away is its next owner's to see.
            if let Err(error) = lock(&seen).end(lost.iter().copied()) {
                tracing::warn!("{}", causes(&error));
            }
            lost.iter().for_each(|shard| operations.forget(*shard));
        }
    })?;
    note!(
        "running as a member of the group {} on {}; {count} shards; stop with Ctrl-C",
        service.kafka.group,
        service.kafka.brokers.join(",")
    );
    let result = take_part(service, &membership, &shards, count, (load, stop));
    let all: Vec<u32> = lock(&shards).running.keys().copied().collect();
    let ended = lock(&shards).end(all);
    membership.leave();
    result.and(ended)?;
    note!("stopped; nothing is lost");
    Ok(())
}

fn take_part(
    service: Service,
    membership: &Membership,
    shards: &Mutex<Shards>,
    count: u32,
    (load, stop): (&dyn Fn() -> Result<Config>, &AtomicBool),
) -> Result<()> {
    let mut service = Arc::new(service);
    let operations = Arc::clone(&service.operations);
    let mut ended = 0;
    while !stop.load(Ordering::SeqCst) {
        membership.poll(POLL)?;
        operations.attend();
        if let Some(config) = operations.next_configuration(&service.config, load) {
            lock(shards).begin_anew()?;
            service = Arc::new(service.with(config));
        }
        if operations.has_sayings() {
            lock(shards).begin_anew()?;
            let standing = lock(shards).gained.clone();
            note_sayings(&service, membership, &standing);
        }
        let gained = std::mem::take(&mut lock(shards).gained);
        for shard in gained {
            let positions = InputPositions::default();
            let seat = membership.seat(positions.clone());
            operations.reads(shard, positions.clone());
            let flag = Arc::new(AtomicBool::new(false));
            let (service, told) = (Arc::clone(&service), Arc::clone(&flag));
            let thread = thread::Builder::new()
                .name(format!("shard-{shard}"))
                .spawn(move || work(&service, shard, count, &seat, &positions, &told))
                .context("a thread cannot be started")?;
            lock(shards).running.insert(shard, Running { stop: flag, thread });
        }
        ended += lock(shards).ended(&operations)?;
        if service.until_end && ended > 0 && lock(shards).running.is_empty() {
            break;
        }
    }
    Ok(())
}

/// Notes what people say, in the topics of shards that do not run now.
fn note_sayings(service: &Service, membership: &Membership, shards: &BTreeSet<u32>) {
    let mut sayings = service.operations.sayings();
    let mut failure = None;
    for shard in shards {
        let seat = membership.seat(InputPositions::default());
        match KafkaTopics::open(&service.kafka, *shard, Some(seat)) {
            Ok(mut topics) => sayings.note(&mut topics),
            Err(error) => failure = Some(anyhow::Error::new(error).context(format!("shard {shard}"))),
        }
    }
    sayings.end(failure.as_ref());
}

/// Runs a shard until it is told to stop. What may pass is tried again, from what is stored.
fn work(
    service: &Service,
    shard: u32,
    count: u32,
    seat: &Arc<dyn Seat>,
    positions: &InputPositions,
    stop: &AtomicBool,
) -> Result<()> {
    let _shard = tracing::error_span!("shard", shard).entered();
    let digest = service.config.digest(&service.config.playbooks()?)?;
    let mut pause = PAUSE;
    while !stop.load(Ordering::SeqCst) {
        let mut watch = Watch::new(&service.operations, shard, digest.clone(), service.verbose);
        let Err(error) = once(service, shard, count, seat, positions, stop, &mut watch) else { break };
        if !may_pass(&error) {
            return Err(error.context(format!("shard {shard}")));
        }
        if watch.rounds > 0 {
            pause = PAUSE;
        }
        if stop.load(Ordering::SeqCst) {
            break;
        }
        tracing::warn!("shard {shard}: {}; trying again in {pause:?}", causes(&error));
        watch.failed(causes(&error));
        let mut left = pause;
        while !stop.load(Ordering::SeqCst) && !left.is_zero() {
            let nap = left.min(POLL);
            thread::sleep(nap);
            left -= nap;
        }
        pause = (pause * 2).min(PAUSE_MAX);
    }
    Ok(())
}

fn once(
    service: &Service,
    shard: u32,
    count: u32,
    seat: &Arc<dyn Seat>,
    positions: &InputPositions,
    stop: &AtomicBool,
    watch: &mut Watch,
) -> Result<()> {
    // First of all: from here on no other process can write to this shard.
    let topics = KafkaTopics::open(&service.kafka, shard, Some(Arc::clone(seat)))?;
    let mut config = service.config.clone();
    config.act.ledger = config.act.ledger.map(|ledger| of_shard(&ledger, shard));
    let mut source = KafkaSource::open(&service.kafka, shard, count, positions.clone())?;
    if service.until_end {
        source.end_at_present()?;
    }
    let sources: Vec<Box<dyn Source>> = vec![Box::new(source)];
    let mut environment = Live::with_sources(&config, sources, wall(), service.until_end)?;
    if count > 1 {
        let gather = KafkaShards::open(&service.kafka, shard, count);
        environment = environment.among_shards(Box::new(gather), service.kafka.quiet_after);
    }
    let below = format!("{}checkpoints/{shard}", service.kafka.prefix);
    let checkpoints = config.checkpoint.open(&config.data_dir, &below)?;
    let (mut driver, recovery) =
        wiring::open_over(&config, environment, Box::new(topics), checkpoints, watch)?;
    watch.recovered();
    wiring::tell(&recovery);
    tracing::info!("shard {shard} is at work");
    let turns = watch.turns();
    let ends = || {
        turns();
        stop.load(Ordering::SeqCst)
    };
    driver.run_to_end(&ends, watch)?;
    Ok(())
}

/// A file of one shard: `ledger` becomes `ledger-3`.
fn of_shard(path: &Path, shard: u32) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!("{name}-{shard}"))
}

/// Whether it may be well again later: the broker or the store of checkpoints is away, or the shard has another owner.
fn may_pass(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        let topic = |error: &TopicError| matches!(error, TopicError::Io { .. } | TopicError::Fenced(_));
        let store = |error: &ObjectError| matches!(error, ObjectError::Unavailable { .. });
        let source = |error: &SourceError| matches!(error, SourceError::Io { .. });
        cause.downcast_ref::<TopicError>().is_some_and(topic)
            || cause.downcast_ref::<SourceError>().is_some_and(source)
            || cause.downcast_ref::<ObjectError>().is_some_and(store)
            || cause.downcast_ref::<kafka::KafkaFailure>().is_some()
            // A command of this shard's last run is still under way.
            || matches!(cause.downcast_ref(), Some(ExecutorError::Ledger(LedgerError::InUse(_))))
            || cause.downcast_ref::<DriverError>().is_some_and(|error| match error {
                DriverError::Topic(error) => topic(error),
                DriverError::Checkpoint(CheckpointError::Store(error)) => store(error),
                DriverError::Environment(EnvironmentError::Source(error)) => source(error),
                _ => false,
            })
    })
}
