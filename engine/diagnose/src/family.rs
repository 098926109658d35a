//! What a signal speaks of, told from its name: OpenTelemetry semantic conventions and the
//! names of common exporters.

use serde::{Deserialize, Serialize};
use theriac_contract::Direction;

/// What a signal speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Family {
    /// How long work takes.
    Latency,
    /// How long it takes in one place, without those that are called from there.
    SelfTime,
    /// What passes between a caller that waits and a callee that works: the way.
    Gap,
    /// How much of it fails, as metrics, spans or log lines tell.
    Errors,
    /// How much work comes in.
    Traffic,
    /// Processor time.
    Cpu,
    /// Memory and what collects it.
    Memory,
    /// Networks and sockets.
    Io,
    /// Disks and file systems.
    Storage,
    /// What goes wrong on the way: lost, dropped, sent again.
    Transmission,
    /// Processes that start again.
    Restarts,
    /// Work that is under way or has come and waits, and what is in use for it: whoever is slow has more.
    Queue,
    /// Waiting for what one needs oneself: a connection, a worker of a pool.
    Waiting,
    /// What a thing says of its own state.
    Health,
    /// Answers that others found to be wrong.
    Mismatch,
    /// Data that is not what was written.
    Corruption,
    /// Sessions that wait for each other.
    Lock,
    /// Copies that are behind what they are copies of.
    Replication,
    /// Messages that came and were not taken.
    Backlog,
    /// Proofs of identity that are not accepted.
    Certificate,
    /// Clocks that are wrong.
    Clock,
    /// What is not found in a cache.
    Cache,
    /// Requests that are turned away because there were too many.
    Quota,
    /// One of many who asks far more than before.
    Asker,
    /// One of many things that is asked for far more than before.
    Key,
    /// Log lines that do not speak of errors.
    Log,
    /// Telemetry that stopped.
    Missing,
    /// Anything else.
    Other,
}

impl Family {
    /// Word for people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Latency => "latency",
            Self::SelfTime => "own time",
            Self::Gap => "time on the way",
            Self::Errors => "errors",
            Self::Traffic => "traffic",
            Self::Cpu => "CPU",
            Self::Memory => "memory",
            Self::Io => "network",
            Self::Storage => "disk",
            Self::Transmission => "transmission",
            Self::Restarts => "restarts",
            Self::Queue => "queue",
            Self::Waiting => "waiting for a pool",
            Self::Health => "health",
            Self::Mismatch => "mismatch",
            Self::Corruption => "corruption",
            Self::Lock => "locks",
            Self::Replication => "replication",
            Self::Backlog => "backlog",
            Self::Certificate => "certificate",
            Self::Clock => "clock",
            Self::Cache => "cache",
            Self::Quota => "quota",
            Self::Asker => "one asker",
            Self::Key => "one key",
            Self::Log => "log",
            Self::Missing => "missing telemetry",
            Self::Other => "other",
        }
    }
}

impl Family {
    /// Whether what a signal of this kind tells of may come of the way between two places.
    pub(crate) const fn may_lie_on_the_way(self) -> bool {
        matches!(self, Self::Gap | Self::Transmission | Self::Errors | Self::Latency)
    }

    /// Whether a signal of this kind says what is wrong, not only that something is.
    pub(crate) const fn names_a_fault(self) -> bool {
        matches!(
            self,
            Self::Mismatch
                | Self::Corruption
                | Self::Lock
                | Self::Replication
                | Self::Backlog
                | Self::Certificate
                | Self::Clock
                | Self::Transmission
        )
    }
}

