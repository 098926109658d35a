//! The shop: its folder, its releases, its process, and theriac beside it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io::Write as _,
    net::{SocketAddr, TcpListener},
    os::unix::fs::symlink,
    path::PathBuf,
    process::Command as Program,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use theriac_connectors::{
    executor::{ProcessExecutor, ProcessSettings},
    topics::Embedded,
};
use theriac_contract::{
    Action, Change, Command, Entity, Executor, Fact, Id, Incident, Interval, Outcome, OutcomeKind,
    RecordedFact, Timestamp, Topic, Topics, Verdict, Verification, VerificationVerdict,
};
use theriac_tests::{
    program::run_well,
    service::{Running, until},
};

use crate::load::{self, Load};

/// Seconds that are known before the test begins.
const PAST: u64 = 1200;

/// Releases, and what is wrong with them.
const RELEASES: [(&str, &str); 3] = [("v1", ""), ("v2", "leaks"), ("v3", "errors")];

/// What the shop keeps.
const ORDERS: &str = "[\"tea\", \"bread\"]";

pub(crate) struct Shop {
    pub(crate) load: Load,
    /// Recoveries that were verified so far.
    pub(crate) verified: usize,
    broken: Instant,
    theriac: Option<Running>,
    executor: ProcessExecutor,
    folder: tempfile::TempDir,
}

