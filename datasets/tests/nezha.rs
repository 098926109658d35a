//! The Nezha data sets against the numbers that `reference/nezha_counts.py` prints.

mod batches;
mod corpus;

use batches::{Totals, assert_aligned, read};
use theriac_contract::{Fetch, Timestamp};
use theriac_datasets::{
    nezha::{self, Case, minute, names},
    ranking::accuracy,
};

const TRAIN_TICKET: &str = "nezha-trainticket-dev";
const ONLINE_BOUTIQUE: &str = "nezha-onlineboutique-dev";

/// The totals that the reference prints.
struct Expected {
    points: usize,
    pods: usize,
    cpu_millicores: f64,
    memory_mebibytes: f64,
    spans: usize,
    roots: usize,
    nanoseconds: i64,
    logs: usize,
    unreadable: usize,
    traces: usize,
    levels: &'static [((u8, &'static str), usize)],
}

fn assert_day(name: &str, day: &str, expected: &Expected) {
    let mut source = nezha::open(&corpus::folder(name), Some(day)).expect("the day is there");
    let (telemetry, rejects, bytes) = read(source.as_mut(), 1 << 20);
    assert_eq!(rejects.len(), expected.unreadable, "{:?}", rejects.first());
    assert_eq!(Some(bytes), source.bytes_total());
    let totals = Totals::of(&telemetry);
    assert_eq!(totals.points, expected.points);
    assert_eq!(totals.pods.len(), expected.pods);
    let near = |found: f64, expected: f64| (found - expected).abs() <= 1e-9 * expected.abs();
    assert!(near(totals.cpu * 1e3, expected.cpu_millicores), "{}", totals.cpu);
    assert!(near(totals.memory / 1_048_576.0, expected.memory_mebibytes), "{}", totals.memory);
    assert_eq!((totals.spans, totals.roots), (expected.spans, expected.roots));
    assert_eq!(totals.nanoseconds, expected.nanoseconds);
    assert_eq!((totals.logs, totals.traces.len()), (expected.logs, expected.traces));
    let levels =
        expected.levels.iter().map(|((number, text), count)| ((*number, (*text).to_owned()), *count));
    assert_eq!(totals.levels, levels.collect());
    assert_aligned(&telemetry);
}

#[test]
fn the_first_day_of_train_ticket_is_whole() {
    assert_day(
        TRAIN_TICKET,
        "2023-01-29",
        &Expected {
            points: 689_258,
            pods: 46,
            cpu_millicores: 177_713.634483,
            memory_mebibytes: 14_782_030.109375,
            spans: 172_050,
            roots: 2424,
            nanoseconds: 5_623_135_062_354,
            logs: 90_201,
            unreadable: 2,
            traces: 2424,
            levels: &[((9, "INFO"), 85_983), ((13, "WARN"), 3403), ((17, "ERROR"), 815)],
        },
    );
}

#[test]
fn the_day_of_online_boutique_is_whole() {
    assert_day(
        ONLINE_BOUTIQUE,
        "2022-08-22",
        &Expected {
            points: 229_419,
            pods: 10,
            cpu_millicores: 38_630.621436,
            memory_mebibytes: 557_375.052635,
            spans: 846_632,
            roots: 19_107,
            nanoseconds: 28_595_922_504_732,
            logs: 12_058,
            unreadable: 0,
            traces: 247,
            levels: &[((0, ""), 232), ((9, "INFO"), 11_826)],
        },
    );
}

#[test]
fn the_second_day_goes_on_exactly_from_wherever_it_was_left() {
    let folder = corpus::folder(TRAIN_TICKET);
    let open = || nezha::open(&folder, Some("2023-01-30")).expect("the day is there");
    let mut source = open();
    let (mut whole, mut marks) = (Vec::new(), Vec::new());
    loop {
        let position = source.position();
        let Fetch::Batch(fetched) = source.fetch(64 << 10).expect("it reads") else { break };
        marks.push((position, whole.len()));
        whole.extend(fetched.telemetry);
    }
    let totals = Totals::of(&whole);
    assert_eq!((totals.points, totals.spans, totals.logs), (561_569, 109_247, 57_756));
    assert_eq!((totals.roots, totals.nanoseconds), (1495, 6_787_169_109_244));
    // However much is asked for at once, the batches are the same.
    let (again, _, _) = read(open().as_mut(), 1 << 20);
    assert!(again == whole);
    let mut source = open();
    for number in (0..marks.len()).rev().step_by(marks.len() / 8) {
        let (position, batches) = &marks[number];
        source.seek(position).expect("it was given by the same files");
        assert_eq!(source.position(), *position);
        let mut rest = whole[*batches..].iter();
        for _ in 0..40 {
            let Fetch::Batch(fetched) = source.fetch(64 << 10).expect("it reads") else { break };
            assert!(fetched.telemetry.iter().all(|batch| Some(batch) == rest.next()), "after {position}");
        }
    }
}

#[test]
fn the_first_day_is_the_one_without_a_name() {
    let folder = corpus::folder(TRAIN_TICKET);
    assert_eq!(nezha::days(&folder).expect("it is there"), ["2023-01-29", "2023-01-30"]);
    let source = nezha::open(&folder, None).expect("the day is there");
    assert_eq!(source.name(), "nezha 2023-01-29");
    let error = nezha::open(&folder, Some("2023-02-01")).err().expect("there is no such day");
    assert!(
        error.to_string().ends_with("there is no day `2023-02-01`; the days are: 2023-01-29, 2023-01-30"),
        "{error}"
    );
}

