//! Causes that no change of ours has to do with: what trouble says of itself.

use theriac_contract::{Entity, Evidence};

use super::changes::words;
use crate::{channel::Claim, weighing::Suspect};

/// Name of this channel.
pub const CHANNEL: &str = "outside";
/// What the cause is part of.
pub const ENTITY: &str = "no change";

/// A kind of cause: words for what it is and for what it does; trouble must speak of both.
struct Kind {
    name: &'static str,
    what: &'static [&'static str],
    does: &'static [&'static str],
}

/// Kinds that operators tell apart, in the words of the programs that report them (TLS libraries,
/// kubelet, resolvers, brokers).
const KINDS: [Kind; 5] = [
    Kind {
        name: "certificate",
        what: &["certificate", "cert", "x509"],
        does: &["expired", "expiry", "notafter"],
    },
    Kind {
        name: "node",
        what: &["node", "kubelet", "neighbor", "cgroup"],
        does: &["throttling", "throttled", "pressure", "contended", "evicted", "preempted"],
    },
    Kind {
        name: "data",
        what: &["poison", "malformed", "corrupt", "corrupted"],
        does: &["record", "message", "payload", "row", "offset", "event"],
    },
    Kind {
        name: "names",
        what: &["dns", "resolver", "nxdomain"],
        does: &["failure", "timeout", "host", "lookup"],
    },
    Kind {
        name: "zone",
        what: &["zone", "region", "datacenter"],
        does: &["outage", "unreachable", "partition", "degraded"],
    },
];

/// Part of a suspect: somebody else's service.
pub const PROVIDER: &str = "provider";
/// Part of a suspect: more requests than the system is made for.
pub const TRAFFIC: &str = "traffic";

/// That trouble names a kind of cause outside: P(so | it is one) ≈ ½, P(so | a change is the cause)
/// ≈ 1/100, for changes seldom speak of expiry or of nodes.
const NAMED: f64 = 3.912_023_005_428_146;

/// Hosts on the public internet that a text says are called: dotted names that end in no name of a
/// cluster's own. (Names of modules look the same, but nobody calls them.)
fn hosts(text: &str) -> impl Iterator<Item = &str> {
    const PUBLIC: [&str; 5] = ["com", "net", "org", "io", "dev"];
    let called = text.contains("://") || text.contains("dial ");
    let pieces = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '.' || c == '-'));
    pieces.map(|piece| piece.trim_matches('.')).filter(move |piece| {
        let end = piece.rsplit('.').next().unwrap_or_default();
        called && piece.matches('.').count() >= 2 && PUBLIC.contains(&end)
    })
}

/// What error texts, and names of what is unusual, say of causes outside. `surge` is by how much the
/// requests of the entry have grown, 1 if they have not.
#[must_use]
pub fn outside(texts: &[String], status: &str, surge: f64) -> Vec<Claim> {
    let claim = |part: &str, ratio: f64, text: String| {
        let suspect = Suspect { entity: Entity(ENTITY.to_owned()), part: part.to_owned() };
        let channel = CHANNEL.to_owned();
        (suspect, Evidence { channel, log_likelihood_ratio: ratio, text, symptoms: Vec::new() })
    };
    let mut claims = Vec::new();
    for kind in KINDS {
        let named = texts.iter().find(|text| {
            let words = words(text);
            // Words here are written whole; those of texts may have lost a plural.
            let has = |list: &[&str]| {
                list.iter().any(|word| words.contains(*word) || text.to_lowercase().contains(*word))
            };
            has(kind.what) && has(kind.does)
        });
        if let Some(text) = named {
            claims.push(claim(kind.name, NAMED, format!("trouble speaks of it: {text}")));
        }
    }
    let host = texts.iter().flat_map(|text| hosts(text)).next();
    if let Some(host) = host {
        let told = status.to_lowercase().contains(host);
        let ratio = if told { 2.0 * NAMED } else { NAMED };
        let text = format!("calls of {host} fail{}", if told { ", and its status page says so" } else { "" });
        claims.push(claim(PROVIDER, ratio, text));
    }
    if surge >= 2.0 {
        let text = format!("requests at the entry grew to {surge:.1} times what they were");
        claims.push(claim(TRAFFIC, NAMED, text));
    }
    claims
}
