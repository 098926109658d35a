//! Channels over requests, on small systems made by hand: `web` calls `cart`, `cart` calls `store`.

use theriac_contract::{Entity, Timestamp};
use theriac_diagnose::{
    channel::{
        Claim,
        requests::{
            CPU, MEMORY, NETWORK, RATIO_MAX, RATIO_MIN, callers, delays, errors, levels, metered,
            transitions,
            window::{Call, Edge, Level, Line, Observed, Window},
        },
    },
    weighing::{Weighed, weigh},
};

const MILLISECOND: i64 = 1_000_000;

fn entity(service: &str) -> Entity {
    Entity::instance(service, &format!("{service}-1"))
}

/// What a request does.
#[derive(Clone, Copy)]
struct Shape {
    /// Milliseconds between client and server of `cart`, and of its own work.
    gap: i64,
    work: i64,
    /// `cart` fails before it calls `store`.
    fails: bool,
    /// It logs.
    logs: bool,
}

const USUAL: Shape = Shape { gap: 1, work: 10, fails: false, logs: true };

/// One request a second; every one a little longer than the one before, so that nothing is constant.
fn window(requests: u8, shape: impl Fn(u8) -> Shape) -> Window {
    let mut window = Window::default();
    for number in 0..requests {
        let Shape { gap, work, fails, logs } = shape(number);
        let trace = [number; 16];
        let begin = i64::from(number) * 1000;
        let mut call = |id: u8, parent: Option<u8>, service: &str, operation: &str, from: i64, to: i64| {
            let span = |id: u8| [number, id, 0, 0, 0, 0, 0, 1];
            let at = |milliseconds: i64| Timestamp((begin + milliseconds) * MILLISECOND);
            window.calls.push(Call {
                trace,
                span: span(id),
                parent: parent.map(span),
                entity: entity(service),
                operation: operation.to_owned(),
                start: at(from),
                end: at(to).plus(theriac_contract::Interval(i64::from(number % 7) * 1000)),
            });
        };
        let store = if fails { 0 } else { 5 };
        let served = store + work + 2;
        call(1, None, "web", "GET /", 0, served + 2 * gap + 2);
        call(2, Some(1), "web", "call cart", 1, served + 2 * gap + 1);
        call(3, Some(2), "cart", "add", 1 + gap, 1 + gap + served);
        if !fails {
            call(4, Some(3), "cart", "call store", 2 + gap, 2 + gap + store + 2);
            call(5, Some(4), "store", "put", 3 + gap, 3 + gap + store);
        }
        let mut say = |id: u8, at: i64, severity: u8, statement: &str| {
            window.lines.push(Line {
                trace,
                span: [number, id, 0, 0, 0, 0, 0, 1],
                entity: entity("cart"),
                time: Timestamp((begin + at) * MILLISECOND),
                severity,
                statement: statement.to_owned(),
            });
        };
        if logs {
            say(3, 2 + gap, 9, "adding");
            say(3, served, if fails { 17 } else { 9 }, if fails { "cannot add" } else { "added" });
        }
    }
    for (service, cpu) in [("web", 0.2), ("cart", 0.3), ("store", 0.25), ("mail", 0.1)] {
        window.levels.push(Level { entity: entity(service), resource: CPU, share: cpu });
        window.levels.push(Level { entity: entity(service), resource: MEMORY, share: 0.8 });
    }
    window
}

fn diagnose(normal: &Window, fault: &Window) -> Vec<Weighed> {
    let (normal, fault) = (Observed::new(normal), Observed::new(fault));
    let mut claims: Vec<Claim> = [
        transitions::transitions(&normal, &fault),
        errors::errors(&normal, &fault),
        delays::gaps(&normal, &fault),
        delays::self_time(&normal, &fault),
        levels::levels(&normal, &fault, CPU),
        levels::levels(&normal, &fault, MEMORY),
    ]
    .concat();
    claims.extend(callers::callers(&normal, &fault, &claims));
    assert!(claims.iter().all(|(_, one)| (RATIO_MIN..=RATIO_MAX).contains(&one.log_likelihood_ratio)));
    weigh(&claims, libm::log(4.0))
}

fn first(weighed: &[Weighed]) -> (String, String) {
    let suspect = weighed[0].suspect.as_ref();
    suspect.map_or_else(Default::default, |one| (one.entity.service().to_owned(), one.part.clone()))
}

fn named(service: &str, part: &str) -> (String, String) {
    (service.to_owned(), part.to_owned())
}

