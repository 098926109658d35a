//! `theriac knowledge`: what is known, how it came to be, and going back.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{Write, stdout},
    path::PathBuf,
};

use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use serde_json::json;
use theriac_connectors::topics::Embedded;
use theriac_contract::{EdgeLife, Entity, Fact, NodeKind, Snapshot, Timestamp};
use theriac_knowledge::{as_of, as_of_time, diff, line};

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
    /// Who depends on whom and runs where, now or as it was known before
    Topology {
        /// As it was known at this instant, such as 2026-01-01T12:00:00Z
        #[arg(long, conflicts_with = "version")]
        at: Option<Timestamp>,
        /// As it was known at this version
        #[arg(long)]
        version: Option<u64>,
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
        Verb::Log { .. } | Verb::Diff { .. } | Verb::Topology { .. } => {}
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
        Verb::Topology { at, version } => {
            let known = match at {
                Some(at) => as_of_time(&facts, *at),
                None => as_of(&facts, version.unwrap_or(u64::MAX)),
            };
            topology(&mut out, &known, arguments.output)?;
        }
        Verb::Rollback { .. } | Verb::Judge { .. } | Verb::Confirm { .. } => {}
    }
    Ok(())
}

/// Nodes, then edges, then other names, then whose word does not count.
fn topology(out: &mut impl Write, known: &Snapshot, format: Format) -> Result<()> {
    let topology = &known.topology;
    let of_edges = topology.edges.iter().flat_map(|(from, to, _)| [from, to]);
    let nodes: BTreeSet<&Entity> = topology.instances.values().flatten().chain(of_edges).collect();
    if format == Format::Text {
        let (nodes, edges) = (nodes.len(), topology.edges.len());
        writeln!(out, "version {}: {nodes} nodes, {edges} edges", known.version)?;
    }
    let mut by_kind: BTreeMap<NodeKind, Vec<&Entity>> = BTreeMap::new();
    for node in nodes {
        by_kind.entry(topology.kind_of(node)).or_default().push(node);
    }
    for (kind, nodes) in by_kind {
        for node in nodes {
            match format {
                Format::Text => writeln!(out, "{:<9} {node}", kind.name())?,
                Format::Json => writeln!(out, "{}", json!({ "node": node, "kind": kind }))?,
            }
        }
    }
    for edge in &topology.edges {
        let Some(EdgeLife { since, given, per_second }) = topology.life(edge) else { continue };
        let (from, to, kind) = edge;
        if format == Format::Json {
            let since = (since > Timestamp::MIN).then_some(since);
            let edge = json!({ "from": from, "to": to, "kind": kind, "per_second": per_second, "given": given, "since": since });
            writeln!(out, "{edge}")?;
            continue;
        }
        let volume = per_second.map_or_else(String::new, |rate| format!(", {rate} times a second"));
        let since = if given { "given".to_owned() } else { format!("since {since}") };
        writeln!(out, "edge      {from} {} {to}{volume}, {since}", kind.verb())?;
    }
    for (name, alias) in &topology.aliases {
        let of: Vec<&str> = alias.of.iter().map(Entity::as_str).collect();
        match format {
            Format::Text => writeln!(out, "name      {name} for {}: {}", of.join(", "), alias.reason)?,
            Format::Json => {
                writeln!(out, "{}", json!({ "name": name, "of": alias.of, "reason": alias.reason }))?
            }
        }
    }
    for (entity, distrust) in &known.distrusted {
        match format {
            Format::Text => {
                writeln!(out, "doubt     {entity} since {}: {}", distrust.since, distrust.reason)?
            }
            Format::Json => writeln!(
                out,
                "{}",
                json!({ "distrusted": entity, "since": distrust.since, "signals": distrust.signals, "reason": distrust.reason })
            )?,
        }
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
