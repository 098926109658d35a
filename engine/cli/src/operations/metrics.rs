//! Every metric, by name: what is counted as it happens, and what is looked up when it is asked.

use std::fmt;

use prometheus_client::{
    encoding::{EncodeLabelSet, prometheus_text, text},
    metrics::{counter::Counter, family::Family, info::Info},
    registry::{Registry, Unit},
};

use super::{circuits::CircuitGauge, sight::Sights, stopwatch::TIMES};

/// The format of OpenMetrics, version 1.0.0.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Shard {
    pub(super) shard: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Signal {
    pub(super) shard: u32,
    pub(super) signal: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Class {
    pub(super) shard: u32,
    pub(super) class: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct OfTopic {
    pub(super) shard: u32,
    pub(super) topic: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Answer {
    pub(super) shard: u32,
    pub(super) verdict: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Change {
    pub(super) change: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Ended {
    pub(super) result: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Build {
    version: &'static str,
}

/// What is counted as it happens, since the process began.
#[derive(Default)]
pub(super) struct Metrics {
    pub(super) rows: Family<Signal, Counter>,
    pub(super) bytes: Family<Shard, Counter>,
    pub(super) rounds: Family<Shard, Counter>,
    pub(super) repeated: Family<Shard, Counter>,
    pub(super) ticks: Family<Shard, Counter>,
    pub(super) records: Family<OfTopic, Counter>,
    pub(super) dead: Family<Class, Counter>,
    pub(super) commands: Family<Shard, Counter>,
    pub(super) answers: Family<Answer, Counter>,
    pub(super) checkpoints: Family<Shard, Counter>,
    pub(super) checkpoint_failures: Family<Shard, Counter>,
    pub(super) restarts: Family<Shard, Counter>,
    pub(super) rebalances: Family<Change, Counter>,
    pub(super) reloads: Family<Ended, Counter>,
}

impl Metrics {
    /// All of them, and those that are looked up, under their names.
    pub(super) fn registry(&self, sights: Sights) -> Registry {
        let mut all = Registry::default();
        let own = all.sub_registry_with_prefix("theriac");
        own.register("rows", "Rows of telemetry that durable rounds took", self.rows.clone());
        own.register_with_unit(
            "input",
            "Bytes of input that durable rounds took",
            Unit::Bytes,
            self.bytes.clone(),
        );
        own.register("rounds", "Rounds that became durable", self.rounds.clone());
        own.register("rounds_repeated", "Rounds that were done again at a recovery", self.repeated.clone());
        own.register("ticks", "Ticks of event time that went through the stages", self.ticks.clone());
        own.register("records", "Records that durable rounds wrote, by topic", self.records.clone());
        own.register(
            "dead_letters",
            "What could not be read, by class: record (all of it), part (the rest was read), headers",
            self.dead.clone(),
        );
        own.register("commands", "Commands to executors whose intent is durable", self.commands.clone());
        own.register("answers", "Answers of executors, by verdict", self.answers.clone());
        own.register("checkpoints", "Checkpoints that were written", self.checkpoints.clone());
        let help = "Checkpoints that could not be written";
        own.register("checkpoint_failures", help, self.checkpoint_failures.clone());
        own.register(
            "shard_restarts",
            "Times that a shard failed and was tried again",
            self.restarts.clone(),
        );
        own.register("rebalances", "Changes of this process's shards by the group", self.rebalances.clone());
        own.register("reloads", "Reloads of the configuration, by result", self.reloads.clone());
        own.register_with_unit(
            "part_duration",
            "How long a part of a round took; fetch waits for input, and holds decode",
            Unit::Seconds,
            TIMES.clone(),
        );
        let build = Build { version: env!("CARGO_PKG_VERSION") };
        own.register("build", "The program that runs", Info::new(build));
        own.register_collector(Box::new(sights));
        own.register_collector(Box::new(CircuitGauge));
        super::process::register(&mut all);
        all
    }
}

/// All that a registry holds as text, with its media type.
pub(super) fn exposition(
    registry: &Registry,
    openmetrics: bool,
) -> Result<(&'static str, String), fmt::Error> {
    let mut out = String::new();
    if openmetrics {
        text::encode(&mut out, registry)?;
        return Ok((OPENMETRICS, out));
    }
    prometheus_text::encode(&mut out, registry)?;
    Ok((prometheus_text::CONTENT_TYPE, out))
}