#[test]
fn with_nothing_wrong_nobody_is_accused() {
    let (normal, fault) = (window(30, |_| USUAL), window(40, |_| USUAL));
    assert_eq!(diagnose(&normal, &fault)[0].suspect, None);
    assert_eq!(diagnose(&Window::default(), &Window::default())[0].suspect, None);
    // Twice as slow everywhere is load, and nobody's fault.
    let slow = window(40, |_| Shape { gap: 2, work: 19, ..USUAL });
    assert_eq!(diagnose(&normal, &slow)[0].suspect, None);
}

#[test]
fn work_that_breaks_off_is_found_where_it_used_to_go_on() {
    let fault = window(40, |number| Shape { fails: number % 2 == 0, ..USUAL });
    let weighed = diagnose(&window(30, |_| USUAL), &fault);
    // No call, no line and no call's successor: three sides of one fact, told alike.
    let parts: Vec<&str> = weighed
        .iter()
        .filter(|one| one.log_odds == weighed[0].log_odds)
        .filter_map(|one| one.suspect.as_ref().filter(|suspect| suspect.entity == entity("cart")))
        .map(|suspect| suspect.part.as_str())
        .collect();
    assert!(parts.contains(&"adding → added"), "{parts:?}");
    let channels: Vec<&str> = weighed[0].evidence.iter().map(|one| one.channel.as_str()).collect();
    assert!(channels.contains(&transitions::CHANNEL) && channels.contains(&errors::CHANNEL), "{channels:?}");
}

#[test]
fn a_call_that_is_no_longer_made_is_told_without_logs() {
    let quiet = |fails| Shape { fails, logs: false, ..USUAL };
    let weighed = diagnose(&window(30, |_| quiet(false)), &window(40, |_| quiet(true)));
    assert_eq!(first(&weighed), named("cart", "add start → call store start"));
    // Logs that were not collected before prove nothing.
    let weighed = diagnose(&window(30, |_| quiet(false)), &window(40, |_| USUAL));
    assert_eq!(weighed[0].suspect, None);
}

#[test]
fn late_messages_are_the_network_and_long_work_the_processor() {
    let normal = window(30, |_| USUAL);
    let late = window(40, |number| Shape { gap: if number % 3 == 0 { 80 } else { 1 }, ..USUAL });
    let claims = delays::gaps(&Observed::new(&normal), &Observed::new(&late));
    let of = |service: &str| {
        let found = claims.iter().find(|(one, _)| one.entity.service() == service && one.part == NETWORK);
        found.map(|(_, evidence)| evidence.log_likelihood_ratio)
    };
    assert!(of("cart") > of("store") && of("web") > of("store") && of("web") > Some(3.0), "{claims:?}");
    let mut busy = window(40, |_| Shape { work: 90, ..USUAL });
    busy.levels.iter_mut().filter(|one| one.entity.service() == "cart" && one.resource == CPU).for_each(
        |one| {
            one.share = 0.99;
        },
    );
    assert_eq!(first(&diagnose(&normal, &busy)), named("cart", CPU));
}

#[test]
fn a_level_that_was_always_high_is_no_news() {
    let (normal, mut fault) = (window(30, |_| USUAL), window(30, |_| USUAL));
    let heard = |fault: &Window| levels::levels(&Observed::new(&normal), &Observed::new(fault), MEMORY);
    assert!(heard(&fault).iter().all(|(_, one)| one.log_likelihood_ratio < 0.0));
    fault.levels.iter_mut().filter(|one| one.entity.service() == "mail" && one.resource == MEMORY).for_each(
        |one| {
            one.share = 1.0;
        },
    );
    let claims = heard(&fault);
    let risen: Vec<_> = claims.iter().filter(|(_, one)| one.log_likelihood_ratio > 3.0).collect();
    assert_eq!(risen.len(), 1);
    assert_eq!(risen[0].0.entity, entity("mail"));
}

#[test]
fn the_order_of_arrival_does_not_matter() {
    let normal = window(30, |_| USUAL);
    let fault = window(40, |number| Shape { fails: number % 2 == 0, gap: 1 + i64::from(number), ..USUAL });
    let expected = diagnose(&normal, &fault);
    for step in [1, 3, 7, 11] {
        let shuffled = |window: &Window| {
            let mut other = window.clone();
            let by = other.calls.len() * step / 13;
            other.calls.rotate_left(by);
            other.calls.reverse();
            other.lines.reverse();
            other.levels.rotate_left(step % 5);
            // What arrives twice counts once.
            other.calls.extend_from_within(..step);
            other
        };
        assert_eq!(diagnose(&shuffled(&normal), &shuffled(&fault)), expected, "{step}");
    }
}

