//! Changes of code and configuration as suspects: when they took effect, where, what they change,
//! and whether that has to do with what is unusual.

use std::collections::{BTreeMap, BTreeSet};

use theriac_contract::{Entity, Evidence, Timestamp};

use super::diff::{Diff, Effect};
use crate::{channel::Claim, weighing::Suspect};

/// Names of these channels.
pub const CHANNELS: [&str; 4] = ["lag", "place", "effect", "mechanism"];

/// A change.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Its name: the revision.
    pub id: String,
    /// When it was made.
    pub made: Timestamp,
    /// What its author says.
    pub message: String,
    /// Files.
    pub paths: Vec<String>,
    /// Unified diff; none if it is not known.
    pub diff: Option<String>,
}

/// A revision that was put into service.
#[derive(Clone, Debug, PartialEq)]
pub struct Rollout {
    /// When.
    pub at: Timestamp,
    /// Of which service.
    pub service: String,
    /// [`Change::id`].
    pub change: String,
}

/// What is unusual.
#[derive(Clone, Debug, PartialEq)]
pub struct Unusual {
    /// The service that is in trouble.
    pub service: String,
    /// All services that are.
    pub services: BTreeSet<String>,
    /// When the first of it began.
    pub onset: Timestamp,
    /// Texts that speak of it: error messages, names of metrics.
    pub texts: Vec<String>,
}

/// What nobody would see in service: 1 in 100.
const INERT: f64 = -4.605_170_185_988_091;
/// Clocks of deploys and of metrics differ by up to a minute, in ns.
const CLOCKS_NS: i64 = 60_000_000_000;
/// Half an hour, in seconds: how much later trouble begins than its change, as a scale.
const LAG_SECONDS: f64 = 1_800.0;

/// How a change came into service.
struct Arrival<'a> {
    at: Timestamp,
    service: &'a str,
    /// By its own name, and not as one of those that a later revision holds.
    own: bool,
}

/// Words of a text: letters only, cut where names are joined, in lower case, three letters or more.
pub(super) fn words(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut word = String::new();
    let mut before = ' ';
    for c in text.chars().chain([' ']) {
        let joined = c.is_uppercase() && before.is_lowercase();
        if (!c.is_alphabetic() || joined) && !word.is_empty() {
            let whole = std::mem::take(&mut word);
            let singular = whole.strip_suffix('s').filter(|stem| stem.len() >= 3);
            let kept = singular.unwrap_or(&whole);
            if kept.len() >= 3 {
                found.insert(kept.to_owned());
            }
        }
        if c.is_alphabetic() {
            word.extend(c.to_lowercase());
        }
        before = c;
    }
    found
}

/// Whether code at a path is part of a service: a folder is named after it, or the path is of code
/// that all share.
fn holds(service: &str, path: &str) -> bool {
    const SHARED: [&str; 5] = ["pkg", "internal", "lib", "common", "shared"];
    let folders: Vec<&str> = path.split('/').collect();
    let stem = service.strip_suffix("service").unwrap_or(service).trim_end_matches('-');
    let named = |folder: &&&str| !folder.is_empty() && (service == **folder || stem == **folder);
    folders.len() == 1
        || SHARED.contains(&folders[0])
        || folders.iter().take(folders.len() - 1).any(|folder| named(&folder))
}

/// The rollout that brought a change: its own, else the first later one of a service that holds it.
fn arrival<'a>(change: &Change, rollouts: &'a [Rollout], unusual: &Unusual) -> Option<Arrival<'a>> {
    let at = |rollout: &'a Rollout, own| Arrival { at: rollout.at, service: &rollout.service, own };
    let own = rollouts.iter().filter(|rollout| rollout.change == change.id);
    // Where it is in several services, what matters is the one that is in trouble.
    if let Some(rollout) = own.min_by_key(|rollout| (rollout.service != unusual.service, rollout.at)) {
        return Some(at(rollout, true));
    }
    let carries = |rollout: &&Rollout| {
        rollout.at >= change.made && change.paths.iter().any(|path| holds(&rollout.service, path))
    };
    let carried = rollouts.iter().filter(carries);
    let first = carried.min_by_key(|rollout| (rollout.service != unusual.service, rollout.at))?;
    Some(at(first, false))
}

fn lag(arrival: Option<&Arrival<'_>>, unusual: &Unusual) -> (f64, String) {
    let Some(arrival) = arrival else { return (INERT, "was not put into service".to_owned()) };
    let seconds = unusual.onset.since(arrival.at).as_seconds();
    if unusual.onset.0 + CLOCKS_NS < arrival.at.0 {
        return (INERT, format!("came {:.0} s after the trouble began", -seconds));
    }
    let ratio = -libm::log(1.0 + seconds.max(0.0) / LAG_SECONDS);
    (ratio, format!("came {:.0} s before the trouble began", seconds.max(0.0)))
}

