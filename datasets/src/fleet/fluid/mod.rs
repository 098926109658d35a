//! The same fleet without single requests: each tick, formulas of queueing say what was served and
//! how long it took, and the same telemetry is written. For weeks without faults.
//!
//! Everything but users goes on as before: processes, changes, disturbances and actions. What a
//! formula cannot know (retries, time-outs, overload that feeds itself) it does not show; it is for
//! fleets that are well.

use super::{
    cache::HIT_RATIO,
    clock::SECOND,
    service::Process,
    topology::{Kind, Operation},
    world::World,
};

/// Spread of the logarithm of the work, as in the simulation of requests.
const SIGMA: f64 = 0.3;
/// A replica is never told to be busier than this: beyond it the queue would grow without end.
const BUSY_MAX: f64 = 0.97;

/// A duration by its mean and variance.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Spread {
    pub(crate) mean: f64,
    pub(crate) variance: f64,
}

impl Spread {
    fn plus(self, other: Self, share: f64) -> Self {
        // One of two is added with probability `share`.
        let twice = other.variance + other.mean * other.mean;
        let mean = share * other.mean;
        Self { mean: self.mean + mean, variance: self.variance + share * twice - mean * mean }
    }

    /// Share of durations up to `seconds`, as if they were lognormal.
    pub(crate) fn up_to(self, seconds: f64) -> f64 {
        if self.mean <= 0.0 {
            return 1.0;
        }
        let sigma2 = libm::log1p(self.variance / (self.mean * self.mean));
        let mu = libm::log(self.mean) - sigma2 / 2.0;
        0.5 * libm::erfc(-(libm::log(seconds) - mu) / (2.0 * sigma2.max(1e-12)).sqrt())
    }
}

/// What a service does at a rate.
#[derive(Clone, Debug, Default)]
struct Station {
    /// Requests a second by route, and of those the ones that only the primary takes.
    by_route: Vec<f64>,
    writes: f64,
    /// What a caller waits, by route.
    response: Vec<Spread>,
}

/// Share of requests that wait (Erlang's C) at `servers` with an offered load.
fn waits(servers: f64, offered: f64) -> f64 {
    let (mut inverse, count) = (1.0, servers as u32);
    // The recursion for Erlang's B.
    for n in 1..=count {
        inverse = 1.0 + f64::from(n) / offered * inverse;
    }
    let blocked = 1.0 / inverse;
    let utilization = offered / servers;
    blocked / (1.0 - utilization * (1.0 - blocked))
}

/// What a request waits for a slot at a replica: Allen and Cunneen for general arrivals and work.
/// `turns` replicas take arrivals in turn, which makes them regular.
fn waiting(slots: f64, rate: f64, hold: Spread, turns: f64) -> Spread {
    let offered = (rate * hold.mean).min(BUSY_MAX * slots);
    if offered <= 0.0 || hold.mean <= 0.0 {
        return Spread::default();
    }
    let (arrivals, work) = (1.0 / turns, hold.variance / (hold.mean * hold.mean));
    let variability = (arrivals + work) / 2.0;
    // Kraemer and Langenbach-Belz: regular arrivals meet an empty queue more often.
    let utilization = offered / slots;
    let regular = 2.0 * (1.0 - utilization) * (1.0 - arrivals) * (1.0 - arrivals);
    let share = waits(slots, offered) * libm::exp(-regular / (3.0 * utilization * (arrivals + work)));
    let waiter = hold.mean / (slots - offered) * variability;
    let mean = share * waiter;
    Spread { mean, variance: 2.0 * share * waiter * waiter - mean * mean }
}

impl World {
    /// Fills the meters with what the time since the last collection brought.
    pub(crate) fn fluid_tick(&mut self) {
        let seconds = f64::from(self.setup.tick_seconds.max(1));
        let rate = self.arrivals.rate(&self.topology, self.now);
        let expected = rate * seconds;
        let users = (expected + expected.sqrt() * self.door.normal()).max(0.0);
        let stations = self.stations(users / seconds);
        self.work_off(&stations, seconds);
        for (service, station) in stations.iter().enumerate() {
            self.fill_meters(service, station, seconds);
        }
        let (mut late, total) = (0.0, stations.first().map_or(0.0, |door| door.by_route.iter().sum::<f64>()));
        if let Some(door) = stations.first() {
            for (rate, response) in door.by_route.iter().zip(&door.response) {
                late += rate * (1.0 - response.up_to(1.0));
            }
        }
        // What is content and what is not is spread evenly over the tick.
        let share = if total > 0.0 { 1.0 - late / total } else { 1.0 };
        for second in 0..seconds as u64 {
            let at = self.now.saturating_sub((second + 1) * SECOND);
            self.levels.poured(at, users / seconds, share);
        }
    }

