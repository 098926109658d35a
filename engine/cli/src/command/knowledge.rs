//! `theriac knowledge`: what is known, how it came to be, and going back.

use std::{
    io::{Write, stdout},
    path::PathBuf,
};

use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use theriac_connectors::topics::Embedded;
use theriac_contract::{Entity, Fact};
use theriac_knowledge::{as_of, diff, line};

use crate::{
    feedback::{self, Confirmation, Judgement, Opinion},
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
    /// Say what caused an incident: the channels of evidence are weighted by it; the engine must not be
    /// running
    Confirm {
        /// Its id, or the beginning of it
        incident: String,
        /// The entity, as its hypotheses name it; left out if it was none of them
        cause: Option<String>,
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

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let folder = wiring::topics_folder(&arguments.data_dir);
    if !folder.is_dir() {
        let text = format!("no topics in {}; name the folder of a run with --data-dir", folder.display());
        return Err(Wrong(text).into());
    }
    match &arguments.verb {
        Verb::Rollback { to, reason } => return rollback(arguments, *to, reason),
        Verb::Judge { symptom, judgement, reason } => {
            let (symptom, reason) = (symptom.clone(), reason.clone());
            return judge(arguments, &Opinion { symptom, judgement: *judgement, reason });
        }
        Verb::Confirm { incident, cause, reason } => {
            let confirmation = Confirmation {
                incident: incident.clone(),
                cause: cause.clone().map(Entity),
                reason: reason.clone(),
            };
            say!("{}", line(&confirmation.note(&mut open(arguments)?)?));
            return Ok(());
        }
        Verb::Log { .. } | Verb::Diff { .. } => {}
    }
    let facts = feedback::facts(&Embedded::open_to_read(&folder)?)?;
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
        Verb::Rollback { .. } | Verb::Judge { .. } | Verb::Confirm { .. } => {}
    }
    Ok(())
}

fn rollback(arguments: &Arguments, to: u64, reason: &str) -> Result<()> {
    let mut topics = open(arguments)?;
    let back = |newest| {
        if to >= newest {
            return Err(Wrong(format!("the newest version is {newest}; name an older one")).into());
        }
        Ok(Fact::RolledBack { to, reason: reason.to_owned() })
    };
    let too_old = format!("version {to} is too old to go back to");
    let fact = feedback::append(&mut topics, back)?.ok_or(Wrong(too_old))?;
    say!("{}", line(&fact));
    Ok(())
}

fn judge(arguments: &Arguments, opinion: &Opinion) -> Result<()> {
    let mut topics = open(arguments)?;
    let fact = opinion.note(&mut topics)?.ok_or_else(|| opinion.of_nothing())?;
    say!("{}", line(&fact));
    Ok(())
}

fn open(arguments: &Arguments) -> Result<Embedded> {
    let settings = theriac_connectors::topics::Settings::default();
    Embedded::open(&wiring::topics_folder(&arguments.data_dir), settings)
        .context("what runs is told by `POST /-/judge` instead, see the README")
}
