//! The metrics that every process has, under the names that Prometheus's own clients give them.

use std::{
    fmt,
    sync::{Mutex, PoisonError},
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{counter::ConstCounter, gauge::ConstGauge},
    registry::{Registry, Unit},
};
use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};

pub(super) fn register(registry: &mut Registry) {
    // A system that tells nothing of its processes has none of these.
    if let Ok(system) = System::new() {
        registry.register_collector(Box::new(Process(Mutex::new(system))));
    }
}

#[derive(Debug)]
struct Process(Mutex<System>);

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let pid = Pid::from_u32(std::process::id());
        let mut system = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let what = ProcessRefreshKind::nothing().with_memory().with_cpu();
        system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), false, what);
        let Some(process) = system.process(pid) else { return Ok(()) };
        let resident = ConstGauge::new(i64::try_from(process.memory()).unwrap_or(i64::MAX));
        let used = ConstCounter::new(process.accumulated_cpu_time() as f64 / 1000.0);
        let begun = ConstGauge::new(i64::try_from(process.start_time()).unwrap_or(i64::MAX));
        let help = "Memory of the process that lies in RAM";
        let name = "process_resident_memory";
        resident.encode(encoder.encode_descriptor(
            name,
            help,
            Some(&Unit::Bytes),
            resident.metric_type(),
        )?)?;
        let help = "Processor time that the process used";
        used.encode(encoder.encode_descriptor(
            "process_cpu",
            help,
            Some(&Unit::Seconds),
            used.metric_type(),
        )?)?;
        let help = "When the process began, since 1970";
        let name = "process_start_time";
        begun.encode(encoder.encode_descriptor(name, help, Some(&Unit::Seconds), begun.metric_type())?)
    }
}
