//! Dead letters on Kafka: listed, shown, and sent back as they were.

use std::{fs, path::Path};

use serde_json::Value;
use theriac_tests::{
    broker::{Broker, Message},
    program::{run, run_well},
};

const TOPIC: &str = "dlq_logs";

struct Trial {
    folder: tempfile::TempDir,
    brokers: &'static str,
}

impl Trial {
    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Runs the service to the end of its input.
    fn serve(&self) {
        run_well(self.path(), &["run", "--until-end", "-c", "theriac.yaml", "--data-dir", "data"]);
    }

    fn dlq(&self, arguments: &[&str]) -> String {
        run_well(self.path(), &self.arguments(arguments))
    }

    fn arguments<'a>(&'a self, arguments: &[&'a str]) -> Vec<&'a str> {
        [&["dlq"], arguments, &["--kafka", self.brokers, "--prefix", "dlq."]].concat()
    }

    fn list(&self) -> Vec<Value> {
        let told = self.dlq(&["list", "--output", "json"]);
        told.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

fn header(name: &str, value: &[u8]) -> (String, Vec<u8>) {
    (name.to_owned(), value.to_vec())
}

#[test]
fn garbage_goes_back_as_it_came() {
    let broker = Broker::shared();
    broker.create(&[TOPIC], 2);
    let garbage = Message {
        topic: TOPIC,
        partition: 1,
        key: b"the key\xff".to_vec(),
        // Some have the names of those that we add.
        headers: vec![
            header("trace", b"1"),
            header("origin", b"theirs"),
            header("trace", &[0, 255]),
            header("reason", b"theirs"),
        ],
        payload: vec![0x0a, 0xff, 0x00, 0x9c, 0x80],
        ..Message::default()
    };
    let log = |time: &str| format!("{{\"timestamp\":\"{time}\",\"service\":\"shop\",\"body\":\"hello\"}}");
    // Of two lines one can be read: the other is a part of what was sent.
    let half = format!("{}\n{{\"timestamp\": \"yesterday\"}}", log("2026-01-01T00:00:00Z"));
    let half = Message { topic: TOPIC, payload: half.into_bytes(), ..Message::default() };
    broker.produce(&[garbage.clone(), half]);
    let trial = Trial { folder: tempfile::tempdir().unwrap(), brokers: &broker.addresses };
    let config = format!(
        "clock: event\nkafka: {{ brokers: [\"{}\"], group: dlq, prefix: dlq., start: earliest, inputs: {{ {TOPIC}: {{}} }} }}\n",
        broker.addresses
    );
    fs::write(trial.path().join("theriac.yaml"), config).unwrap();
    trial.serve();

    let listed = trial.list();
    assert_eq!(listed.len(), 2, "{listed:?}");
    let whole = listed.iter().find(|letter| letter["part"].is_null()).unwrap();
    let part = listed.iter().find(|letter| letter["part"] == "line 2").unwrap();
    assert_eq!((&whole["origin"], &whole["input_offset"]), (&format!("{TOPIC}/1").into(), &0.into()));
    assert_eq!((&whole["bytes"], &whole["redriven"]), (&5.into(), &0.into()));
    let place = |letter: &Value| format!("{}/{}", letter["shard"], letter["offset"]);
    let (place, of_part) = (place(whole), place(part));
    let told = trial.dlq(&["list"]);
    let line = told.lines().find(|line| line.starts_with(&place)).unwrap();
    assert!(line.contains("dlq_logs/1 at 0  5 bytes  "), "{line}");

    let shown = trial.dlq(&["show", &place]);
    for part in [
        "trace: 0x00ff",
        "origin: theirs",
        "origin: dlq_logs/1",
        "__connect.errors.topic: dlq_logs",
        "__connect.errors.partition: 1",
        "__connect.errors.offset: 0",
        "__connect.errors.stage: decode",
        "__connect.errors.class.name: auto",
        "__connect.errors.connector.name: theriac",
        "0aff009c80",
    ] {
        assert!(shown.contains(part), "`{part}` is not in: {shown}");
    }

    // Nothing is sent but what was asked for and is whole.
    assert!(trial.dlq(&["redrive", &place, "--dry-run"]).contains("1 would be sent"));
    for (arguments, said) in [
        (vec!["redrive", &of_part], "line 2"),
        (vec!["redrive", &place, &of_part], "line 2"),
        (vec!["redrive", "0/99"], "no dead letter 0/99"),
        (vec!["redrive", "7/0"], "no shard 7"),
        (vec!["redrive"], "--all"),
    ] {
        let ended = run(trial.path(), &trial.arguments(&arguments));
        assert_eq!(ended.code, 2, "{arguments:?}: {}", ended.err);
        assert!(ended.err.contains(said), "{arguments:?}: {}", ended.err);
    }
    assert!(trial.dlq(&["redrive", "--reason", "no such reason"]).contains("0 sent"));
    assert_eq!(broker.consume(TOPIC, 1, 1), []);

    let told = trial.dlq(&["redrive", &place]);
    assert!(told.contains("5 bytes to dlq_logs/1, redriven 1") && told.contains("1 sent"), "{told}");
    let redriven = |count: &[u8]| {
        let mut expected = garbage.clone();
        expected.headers.push(header("theriac_redriven", count));
        expected
    };
    let since = |from: i64| {
        let mut found = broker.consume(TOPIC, 1, from);
        found.iter_mut().for_each(|message| message.time = 0);
        found
    };
    assert_eq!(since(1), [redriven(b"1")]);

    // It fails again, and comes back with its count.
    trial.serve();
    let listed = trial.list();
    assert_eq!(listed.len(), 3, "{listed:?}");
    assert_eq!(listed.iter().filter(|letter| letter["redriven"] == 1).count(), 1);
    let ended = run(trial.path(), &trial.arguments(&["redrive", "--all"]));
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(ended.out.contains("2 sent, 1 left out"), "{}", ended.out);
    assert!(ended.err.contains("line 2") && ended.err.contains("mend"), "{}", ended.err);
    // All of them: the first once more, and the one that came of it.
    assert_eq!(since(1), [redriven(b"1"), redriven(b"1"), redriven(b"2")]);

    // Or to a file.
    trial.dlq(&["redrive", &place, "--to", "bytes"]);
    assert_eq!(fs::read(trial.path().join("bytes")).unwrap(), [&garbage.payload[..], b"\n"].concat());
}

/// A file cannot be written to: its dead letters go to another.
#[test]
fn a_folder_has_them_too() {
    let folder = tempfile::tempdir().unwrap();
    let good = "{\"time\":\"2026-01-01T00:00:00Z\",\"name\":\"cpu\",\"value\":1}";
    fs::write(folder.path().join("points.jsonl"), format!("{good}\nnonsense\n{good}\n")).unwrap();
    run_well(folder.path(), &["replay", "points.jsonl", "--data-dir", "data"]);
    let dlq = |arguments: &[&str]| {
        let ended = run(folder.path(), &[&["dlq"], arguments, &["--data-dir", "data"]].concat());
        assert_eq!(ended.code, 0, "{}", ended.err);
        ended
    };
    let listed = dlq(&["list"]).out;
    assert_eq!(listed.lines().count(), 1, "{listed}");
    assert!(listed.starts_with("0/0 ") && listed.contains("points.jsonl at"), "{listed}");
    assert!(dlq(&["show", "0"]).out.ends_with("\nnonsense\n"));
    let redriven = dlq(&["redrive", "--all"]);
    assert_eq!(redriven.out, "nonsense\n");
    assert!(redriven.err.contains("1 sent"), "{}", redriven.err);
    dlq(&["redrive", "0", "--to", "again.txt"]);
    assert_eq!(fs::read_to_string(folder.path().join("again.txt")).unwrap(), "nonsense\n");
    let ended = run(folder.path(), &["dlq", "redrive", "0", "--to", "again.txt", "--data-dir", "data"]);
    assert_eq!(ended.code, 1);
    assert!(ended.err.contains("name a new file"), "{}", ended.err);
}
