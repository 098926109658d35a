//! What is simulated: fleet, load, faults, disturbances.

use serde::{Deserialize, Serialize};
use theriac_contract::{
    incident::FaultClass,
    series::Entity,
    time::{Interval, Timestamp},
};

/// Everything that a run depends on, besides the commands that are given to it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Scenario {
    /// Seed of all randomness.
    pub seed: u64,
    /// Event time at which it begins.
    pub start: Timestamp,
    /// How long it is meant to run; the world goes on if it is advanced further.
    pub horizon: Interval,
    /// Seconds between two collections of telemetry.
    pub tick_seconds: u32,
    /// Hosts that replicas are spread over.
    pub hosts: u32,
    /// The services; a service only calls those that come later in the list, and the first
    /// takes the requests of users.
    pub services: Vec<Service>,
    /// What users ask for.
    pub routes: Vec<Route>,
    /// How often users ask.
    pub load: Load,
    /// How much is told.
    pub telemetry: Telemetry,
    /// Whether actions may fail or do nothing, as they do in life.
    pub actions_fail: bool,
    /// What goes wrong.
    pub faults: Vec<Fault>,
    /// What happens without being wrong.
    pub benign: Vec<Benign>,
}

/// A service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// Name.
    pub name: String,
    /// Replicas at the start.
    pub replicas: u32,
    /// Requests that a replica works on at a time.
    pub slots: u32,
    /// Requests that wait at a replica at most; more are refused.
    pub queue: u32,
    /// Median of a request's own work, in milliseconds.
    pub work_ms: f64,
    /// Standard deviation of the logarithm of the work.
    pub work_sigma: f64,
    /// Whether it belongs to somebody else: it sends no telemetry and cannot be acted on.
    pub external: bool,
    /// Operation (method and route) under which it is called; none: that of the user.
    pub operation: Option<(String, String)>,
    /// Version that runs at the start.
    pub version: String,
    /// Calls that it makes for a request, one after the other.
    pub calls: Vec<Call>,
}

/// A call from one service to another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Call {
    /// Who is called.
    pub callee: String,
    /// For which routes, by index.
    pub routes: Vec<u8>,
    /// How long the caller waits; the callee works on regardless.
    pub timeout: Interval,
    /// Attempts in all; those after the first are limited by a budget of a tenth of the calls.
    pub attempts: u32,
    /// Whether the caller checks what is answered against another source.
    pub checked: bool,
    /// Whether the caller can do without the answer when the circuit is open.
    pub fallback: bool,
}

/// Something that users ask for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// `http.request.method`.
    pub method: String,
    /// `http.route`.
    pub path: String,
    /// Share of the requests, relative to the others.
    pub share: f64,
}

/// Open-loop load: Poisson arrivals whose rate has a daily shape and AR(1) noise.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Load {
    /// Mean over a day.
    pub requests_per_second: f64,
    /// Height of the daily wave as a share of the mean.
    pub amplitude: f64,
    /// Length of a day.
    pub period: Interval,
    /// Correlation of the noise from one second to the next.
    pub noise_memory: f64,
    /// Standard deviation of what is added to the noise each second, as a share of the mean.
    pub noise: f64,
    /// Share of requests that are the user's own mistake (answered 404).
    pub client_errors: f64,
}

impl Default for Load {
    fn default() -> Self {
        Self {
            requests_per_second: 60.0,
            amplitude: 0.35,
            period: Interval::from_seconds(2 * 3600),
            noise_memory: 0.95,
            noise: 0.012,
            client_errors: 0.01,
        }
    }
}

/// How much telemetry is sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Telemetry {
    /// Value of `deployment.environment.name`.
    pub environment: String,
    /// Share of user requests of which all spans are sent.
    pub trace_share: f64,
    /// Share of the requests that leave an ordinary log line at each service.
    pub log_share: f64,
    /// Irrelevant log lines a second and replica.
    pub chatter_per_second: f64,
    /// Spans a tick at most; further ones are dropped and counted.
    pub spans_max: u32,
    /// Log records a tick at most; further ones are dropped and counted.
    pub logs_max: u32,
}

impl Default for Telemetry {
    fn default() -> Self {
        Self {
            environment: "demo".to_owned(),
            trace_share: 0.1,
            log_share: 0.03,
            chatter_per_second: 0.3,
            spans_max: 2_000,
            logs_max: 1_000,
        }
    }
}

