//! Evidence on where: strength, order of onset, the call graph, replicas.

use theriac_contract::Entity;

use super::{Account, Fault, Reasons, contribution, lag_seconds, said};
use crate::{
    family::Family,
    graph::is_location,
    view::{UNCORROBORATED, View},
};

/// Evidence for a fault at a suspect, whatever its mechanism.
pub(crate) fn weigh(
    view: &View<'_>,
    suspect: &Entity,
    fault: Fault,
    account: Option<&Account>,
    reasons: &mut Reasons,
) {
    deviation(view, suspect, fault, reasons);
    onset_order(view, suspect, fault, reasons);
    call_graph(view, suspect, fault, account, reasons);
    host(view, suspect, fault, reasons);
    replicas(view, suspect, fault, reasons);
}

fn deviation(view: &View<'_>, suspect: &Entity, fault: Fault, reasons: &mut Reasons) {
    // What callers tell of the service is told of the one instance that bears the mark of the fault.
    let marks = fault.marks();
    let bears = suspect.is_instance()
        && marks.iter().any(|(family, direction)| view.trouble(suspect, *family, *direction).is_some())
        && view.replicas(suspect.service(), marks).0 == 1;
    let told = [Family::Errors, Family::Latency]
        .into_iter()
        .filter(|_| bears)
        .filter_map(|family| view.trouble_told(suspect, family, None));
    let strongest = view.worst(suspect).into_iter().chain(told);
    let strongest =
        strongest.max_by(|a, b| a.strength.total_cmp(&b.strength).then(b.kept.id.cmp(&a.kept.id)));
    if let Some(worst) = strongest {
        let (text, ids) = said(&worst);
        reasons.add("deviation", 2.0 * worst.strength - 0.5, text, ids);
    } else {
        reasons.add("deviation", -0.5, format!("{suspect} itself shows nothing unusual"), Vec::new());
    }
}

/// Causes come first. Ticks are coarse and detectors differ in delay, so it speaks softly.
fn onset_order(view: &View<'_>, suspect: &Entity, fault: Fault, reasons: &mut Reasons) {
    let Some(lag) = lag_seconds(view, suspect) else { return };
    // A leak and a crash loop are seen by their victims only late.
    let patience = if matches!(fault, Fault::MemoryLeak) { 300.0 } else { 60.0 };
    let ratio = 0.75 - 1.75 * (lag / patience).min(1.0);
    let text = if lag <= 0.0 {
        format!("{suspect} was first")
    } else {
        format!("{suspect} began {lag:.0} s after the first symptom")
    };
    reasons.add("onset_order", ratio, text, Vec::new());
}

/// Trouble goes from callee to caller: the deepest troubled service explains those above it.
fn call_graph(
    view: &View<'_>,
    suspect: &Entity,
    fault: Fault,
    account: Option<&Account>,
    reasons: &mut Reasons,
) {
    if is_location(suspect) || fault.is_load() {
        return;
    }
    let service = suspect.service();
    let below = view.below(service);
    let below = below.iter().filter_map(|other| view.felt(&Entity((*other).to_owned())));
    if let Some(account) = account.filter(|_| fault.looks_like_a_victim()) {
        contribution::weigh(account, reasons);
    }
    let deepest = below.max_by(|a, b| a.strength.total_cmp(&b.strength).then(b.kept.id.cmp(&a.kept.id)));
    if let Some(callee) = deepest {
        // Those who wait for a callee fill their memory and may die of it; the rest is their own.
        let base = match fault {
            _ if fault.looks_like_a_victim() => -4.0,
            Fault::MemoryLeak | Fault::CpuSaturation => -2.5,
            _ => -1.0,
        };
        // A callee that got into trouble long after explains less.
        let late = match (view.onset(callee.kept.about()), view.onset(suspect)) {
            (Some(theirs), Some(mine)) => theirs.since(mine).as_seconds() > 120.0,
            _ => false,
        };
        // Where it is known how much its callees account for, only that part is explained away.
        let share = account.map_or(1.0, |account| account.share);
        // What only the suspect says of its callee may as well be its own trouble.
        let sure = view.is_corroborated(callee.kept.about().service(), service);
        let share = if sure { share } else { share * UNCORROBORATED };
        let ratio = base * share * (0.4 + 0.6 * callee.strength) * if late { 0.5 } else { 1.0 };
        let text = format!("{} is called by {service} and is troubled itself", callee.kept.about());
        reasons.add("call_graph", ratio, text, vec![callee.kept.id.clone()]);
    }
    // How many there are is what weighs.
    let above = view.above(service);
    let above = above.iter().filter(|other| view.is_felt(other));
    let above: Vec<_> = above.filter_map(|other| view.felt_in_words(&Entity((*other).to_owned()))).collect();
    if !above.is_empty() {
        let ids = above.iter().take(5).map(|trouble| trouble.kept.id.clone()).collect();
        let names: Vec<_> = above.iter().take(3).map(|trouble| trouble.kept.about().service()).collect();
        let text = format!("it would explain the trouble of its callers ({})", names.join(", "));
        reasons.add("call_graph", (0.5 * above.len() as f64).min(1.5), text, ids);
    }
}