#[test]
fn every_case_lies_where_its_pod_was_measured() {
    for (name, count) in [(TRAIN_TICKET, 25), (ONLINE_BOUTIQUE, 24)] {
        let folder = corpus::folder(name);
        let cases = Case::read(&folder).expect("it is there");
        assert_eq!(cases.len(), count);
        assert!(cases.is_sorted_by_key(|case| case.inject_time));
        let days = nezha::days(&folder).expect("it is there");
        for case in cases {
            assert!(days.contains(&case.day), "{}", case.id);
            assert_eq!(names::service_of(&case.inject_pod), case.service, "{}", case.id);
            assert!(case.inject_time.to_string().starts_with(&case.day), "{}", case.id);
            assert!(matches!(case.root_cause.len(), 1 | 2), "{}", case.id);
            // The second minute of the fault is named after its end.
            let minute = format!("{} {}:08", case.day, case.minutes.fault_2_scored.replace('_', ":"));
            let minute: Timestamp = minute.parse().expect("a time");
            assert!(case.inject_time < minute && minute < case.end(), "{}", case.id);
        }
    }
}

#[test]
fn pods_belong_to_services() {
    for (pod, service) in [
        ("ts-gateway-service-6f6cfc45b-h5m2n", "ts-gateway-service"),
        ("ts-travel2-service-5c66d57d58-6mp2b", "ts-travel2-service"),
        ("ts-station-food-service-dc4d75dd-fw6ft", "ts-station-food-service"),
        ("frontend-579b9bff58-t2dbm", "frontend"),
        ("agent-x2v7q", "agent"),
        ("store-0", "store"),
        ("web-1482930215-x2v7q", "web"),
        ("ts-basic-service-5dc8d4f9fd-46997", "ts-basic-service"),
        ("cart", "cart"),
        ("", ""),
        ("-", "-"),
        ("-x2v7q", "-x2v7q"),
        ("order-price", "order-price"),
    ] {
        assert_eq!(names::service_of(pod), service, "{pod}");
    }
}

#[test]
fn columns_become_metrics_with_units() {
    for (column, name, unit, factor) in [
        ("CpuUsage(m)", "k8s.pod.cpu.usage", "{cpu}", 1e-3),
        ("MemoryUsage(Mi)", "k8s.pod.memory.usage", "By", 1_048_576.0),
        ("CpuUsageRate(%)", "CpuUsageRate", "%", 1.0),
        ("NetworkReceiveBytes", "NetworkReceiveBytes", "By", 1.0),
        ("PodClientLatencyP90(s)", "PodClientLatencyP90", "s", 1.0),
        ("PodWorkload(Ops)", "PodWorkload", "{operation}/s", 1.0),
        ("SyscallRead", "SyscallRead", "", 1.0),
    ] {
        let metric = names::metric(column);
        assert_eq!((metric.name.as_str(), metric.unit, metric.factor), (name, unit, factor));
    }
}

#[test]
fn ranks_of_the_released_run_give_its_published_rows() {
    // Of the authors' result logs: these 25 cases, and the day 2022-08-22.
    for (name, published) in [(TRAIN_TICKET, [92.0, 96.0, 96.0]), (ONLINE_BOUTIQUE, [95.833, 100.0, 100.0])] {
        let cases = Case::read(&corpus::folder(name)).expect("it is there");
        let ranks: Vec<Option<usize>> =
            cases.iter().map(|case| case.nezha_released_rank.map(|rank| rank as usize)).collect();
        for (k, published) in [1, 3, 5].into_iter().zip(published) {
            assert!((100.0 * accuracy(&ranks, k) - published).abs() < 0.001, "{name} {k}");
        }
    }
}

#[test]
fn the_minutes_of_a_case_hold_what_their_files_hold() {
    let folder = corpus::folder(TRAIN_TICKET);
    let normals = minute::normal_minutes(&folder).expect("it is there");
    let expected = [("2023-01-29", "08_50"), ("2023-01-30", "11_39")];
    assert_eq!(normals, expected.map(|(day, minute)| (day.to_owned(), minute.to_owned())).into());
    let metrics = minute::metrics(&folder, "2023-01-29").expect("it is there");
    let read = minute::read(&folder, "normal", "2023-01-29", "08_50", &metrics).expect("it is there");
    // As `zstd -dc | wc -l` counts, less the first line.
    assert_eq!((read.spans.len(), read.logs.len(), read.metrics.len()), (4890, 2489, 46));
    assert!(read.logs.iter().any(|log| log.place == "c.s.ContactsServiceImpl#34" && log.severity == 9));
    let missing = minute::read(&folder, "fault", "2023-01-29", "00_00", &metrics).expect("it may be missing");
    assert!(missing.is_empty());
    let error = minute::read(&folder, "fault", "2023-01-29", "25_00", &metrics).expect_err("no minute");
    assert!(error.to_string().contains("`25_00` is no minute; it should be HH_MM"), "{error}");
}