/// What can go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// A new version keeps what it should let go; its processes die when memory is used up.
    MemoryLeak,
    /// The local state of an instance is corrupt: its process dies soon after each start.
    CrashLoop,
    /// A service that others need answers slowly for a time.
    SlowDependency,
    /// A new version fails often and is slow.
    BadDeploy,
    /// A service fails often for a minute or two.
    ErrorBurst,
    /// An instance answers quickly, looks well, and is often wrong.
    ByzantineReplica,
    /// A neighbour takes most of the processor of a host.
    CpuSaturation,
    /// More users come than the fleet was sized for.
    TrafficSurge,
}

impl FaultKind {
    /// The slug, as in playbooks.
    #[must_use]
    pub const fn slug(self) -> &'static str {
        match self {
            Self::MemoryLeak => "memory_leak",
            Self::CrashLoop => "crash_loop",
            Self::SlowDependency => "slow_dependency",
            Self::BadDeploy => "bad_deploy",
            Self::ErrorBurst => "error_burst",
            Self::ByzantineReplica => "byzantine_replica",
            Self::CpuSaturation => "cpu_saturation",
            Self::TrafficSurge => "traffic_surge",
        }
    }

    /// How it behaves.
    #[must_use]
    pub const fn class(self) -> FaultClass {
        match self {
            Self::MemoryLeak | Self::CrashLoop | Self::BadDeploy => FaultClass::Permanent,
            Self::SlowDependency | Self::ErrorBurst | Self::CpuSaturation | Self::TrafficSurge => {
                FaultClass::Transient
            }
            Self::ByzantineReplica => FaultClass::Byzantine,
        }
    }
}

/// A fault.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// What goes wrong.
    pub kind: FaultKind,
    /// Where: a service (`cart`), an instance (`cart/cart-2`) or a host (`host:node-1`).
    pub target: Entity,
    /// When, from the start.
    pub at: Interval,
    /// How long a fault lasts that goes away by itself; ignored for others.
    pub duration: Interval,
    /// How bad, 1 for the ordinary case: multiplies rates, slowness and growth.
    #[serde(default = "ordinary")]
    pub strength: f64,
}

const fn ordinary() -> f64 {
    1.0
}

/// What happens without being wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BenignKind {
    /// A harmless new version.
    Deploy,
    /// A harmless new configuration.
    Configuration,
    /// More users, within capacity.
    TrafficBump,
    /// Ten seconds of slowness and errors at a service.
    Blip,
}

/// A benign disturbance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Benign {
    /// What.
    pub kind: BenignKind,
    /// Which service.
    pub target: Entity,
    /// When, from the start.
    pub at: Interval,
    /// How long; ignored for changes.
    pub duration: Interval,
}

impl Default for Scenario {
    /// A shop of seven services on four hosts, one hour, in which nothing goes wrong.
    fn default() -> Self {
        let route = |method: &str, path: &str, share: f64| Route {
            method: method.to_owned(),
            path: path.to_owned(),
            share,
        };
        Self {
            seed: 1,
            start: Timestamp::from_seconds(1_767_225_600),
            horizon: Interval::from_seconds(3600),
            tick_seconds: 5,
            hosts: 4,
            services: shop(),
            routes: vec![
                route("GET", "/products", 0.55),
                route("POST", "/cart", 0.25),
                route("POST", "/checkout", 0.20),
            ],
            load: Load::default(),
            telemetry: Telemetry::default(),
            actions_fail: true,
            faults: Vec::new(),
            benign: Vec::new(),
        }
    }
}