/// Whether a process is there and has not ended.
pub(crate) fn runs(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

fn ask(verb: &str) -> Command {
    Command {
        plan: Id::derive("plan", &[verb]),
        incident: Id::derive("incident", &[verb]),
        step: 0,
        attempt: 1,
        compensation: false,
        domain: String::new(),
        action: Action {
            verb: verb.to_owned(),
            target: Entity("shop".to_owned()),
            parameters: BTreeMap::new(),
        },
        idempotency_key: Id::derive("step", &[verb]),
        fencing_token: 1,
        dry_run: false,
        timeout: Interval::from_seconds(20),
        issued: Timestamp::from_seconds(0),
    }
}

fn python() -> PathBuf {
    let path = Program::new("python3").args(["-c", "import sys; print(sys.executable)"]).output();
    PathBuf::from(String::from_utf8(path.expect("python3").stdout).unwrap().trim())
}

/// What may be tried for whatever fault: the waits are short enough for a test.
fn playbooks() -> Value {
    let times = json!({ "timeout": "10s", "settle": "3s", "verify_within": "15s" });
    let strategy = |name: &str, requires: Value, cost: u32, prior: Value, mut step: Value| {
        step.as_object_mut().unwrap().extend(times.as_object().unwrap().clone());
        let stages = json!([{ "name": name, "steps": [step] }]);
        json!({ "name": name, "requires": requires, "cost": cost, "prior": prior, "stages": stages })
    };
    let likely = json!({ "successes": 8, "failures": 2 });
    let likely_too = likely.clone();
    let maybe = json!({ "successes": 4, "failures": 2 });
    let back = json!({ "verb": "rollback_deploy", "target": "change.entity", "parameters": { "version": "{change.from}" } });
    let back = strategy("rollback_deploy", json!(["deploy"]), 8, likely, back);
    let again = json!({ "verb": "restart", "target": "cause.service" });
    let again = strategy("restart_service", json!([]), 12, maybe, again);
    let bring = json!({ "verb": "restore", "target": "cause.service", "parameters": { "checkpoint": "{checkpoint.id}" } });
    let bring = strategy("restore_checkpoint", json!([]), 10, likely_too, bring);
    let faults = ["memory_leak", "bad_deploy", "crash_loop", "hang", "error_burst", "slow_dependency"];
    let playbook = |fault| json!({ "fault": fault, "strategies": if fault == "error_burst" { json!([bring, back, again]) } else { json!([back, again]) } });
    json!({ "playbooks": faults.map(playbook) })
}

impl Shop {
    /// A shop that runs well and has a past, under load, with theriac looking after it.
    pub(crate) fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let here = folder.path().canonicalize().unwrap();
        for (version, fault) in RELEASES {
            let release = here.join("releases").join(version);
            fs::create_dir_all(&release).unwrap();
            fs::write(release.join("service.py"), include_str!("service.py")).unwrap();
            fs::write(release.join("fault"), fault).unwrap();
        }
        symlink("releases/v1", here.join("current")).unwrap();
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let address: SocketAddr = free.local_addr().unwrap();
        drop(free);
        let managed = json!({
            "folder": here.join("managed"),
            "services": { "shop": {
                "program": python(),
                "arguments": [here.join("current/service.py"), here.join("current"), address.port().to_string(), here.join("shop.jsonl"), here.join("orders")],
                "directory": here,
                "release": here.join("current"),
                "output": here.join("shop.log"),
                "health": { "http": format!("http://{address}/health") },
                "healthy_within": "8s",
                "stop_grace": "500ms",
                "restore": {
                    "program": "/bin/sh",
                    "arguments": ["-c", "cp \"orders.$1\" orders", "restore", "{param.checkpoint}"],
                    "directory": here,
                    "environment_keep": ["PATH"],
                },
            } },
        });
        let settings: ProcessSettings = serde_json::from_value(managed.clone()).unwrap();
        let executor = ProcessExecutor::new("local", settings).unwrap();
        let mut local = managed;
        local["kind"] = json!("process");
        let configuration = json!({
            "sources": [
                { "file": { "path": here.join("shop.jsonl"), "format": "json_lines" } },
                { "file": { "path": here.join("web.jsonl"), "format": "json_lines" } },
            ],
            "topology": "topology.yaml",
            "playbooks": ["playbooks.yaml"],
            "act": { "executors": { "local": local }, "routes": [{ "executor": "local" }], "ledger": "ledger" },
            "monitor": { "step": "1s", "lateness": "500ms" },
            "detect": { "close_ticks": 2 },
            "diagnose": { "resolve_after": "4s", "revise_every": "2s", "evidence_digits": 8.0 },
            "plan": {
                "dry_run": false,
                "decide_after": "3s",
                "decide_after_transient": "3s",
                "actions_per_target_max": 50,
                // Four faults within a minute are more than a fleet is expected to see in half an hour.
                "blast": { "budget": 50.0 },
                "plans_per_incident_max": 10,
            },
            "execute": { "grace": "2s" },
        });
        // JSON is YAML, too.
        fs::write(here.join("service.yaml"), configuration.to_string()).unwrap();
        fs::write(here.join("playbooks.yaml"), playbooks().to_string()).unwrap();
        let topology = json!({ "services": [{ "name": "web", "calls": ["shop"] }, { "name": "shop" }] });
        fs::write(here.join("topology.yaml"), topology.to_string()).unwrap();
        fs::write(here.join("shop.jsonl"), "").unwrap();
        fs::write(here.join("orders"), ORDERS).unwrap();
        fs::write(here.join("web.jsonl"), "").unwrap();
        let (verdict, said) = executor.execute(&ask("start"));
        assert_eq!(verdict, Verdict::Succeeded, "{said}");
        let mut shop = Self {
            load: Load::on(address, &here.join("web.jsonl")),
            verified: 0,
            broken: Instant::now(),
            theriac: None,
            executor,
            folder,
        };
        shop.remember();
        shop.theriac = Some(Running::start(shop.folder.path(), "theriac.log", &[]));
        let topics = shop.path("data/topics");
        until("the past to be read", || topics.exists().then_some(()));
        // What came since the process began is heard, too.
        std::thread::sleep(Duration::from_secs(5));
        shop
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A past that is like the present: written before whoever reads it begins.
    fn remember(&self) {
        let resident = fs::read_to_string(format!("/proc/{}/statm", self.pid())).unwrap();
        let resident: u64 = 4096 * resident.split(' ').nth(1).unwrap().parse::<u64>().unwrap();
        let (mut of_shop, mut of_web) = (String::new(), String::new());
        let begin = load::now() - (PAST + 2) * 1_000_000_000;
        for second in 0..PAST {
            let time = begin + second * 1_000_000_000;
            let requests = 2 * load::RATE - 1 + [0, 1, 1, 2, 1][second as usize % 5];
            let memory = resident + 4096 * (second * 7 % 40);
            for (name, value) in [
                ("http.server.requests", u64::from(requests)),
                ("http.server.errors", 0),
                ("process.memory.usage", memory),
            ] {
                let point = json!({ "time": time, "service": "shop", "instance": "shop-1", "name": name, "value": value });
                of_shop += &(point.to_string() + "\n");
            }
            of_web += &load::told(time, 1, load::RATE, 0);
            of_web += &load::told(time, 2, load::RATE, 0);
        }
        fs::write(self.path("shop.jsonl"), of_shop).unwrap();
        fs::write(self.path("web.jsonl"), of_web).unwrap();
    }

    /// Number of its process: that which the executor noted.
    pub(crate) fn pid(&self) -> u32 {
        until("a process", || {
            let note = fs::read(self.path("managed/shop.json")).ok()?;
            let note: Value = serde_json::from_slice(&note).ok()?;
            note["process"]["pid"].as_u64()?.try_into().ok()
        })
    }

    /// When it was broken last.
    pub(crate) fn broken_at(&self) -> Instant {
        self.broken
    }

    /// Breaks it by a signal.
    pub(crate) fn signal(&mut self, name: &str) {
        self.broken = Instant::now();
        self.send(name);
    }

    fn send(&self, name: &str) {
        assert!(Program::new("kill").args([name, &self.pid().to_string()]).status().unwrap().success());
    }

    /// Version of the release that the link leads to.
    pub(crate) fn release(&self) -> String {
        fs::read_link(self.path("current")).unwrap().file_name().unwrap().to_string_lossy().into_owned()
    }

    /// Somebody deploys another release, and says so.
    pub(crate) fn deploy(&mut self, from: &str, to: &str) {
        self.broken = Instant::now();
        symlink(format!("releases/{to}"), self.path("next")).unwrap();
        fs::rename(self.path("next"), self.path("current")).unwrap();
        let told = json!({
            "time": load::now(), "service": "shop", "event_name": "deploy", "body": format!("{to} is out"),
            "attributes": { "change.from": from, "change.to": to },
        });
        let mut file = File::options().append(true).open(self.path("web.jsonl")).unwrap();
        file.write_all((told.to_string() + "\n").as_bytes()).unwrap();
        self.send("-HUP");
    }

    /// Somebody writes what can be read no more over the orders.
    pub(crate) fn spoil(&mut self) {
        self.broken = Instant::now();
        fs::write(self.path("orders"), "[\"tea\", ").unwrap();
    }

    /// Whether the orders are what they were.
    pub(crate) fn orders_are_whole(&self) -> bool {
        let orders = fs::read_to_string(self.path("orders")).unwrap();
        serde_json::from_str::<Value>(&orders).is_ok_and(|orders| orders == json!(["tea", "bread"]))
    }

    fn read<T>(&self, topic: Topic, parse: impl Fn(&[u8]) -> Option<T>) -> Vec<T> {
        let topics = Embedded::open_to_read(&self.path("data/topics")).unwrap();
        let stored = topics.read(topic, 0, 0, usize::MAX).unwrap();
        stored.iter().filter_map(|stored| parse(&stored.record.value)).collect()
    }

    /// Verified recoveries.
    pub(crate) fn recoveries(&self) -> usize {
        let verifications =
            self.read(Topic::Outcomes, |bytes| serde_json::from_slice::<Verification>(bytes).ok());
        verifications.iter().filter(|one| one.verdict == VerificationVerdict::Recovered).count()
    }

    /// Incidents that stand.
    pub(crate) fn incidents_open(&self) -> usize {
        let revisions = self.read(Topic::Incidents, |bytes| serde_json::from_slice::<Incident>(bytes).ok());
        let last: BTreeMap<Id, Incident> = revisions.into_iter().map(|one| (one.id.clone(), one)).collect();
        last.values().filter(|incident| !incident.is_over()).count()
    }

    /// Names of the checkpoints that are facts.
    pub(crate) fn checkpoints(&self) -> BTreeSet<String> {
        let facts = self.read(Topic::Knowledge, |bytes| serde_json::from_slice::<RecordedFact>(bytes).ok());
        let name = |recorded: RecordedFact| match recorded.fact {
            Fact::Changed { change } if change.kind == Change::CHECKPOINT => Some(change.to),
            _ => None,
        };
        facts.into_iter().filter_map(name).collect()
    }

    /// What was restored, in order.
    pub(crate) fn restored(&self) -> Vec<String> {
        let outcomes = self.read(Topic::Outcomes, |bytes| serde_json::from_slice::<Outcome>(bytes).ok());
        let done = outcomes.into_iter().filter(|outcome| outcome.kind == OutcomeKind::Succeeded);
        done.filter_map(|outcome| outcome.action?.parameters.remove("checkpoint")).collect()
    }

    /// Ends theriac, which must end well and has left nothing to do for a person, and the shop.
    pub(crate) fn close(mut self) {
        self.theriac.as_mut().unwrap().stop();
        let left = run_well(self.folder.path(), &["unfinished", "--data-dir", "data"]);
        assert_eq!(left, "every plan that ended reached its goal, or left things as it found them\n");
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = fs::read_to_string(self.path("theriac.log")).unwrap_or_default();
            eprintln!(
                "theriac said:\n{log}\nthe shop said:\n{}",
                fs::read_to_string(self.path("shop.log")).unwrap_or_default()
            );
        }
        // It would start the shop again.
        self.theriac = None;
        self.executor.execute(&ask("stop"));
    }
}
