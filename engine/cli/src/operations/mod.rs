//! How the service is looked after while it runs: health and metrics over HTTP, another
//! configuration, an end in time, and what systemd hears of all that.
//!
//! | module | holds |
//! |---|---|
//! | [`settings`] | the section `operations` of the configuration |
//! | [`health`] | how far each shard is, and when it last came round |
//! | [`metrics`], [`process`] | what is counted as it happens, and of the process as a whole |
//! | [`circuits`] | circuits to executors that are not closed |
//! | [`sight`] | what is looked up of a shard when metrics are asked for |
//! | [`stopwatch`] | times the parts of a round, which know no clock |
//! | [`watch`] | the observer of one shard: feeds all of these, and tells people |
//! | [`server`] | the HTTP port |
//! | [`requests`] | what was asked over that port and is for the loop to do |
//! | [`judging`] | what people say of symptoms and about acting |
//! | [`reload`] | wishes for another configuration, and what cannot change |
//! | [`keeper`] | the thread that tells systemd, and ends what does not end |
//!
//! No result depends on anything here.

#![cfg_attr(
    not(feature = "kafka"),
    allow(dead_code, reason = "a group, its input and what may pass are Kafka's")
)]

mod circuits;
mod health;
mod judging;
mod keeper;
mod metrics;
mod process;
mod reload;
mod requests;
mod server;
mod settings;
mod sight;
mod stopwatch;
mod watch;

