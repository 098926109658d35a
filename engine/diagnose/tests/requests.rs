//! Channels over requests, on small systems made by hand: `web` calls `cart`, `cart` calls `store`.

use theriac_contract::{Entity, Timestamp};
use theriac_diagnose::{
    channel::{
        Claim,
        requests::{
            CPU, MEMORY, NETWORK, RATIO_MAX, RATIO_MIN, callers, delays, errors, levels, transitions,
            window::{Call, Level, Line, Observed, Window},
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
