//! `theriac tap`: what is on a topic, as JSON lines; the plainest way to subscribe.

use std::{
    io::{Write, stdout},
    path::PathBuf,
    thread,
    time::Duration,
};

use anyhow::{Context, Result};
use clap::Args;
use theriac_connectors::topics::Embedded;
use theriac_contract::{StoredRecord, Topic, TopicError, Topics};

use crate::wiring;

/// Arguments of `theriac tap`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// symptoms, incidents, plans, outcomes, knowledge, dead_letters or journal
    topic: Topic,
    /// Folder with the topics
    #[arg(long, default_value = "theriac-data")]
    data_dir: PathBuf,
    /// First offset to print (of each partition)
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Print at most this many records
    #[arg(long)]
    limit: Option<u64>,
    /// Wait for more at the end
    #[arg(long)]
    follow: bool,
    /// Print offset, key and headers beside the payload
    #[arg(long)]
    envelope: bool,
}

/// One record as a line of JSON.
fn line(stored: &StoredRecord, envelope: bool) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let record = &stored.record;
    let payload = serde_json::from_slice(&record.value)
        .unwrap_or_else(|_| serde_json::Value::String(text(&record.value)));
    if !envelope {
        return payload.to_string();
    }
    let headers: serde_json::Map<String, serde_json::Value> =
        record.headers.iter().map(|(name, value)| (name.clone(), text(value).into())).collect();
    serde_json::json!({
        "offset": stored.offset,
        "at": record.timestamp,
        "key": text(&record.key),
        "headers": headers,
        "value": payload,
    })
    .to_string()
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let folder = wiring::topics_folder(&arguments.data_dir);
    let open = || -> Result<Embedded, TopicError> { Embedded::open_to_read(&folder) };
    let mut topics = open().with_context(|| format!("no topics in {}", folder.display()))?;
    let partitions = topics.partitions(arguments.topic);
    let mut next: Vec<u64> = (0..partitions)
        .map(|partition| arguments.from.max(topics.start(arguments.topic, partition)))
        .collect();
    let mut left = arguments.limit.unwrap_or(u64::MAX);
    let mut out = stdout().lock();
    loop {
        for (partition, next) in (0..partitions).zip(&mut next) {
            while left > 0 && *next < topics.end(arguments.topic, partition) {
                for stored in topics.read(arguments.topic, partition, *next, 1 << 20)? {
                    *next = stored.offset + 1;
                    if left > 0 {
                        writeln!(out, "{}", line(&stored, arguments.envelope))?;
                        left -= 1;
                    }
                }
            }
        }
        out.flush()?;
        if !arguments.follow || left == 0 {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(200));
        topics = open()?;
    }
}
