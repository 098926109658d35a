//! Metrics after the OpenTelemetry conventions for HTTP servers and clients, processes,
//! containers and hosts.

use serde::{Deserialize, Serialize};

use super::{
    super::{
        clock::Nanos,
        request::{Answer, Call},
        service::{CORES, Process, Replica},
        world::World,
    },
    histogram::{Histogram, durations, entry},
    otlp::{
        self, Attribute, CUMULATIVE, Data, Metric, MetricsRequest, Number, NumberValue, Resource,
        ResourceMetrics, SCOPE, ScopeMetrics, Whole, text, whole,
    },
};

/// What a process counts; gone when it ends.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(in super::super) struct Meters {
    /// By route and answer.
    server: Vec<((u8, Answer), Histogram)>,
    /// By callee's service and answer.
    client: Vec<((u32, Answer), Histogram)>,
    /// Differences found, by the replica that answered.
    mismatches: Vec<(u32, u64)>,
}

/// The replica that calls, the service that it calls, and who answered if anybody did.
pub(in super::super) type Edge = (u32, u32, Option<u32>);

impl World {
    /// A server counts a request.
    pub(in super::super) fn meter_server(&mut self, call: &Call, answer: Answer) {
        let service = &self.scenario.services[self.replicas[call.replica as usize].service as usize];
        let route = if service.operation.is_some() { 0 } else { call.route };
        let meters = &mut self.replicas[call.replica as usize].meters;
        entry(&mut meters.server, (route, answer)).add(self.now - call.arrived);
    }

    /// A client counts a call.
    pub(in super::super) fn meter_client(
        &mut self,
        edge: Edge,
        answer: Answer,
        duration: Nanos,
        mismatch: bool,
    ) {
        let (caller, service, callee) = edge;
        let meters = &mut self.replicas[caller as usize].meters;
        entry(&mut meters.client, (service, answer)).add(duration);
        if let Some(callee) = callee.filter(|_| mismatch) {
            *entry(&mut meters.mismatches, callee) += 1;
        }
    }

    /// All metrics as one request.
    pub(super) fn export_metrics(&mut self) -> Option<String> {
        let mut resource_metrics = Vec::new();
        for place in 0..self.replicas.len() {
            let replica = &self.replicas[place];
            let service = &self.scenario.services[replica.service as usize];
            if service.external || replica.process == Process::Gone {
                continue;
            }
            let metrics = self.metrics_of(replica);
            resource_metrics.push(ResourceMetrics {
                resource: self.resource(place),
                scope_metrics: [ScopeMetrics { scope: SCOPE, metrics }],
            });
        }
        for host in 0..self.scenario.hosts as usize {
            resource_metrics.push(self.host_metrics(host));
        }
        let line = otlp::line(&MetricsRequest { resource_metrics });
        for replica in &mut self.replicas {
            replica.busy = 0;
        }
        line
    }

