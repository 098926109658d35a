//! Whether a log of facts is what was written.

use std::path::Path;

use anyhow::{Result, anyhow};
use serde::Serialize;
use theriac_contract::{Checkpointed, Fact, RecordedFact, Topic, Topics};
use theriac_engine::{Checkpoints, journal::Entry};
use theriac_knowledge::{Chain, Knowledge, at_version};

use super::Arguments;
use crate::{
    checkpoints::open_folder,
    facts::stored,
    output::{Format, say},
    store::Place,
    wiring,
};

/// What was found of one log.
#[derive(Debug, Serialize)]
struct Found {
    /// Topic and shard.
    log: String,
    /// First and last version that it holds.
    versions: (u64, u64),
    /// Versions up to this one carry no digest.
    unchained: u64,
    /// Digest of the last fact.
    head: String,
    /// Round of the newest checkpoint and version of the state that it keeps, where one could be read.
    checkpoint: Option<(u64, u64)>,
    /// What is wrong, and what to do.
    broken: Option<String>,
}

/// Tells of each log whether it is what was written, and fails if one is not.
pub(super) fn run(arguments: &Arguments, place: &Place, head: Option<&str>) -> Result<()> {
    let topics = arguments.open(place)?;
    let mut broken = Vec::new();
    let mut holds_head = false;
    for shard in 0..topics.partitions(Topic::Knowledge) {
        let (mut found, facts) = walk(topics.as_ref(), shard)?;
        holds_head |= head.is_some_and(|head| facts.iter().any(|fact| fact.chain == head));
        if let (None, Place::Folder(folder)) = (&found.broken, place)
            && let Err(error) = kept(&mut found, &facts, topics.as_ref(), folder)
        {
            found.broken = Some(format!("{error:#}"));
        }
        match arguments.output {
            Format::Json => say!("{}", serde_json::to_string(&found)?),
            Format::Text => tell(&found),
        }
        broken.extend(found.broken.map(|text| format!("{}: {text}", found.log)));
    }
    if let Some(head) = head.filter(|_| !holds_head) {
        broken.push(format!(
            "no fact carries the head {head}: facts after it were removed, or all were written anew since it \
             was noted; put the log back from a backup"
        ));
    }
    if broken.is_empty() { Ok(()) } else { Err(anyhow!(broken.join("\n"))) }
}

fn tell(found: &Found) {
    let Found { log, versions: (first, last), unchained, head, checkpoint, broken } = found;
    if *unchained > 0 {
        say!(
            "{log}: versions {first} to {unchained} carry no digest: they were written before facts were chained, \
             and are taken as they are"
        );
    }
    if broken.is_some() {
        return;
    }
    if *last == 0 {
        say!("{log}: nothing is known yet");
        return;
    }
    let head = if head.is_empty() { "none" } else { head };
    say!("{log}: versions {first} to {last} are what was written; head {head}");
    match checkpoint {
        Some((round, version)) => {
            say!(
                "{log}: the state that the checkpoint of round {round} keeps is what the log gives for version {version}"
            );
        }
        None => say!("{log}: no checkpoint here to hold it against"),
    }
}

