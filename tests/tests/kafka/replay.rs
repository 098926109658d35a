//! What Kafka keeps, replayed into a folder.

use std::{fs, path::Path, process::Stdio, thread, time::Duration};

use theriac_connectors::topics::Embedded;
use theriac_contract::{Interval, Timestamp};
use theriac_datasets::simulator::Scenario;
use theriac_tests::{
    broker::{Broker, Message},
    program::{assert_same, command, run, run_well, stored},
};

use crate::{
    fleet,
    noticed::{self, Noticed, noticed},
};

const TOPICS: fleet::Topics = ["replay_metrics", "replay_logs", "replay_spans"];

fn noticed_in(folder: &Path, data: &str) -> Noticed {
    noticed(&Embedded::open_to_read(&folder.join(data).join("topics")).unwrap())
}

/// Runs with the same instants give the same bytes, also one that was killed over and over, and
/// notice what a replay of the same lines does.
#[test]
fn the_past_is_repeatable() {
    let broker = Broker::shared();
    broker.create(&TOPICS, 3);
    let messages = fleet::messages(TOPICS, 3, 7, 1400);
    broker.produce(&messages);
    let folder = tempfile::tempdir().unwrap();
    let start = Scenario::demo(7).start;
    let at = |seconds| start.plus(Interval::from_seconds(seconds));
    let (from, to) = (at(100), at(1200));
    let within = |message: &&Message| (from..to).contains(&Timestamp(message.time * 1_000_000));
    let lines: Vec<Message> = messages.iter().filter(within).cloned().collect();
    assert!(!lines.is_empty() && lines.len() < messages.len());
    fs::write(folder.path().join("fleet.jsonl"), fleet::lines(&lines)).unwrap();
    let own = "monitor: { lateness: 300s }\ncheckpoint: { rounds: 2 }\n";
    fs::write(folder.path().join("file.yaml"), own).unwrap();
    let inputs = TOPICS.map(|topic| format!("{topic}: {{}}, ")).concat();
    let kafka = format!("{own}kafka: {{ group: replaying, inputs: {{ {inputs} }} }}\n");
    fs::write(folder.path().join("kafka.yaml"), kafka).unwrap();
    let (from, to) = (from.to_string(), to.to_string());
    let arguments = |data| {
        let brokers = broker.addresses.as_str();
        ["replay", "--kafka", brokers, "-c", "kafka.yaml", "--from", &from, "--to", &to, "--data-dir", data]
            .map(str::to_owned)
    };

    run_well(folder.path(), &["replay", "fleet.jsonl", "-c", "file.yaml", "--data-dir", "file"]);
    let expected = noticed_in(folder.path(), "file");
    assert!(expected["symptoms"].len() > 10, "{}", expected["symptoms"].len());
    let begin = std::time::Instant::now();
    run_well(folder.path(), &arguments("first"));
    let whole = begin.elapsed();
    noticed::assert_same(&expected, &noticed_in(folder.path(), "first"));
    let bytes = stored(&folder.path().join("first"));
    // What comes in later lies behind the end.
    let late = messages.iter().rev().take(50).cloned().collect::<Vec<_>>();
    broker.produce(&late);
    run_well(folder.path(), &arguments("second"));
    assert_same(&bytes, &folder.path().join("second"), "the second run");

    let mut taken_up = 0;
    for part in 2..8 {
        let log = folder.path().join("killed.log");
        let mut process = command(folder.path(), &arguments("killed"))
            .stdout(Stdio::null())
            .stderr(fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        thread::sleep(whole * part / 8 + Duration::from_millis(37));
        process.kill().unwrap();
        process.wait().unwrap();
        taken_up += usize::from(fs::read_to_string(&log).unwrap().contains("took up where"));
    }
    println!("{taken_up} runs took up rounds of those before them");
    run_well(folder.path(), &arguments("killed"));
    assert_same(&bytes, &folder.path().join("killed"), "a run that was killed");
    assert!(!broker.groups().iter().any(|group| group.starts_with("replaying")), "{:?}", broker.groups());
}

#[test]
fn what_cannot_be_replayed_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let brokers = Broker::shared().addresses.as_str();
    for (arguments, said) in [
        (&["--kafka", brokers][..], "--from"),
        (&["--kafka", brokers, "--from", "2026-01-02", "--to", "2026-01-01 00:00"], "--from"),
        (&["--kafka", brokers, "--from", "1800000000", "--to", "1700000000"], "--to must be later"),
        (&["--from", "1700000000", "--to", "1800000000"], "--kafka"),
        (&["--kafka", brokers, "--from", "1700000000", "--to", "1710000000"], "kafka.inputs"),
        (&["--kafka", brokers, "--from", "1700000000", "--to", "2200-01-01T00:00:00Z"], "lies ahead"),
    ] {
        let ended = run(folder.path(), &[&["replay"], arguments].concat());
        assert_eq!(ended.code, 2, "{arguments:?}: {}", ended.err);
        assert!(ended.err.contains(said), "{arguments:?}: {}", ended.err);
    }
}
