//! `theriac.yaml`: one file that says what to read, what to do and what may be done.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use theriac_connectors::{executor, host, kafka, read, topics};
use theriac_contract::{Fact, GivenTopology};
use theriac_detectors::OwnModel;
use theriac_engine::Settings;
use theriac_plan::{Playbooks, Policy};

use crate::{checkpoints::CheckpointConfig, operations, output::Wrong, suggest, topology};

/// The whole configuration. Every key has a default; an unknown key is an error.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    /// Topics, checkpoints and the executors' ledger.
    pub(crate) data_dir: PathBuf,
    /// What to read.
    pub(crate) sources: Vec<SourceConfig>,
    /// Apache Kafka, for the topics and for what to read.
    pub(crate) kafka: Option<kafka::Settings>,
    /// A file that says who depends on whom, and what runs where: it holds whatever is seen.
    pub(crate) topology: Option<PathBuf>,
    /// Files with playbooks; none for those that are built in.
    pub(crate) playbooks: Vec<PathBuf>,
    /// A file that says how far plans may go by themselves, and when nothing is done to whom: in the
    /// place of `plan.policy`.
    pub(crate) policy: Option<PathBuf>,
    /// Who acts: executors, routes to them, and the ledger of what was done.
    pub(crate) act: executor::Settings,
    /// Whether time goes on while nothing comes in (`wall`), or only with the telemetry.
    pub(crate) clock: ClockConfig,
    /// The durable log.
    pub(crate) topics: topics::Settings,
    /// Series, ticks, watermarks.
    pub(crate) monitor: theriac_monitor::Settings,
    /// Detectors and symptoms.
    pub(crate) detect: theriac_detect::Settings,
    /// Incidents and hypotheses.
    pub(crate) diagnose: theriac_diagnose::Settings,
    /// Strategies and guardrails.
    pub(crate) plan: theriac_plan::Settings,
    /// Sagas and verification.
    pub(crate) execute: theriac_execute::Settings,
    /// Where and how often state is saved.
    pub(crate) checkpoint: CheckpointConfig,
    /// Health, metrics, reload, and how long a stop may take.
    pub(crate) operations: operations::Settings,
}

impl Default for Config {
    fn default() -> Self {
        let engine = Settings::default();
        Self {
            data_dir: PathBuf::from("theriac-data"),
            sources: Vec::new(),
            kafka: None,
            topology: None,
            playbooks: Vec::new(),
            policy: None,
            act: executor::Settings::default(),
            clock: ClockConfig::default(),
            topics: topics::Settings::default(),
            monitor: engine.monitor,
            detect: engine.detect,
            diagnose: engine.diagnose,
            plan: engine.plan,
            execute: engine.execute,
            checkpoint: CheckpointConfig::default(),
            operations: operations::Settings::default(),
        }
    }
}

/// One source.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[expect(clippy::large_enum_variant, reason = "there are a handful, read once")]
pub(crate) enum SourceConfig {
    /// Files, followed as they grow by `theriac run`.
    File(read::FileSettings),
    /// This machine itself: processor, memory, disks, network, pressure, processes. Live only.
    Host(host::Settings),
}

/// What moves time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ClockConfig {
    /// The clock of the machine, once all input has been read.
    #[default]
    Wall,
    /// The times in the telemetry alone.
    Event,
}