/// Follows the chain and folds the facts.
fn walk(topics: &dyn Topics, shard: u32) -> Result<(Found, Vec<RecordedFact>)> {
    let (mut chain, mut folded) = (Chain::default(), Knowledge::new());
    let mut facts: Vec<RecordedFact> = Vec::new();
    let mut broken = None;
    for record in stored(topics, shard)? {
        let followed = chain.clone().follow(&record.record.value);
        let wrong = match followed {
            Ok(fact) if contradicts(&fact, &folded) => {
                format!("version {} says other readings than the facts before it give", fact.version)
            }
            Ok(fact) => match folded.fold(&fact) {
                Ok(()) => {
                    chain.follow(&record.record.value)?;
                    facts.push(fact);
                    continue;
                }
                Err(error) => error.to_string(),
            },
            Err(error) => error.to_string(),
        };
        broken = Some(format!(
            "broken at offset {}: {wrong}. Versions up to {sound} are sound: `theriac knowledge export FILE \
             --version {sound}` saves them, and `theriac knowledge import FILE` takes them into a new folder; or \
             put the topic back from a backup",
            record.offset,
            sound = chain.version()
        ));
        break;
    }
    if broken.is_none() && !facts.is_empty() {
        let again = at_version(&facts, chain.version())?;
        if again != *folded.snapshot() {
            broken = Some("the facts folded one by one give something else than folded at once".to_owned());
        }
    }
    let found = Found {
        log: format!("{}/{shard}", Topic::Knowledge),
        versions: (facts.first().map_or(0, |fact| fact.version), chain.version()),
        unchained: chain.unchained(),
        head: chain.head().to_owned(),
        checkpoint: None,
        broken,
    };
    Ok((found, facts))
}

/// Whether a fact that stands for all before it says something else than these, where they are still there.
fn contradicts(fact: &RecordedFact, folded: &Knowledge) -> bool {
    match &fact.fact {
        Fact::Compacted { snapshot, .. } => folded.version() > 0 && **snapshot != *folded.snapshot(),
        _ => false,
    }
}

/// Holds the log against what the folder keeps beside it: the journal's last round and the state of the
/// newest checkpoint.
fn kept(found: &mut Found, facts: &[RecordedFact], topics: &dyn Topics, folder: &Path) -> Result<()> {
    if let Some(last) = topics.end(Topic::Journal, 0).checked_sub(1) {
        let entry = Entry::read(topics, last)?;
        let (end, here) = (entry.ends.get(&found.log).copied().unwrap_or(0), topics.end(Topic::Knowledge, 0));
        if here < end {
            return Err(anyhow!(
                "the journal's last round left {end} facts and {here} are here: put the topic back from a backup"
            ));
        }
    }
    let checkpoints = wiring::checkpoints_folder(folder);
    if !checkpoints.is_dir() {
        return Ok(());
    }
    let checkpoints = Checkpoints::new(open_folder(&checkpoints)?, 1);
    // One that is damaged is passed over, as a recovery does.
    let read = checkpoints.list()?.into_iter().rev().find_map(|name| {
        let (manifest, tables) = checkpoints.read(&name).ok()?;
        let mut knowledge = Knowledge::new();
        knowledge.restore(&tables).ok()?;
        Some((manifest.round, knowledge))
    });
    let Some((round, knowledge)) = read else { return Ok(()) };
    let version = knowledge.version();
    let other = |what: &str| {
        anyhow!(
            "the state that the checkpoint of round {round} keeps has {what} than the log gives for version \
             {version}: one of them was changed. `theriac knowledge log` shows the facts; without the folder \
             `checkpoints` the state is made anew from the topics"
        )
    };
    let (again, head) = match facts.first().map(|first| &first.fact) {
        // Compacted since: the fact that the log begins with stands for that version, or for later ones.
        Some(Fact::Compacted { head, snapshot }) if version <= snapshot.version => {
            if version < snapshot.version {
                return Ok(());
            }
            (snapshot.as_ref().clone(), head.as_str())
        }
        _ => {
            let gone = |error| {
                anyhow!(
                    "{error}, but the checkpoint of round {round} keeps version {version}: facts were removed from \
                     the end; put the topic back from a backup"
                )
            };
            let chain = facts.iter().find(|fact| fact.version == version).map_or("", |fact| &fact.chain);
            (at_version(facts, version).map_err(gone)?, chain)
        }
    };
    if again != *knowledge.snapshot() {
        return Err(other("other readings"));
    }
    if !knowledge.head().is_empty() && knowledge.head() != head {
        return Err(other("another head"));
    }
    found.checkpoint = Some((round, version));
    Ok(())
}
