//! Where errors are logged that were not before.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Claim, claim, ratio,
    window::{Window, entities},
};
use crate::weighing::Suspect;

/// Name of this channel.
pub const CHANNEL: &str = "errors";
/// OpenTelemetry: ERROR and above.
const ERROR: u8 = 17;

/// Requests of a service: all, and those in which it logged an error.
#[derive(Default)]
struct Requests<'a> {
    all: BTreeSet<[u8; 16]>,
    failed: BTreeSet<[u8; 16]>,
    statements: BTreeMap<&'a str, usize>,
}

fn requests(window: &Window) -> BTreeMap<&str, Requests<'_>> {
    let mut services: BTreeMap<&str, Requests<'_>> = BTreeMap::new();
    for call in &window.calls {
        services.entry(call.entity.service()).or_default().all.insert(call.trace);
    }
    for line in &window.lines {
        let service = services.entry(line.entity.service()).or_default();
        service.all.insert(line.trace);
        if line.severity >= ERROR {
            service.failed.insert(line.trace);
            *service.statements.entry(&line.statement).or_default() += 1;
        }
    }
    services
}

/// Services in which the share of requests with an error has risen. A stack trace and the many
/// lines of one failure count as one, by request. What share is usual for a service is known from
/// its own fault-free requests and, since most have no error in them, from those of all.
#[must_use]
pub fn errors(normal: &Window, fault: &Window) -> Vec<Claim> {
    let (before, after) = (requests(normal), requests(fault));
    let entities = entities(normal, fault);
    let sum = |count: fn(&Requests<'_>) -> usize| before.values().map(count).sum::<usize>() as f64;
    let of_all = (sum(|one| one.failed.len()) + 0.5) / (sum(|one| one.all.len()) + 1.0);
    let none = Requests::default();
    let mut claims = Vec::new();
    for (service, now) in &after {
        let then = before.get(service).unwrap_or(&none);
        let count = |requests: &Requests<'_>| (requests.failed.len() as f64, requests.all.len() as f64);
        let ((failed_then, all_then), (failed, all)) = (count(then), count(now));
        let usual = of_all.max((failed_then + of_all) / (all_then + 1.0));
        let most = now.statements.iter().max_by(|a, b| a.1.cmp(b.1).then(b.0.cmp(a.0)));
        let (Some(entity), Some((statement, _))) = (entities.get(service), most) else { continue };
        let ratio = ratio::beyond(failed, all, usual);
        if failed > usual * all && ratio > 0.0 {
            let text = format!(
                "logs errors in {failed} of {all} requests, before in {failed_then} of {all_then}: {statement}"
            );
            let suspect = Suspect { entity: (*entity).clone(), part: String::new() };
            claims.push(claim(suspect, CHANNEL, ratio, text));
        }
    }
    claims
}