/// `web` calls `cart` and `mail`, `cart` calls `store`: `[made, served]` milliseconds of each, and how
/// many requests each serves. No traces.
fn by_metrics(times: [Option<[f64; 2]>; 3], served: [f64; 4]) -> Window {
    let edge = |(caller, callee): (&str, &str), milliseconds: Option<[f64; 2]>| Edge {
        caller: caller.to_owned(),
        callee: callee.to_owned(),
        calls: milliseconds.is_none().then_some(0.0),
        milliseconds,
    };
    let pairs = [("web", "cart"), ("web", "mail"), ("cart", "store")];
    let level = |service: &str| Level { entity: entity(service), resource: CPU, share: 0.2 };
    let services = ["web", "cart", "mail", "store"];
    Window {
        edges: pairs.into_iter().zip(times).map(|(pair, times)| edge(pair, times)).collect(),
        served: services.map(str::to_owned).into_iter().zip(served).collect(),
        levels: services.map(level).to_vec(),
        ..Window::default()
    }
}

fn of_metrics(normal: &Window, fault: &Window) -> Vec<(String, String, f64)> {
    let mut told: Vec<(String, String, f64)> =
        metered::metered(&Observed::new(normal), &Observed::new(fault))
            .into_iter()
            .map(|(one, said)| (one.entity.service().to_owned(), one.part, said.log_likelihood_ratio))
            .collect();
    told.sort_by(|a, b| b.2.total_cmp(&a.2));
    told
}

#[test]
fn messages_are_late_by_metrics_where_nobody_traces_them() {
    let usual = || by_metrics([Some([12.0, 10.0]), Some([4.0, 3.0]), Some([6.0, 5.0])], [50.0; 4]);
    // Only messages to the store: both ends are concerned, but its other end has others that are not late.
    let store = by_metrics([Some([212.0, 210.0]), Some([4.0, 3.0]), Some([205.0, 5.0])], [50.0; 4]);
    let told = of_metrics(&usual(), &store);
    assert_eq!((told[0].0.as_str(), told[0].1.as_str()), ("store", NETWORK));
    assert!(told[0].2 > 0.5 && told[0].2 > told[1].2 + 0.5, "{told:?}");
    // Twice as slow everywhere is not the messages, and what nobody feels is nobody's fault.
    let slow = by_metrics([Some([24.0, 20.0]), Some([8.0, 6.0]), Some([12.0, 10.0])], [50.0; 4]);
    assert!(of_metrics(&usual(), &slow).iter().all(|one| one.2 < 0.0));
    let unfelt = by_metrics([Some([412.0, 410.0]), Some([14.0, 3.0]), Some([6.0, 5.0])], [50.0; 4]);
    assert!(of_metrics(&usual(), &unfelt).iter().all(|one| one.2 < 0.0));
}

#[test]
fn calls_that_are_no_longer_made_are_told_by_metrics_of_their_caller() {
    let times = [Some([12.0, 10.0]), Some([4.0, 3.0]), Some([6.0, 5.0])];
    let usual = by_metrics(times, [50.0, 50.0, 50.0, 50.0]);
    let gone = by_metrics([times[0], times[1], None], [40.0, 40.0, 50.0, 0.0]);
    let told = of_metrics(&usual, &gone);
    assert_eq!((told[0].0.as_str(), told[0].1.as_str()), ("cart", "cart → store start"), "{told:?}");
    assert!(told[0].2 > 3.0, "{told:?}");
    // Less work is no fault.
    let less = by_metrics(times, [20.0; 4]);
    assert!(of_metrics(&usual, &less).iter().all(|one| one.2 < 0.0));
    // Whose work is not known is not accused.
    let mut unknown = gone;
    unknown.served.clear();
    assert!(of_metrics(&usual, &unknown).iter().all(|one| one.1 == NETWORK));
}

#[test]
fn requests_that_fail_are_told_by_metrics_of_who_serves_them() {
    let failing = |failed: f64| {
        let mut window = by_metrics([None; 3], [100.0; 4]);
        window.failed.insert("web".to_owned(), failed);
        window
    };
    let told = of_metrics(&failing(0.0), &failing(20.0));
    assert!(told.iter().any(|one| one.0 == "web" && one.1.is_empty() && one.2 > 2.0), "{told:?}");
    assert!(of_metrics(&failing(20.0), &failing(20.0)).iter().all(|one| one.0 != "web" || !one.1.is_empty()));
}
