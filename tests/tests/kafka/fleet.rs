//! Telemetry of the simulated fleet as messages on the Collector's topics.

use std::fmt::Write as _;

use theriac_contract::Interval;
use theriac_datasets::simulator::{Scenario, World};
use theriac_tests::broker::Message;

/// Topics of one test: the fleet's metrics, logs and spans.
pub(crate) type Topics = [&'static str; 3];

/// The fleet's telemetry of the first seconds of a seed, in the order of time. A service's
/// telemetry stays on one partition.
pub(crate) fn messages(topics: Topics, partitions: u32, seed: u64, seconds: i64) -> Vec<Message> {
    let scenario = Scenario::demo(seed);
    let mut world = World::new(&scenario);
    let mut messages = Vec::new();
    for second in 1..=seconds {
        let now = scenario.start.plus(Interval::from_seconds(second));
        for line in world.advance(now).otlp {
            let topic = ["{\"resourceMetrics\"", "{\"resourceLogs\"", "{\"resourceSpans\""]
                .iter()
                .position(|begin| line.starts_with(begin))
                .expect("a line holds one signal");
            let service = line.split_once("\"service.name\"").map_or("", |(_, rest)| &rest[..40]);
            let partition = crc32fast::hash(service.as_bytes()) % partitions;
            messages.push(Message {
                topic: topics[topic],
                partition: partition as i32,
                time: now.0 / 1_000_000,
                payload: line.into_bytes(),
                ..Message::default()
            });
        }
    }
    messages
}

/// The same telemetry as a file of JSON lines.
pub(crate) fn lines(messages: &[Message]) -> String {
    messages.iter().fold(String::new(), |mut text, message| {
        writeln!(text, "{}", String::from_utf8_lossy(&message.payload)).expect("text grows");
        text
    })
}