/// Parts of names, the first match decides.
const TABLE: [(&str, Family); 106] = [
    ("zone.gap.", Family::Gap),
    ("zone.calls.held_up", Family::Gap),
    ("zone.calls.missed", Family::Transmission),
    ("span.asker.", Family::Asker),
    ("span.key.", Family::Key),
    ("edge.key.", Family::Key),
    ("mismatch", Family::Mismatch),
    ("checksum", Family::Corruption),
    ("corrupt", Family::Corruption),
    ("diverge", Family::Mismatch),
    ("inconsisten", Family::Mismatch),
    ("replication", Family::Replication),
    ("replica_lag", Family::Replication),
    ("slave_lag", Family::Replication),
    ("seconds_behind", Family::Replication),
    ("consumer.lag", Family::Backlog),
    ("consumer_lag", Family::Backlog),
    ("consumergroup_lag", Family::Backlog),
    ("messages_ready", Family::Backlog),
    ("certificate", Family::Certificate),
    ("tls_cert", Family::Certificate),
    ("ssl_earliest_cert", Family::Certificate),
    ("clock.offset", Family::Clock),
    ("clock_offset", Family::Clock),
    ("timex_offset", Family::Clock),
    ("ntp_offset", Family::Clock),
    ("cache.miss", Family::Cache),
    ("cache_miss", Family::Cache),
    ("cache.hit", Family::Cache),
    ("cache_hit", Family::Cache),
    ("deadlock", Family::Lock),
    ("locks", Family::Lock),
    ("restart", Family::Restarts),
    ("uptime", Family::Restarts),
    ("start_time", Family::Restarts),
    ("oom", Family::Restarts),
    ("crash", Family::Restarts),
    ("probe_success", Family::Health),
    ("health", Family::Health),
    ("readiness", Family::Health),
    ("liveness", Family::Health),
    ("availability", Family::Health),
    ("log.severity.error", Family::Errors),
    ("log.severity.fatal", Family::Errors),
    ("log.error_ratio", Family::Errors),
    ("log.count", Family::Missing),
    ("log.", Family::Log),
    ("retrans", Family::Transmission),
    ("packet", Family::Transmission),
    ("network.errors", Family::Transmission),
    ("network.dropped", Family::Transmission),
    ("error", Family::Errors),
    ("fail", Family::Errors),
    ("exception", Family::Errors),
    ("5xx", Family::Errors),
    ("success", Family::Errors),
    ("memory", Family::Memory),
    ("heap", Family::Memory),
    ("swap", Family::Memory),
    ("_rss", Family::Memory),
    (".gc.", Family::Memory),
    ("_gc_", Family::Memory),
    ("_mem", Family::Memory),
    ("mem_", Family::Memory),
    ("cpu", Family::Cpu),
    ("load1", Family::Cpu),
    ("load_average", Family::Cpu),
    ("throttl", Family::Cpu),
    ("pending", Family::Waiting),
    ("wait_time", Family::Waiting),
    ("queue", Family::Queue),
    ("active_requests", Family::Queue),
    ("backlog", Family::Queue),
    ("lag", Family::Queue),
    ("thread", Family::Queue),
    ("connections", Family::Queue),
    ("connection.count", Family::Queue),
    ("edge.retries", Family::Errors),
    ("edge.new_calls", Family::Traffic),
    ("calls_per_request", Family::Traffic),
    ("self_time", Family::SelfTime),
    ("critical_path", Family::Latency),
    ("edge.gap", Family::Gap),
    (".count", Family::Traffic),
    (".rate", Family::Traffic),
    ("workload", Family::Traffic),
    ("throughput", Family::Traffic),
    ("requests", Family::Traffic),
    ("request_count", Family::Traffic),
    ("qps", Family::Traffic),
    ("rps", Family::Traffic),
    ("duration", Family::Latency),
    ("latency", Family::Latency),
    ("response_time", Family::Latency),
    ("elapsed", Family::Latency),
    ("p95", Family::Latency),
    ("p99", Family::Latency),
    ("p90", Family::Latency),
    ("disk", Family::Storage),
    ("filesystem", Family::Storage),
    ("network", Family::Io),
    ("socket", Family::Io),
    ("fs_", Family::Storage),
    ("fsync", Family::Storage),
    ("iowait", Family::Storage),
    ("tcp", Family::Io),
];

/// Words that mean something by themselves, and parts of too many others.
const WORDS: [(&str, Family); 5] = [
    ("mem", Family::Memory),
    ("gc", Family::Memory),
    ("lat", Family::Latency),
    ("err", Family::Errors),
    ("net", Family::Io),
];

/// What a symptom speaks of, from the name and attributes (canonical JSON) of its series and
/// from whether the series still spoke (`silent`).
#[must_use]
pub fn family(signal: &str, attributes: &str, direction: Direction, silent: bool) -> Family {
    if silent && direction == Direction::None {
        return Family::Missing;
    }
    // `CpuUsageRate(%)`, `MemoryUsage(Mi)` and `cart_latency-90` meet the table in lower case.
    let name = signal.to_ascii_lowercase();
    let word = |known: &str| name.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| word == known);
    let part = TABLE.iter().find(|(part, _)| name.contains(part));
    let known = part.or_else(|| WORDS.iter().find(|(known, _)| word(known))).map(|(_, family)| *family);
    match known {
        // A count of failed requests speaks of failures.
        Some(Family::Traffic | Family::Latency) if is_failure(attributes) => Family::Errors,
        // A line that says why says more than that something failed.
        Some(Family::Log) if cause_of(attributes).is_some() => cause_of(attributes).unwrap_or(Family::Log),
        // Who gives up waiting for another tells that the other is slow.
        Some(Family::Log) if is_timeout(attributes) => Family::Latency,
        Some(Family::Log) if is_complaint(attributes) => Family::Errors,
        Some(family) => family,
        None => Family::Other,
    }
}

fn is_failure(attributes: &str) -> bool {
    attributes.contains("\"error.type\"")
        || attributes
            .split_once("status_code\":")
            .is_some_and(|(_, code)| code.trim_start_matches('"').starts_with('5'))
}

