//! Another configuration while the service runs.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use anyhow::Result;

use super::requests::{Request, Requests};
use crate::{config::Config, output::Wrong};

/// Wishes for a reload that were not looked at yet.
#[derive(Default)]
pub(crate) struct Reloads {
    /// Set by SIGHUP.
    pub(super) hangup: Arc<AtomicBool>,
    /// Those over HTTP.
    pub(super) asked: Requests<()>,
}

impl Reloads {
    /// Whether somebody wants one.
    pub(super) fn wanted(&self) -> bool {
        self.hangup.load(Ordering::SeqCst) || self.asked.wanted()
    }

    /// Those who asked over HTTP, to be told what became of it.
    pub(super) fn take(&self) -> Vec<Request<()>> {
        self.hangup.store(false, Ordering::SeqCst);
        self.asked.take()
    }
}

/// Whether a service that runs with one configuration can go over to another: names every
/// setting that takes a restart.
pub(super) fn check(old: &Config, new: &Config) -> Result<()> {
    let mut fixed = vec![
        ("data_dir", old.data_dir != new.data_dir),
        ("sources", old.sources != new.sources),
        ("topics", old.topics != new.topics),
        ("clock", old.clock != new.clock),
        ("operations", old.operations != new.operations),
    ];
    match (&old.kafka, &new.kafka) {
        (Some(old), Some(new)) => fixed.extend([
            ("kafka.brokers", old.brokers != new.brokers),
            ("kafka.group", old.group != new.group),
            ("kafka.prefix", old.prefix != new.prefix),
            ("kafka.shards", old.shards != new.shards),
            ("kafka.create_topics", old.create_topics != new.create_topics),
            ("kafka.replication", old.replication != new.replication),
            ("kafka.retention", old.retention != new.retention),
            ("kafka.session_timeout", old.session_timeout != new.session_timeout),
            ("kafka.instance", old.instance != new.instance),
            ("kafka.properties", old.properties != new.properties),
            ("kafka.secrets", old.secrets != new.secrets),
        ]),
        (old, new) => fixed.push(("kafka", old != new)),
    }
    let changed: Vec<String> =
        fixed.iter().filter(|(_, changed)| *changed).map(|(name, _)| format!("`{name}`")).collect();
    if changed.is_empty() {
        return Ok(());
    }
    Err(Wrong(format!("{} cannot change while the service runs: restart it", changed.join(", "))).into())
}

#[cfg(test)]
mod tests {
    use theriac_connectors::kafka;

    use super::*;

    fn on_kafka(change: impl FnOnce(&mut kafka::Settings)) -> Config {
        let mut settings = kafka::Settings::at("here:9092");
        change(&mut settings);
        Config { kafka: Some(settings), ..Config::default() }
    }

    #[test]
    fn what_takes_a_restart_is_named() {
        let old = on_kafka(|_| {});
        let new = on_kafka(|settings| {
            settings.shards = 7;
            settings.group = "another".to_owned();
        });
        let refused = check(&old, &new).expect_err("shards cannot change").to_string();
        assert_eq!(refused, "`kafka.group`, `kafka.shards` cannot change while the service runs: restart it");
        let inputs = on_kafka(|settings| drop(settings.inputs.insert("more".to_owned(), Default::default())));
        assert!(check(&old, &inputs).is_ok());
        assert!(check(&old, &Config::default()).is_err());
    }
}
