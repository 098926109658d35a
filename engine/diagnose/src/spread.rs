//! How trouble went through the system: from the suspected cause along calls, and from hosts to what
//! runs on them, to those who feel it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use theriac_contract::{Entity, Felt, Id, Interval, Reached, Role, Timestamp};

use crate::{
    family::Family,
    graph::{Graph, is_host},
    incident::{Case, Kept},
};

/// The places of an incident, the nearest to the cause first.
pub(crate) fn spread(case: &Case, cause: Option<&Entity>, graph: &Graph) -> Vec<Reached> {
    let mut onsets: BTreeMap<&str, Timestamp> = BTreeMap::new();
    for kept in case.symptoms.values() {
        let onset = onsets.entry(kept.about().service()).or_insert(kept.onset);
        *onset = (*onset).min(kept.onset);
    }
    let steps = cause.map(|cause| walk(cause.service(), &onsets, graph)).unwrap_or_default();
    let passed_on: BTreeSet<&str> = steps.values().filter_map(|(_, from)| *from).collect();
    let reached = |place: &&str| {
        let (steps, from) = match steps.get(place) {
            Some((steps, from)) => (Some(*steps), *from),
            None => (None, None),
        };
        let role = match steps {
            None => Role::Apart,
            Some(0) => Role::Cause,
            Some(_) if passed_on.contains(place) => Role::PassesOn,
            Some(_) => Role::Impact,
        };
        let entity = |name: &str| Entity(name.to_owned());
        Reached { place: entity(place), role, steps, from: from.map(entity) }
    };
    let mut all: Vec<Reached> = onsets.keys().map(reached).collect();
    all.sort_by_key(|one| (one.steps.unwrap_or(u32::MAX), onsets[one.place.as_str()], one.place.clone()));
    all
}

/// Steps from the cause and the place before, for each troubled place that callers, or guests of a
/// host, lead to.
fn walk<'a>(
    cause: &'a str,
    troubled: &BTreeMap<&'a str, Timestamp>,
    graph: &'a Graph,
) -> BTreeMap<&'a str, (u32, Option<&'a str>)> {
    let mut reached = BTreeMap::from([(cause, (0, None))]);
    let mut queue = VecDeque::from([cause]);
    while let Some(place) = queue.pop_front() {
        let next = reached[place].0 + 1;
        let host = Entity(place.to_owned());
        let guests =
            if is_host(&host) { graph.guests(&host).map(Entity::service).collect() } else { Vec::new() };
        let above: BTreeSet<&str> = graph.callers(place).chain(guests).collect();
        for name in above {
            if troubled.contains_key(name) && !reached.contains_key(name) {
                reached.insert(name, (next, Some(place)));
                queue.push_back(name);
            }
        }
    }
    reached
}

/// The symptom by which the cause first became a failure: of those that users of a service feel, the
/// first at the place that is nearest to the cause.
pub(crate) fn critical_failure(case: &Case, spread: &[Reached]) -> Option<Id> {
    let felt = |kept: &&Kept| {
        matches!(
            kept.family,
            Family::Latency | Family::Errors | Family::Health | Family::Missing | Family::Mismatch
        )
    };
    let steps: BTreeMap<&str, u32> =
        spread.iter().filter_map(|one| Some((one.place.as_str(), one.steps?))).collect();
    let felt = case.symptoms.values().filter(felt);
    let near = felt.filter_map(|kept| Some((*steps.get(kept.about().service())?, kept.onset, &kept.id)));
    near.min().map(|(.., id)| id.clone())
}

/// A symptom that ended so short a time ago may be back with the next tick.
const JUST_NOW: Interval = Interval::from_seconds(30);

/// Part of the names of signals by which one tells of calls that it makes (OpenTelemetry semantic
/// conventions: `http.client.request.duration`).
const CALLS_MADE: &str = ".client.";

/// Who is hurt by what stands, or stood a moment ago.
pub(crate) fn felt(case: &Case, at: Timestamp, graph: &Graph) -> Felt {
    let stands = |kept: &&Kept| kept.end.is_none_or(|end| at.since(end) <= JUST_NOW);
    let hurts = |kept: &Kept| {
        let about = kept.about();
        match kept.family {
            Family::Mismatch => true,
            // That those are slow whom it asks itself is for it to bear; that they fail it may pass on, and
            // there may be no other word of that.
            Family::Latency if kept.signal.contains(CALLS_MADE) => false,
            Family::Latency | Family::Errors | Family::Missing if !is_host(about) => {
                !graph.is_mapped(about.service()) || graph.callers(about.service()).next().is_none()
            }
            _ => false,
        }
    };
    if case.symptoms.values().filter(stands).any(hurts) { Felt::Outside } else { Felt::Inside }
}

#[cfg(test)]
mod tests {
    use theriac_contract::{Direction, EdgeKind, SignalKind, SymptomState, Topology};

    use super::*;

