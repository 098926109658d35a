//! The graph as it was known.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write,
};

use anyhow::Result;
use serde_json::json;
use theriac_contract::{EdgeLife, Entity, NodeKind, Snapshot, Timestamp};

use crate::output::Format;

/// Nodes, then edges, then other names, then whose word does not count.
pub(super) fn print(out: &mut impl Write, known: &Snapshot, format: Format) -> Result<()> {
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
