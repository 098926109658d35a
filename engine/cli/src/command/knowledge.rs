//! `theriac knowledge`: what is known, how it came to be, and going back.

use std::{
    collections::BTreeMap,
    io::{Write, stdout},
    path::PathBuf,
};

use anyhow::Result;
use clap::{Args, Subcommand};
use theriac_connectors::topics::Embedded;
use theriac_contract::{Fact, RecordedFact, Snapshot, Symptom, Timestamp, Topic, Topics};
use theriac_engine::records;
use theriac_knowledge::{Knowledge, as_of, diff, line};

use crate::{
    output::{Format, Wrong, say},
    story::{all, payload},
    wiring,
};

/// Arguments of `theriac knowledge`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    verb: Verb,
    /// Folder of a run
    #[arg(long, global = true, default_value = "theriac-data")]
    data_dir: PathBuf,
    /// text, or json for one object a line
    #[arg(long, global = true, value_enum, default_value_t)]
    output: Format,
}

/// What to do.
#[derive(Debug, Subcommand)]
enum Verb {
    /// Every fact in the order in which it became known
    Log {
        /// Only the last so many
        #[arg(long)]
        last: Option<usize>,
    },
    /// What changed from one version to another
    Diff {
        /// Older version
        from: u64,
        /// Newer version; the newest if left out
        to: Option<u64>,
    },
    /// Say of a symptom whether it was right; the engine must not be running
    Judge {
        /// Its id, or the beginning of it
        symptom: String,
        /// right, or noise
        #[arg(value_enum)]
        judgement: Judgement,
        /// Why, for the log
        #[arg(long, default_value = "by hand")]
        reason: String,
    },
    /// Go back to what was known at a version; nothing is erased, and the engine must not be running
    Rollback {
        /// Version to go back to
        to: u64,
        /// Why, for the log
        #[arg(long, default_value = "by hand")]
        reason: String,
    },
}

/// What was made of a symptom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Judgement {
    /// Something was wrong indeed
    Right,
    /// Nothing was: the like must be rarer from now on
    Noise,
}

fn facts(topics: &dyn Topics) -> Result<Vec<RecordedFact>> {
    let mut facts = Vec::new();
    all(topics, Topic::Knowledge, |bytes, _| {
        facts.push(payload(bytes)?);
        Ok(())
    })?;
    Ok(facts)
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let folder = wiring::topics_folder(&arguments.data_dir);
    if !folder.is_dir() {
        let text = format!("no topics in {}; name the folder of a run with --data-dir", folder.display());
        return Err(Wrong(text).into());
    }
    match &arguments.verb {
        Verb::Rollback { to, reason } => return rollback(arguments, *to, reason),
        Verb::Judge { symptom, judgement, reason } => return judge(arguments, symptom, *judgement, reason),
        Verb::Log { .. } | Verb::Diff { .. } => {}
    }
    let facts = facts(&Embedded::open_to_read(&folder)?)?;
    let mut out = stdout().lock();
    match &arguments.verb {
        Verb::Log { last } => {
            let skip = facts.len() - last.unwrap_or(facts.len()).min(facts.len());
            for fact in &facts[skip..] {
                match arguments.output {
                    Format::Text => writeln!(out, "{}", line(fact))?,
                    Format::Json => writeln!(out, "{}", serde_json::to_string(fact)?)?,
                }
            }
        }
        Verb::Diff { from, to } => {
            let newest = facts.last().map_or(0, |fact| fact.version);
            let to = to.unwrap_or(newest);
            if *from > newest || to > newest {
                return Err(Wrong(format!("the newest version is {newest}")).into());
            }
            for difference in diff(&as_of(&facts, *from), &as_of(&facts, to)) {
                writeln!(out, "{difference}")?;
            }
        }
        Verb::Rollback { .. } | Verb::Judge { .. } => {}
    }
    Ok(())
}

fn rollback(arguments: &Arguments, to: u64, reason: &str) -> Result<()> {
    let (mut topics, mut knowledge, at) = open(arguments)?;
    let newest = knowledge.version();
    if to >= newest {
        return Err(Wrong(format!("the newest version is {newest}; name an older one")).into());
    }
    let fact = Fact::RolledBack { to, reason: reason.to_owned() };
    let too_old = format!("version {to} is too old to go back to");
    append(&mut topics, &mut knowledge, at, fact)?.ok_or_else(|| Wrong(too_old).into())
}

fn judge(arguments: &Arguments, symptom: &str, judgement: Judgement, reason: &str) -> Result<()> {
    let (mut topics, mut knowledge, at) = open(arguments)?;
    let symptom = find(&topics, symptom)?;
    let fact = Fact::SymptomJudged {
        measure: Snapshot::judgement_key(&symptom.entity, &symptom.signal, &symptom.attributes),
        symptom: symptom.id,
        right: judgement == Judgement::Right,
        reason: reason.to_owned(),
    };
    append(&mut topics, &mut knowledge, at, fact)?;
    Ok(())
}

/// The symptom whose id begins so.
fn find(topics: &dyn Topics, id: &str) -> Result<Symptom> {
    let mut found = BTreeMap::new();
    all(topics, Topic::Symptoms, |bytes, _| {
        let symptom: Symptom = payload(bytes)?;
        if symptom.id.0.starts_with(id) {
            found.insert(symptom.id.0.clone(), symptom);
        }
        Ok(())
    })?;
    let text = match (found.pop_first(), found.pop_first()) {
        (Some((_, symptom)), None) => return Ok(symptom),
        (Some((one, _)), Some((other, _))) => {
            format!("several symptoms begin with `{id}`, such as {one} and {other}")
        }
        (None, _) => format!("no symptom begins with `{id}`; `theriac tap symptoms` lists them"),
    };
    Err(Wrong(text).into())
}

/// Topics, what is known from them, and the time of the last fact.
fn open(arguments: &Arguments) -> Result<(Embedded, Knowledge, Timestamp)> {
    let settings = theriac_connectors::topics::Settings::default();
    let topics = Embedded::open(&wiring::topics_folder(&arguments.data_dir), settings)?;
    let facts = facts(&topics)?;
    let mut knowledge = Knowledge::new();
    for fact in &facts {
        knowledge.fold(fact)?;
    }
    let at = facts.last().map(|fact| fact.at).unwrap_or_default();
    Ok((topics, knowledge, at))
}

/// Puts a fact behind the others and says so; none if what is known does not allow it.
fn append(topics: &mut Embedded, knowledge: &mut Knowledge, at: Timestamp, fact: Fact) -> Result<Option<()>> {
    let appended = knowledge.append(at, vec![fact]);
    let [fact] = appended.as_slice() else { return Ok(None) };
    topics.append(Topic::Knowledge, 0, &[records::fact(fact).record])?;
    topics.commit()?;
    say!("{}", line(fact));
    Ok(Some(()))
}
