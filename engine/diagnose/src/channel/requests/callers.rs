//! Trouble goes from callee to caller: who is troubled itself and is called by troubled ones
//! explains them.

use std::collections::{BTreeMap, BTreeSet};

use theriac_contract::Entity;

use super::{
    Claim, claim, errors, transitions,
    window::{Observed, callees},
};
use crate::weighing::{Suspect, weigh};

/// Name of this channel.
pub const CHANNEL: &str = "call_graph";

/// All that a service calls, itself left out.
fn below<'a>(of: &'a str, callees: &BTreeMap<&'a str, BTreeSet<&'a str>>) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::new();
    let mut open = vec![of];
    while let Some(service) = open.pop() {
        for callee in callees.get(service).into_iter().flatten() {
            if *callee != of && found.insert(*callee) {
                open.push(callee);
            }
        }
    }
    found
}

/// What callers feel of their callees: what they do next, and errors. Their processors, their own
/// work and their messages are their own.
const FELT: [&str; 2] = [transitions::CHANNEL, errors::CHANNEL];

/// The log odds of the most suspect part of each entity, of those that are in trouble.
fn trouble(claims: &[Claim]) -> BTreeMap<Entity, f64> {
    let mut trouble: BTreeMap<Entity, f64> = BTreeMap::new();
    for weighed in weigh(claims, 0.0) {
        if let Some(suspect) = weighed.suspect.filter(|_| weighed.log_odds > 0.0) {
            let most = trouble.entry(suspect.entity).or_default();
            *most = most.max(weighed.log_odds);
        }
    }
    trouble
}

/// What `claims` say is trouble, explained along the calls of two windows: a suspect is credited
/// with what its most troubled caller feels, but with no more than its own trouble, for one that
/// shows little explains little.
#[must_use]
pub fn callers(normal: &Observed<'_>, fault: &Observed<'_>, claims: &[Claim]) -> Vec<Claim> {
    let callees = callees([normal, fault]);
    let felt: Vec<Claim> =
        claims.iter().filter(|claim| FELT.contains(&claim.1.channel.as_str())).cloned().collect();
    let felt = trouble(&felt);
    let callers: Vec<_> =
        felt.iter().map(|(caller, theirs)| (caller, *theirs, below(caller.service(), &callees))).collect();
    let mut explained: Vec<Claim> = Vec::new();
    for (entity, own) in trouble(claims) {
        let above = callers.iter().filter(|(_, _, below)| below.contains(entity.service()));
        let Some((caller, theirs, _)) = above.max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(a.0))) else {
            continue;
        };
        let text = format!("it would explain the trouble of {}, which calls it", caller.service());
        let suspect = Suspect { entity, part: String::new() };
        explained.push(claim(suspect, CHANNEL, own.min(*theirs), text));
    }
    explained
}
