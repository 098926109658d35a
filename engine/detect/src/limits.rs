//! Which series have a limit at which what they measure is used up: shares of a store, what is left of one,
//! and what is used beside what there is in all. Names are OpenTelemetry's and those of common exporters.

use std::collections::BTreeMap;

use theriac_contract::{Series, SeriesId, SignalKind, Tick, telemetry::parse_attributes};

use crate::grain;

/// What fills up and stays full until somebody does something. A processor that is busy is none of it.
const STORES: [&str; 17] = [
    "filesystem",
    "volume",
    "storage",
    "disk.us",
    "disk_us",
    "disk.space",
    "disk_space",
    "inode",
    "memory",
    "swap",
    "paging",
    "heap",
    "pool",
    "connection",
    "descriptor",
    "queue",
    "quota",
];
/// What a name of a store may have in it that fills nothing.
const NO_FILLING: [&str; 7] = ["error", "fail", "hit", "miss", "idle", "wait", "pressure"];
/// Ends of names of what is used, each with those of what there is in all, behind the same beginning.
const PAIRS: [(&str, &[&str]); 9] = [
    ("usage", &["limit", "capacity", "max", "quota"]),
    ("used", &["limit", "capacity", "max", "total"]),
    // What the last collection of garbage left is what no collection helps.
    ("used_after_last_gc", &["limit"]),
    ("count", &["max", "limit"]),
    ("active", &["max"]),
    ("working_set", &["limit"]),
    ("usage.total", &["usage.limit"]),
    ("open_fds", &["max_fds"]),
    ("depth", &["max_depth", "capacity"]),
];

/// Where a series has its limit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Limit {
    /// It is this value: the whole of a share, or nothing of what is left.
    At(f64),
    /// It is what another series says.
    ToldBy(SeriesId),
}

impl Limit {
    /// The limit in this tick; none if it is not told.
    pub(crate) fn of(self, tick: &Tick) -> Option<f64> {
        match self {
            Self::At(limit) => Some(limit),
            // None and less than none is how "no limit" is told.
            Self::ToldBy(id) => tick.values.get(id.index()).copied().filter(|limit| *limit > 0.0),
        }
    }
}

/// The series that have a limit.
#[derive(Default)]
pub(crate) struct Limits {
    of: BTreeMap<SeriesId, Limit>,
}

impl Limits {
    /// Two series of one place have met: `other`, which may be the same, may be the limit of `series`.
    pub(crate) fn meet(&mut self, (id, series): (SeriesId, &Series), (other, told): (SeriesId, &Series)) {
        if series.kind != SignalKind::Metric {
            return;
        }
        if id == other {
            self.of.extend(fixed(series).map(|limit| (id, Limit::At(limit))));
        } else if is_limit(series, told) {
            self.of.insert(id, Limit::ToldBy(other));
        }
    }

    /// All series that have a limit.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (SeriesId, Limit)> {
        self.of.iter().map(|(id, limit)| (*id, *limit))
    }
}

/// The limit that a series has by what it measures: none, 1 or 100 of a share, 0 of what is left.
fn fixed(series: &Series) -> Option<f64> {
    let name = series.signal.to_ascii_lowercase();
    let has = |parts: &[&str]| parts.iter().any(|part| name.contains(part));
    if !has(&STORES) || has(&NO_FILLING) {
        return None;
    }
    let left = has(&["available", "avail"]) || has(&["free"]) && !has(&["memory", "swap"]);
    // Free memory is soon used for something; what is available is not.
    if left || has(&["free"]) {
        return (left && state(&series.attributes).is_none()).then_some(0.0);
    }
    let used = matches!(state(&series.attributes).as_deref(), None | Some("used"));
    match series.unit.as_str() {
        _ if !used => None,
        "%" => Some(100.0),
        "1" | "" if name.contains("percent") => Some(100.0),
        "1" | "" if has(&grain::SHARES) => Some(1.0),
        _ => None,
    }
}

/// Whether `told` says how much there is in all of what `series` says how much is used.
fn is_limit(series: &Series, told: &Series) -> bool {
    let named = PAIRS.iter().any(|(used, all)| {
        series.signal.strip_suffix(used).is_some_and(|stem| {
            told.signal.strip_prefix(stem).is_some_and(|end| all.contains(&end)) && !stem.is_empty()
        })
    });
    let used = || matches!(state(&series.attributes).as_deref(), None | Some("used"));
    let same = || stateless(&series.attributes) == stateless(&told.attributes);
    named && series.unit == told.unit && used() && same()
}

