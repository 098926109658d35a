//! Where errors are logged that were not before.

use std::collections::BTreeMap;

use super::{
    Claim, RATIO_MAX, claim, ratio,
    window::{Observed, entities},
};
use crate::weighing::Suspect;

/// Name of this channel.
pub const CHANNEL: &str = "errors";
/// OpenTelemetry: ERROR and above.
pub(super) const ERROR: u8 = 17;
/// What errors add where transitions are told, too, for a new error is one of these: ln 10. It says
/// that work now goes wrong and not only another way, as it does in one of ten harmless changes.
pub(super) const AFTER_A_CHANGE: f64 = std::f64::consts::LN_10;

/// Requests of a service: how many, and in how many it logged an error.
#[derive(Default)]
struct Requests<'a> {
    all: usize,
    failed: usize,
    statements: BTreeMap<&'a str, usize>,
    /// There are spans of it, so that transitions are told.
    traced: bool,
}

fn requests<'a>(observed: &Observed<'a>) -> BTreeMap<&'a str, Requests<'a>> {
    let lines = || observed.lines.iter().zip(&observed.window.lines);
    let calls = observed.calls().map(|(_, call, _)| (call.service, call.trace));
    let mut all: Vec<(u32, u32)> = calls.chain(lines().map(|(at, _)| (at.service, at.trace))).collect();
    let wrong = || lines().filter(|(_, line)| line.severity >= ERROR).map(|(at, _)| at);
    let mut failed: Vec<(u32, u32)> = wrong().map(|at| (at.service, at.trace)).collect();
    let mut traced = vec![false; observed.services()];
    observed.calls().for_each(|(_, call, _)| traced[call.service as usize] = true);
    let mut services: BTreeMap<&str, Requests<'_>> = BTreeMap::new();
    for (requests, is_failure) in [(&mut all, false), (&mut failed, true)] {
        requests.sort_unstable();
        requests.dedup();
        for of_service in requests.chunk_by(|a, b| a.0 == b.0) {
            let place = of_service[0].0;
            let one = services.entry(observed.service(place)).or_default();
            *(if is_failure { &mut one.failed } else { &mut one.all }) = of_service.len();
            one.traced = traced[place as usize];
        }
    }
    for at in wrong() {
        let of_service = services.entry(observed.service(at.service)).or_default();
        *of_service.statements.entry(observed.statement(at.what)).or_default() += 1;
    }
    services
}

/// Services in which the share of requests with an error has risen. A stack trace and the many
/// lines of one failure count as one, by request. What share is usual for a service is known from
/// its own fault-free requests and, since most have no error in them, from those of all.
#[must_use]
pub fn errors(normal: &Observed<'_>, fault: &Observed<'_>) -> Vec<Claim> {
    let (before, after) = (requests(normal), requests(fault));
    let entities = entities(normal, fault);
    let sum = |count: fn(&Requests<'_>) -> usize| before.values().map(count).sum::<usize>() as f64;
    let of_all = (sum(|one| one.failed) + 0.5) / (sum(|one| one.all) + 1.0);
    let none = Requests::default();
    let mut claims = Vec::new();
    for (service, now) in &after {
        let then = before.get(service).unwrap_or(&none);
        let count = |requests: &Requests<'_>| (requests.failed as f64, requests.all as f64);
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
            let most = if now.traced { AFTER_A_CHANGE } else { RATIO_MAX };
            claims.push(claim(suspect, CHANNEL, ratio.min(most), text));
        }
    }
    claims
}
