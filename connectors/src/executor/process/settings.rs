//! What is said of the services that a process executor manages.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use theriac_contract::Interval;

use crate::executor::{command::Program, settings::ExecutorError};

/// Settings of a process executor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProcessSettings {
    /// Absolute folder for what is remembered of each service: its process, and the releases that
    /// it had.
    pub folder: PathBuf,
    /// The services by the name that targets have: `cart`, or `cart/cart-1` where each instance
    /// is managed by itself.
    pub services: BTreeMap<String, ServiceSettings>,
}

/// One service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceSettings {
    /// Absolute path of its program; it may lie below the release link.
    pub program: PathBuf,
    /// Arguments, as they are.
    #[serde(default)]
    pub arguments: Vec<String>,
    /// Absolute path of where it runs.
    #[serde(default = "root")]
    pub directory: PathBuf,
    /// Variables that it gets from this process; all others are kept from it.
    #[serde(default)]
    pub environment_keep: Vec<String>,
    /// Variables that it gets with these values.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// File that its standard output and standard error are appended to; none: they are dropped.
    #[serde(default)]
    pub output: Option<PathBuf>,
    /// Symbolic link to the folder of the running release. Other releases are its neighbours, by
    /// name of their version. Needed for `rollback_deploy`.
    #[serde(default)]
    pub release: Option<PathBuf>,
    /// How it is asked whether it is well.
    #[serde(default)]
    pub health: Health,
    /// How long it may take to be well after a start.
    #[serde(default = "healthy_within")]
    pub healthy_within: Interval,
    /// How long it has to end after SIGTERM; then its process group gets SIGKILL.
    #[serde(default = "stop_grace")]
    pub stop_grace: Interval,
    /// What brings back a checkpoint, while the service is stopped; `{param.checkpoint}` among its
    /// arguments is which one. Needed for `restore`.
    #[serde(default)]
    pub restore: Option<Program>,
    /// What takes back one thing that the service did, while it runs. Needed for `compensate`.
    #[serde(default)]
    pub compensate: Option<Program>,
}

/// How a service is asked whether it is well.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Health {
    /// It is well as long as its process is there.
    #[default]
    None,
    /// This address answers a GET with a 2xx status.
    Http(String),
    /// This address, `host:port`, takes a connection.
    Tcp(String),
}

fn root() -> PathBuf {
    PathBuf::from("/")
}

const fn healthy_within() -> Interval {
    Interval::from_seconds(30)
}

const fn stop_grace() -> Interval {
    Interval::from_seconds(10)
}

impl ProcessSettings {
    /// Whether they make sense; looks at no file.
    pub(super) fn check(&self, executor: &str) -> Result<(), ExecutorError> {
        let wrong = |reason: String| ExecutorError::Setting { executor: executor.to_owned(), reason };
        let absolute = |place: String, path: &Path| {
            let text = || wrong(format!("{place} `{}` must be an absolute path", path.display()));
            if path.is_absolute() { Ok(()) } else { Err(text()) }
        };
        absolute("folder".to_owned(), &self.folder)?;
        if self.services.is_empty() {
            return Err(wrong("`services` names none; name those that it may start and stop".to_owned()));
        }
        for (name, service) in &self.services {
            let place = |field: &str| format!("services.{name}.{field}");
            absolute(place("program"), &service.program)?;
            absolute(place("directory"), &service.directory)?;
            for (field, path) in [("output", &service.output), ("release", &service.release)] {
                path.iter().try_for_each(|path| absolute(place(field), path))?;
            }
            for (field, program) in [("restore", &service.restore), ("compensate", &service.compensate)] {
                let path = program.as_ref().map(|program| &program.program);
                path.iter().try_for_each(|path| absolute(place(&format!("{field}.program")), path))?;
            }
            match &service.health {
                Health::Http(url) if !url.starts_with("http://") && !url.starts_with("https://") => {
                    let place = place("health.http");
                    return Err(wrong(format!("{place} `{url}` must begin with http:// or https://")));
                }
                Health::Tcp(address) if !address.contains(':') => {
                    return Err(wrong(format!("{} `{address}` must be host:port", place("health.tcp"))));
                }
                _ => {}
            }
        }
        Ok(())
    }
}
