//! Readings of the whole machine.

use std::collections::BTreeMap;

use sysinfo::{DiskUsage, Disks, Networks, System};

use super::{readings::Readings, settings::Settings};

/// Processor: the share of time in use, in all and by core, and the load averages.
pub(super) fn processor(system: &System, settings: &Settings, readings: &mut Readings<'_>) {
    readings.gauge("system.cpu.utilization", "1", &[], f64::from(system.global_cpu_usage()) / 100.0);
    readings.gauge("system.cpu.logical.count", "{cpu}", &[], system.cpus().len() as f64);
    for (number, core) in system.cpus().iter().take(settings.cores_max).enumerate() {
        let number = number.to_string();
        let labels = [("cpu.logical_number", number.as_str())];
        readings.gauge("system.cpu.utilization", "1", &labels, f64::from(core.usage()) / 100.0);
    }
    if let Ok(load) = System::load_average() {
        for (name, value) in [
            ("system.cpu.load_average.1m", load.one),
            ("system.cpu.load_average.5m", load.five),
            ("system.cpu.load_average.15m", load.fifteen),
        ] {
            readings.gauge(name, "{thread}", &[], value);
        }
    }
    if let Ok(seconds) = System::uptime() {
        readings.gauge("system.uptime", "s", &[], seconds as f64);
    }
}

/// Memory and swap. What programs could still get counts as available, caches included.
pub(super) fn memory(system: &System, readings: &mut Readings<'_>) {
    let (total, available) = (system.total_memory(), system.available_memory());
    readings.gauge("system.memory.limit", "By", &[], total as f64);
    readings.gauge("system.linux.memory.available", "By", &[], available as f64);
    let used = total.saturating_sub(available);
    readings.gauge("system.memory.usage", "By", &[("system.memory.state", "used")], used as f64);
    if total > 0 {
        let share = used as f64 / total as f64;
        readings.gauge("system.memory.utilization", "1", &[("system.memory.state", "used")], share);
    }
    let swap = system.total_swap();
    if swap > 0 {
        let used = system.used_swap() as f64;
        let labels = [("system.paging.state", "used")];
        readings.gauge("system.paging.usage", "By", &labels, used);
        readings.gauge("system.paging.utilization", "1", &labels, used / swap as f64);
    }
}

/// Disks: bytes read and written by device, space by place in the tree.
pub(super) fn disks(disks: &Disks, settings: &Settings, readings: &mut Readings<'_>) {
    let mut mounts: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    let mut devices: BTreeMap<String, DiskUsage> = BTreeMap::new();
    for disk in disks.iter() {
        let mount = disk.mount_point().to_string_lossy().into_owned();
        mounts.insert(mount, (disk.total_space(), disk.available_space()));
        devices.insert(disk.name().to_string_lossy().into_owned(), disk.usage());
    }
    for (mount, (total, available)) in mounts.iter().take(settings.devices_max).filter(|(_, size)| size.0 > 0)
    {
        let labels = [("system.filesystem.mountpoint", mount.as_str()), ("system.filesystem.state", "used")];
        let used = total.saturating_sub(*available) as f64;
        readings.gauge("system.filesystem.usage", "By", &labels, used);
        readings.gauge("system.filesystem.utilization", "1", &labels, used / *total as f64);
    }
    for (device, usage) in devices.iter().take(settings.devices_max) {
        for (direction, bytes) in [("read", usage.total_read_bytes), ("write", usage.total_written_bytes)] {
            let labels = [("system.device", device.as_str()), ("disk.io.direction", direction)];
            readings.counter("system.disk.io", "By", &labels, bytes as f64);
        }
    }
}

/// Network: bytes, packets and errors by interface and direction.
pub(super) fn network(networks: &Networks, settings: &Settings, readings: &mut Readings<'_>) {
    let interfaces: BTreeMap<String, _> =
        networks.iter().map(|(name, data)| (name.to_string_lossy().into_owned(), data)).collect();
    for (name, data) in interfaces.iter().take(settings.devices_max) {
        let received =
            (data.total_received(), data.total_packets_received(), data.total_errors_on_received());
        let sent =
            (data.total_transmitted(), data.total_packets_transmitted(), data.total_errors_on_transmitted());
        for (direction, (bytes, packets, errors)) in [("receive", received), ("transmit", sent)] {
            let labels = [("network.interface.name", name.as_str()), ("network.io.direction", direction)];
            readings.counter("system.network.io", "By", &labels, bytes as f64);
            readings.counter("system.network.packet.count", "{packet}", &labels, packets as f64);
            readings.counter("system.network.errors", "{error}", &labels, errors as f64);
        }
    }
}