/// A host in trouble explains what is slow, fails or is busy on it.
fn host(view: &View<'_>, suspect: &Entity, fault: Fault, reasons: &mut Reasons) {
    let explained = fault.looks_like_a_victim() || fault == Fault::CpuSaturation;
    if is_location(suspect) || !explained {
        return;
    }
    if let Some(trouble) = view.way_between_zones() {
        let (text, ids) = said(&trouble);
        let ratio = -2.5 * (0.5 + 0.5 * trouble.strength);
        reasons.add("zone", ratio, format!("the way between zones explains it: {text}"), ids);
    }
    let hosts = view.graph.hosts(suspect);
    let found = hosts.iter().find_map(|host| {
        let own = [
            Family::Cpu,
            Family::Io,
            Family::Transmission,
            Family::Storage,
            Family::Memory,
            Family::Clock,
            Family::Missing,
        ];
        own.into_iter().find_map(|family| view.trouble(host, family, None))
    });
    if let Some(trouble) = found {
        let (text, ids) = said(&trouble);
        reasons.add(
            "host",
            -2.5 * (0.5 + 0.5 * trouble.strength),
            format!("its host explains it: {text}"),
            ids,
        );
    }
}

/// One replica of several points at the replica, all of them at what they share.
fn replicas(view: &View<'_>, suspect: &Entity, fault: Fault, reasons: &mut Reasons) {
    // Only the copy that takes the writes has locks to wait for.
    if is_location(suspect) || fault == Fault::LockContention {
        return;
    }
    let service = suspect.service();
    let (troubled, all) = view.replicas(service, fault.marks());
    if troubled == 0 {
        return;
    }
    let shared = matches!(
        fault,
        Fault::BadDeploy
            | Fault::BadConfiguration
            | Fault::TrafficSurge
            | Fault::AbusiveTenant
            | Fault::ErrorBurst
            | Fault::SlowDependency
    );
    let text = format!("{troubled} of {all} instances of {service} show symptoms");
    let alone = all > 1 && troubled == 1;
    let together = all > 1 && troubled == all;
    // Of a few wrong answers all may come from one instance by chance, though others give them, too.
    let few = view.trouble(suspect, Family::Mismatch, None).map(|trouble| 0.3 + 0.7 * trouble.strength);
    let ratio = match (suspect.is_instance(), alone, together) {
        (true, true, _) => 1.5 * few.unwrap_or(1.0),
        (true, _, true) => -2.5,
        (true, ..) if all > 1 => -1.0,
        (true, ..) => -0.25,
        (false, true, _) if shared => -2.0 * few.unwrap_or(1.0),
        (false, true, _) => -1.5,
        (false, _, true) => 1.0,
        (false, ..) => 0.25,
    };
    reasons.add("replicas", ratio, text, Vec::new());
}
