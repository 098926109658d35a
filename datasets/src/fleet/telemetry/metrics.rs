//! Metrics after the OpenTelemetry conventions, for replicas, nodes, queue and books.

use super::super::{
    call::Answer,
    clock::Nanos,
    fluid::Spread,
    service::{Process, Replica},
    topology::Kind,
    world::World,
};
use crate::simulator::telemetry::histogram::{BOUNDS, Histogram, durations, entry};
use crate::simulator::telemetry::otlp::{
    self, Attribute, CUMULATIVE, Data, Metric, MetricsRequest, Number, NumberValue, Resource,
    ResourceMetrics, SCOPE, ScopeMetrics, Whole, text, whole,
};

/// Memory of a process, descriptors, cores of a replica and of a node.
const MEMORY: f64 = 536_870_912.0;
const DESCRIPTORS: f64 = 1024.0;
const NODE_CORES: f64 = 16.0;

/// What a replica served between two collections.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Window {
    pub(crate) requests: u32,
    pub(crate) errors: u32,
    pub(crate) total: Nanos,
}

/// What a process counts; gone when it ends.
#[derive(Clone, Debug, Default)]
pub(crate) struct Meters {
    server: Vec<((u8, Answer), Histogram)>,
    client: Vec<((u32, Answer), Histogram)>,
    mismatches: Vec<(u32, u64)>,
    window: Window,
    pub(crate) last: Window,
    worked: Nanos,
    /// What rounding left over.
    rounding: f64,
}

impl Meters {
    pub(crate) fn served(&mut self, route: u8, answer: Answer, duration: Nanos, fully: bool) {
        self.window.requests += 1;
        self.window.errors += u32::from(!answer.is_good());
        self.window.total += duration;
        if fully {
            entry(&mut self.server, (route, answer)).add(duration);
        }
    }

    pub(crate) fn called(&mut self, callee: u32, answer: Answer, duration: Nanos, mismatch: Option<u32>) {
        entry(&mut self.client, (callee, answer)).add(duration);
        if let Some(peer) = mismatch {
            *entry(&mut self.mismatches, peer) += 1;
        }
    }

    /// Many requests at once, by the distribution of their durations.
    pub(crate) fn poured(&mut self, route: u8, requests: u64, response: Spread) {
        if requests == 0 {
            return;
        }
        let total = (response.mean * requests as f64 * 1e9) as Nanos;
        self.window.requests += requests as u32;
        self.window.total += total;
        let histogram = entry(&mut self.server, (route, Answer::Good));
        histogram.count += requests;
        histogram.total += total;
        // What is left of a bucket is carried on, so that no request is lost to rounding.
        let (mut below, mut carried) = (0.0, 0);
        for (bucket, bound) in BOUNDS.iter().enumerate() {
            below = response.up_to(*bound).max(below);
            let upto = (below * requests as f64 + self.rounding) as u64;
            histogram.buckets[bucket] += upto.min(requests).saturating_sub(carried);
            carried = carried.max(upto.min(requests));
        }
        histogram.buckets[BOUNDS.len()] += requests - carried;
        // The golden ratio's multiples are spread most evenly.
        self.rounding = (self.rounding + 0.618_033_988_749_895) % 1.0;
    }

    /// A collection is over, in which its slots worked for so long.
    pub(crate) fn turn(&mut self, busy: Nanos) {
        self.last = std::mem::take(&mut self.window);
        self.worked += busy;
    }

    /// Seconds that its slots worked.
    pub(crate) fn worked(&self) -> f64 {
        self.worked as f64 / 1e9
    }

    /// Counters begin anew.
    pub(crate) fn reset(&mut self) {
        self.server.clear();
        self.client.clear();
        self.mismatches.clear();
    }
}

/// The duration below which a share of all served requests lies, between the bounds of the buckets
/// as if their logarithms were spread evenly.
pub(crate) fn quantile_of(meters: &[&Meters], quantile: f64) -> f64 {
    let mut sums = [0_u64; BOUNDS.len() + 1];
    for (_, histogram) in meters.iter().flat_map(|meters| &meters.server) {
        for (sum, count) in sums.iter_mut().zip(&histogram.buckets) {
            *sum += count;
        }
    }
    let wanted = quantile * sums.iter().sum::<u64>() as f64;
    let mut below = 0.0;
    for (bucket, count) in sums.iter().enumerate() {
        let count = *count as f64;
        if below + count >= wanted && count > 0.0 {
            let low = if bucket == 0 { BOUNDS[0] / 2.0 } else { BOUNDS[bucket - 1] };
            let high = BOUNDS.get(bucket).copied().unwrap_or(2.0 * BOUNDS[BOUNDS.len() - 1]);
            return low * libm::pow(high / low, (wanted - below) / count);
        }
        below += count;
    }
    0.0
}

