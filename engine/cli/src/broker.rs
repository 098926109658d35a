//! An Apache Kafka on loopback for a demo, of the script that the tests use.

use std::{
    fs,
    net::{Ipv4Addr, TcpListener},
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};

use crate::output::note;

const SCRIPT: &str = include_str!("../../../tests/kafka/broker");
const JARS: &str = include_str!("../../../tests/kafka/pom.xml");

/// A broker that ends with this value, and with this process at the latest.
pub(crate) struct Broker {
    folder: tempfile::TempDir,
    /// `host:port`.
    pub(crate) address: String,
}

/// A free port with a free one behind it: for the broker and its controller.
fn free_port() -> Result<u16> {
    for _ in 0..100 {
        let first = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let second = first.checked_add(1);
        if second.is_some_and(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()) {
            return Ok(first);
        }
    }
    bail!("no two ports in a row are free on this machine")
}

fn script(folder: &Path) -> Command {
    let mut script = Command::new("bash");
    script.arg(folder.join("broker")).stdin(Stdio::null());
    script
}

impl Broker {
    /// Fetches Kafka if it was not fetched before, starts it in a temporary folder, and waits
    /// until it answers.
    pub(crate) fn start() -> Result<Self> {
        let folder = tempfile::tempdir().context("a temporary folder cannot be made")?;
        for (name, text) in [("broker", SCRIPT), ("pom.xml", JARS)] {
            fs::write(folder.path().join(name), text).context("a temporary folder cannot be written")?;
        }
        executable(&folder.path().join("broker"))?;
        note!("starting Apache Kafka; the first time it is fetched through Maven");
        let (port, own) = (free_port()?.to_string(), std::process::id().to_string());
        let started = script(folder.path())
            .arg("start")
            .arg(folder.path().join("data"))
            .args(["--port", &port, "--while", &own])
            .stderr(Stdio::inherit())
            .output()
            .context(
                "bash cannot be started: install it, or name a broker that runs, with --kafka BROKERS",
            )?;
        if !started.status.success() {
            bail!("Kafka did not start, as is said above; name a broker that runs, with --kafka BROKERS");
        }
        let address = String::from_utf8_lossy(&started.stdout).trim().to_owned();
        Ok(Self { folder, address })
    }
}

/// The script calls itself when this process ends before it.
#[cfg(unix)]
fn executable(path: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(0o700)).with_context(|| path.display().to_string())
}

#[cfg(not(unix))]
fn executable(_: &Path) -> Result<()> {
    Ok(())
}

impl Drop for Broker {
    fn drop(&mut self) {
        let data = self.folder.path().join("data");
        let stopped = script(self.folder.path()).arg("stop").arg(data).status();
        if !stopped.is_ok_and(|status| status.success()) {
            note!("Kafka on {} could not be stopped", self.address);
        }
    }
}
