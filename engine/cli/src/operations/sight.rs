//! What is looked up when metrics are asked for: the state of each shard, and its input.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeGaugeValue, EncodeLabelSet, EncodeMetric},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
    registry::Unit,
};
use theriac_connectors::executor::Clock;
use theriac_contract::Timestamp;

use super::{health::Health, metrics::Shard};

/// What is known of a shard from outside its loop.
#[derive(Clone, Debug)]
pub(super) struct Sight {
    /// Event time that it has come to; none before its first round.
    pub(super) reached: Option<Timestamp>,
    /// When a checkpoint was written last, or the shard was taken over.
    pub(super) saved: Instant,
    /// Bytes of the last checkpoint that this process wrote.
    pub(super) saved_bytes: Option<u64>,
    /// Bytes of each table of the state when it was saved last.
    pub(super) tables: BTreeMap<String, u64>,
    /// Time series that are known.
    pub(super) series: u64,
    /// Open symptoms, open incidents, plans under way, commands without an answer.
    pub(super) symptoms: u64,
    pub(super) incidents: u64,
    pub(super) plans: u64,
    pub(super) awaited: u64,
    /// Rows that were taken and are in no tick, by why.
    pub(super) unused: BTreeMap<&'static str, u64>,
    /// Its configuration.
    pub(super) configuration: String,
}

impl Sight {
    pub(super) fn new(configuration: String) -> Self {
        Self {
            reached: None,
            saved: Instant::now(),
            saved_bytes: None,
            tables: BTreeMap::new(),
            series: 0,
            symptoms: 0,
            incidents: 0,
            plans: 0,
            awaited: 0,
            unused: BTreeMap::new(),
            configuration,
        }
    }
}

/// A partition of the input.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, EncodeLabelSet)]
pub(super) struct Lane {
    pub(super) topic: String,
    pub(super) partition: i32,
}

/// Where a partition of the input stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing {
    pub(super) lag: Option<u64>,
    /// Milliseconds since 1970.
    pub(super) time: Option<i64>,
    pub(super) records: u64,
    pub(super) bytes: u64,
}

/// Gives the partitions of a shard's input.
pub(super) type Lanes = Box<dyn Fn() -> Vec<(Lane, Standing)> + Send + Sync>;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Table {
    shard: u32,
    table: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Unused {
    shard: u32,
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Configuration {
    shard: u32,
    configuration: String,
}

#[derive(Default)]
struct Known {
    shards: BTreeMap<u32, Sight>,
    lanes: BTreeMap<u32, Lanes>,
}

/// The shards of this process, for whoever asks for metrics.
#[derive(Clone)]
pub(super) struct Sights {
    known: Arc<Mutex<Known>>,
    health: Arc<Health>,
    wall: Clock,
}

impl fmt::Debug for Sights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sights").finish_non_exhaustive()
    }
}

impl Sights {
    pub(super) fn new(health: Arc<Health>, wall: Clock) -> Self {
        Self { known: Arc::default(), health, wall }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn begin(&self, shard: u32, sight: Sight) {
        self.known().shards.insert(shard, sight);
    }

    pub(super) fn read(&self, shard: u32, lanes: Lanes) {
        self.known().lanes.insert(shard, lanes);
    }

    pub(super) fn change(&self, shard: u32, change: impl FnOnce(&mut Sight)) {
        if let Some(sight) = self.known().shards.get_mut(&shard) {
            change(sight);
        }
    }

    pub(super) fn forget(&self, shard: u32) {
        let mut known = self.known();
        known.shards.remove(&shard);
        known.lanes.remove(&shard);
    }
}

/// A gauge without labels.
fn gauge(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: u64) -> Result<(), fmt::Error> {
    ConstGauge::new(value).encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)
}

/// One gauge with a sample for each set of labels.
pub(super) fn gauges<L: EncodeLabelSet, V: EncodeGaugeValue>(
    encoder: &mut DescriptorEncoder<'_>,
    (name, unit): (&str, Option<Unit>),
    help: &str,
    samples: impl IntoIterator<Item = (L, V)>,
) -> Result<(), fmt::Error> {
    let mut samples = samples.into_iter().peekable();
    if samples.peek().is_none() {
        return Ok(());
    }
    let mut metric = encoder.encode_descriptor(name, help, unit.as_ref(), MetricType::Gauge)?;
    for (labels, value) in samples {
        ConstGauge::new(value).encode(metric.encode_family(&labels)?)?;
    }
    Ok(())
}

