//! Rows a second through the whole path on one core: OTLP/JSON text, decoded, framed,
//! detected, diagnosed, planned and committed to topics on disk. What the simulator itself
//! costs is not in it: its telemetry is made beforehand, with a fault in it.

use std::{hint::black_box, sync::Arc};

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use theriac_connectors::{
    decode::{Rows, otlp_json},
    objects::Folder,
    topics::{Embedded, Fsync},
};
use theriac_contract::{Command, Interval, Telemetry, Timestamp};
use theriac_datasets::simulator::{Scenario, World};
use theriac_engine::{Driver, Environment, EnvironmentError, Next, Repeatable, Round, Settings, Setup};
use theriac_plan::Playbooks;

/// Simulated time between two collections.
const STEP: Interval = Interval::from_seconds(10);
/// Simulated time in all; the first fault of the demo falls into it.
const LENGTH: Interval = Interval::from_seconds(1_500);

/// Collections of OTLP/JSON lines, each with the time it reaches to.
#[derive(Clone)]
struct Recording {
    collections: Vec<(Timestamp, Vec<String>)>,
    next: usize,
}

impl Recording {
    fn new() -> Self {
        let mut world = World::new(&Scenario::demo(7));
        let end = world.now().plus(LENGTH);
        let mut collections = Vec::new();
        while world.now() < end {
            let to = world.now().plus(STEP);
            collections.push((to, world.advance(to).otlp));
        }
        Self { collections, next: 0 }
    }

    fn decode(lines: &[String]) -> Vec<Telemetry> {
        let mut rows = Rows::default();
        for line in lines {
            otlp_json::decode(line.as_bytes(), &mut rows).expect("the simulator writes OTLP/JSON");
        }
        rows.take()
    }

    fn rows(&self) -> usize {
        let batches = self.collections.iter().flat_map(|(_, lines)| Self::decode(lines));
        batches.map(|batch| batch.rows()).sum()
    }
}

impl Environment for Recording {
    fn next(&mut self) -> Result<Next, EnvironmentError> {
        let Some((to, lines)) = self.collections.get(self.next) else { return Ok(Next::End) };
        self.next += 1;
        let end = self.next == self.collections.len();
        Ok(Next::Round(Round { telemetry: Self::decode(lines), reached: Some(*to), end, ..Round::default() }))
    }

    fn dispatch(&mut self, commands: &[Command]) {
        black_box(commands);
    }

    fn position(&self) -> String {
        self.next.to_string()
    }

    fn seek(&mut self, position: &str) -> Result<(), EnvironmentError> {
        self.next = position.parse().map_err(|_| EnvironmentError::Foreign(position.to_owned()))?;
        Ok(())
    }

    fn repeatable(&self) -> Repeatable {
        Repeatable::Rounds
    }
}

fn run(recording: Recording, folder: &std::path::Path) {
    let playbooks = Playbooks::builtin();
    let setup = Setup {
        settings: Settings::default(),
        playbooks,
        configuration: "bench".to_owned(),
        introductions: Vec::new(),
    };
    // The disk's own speed is not what is measured.
    let kept = theriac_connectors::topics::Settings { fsync: Fsync::Never, ..Default::default() };
    let topics = Embedded::open(&folder.join("topics"), kept).expect("an empty folder can be opened");
    let checkpoints = Folder::open(&folder.join("checkpoints")).expect("an empty folder can be opened");
    let (mut driver, _) = Driver::open(setup, recording, Box::new(topics), Arc::new(checkpoints), &mut ())
        .expect("a fresh loop opens");
    driver.run_to_end(&|| false, &mut ()).expect("the loop runs to its end");
    assert!(driver.progress().ticks > 0, "nothing was measured");
}

fn path(criterion: &mut Criterion) {
    let recording = Recording::new();
    let mut group = criterion.benchmark_group("path");
    group.throughput(Throughput::Elements(recording.rows() as u64)).sample_size(10);
    group.bench_function("fleet", |bencher| {
        bencher.iter_batched(
            || (recording.clone(), tempfile::tempdir().expect("a folder for the topics")),
            |(recording, folder)| {
                run(recording, folder.path());
                folder
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

criterion_group!(benches, path);
criterion_main!(benches);