    /// Resource attributes of a replica.
    pub(super) fn resource(&self, place: usize) -> Resource<'_> {
        let replica = &self.replicas[place];
        let service = &self.services[replica.service as usize];
        Resource {
            attributes: vec![
                text("service.name", &self.scenario.services[replica.service as usize].name),
                text("service.instance.id", &replica.name),
                text("service.version", &service.versions[replica.version as usize].name),
                text("host.name", &self.hosts[replica.host as usize].name),
                text("deployment.environment.name", &self.scenario.telemetry.environment),
            ],
        }
    }

    /// The instant that points carry: the last millisecond before the collection.
    fn sampled_at(&self) -> Nanos {
        self.now.saturating_sub(1_000_000)
    }

    fn number(
        &self,
        since: Nanos,
        value: NumberValue,
        attributes: Vec<Attribute<'static>>,
    ) -> Number<'static> {
        let (start, time) = (self.unix(since), self.unix(self.sampled_at()));
        Number { attributes, start_time_unix_nano: start, time_unix_nano: time, value }
    }

    fn gauge(&self, name: &'static str, unit: &'static str, value: NumberValue) -> Metric<'static> {
        Metric { name, unit, data: Data::Gauge { data_points: vec![self.number(0, value, Vec::new())] } }
    }

    fn metrics_of(&self, replica: &Replica) -> Vec<Metric<'_>> {
        let sum = |name, unit, since, value, is_monotonic| Metric {
            name,
            unit,
            data: Data::Sum {
                data_points: vec![self.number(since, NumberValue::AsInt(Whole(value)), Vec::new())],
                aggregation_temporality: CUMULATIVE,
                is_monotonic,
            },
        };
        // The container runtime speaks for a process that is down.
        let mut metrics = vec![sum("container.restarts", "{restart}", 0, replica.restarts, true)];
        if replica.process == Process::Down {
            return metrics;
        }
        let since = replica.started;
        let elapsed = (self.now - self.collected.max(since)).max(1) as f64;
        let utilization = (0.02 + replica.busy as f64 / elapsed / CORES).min(1.0);
        metrics.extend([
            sum("http.server.active_requests", "{request}", since, u64::from(replica.active), false),
            sum("process.memory.usage", "By", since, replica.heap(), false),
            self.gauge("process.cpu.utilization", "1", NumberValue::AsDouble(utilization)),
            self.gauge("process.uptime", "s", NumberValue::AsDouble((self.now - since) as f64 / 1e9)),
            self.gauge("queue.length", "{request}", NumberValue::AsInt(Whole(replica.queue.len() as u64))),
            // What the process says of itself: all that ever says so is well.
            self.gauge("health.status", "1", NumberValue::AsInt(Whole(1))),
        ]);
        metrics.extend(self.durations(replica));
        metrics.extend(self.checks(replica));
        metrics
    }

    /// Histograms of what it served and what it called.
    fn durations(&self, replica: &Replica) -> Vec<Metric<'_>> {
        let spec = &self.scenario.services[replica.service as usize];
        let times = (self.unix(replica.started), self.unix(self.sampled_at()));
        let server = replica.meters.server.iter().map(|((route, answer), histogram)| {
            let (method, path) = self.operation(replica.service, *route);
            let mut attributes = vec![text("http.request.method", method), text("http.route", path)];
            attributes.extend(outcome(*answer));
            histogram.point(attributes, times)
        });
        let client = replica.meters.client.iter().map(|((callee, answer), histogram)| {
            let (method, _) = self.operation(*callee, 0);
            let peer = self.scenario.services[*callee as usize].name.as_str();
            let mut attributes = vec![text("http.request.method", method), text("peer.service", peer)];
            attributes.extend(outcome(*answer));
            histogram.point(attributes, times)
        });
        let mut metrics = Vec::new();
        if !replica.meters.server.is_empty() {
            metrics.push(durations("http.server.request.duration", server.collect()));
        }
        if !spec.calls.is_empty() && !replica.meters.client.is_empty() {
            metrics.push(durations("http.client.request.duration", client.collect()));
        }
        metrics
    }

    /// Counters of checks of what others answered, and of answers that were done without.
    fn checks(&self, replica: &Replica) -> Vec<Metric<'_>> {
        let service = replica.service as usize;
        let mut mismatches = Vec::new();
        let mut degraded = Vec::new();
        for (step, call) in self.scenario.services[service].calls.iter().enumerate() {
            let callee = &self.services[self.edges[service][step] as usize];
            for peer in callee.replicas.iter().filter(|_| call.checked) {
                let found = replica.meters.mismatches.iter().find(|(place, _)| place == peer);
                let count = NumberValue::AsInt(Whole(found.map_or(0, |(_, count)| *count)));
                let name = self.replicas[*peer as usize].name.clone();
                let attributes = vec![text("peer.service", call.callee.clone()), text("peer.instance", name)];
                mismatches.push(self.number(replica.started, count, attributes));
            }
            if call.fallback {
                let count = self.services[service].circuits[step].answered_without;
                let attributes = vec![text("peer.service", call.callee.clone())];
                // Counted by the circuit, which all replicas of a service share.
                if self.services[service]
                    .replicas
                    .first()
                    .is_some_and(|first| self.replicas[*first as usize].name == replica.name)
                {
                    degraded.push(self.number(0, NumberValue::AsInt(Whole(count)), attributes));
                }
            }
        }
        let metric = |name, data_points: Vec<Number<'static>>| Metric {
            name,
            unit: "{order}",
            data: Data::Sum { data_points, aggregation_temporality: CUMULATIVE, is_monotonic: true },
        };
        let mut metrics = Vec::new();
        if !mismatches.is_empty() {
            metrics.push(metric("business.orders.mismatch", mismatches));
        }
        if !degraded.is_empty() {
            metrics.push(metric("business.orders.degraded", degraded));
        }
        metrics
    }

    fn host_metrics(&self, index: usize) -> ResourceMetrics<'_> {
        let host = &self.hosts[index];
        let elapsed = (self.now - self.collected).max(1) as f64;
        let guests = self.replicas.iter().filter(|replica| replica.host == index as u32);
        let busy: u64 = guests.map(|replica| replica.busy).sum();
        let own = busy as f64 / elapsed / CORES_OF_HOST;
        let utilization = if host.slowness > 1.0 { 0.995 } else { (0.05 + own).min(1.0) };
        ResourceMetrics {
            resource: Resource {
                attributes: vec![
                    text("host.name", &host.name),
                    text("deployment.environment.name", &self.scenario.telemetry.environment),
                ],
            },
            scope_metrics: [ScopeMetrics {
                scope: SCOPE,
                metrics: vec![self.gauge("system.cpu.utilization", "1", NumberValue::AsDouble(utilization))],
            }],
        }
    }

    /// Method and route under which a service is asked.
    pub(super) fn operation(&self, service: u32, route: u8) -> (&str, &str) {
        let asked = &self.scenario.routes[route as usize];
        match &self.scenario.services[service as usize].operation {
            Some((method, path)) => (method, path),
            None => (&asked.method, &asked.path),
        }
    }
}

/// Processor cores of a host.
const CORES_OF_HOST: f64 = 8.0;

fn outcome<'a>(answer: Answer) -> impl Iterator<Item = Attribute<'a>> {
    let status =
        (answer.status() > 0).then(|| whole("http.response.status_code", u64::from(answer.status())));
    let error = (!answer.error().is_empty()).then(|| text("error.type", answer.error()));
    status.into_iter().chain(error)
}