fn is_state(key: &str) -> bool {
    key == "state" || key.ends_with(".state")
}

/// Which state of what is there a series tells of, `used` or `free`; none if it tells of none.
fn state(attributes: &str) -> Option<String> {
    let attributes = parse_attributes(attributes);
    attributes.iter().find_map(|(key, value)| value.as_str().filter(|_| is_state(key)).map(str::to_owned))
}

fn stateless(attributes: &str) -> BTreeMap<String, serde_json::Value> {
    let mut attributes = parse_attributes(attributes);
    attributes.retain(|key, _| !is_state(key));
    attributes
}

#[cfg(test)]
mod tests {
    use theriac_contract::Entity;

    use super::*;

    fn series(signal: &str, unit: &str, attributes: &str) -> Series {
        Series {
            key: String::new(),
            entity: Entity("host:n1".to_owned()),
            peer: None,
            signal: signal.to_owned(),
            kind: SignalKind::Metric,
            unit: unit.to_owned(),
            attributes: attributes.to_owned(),
            domain: "default".to_owned(),
        }
    }

    #[test]
    fn shares_of_stores_and_what_is_left_have_a_limit_by_themselves() {
        let used = "{\"system.memory.state\":\"used\"}";
        for (signal, unit, attributes, limit) in [
            ("system.filesystem.utilization", "1", "{}", Some(1.0)),
            ("system.memory.utilization", "1", used, Some(1.0)),
            ("system.memory.utilization", "1", "{\"state\":\"cached\"}", None),
            ("disk_used_percent", "", "{}", Some(100.0)),
            ("postgres.connection.utilization", "%", "{}", Some(100.0)),
            ("node_filesystem_avail_bytes", "By", "{}", Some(0.0)),
            ("system.linux.memory.available", "By", "{}", Some(0.0)),
            ("node_memory_MemFree_bytes", "By", "{}", None),
            // They are busy or wrong, not full.
            ("system.cpu.utilization", "1", "{}", None),
            ("disk.utilization", "%", "{}", None),
            ("pool.error_ratio", "1", "{}", None),
            ("system.memory.usage", "By", used, None),
        ] {
            assert_eq!(fixed(&series(signal, unit, attributes)), limit, "{signal}");
        }
    }

    #[test]
    fn what_is_used_has_its_limit_beside_it() {
        let mount = |state: &str| format!("{{\"mountpoint\":\"/data\",\"state\":\"{state}\"}}");
        for (signal, attributes, limit, of, expected) in [
            (
                "system.filesystem.usage",
                mount("used"),
                "system.filesystem.limit",
                "{\"mountpoint\":\"/data\"}",
                true,
            ),
            (
                "system.filesystem.usage",
                mount("free"),
                "system.filesystem.limit",
                "{\"mountpoint\":\"/data\"}",
                false,
            ),
            (
                "system.filesystem.usage",
                mount("used"),
                "system.filesystem.limit",
                "{\"mountpoint\":\"/\"}",
                false,
            ),
            ("jvm.memory.used", "{\"a\":1}".to_owned(), "jvm.memory.limit", "{\"a\":1}", true),
            ("container.memory.usage", "{}".to_owned(), "container.memory.limit", "{}", true),
            (
                "db.client.connection.count",
                "{\"state\":\"used\"}".to_owned(),
                "db.client.connection.max",
                "{}",
                true,
            ),
            (
                "db.client.connection.count",
                "{\"state\":\"idle\"}".to_owned(),
                "db.client.connection.max",
                "{}",
                false,
            ),
            ("process_open_fds", "{}".to_owned(), "process_max_fds", "{}", true),
            ("container.memory.usage", "{}".to_owned(), "container.cpu.limit", "{}", false),
        ] {
            let (used, all) = (series(signal, "", &attributes), series(limit, "", of));
            assert_eq!(is_limit(&used, &all), expected, "{signal} {attributes} {of}");
        }
        let bytes = series("container.memory.usage", "By", "{}");
        assert!(!is_limit(&bytes, &series("container.memory.limit", "MiBy", "{}")), "other units");
    }
}
