//! Real readings of the machine that runs the test.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use theriac_connectors::host::{Host, Settings};
use theriac_contract::{
    Fetch, Interval, Source, Telemetry, Timestamp,
    telemetry::{Points, parse_attributes},
};

/// A source under a clock that the test moves, in seconds.
fn host(settings: Settings) -> (Host, Arc<AtomicI64>) {
    let seconds = Arc::new(AtomicI64::new(1_000_000));
    let hand = Arc::clone(&seconds);
    let clock = Arc::new(move || Timestamp::from_seconds(hand.load(Ordering::SeqCst)));
    (Host::new(settings, clock).expect("the machine tells about itself"), seconds)
}

fn batch(host: &mut Host) -> Option<Telemetry> {
    match host.fetch(1 << 20).expect("it can be read") {
        Fetch::Batch(mut fetched) => {
            assert_eq!((fetched.telemetry.len(), fetched.rejects.len()), (1, 0));
            fetched.telemetry.pop()
        }
        Fetch::Idle => None,
        Fetch::End => panic!("a machine does not end"),
    }
}

type Values = BTreeMap<(String, String), f64>;

fn values(telemetry: &Telemetry) -> Values {
    let points = Points::new(telemetry.batch()).expect("points");
    let row = |row: usize| {
        ((points.name.text(row).to_owned(), points.attributes.text(row).to_owned()), points.value.value(row))
    };
    (0..telemetry.rows()).map(row).collect()
}

fn one_reading(settings: Settings) -> (Telemetry, Values) {
    let (mut host, seconds) = host(settings);
    assert!(batch(&mut host).is_none());
    std::thread::sleep(std::time::Duration::from_millis(300));
    seconds.fetch_add(5, Ordering::SeqCst);
    let telemetry = batch(&mut host).expect("the interval has passed");
    let values = values(&telemetry);
    (telemetry, values)
}

fn kibibytes(text: &str, field: &str) -> f64 {
    let line = text.lines().find(|line| line.starts_with(field)).expect("a line of /proc/meminfo");
    line.split_whitespace().nth(1).and_then(|n| n.parse::<f64>().ok()).expect("a number") * 1024.0
}

