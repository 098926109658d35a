//! Branches: logs that begin with the facts of the main line up to a version and go on for themselves.
//!
//! A branch lies beside the topics of its run, in `branches/NAME`, as a folder with a log of its own: every
//! verb that reads or adds facts does so there with `--branch NAME`. Nothing of it is known to the main
//! line unless it is merged. A rollback, on the other hand, is a fact of the main line: who runs on after
//! it knows less.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use serde_json::json;
use theriac_connectors::topics::Embedded;
use theriac_contract::{RecordedFact, Topic, Topics};
use theriac_engine::records::fact_by_hand;
use theriac_knowledge::{common, versions};

use super::{
    Moment,
    exchange::{Carried, carried, take},
    open, there,
};
use crate::{
    facts,
    output::{Format, Wrong, say},
    wiring,
};

/// Where the branches of a run lie.
fn branches(of: &Path) -> PathBuf {
    of.join("branches")
}

/// Names of the branches, in order.
fn names(of: &Path) -> Result<Vec<String>> {
    let folder = branches(of);
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut names = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
        let entry = entry?;
        if wiring::topics_folder(&entry.path()).is_dir() {
            names.extend(entry.file_name().into_string().ok());
        }
    }
    names.sort();
    Ok(names)
}

/// The folder of a branch that is there.
pub(super) fn folder(of: &Path, name: &str) -> Result<PathBuf> {
    let names = names(of)?;
    if names.iter().any(|known| known == name) {
        return Ok(branches(of).join(name));
    }
    let there =
        if names.is_empty() { "there is none".to_owned() } else { format!("there are {}", names.join(", ")) };
    Err(Wrong(format!(
        "no branch `{name}` of {}: {there}; `theriac knowledge branch NAME` begins one",
        of.display()
    ))
    .into())
}

/// The facts of a branch, in order.
pub(super) fn facts(of: &Path, name: &str) -> Result<Vec<RecordedFact>> {
    facts::facts(&read(&folder(of, name)?)?, 0)
}

fn read(folder: &Path) -> Result<Embedded> {
    there(folder)?;
    let topics = wiring::topics_folder(folder);
    Embedded::open_to_read(&topics).with_context(|| topics.display().to_string())
}

const NOW: Moment = Moment { at: None, version: None };

/// Puts facts into a log that has none.
fn put(topics: &mut dyn Topics, facts: Vec<Carried>, how: &str) -> Result<()> {
    let records: Vec<_> =
        facts.into_iter().map(|one| fact_by_hand(&one.fact, one.bytes, how).record).collect();
    topics.append(Topic::Knowledge, 0, &records)?;
    topics.commit()?;
    Ok(())
}

/// Begins a branch.
pub(super) fn begin(of: &Path, name: &str, moment: Moment) -> Result<()> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if name.is_empty() || !name.chars().all(plain) || name.chars().all(|c| c.is_ascii_digit()) {
        let text =
            "a branch is named by letters, digits, `-` and `_`, and not by digits alone: those are versions";
        return Err(Wrong(format!("`{name}`: {text}")).into());
    }
    if names(of)?.iter().any(|known| known == name) {
        return Err(Wrong(format!(
            "there is a branch `{name}` already; remove {} to begin it anew",
            branches(of).join(name).display()
        ))
        .into());
    }
    let facts = carried(&read(of)?, 0, moment)?;
    let version = facts.last().map_or(0, |last| last.fact.version);
    put(&mut open(&branches(of).join(name))?, facts, "branch")?;
    say!("{name} begins with version {version}");
    Ok(())
}

/// Lists the branches.
pub(super) fn list(out: &mut impl Write, of: &Path, format: Format) -> Result<()> {
    let main = facts::facts(&read(of)?, 0)?;
    for name in names(of)? {
        let facts = facts(of, &name)?;
        let (since, newest) = (common(&main, &facts), versions(&facts).1);
        match format {
            Format::Text => writeln!(
                out,
                "{name}: as the main line up to version {since}, {} facts of its own",
                newest - since
            )?,
            Format::Json => {
                writeln!(out, "{}", json!({ "branch": name, "since": since, "version": newest }))?
            }
        }
    }
    Ok(())
}

/// Takes what became known on a branch into the main line.
pub(super) fn merge(of: &Path, name: &str, format: Format) -> Result<()> {
    let theirs = carried(&read(&folder(of, name)?)?, 0, NOW)?;
    take(&mut open(of)?, theirs, "merge", format)
}

/// Brings what is known in a folder, or on a branch of it, into one where nothing was done yet: a run there
/// begins with it. Called again, it is left as it is.
pub(crate) fn bring(from: &Path, branch: Option<&str>, into: &Path) -> Result<()> {
    let from = branch.map_or_else(|| Ok(from.to_owned()), |name| folder(from, name))?;
    let theirs = carried(&read(&from)?, 0, NOW)?;
    let mut topics = open(into)?;
    let begun = facts::facts(&topics, 0)?;
    let last = theirs.last().map_or("", |last| &last.fact.chain);
    if begun.is_empty() && topics.end(Topic::Journal, 0) == 0 {
        return put(&mut topics, theirs, "branch");
    }
    if begun.iter().any(|fact| fact.chain == last) {
        return Ok(());
    }
    let text = format!(
        "{} was begun with other knowledge than that of {}; name another --data-dir, or remove it",
        into.display(),
        from.display()
    );
    Err(Wrong(text).into())
}
