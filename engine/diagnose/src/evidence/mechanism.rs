//! Evidence on what: which signals a kind of fault shows, and which speak against it.

use theriac_contract::{Change, Direction, Entity};

use super::{Fault, Reasons, asking, exhaustion, marked, network, said};
use crate::{
    family::Family,
    graph::{is_host, is_zone},
    vantage,
    view::{Trouble, View},
};

pub(super) const UP: Option<Direction> = Some(Direction::Up);
/// After so many seconds of trouble a service that tells of itself would tell of it.
const OWN_WORD_AFTER: f64 = 25.0;

/// Seconds by which growth of traffic may be seen after what came of it.
const SEEN_LATER: f64 = 60.0;
/// What it costs a suspicion that its own mark is not there.
pub(super) const WITHOUT_MARK: f64 = -6.0;
/// What it costs an instance of which nothing is heard that nobody misses it.
const UNMISSED: f64 = -7.0;
/// Within so many seconds a process that ended is begun anew by whoever looks after it.
const COMES_BACK: f64 = 120.0;
/// What it costs a loop of crashes that there is none: more than restarts speak for it.
const NO_LOOP: f64 = -4.0;
/// What it costs that all may pass once processes are warm: more than a change just before them weighs.
const MAY_BE_COLD: f64 = -8.0;

/// Weighs a fault at a suspect; false if it makes no sense there.
pub(crate) fn weigh(view: &View<'_>, suspect: &Entity, fault: Fault, reasons: &mut Reasons) -> bool {
    let place = Place { view, suspect };
    let fits = match fault {
        Fault::BrokenNetwork => true,
        _ if is_zone(suspect) => false,
        Fault::BrokenHost => is_host(suspect),
        Fault::CpuSaturation | Fault::LyingSensor => true,
        Fault::ByzantineReplica | Fault::PoisonRecord => suspect.is_instance(),
        Fault::StorageExhaustion => true,
        Fault::ClockSkew => is_host(suspect) || !view.is_placed(suspect),
        // Locks lie on data, whichever copy takes the writes.
        Fault::BadDeploy
        | Fault::BadConfiguration
        | Fault::TrafficSurge
        | Fault::LockContention
        | Fault::AbusiveTenant
        | Fault::HotKey => !is_host(suspect) && !suspect.is_instance(),
        _ => !is_host(suspect),
    };
    if !fits {
        return false;
    }
    match fault {
        Fault::MemoryLeak => place.memory_leak(reasons),
        Fault::CrashLoop => place.crash_loop(reasons),
        Fault::SlowDependency => place.slow_dependency(reasons),
        Fault::BadDeploy => place.bad_change(reasons, "deploy", |change| {
            !change.is_of_settings() && change.kind != Change::SCHEMA
        }),
        Fault::BadConfiguration => place.bad_change(reasons, "configuration", |change| {
            change.is_of_settings() || change.kind == Change::SCHEMA && !view.comes_with_a_deploy(change)
        }),
        Fault::ErrorBurst => place.error_burst(reasons),
        Fault::ByzantineReplica => place.byzantine_replica(reasons),
        Fault::CpuSaturation => place.cpu_saturation(reasons),
        Fault::TrafficSurge => place.traffic_surge(reasons),
        Fault::AbusiveTenant => asking::abusive_tenant(&place, reasons),
        Fault::HotKey => asking::hot_key(&place, reasons),
        Fault::BrokenHost => place.host_fault(reasons),
        Fault::BrokenNetwork => network::weigh(&place, reasons),
        Fault::PoolExhaustion => exhaustion::pool(&place, reasons),
        Fault::StorageExhaustion => exhaustion::storage(&place, reasons),
        Fault::Hang => exhaustion::hang(&place, reasons),
        Fault::LockContention
        | Fault::ReplicaLag
        | Fault::DataCorruption
        | Fault::ConsumerBacklog
        | Fault::CertificateExpired
        | Fault::ClockSkew
        | Fault::CacheStampede
        | Fault::PoisonRecord
        | Fault::QuotaExceeded => marked::weigh(&place, fault, reasons),
        Fault::LyingSensor => vantage::lying_sensor(view, suspect, WITHOUT_MARK, reasons),
    }
    vantage::mark(view, fault, suspect, reasons);
    let may_be_cold = matches!(
        fault,
        Fault::BadDeploy
            | Fault::BadConfiguration
            | Fault::SlowDependency
            | Fault::CpuSaturation
            | Fault::Hang
    );
    if may_be_cold && !is_host(suspect) && view.is_warming_up(suspect) {
        let text = format!("processes of {} began a moment ago: what is cold is slow", suspect.service());
        reasons.add("restarts", MAY_BE_COLD, text, Vec::new());
    }
    true
}