/// What a log line gives as the cause.
fn cause_of(attributes: &str) -> Option<Family> {
    const CAUSES: [(&str, Family); 16] = [
        ("certificate", Family::Certificate),
        ("x509", Family::Certificate),
        ("tls handshake", Family::Certificate),
        ("token is not yet valid", Family::Clock),
        ("token used before issued", Family::Clock),
        ("clock skew", Family::Clock),
        ("no space left", Family::Storage),
        ("enospc", Family::Storage),
        ("disk full", Family::Storage),
        ("disk quota exceeded", Family::Storage),
        ("too many requests", Family::Quota),
        ("rate limit", Family::Quota),
        ("quota exceeded", Family::Quota),
        ("lock wait timeout", Family::Lock),
        ("deadlock detected", Family::Lock),
        ("could not obtain lock", Family::Lock),
    ];
    let text = attributes.to_ascii_lowercase();
    CAUSES.iter().find(|(words, _)| text.contains(words)).map(|(_, family)| *family)
}

fn is_timeout(attributes: &str) -> bool {
    let text = attributes.to_ascii_lowercase();
    ["timeout", "timed out", "deadline exceeded"].iter().any(|word| text.contains(word))
}

fn is_complaint(attributes: &str) -> bool {
    let text = attributes.to_ascii_lowercase();
    ["error", "fail", "exception", "panic", "fatal", "refused", "killed"]
        .iter()
        .any(|word| text.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_the_names_of_conventions_and_exporters() {
        for (signal, attributes, expected) in [
            ("http.server.request.duration.p95", "{}", Family::Latency),
            ("http.server.request.duration.rate", "{}", Family::Traffic),
            ("http.server.request.duration.count", "{\"http.response.status_code\":\"500\"}", Family::Errors),
            ("http.server.request.duration.count", "{\"http.response.status_code\":200}", Family::Traffic),
            ("http.server.active_requests", "{}", Family::Queue),
            ("process.memory.usage", "{}", Family::Memory),
            ("process.cpu.utilization", "{}", Family::Cpu),
            ("process.uptime", "{}", Family::Restarts),
            ("container.restarts.rate", "{}", Family::Restarts),
            ("queue.length", "{}", Family::Queue),
            ("db.client.connection.pending_requests", "{}", Family::Waiting),
            ("health.status", "{}", Family::Health),
            ("business.orders.mismatch.rate", "{}", Family::Mismatch),
            ("span.error_ratio", "{}", Family::Errors),
            ("edge.duration.mean", "{}", Family::Latency),
            ("span.count", "{}", Family::Traffic),
            ("span.asker.excess", "{}", Family::Asker),
            ("edge.key.time_excess", "{}", Family::Key),
            ("span.self_time.mean", "{}", Family::SelfTime),
            ("span.critical_path.share", "{}", Family::Latency),
            ("edge.gap.p95", "{}", Family::Gap),
            ("tcp.retransmits", "{}", Family::Transmission),
            ("system.network.errors", "{}", Family::Transmission),
            ("mem", "{}", Family::Memory),
            ("lat_90", "{}", Family::Latency),
            ("template", "{}", Family::Other),
            ("edge.calls_per_request", "{}", Family::Traffic),
            ("edge.retries", "{}", Family::Errors),
            ("span.new_order", "{}", Family::Other),
            ("log.severity.error", "{}", Family::Errors),
            ("log.severity.info", "{}", Family::Log),
            ("log.error_ratio", "{}", Family::Errors),
            ("log.count", "{}", Family::Missing),
            ("log.template.new", "{}", Family::Log),
            ("log.sequence.unlikely", "{}", Family::Log),
            ("log.exception", "{\"exception\":\"a.SQLException < b\"}", Family::Errors),
            ("log.template", "{\"template\":\"connection refused by <*>\"}", Family::Errors),
            ("log.template", "{\"template\":\"call to bank failed: timed out\"}", Family::Latency),
            ("log.template", "{\"template\":\"x509: certificate has expired\"}", Family::Certificate),
            ("log.template", "{\"template\":\"write failed: No space left on device\"}", Family::Storage),
            ("log.template", "{\"template\":\"429 Too Many Requests\"}", Family::Quota),
            ("log.template", "{\"template\":\"401 token is not yet valid\"}", Family::Clock),
            ("db.locks.waiting", "{}", Family::Lock),
            ("db.replication.lag", "{}", Family::Replication),
            ("pg_stat_database_checksum_failures.rate", "{}", Family::Corruption),
            ("messaging.consumer.lag", "{}", Family::Backlog),
            ("kafka_consumergroup_lag", "{}", Family::Backlog),
            ("tls.certificate.remaining", "{}", Family::Certificate),
            ("system.clock.offset", "{}", Family::Clock),
            ("cache.misses.rate", "{}", Family::Cache),
            ("cache.hits.rate", "{}", Family::Cache),
            ("CpuUsageRate(%)", "{}", Family::Cpu),
            ("MemoryUsage(Mi)", "{}", Family::Memory),
            ("node_filesystem_avail_bytes", "{}", Family::Storage),
            ("checkoutservice_latency-90", "{}", Family::Latency),
            ("cart_workload", "{}", Family::Traffic),
            ("temperature", "{}", Family::Other),
        ] {
            assert_eq!(family(signal, attributes, Direction::Up, false), expected, "{signal} {attributes}");
        }
        assert_eq!(family("process.uptime", "{}", Direction::None, true), Family::Missing);
    }
}