impl World {
    /// All metrics as one request.
    pub(super) fn export_metrics(&mut self) -> Option<String> {
        let now = self.now;
        self.recorder.silent.retain(|(_, until)| *until > now);
        let mut resource_metrics = Vec::new();
        for place in 0..self.replicas.len() {
            let replica = &self.replicas[place];
            let external = self.topology.services[replica.service as usize].kind == Kind::External;
            let silent = self.recorder.silent.iter().any(|(silent, _)| *silent == place as u32);
            if external || silent || replica.process == Process::Gone {
                continue;
            }
            resource_metrics.push(ResourceMetrics {
                resource: self.resource(place),
                scope_metrics: [ScopeMetrics { scope: SCOPE, metrics: self.metrics_of(place, replica) }],
            });
        }
        for node in 0..self.nodes.len() {
            resource_metrics.push(self.node_metrics(node));
        }
        resource_metrics.push(self.queue_metrics());
        resource_metrics.push(self.book_metrics());
        for name in &self.recorder.newcomers {
            let metrics = vec![self.gauge(None, "health.status", "1", 1.0)];
            resource_metrics.push(self.group(vec![text("service.name", name)], metrics));
        }
        otlp::line(&MetricsRequest { resource_metrics })
    }

    /// Resource attributes of a replica.
    pub(super) fn resource(&self, place: usize) -> Resource<'_> {
        let replica = &self.replicas[place];
        let service = &self.services[replica.service as usize];
        Resource {
            attributes: vec![
                text("service.name", &self.topology.services[replica.service as usize].name),
                text("service.instance.id", &replica.name),
                text("service.version", &service.versions[replica.version as usize].name),
                text("host.name", &self.nodes[replica.node as usize].name),
                text("cloud.availability_zone", self.zone(replica.node as usize).to_string()),
                text("deployment.environment.name", &self.topology.name),
            ],
        }
    }

    fn number(
        &self,
        (since, node): (Nanos, Option<u32>),
        value: NumberValue,
        attributes: Vec<Attribute<'static>>,
    ) -> Number<'static> {
        let start = self.unix(since, node);
        let time = self.unix(self.now.saturating_sub(1_000_000), node);
        Number { attributes, start_time_unix_nano: start, time_unix_nano: time, value }
    }

    fn gauge(
        &self,
        node: Option<u32>,
        name: &'static str,
        unit: &'static str,
        value: f64,
    ) -> Metric<'static> {
        let point = self.number((0, node), NumberValue::AsDouble(value), Vec::new());
        Metric { name, unit, data: Data::Gauge { data_points: vec![point] } }
    }

    fn sum(
        &self,
        origin: (Nanos, Option<u32>),
        name: &'static str,
        unit: &'static str,
        value: u64,
        is_monotonic: bool,
    ) -> Metric<'static> {
        let point = self.number(origin, NumberValue::AsInt(Whole(value)), Vec::new());
        let data = Data::Sum { data_points: vec![point], aggregation_temporality: CUMULATIVE, is_monotonic };
        Metric { name, unit, data }
    }

    fn metrics_of(&self, place: usize, replica: &Replica) -> Vec<Metric<'_>> {
        let node = Some(replica.node);
        // The container runtime speaks for a process that is down.
        let mut metrics =
            vec![self.sum((0, node), "container.restarts", "{restart}", replica.restarts, true)];
        if matches!(replica.process, Process::Dead | Process::Starting) {
            return metrics;
        }
        let since = (replica.started, node);
        let utilization = (0.02 + replica.busy as f64 / self.elapsed() / f64::from(replica.slots)).min(1.0);
        let pending: usize = replica.pools.iter().map(|pool| pool.waiting.len()).sum();
        let used: u32 = replica.pools.iter().map(|pool| pool.used).sum();
        let service = &self.services[replica.service as usize];
        metrics.extend([
            self.sum(since, "http.server.active_requests", "{request}", u64::from(replica.active), false),
            self.sum(since, "process.memory.usage", "By", (replica.heap * MEMORY) as u64, false),
            self.gauge(node, "process.cpu.utilization", "1", utilization),
            self.gauge(node, "process.uptime", "s", (self.now - replica.started) as f64 / 1e9),
            self.gauge(
                node,
                "process.open_file_descriptor.count",
                "{count}",
                (replica.descriptors * DESCRIPTORS).floor(),
            ),
            self.gauge(node, "queue.length", "{request}", replica.waiting.len() as f64),
            self.gauge(node, "runtime.gc.share", "1", service.config().pauses + 0.01),
            // What the process says of itself: all that ever says so is well.
            self.gauge(node, "health.status", "1", 1.0),
        ]);
        if !replica.pools.is_empty() {
            metrics.push(self.gauge(node, "db.client.connection.count", "{connection}", f64::from(used)));
            metrics.push(self.gauge(
                node,
                "db.client.connection.pending_requests",
                "{request}",
                pending as f64,
            ));
        }
        match self.topology.services[replica.service as usize].kind {
            Kind::Database => {
                let cluster = self.cluster(replica.service as usize).map(|index| &self.clusters[index]);
                let waiting = cluster.filter(|cluster| cluster.primary == place as u32);
                let locked = waiting.is_some_and(|cluster| cluster.lock.is_some());
                metrics.push(self.gauge(node, "db.replication.lag", "s", replica.lag));
                let waits = if locked { f64::from(replica.active) } else { 0.0 };
                metrics.push(self.gauge(node, "db.locks.waiting", "{session}", waits));
                let failed = replica.checksums_failed as u64;
                metrics.push(self.sum((0, node), "db.checksum.failures", "{page}", failed, true));
            }
            Kind::Cache => {
                metrics.push(self.sum((0, node), "cache.hits", "{hit}", self.cache.hits, true));
                metrics.push(self.sum((0, node), "cache.misses", "{miss}", self.cache.misses, true));
            }
            _ => {}
        }
        let left = service.certificate_until.min(self.now + 90 * 86_400_000_000_000) as f64 - self.now as f64;
        metrics.push(self.gauge(node, "tls.certificate.remaining", "s", (left / 1e9).floor()));
        metrics.extend(self.durations(replica));
        for lie in self.recorder.lies.iter().filter(|lie| lie.replica == place as u32) {
            let lied = self.gauge(node, lie.metric, "1", lie.value);
            match metrics.iter_mut().find(|metric| metric.name == lie.metric) {
                Some(metric) => metric.data = lied.data,
                None => metrics.push(lied),
            }
        }
        metrics
    }

    /// Histograms of what it served and what it called, and of answers that it found to be wrong.
    fn durations(&self, replica: &Replica) -> Vec<Metric<'_>> {
        let node = Some(replica.node);
        let times = (self.unix(replica.started, node), self.unix(self.now.saturating_sub(1_000_000), node));
        let server = replica.meters.server.iter().map(|((route, answer), histogram)| {
            let (method, path) = self.operation(replica.service, *route);
            let mut attributes = vec![text("http.request.method", method), text("http.route", path)];
            attributes.extend(outcome(*answer));
            histogram.point(attributes, times)
        });
        let client = replica.meters.client.iter().map(|((callee, answer), histogram)| {
            let (method, _) = self.operation(*callee, 0);
            let peer = self.topology.services[*callee as usize].name.as_str();
            let mut attributes = vec![text("http.request.method", method), text("peer.service", peer)];
            attributes.extend(outcome(*answer));
            histogram.point(attributes, times)
        });
        let mut metrics = Vec::new();
        if !replica.meters.server.is_empty() {
            metrics.push(durations("http.server.request.duration", server.collect()));
        }
        if !replica.meters.client.is_empty() {
            metrics.push(durations("http.client.request.duration", client.collect()));
        }
        let service = &self.services[replica.service as usize];
        let mut found = Vec::new();
        for edge in service.edges.iter().filter(|edge| edge.checked) {
            for peer in &self.services[edge.callee as usize].replicas {
                let count = replica.meters.mismatches.iter().find(|(place, _)| place == peer);
                let count = NumberValue::AsInt(Whole(count.map_or(0, |(_, count)| *count)));
                let name = self.topology.services[edge.callee as usize].name.clone();
                let instance = self.replicas[*peer as usize].name.clone();
                let attributes = vec![text("peer.service", name), text("peer.instance", instance)];
                found.push(self.number((replica.started, node), count, attributes));
            }
        }
        if !found.is_empty() {
            let data =
                Data::Sum { data_points: found, aggregation_temporality: CUMULATIVE, is_monotonic: true };
            metrics.push(Metric { name: "business.orders.mismatch", unit: "{order}", data });
        }
        metrics
    }

    fn node_metrics(&self, index: usize) -> ResourceMetrics<'_> {
        let node = &self.nodes[index];
        let own = Some(index as u32);
        let guests = self.replicas.iter().filter(|replica| replica.node == index as u32);
        let busy: u64 = guests.map(|replica| replica.busy).sum();
        let used = 0.05 + busy as f64 / self.elapsed() / NODE_CORES;
        let utilization = if node.cpu_slowness > 1.0 { 0.995 } else { used.min(1.0) };
        let across = if self.now < self.partitioned_until { 1.0 } else { 0.0 };
        let metrics = vec![
            self.gauge(own, "system.cpu.utilization", "1", utilization),
            self.gauge(own, "system.filesystem.utilization", "1", node.disk_fill),
            self.gauge(own, "system.disk.operation_time", "s", 0.002 * node.disk_slowness),
            self.gauge(own, "system.network.retransmit.share", "1", node.loss + 0.001 + across),
            self.gauge(own, "system.clock.offset", "s", node.clock_offset),
        ];
        let name = text("host.name", &node.name);
        self.group(vec![name], metrics)
    }

    fn group<'a>(
        &'a self,
        mut attributes: Vec<Attribute<'a>>,
        metrics: Vec<Metric<'a>>,
    ) -> ResourceMetrics<'a> {
        attributes.push(text("deployment.environment.name", &self.topology.name));
        ResourceMetrics {
            resource: Resource { attributes },
            scope_metrics: [ScopeMetrics { scope: SCOPE, metrics }],
        }
    }

    fn queue_metrics(&self) -> ResourceMetrics<'_> {
        let lag = self.queue.partitions.iter().enumerate().map(|(index, partition)| {
            let value = NumberValue::AsInt(Whole(partition.messages.len() as u64));
            self.number((0, None), value, vec![whole("messaging.destination.partition.id", index as u64)])
        });
        let data = Data::Gauge { data_points: lag.collect() };
        let metrics = vec![
            Metric { name: "messaging.consumer.lag", unit: "{message}", data },
            self.sum((0, None), "messaging.client.consumed.messages", "{message}", self.queue.consumed, true),
            self.sum((0, None), "messaging.client.failed.messages", "{message}", self.queue.failed, true),
        ];
        self.group(vec![text("service.name", &self.topology.queue.name)], metrics)
    }

    /// What the nightly of the books, run every collection, finds.
    fn book_metrics(&self) -> ResourceMetrics<'_> {
        let breaches = self.ledger.breaches();
        let mut metrics = vec![
            self.sum(
                (0, None),
                "business.ledger.duplicates",
                "{order}",
                u64::from(breaches.double_charges),
                false,
            ),
            self.sum((0, None), "business.ledger.missing", "{order}", u64::from(breaches.lost_writes), false),
        ];
        for (index, service) in self.services.iter().enumerate() {
            let without: u64 = service.edges.iter().map(|edge| edge.without).sum();
            if without > 0 {
                let name = self.topology.services[index].name.as_str();
                let point = self.number(
                    (0, None),
                    NumberValue::AsInt(Whole(without)),
                    vec![text("peer.service", name.to_owned())],
                );
                let data = Data::Sum {
                    data_points: vec![point],
                    aggregation_temporality: CUMULATIVE,
                    is_monotonic: true,
                };
                metrics.push(Metric { name: "business.orders.degraded", unit: "{order}", data });
            }
        }
        self.group(vec![text("service.name", "ledger")], metrics)
    }

    /// Method and route under which a service is asked.
    pub(super) fn operation(&self, service: u32, route: u8) -> (&str, &str) {
        let asked = &self.topology.routes[route as usize];
        let own = &self.topology.services[service as usize].operation;
        own.split_once(' ').unwrap_or((&asked.method, &asked.path))
    }
}

fn outcome<'a>(answer: Answer) -> impl Iterator<Item = Attribute<'a>> {
    let status =
        (answer.status() > 0).then(|| whole("http.response.status_code", u64::from(answer.status())));
    let error = (!answer.error().is_empty()).then(|| text("error.type", answer.error()));
    status.into_iter().chain(error)
}
