//! What each fault changes in the fleet: versions, revisions, nodes, data, records. A restart takes
//! away only what sits in a process.

use super::super::{
    change::Change,
    clock::{Event, MILLISECOND, Nanos, SECOND},
    database::Lock,
    lifecycle::Renewal,
    queue::Message,
    service::{Balancing, Process, Version},
    telemetry::{Lie, Severity},
    world::World,
};

/// Attempts of a caller whose budget somebody took away.
const STORMING: u32 = 4;

/// Requests that a replica has at a time which only waits.
const HANGING: u32 = 400;

impl World {
    /// A fault begins. Nothing is said of it but what the fleet itself says.
    pub(crate) fn begin_fault(&mut self, index: usize) {
        if !self.comes_of_it(index) {
            return;
        }
        let now = self.now;
        let place = self.injected[index].fault.place.clone();
        let code = self.injected[index].fault.record.code.clone();
        let (name, instance) = place.split_once('/').unwrap_or((&place, &place));
        let replica = self.replica_named(instance);
        let node = replica.map(|replica| self.replicas[replica as usize].node as usize);
        self.injected[index].begun = Some(now);
        self.injected[index].node = node;
        let (caller, callee) = place.split_once("->").unwrap_or((name, name));
        let service = self.topology.place(callee).unwrap_or_default();
        let caller = self.topology.place(caller).unwrap_or_default();
        let end = Event::FaultEnd(index as u32);
        match code.as_str() {
            "F01" => self.kill(replica),
            "F02" => self.configure(service, Change::Configuration, |config| config.crash = true),
            "F03" => self.deploy_bad(service, |version| version.leak = 3.6e-4),
            "F04" => self.on_node(node, |node| node.cpu_slowness = 6.0),
            "F05" => self.on_replica(replica, |replica| replica.slow = 100.0),
            "F06" => {
                // It takes everything and waits for somebody else.
                self.on_all(service, |replica| replica.slots = HANGING);
                self.slow_down(service, 60.0);
            }
            "F07" => self.on_replica(replica, |replica| replica.deadlocked = true),
            "F08" => self.configure(service, Change::Flag, |config| config.pauses = 0.5),
            "F09" => self.deploy_bad(service, |version| version.descriptors = 6.0e-4),
            "F10" => self.on_node(node, |node| node.clock_offset = 30.0),
            "F11" => self.on_node(node, |node| {
                node.disk_fill = 0.97;
                node.disk_growth = 0.004;
            }),
            "F12" => self.on_node(node, |node| node.disk_slowness = 25.0),
            "F13" => self.on_replica(replica, |replica| replica.wrong = 0.15),
            "F14" => self.on_replica(replica, |replica| replica.lag_growth = 1.0),
            "F15" => {
                self.kill(replica);
                self.heap.push(now + 300 * SECOND, end);
            }
            "F16" => {
                if let Some(cluster) = self.cluster(service) {
                    self.clusters[cluster].lock = Some(Lock { share: 0.6, returns: true });
                }
                self.heap.push(now + 900 * SECOND, end);
            }
            "F17" => self.configure(service, Change::Schema, |config| config.slow = 8.0),
            "F18" => self.configure(service, Change::Configuration, |config| config.pool = Some(1)),
            "F19" => self.arrivals.hot = 0.6,
            "F20" => self.poison(instance),
            "F21" => {
                self.on_all(service, |replica| replica.slow = 2.6);
                self.heap.push(now + 900 * SECOND, end);
            }
            "F22" => self.zone_delay = 400 * MILLISECOND,
            "F23" => self.on_node(node, |node| node.loss = 0.35),
            "F24" => {
                self.partitioned_until = now + 90 * SECOND;
                self.heap.push(now + 90 * SECOND, end);
            }
            "F25" => self.configure(service, Change::Configuration, |config| config.unresolvable = true),
            "F26" => self.services[service].certificate_until = now,
            "F27" => self.deploy_bad(service, |version| version.error = 0.5),
            "F28" => self.deploy_bad(service, |version| version.slow = 5.0),
            "F29" => self.migrate_badly(service),
            "F30" => self.configure(service, Change::Flag, |config| config.error = 0.4),
            "F31" => self.configure(service, Change::Configuration, |config| config.desired = Some(1)),
            "F32" => {
                self.arrivals.surge *= 2.0;
                self.heap.push(now + 400 * SECOND, end);
            }
            "F33" | "F34" => self.feed_back(&code, caller, service, end),
            "F35" => {
                self.kill(self.replica_named("cache-1"));
                self.cache.warm = 0.02;
            }
            "F36" => self.silently(service, 1.0, 1.0),
            "F37" => self.silently(service, 0.0, 40.0),
            "F38" => {
                let edges = self.services[caller].edges.iter_mut();
                edges.filter(|edge| edge.callee as usize == service).for_each(|edge| {
                    edge.attempts = STORMING;
                    edge.budget = None;
                });
                if let Some(external) = self.externals.get_mut(&(service as u32)) {
                    external.quota = Some(7.0);
                    external.exceed();
                }
            }
            "F39" => self.deploy_bad(service, |version| version.wrong = 0.01),
            "F40" => self.deploy_bad(service, |version| version.duplicates = 0.15),
            "F41" => {
                self.services[service].balancing = Balancing::LeastRequests;
                self.on_replica(replica, |replica| {
                    replica.fails = 0.9;
                    replica.slow = 0.02;
                });
            }
            "F42" => {
                if let Some(replica) = replica {
                    self.recorder.lies.push(Lie {
                        replica,
                        metric: "process.cpu.utilization",
                        value: 9.9e15,
                    });
                }
            }
            "F43" => {
                self.arrivals.abuse = 0.5;
                self.heap.push(now + 900 * SECOND, end);
            }
            "F44" => {
                self.on_all(service, |replica| replica.fails = 0.5);
                self.heap.push(now + 15 * SECOND, end);
            }
            "F45" => {
                self.kill(self.replica_named(&format!("{name}-1")));
                self.kill(self.replica_named(&format!("{name}-2")));
            }
            _ => {}
        }
        self.begin_rhythm(index);
        self.mix(now ^ index as u64);
    }

