//! `theriac knowledge`: what is known, how it came to be, and going back.

use std::{
    io::{Write, stdout},
    path::PathBuf,
};

use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use theriac_connectors::topics::Embedded;
use theriac_contract::{Fact, RecordedFact, Topic, Topics};
use theriac_engine::records;
use theriac_knowledge::{Knowledge, as_of, diff, line};

use crate::{
    output::{Format, Wrong, say},
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
    /// Go back to what was known at a version; nothing is erased, and the engine must not be running
    Rollback {
        /// Version to go back to
        to: u64,
        /// Why, for the log
        #[arg(long, default_value = "by hand")]
        reason: String,
    },
}

fn facts(topics: &dyn Topics) -> Result<Vec<RecordedFact>> {
    let mut facts = Vec::new();
    let mut next = topics.start(Topic::Knowledge, 0);
    while next < topics.end(Topic::Knowledge, 0) {
        for stored in topics.read(Topic::Knowledge, 0, next, 1 << 20)? {
            let fact = serde_json::from_slice(&stored.record.value)
                .with_context(|| format!("knowledge record {}", stored.offset))?;
            facts.push(fact);
            next = stored.offset + 1;
        }
    }
    Ok(facts)
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let folder = wiring::topics_folder(&arguments.data_dir);
    if !folder.is_dir() {
        let text = format!("no topics in {}; name the folder of a run with --data-dir", folder.display());
        return Err(Wrong(text).into());
    }
    if let Verb::Rollback { to, reason } = &arguments.verb {
        return rollback(arguments, *to, reason);
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
        Verb::Rollback { .. } => {}
    }
    Ok(())
}

fn rollback(arguments: &Arguments, to: u64, reason: &str) -> Result<()> {
    let mut topics = Embedded::open(
        &wiring::topics_folder(&arguments.data_dir),
        theriac_connectors::topics::Settings::default(),
    )?;
    let facts = facts(&topics)?;
    let newest = facts.last().map_or(0, |fact| fact.version);
    if to >= newest {
        return Err(Wrong(format!("the newest version is {newest}; name an older one")).into());
    }
    let mut knowledge = Knowledge::new();
    for fact in &facts {
        knowledge.fold(fact)?;
    }
    let at = facts.last().map(|fact| fact.at).unwrap_or_default();
    let appended = knowledge.append(at, vec![Fact::RolledBack { to, reason: reason.to_owned() }]);
    let [fact] = appended.as_slice() else {
        return Err(Wrong(format!("version {to} is too old to go back to")).into());
    };
    topics.append(Topic::Knowledge, 0, &[records::fact(fact).record])?;
    topics.commit()?;
    say!("{}", line(fact));
    Ok(())
}
