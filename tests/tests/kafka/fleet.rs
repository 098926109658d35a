//! Telemetry of the simulated fleet as messages on the Collector's topics.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};
use theriac_contract::Interval;
use theriac_datasets::simulator::{Scenario, World};
use theriac_tests::broker::Message;

/// Topics of one test: the fleet's metrics, logs and spans.
pub(crate) type Topics = [&'static str; 3];

/// The fleet's telemetry of the first seconds of a seed, in the order of time. A service's metrics
/// and logs stay on one partition each; its spans are with those of the traces they belong to,
/// all on one.
pub(crate) fn messages(topics: Topics, partitions: u32, seed: u64, seconds: i64) -> Vec<Message> {
    let scenario = Scenario::demo(seed);
    let mut world = World::new(&scenario);
    let mut messages = Vec::new();
    for second in 1..=seconds {
        let now = scenario.start.plus(Interval::from_seconds(second));
        for line in world.advance(now).otlp {
            let mut request: Map<String, Value> = serde_json::from_str(&line).expect("a line is JSON");
            let signal = ["resourceMetrics", "resourceLogs", "resourceSpans"]
                .iter()
                .position(|signal| request.contains_key(*signal))
                .expect("a line holds one signal");
            let mut add = |partition: u32, payload: Vec<u8>| {
                let (partition, time) = (partition as i32, now.0 / 1_000_000);
                messages.push(Message {
                    topic: topics[signal],
                    partition,
                    time,
                    payload,
                    ..Message::default()
                });
            };
            if signal == 2 {
                add(0, line.into_bytes());
                continue;
            }
            for (key, resources) in std::mem::take(&mut request) {
                for resource in resources.as_array().expect("resources are a list") {
                    let partition = crc32fast::hash(service(resource).as_bytes()) % partitions;
                    add(partition, json!({ key.clone(): [resource] }).to_string().into_bytes());
                }
            }
        }
    }
    messages
}

fn service(resource: &Value) -> &str {
    let attributes = resource["resource"]["attributes"].as_array().expect("attributes are a list");
    let name = attributes.iter().find(|attribute| attribute["key"] == "service.name");
    name.and_then(|name| name["value"]["stringValue"].as_str()).unwrap_or_default()
}

/// The same telemetry as a file of JSON lines.
pub(crate) fn lines(messages: &[Message]) -> String {
    messages.iter().fold(String::new(), |mut text, message| {
        writeln!(text, "{}", String::from_utf8_lossy(&message.payload)).expect("text grows");
        text
    })
}
