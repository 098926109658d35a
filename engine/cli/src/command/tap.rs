//! `theriac tap`: what is on a topic, as JSON lines; the plainest way to subscribe.

use std::{
    collections::VecDeque,
    io::{Write, stdout},
    thread,
    time::Duration,
};

use anyhow::Result;
use clap::Args;
use theriac_contract::{StoredRecord, Topic, TopicError, Topics};

use crate::store::Store;

/// Arguments of `theriac tap`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// symptoms, incidents, plans, outcomes, knowledge, dead_letters or journal
    topic: Topic,
    #[command(flatten)]
    store: Store,
    /// First offset to print (of each partition)
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Print at most this many records
    #[arg(long)]
    limit: Option<u64>,
    /// Wait for more at the end
    #[arg(long)]
    follow: bool,
    /// Print partition, offset, key and headers beside the payload
    #[arg(long)]
    envelope: bool,
}

/// One record as a line of JSON.
fn line(partition: u32, stored: &StoredRecord, envelope: bool) -> String {
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
        "partition": partition,
        "offset": stored.offset,
        "at": record.timestamp,
        "key": text(&record.key),
        "headers": headers,
        "value": payload,
    })
    .to_string()
}

/// The partitions of a topic as one stream: of the next records, the one with the earliest event
/// time first, and of the lower partition where times are equal.
pub(crate) struct Merged {
    topic: Topic,
    /// Offset after the last record that was read, and records that were read.
    lanes: Vec<(u64, VecDeque<StoredRecord>)>,
}

impl Merged {
    /// From an offset on, in every partition.
    pub(crate) fn new(topics: &dyn Topics, topic: Topic, from: u64) -> Self {
        let first = |partition| from.max(topics.start(topic, partition));
        let lanes = (0..topics.partitions(topic)).map(|partition| (first(partition), VecDeque::new()));
        Self { topic, lanes: lanes.collect() }
    }

    /// The next record that there is, with its partition.
    pub(crate) fn next(&mut self, topics: &dyn Topics) -> Result<Option<(u32, StoredRecord)>, TopicError> {
        for (partition, (next, ahead)) in (0..).zip(&mut self.lanes) {
            if ahead.is_empty() && *next < topics.end(self.topic, partition) {
                ahead.extend(topics.read(self.topic, partition, *next, 1 << 20)?);
                *next = ahead.back().map_or(*next, |last| last.offset + 1);
            }
        }
        let heads = (0..).zip(&mut self.lanes).filter(|(_, (_, ahead))| !ahead.is_empty());
        let first = heads.min_by_key(|(_, (_, ahead))| ahead.front().map(|stored| stored.record.timestamp));
        Ok(first.and_then(|(partition, (_, ahead))| Some((partition, ahead.pop_front()?))))
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let mut topics = arguments.store.locate()?.open(&[arguments.topic])?;
    let mut merged = Merged::new(topics.as_ref(), arguments.topic, arguments.from);
    let mut left = arguments.limit.unwrap_or(u64::MAX);
    let mut out = stdout().lock();
    loop {
        while left > 0
            && let Some((partition, stored)) = merged.next(topics.as_ref())?
        {
            writeln!(out, "{}", line(partition, &stored, arguments.envelope))?;
            left -= 1;
        }
        out.flush()?;
        if !arguments.follow || left == 0 {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(200));
        topics.refresh()?;
    }
}