    fn kept(place: &str, family: Family, onset: i64) -> Kept {
        Kept {
            id: Id(format!("{place} {} {onset}", family.name())),
            entity: Entity(place.to_owned()),
            peer: None,
            signal: String::new(),
            family,
            direction: Direction::Up,
            state: SymptomState::Open,
            onset: Timestamp::from_seconds(onset),
            end: None,
            p_value: 1e-9,
            kind: SignalKind::Metric,
            observed: None,
            expected: None,
            band: None,
            detector: String::new(),
            who: None,
            stamp: 0,
        }
    }

    fn case(symptoms: Vec<Kept>) -> Case {
        let mut case = Case::new("shop", &symptoms[0]);
        symptoms.into_iter().for_each(|symptom| case.admit(symptom, 100));
        case
    }

    fn graph(edges: &[(&str, &str, EdgeKind)]) -> Graph {
        let mut topology = Topology::default();
        for (from, to, kind) in edges {
            topology.connect(&Entity((*from).to_owned()), &Entity((*to).to_owned()), *kind);
        }
        let mut graph = Graph::default();
        graph.follow(&topology.edges, 4);
        graph
    }

    fn told(spread: &[Reached]) -> Vec<(&str, Role, Option<u32>)> {
        spread.iter().map(|one| (one.place.as_str(), one.role, one.steps)).collect()
    }

    #[test]
    fn trouble_goes_from_the_cause_to_its_callers() {
        let calls = [("payment", "bank"), ("shop", "payment"), ("shop", "search")];
        let graph = graph(&calls.map(|(from, to)| (from, to, EdgeKind::Calls)));
        let mut edge = kept("payment/payment-2", Family::Latency, 10);
        edge.peer = Some(Entity("bank".to_owned()));
        let case = case(vec![
            kept("shop/shop-1", Family::Latency, 30),
            kept("bank", Family::Cpu, 5),
            kept("bank", Family::Cpu, 40),
            edge.clone(),
            kept("payment/payment-2", Family::Latency, 15),
            kept("search", Family::Errors, 2),
        ]);
        let spread = spread(&case, Some(&Entity("bank".to_owned())), &graph);
        assert_eq!(
            told(&spread),
            [
                ("bank", Role::Cause, Some(0)),
                ("payment", Role::PassesOn, Some(1)),
                ("shop", Role::Impact, Some(2)),
                ("search", Role::Apart, None),
            ]
        );
        // Its processor fails nobody; that its callers wait for it does, however early search failed.
        assert_eq!(critical_failure(&case, &spread), Some(edge.id));
    }

    #[test]
    fn a_host_reaches_what_runs_on_it_and_a_circle_of_calls_ends() {
        let host = Entity::host("node-1");
        let graph = graph(&[
            ("cart/cart-1", host.as_str(), EdgeKind::RunsOn),
            ("shop", "cart", EdgeKind::Calls),
            ("cart", "shop", EdgeKind::Calls),
        ]);
        let case = case(vec![
            kept("cart/cart-1", Family::Latency, 2),
            kept(host.as_str(), Family::Io, 1),
            kept("shop", Family::Latency, 3),
        ]);
        let spread = spread(&case, Some(&host), &graph);
        let expected = [(host.as_str(), Role::Cause, Some(0)), ("cart", Role::PassesOn, Some(1))];
        assert_eq!(told(&spread)[..2], expected);
        assert_eq!(told(&spread)[2], ("shop", Role::Impact, Some(2)));
    }

    #[test]
    fn without_a_cause_all_stand_apart() {
        let case = case(vec![kept("cart", Family::Latency, 2)]);
        let spread = spread(&case, None, &Graph::default());
        assert_eq!(told(&spread), [("cart", Role::Apart, None)]);
        assert_eq!(critical_failure(&case, &spread), None);
    }

    /// Its users wait for what it serves; how those are whom it asks it may bear, or pass on.
    #[test]
    fn of_the_calls_of_an_entrance_users_feel_those_that_it_serves() {
        let graph = graph(&[("gateway", "shop", EdgeKind::Calls)]);
        for (family, alone) in [(Family::Latency, Felt::Inside), (Family::Errors, Felt::Outside)] {
            let of = |signal: &str| Kept {
                id: Id(signal.to_owned()),
                signal: signal.to_owned(),
                ..kept("gateway/gateway-1", family, 10)
            };
            let (made, served) =
                (of("http.client.request.duration.p95"), of("http.server.request.duration.p95"));
            let felt = |all: Vec<Kept>| felt(&case(all), Timestamp::from_seconds(20), &graph);
            // There may be no other word of what fails than that of the calls.
            assert_eq!(felt(vec![made.clone()]), alone, "{family:?}");
            assert_eq!(felt(vec![served.clone()]), Felt::Outside, "{family:?}");
            assert_eq!(felt(vec![made, served]), Felt::Outside, "{family:?}");
        }
        // What is wrong is wrong for whoever gets it.
        let wrong =
            Kept { signal: "shop.client.mismatch".to_owned(), ..kept("gateway", Family::Mismatch, 10) };
        assert_eq!(felt(&case(vec![wrong]), Timestamp::from_seconds(20), &graph), Felt::Outside);
    }
}