#[test]
fn values_agree_with_proc() {
    let (_, values) = one_reading(Settings::default());
    let get =
        |name: &str, labels: &str| *values.get(&(name.to_owned(), labels.to_owned())).unwrap_or(&f64::NAN);
    let proc = |file: &str| fs::read_to_string(format!("/proc/{file}")).expect("Linux");

    let memory = proc("meminfo");
    assert_eq!(get("system.memory.limit", "{}"), kibibytes(&memory, "MemTotal:"));
    let available = get("system.linux.memory.available", "{}");
    assert!((available - kibibytes(&memory, "MemAvailable:")).abs() < 1e9, "{available}");

    let cores = proc("cpuinfo").lines().filter(|line| line.starts_with("processor")).count();
    assert_eq!(get("system.cpu.logical.count", "{}"), cores as f64);
    let busy = get("system.cpu.utilization", "{}");
    assert!((0.0..=1.0).contains(&busy), "{busy}");

    let load: f64 = proc("loadavg").split(' ').next().and_then(|n| n.parse().ok()).expect("a number");
    assert!((get("system.cpu.load_average.1m", "{}") - load).abs() < 1.0);
    let uptime: f64 = proc("uptime").split(' ').next().and_then(|n| n.parse().ok()).expect("a number");
    assert!((get("system.uptime", "{}") - uptime).abs() < 5.0);

    // Threads of the kernel have no command line; they are no processes.
    let has_program = |entry: &fs::DirEntry| {
        entry.file_name().to_string_lossy().parse::<u32>().is_ok()
            && fs::read(entry.path().join("cmdline")).is_ok_and(|line| !line.is_empty())
    };
    let processes = fs::read_dir("/proc").expect("Linux").flatten().filter(has_program).count() as f64;
    let told = get("system.process.count", "{}");
    assert!(told >= 1.0 && (told - processes).abs() <= 0.5 * processes + 20.0, "{told} of {processes}");

    for line in proc("net/dev").lines().skip(2) {
        let (name, rest) = line.split_once(':').expect("interface: fields");
        let later: f64 = rest.split_whitespace().next().and_then(|n| n.parse().ok()).expect("bytes received");
        let labels =
            format!(r#"{{"network.interface.name":"{}","network.io.direction":"receive"}}"#, name.trim());
        let told = get("system.network.io", &labels);
        assert!(told <= later && later - told < 1e9, "{name}: {told} then {later}");
    }
    if let Ok(text) = fs::read_to_string("/proc/pressure/cpu") {
        let later: f64 = text
            .split_whitespace()
            .find_map(|field| field.strip_prefix("total="))
            .and_then(|total| total.parse().ok())
            .expect("a total");
        let labels = r#"{"system.linux.pressure.kind":"some","system.linux.pressure.resource":"cpu"}"#;
        let told = get("system.linux.pressure.time", labels);
        assert!(told <= later / 1e6 && later / 1e6 - told < 60.0, "{told} then {later}");
    }
}

#[test]
fn names_are_pinned_and_rows_bounded() {
    let settings = Settings { cores_max: 1, devices_max: 1, processes_max: 2, ..Settings::default() };
    let (telemetry, values) = one_reading(Settings { host_name: Some("node-1".to_owned()), ..settings });
    let known: BTreeSet<&str> = [
        "process.count",
        "process.cpu.utilization",
        "process.memory.usage",
        "system.cpu.load_average.15m",
        "system.cpu.load_average.1m",
        "system.cpu.load_average.5m",
        "system.cpu.logical.count",
        "system.cpu.utilization",
        "system.disk.io",
        "system.filesystem.usage",
        "system.filesystem.utilization",
        "system.linux.memory.available",
        "system.linux.pressure.time",
        "system.memory.limit",
        "system.memory.usage",
        "system.memory.utilization",
        "system.network.errors",
        "system.network.io",
        "system.network.packet.count",
        "system.paging.usage",
        "system.paging.utilization",
        "system.process.count",
        "system.uptime",
    ]
    .into();
    let told: BTreeSet<&str> = values.keys().map(|(name, _)| name.as_str()).collect();
    assert!(told.is_subset(&known), "{:?}", told.difference(&known));
    // A container may have no swap, disk, network or pressure files; the rest is always there.
    let machine = |name: &&&str| {
        !["system.disk", "system.filesystem", "system.linux.pressure", "system.network", "system.paging"]
            .iter()
            .any(|prefix| name.starts_with(prefix))
    };
    assert!(known.iter().filter(machine).all(|name| told.contains(name)), "{told:?}");
    assert_eq!(values.len(), telemetry.rows(), "no series twice");
    let of = |name: &str| values.keys().filter(|(told, _)| told == name).count();
    assert_eq!(of("system.cpu.utilization"), 2, "the total and one core");
    assert!(of("process.memory.usage") <= 4);
    assert!(of("system.network.io") <= 2);
    let points = Points::new(telemetry.batch()).expect("points");
    let resource = parse_attributes(points.resource.text(0));
    assert_eq!(resource["host.name"], "node-1");
}

#[test]
fn gives_one_batch_in_each_interval() {
    let settings = Settings { interval: Interval::from_seconds(10), ..Settings::default() };
    let (mut host, seconds) = host(settings);
    let mut told = Vec::new();
    for second in 0..60 {
        // The machine sleeps from second 31 to 44: what was missed is not made up for.
        if !(31..45).contains(&second) {
            seconds.store(1_000_000 + second, Ordering::SeqCst);
            told.extend(batch(&mut host).map(|_| second));
        }
    }
    assert_eq!(told, [10, 20, 30, 45, 50]);
    assert_eq!(host.position(), "5");
    host.seek("7").expect("a number");
    assert_eq!(host.position(), "7");
    assert!(host.seek("elsewhere").is_err());
}
