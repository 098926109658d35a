//! `theriac validate`: says everything that is wrong with a configuration before it runs.

use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow};
use clap::Args;
use theriac_connectors::{executor, host::Host, kafka, read};

use crate::{
    config::{Config, SourceConfig},
    output::{Wrong, say},
};

/// Arguments of `theriac validate`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Configuration
    #[arg(short, long, default_value = "theriac.yaml")]
    config: PathBuf,
    /// Print the whole configuration with its defaults filled in
    #[arg(long)]
    print: bool,
}

/// All that is wrong, one text each.
pub(crate) fn problems(config: &Config, path: &Path) -> Vec<String> {
    let mut problems = Vec::new();
    let mut note = |result: Result<()>| {
        if let Err(error) = result {
            problems.push(format!("{error:#}"));
        }
    };
    note(config.playbooks().map(drop));
    note(config.topology().map(drop));
    let acts = executor::check(&config.act, config.kafka.as_ref(), &executor::clock::wall());
    note(acts.map_err(Into::into));
    note(config.checkpoint.check());
    let senseless = config.detect.problems().into_iter().chain(config.plan.problems());
    senseless.for_each(|problem| note(Err(anyhow!(problem))));
    for source in &config.sources {
        match source {
            SourceConfig::File(settings) => note(read::open(settings).map(drop).map_err(Into::into)),
            SourceConfig::Host(settings) => {
                let opened = Host::new(settings.clone(), executor::clock::wall());
                note(opened.map(drop).map_err(Into::into));
                if settings.interval.0 <= 0 {
                    note(Err(anyhow!("source `host`: `interval` must be longer than nothing, as 5s")));
                }
            }
        }
    }
    for (name, length) in
        [("stuck_after", config.operations.stuck_after), ("stop_within", config.operations.stop_within)]
    {
        if length.0 <= 0 {
            note(Err(anyhow!("`operations.{name}` must be longer than nothing, as 60s")));
        }
    }
    match &config.kafka {
        Some(kafka) if kafka.brokers.is_empty() => {
            note(Err(anyhow!("`kafka.brokers` is empty: name at least one, as host:9092")));
        }
        Some(_) if !config.sources.is_empty() => {
            note(Err(anyhow!(
                "`sources` and `kafka` are both given: a service on Kafka reads its input from Kafka; run a second process for the other sources"
            )));
        }
        Some(kafka) => note(checked(kafka)),
        None => {}
    }
    if config.sources.is_empty() && config.kafka.is_none() {
        problems.push(format!(
            "{}: `sources` is empty: there is nothing to read; name files, `host`, or brokers under `kafka`",
            path.display()
        ));
    }
    problems
}

#[cfg(feature = "kafka")]
fn checked(kafka: &kafka::Settings) -> Result<()> {
    Ok(kafka::check(kafka)?)
}

#[cfg(not(feature = "kafka"))]
fn checked(_: &kafka::Settings) -> Result<()> {
    Err(crate::store::without_kafka())
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let config = Config::load(&arguments.config)?;
    let problems = problems(&config, &arguments.config);
    if !problems.is_empty() {
        return Err(Wrong(problems.join("\n")).into());
    }
    if arguments.print {
        say!("{}", serde_saphyr::to_string(&config)?.trim_end());
    } else {
        let playbooks = config.playbooks()?;
        say!(
            "{} is well: {} sources, {} executors, playbooks {}, configuration {}",
            arguments.config.display(),
            config.sources.len() + config.kafka.as_ref().map_or(0, |kafka| kafka.inputs().len()),
            config.act.executors.len(),
            playbooks.digest(),
            config.digest(&playbooks)?
        );
    }
    Ok(())
}