    /// Rates down the calls, then durations up.
    fn stations(&self, users: f64) -> Vec<Station> {
        let routes = self.topology.routes.len();
        let mut stations = vec![
            Station {
                by_route: vec![0.0; routes],
                writes: 0.0,
                response: vec![Spread::default(); routes]
            };
            self.services.len()
        ];
        let shares = self.arrivals.shares(&self.topology);
        for (route, share) in shares.iter().enumerate() {
            stations[0].by_route[route] = users * share;
        }
        for service in 0..self.services.len() {
            for edge in &self.services[service].edges {
                for route in (0..routes).filter(|route| edge.mask & (1 << route) != 0) {
                    let rate = stations[service].by_route[route] * self.share_of(edge.op, edge.open);
                    let callee = &mut stations[edge.callee as usize];
                    callee.by_route[route] += rate;
                    if matches!(edge.op, Operation::Write | Operation::Charge) {
                        callee.writes += rate;
                    }
                }
            }
        }
        for service in (0..self.services.len()).rev() {
            self.answer_times(service, &mut stations);
        }
        stations
    }

    fn share_of(&self, op: Operation, open: bool) -> f64 {
        match op {
            _ if open => 0.0,
            Operation::Fill => 1.0 - HIT_RATIO * self.cache.warm,
            _ => 1.0,
        }
    }

    fn in_service(&self, service: usize) -> Vec<usize> {
        let takes = |place: &usize| {
            let replica = &self.replicas[*place];
            replica.process == Process::Ready && !replica.ejected
        };
        self.services[service].replicas.iter().map(|place| *place as usize).filter(takes).collect()
    }

    /// The work that a replica does itself for a request.
    fn own_work(&self, service: usize, place: usize) -> Spread {
        let spec = &self.topology.services[service];
        let replica = &self.replicas[place];
        let node = &self.nodes[replica.node as usize];
        let disk = if spec.kind == Kind::Database { node.disk_slowness.sqrt() } else { 1.0 };
        let version = &self.services[service].versions[replica.version as usize];
        let slowness = replica.slowness(self.now) * version.slow * node.cpu_slowness * disk;
        let mean = spec.work_ms
            * 1e-3
            * slowness
            * self.services[service].config().slow
            * libm::exp(SIGMA * SIGMA / 2.0);
        Spread { mean, variance: mean * mean * libm::expm1(SIGMA * SIGMA) }
    }

    fn answer_times(&self, service: usize, stations: &mut [Station]) {
        let places = self.in_service(service);
        let total: f64 = stations[service].by_route.iter().sum();
        if places.is_empty() || total <= 0.0 {
            return;
        }
        let count = places.len() as f64;
        let own = places.iter().map(|place| self.own_work(service, *place));
        let own = own.fold(Spread::default(), |sum, own| Spread {
            mean: sum.mean + own.mean / count,
            variance: sum.variance + own.variance / count,
        });
        let mut mixed = (0.0, 0.0);
        for route in 0..stations[service].by_route.len() {
            let mut hold = own;
            for edge in self.services[service].edges.iter().filter(|edge| edge.mask & (1 << route) != 0) {
                let response = stations[edge.callee as usize].response[route];
                hold = hold.plus(response, self.share_of(edge.op, edge.open));
            }
            stations[service].response[route] = hold;
            let share = stations[service].by_route[route] / total;
            mixed.0 += share * hold.mean;
            mixed.1 += share * (hold.variance + hold.mean * hold.mean);
        }
        let hold = Spread { mean: mixed.0, variance: mixed.1 - mixed.0 * mixed.0 };
        let slots = f64::from(self.topology.services[service].slots);
        let reads = (total - stations[service].writes).max(0.0);
        let database = self.topology.services[service].kind == Kind::Database;
        // Reads go round all copies; writes wait at the primary with its share of the reads.
        let (usual, turns) = if database { (reads / count, count) } else { (total / count, count) };
        let turns = if self.topology.services[service].kind == Kind::Cache { 1.0 } else { turns };
        let wait = waiting(slots, usual, hold, turns);
        let writes = waiting(slots, reads / count + stations[service].writes, hold, 1.0);
        let share = if database { stations[service].writes / total } else { 0.0 };
        let busy_copy = if database { (reads / count) / total.max(1e-9) } else { 0.0 };
        for route in 0..stations[service].response.len() {
            let own = stations[service].response[route];
            let at_primary = (share + busy_copy).min(1.0);
            let response = if database {
                own.plus(writes, at_primary).plus(wait, 1.0 - at_primary)
            } else {
                own.plus(wait, 1.0)
            };
            stations[service].response[route] = response;
        }
    }