impl Collector for Sights {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let now = (self.wall)();
        let known = self.known();
        let encoder = &mut encoder;
        let help = "Shards that this process runs";
        gauge(encoder, "shards", help, self.health.shards() as u64)?;
        let help = "1 if every shard of this process is through its recovery and reads, as /readyz says";
        gauge(encoder, "ready", help, u64::from(self.health.readiness().ready))?;
        let of = |value: fn(&Sight) -> u64| {
            known.shards.iter().map(move |(shard, sight)| (Shard { shard: *shard }, value(sight)))
        };
        let help = "Wall clock less the event time that a shard has come to";
        let delays = known.shards.iter().filter_map(|(shard, sight)| {
            Some((Shard { shard: *shard }, now.since(sight.reached?).0 as f64 / 1e9))
        });
        gauges(encoder, ("watermark_delay", Some(Unit::Seconds)), help, delays)?;
        let help = "Time since a checkpoint was written, or the shard was taken over";
        let ages = known
            .shards
            .iter()
            .map(|(shard, sight)| (Shard { shard: *shard }, sight.saved.elapsed().as_secs_f64()));
        gauges(encoder, ("checkpoint_age", Some(Unit::Seconds)), help, ages)?;
        let help = "Size of the last checkpoint that this process wrote";
        let sizes = known
            .shards
            .iter()
            .filter_map(|(shard, sight)| Some((Shard { shard: *shard }, sight.saved_bytes?)));
        gauges(encoder, ("checkpoint_size", Some(Unit::Bytes)), help, sizes)?;
        let help = "Size of the state by table, in memory as Arrow, when it was saved last";
        let tables = known.shards.iter().flat_map(|(shard, sight)| {
            let of =
                |(table, bytes): (&String, &u64)| (Table { shard: *shard, table: table.clone() }, *bytes);
            sight.tables.iter().map(of)
        });
        gauges(encoder, ("state", Some(Unit::Bytes)), help, tables)?;
        gauges(encoder, ("series", None), "Time series that are known", of(|sight| sight.series))?;
        gauges(encoder, ("symptoms_open", None), "Symptoms that are open", of(|sight| sight.symptoms))?;
        gauges(encoder, ("incidents_open", None), "Incidents that are open", of(|sight| sight.incidents))?;
        gauges(encoder, ("plans_running", None), "Plans under way", of(|sight| sight.plans))?;
        let help = "Commands that wait for an executor's answer";
        gauges(encoder, ("commands_outstanding", None), help, of(|sight| sight.awaited))?;
        let help = "The configuration that a shard runs with: its digest, as `theriac validate` gives it";
        let configurations = known.shards.iter().map(|(shard, sight)| {
            (Configuration { shard: *shard, configuration: sight.configuration.clone() }, 1_u64)
        });
        gauges(encoder, ("configuration_info", None), help, configurations)?;
        unused(encoder, &known)?;
        input(encoder, &known, now)
    }
}

fn unused(encoder: &mut DescriptorEncoder<'_>, known: &Known) -> Result<(), fmt::Error> {
    let help = "Rows that were taken and are in no tick, by reason, since the shard's state began";
    let mut samples = known
        .shards
        .iter()
        .flat_map(|(shard, sight)| {
            sight.unused.iter().map(|(reason, rows)| (Unused { shard: *shard, reason }, *rows))
        })
        .peekable();
    if samples.peek().is_none() {
        return Ok(());
    }
    let mut metric = encoder.encode_descriptor("rows_unused", help, None, MetricType::Counter)?;
    for (labels, rows) in samples {
        ConstCounter::new(rows).encode(metric.encode_family(&labels)?)?;
    }
    Ok(())
}

fn input(encoder: &mut DescriptorEncoder<'_>, known: &Known, now: Timestamp) -> Result<(), fmt::Error> {
    let lanes: BTreeMap<Lane, Standing> = known.lanes.values().flat_map(|lanes| lanes()).collect();
    let of = |value: fn(&Standing) -> u64| {
        lanes.iter().map(move |(lane, standing)| (lane.clone(), value(standing)))
    };
    let help = "Records of an input partition that are not read yet";
    let lags = lanes.iter().filter_map(|(lane, standing)| Some((lane.clone(), standing.lag?)));
    gauges(encoder, ("kafka_lag_records", None), help, lags)?;
    let help = "Wall clock less the time that Kafka keeps for the last record read of an input partition";
    let ages = lanes.iter().filter_map(|(lane, standing)| {
        Some((lane.clone(), (now.0 as f64 / 1e9) - (standing.time? as f64 / 1e3)))
    });
    gauges(encoder, ("kafka_record_age", Some(Unit::Seconds)), help, ages)?;
    let help = "Records of an input partition that lie in memory, not taken by a round";
    gauges(encoder, ("kafka_queue_records", None), help, of(|standing| standing.records))?;
    let help = "Bytes of the records of an input partition that lie in memory";
    gauges(encoder, ("kafka_queue", Some(Unit::Bytes)), help, of(|standing| standing.bytes))
}
