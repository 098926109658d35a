//! `theriac knowledge`: what is known, how it came to be, whether it is what was written, and going back.

mod branch;
mod compact;
mod exchange;
mod topology;
mod verify;

use std::{
    io::{Write, stdout},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use theriac_connectors::topics::Embedded;
use theriac_contract::{Entity, Fact, RecordedFact, Snapshot, Timestamp, Topic};
use theriac_knowledge::{as_of_time, at_version, diff, line, version_at, versions};

pub(crate) use self::branch::bring;
use crate::{
    facts::facts,
    feedback::{self, Confirmation, Judgement, Opinion},
    output::{Format, Wrong, say},
    store::{Followed, Place, Store},
    wiring,
};

/// Arguments of `theriac knowledge`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    store: Store,
    /// A branch instead of the main line
    #[arg(long, global = true, value_name = "NAME", conflicts_with = "kafka")]
    branch: Option<String>,
    /// The shard whose log is meant, where there are several on Kafka
    #[arg(long, global = true, default_value_t = 0)]
    shard: u32,
    /// text, or json for one object a line
    #[arg(long, global = true, value_enum, default_value_t)]
    output: Format,
}

/// A version, by its number or by when it was the newest.
#[derive(Clone, Copy, Debug, Args)]
struct Moment {
    /// As it was known at this instant, such as 2026-01-01T12:00:00Z
    #[arg(long, conflicts_with = "version")]
    at: Option<Timestamp>,
    /// As it was known at this version
    #[arg(long)]
    version: Option<u64>,
}

