//! The machine as a source.

use std::{io, path::Path};

use sysinfo::{
    CpuRefreshKind, Disks, MemoryRefreshKind, Networks, ProcessRefreshKind, ProcessesToUpdate, RefreshKind,
    System,
};
use theriac_contract::{
    Fetch, Fetched, Source, SourceError, Telemetry, Timestamp,
    telemetry::{PointBuilder, canonical},
};

use super::{pressure, processes, readings::Readings, settings::Settings, system};
use crate::executor::Clock;

const NAME: &str = "host";

/// Reads the machine once in each interval. What was read is gone: whoever wants to replay
/// it has to record it. The position is the number of readings.
pub struct Host {
    settings: Settings,
    clock: Clock,
    resource: String,
    system: System,
    disks: Disks,
    networks: Networks,
    /// When the next reading is due.
    due: Option<Timestamp>,
    readings: u64,
}

impl Host {
    /// Looks at the machine once: shares of time need an instant to begin from.
    ///
    /// # Errors
    /// If the machine does not tell about itself.
    pub fn new(settings: Settings, clock: Clock) -> Result<Self, SourceError> {
        let failed = |error: sysinfo::Error| SourceError::Io {
            origin: NAME.to_owned(),
            source: io::Error::other(error.to_string()),
        };
        let name = settings.host_name.clone();
        let name = name.or_else(|| System::host_name().ok()).unwrap_or_else(|| "localhost".to_owned());
        let resource = canonical(
            &[("host.name".to_owned(), name.into()), ("os.type".to_owned(), std::env::consts::OS.into())]
                .into(),
        );
        let mut host = Self {
            settings,
            clock,
            resource,
            system: System::new().map_err(failed)?,
            disks: Disks::new().map_err(failed)?,
            networks: Networks::new().map_err(failed)?,
            due: None,
            readings: 0,
        };
        host.look();
        Ok(host)
    }

    fn look(&mut self) {
        let kind = RefreshKind::nothing()
            .with_cpu(CpuRefreshKind::nothing().with_usage())
            .with_memory(MemoryRefreshKind::everything());
        self.system.refresh_specifics(kind);
        let kind = ProcessRefreshKind::nothing().with_cpu().with_memory();
        self.system.refresh_processes_specifics(ProcessesToUpdate::All, true, kind);
        self.disks.refresh(true);
        self.networks.refresh(true);
    }

    fn read(&mut self, time: Timestamp) -> Telemetry {
        self.look();
        let mut points = PointBuilder::default();
        let mut readings = Readings { time, resource: &self.resource, points: &mut points };
        system::processor(&self.system, &self.settings, &mut readings);
        system::memory(&self.system, &mut readings);
        system::disks(&self.disks, &self.settings, &mut readings);
        system::network(&self.networks, &self.settings, &mut readings);
        pressure::read(Path::new("/proc/pressure"), &mut readings);
        processes::read(&self.system, self.system.cpus().len(), self.settings.processes_max, &mut readings);
        Telemetry::Points(points.finish())
    }
}

impl Source for Host {
    fn name(&self) -> &str {
        NAME
    }

    fn fetch(&mut self, _bytes_max: usize) -> Result<Fetch, SourceError> {
        let now = (self.clock)();
        let interval = self.settings.interval;
        // The first reading waits for one interval, too, so that it covers as much as the others.
        let due = *self.due.get_or_insert_with(|| now.plus(interval));
        if now < due {
            return Ok(Fetch::Idle);
        }
        // Whole intervals after the first, so that readings do not drift; missed ones are not made up.
        let next = due.plus(interval);
        self.due = Some(if next > now { next } else { now.plus(interval) });
        self.readings += 1;
        Ok(Fetch::Batch(Fetched { telemetry: vec![self.read(now)], ..Fetched::default() }))
    }

    fn position(&self) -> String {
        self.readings.to_string()
    }

    fn seek(&mut self, position: &str) -> Result<(), SourceError> {
        self.readings = position.parse().map_err(|_| SourceError::Unreadable {
            origin: NAME.to_owned(),
            reason: format!("position `{position}` is not a number of readings"),
        })?;
        Ok(())
    }

    fn bytes_total(&self) -> Option<u64> {
        None
    }
}