use std::{
    fmt,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use anyhow::Result;
use prometheus_client::registry::Registry;
use theriac_connectors::executor::Clock;

pub(crate) use self::{health::Phase, settings::Settings, stopwatch::Stopwatch, watch::Watch};
use self::{
    health::{Health, Liveness},
    judging::{Noting, Saying},
    metrics::{Change, Ended, Metrics},
    reload::Reloads,
    requests::Requests,
    sight::Sights,
};
use crate::{config::Config, output::note};

/// What is known of the service from outside its loops.
pub(crate) struct Operations {
    settings: Settings,
    health: Arc<Health>,
    metrics: Metrics,
    registry: Registry,
    sights: Sights,
    reloads: Reloads,
    sayings: Requests<Saying>,
}

impl Operations {
    /// Begins to look after a service: opens the port, if the settings name one, and hears SIGHUP.
    ///
    /// # Errors
    /// If the address is taken, or a signal cannot be heard.
    pub(crate) fn start(settings: &Settings, stop: &Arc<AtomicBool>, wall: Clock) -> Result<Arc<Self>> {
        let operations = Arc::new(Self::new(settings, wall));
        #[cfg(unix)]
        signal_hook::flag::register(signal_hook::consts::SIGHUP, Arc::clone(&operations.reloads.hangup))?;
        if let Some(listen) = settings.listen {
            let address = server::start(&operations, listen)?;
            note!("health and metrics on http://{address}");
        }
        keeper::start(&operations, Arc::clone(stop))?;
        Ok(operations)
    }

    fn new(settings: &Settings, wall: Clock) -> Self {
        let health = Arc::new(Health::default());
        let sights = Sights::new(Arc::clone(&health), wall);
        let metrics = Metrics::default();
        let registry = metrics.registry(sights.clone());
        let (reloads, sayings) = (Reloads::default(), Requests::default());
        Self { settings: settings.clone(), health, metrics, registry, sights, reloads, sayings }
    }

    /// The process has become a member of its group, or runs alone.
    pub(crate) fn join(&self) {
        self.health.join();
    }

    /// The thread that takes part in the group has come round.
    pub(crate) fn attend(&self) {
        self.health.attend();
    }

    /// A shard has come to a phase.
    pub(crate) fn reach(&self, shard: u32, phase: Phase) {
        self.health.reach(shard, phase);
    }

    /// A shard is no longer this process's.
    pub(crate) fn forget(&self, shard: u32) {
        self.health.forget(shard);
        self.sights.forget(shard);
    }

    /// The group has given or taken shards.
    pub(crate) fn rebalanced(&self, change: &'static str) {
        self.metrics.rebalances.get_or_create(&Change { change }).inc();
    }

    /// Where the input of a shard stands is written to `positions` from now on.
    #[cfg(feature = "kafka")]
    pub(crate) fn reads(&self, shard: u32, positions: theriac_connectors::kafka::membership::InputPositions) {
        let lanes = move || {
            let places = positions.places().into_iter();
            let standing =
                |((topic, partition), place): (_, theriac_connectors::kafka::membership::Place)| {
                    let (lag, time) = (place.lag, place.time);
                    let standing = sight::Standing { lag, time, records: place.records, bytes: place.bytes };
                    (sight::Lane { topic, partition }, standing)
                };
            places.map(standing).collect()
        };
        self.sights.read(shard, Box::new(lanes));
    }

    /// The configuration to go over to, if one is asked for and is well. One that is not is said,
    /// counted and answered; the present one goes on.
    pub(crate) fn next_configuration(
        &self,
        present: &Config,
        load: impl FnOnce() -> Result<Config>,
    ) -> Option<Config> {
        if !self.reloads.wanted() {
            return None;
        }
        let asked = self.reloads.take();
        let loaded = load().and_then(|next| {
            reload::check(present, &next)?;
            let digest = next.digest(&next.playbooks()?)?;
            Ok((next, digest))
        });
        let (next, result, answer) = match loaded {
            Ok((next, digest)) => {
                let told = format!("going over to configuration {digest}");
                tracing::info!(configuration = digest, "{told}");
                (Some(next), "taken", Ok(told))
            }
            Err(error) => {
                let told = format!("{error:#}");
                tracing::error!("the new configuration is refused, the present one goes on: {told}");
                (None, "refused", Err(told))
            }
        };
        self.metrics.reloads.get_or_create(&Ended { result }).inc();
        for request in asked {
            request.answer(answer.clone());
        }
        next
    }

    /// Whether somebody has said something that is to be noted.
    pub(crate) fn has_sayings(&self) -> bool {
        self.sayings.wanted()
    }

    /// What was said, for topics over which no loop runs.
    pub(crate) fn sayings(&self) -> Noting {
        Noting::new(self.sayings.take())
    }

    fn liveness(&self) -> Liveness {
        self.health.liveness(duration(self.settings.stuck_after))
    }

    fn exposition(&self, openmetrics: bool) -> Result<(&'static str, String), fmt::Error> {
        metrics::exposition(&self.registry, openmetrics)
    }
}

fn duration(interval: theriac_contract::Interval) -> Duration {
    Duration::from_nanos(u64::try_from(interval.0).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::{
        collections::{BTreeMap, BTreeSet},
        sync::LazyLock,
    };

    use theriac_connectors::executor::{BreakerSettings, Guarded, clock::wall};
    use theriac_contract::{Command, Executor, Timestamp, Verdict};

    use super::{
        metrics::{Answer, Class, OfTopic, Shard, Signal},
        sight::{Lane, Sight, Standing},
        stopwatch::{Part, TIMES},
        *,
    };

    /// An executor whose circuits are told of.
    struct Idle;

    impl Executor for Idle {
        fn name(&self) -> &'static str {
            "idle"
        }

        fn execute(&self, _: &Command) -> (Verdict, String) {
            (Verdict::Succeeded, String::new())
        }
    }

    static GUARDED: LazyLock<Guarded> =
        LazyLock::new(|| Guarded::new(Arc::new(Idle), BreakerSettings::default()));

    /// With a sample of everything that there is.
    fn everything() -> Operations {
        LazyLock::force(&GUARDED);
        let operations = Operations::new(&Settings::default(), wall());
        let (shard, metrics) = (0, &operations.metrics);
        metrics.rows.get_or_create(&Signal { shard, signal: "points" }).inc();
        metrics.records.get_or_create(&OfTopic { shard, topic: "symptoms" }).inc();
        metrics.dead.get_or_create(&Class { shard, class: "record" }).inc();
        metrics.answers.get_or_create(&Answer { shard, verdict: "succeeded" }).inc();
        metrics.rebalances.get_or_create(&Change { change: "gained" }).inc();
        metrics.reloads.get_or_create(&Ended { result: "taken" }).inc();
        for family in [
            &metrics.bytes,
            &metrics.rounds,
            &metrics.repeated,
            &metrics.ticks,
            &metrics.commands,
            &metrics.checkpoints,
            &metrics.checkpoint_failures,
            &metrics.restarts,
        ] {
            family.get_or_create(&Shard { shard }).inc();
        }
        TIMES.get_or_create(&Part::named("detect")).observe(0.001);
        let sight = Sight {
            reached: Some(Timestamp(0)),
            saved_bytes: Some(7),
            tables: BTreeMap::from([("detect".to_owned(), 7)]),
            unused: BTreeMap::from([("late", 7)]),
            ..Sight::new("c0ffee".to_owned())
        };
        operations.sights.begin(shard, sight);
        let lane = Lane { topic: "otlp_metrics".to_owned(), partition: 0 };
        let standing = Standing { lag: Some(7), time: Some(7), records: 7, bytes: 7 };
        operations.sights.read(shard, Box::new(move || vec![(lane.clone(), standing)]));
        operations
    }

    /// The table of metrics, as the documentation has it.
    fn table(text: &str) -> String {
        let mut lines =
            vec!["| metric | type | labels | what it says |".to_owned(), "|---|---|---|---|".to_owned()];
        let mut help = "";
        let mut rows: Vec<(&str, &str, BTreeSet<&str>, &str)> = Vec::new();
        for line in text.lines() {
            if let Some((_, said)) = line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' ')) {
                help = said.trim_end_matches('.');
            } else if let Some((name, kind)) =
                line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' '))
            {
                rows.push((name, kind, BTreeSet::new(), help));
            } else if let Some((_, rest)) = line.split_once('{') {
                let (inner, _) = rest.rsplit_once('}').unwrap();
                let names = inner.split(',').filter_map(|pair| Some(pair.split_once('=')?.0));
                rows.last_mut().unwrap().2.extend(names.filter(|label| *label != "le"));
            }
        }
        rows.sort();
        for (name, kind, labels, help) in rows {
            let labels: Vec<&str> = labels.into_iter().collect();
            lines.push(format!("| `{name}` | {kind} | {} | {help} |", labels.join(", ")));
        }
        lines.join("\n")
    }

    #[test]
    fn the_documentation_names_every_metric() {
        let (_, text) = everything().exposition(false).unwrap();
        let expected = table(&text);
        let page = include_str!("../../deploy/README.md");
        assert!(page.contains(&expected), "engine/cli/deploy/README.md needs this table:\n\n{expected}\n");
    }

    #[test]
    fn alerts_ask_for_metrics_that_are_there() {
        let (_, text) = everything().exposition(false).unwrap();
        let rules = include_str!("../../deploy/alerts.yaml");
        let word = |c: char| !(c.is_ascii_alphanumeric() || c == '_');
        for name in rules.split(word).filter(|word| word.starts_with("theriac_")) {
            assert!(text.contains(&format!("# TYPE {name} ")), "{name} is no metric");
        }
    }

    #[test]
    fn a_shard_that_is_given_away_is_told_of_no_more() {
        let operations = everything();
        operations.forget(0);
        let (_, text) = operations.exposition(true).unwrap();
        assert!(!text.contains("theriac_watermark_delay_seconds{"), "{text}");
        assert!(!text.contains("theriac_kafka_lag_records{"), "{text}");
        assert!(text.contains("theriac_rows_total{"), "what was counted stays: {text}");
    }
}
