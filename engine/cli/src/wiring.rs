//! From a configuration to a running loop: the only place that names every part.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicBool},
};

use anyhow::{Context, Result};
use signal_hook::{
    consts::{SIGINT, SIGTERM},
    flag,
};
use theriac_connectors::{merge::Merge, read, topics::Embedded};
use theriac_contract::{Objects, Source, Topics};
use theriac_engine::{Driver, Environment, Observer, Recovery, Setup};

use crate::{
    checkpoints::open_folder,
    config::{Config, SourceConfig},
    output::Wrong,
};

/// Where the topics lie.
pub(crate) fn topics_folder(data_dir: &Path) -> PathBuf {
    data_dir.join("topics")
}

/// Where the checkpoints lie.
pub(crate) fn checkpoints_folder(data_dir: &Path) -> PathBuf {
    data_dir.join("checkpoints")
}

/// Opens the loop of a configuration over its folder, checkpoints and all, recovering what is
/// there.
pub(crate) fn open<E: Environment>(
    config: &Config,
    environment: E,
    observer: &mut dyn Observer,
) -> Result<(Driver<E>, Recovery)> {
    let topics = open_topics(config)?;
    let checkpoints = open_folder(&checkpoints_folder(&config.data_dir))?;
    open_over(config, environment, topics, checkpoints, observer)
}

/// Opens the topics in the folder of a configuration, for the one who writes them.
pub(crate) fn open_topics(config: &Config) -> Result<Box<dyn Topics>> {
    let folder = topics_folder(&config.data_dir);
    fs::create_dir_all(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    Ok(Box::new(Embedded::open(&folder, config.topics.clone())?))
}

/// Opens the loop of a configuration over topics that are open, recovering what is there.
pub(crate) fn open_over<E: Environment>(
    config: &Config,
    environment: E,
    topics: Box<dyn Topics>,
    checkpoints: Arc<dyn Objects>,
    observer: &mut dyn Observer,
) -> Result<(Driver<E>, Recovery)> {
    let playbooks = config.playbooks()?;
    let setup = Setup {
        settings: config.engine(),
        configuration: config.digest(&playbooks)?,
        introductions: config.topology()?,
        playbooks,
    };
    Ok(Driver::open(setup, environment, topics, checkpoints, observer)?)
}

/// The file sources of a configuration as one, in the order of event time.
pub(crate) fn past(config: &Config) -> Result<Box<dyn Source>> {
    let mut sources = Vec::new();
    for source in &config.sources {
        let SourceConfig::File(settings) = source else {
            let text = "a `host` source has no past to replay: name file sources, or use `theriac run`";
            return Err(Wrong(text.to_owned()).into());
        };
        sources.extend(read::open_each(&read::FileSettings { follow: false, ..settings.clone() })?);
    }
    Ok(match (sources.len(), sources.pop()) {
        (1, Some(only)) => only,
        (_, last) => {
            sources.extend(last);
            Box::new(Merge::new("files", sources))
        }
    })
}

/// Tells what a recovery found, on standard error.
pub(crate) fn tell(recovery: &Recovery) {
    for reason in &recovery.damaged {
        tracing::warn!("passed over: {reason}");
    }
    if recovery.rounds_repeated > 0 || recovery.commands_sent_again > 0 {
        let from =
            recovery.checkpoint.map_or_else(|| "the beginning".to_owned(), |round| format!("round {round}"));
        tracing::info!(
            rounds = recovery.rounds_repeated,
            commands = recovery.commands_sent_again,
            "took up where the last run broke off: {} rounds done again from {from}, {} commands sent again",
            recovery.rounds_repeated,
            recovery.commands_sent_again
        );
    }
}

/// A flag that the first interrupt or termination signal sets; the second one ends the process at
/// once, with exit code 130.
pub(crate) fn stop_flag() -> Result<Arc<AtomicBool>> {
    let flag = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // In this order: what the flag says is asked before this very signal sets it.
        flag::register_conditional_shutdown(signal, 130, Arc::clone(&flag))
            .and_then(|_| flag::register(signal, Arc::clone(&flag)))
            .context("signals cannot be handled")?;
    }
    Ok(flag)
}
