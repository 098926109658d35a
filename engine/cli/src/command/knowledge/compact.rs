//! All that is known in one fact, and what lies before it removed.

use std::path::Path;

use anyhow::Result;
use theriac_connectors::topics::{Embedded, Settings, TopicSettings};
use theriac_contract::{Timestamp, Topic, Topics};
use theriac_engine::records::{self, fact_by_hand};
use theriac_knowledge::{Knowledge, line};

use crate::{
    facts::facts,
    output::{Wrong, say},
    wiring,
};

/// Says all that is known in one fact behind the others. With `remove`, these go in the same
/// transaction: the topic begins with that fact, and offsets and versions are what they were.
pub(super) fn run(folder: &Path, remove: bool) -> Result<()> {
    let mut settings = Settings::default();
    if remove {
        // A segment for this fact alone, and retention lets go those before it.
        let own =
            TopicSettings { segment_bytes: Some(1), retention_bytes: Some(1), ..TopicSettings::default() };
        settings.topics.insert(Topic::Knowledge, own);
    }
    let mut topics = Embedded::open(&wiring::topics_folder(folder), settings)?;
    let facts = facts(&topics, 0)?;
    let Some(last) = facts.last() else {
        return Err(Wrong("nothing is known here yet".to_owned()).into());
    };
    let at: Timestamp = last.at;
    let mut knowledge = Knowledge::new();
    for fact in &facts {
        knowledge.fold(fact)?;
    }
    let whole = knowledge.compacted();
    let recorded = knowledge.append(at, vec![whole]);
    let records: Vec<_> = recorded
        .iter()
        .map(|fact| fact_by_hand(fact, records::fact(fact).record.value, "compact").record)
        .collect();
    topics.append(Topic::Knowledge, 0, &records)?;
    topics.commit()?;
    recorded.iter().for_each(|fact| say!("{}", line(fact)));
    if remove {
        say!("{} facts before it are removed", facts.len());
    }
    Ok(())
}