impl Moment {
    /// The version that is meant; the newest if nothing is said.
    fn version(self, facts: &[RecordedFact]) -> Result<u64> {
        match (self.at, self.version) {
            (Some(at), _) => version_at(facts, at).map_err(|error| Wrong(error.to_string()).into()),
            (None, Some(version)) => known(facts, version).map(|known| known.version),
            (None, None) => Ok(versions(facts).1),
        }
    }
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
    /// What changed from one version, or branch, to another
    Diff {
        /// Older version, or the name of a branch
        from: String,
        /// Newer version, or the name of a branch; the newest version if left out
        to: Option<String>,
    },
    /// Who depends on whom and runs where, now or as it was known before
    Topology {
        #[command(flatten)]
        moment: Moment,
    },
    /// Whether the log is what was written: chain, numbers, and the state that is kept
    Verify {
        /// A head that was noted elsewhere: the log must still hold it
        #[arg(long, value_name = "DIGEST")]
        head: Option<String>,
    },
    /// Write the facts up to a version into one file
    Export {
        /// File to write
        file: PathBuf,
        #[command(flatten)]
        moment: Moment,
    },
    /// Take the facts of a file that was exported; the engine must not be running
    Import {
        /// File to read
        file: PathBuf,
    },
    /// Begin a branch at a version, to try what would be if other things were known
    Branch {
        /// Name of the branch
        name: String,
        #[command(flatten)]
        moment: Moment,
    },
    /// The branches there are
    Branches,
    /// Take what became known on a branch into the main line; the engine must not be running
    Merge {
        /// Name of the branch
        name: String,
    },
    /// Say all that is known in one fact, so that facts before it can go; the engine must not be running
    Compact {
        /// Remove what lies before it: older versions cannot be had after that
        #[arg(long)]
        remove: bool,
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
    /// Take one fact back, as if it had not become known; what was learnt since stays, nothing is erased, and the
    /// engine must not be running
    Revert {
        /// Its version
        version: u64,
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
    let place = arguments.place()?;
    let mut out = stdout().lock();
    match &arguments.verb {
        Verb::Log { last } => {
            let facts = arguments.facts(&place)?;
            let skip = facts.len() - last.unwrap_or(facts.len()).min(facts.len());
            for fact in &facts[skip..] {
                match arguments.output {
                    Format::Text => writeln!(out, "{}", line(fact))?,
                    Format::Json => writeln!(out, "{}", serde_json::to_string(fact)?)?,
                }
            }
        }
        Verb::Diff { from, to } => {
            let facts = arguments.facts(&place)?;
            let newest = versions(&facts).1.to_string();
            let a = side(&place, &facts, from)?;
            let b = side(&place, &facts, to.as_deref().unwrap_or(&newest))?;
            for difference in diff(&a, &b) {
                match arguments.output {
                    Format::Text => writeln!(out, "{difference}")?,
                    Format::Json => writeln!(out, "{}", serde_json::to_string(&difference)?)?,
                }
            }
        }
        Verb::Topology { moment: Moment { at: Some(at), .. } } => {
            let known = as_of_time(&arguments.facts(&place)?, *at).map_err(|e| Wrong(e.to_string()))?;
            topology::print(&mut out, &known, arguments.output)?;
        }
        Verb::Topology { moment } => {
            let facts = arguments.facts(&place)?;
            let known = known(&facts, moment.version(&facts)?)?;
            topology::print(&mut out, &known, arguments.output)?;
        }
        Verb::Branches => branch::list(&mut out, folder(&place)?, arguments.output)?,
        Verb::Verify { head } => {
            drop(out);
            return verify::run(arguments, &place, head.as_deref());
        }
        Verb::Export { file, moment } => {
            drop(out);
            return exchange::export(arguments.open(&place)?.as_ref(), arguments.shard, *moment, file);
        }
        _ => {
            drop(out);
            return arguments.write(folder(&place)?);
        }
    }
    Ok(())
}

impl Arguments {
    /// Where the log is.
    fn place(&self) -> Result<Place> {
        let place = self.store.locate()?;
        let Some(name) = &self.branch else { return Ok(place) };
        Ok(Place::Folder(branch::folder(folder(&place)?, name)?))
    }

    /// The topics that tell of symptoms and incidents: those of the run itself, also where a branch is
    /// meant.
    fn told(&self) -> Result<Embedded> {
        let place = self.store.locate()?;
        let run = folder(&place)?;
        there(run)?;
        Ok(Embedded::open_to_read(&wiring::topics_folder(run))?)
    }

    fn open(&self, place: &Place) -> Result<Box<dyn Followed>> {
        if let Place::Folder(folder) = place {
            there(folder)?;
        }
        let topics = place.open(&[Topic::Knowledge])?;
        let shards = topics.partitions(Topic::Knowledge);
        if self.shard >= shards {
            let text =
                format!("there is no shard {}: they are numbered from 0 to {}", self.shard, shards - 1);
            return Err(Wrong(text).into());
        }
        Ok(topics)
    }

    fn facts(&self, place: &Place) -> Result<Vec<RecordedFact>> {
        facts(self.open(place)?.as_ref(), self.shard)
    }

    /// What puts facts behind the others.
    fn write(&self, folder: &Path) -> Result<()> {
        match &self.verb {
            // What is imported may be the first that is there.
            Verb::Import { file } => return exchange::import(folder, file, self.output),
            Verb::Branch { name, moment } => return branch::begin(folder, name, *moment),
            _ => there(folder)?,
        }
        match &self.verb {
            Verb::Rollback { to, reason } => {
                let back = |newest| {
                    if *to >= newest {
                        let text = format!("the newest version is {newest}; name an older one");
                        return Err(Wrong(text).into());
                    }
                    Ok(Fact::RolledBack { to: *to, reason: reason.clone() })
                };
                let too_old = format!("version {to} is too old to go back to");
                say!("{}", line(&feedback::append(&mut open(folder)?, back)?.ok_or(Wrong(too_old))?));
            }
            Verb::Revert { version, reason } => {
                let facts = facts(&open(folder)?, 0)?;
                let known = facts.iter().find(|fact| fact.version == *version);
                let absent =
                    || Wrong(format!("there is no version {version}: theriac knowledge log shows them"));
                let what = line(known.ok_or_else(absent)?);
                let what = what.split_whitespace().skip(2).collect::<Vec<_>>().join(" ");
                let fact = Fact::Reverted { version: *version, what, reason: reason.clone() };
                let gone = || Wrong(format!("version {version} lies behind what was compacted"));
                say!("{}", line(&feedback::append(&mut open(folder)?, |_| Ok(fact))?.ok_or_else(gone)?));
            }
            Verb::Judge { symptom, judgement, reason } => {
                let (symptom, reason) = (symptom.clone(), reason.clone());
                let opinion = Opinion { symptom, judgement: *judgement, reason };
                let fact = opinion.fact(&self.told()?)?.ok_or_else(|| opinion.of_nothing())?;
                let nothing = || Wrong("nothing is known here yet".to_owned());
                let fact = feedback::append(&mut open(folder)?, |_| Ok(fact))?.ok_or_else(nothing)?;
                say!("{}", line(&fact));
            }
            Verb::Confirm { incident, cause, reason } => {
                let (incident, reason) = (incident.clone(), reason.clone());
                let confirmation = Confirmation { incident, cause: cause.clone().map(Entity), reason };
                say!("{}", line(&confirmation.note(&self.told()?, &mut open(folder)?)?));
            }
            Verb::Merge { name } => return branch::merge(folder, name, self.output),
            Verb::Compact { remove } => return compact::run(folder, *remove),
            _ => {}
        }
        Ok(())
    }
}

/// The folder of a store; facts are put behind others there alone.
fn folder(place: &Place) -> Result<&Path> {
    match place {
        Place::Folder(folder) => Ok(folder),
        Place::Kafka(_) => {
            let text = "facts on Kafka have one writer, the service: this is for the folder of a run; name it with \
                        --data-dir, or export what is on Kafka and import it there";
            Err(Wrong(text.to_owned()).into())
        }
    }
}

/// Whether a folder has topics.
fn there(folder: &Path) -> Result<()> {
    let topics = wiring::topics_folder(folder);
    if topics.is_dir() {
        return Ok(());
    }
    let text = format!("no topics in {}; name the folder of a run with --data-dir", topics.display());
    Err(Wrong(text).into())
}

/// The readings at a version.
fn known(facts: &[RecordedFact], version: u64) -> Result<Snapshot> {
    at_version(facts, version).map_err(|error| Wrong(error.to_string()).into())
}

/// One side of a difference: a version of these facts, or the newest of a branch.
fn side(place: &Place, facts: &[RecordedFact], name: &str) -> Result<Snapshot> {
    if let Ok(version) = name.parse() {
        return known(facts, version);
    }
    let of_branch = branch::facts(folder(place)?, name)?;
    known(&of_branch, versions(&of_branch).1)
}

/// The topics of a folder, to put facts behind the others.
fn open(folder: &Path) -> Result<Embedded> {
    let settings = theriac_connectors::topics::Settings::default();
    Embedded::open(&wiring::topics_folder(folder), settings)
        .context("what runs is told by `POST /-/judge` instead, see the README")
}