    /// What goes away by itself goes away.
    pub(crate) fn end_fault(&mut self, index: usize) {
        let place = self.injected[index].fault.place.clone();
        let code = self.injected[index].fault.record.code.clone();
        let service = self.topology.place(place.split_once("->").map_or(place.as_str(), |edge| edge.1));
        let service = service.unwrap_or_default();
        match code.as_str() {
            "F15" => self.come_back(&place, index),
            "F16" => {
                if let Some(cluster) = self.cluster(service) {
                    self.unlock(cluster);
                }
            }
            "F21" => self.on_all(service, |replica| replica.slow = 1.0),
            "F24" => {
                for cluster in 0..self.clusters.len() {
                    self.reconcile(cluster);
                }
            }
            "F32" => self.arrivals.surge /= 2.0,
            "F33" => self.arrivals.surge /= 3.0,
            "F43" => self.arrivals.abuse = 0.0,
            "F44" => self.on_all(service, |replica| replica.fails = 0.0),
            _ => {}
        }
    }

    fn on_node(&mut self, node: Option<usize>, change: impl FnOnce(&mut super::super::world::Node)) {
        if let Some(node) = node {
            change(&mut self.nodes[node]);
        }
    }

    fn on_replica(&mut self, replica: Option<u32>, change: impl FnOnce(&mut super::super::service::Replica)) {
        if let Some(replica) = replica {
            change(&mut self.replicas[replica as usize]);
        }
    }

    /// The replicas that a service has now; those that come later are well.
    fn on_all(&mut self, service: usize, change: impl Fn(&mut super::super::service::Replica)) {
        for place in self.services[service].replicas.clone() {
            change(&mut self.replicas[place as usize]);
        }
    }

