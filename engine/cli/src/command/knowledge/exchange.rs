//! Facts in one file: out of a log, and into another.
//!
//! ```json
//! {"format": "theriac knowledge", "schema_version": 1, "versions": [1, 2], "head": "9b21…", "facts": [
//! {"schema_version":1,"version":1,…,"chain":"…"},
//! {"schema_version":1,"version":2,…,"chain":"…"}
//! ]}
//! ```
//!
//! A line for each fact, as the log holds it: its digest is of these bytes.

use std::{fmt::Write as _, fs, path::Path};

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::{json, value::RawValue};
use theriac_contract::{RecordedFact, SCHEMA_VERSION, Timestamp, Topic, Topics};
use theriac_engine::records::{self, fact_by_hand};
use theriac_knowledge::{Chain, Import, Knowledge, common, line, news};

use super::{Moment, open};
use crate::{
    facts::{facts, stored},
    output::{Format, Wrong, say},
    story::payload,
};

const FORMAT: &str = "theriac knowledge";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    format: String,
    schema_version: u32,
    versions: (u64, u64),
    head: String,
    facts: Vec<Box<RawValue>>,
}

/// A fact with the bytes that its digest is of.
pub(super) struct Carried {
    pub(super) fact: RecordedFact,
    pub(super) bytes: Vec<u8>,
}

/// Writes the facts of a shard up to a version.
pub(super) fn export(topics: &dyn Topics, shard: u32, moment: Moment, file: &Path) -> Result<()> {
    let carried = carried(topics, shard, moment)?;
    let versions = (first(&carried), carried.last().map_or(0, |last| last.fact.version));
    let head = carried.last().map_or("", |last| &last.fact.chain);
    let mut text = format!(
        "{{\"format\": {}, \"schema_version\": {SCHEMA_VERSION}, \"versions\": [{}, {}], \"head\": {}, \"facts\": [",
        json!(FORMAT),
        versions.0,
        versions.1,
        json!(head)
    );
    for (index, Carried { bytes, .. }) in carried.iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        write!(text, "{comma}\n{}", std::str::from_utf8(bytes).context("a fact is no text")?)?;
    }
    text.push_str("\n]}\n");
    fs::write(file, text).with_context(|| format!("{} cannot be written", file.display()))?;
    say!("{} facts, versions {} to {}, head {head}", carried.len(), versions.0, versions.1);
    Ok(())
}

/// The facts of a shard up to a version, as they are stored. What lies behind them is not looked at.
pub(super) fn carried(topics: &dyn Topics, shard: u32, moment: Moment) -> Result<Vec<Carried>> {
    let mut carried: Vec<Carried> = Vec::new();
    for record in stored(topics, shard)? {
        if moment.version.is_some_and(|most| carried.last().is_some_and(|last| last.fact.version >= most)) {
            break;
        }
        let fact: RecordedFact = payload(&record.record.value)
            .with_context(|| format!("{}/{shard} at {}", Topic::Knowledge, record.offset))?;
        carried.push(Carried { fact, bytes: record.record.value });
    }
    let all: Vec<RecordedFact> = carried.iter().map(|one| one.fact.clone()).collect();
    let version = moment.version(&all)?;
    carried.retain(|one| one.fact.version <= version);
    Ok(carried)
}

fn first(carried: &[Carried]) -> u64 {
    carried.first().map_or(0, |first| first.fact.version)
}

/// Takes the facts of a file into the log of a folder.
pub(super) fn import(folder: &Path, file: &Path, format: Format) -> Result<()> {
    let theirs = read(file)?;
    take(&mut open(folder)?, theirs, "import", format)
}

