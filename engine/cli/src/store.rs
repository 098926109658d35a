//! Where topics are that a verb only looks at: in a folder, or on Kafka.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;
use theriac_connectors::{kafka, topics::Embedded};
use theriac_contract::{Topic, TopicError, Topics};

use crate::{config::Config, output::Wrong, wiring};

/// Topics beside whose writer one reads.
pub(crate) trait Followed: Topics {
    /// Takes notice of what was committed since.
    fn refresh(&mut self) -> Result<(), TopicError>;
}

impl Followed for Embedded {
    fn refresh(&mut self) -> Result<(), TopicError> {
        Self::refresh(self)
    }
}

#[cfg(feature = "kafka")]
impl Followed for kafka::KafkaReader {
    fn refresh(&mut self) -> Result<(), TopicError> {
        Self::refresh(self)
    }
}

/// Arguments that name a store.
#[derive(Debug, Args)]
pub(crate) struct Store {
    /// Folder with the topics [default: the configuration's, or theriac-data]
    #[arg(long, global = true, conflicts_with = "kafka")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Configuration: its section `kafka`, or else its folder
    #[arg(short, long, global = true)]
    config: Option<PathBuf>,
    /// Kafka brokers with the topics, host:port and more of them after commas
    #[arg(long, global = true, value_name = "BROKERS")]
    kafka: Option<String>,
    /// How the names of the topics on Kafka begin [default: the configuration's, or theriac.]
    #[arg(long, global = true, conflicts_with = "data_dir")]
    prefix: Option<String>,
}

/// Adds brokers that the command line names to a section `kafka`, or makes one of them.
pub(crate) fn on(brokers: &str, settings: Option<kafka::Settings>) -> kafka::Settings {
    let brokers = brokers.split(',').map(|broker| broker.trim().to_owned()).collect();
    kafka::Settings { brokers, ..settings.unwrap_or_default() }
}

impl Store {
    /// Reads the configuration: the section `kafka` where the topics are there, or their folder.
    pub(crate) fn locate(&self) -> Result<Place> {
        let config = self.config.as_deref().map(Config::load).transpose()?.unwrap_or_default();
        if let Some(folder) = &self.data_dir {
            return Ok(Place::Folder(folder.clone()));
        }
        let settings = match &self.kafka {
            Some(brokers) => Some(on(brokers, config.kafka)),
            None => config.kafka,
        };
        match (settings, &self.prefix) {
            (Some(settings), Some(prefix)) => {
                Ok(Place::Kafka(Box::new(kafka::Settings { prefix: prefix.clone(), ..settings })))
            }
            (Some(settings), None) => Ok(Place::Kafka(Box::new(settings))),
            (None, Some(_)) => {
                let text = "--prefix is about topics on Kafka: name the brokers with --kafka, or a configuration with a section `kafka` with -c";
                Err(Wrong(text.to_owned()).into())
            }
            (None, None) => Ok(Place::Folder(config.data_dir)),
        }
    }
}

/// A store that was located.
#[derive(Debug)]
pub(crate) enum Place {
    Folder(PathBuf),
    Kafka(Box<kafka::Settings>),
}

impl Place {
    /// Opens topics to read, beside whoever writes them.
    pub(crate) fn open(&self, topics: &[Topic]) -> Result<Box<dyn Followed>> {
        match self {
            Self::Folder(folder) => {
                let folder = wiring::topics_folder(folder);
                let opened = Embedded::open_to_read(&folder);
                Ok(Box::new(opened.with_context(|| format!("no topics in {}", folder.display()))?))
            }
            Self::Kafka(settings) => on_kafka(settings, topics),
        }
    }
}

#[cfg(feature = "kafka")]
fn on_kafka(settings: &kafka::Settings, topics: &[Topic]) -> Result<Box<dyn Followed>> {
    Ok(Box::new(kafka::KafkaReader::open(settings, topics)?))
}

#[cfg(not(feature = "kafka"))]
fn on_kafka(_: &kafka::Settings, _: &[Topic]) -> Result<Box<dyn Followed>> {
    Err(without_kafka())
}

/// What a program without Kafka says to whoever asks for it.
#[cfg(not(feature = "kafka"))]
pub(crate) fn without_kafka() -> anyhow::Error {
    let text = "this program was built without Kafka: build it with the feature `kafka`, which is one of the default features";
    Wrong(text.to_owned()).into()
}