    fn kill(&mut self, replica: Option<u32>) {
        if let Some(place) = replica {
            self.replicas[place as usize].stays_down = true;
            self.crash(place, "terminated: signal 9");
        }
    }

    /// A version that is bad in some way is rolled out, at once: that the work of the rollout shows
    /// is a benign disturbance of its own.
    fn deploy_bad(&mut self, service: usize, change: impl FnOnce(&mut Version)) {
        let present = self.services[service].version() as usize;
        let name = next_version(&self.services[service].versions[present].name);
        let mut version = Version::sound(&name);
        change(&mut version);
        let version = self.services[service].release(version);
        self.deploy(service, version);
        self.on_all(service, |replica| {
            replica.version = version;
            replica.restarts += 1;
        });
    }

    /// Work takes longer, and no change says why.
    fn slow_down(&mut self, service: usize, factor: f64) {
        self.silently(service, 0.0, factor);
    }

    fn silently(&mut self, service: usize, error: f64, slow: f64) {
        let present = self.services[service].configured.last().copied().unwrap_or_default() as usize;
        let config = &mut self.services[service].configs[present];
        config.error = error;
        config.slow = slow;
    }

    fn poison(&mut self, partition: &str) {
        let now = self.now;
        let index = partition.parse::<usize>().unwrap_or_default() % self.queue.partitions.len().max(1);
        let messages = &mut self.queue.partitions[index].messages;
        messages.push_back(Message { order: 0, at: now, poison: true, overdue: true });
    }

    fn migrate_badly(&mut self, service: usize) {
        let present = self.services[service].version() as usize;
        self.services[service].versions[present].schema = 0;
        self.deploy_bad(service, |version| version.error = 0.12);
        self.schema = 1;
        self.announce(service, Change::Schema, 0, 1);
        let present = self.services[service].version() as usize;
        let name = next_version(&self.services[service].versions[present].name);
        self.services[service].release(Version::sound(&name));
    }

    /// Retries without a budget, and what sets them off.
    fn feed_back(&mut self, code: &str, caller: usize, service: usize, end: Event) {
        let edges = self.services[caller].edges.iter_mut();
        edges.filter(|edge| edge.callee as usize == service).for_each(|edge| {
            edge.attempts = STORMING;
            edge.budget = None;
        });
        if code == "F33" {
            self.arrivals.surge *= 3.0;
            self.heap.push(self.now + 20 * SECOND, end);
        } else {
            for place in self.living(service) {
                self.renew_process(place, Renewal::Restart, 10 * SECOND);
            }
        }
    }

    /// A primary that was away is back, and does not know that it was replaced.
    fn come_back(&mut self, place: &str, fault: usize) {
        let Some(replica) = place.split_once('/').and_then(|(_, name)| self.replica_named(name)) else {
            return;
        };
        let service = self.replicas[replica as usize].service as usize;
        let Some(index) = self.cluster(service) else { return };
        if self.replicas[replica as usize].process != Process::Dead {
            // Somebody notices that there are two, and one of them must go.
            return self.reconcile(index);
        }
        let replaced = self.clusters[index].primary != replica;
        let fenced = self.clusters[index].second != Some(replica);
        if replaced && fenced {
            return;
        }
        self.replicas[replica as usize].stays_down = false;
        self.start(replica);
        self.heap.push(self.now + 60 * SECOND, Event::FaultEnd(fault as u32));
        self.say(replica, Severity::Info, "database system was interrupted; last known up before".to_owned());
    }
}

/// The next version: the last number is one higher.
fn next_version(name: &str) -> String {
    let (head, last) = name.rsplit_once('.').unwrap_or(("", name));
    let number: Nanos = last.parse().unwrap_or_default();
    if head.is_empty() { (number + 1).to_string() } else { format!("{head}.{}", number + 1) }
}