/// Reads a file and follows its chain.
fn read(path: &Path) -> Result<Vec<Carried>> {
    let name = path.display();
    let wrong = |text: String| Wrong(format!("{name}: {text}"));
    let text = fs::read_to_string(path).map_err(|error| wrong(format!("cannot be read: {error}")))?;
    let help = "`theriac knowledge export` writes such files";
    let file: File = serde_json::from_str(&text).map_err(|error| wrong(format!("{error}; {help}")))?;
    if file.format != FORMAT {
        return Err(wrong(format!("its format is `{}`, not `{FORMAT}`; {help}", file.format)).into());
    }
    if file.schema_version > SCHEMA_VERSION {
        let found = file.schema_version;
        let text = format!("it has schema version {found}, this program reads up to {SCHEMA_VERSION}");
        return Err(wrong(text).into());
    }
    let mut chain = Chain::default();
    let mut carried = Vec::with_capacity(file.facts.len());
    for raw in &file.facts {
        let broken = |error| {
            wrong(format!(
                "{error}; export it once more, or what is sound with `--version {}`",
                chain.version()
            ))
        };
        let mut bytes = raw.get().as_bytes().to_vec();
        // Who lays a file out otherwise changes no fact, but its bytes.
        if chain.clone().follow(&bytes).is_err()
            && let Ok(fact) = serde_json::from_slice::<RecordedFact>(&bytes)
        {
            bytes = serde_json::to_vec(&fact)?;
        }
        let mut next = chain.clone();
        let fact = next.follow(&bytes).map_err(broken)?;
        chain = next;
        carried.push(Carried { fact, bytes });
    }
    if (first(&carried), chain.version()) != file.versions || chain.head() != file.head {
        let text = "it does not hold the versions and the head that it names: facts are missing at its end";
        return Err(wrong(text.to_owned()).into());
    }
    Ok(carried)
}

/// Takes facts of another log: as they are, if they begin or go on with this one, and else what is news
/// among them.
pub(super) fn take(topics: &mut dyn Topics, theirs: Vec<Carried>, how: &str, format: Format) -> Result<()> {
    let own = facts(topics, 0)?;
    let all: Vec<RecordedFact> = theirs.iter().map(|one| one.fact.clone()).collect();
    let newest = own.last().map_or(0, |last| last.version);
    let same = common(&own, &all);
    let total = theirs.len() as u64;
    if same == newest {
        let rest = theirs.into_iter().filter(|one| one.fact.version > same);
        let records: Vec<_> = rest.map(|one| fact_by_hand(&one.fact, one.bytes, how).record).collect();
        let taken = records.len() as u64;
        topics.append(Topic::Knowledge, 0, &records)?;
        topics.commit()?;
        return tell(format, taken, &Import { known: total - taken, ..Import::default() }, true);
    }
    if let Some(begin) = all.first().filter(|one| one.version > same.max(1)) {
        let text = format!(
            "its facts begin with version {}, to which they were compacted, and it has none in common with what is \
             known here: import it into a folder where nothing is known yet",
            begin.version
        );
        return Err(Wrong(text).into());
    }
    let mut knowledge = Knowledge::new();
    for fact in &own {
        knowledge.fold(fact)?;
    }
    let import = news(&own, knowledge.snapshot(), &all);
    let at = own.last().map_or(Timestamp::default(), |last| last.at);
    let appended = knowledge.append(at, import.facts.clone());
    let records: Vec<_> = appended
        .iter()
        .map(|fact| fact_by_hand(fact, records::fact(fact).record.value, how).record)
        .collect();
    topics.append(Topic::Knowledge, 0, &records)?;
    topics.commit()?;
    if format == Format::Text {
        appended.iter().for_each(|fact| say!("{}", line(fact)));
    }
    tell(format, appended.len() as u64, &import, false)
}

/// Says what was taken, and what was not and why.
fn tell(format: Format, taken: u64, import: &Import, as_it_is: bool) -> Result<()> {
    let Import { conflicts, known, history, .. } = import;
    if format == Format::Json {
        let conflicts: Vec<_> = conflicts
            .iter()
            .map(|one| json!({ "version": one.version, "fact": one.fact, "here": one.here }))
            .collect();
        let told = json!({ "taken": taken, "as_it_is": as_it_is, "known": known, "history": history, "conflicts": conflicts });
        say!("{told}");
        return Ok(());
    }
    for conflict in conflicts {
        say!("not taken: version {} there, {}; here: {}", conflict.version, conflict.fact, conflict.here);
    }
    let how = if as_it_is { " with their versions" } else { "" };
    say!(
        "{taken} facts taken{how}; {known} were known, {history} only tell how the other loop went, {} contradict what is known here",
        conflicts.len()
    );
    Ok(())
}