fn place(arrival: Option<&Arrival<'_>>, unusual: &Unusual) -> (f64, String) {
    let Some(arrival) = arrival else { return (0.0, "is in no service".to_owned()) };
    let (mut ratio, mut text) = match arrival.service {
        service if service == unusual.service => (1.0, format!("is in {service}, which is in trouble")),
        service if unusual.services.contains(service) => (0.5, format!("is in {service}, which is hit")),
        service => (-1.5, format!("is in {service}, which is well")),
    };
    if !arrival.own {
        // A revision holds several changes.
        ratio -= std::f64::consts::LN_2;
        text += ", as part of a later revision";
    }
    (ratio, text)
}

/// How well each change speaks of what is unusual, as a share of all: words that are in few changes
/// count more (inverse document frequency), those of changed code twice those of its description.
fn mechanism(changes: &[Change], diffs: &[Diff], unusual: &Unusual) -> Vec<(f64, String)> {
    let spoken: BTreeSet<String> = unusual.texts.iter().flat_map(|text| words(text)).collect();
    let described: Vec<BTreeSet<String>> = changes
        .iter()
        .map(|change| words(&format!("{} {}", change.message, change.paths.join(" "))))
        .collect();
    let mut frequency: BTreeMap<&String, f64> = BTreeMap::new();
    for (described, diff) in described.iter().zip(diffs) {
        for word in described.union(&diff.changed) {
            *frequency.entry(word).or_default() += 1.0;
        }
    }
    let count = changes.len() as f64;
    let worth = |word: &String| libm::log(count / frequency.get(word).copied().unwrap_or(count)).max(0.0);
    let scores: Vec<(f64, Vec<&String>)> = described
        .iter()
        .zip(diffs)
        .map(|(described, diff)| {
            let matched: Vec<&String> =
                described.union(&diff.changed).filter(|word| spoken.contains(*word)).collect();
            let weight = |word: &&String| worth(word) * if diff.changed.contains(*word) { 1.0 } else { 0.5 };
            // Long changes have more words; what they match by chance grows with their number.
            let length = libm::sqrt(1.0 + diff.changed.len() as f64);
            (matched.iter().map(weight).sum::<f64>() / length, matched)
        })
        .collect();
    let total: f64 = scores.iter().map(|(score, _)| score).sum();
    let smooth = total / count.max(1.0) / 4.0;
    let say = |(score, matched): (f64, Vec<&String>)| {
        let share = if total > 0.0 { (score + smooth) / (total + count * smooth) } else { 1.0 / count };
        let named: Vec<&str> = matched.into_iter().map(String::as_str).collect();
        let text = if named.is_empty() {
            "speaks of nothing that is unusual".to_owned()
        } else {
            format!("speaks of what is unusual: {}", named.join(", "))
        };
        (libm::log(share * count), text)
    };
    scores.into_iter().map(say).collect()
}

/// Claims for each change, under its name as part of the service that it came into.
#[must_use]
pub fn changes(changes: &[Change], rollouts: &[Rollout], unusual: &Unusual) -> Vec<Claim> {
    let diffs: Vec<Diff> = changes.iter().map(Diff::of).collect();
    let mechanisms = mechanism(changes, &diffs, unusual);
    let mut claims = Vec::new();
    for ((change, diff), mechanism) in changes.iter().zip(&diffs).zip(mechanisms) {
        let arrival = arrival(change, rollouts, unusual);
        let effect = match diff.effect {
            Effect::Inert => (INERT, "changes nothing that runs".to_owned()),
            Effect::Unknown => (-1.6, "what it changes is not known".to_owned()),
            Effect::Value(factor) if factor >= 2.0 => {
                (1.6, format!("changes a value by a factor of {factor:.1}"))
            }
            Effect::Value(factor) => (-1.1, format!("changes a value by a factor of {factor:.2} only")),
            Effect::Text => (1.1, "changes a name or a setting".to_owned()),
            Effect::Patch => (-1.6, "takes a release that only mends".to_owned()),
            Effect::Code(new) => (
                libm::log((new + 0.1) / 0.4),
                format!("{:.0} % of the words it adds are new there", new * 1e2),
            ),
        };
        let service = arrival.as_ref().map_or("", |arrival| arrival.service);
        let suspect = Suspect { entity: Entity(service.to_owned()), part: change.id.clone() };
        let told = [lag(arrival.as_ref(), unusual), place(arrival.as_ref(), unusual), effect, mechanism];
        for (channel, (ratio, text)) in CHANNELS.into_iter().zip(told) {
            let evidence = Evidence {
                channel: channel.to_owned(),
                log_likelihood_ratio: ratio,
                text,
                symptoms: Vec::new(),
            };
            claims.push((suspect.clone(), evidence));
        }
    }
    claims
}