    fn fill_meters(&mut self, service: usize, station: &Station, seconds: f64) {
        let places = self.in_service(service);
        let count = places.len().max(1) as f64;
        let total: f64 = station.by_route.iter().sum();
        if total <= 0.0 {
            return;
        }
        let database = self.topology.services[service].kind == Kind::Database;
        let own_routes = self.topology.services[service].operation.is_empty();
        let primary = self.cluster(service).map(|cluster| self.clusters[cluster].primary as usize);
        for place in places {
            let reads = (total - station.writes).max(0.0) / count;
            let writes = if primary == Some(place) { station.writes } else { 0.0 };
            let rate = if database { reads + writes } else { total / count };
            let own = self.own_work(service, place);
            let slots = f64::from(self.replicas[place].slots);
            self.replicas[place].busy = super::clock::nanos((rate * own.mean * seconds).min(slots * seconds));
            for (route, of_route) in station.by_route.iter().enumerate().filter(|(_, rate)| **rate > 0.0) {
                let wanted = rate * of_route / total.max(1e-9) * seconds;
                let requests = (wanted + self.replicas[place].outcomes.uniform()).floor().max(0.0);
                let route = if own_routes { route as u8 } else { 0 };
                let response =
                    station.response[if own_routes { route as usize } else { self.busiest(station) }];
                self.replicas[place].meters.poured(route, requests as u64, response);
            }
        }
    }

    /// Orders that come are worked off by the group.
    fn work_off(&mut self, stations: &[Station], seconds: f64) {
        let (producer, consumer) = (self.queue.producer as usize, self.queue.consumer as usize);
        let orders = stations[producer].by_route.iter().sum::<f64>();
        let places = self.in_service(consumer);
        let each = orders * seconds / places.len().max(1) as f64;
        for place in places {
            let work = self.own_work(consumer, place);
            self.replicas[place].busy = super::clock::nanos((each * work.mean).min(seconds));
            let whole = (each + self.replicas[place].outcomes.uniform()).floor();
            self.queue.consumed += whole.max(0.0) as u64;
        }
    }

    fn busiest(&self, station: &Station) -> usize {
        let rates = station.by_route.iter().enumerate();
        rates.max_by(|a, b| a.1.total_cmp(b.1).then(b.0.cmp(&a.0))).map_or(0, |(route, _)| route)
    }

    /// Share of its slots' time that the replicas of a service worked in the last window, and the
    /// duration below which `quantile` of what it served since the start lies.
    #[must_use]
    pub fn utilization_and_quantile(&self, service: &str, quantile: f64) -> Option<(f64, f64)> {
        let service = self.topology.place(service)?;
        let living = self.living(service);
        let busy: f64 = living.iter().map(|place| self.replicas[*place as usize].meters.worked()).sum();
        let slots = f64::from(self.topology.services[service].slots) * living.len() as f64;
        let meters: Vec<_> = living.iter().map(|place| &self.replicas[*place as usize].meters).collect();
        let seconds = self.now as f64 / 1e9;
        Some((busy / slots / seconds.max(1.0), super::telemetry::quantile_of(&meters, quantile)))
    }
}