/// How much more so many restarts tell than one.
fn how_often(times: usize) -> f64 {
    1.0 + 0.5 * times.saturating_sub(1).min(2) as f64
}

/// Adds what a trouble tells, if there is one: half of it for a faint one.
fn tell(reasons: &mut Reasons, channel: &str, ratio: f64, trouble: Option<Trouble<'_>>) {
    if let Some(trouble) = trouble {
        let (text, ids) = said(&trouble);
        reasons.add(channel, ratio * (0.5 + 0.5 * trouble.strength), text, ids);
    }
}

/// A suspect in its incident.
pub(super) struct Place<'v, 'a> {
    pub(super) view: &'v View<'a>,
    pub(super) suspect: &'v Entity,
}

impl<'a> Place<'_, 'a> {
    /// The service of the suspect.
    pub(super) fn service(&self) -> Entity {
        Entity(self.suspect.service().to_owned())
    }

    pub(super) fn trouble(&self, family: Family, direction: Option<Direction>) -> Option<Trouble<'a>> {
        self.view.trouble(self.suspect, family, direction)
    }

    /// The mark of a fault: `weight` if it is there (half of it for a faint one), else the
    /// price of its absence.
    pub(super) fn mark(
        &self,
        reasons: &mut Reasons,
        channel: &str,
        weight: f64,
        found: Option<Trouble<'_>>,
        what: &str,
    ) {
        match found {
            Some(_) => tell(reasons, channel, weight, found),
            None => {
                reasons.add(channel, WITHOUT_MARK, format!("{} shows no {what}", self.suspect), Vec::new());
            }
        }
    }

    /// A sign that shifts the balance if it is there.
    pub(super) fn sign(
        &self,
        reasons: &mut Reasons,
        channel: &str,
        ratio: f64,
        family: Family,
        direction: Option<Direction>,
    ) {
        tell(reasons, channel, ratio, self.trouble(family, direction));
    }

    /// More work that comes in explains what a suspicion would explain.
    pub(super) fn more_work(&self, reasons: &mut Reasons, ratio: f64) {
        tell(reasons, "traffic", ratio, self.view.more_work(self.suspect));
    }

    /// A change speaks against causes that need none.
    pub(super) fn change_speaks_against(&self, reasons: &mut Reasons, ratio: f64) {
        if let Some((change, weight)) = self.view.change(self.suspect) {
            let text =
                format!("{} of {} at {} may be the cause instead", change.kind, change.entity, change.at);
            reasons.add("change", ratio * weight, text, Vec::new());
        }
    }

    /// Own resources in trouble speak for a cause inside.
    fn own_resources(&self, reasons: &mut Reasons, ratio: f64) {
        for family in [Family::Cpu, Family::Memory, Family::Io, Family::Storage] {
            self.sign(reasons, "resource", ratio, family, if family == Family::Cpu { UP } else { None });
        }
        self.restarted(reasons, ratio);
    }

    /// Restarts, whether they are a symptom or not yet. What runs again leaves nothing that speaks against
    /// another cause.
    pub(super) fn restarted(&self, reasons: &mut Reasons, ratio: f64) {
        if ratio < 0.0 && self.view.runs_again(self.suspect).is_some() {
            return;
        }
        if self.trouble(Family::Restarts, None).is_some() {
            self.sign(reasons, "resource", ratio, Family::Restarts, None);
        } else {
            self.began_anew(reasons, ratio);
        }
    }

    fn memory_leak(&self, reasons: &mut Reasons) {
        let grown = self.trouble(Family::Memory, UP);
        self.mark(reasons, "resource", 4.5, grown, "growth of memory");
        if let Some(grown) = grown {
            vantage::doubtful_reading(grown.kept, reasons);
        }
        self.sign(reasons, "resource", 0.5, Family::Restarts, None);
        self.more_work(reasons, -1.0);
        if let (Some(_), Some((change, weight))) = (grown, self.view.change(self.suspect)) {
            let text = format!(
                "{} of {} from {} to {} at {} came before: a new version may leak",
                change.kind, change.entity, change.from, change.to, change.at
            );
            // A leak takes time to show.
            reasons.add("change", 1.5 * libm::cbrt(weight), text, Vec::new());
            reasons.change = Some(change.clone());
        }
    }

    /// What it means that a process began anew while the trouble lasted: `ratio` for one
    /// time. Says whether one did.
    fn began_anew(&self, reasons: &mut Reasons, ratio: f64) -> bool {
        let times = self.view.restarts(self.suspect);
        if times > 0 {
            let often = if times == 1 { "once".to_owned() } else { format!("{times} times") };
            let text = format!("a process of {} began anew {often} in the course of it", self.suspect);
            reasons.add("restarts", ratio * how_often(times), text, Vec::new());
        }
        times > 0
    }

    fn crash_loop(&self, reasons: &mut Reasons) {
        let restarts = self.trouble(Family::Restarts, None);
        let missing = self.trouble(Family::Missing, None);
        let marked = restarts.or(missing);
        if marked.is_some() || !self.began_anew(reasons, 2.5) {
            self.mark(reasons, "resource", 4.5, marked, "restarts");
        }
        if restarts.is_some() && missing.is_some() {
            self.sign(reasons, "missing", 1.0, Family::Missing, None);
        }
        if let Some(since) = self.view.runs_again(self.suspect) {
            let text =
                format!("what began anew has run since {since}: what is still wrong is something else");
            let ratio = NO_LOOP * how_often(self.view.restarts(self.suspect));
            reasons.add("restarts", ratio, text, Vec::new());
        }
        // Who is gone is missed by those who call it; what only stops to tell may work all the same.
        let missed = [Family::Errors, Family::Latency, Family::Health];
        let noticed = || missed.into_iter().any(|family| self.view.of_family(family).next().is_some());
        let somebody_calls = self.view.graph.callers(self.suspect.service()).next().is_some();
        let silent_only = restarts.is_none() && missing.is_some() && self.view.restarts(self.suspect) == 0;
        let here = self.suspect.service();
        let stood_in = self.view.told(here).find(|kept| {
            kept.family == Family::Traffic
                && kept.direction == Direction::Up
                && kept.about().is_instance()
                && kept.about().service() == here
        });
        if let (true, Some(kept)) = (silent_only, stood_in) {
            let text = format!("{} does more in its place", kept.about());
            reasons.add("missing", 2.0, text, vec![kept.id.clone()]);
        } else if silent_only && !noticed() && somebody_calls {
            let text = format!("nobody who calls {} misses it: it may be its telemetry alone", self.suspect);
            reasons.add("missing", UNMISSED, text, Vec::new());
        } else if silent_only && !noticed() && !self.view.has_lasted(self.suspect, COMES_BACK) {
            let text =
                format!("nothing else is wrong, and {} may be about to come back by itself", self.suspect);
            reasons.add("missing", UNMISSED, text, Vec::new());
        }
        self.sign(reasons, "health", 0.5, Family::Health, None);
        self.sign(reasons, "resource", -3.0, Family::Memory, UP);
        // What was changed begins anew for that.
        self.change_speaks_against(reasons, if self.suspect.is_instance() { -2.0 } else { -1.0 });
    }

    /// Others say that it is in trouble, and its own word is that all is as usual. A tick or two after the
    /// beginning it may not have told yet.
    fn own_word(&self, reasons: &mut Reasons) {
        if self.view.claims_to_be_well(self.suspect) {
            let ratio = if self.view.has_lasted(self.suspect, OWN_WORD_AFTER) { -3.0 } else { -1.0 };
            let text = format!("only others tell of it: what {} tells of itself is as usual", self.suspect);
            reasons.add("own_word", ratio, text, Vec::new());
        }
    }

    fn slow_dependency(&self, reasons: &mut Reasons) {
        let slow = self.trouble(Family::Latency, UP).or_else(|| self.trouble(Family::SelfTime, UP));
        self.mark(reasons, "latency", 3.0, slow, "latency");
        self.own_word(reasons);
        // Slow in itself, or slow to be reached.
        self.sign(reasons, "self_time", 1.0, Family::SelfTime, UP);
        self.sign(reasons, "network", -2.5, Family::Gap, UP);
        self.sign(reasons, "resource", -1.5, Family::Waiting, UP);
        let (latency, errors) = (slow, self.trouble(Family::Errors, UP));
        if let (Some(latency), Some(errors)) = (latency, errors)
            && errors.kept.onset < latency.kept.onset
        {
            let (text, ids) = said(&errors);
            reasons.add("errors", -1.5, format!("errors came before it was slow: {text}"), ids);
        }
        if errors.is_none() && slow.is_some() {
            let text = format!("{} is slow but does not fail", self.suspect);
            reasons.add("errors", 1.0, text, Vec::new());
        }
        let resources = reasons.list.len();
        for family in [Family::Memory, Family::Io, Family::Storage] {
            self.sign(reasons, "resource", -2.0, family, None);
        }
        self.restarted(reasons, -2.0);
        self.sign(reasons, "missing", -2.5, Family::Missing, None);
        // What is slow may be busy with it.
        self.sign(reasons, "resource", -1.0, Family::Cpu, UP);
        if resources == reasons.list.len() && slow.is_some() {
            let text = format!("the resources of {} are as usual", self.suspect);
            reasons.add("resource", 1.0, text, Vec::new());
        }
        self.sign(reasons, "resource", -1.5, Family::Lock, None);
        self.more_work(reasons, -2.0);
        self.change_speaks_against(reasons, -2.0);
    }

    /// A change of one sort that broke what it changed.
    fn bad_change(&self, reasons: &mut Reasons, sort: &str, is_meant: impl Fn(&Change) -> bool) {
        match self.view.change_that(self.suspect, is_meant) {
            Some((change, weight)) => {
                let text = format!(
                    "{} of {} from {} to {} at {}, before the trouble there",
                    change.kind, change.entity, change.from, change.to, change.at
                );
                // What a callee's trouble explains needs no change to explain it.
                let explained = self.view.troubled_callee(self.suspect);
                let share = explained.map_or(1.0, |callee| 1.0 - 0.75 * callee.strength);
                reasons.add("change", share * (4.0 * weight - 1.0 + weight.min(0.5)), text, Vec::new());
                reasons.change = Some(change.clone());
            }
            None => {
                let text = format!("no {sort} changed {} shortly before", self.suspect);
                reasons.add("change", WITHOUT_MARK, text, Vec::new());
            }
        }
        let failing = self.trouble(Family::Errors, None);
        // One instance whose answers are wrong is another than what all of them share.
        let (wrong, all) = self.view.replicas(self.suspect.service(), &[(Family::Mismatch, None)]);
        let most_wrong = self.trouble(Family::Mismatch, None).filter(|_| 2 * wrong >= all && all > 0);
        let felt = failing
            .or_else(|| self.trouble(Family::Latency, UP))
            .or_else(|| self.trouble(Family::SelfTime, UP))
            .or_else(|| self.trouble(Family::Restarts, None))
            .or(most_wrong);
        self.mark(reasons, "errors", 2.0, felt, "errors, latency, restarts or wrong answers");
        self.restarted(reasons, -2.0);
        self.sign(reasons, "logs", 0.5, Family::Log, UP);
        self.sign(reasons, "resource", -3.0, Family::Memory, UP);
        if most_wrong.is_none() || all == 1 {
            self.sign(reasons, "peers", -1.5, Family::Mismatch, None);
        }
    }

    fn error_burst(&self, reasons: &mut Reasons) {
        let failing = self.trouble(Family::Errors, None);
        self.mark(reasons, "errors", 3.5, failing, "errors");
        // Lines that say why speak for what they say.
        for family in [Family::Certificate, Family::Clock, Family::Quota, Family::Lock] {
            self.sign(reasons, "logs", -2.0, family, None);
        }
        // Who fails on what one partition of a queue holds is not what is wrong.
        let partitions = self.view.piled();
        if let (Some(first), true) = (partitions.first(), partitions.len() == 1)
            && first.is_instance()
        {
            let text = format!("messages pile up in {first} alone: what fails is what it holds");
            reasons.add("queue", -3.0, text, Vec::new());
        }
        if self.view.troubled_ways().iter().any(|(caller, _)| *caller == self.suspect.service()) {
            let text = format!("{} waits for answers that were ready, and fails for that", self.suspect);
            reasons.add("ways", -2.0, text, Vec::new());
        }
        vantage::log_against_metrics(self.view, self.suspect, reasons);
        self.own_word(reasons);
        self.own_resources(reasons, -1.5);
        // Who is not there is refused, and that is no fault of those who are.
        self.sign(reasons, "missing", -2.5, Family::Missing, None);
        self.change_speaks_against(reasons, -3.0);
        self.sign(reasons, "peers", -2.0, Family::Mismatch, None);
        if let (Some(slow), Some(failing)) = (self.trouble(Family::Latency, UP), failing)
            && slow.kept.onset < failing.kept.onset
        {
            let (text, ids) = said(&slow);
            reasons.add("latency", -1.0, format!("it was slow before it failed: {text}"), ids);
        }
        self.more_work(reasons, -1.0);
    }

    fn byzantine_replica(&self, reasons: &mut Reasons) {
        // A line that names who answered passes on what that one said.
        let by_others =
            |trouble: &Trouble<'_>| trouble.kept.peer.is_some() && !trouble.kept.signal.starts_with("log.");
        let mismatch = self.trouble(Family::Mismatch, None);
        let edge_errors = self.trouble(Family::Errors, None).filter(by_others);
        self.mark(reasons, "peers", 5.0, mismatch.or(edge_errors), "answers that others found to be wrong");
        // Who has just got a new build shares it with the others, whichever of them was caught first.
        self.change_speaks_against(reasons, -4.5);
        let own = self.view.told(self.suspect.service()).filter(|kept| kept.entity == *self.suspect);
        let mut own = own.filter(|kept| {
            matches!(kept.family, Family::Health | Family::Errors | Family::Restarts | Family::Missing)
        });
        match own.next() {
            Some(kept) => {
                let text = format!("{} does not claim to be well: {} is unusual", self.suspect, kept.signal);
                reasons.add("peers", -1.5, text, vec![kept.id.clone()]);
            }
            None if mismatch.or(edge_errors).is_some() => {
                let text = format!("{} says itself that it is well, others disagree", self.suspect);
                reasons.add("peers", 1.0, text, Vec::new());
                vantage::contradicted(self.view, self.suspect, reasons);
            }
            None => {}
        }
    }

    fn cpu_saturation(&self, reasons: &mut Reasons) {
        let busy = self.trouble(Family::Cpu, UP);
        self.mark(reasons, "resource", 4.0, busy, "unusual use of the processor");
        if let Some(busy) = busy {
            vantage::doubtful_reading(busy.kept, reasons);
        }
        if let (Some(slow), Some(busy)) = (self.trouble(Family::Latency, UP), busy)
            && slow.kept.onset < busy.kept.onset
            && !is_host(self.suspect)
        {
            let (text, ids) = said(&slow);
            reasons.add("latency", -2.0, format!("it was slow before it was busy: {text}"), ids);
        }
        self.more_work(reasons, -2.5);
        if is_host(self.suspect) {
            let services = self.view.guest_services(self.suspect);
            if !services.is_empty() && busy.is_some() {
                let text = format!("{} services with symptoms run on {}", services.len(), self.suspect);
                reasons.add("host", (0.75 * services.len() as f64).min(2.0), text, Vec::new());
            }
            return;
        }
        self.change_speaks_against(reasons, -1.5);
    }

    fn traffic_surge(&self, reasons: &mut Reasons) {
        let view = self.view;
        let more = self.trouble(Family::Traffic, UP);
        self.mark(reasons, "traffic", 4.0, more, "growth of traffic");
        if more.is_none() {
            return;
        }
        // What one of many asks more is not asked by all.
        asking::explains(self, reasons);
        // More load waits where it is worked off, not on the way there.
        let ways = view.troubled_ways().len();
        if ways > 1 {
            let text = format!("answers that were ready are waited for on {ways} ways");
            reasons.add("network", -2.0, text, Vec::new());
        }
        // In a rollout the others take over from the one that is being replaced.
        self.change_speaks_against(reasons, -3.0);
        let service = self.suspect.service();
        // Who fails is asked again: that is more traffic, too.
        let failing = self.trouble(Family::Errors, UP).or_else(|| view.troubled_callee(self.suspect));
        if let (Some(failing), Some(more)) = (failing, more)
            && failing.kept.onset < more.kept.onset
        {
            // How much there is of something is seen later than that it fails: only what comes well after is
            // what was asked again.
            let lag = more.kept.onset.since(failing.kept.onset).as_seconds();
            let ratio = -4.0 * (lag / SEEN_LATER).min(1.0);
            let (text, ids) = said(&failing);
            reasons.add("errors", ratio, format!("it failed before there was more of it: {text}"), ids);
        }
        // Those that are left have the work of those that are gone.
        self.sign(reasons, "missing", -3.0, Family::Missing, None);
        let loaded = |name: &&&str| view.more_work(&Entity((**name).to_owned())).is_some();
        let above = view.above(service);
        let above = above.iter().find(loaded);
        match above {
            Some(caller) => {
                let text = format!("{caller}, which calls it, has more traffic, too");
                reasons.add("call_graph", -2.5, text, Vec::new());
            }
            None if view.graph.callers(service).next().is_some() => {
                let again = view.asked_again(service);
                let text = format!(
                    "those who call {service} have no more work: it is asked again, or in another way"
                );
                let ratio = if again.is_some() { -4.0 } else { -3.0 };
                let ids = again.map(|kept| kept.id.clone()).into_iter().collect();
                reasons.add("call_graph", ratio, text, ids);
            }
            None => {
                let reached = view.below(service).len();
                let text =
                    format!("the load enters at {service} and reaches {reached} troubled services below");
                reasons.add("call_graph", 0.5 + (0.5 * reached as f64).min(1.5), text, Vec::new());
            }
        }
        let (more, all) = view.replicas(service, &[(Family::Traffic, UP)]);
        if above.is_none() && more > 1 && more == all {
            let text = format!("all {all} instances of {service} have more to do");
            reasons.add("traffic", 1.5, text, Vec::new());
        }
        self.sign(reasons, "peers", -2.0, Family::Mismatch, None);
    }

    /// What runs on a host, as far as it shows symptoms there and not elsewhere.
    pub(super) fn guests(&self, reasons: &mut Reasons) {
        let services = self.view.guest_services(self.suspect);
        let running: Vec<_> = self.view.graph.guests(self.suspect).collect();
        let troubled = running.iter().filter(|guest| self.view.worst(guest).is_some()).count();
        let text = format!(
            "{troubled} of {} instances on {} show symptoms, of {} services",
            running.len(),
            self.suspect,
            services.len()
        );
        let share = troubled as f64 / running.len().max(1) as f64;
        // What touches the instances of one host alone, elsewhere the same services being well,
        // lies with the host.
        let elsewhere = services.iter().filter(|service| {
            let (ill, _) = self.view.replicas(service, &[]);
            let here = running
                .iter()
                .filter(|guest| guest.service() == **service && self.view.worst(guest).is_some());
            ill > here.count()
        });
        let clean = services.len() - elsewhere.count();
        let ratio =
            if services.len() > 1 { -3.0 + 3.0 * share + 1.5 * clean.min(3) as f64 } else { WITHOUT_MARK };
        reasons.add("host", ratio, text, Vec::new());
    }

    fn host_fault(&self, reasons: &mut Reasons) {
        self.guests(reasons);
        for family in [Family::Missing, Family::Io, Family::Storage, Family::Memory] {
            self.sign(reasons, "resource", 1.5, family, None);
        }
        self.sign(reasons, "resource", -1.5, Family::Cpu, UP);
    }
}
