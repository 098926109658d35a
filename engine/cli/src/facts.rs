//! The log of facts as it is stored.

use anyhow::{Context, Result};
use theriac_contract::{RecordedFact, StoredRecord, Topic, Topics};

use crate::story::payload;

/// Records of the log of one shard, in order, as they are stored; in a folder there is one shard, 0.
pub(crate) fn stored(topics: &dyn Topics, shard: u32) -> Result<Vec<StoredRecord>> {
    let (mut next, end) = (topics.start(Topic::Knowledge, shard), topics.end(Topic::Knowledge, shard));
    let mut stored = Vec::new();
    while next < end {
        let read = topics.read(Topic::Knowledge, shard, next, 1 << 20)?;
        let Some(last) = read.last() else { break };
        next = last.offset + 1;
        stored.extend(read);
    }
    Ok(stored)
}

/// The facts of a shard, in order.
pub(crate) fn facts(topics: &dyn Topics, shard: u32) -> Result<Vec<RecordedFact>> {
    let stored = stored(topics, shard)?;
    let fact = |stored: &StoredRecord| {
        payload(&stored.record.value)
            .with_context(|| format!("{}/{shard} at {}", Topic::Knowledge, stored.offset))
    };
    stored.iter().map(fact).collect()
}
