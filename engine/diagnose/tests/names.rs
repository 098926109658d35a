//! Nothing hangs on names or on the order of rows: with all names changed and all rows shuffled, the same
//! suspects come out, as sure as before.

use std::collections::BTreeMap;

use proptest::prelude::*;
use theriac_contract::Entity;
use theriac_diagnose::{
    channel::{
        Claim, Incident, Settings, diagnose, made_up,
        requests::{
            CPU, MEMORY, callers, delays, errors, levels, metered, transitions,
            window::{Edge, Observed, Window},
        },
    },
    weighing::{Weighed, weigh},
};

/// Bits that look drawn, of a text.
fn drawn(seed: u64, text: &str) -> u64 {
    text.bytes().fold(seed ^ 0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3).rotate_left(17)
    })
}

/// Another name, never the same for two.
fn renamed(seed: u64, text: &str) -> String {
    format!("n{:016x}{}", drawn(seed, text), text.len())
}

fn shuffle<T>(seed: u64, list: &mut Vec<T>) {
    let mut keyed: Vec<(u64, T)> =
        list.drain(..).enumerate().map(|(at, one)| (drawn(seed, &at.to_string()), one)).collect();
    keyed.sort_by_key(|one| one.0);
    list.extend(keyed.into_iter().map(|one| one.1));
}

/// Log odds of each entity's strongest, with the name that it would have had.
fn odds(weighed: &[Weighed], name: impl Fn(&str) -> String) -> BTreeMap<String, f64> {
    let mut odds = BTreeMap::new();
    for one in weighed {
        let entity = one.suspect.as_ref().map_or("unknown".to_owned(), |suspect| name(&suspect.entity.0));
        let most = odds.entry(entity).or_insert(one.log_odds);
        *most = f64::max(*most, one.log_odds);
    }
    odds
}

fn same(found: &BTreeMap<String, f64>, expected: &BTreeMap<String, f64>) -> Result<(), TestCaseError> {
    prop_assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    for (name, odds) in found {
        // Sums in another order differ in their last digits.
        prop_assert!((odds - expected[name]).abs() < 1e-9, "{} {} {}", name, odds, expected[name]);
    }
    Ok(())
}

fn requests(normal: &Window, fault: &Window) -> Vec<Weighed> {
    let (normal, fault) = (Observed::new(normal), Observed::new(fault));
    let mut claims: Vec<Claim> = [
        transitions::transitions(&normal, &fault),
        errors::errors(&normal, &fault),
        delays::gaps(&normal, &fault),
        delays::self_time(&normal, &fault),
        levels::levels(&normal, &fault, CPU),
        levels::levels(&normal, &fault, MEMORY),
        metered::metered(&normal, &fault),
    ]
    .concat();
    claims.extend(callers::callers(&normal, &fault, &claims));
    weigh(&claims, 2.0)
}

fn renamed_entity(seed: u64, entity: &Entity) -> Entity {
    let instance = entity.0.split_once('/').map_or("", |(_, instance)| instance);
    Entity::instance(&renamed(seed, entity.service()), &renamed(seed, instance))
}

fn renamed_window(seed: u64, window: &Window) -> Window {
    let mut other = window.clone();
    let service = |name: &String| renamed(seed, name);
    for call in &mut other.calls {
        call.entity = renamed_entity(seed, &call.entity);
        call.operation = renamed(seed, &call.operation);
    }
    for line in &mut other.lines {
        line.entity = renamed_entity(seed, &line.entity);
        line.statement = renamed(seed, &line.statement);
    }
    other.levels.iter_mut().for_each(|level| level.entity = renamed_entity(seed, &level.entity));
    for edge in &mut other.edges {
        (edge.caller, edge.callee) = (service(&edge.caller), service(&edge.callee));
    }
    other.served = window.served.iter().map(|(name, count)| (service(name), *count)).collect();
    other.failed = window.failed.iter().map(|(name, count)| (service(name), *count)).collect();
    shuffle(seed, &mut other.calls);
    shuffle(seed, &mut other.lines);
    shuffle(seed, &mut other.levels);
    shuffle(seed, &mut other.edges);
    other
}