impl Config {
    /// Reads a file. Paths in it are taken from the folder that it lies in.
    pub(crate) fn load(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| {
            format!(
                "{} cannot be read; name your file with -c, or copy the one in the README",
                path.display()
            )
        })?;
        let mut config = Self::parse(&path.display().to_string(), &text)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        config.data_dir = folder.join(&config.data_dir);
        let open = |model: OwnModel| {
            model
                .open(folder)
                .map_err(|error| Wrong(format!("{}: `detect.bank.onnx`: {error}", path.display())))
        };
        config.detect.bank.onnx = config.detect.bank.onnx.map(open).transpose()?;
        config.topology = config.topology.map(|file| folder.join(file));
        config.act.ledger = config.act.ledger.map(|file| folder.join(file));
        config.checkpoint = config.checkpoint.below(folder);
        config.take_policy(folder, &path.display().to_string())?;
        config.playbooks = config.playbooks.iter().map(|file| folder.join(file)).collect();
        Ok(config)
    }

    /// Puts the policy that a file gives where the planner looks for it.
    pub(crate) fn take_policy(&mut self, folder: &Path, origin: &str) -> Result<()> {
        let Some(file) = self.policy.take() else { return Ok(()) };
        if self.plan.policy != Policy::default() {
            let text = format!("{origin}: `policy` and `plan.policy` are both given; keep one of them");
            return Err(Wrong(text).into());
        }
        let path = folder.join(file);
        self.plan.policy = parse_yaml(&path.display().to_string(), &read_text(&path)?)?;
        Ok(())
    }

    /// Parses the text of a file; `origin` is named in errors.
    pub(crate) fn parse(origin: &str, text: &str) -> Result<Self> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        parse_yaml(origin, text)
    }

    /// Settings of the loop. One of several shards does not know how many series the others have.
    pub(crate) fn engine(&self) -> Settings {
        const SERIES_OF_A_FLEET: usize = 1_000;
        let mut detect = self.detect.clone();
        if detect.false_share_series == 0 && self.kafka.as_ref().is_some_and(|kafka| kafka.shards > 1) {
            detect.false_share_series = SERIES_OF_A_FLEET;
        }
        Settings {
            monitor: self.monitor.clone(),
            detect,
            diagnose: self.diagnose.clone(),
            plan: self.plan.clone(),
            execute: self.execute.clone(),
            checkpoint: self.checkpoint.engine(),
        }
    }

    /// The playbooks that it names, or those that are built in.
    pub(crate) fn playbooks(&self) -> Result<Playbooks> {
        if self.playbooks.is_empty() {
            return Ok(Playbooks::builtin());
        }
        let names: Vec<String> = self.playbooks.iter().map(|path| path.display().to_string()).collect();
        let texts = self.playbooks.iter().map(|path| read_text(path)).collect::<Result<Vec<_>>>()?;
        let files: Vec<(&str, &str)> =
            names.iter().zip(&texts).map(|(name, text)| (name.as_str(), text.as_str())).collect();
        Ok(Playbooks::parse_all(&files)?)
    }

    /// What the topology file says, as facts; without one, that nothing is given.
    pub(crate) fn topology(&self) -> Result<Vec<Fact>> {
        let topology = match &self.topology {
            Some(path) => topology::parse(&path.display().to_string(), &read_text(path)?)?,
            None => GivenTopology::default(),
        };
        Ok(vec![Fact::TopologyGiven { topology }])
    }

    /// Digest of everything that decides what the stages do: settings, playbooks, topology
    /// and the version of the program. Where things lie does not count.
    pub(crate) fn digest(&self, playbooks: &Playbooks) -> Result<String> {
        let parts = (self.engine(), self.topology()?, playbooks.digest(), env!("CARGO_PKG_VERSION"));
        let text = serde_json::to_vec(&parts).context("settings as JSON")?;
        Ok(blake3::hash(&text).to_hex()[..16].to_owned())
    }
}

pub(crate) fn read_text(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))
}

/// Parses YAML; an error names the file, line and column, shows the line, and says what
/// was probably meant.
pub(crate) fn parse_yaml<T: serde::de::DeserializeOwned>(origin: &str, text: &str) -> Result<T> {
    serde_saphyr::from_str(text).map_err(|error| {
        let bare = error.without_snippet();
        let what = bare.to_string();
        let mend = suggest::for_message(&what);
        let place = error.location().map_or_else(String::new, |at| format!(":{}:{}", at.line(), at.column()));
        let line = error
            .location()
            .and_then(|at| text.lines().nth(usize::try_from(at.line()).ok()?.checked_sub(1)?))
            .map_or_else(String::new, |line| format!("\n  | {line}"));
        Wrong(format!("{origin}{place}: {what}{mend}{line}")).into()
    })
}
