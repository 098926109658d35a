//! Incidents that nobody had, as large as wanted: what measures how long a diagnosis takes, and what tests
//! that nothing hangs on names. The same number gives the same incident.

use theriac_contract::{Entity, Timestamp};

use super::{
    Incident, Objective, Series,
    requests::{
        CPU, MEMORY,
        window::{Call, Level, Line, Window},
    },
};
use crate::Family;

/// Bits that look drawn (SplitMix64).
fn bits(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// Uniform in 0 to 1, of a place.
fn uniform(place: [u64; 4]) -> f64 {
    let mixed = place.iter().fold(0, |mixed, one| bits(mixed ^ *one));
    (mixed >> 11) as f64 / (1_u64 << 53) as f64
}

/// Who calls a service: a tree in which each calls two.
const fn caller(service: usize) -> Option<usize> {
    if service == 0 { None } else { Some((service - 1) / 2) }
}

/// A name that says nothing.
fn name(service: usize) -> String {
    format!("service-{service:03}")
}

/// What the series of a service are, in turn: cause, then what it leads to.
const PARTS: [(&str, Family); 5] = [
    ("cpu", Family::Cpu),
    ("latency", Family::Latency),
    ("memory", Family::Memory),
    ("errors", Family::Errors),
    ("traffic", Family::Traffic),
];

/// An incident of so many services and series: an hour at every fifteen seconds, then ten minutes in which
/// the processor of one service is busy, and it and all that wait for it are slow. That service is the
/// second of what is given back.
#[must_use]
pub fn incident(services: usize, series: usize, number: u64) -> (Incident, String) {
    const ORDINARY: u64 = 240;
    const DURING: u64 = 40;
    let services = services.max(1);
    let cause = bits(number) as usize % services;
    let mut waiting = vec![false; services];
    let mut at = Some(cause);
    while let Some(service) = at {
        waiting[service] = true;
        at = caller(service);
    }
    let one = |index: usize| {
        let (service, turn) = (index % services, index / services);
        let (part, family) = PARTS[turn % PARTS.len()];
        let times = match (part, waiting[service]) {
            ("cpu", _) if service == cause => 5.0,
            ("latency", true) => 3.0,
            _ => 1.0,
        };
        let level = 10.0 + 90.0 * uniform([number, index as u64, 0, 0]);
        let value = |row: u64| level * (1.0 + 0.2 * (uniform([number, index as u64, 1, row]) - 0.5));
        let copy = turn / PARTS.len();
        Series {
            entity: name(service),
            part: if copy == 0 { part.to_owned() } else { format!("{part}-{copy}") },
            family,
            ordinary: (0..ORDINARY).map(value).collect(),
            before: Vec::new(),
            during: (ORDINARY..ORDINARY + DURING)
                .map(|row| value(row) * if row < ORDINARY + 4 { 1.0 } else { times })
                .collect(),
        }
    };
    let volumes = (0..services).map(|service| (name(service), vec![100.0; DURING as usize])).collect();
    let incident = Incident {
        series: (0..series).map(one).collect(),
        step_seconds: 15.0,
        calls: (1..services).filter_map(|service| Some((name(caller(service)?), name(service)))).collect(),
        objective: Some(Objective { entity: name(0), part: "latency".to_owned(), volumes }),
    };
    (incident, name(cause))
}

/// Spans of a request at most: it goes down one path of the tree, and back.
const DEPTH: usize = 12;

/// A window without a fault and one with it, of so many spans each at least: requests that go down paths
/// of a tree of services, with a client's and a server's span for each call and a line for each of these.
/// With the fault, one service no longer calls what it used to in half of the requests and logs an error.
/// That service is the last of what is given back.
#[must_use]
pub fn windows(services: usize, spans: usize, number: u64) -> ([Window; 2], String) {
    let services = services.max(3);
    // One that calls others.
    let cause = bits(number) as usize % (services / 2);
    let window = |is_fault: bool| {
        let mut window = Window::default();
        let mut request = 0;
        while window.calls.len() < spans {
            add_request(&mut window, services, (number, request), is_fault.then_some(cause));
            request += 1;
        }
        for service in 0..services {
            for (resource, share) in [(CPU, 0.3), (MEMORY, 0.6)] {
                let noise = uniform([number, service as u64, 2, u64::from(is_fault)]);
                window.levels.push(Level { entity: entity(service), resource, share: share + 0.05 * noise });
            }
        }
        window
    };
    ([window(false), window(true)], name(cause))
}

fn entity(service: usize) -> Entity {
    Entity::instance(&name(service), &format!("{}-0", name(service)))
}

fn add_request(window: &mut Window, services: usize, (number, request): (u64, u64), cause: Option<usize>) {
    let draw = |what: u64, at: usize| uniform([number, request, what, at as u64]);
    let mut path = vec![0];
    while let Some(last) = path.last().copied()
        && path.len() < DEPTH
        && 2 * last + 1 < services
    {
        path.push((2 * last + 1 + usize::from(draw(3, path.len()) < 0.5)).min(services - 1));
    }
    let stops =
        cause.filter(|_| draw(4, 0) < 0.5).and_then(|cause| path.iter().position(|one| *one == cause));
    if let Some(stops) = stops {
        path.truncate(stops + 1);
    }
    let mut trace = [0; 16];
    trace[..8].copy_from_slice(&bits(number ^ (request << 1)).to_be_bytes());
    trace[8..].copy_from_slice(&request.to_be_bytes());
    let id = |at: usize| bits(bits(number ^ request) ^ at as u64).to_be_bytes();
    let begin = request as i64 * 1_000_000_000;
    let mut add = |at: usize, service: usize, operation: String, depth: i64| {
        let from = begin + depth * 1_000_000;
        let took = (2 * path.len() as i64 - depth) * 5_000_000 + (draw(5, at) * 1e6) as i64;
        window.calls.push(Call {
            trace,
            span: id(at),
            parent: at.checked_sub(1).map(id),
            entity: entity(service),
            operation,
            start: Timestamp(from),
            end: Timestamp(from + took),
        });
        window.lines.push(Line {
            trace,
            span: id(at),
            entity: entity(service),
            time: Timestamp(from + 1000),
            severity: 9,
            statement: format!("{}.handler#{}", name(service), at % 2),
        });
    };
    for (depth, service) in path.iter().enumerate() {
        let begins = 2 * depth as i64;
        add(2 * depth, *service, format!("GET /{}", name(*service)), begins);
        if let Some(next) = path.get(depth + 1) {
            add(2 * depth + 1, *service, format!("call {}", name(*next)), begins + 1);
        }
    }
    if stops.is_some()
        && let Some(last) = window.lines.last_mut()
    {
        last.severity = 17;
        last.statement = format!("{}.handler#failed", name(path[path.len() - 1]));
    }
}