fn shop() -> Vec<Service> {
    let service =
        |name: &str, replicas, slots, work_ms, operation: Option<&str>, version: &str, calls| Service {
            name: name.to_owned(),
            replicas,
            slots,
            queue: 4 * slots,
            work_ms,
            work_sigma: 0.35,
            external: false,
            operation: operation
                .and_then(|text| text.split_once(' '))
                .map(|(m, p)| (m.to_owned(), p.to_owned())),
            version: version.to_owned(),
            calls,
        };
    let call = |callee: &str, routes: &[u8], millis, attempts, checked, fallback| Call {
        callee: callee.to_owned(),
        routes: routes.to_vec(),
        timeout: Interval::from_millis(millis),
        attempts,
        checked,
        fallback,
    };
    let mut services = vec![
        service("gateway", 3, 64, 4.0, None, "3.2.0", vec![call("shop", &[0, 1, 2], 5000, 1, false, false)]),
        service(
            "shop",
            3,
            24,
            15.0,
            None,
            "7.4.1",
            vec![
                call("cart", &[1, 2], 1500, 1, true, false),
                call("catalog", &[0, 2], 1500, 2, true, false),
                call("payment", &[2], 4000, 1, false, false),
            ],
        ),
        service("cart", 3, 2, 40.0, Some("POST /cart/items"), "2.9.3", vec![]),
        service(
            "catalog",
            3,
            4,
            45.0,
            Some("GET /catalog/items"),
            "5.0.7",
            vec![call("database", &[0, 2], 1200, 2, false, true)],
        ),
        service(
            "payment",
            3,
            8,
            50.0,
            Some("POST /payments"),
            "4.1.2",
            vec![call("bank", &[2], 3000, 1, false, true)],
        ),
        service("database", 2, 3, 20.0, Some("GET /query"), "15.6", vec![]),
        service("bank", 1, 500, 60.0, Some("POST /transfers"), "1", vec![]),
    ];
    if let Some(bank) = services.last_mut() {
        bank.external = true;
    }
    services
}

/// A scenario that cannot be played as it is written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScenarioError {
    /// There are no services, no hosts or no routes.
    #[error("the scenario has no {0}; give at least one")]
    Empty(&'static str),
    /// A call leads nowhere.
    #[error("`{caller}` calls `{callee}`, which does not come after it in the list of services")]
    Call {
        /// Caller.
        caller: String,
        /// Callee.
        callee: String,
    },
    /// A fault or disturbance is to happen at a place that does not exist.
    #[error("`{target}` in `{list}` is no {expected} of the scenario")]
    Target {
        /// `faults` or `benign`.
        list: &'static str,
        /// As written.
        target: Entity,
        /// `service`, `instance` or `host`.
        expected: &'static str,
    },
}

impl Scenario {
    /// Whether everything in it leads somewhere.
    ///
    /// # Errors
    /// The first thing that does not.
    pub fn check(&self) -> Result<(), ScenarioError> {
        let counts = [
            (self.services.len(), "services"),
            (self.routes.len(), "routes"),
            (self.hosts as usize, "hosts"),
        ];
        if let Some((_, what)) = counts.into_iter().find(|(count, _)| *count == 0) {
            return Err(ScenarioError::Empty(what));
        }
        for (place, service) in self.services.iter().enumerate() {
            if let Some(call) = service.calls.iter().find(|call| !self.leads_on(place, call)) {
                let (caller, callee) = (service.name.clone(), call.callee.clone());
                return Err(ScenarioError::Call { caller, callee });
            }
        }
        let missing = |list, target: &Entity, expected| {
            Err(ScenarioError::Target { list, target: target.clone(), expected })
        };
        for fault in &self.faults {
            let expected = match fault.kind {
                FaultKind::CrashLoop | FaultKind::ByzantineReplica => "instance",
                FaultKind::CpuSaturation => "host",
                _ => "service",
            };
            if !self.has(&fault.target, expected) {
                return missing("faults", &fault.target, expected);
            }
        }
        match self.benign.iter().find(|benign| !self.has(&benign.target, "service")) {
            Some(benign) => missing("benign", &benign.target, "service"),
            None => Ok(()),
        }
    }

    fn has(&self, target: &Entity, expected: &str) -> bool {
        let service = self.services.iter().find(|service| service.name == target.service());
        match expected {
            "service" => !target.is_instance() && service.is_some(),
            "instance" => service.is_some_and(|service| {
                (1..=service.replicas).any(|n| target.as_str() == format!("{0}/{0}-{n}", service.name))
            }),
            _ => (1..=self.hosts).any(|n| target.as_str() == format!("host:node-{n}")),
        }
    }

    fn leads_on(&self, caller: usize, call: &Call) -> bool {
        self.services.iter().skip(caller + 1).any(|service| service.name == call.callee)
    }

    /// The same without calls that lead nowhere, and with at least one host and a tick.
    pub(super) fn without_dangling(mut self) -> Self {
        let original = self.clone();
        for (place, service) in self.services.iter_mut().enumerate() {
            service.calls.retain(|call| original.leads_on(place, call));
        }
        self.hosts = self.hosts.max(1);
        self.tick_seconds = self.tick_seconds.max(1);
        self
    }
}
