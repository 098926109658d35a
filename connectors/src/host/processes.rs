//! The processes that use most.

use std::collections::{BTreeMap, BTreeSet};

use sysinfo::System;

use super::readings::Readings;

/// What all processes of one name use together.
#[derive(Clone, Copy, Debug, Default)]
struct Use {
    count: u64,
    /// Share of all cores.
    processor: f64,
    bytes: u64,
}

/// Tells the number of processes, and the use of those names that use most processor time
/// or memory. `cores` scales processor time to the share of the whole machine.
pub(super) fn read(system: &System, cores: usize, most: usize, readings: &mut Readings<'_>) {
    let mut by_name: BTreeMap<String, Use> = BTreeMap::new();
    let mut count = 0;
    // Threads are listed beside the processes that they belong to.
    for process in system.processes().values().filter(|process| process.thread_kind().is_none()) {
        count += 1;
        let used = by_name.entry(process.name().to_string_lossy().into_owned()).or_default();
        used.count += 1;
        used.processor += f64::from(process.cpu_usage()) / 100.0 / cores.max(1) as f64;
        used.bytes += process.memory();
    }
    readings.gauge("system.process.count", "{process}", &[], f64::from(count));
    for name in largest(&by_name, most) {
        let used = by_name[name];
        let labels = [("process.executable.name", name.as_str())];
        readings.gauge("process.cpu.utilization", "1", &labels, used.processor);
        readings.gauge("process.memory.usage", "By", &labels, used.bytes as f64);
        readings.gauge("process.count", "{process}", &labels, used.count as f64);
    }
}

/// The names with most processor time and those with most memory, sorted.
fn largest(by_name: &BTreeMap<String, Use>, most: usize) -> BTreeSet<&String> {
    let mut order: Vec<(&String, &Use)> = by_name.iter().collect();
    let mut chosen = BTreeSet::new();
    order.sort_by(|a, b| b.1.processor.total_cmp(&a.1.processor));
    chosen.extend(order.iter().take(most).map(|(name, _)| *name));
    order.sort_by_key(|(_, used)| std::cmp::Reverse(used.bytes));
    chosen.extend(order.iter().take(most).map(|(name, _)| *name));
    chosen
}