/// Metrics of calls of what is traced in a window, with messages that take long to one service.
fn metered_calls(window: &mut Window, slow: Option<&str>) {
    let mut pairs: BTreeMap<(String, String), f64> = BTreeMap::new();
    let by_span: BTreeMap<[u8; 8], String> =
        window.calls.iter().map(|call| (call.span, call.entity.service().to_owned())).collect();
    for call in &window.calls {
        let service = call.entity.service().to_owned();
        let caller = call.parent.and_then(|parent| by_span.get(&parent));
        if let Some(caller) = caller.filter(|caller| **caller != service) {
            *pairs.entry((caller.clone(), service.clone())).or_default() += 1.0;
            *window.served.entry(service).or_default() += 1.0;
        }
    }
    let edge = |((caller, callee), calls): ((String, String), f64)| {
        let gap = if slow == Some(callee.as_str()) { 90.0 } else { 1.0 };
        Edge { milliseconds: Some([10.0 + gap, 10.0]), calls: Some(calls), caller, callee }
    };
    window.edges = pairs.into_iter().map(edge).collect();
    window.failed = window.served.iter().take(1).map(|(name, count)| (name.clone(), count / 10.0)).collect();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn metrics(number in 0_u64..1000, seed in any::<u64>(), services in 4_usize..20) {
        let (incident, _) = made_up::incident(services, services * 5, number);
        let settings = Settings::default();
        let mut other = incident.clone();
        let name = |text: &str| renamed(seed, text);
        // Which metric it is does not matter either, but for what it speaks of.
        for series in &mut other.series {
            (series.entity, series.part) = (name(&series.entity), name(&series.part));
        }
        for (caller, callee) in &mut other.calls {
            (*caller, *callee) = (name(caller), name(callee));
        }
        if let Some(objective) = &mut other.objective {
            (objective.entity, objective.part) = (name(&objective.entity), name(&objective.part));
            objective.volumes.iter_mut().for_each(|one| one.0 = name(&one.0));
            shuffle(seed, &mut objective.volumes);
        }
        shuffle(seed, &mut other.series);
        shuffle(seed, &mut other.calls);
        let expected = odds(&diagnose(&incident, &settings, None), |entity| name(entity));
        let unknown = |odds: BTreeMap<String, f64>| odds;
        same(&unknown(odds(&diagnose(&other, &settings, None), ToOwned::to_owned)), &expected)?;
    }

    #[test]
    fn traces_logs_and_metrics_of_calls(number in 0_u64..1000, seed in any::<u64>(), services in 3_usize..16) {
        let ([mut normal, mut fault], cause) = made_up::windows(services, 400, number);
        metered_calls(&mut normal, None);
        metered_calls(&mut fault, (number % 2 == 0).then_some(cause.as_str()));
        let expected = odds(&requests(&normal, &fault), |entity| {
            if entity == "unknown" { return entity.to_owned() }
            renamed_entity(seed, &Entity(entity.to_owned())).0
        });
        let found = requests(&renamed_window(seed, &normal), &renamed_window(seed, &fault));
        same(&odds(&found, ToOwned::to_owned), &expected)?;
    }
}

#[test]
fn what_is_made_up_is_found() {
    for number in 0..20 {
        let (incident, cause): (Incident, String) = made_up::incident(50, 250, number);
        let weighed = diagnose(&incident, &Settings::default(), None);
        let first = weighed[0].suspect.as_ref().map(|one| (one.entity.0.as_str(), one.part.as_str()));
        assert_eq!(first, Some((cause.as_str(), "cpu")), "{number}");
        let ([normal, fault], cause) = made_up::windows(30, 3_000, number);
        let weighed = requests(&normal, &fault);
        let first = weighed[0].suspect.as_ref().map(|one| one.entity.service());
        assert_eq!(first, Some(cause.as_str()), "{number}");
    }
}
