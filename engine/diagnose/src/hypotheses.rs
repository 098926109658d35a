//! Every cause weighed, normalised together with `unknown`.

use theriac_contract::{Entity, Evidence, FaultClass, Hypothesis};

use crate::{
    channel::reweight::Weights,
    class::class,
    evidence::{Account, Fault, Precedents, Reasons, account, named, shown, weigh_mechanism, weigh_place},
    memory::Memory,
    view::View,
};

/// The fault kind when nothing explains the symptoms well.
pub(crate) const UNKNOWN: &str = "unknown";

/// A suspicion and its log odds.
struct Weighed<'s> {
    suspect: &'s Entity,
    fault: Fault,
    score: f64,
}

/// The causes of an incident, ranked. `unknown` is always among them and holds the
/// probability of all that is not listed; the probabilities sum to one. Who rests on nothing that changed
/// since `memory` saw the incident is not weighed again.
pub(crate) fn hypotheses(view: &View<'_>, memory: &mut Memory) -> Vec<Hypothesis> {
    let knowledge = view.known().knowledge;
    // What cannot be read was not written by this program; nothing was learnt, then.
    let weights = Weights::from_json(&knowledge.channel_weights).unwrap_or_default();
    let precedents = Precedents::new(knowledge);
    let suspects = view.suspects();
    memory.look(view);
    let mut weighed = Vec::new();
    for suspect in &suspects {
        let alike = precedents.alike(view, suspect);
        let of_precedents = |fault: Fault| {
            let evidence = alike.weigh(fault)?;
            Some(weights.of(&evidence.channel) * evidence.log_likelihood_ratio)
        };
        let mut add = |of: &[(Fault, f64)]| {
            let scores = of.iter().map(|(fault, score)| Weighed {
                suspect,
                fault: *fault,
                score: of_precedents(*fault).map_or(*score, |more| score + more),
            });
            weighed.extend(scores);
        };
        if let Some(known) = memory.recall(suspect) {
            add(known);
            continue;
        }
        let (fresh, reads) = view.watch(|| weigh(view, suspect, &weights));
        add(&fresh);
        if let Some(reads) = reads {
            memory.remember(view, suspect, reads, fresh);
        }
    }
    memory.keep_only(&suspects.iter().collect());
    weighed.sort_by(|a, b| {
        b.score.total_cmp(&a.score).then(a.suspect.cmp(b.suspect)).then(a.fault.cmp(&b.fault))
    });
    let settings = view.settings;
    let top = weighed.first().map_or(0.0, |first| first.score).max(settings.unknown_log_odds);
    let mass = |score: f64| libm::exp(score - top);
    let total: f64 = weighed.iter().map(|one| mass(one.score)).sum::<f64>() + mass(settings.unknown_log_odds);
    let listed = settings.hypotheses_max.max(2) - 1;
    let floor = settings.unknown_floor.clamp(0.0, 1.0);
    let mut ranked: Vec<Hypothesis> = weighed
        .into_iter()
        .take(listed)
        .filter_map(|one| {
            let account = account(view, one.suspect.service());
            let mut reasons = reasons(view, one.suspect, one.fault, account.as_ref())?;
            reasons.list.extend(precedents.alike(view, one.suspect).weigh(one.fault));
            let probability = (1.0 - floor) * mass(one.score) / total;
            Some(known(view, one.suspect.clone(), one.fault, reasons, probability))
        })
        .collect();
    let named: f64 = ranked.iter().map(|hypothesis| hypothesis.probability).sum();
    ranked.push(unknown(settings.unknown_log_odds, (1.0 - named).max(0.0)));
    ranked.sort_by(|a, b| b.probability.total_cmp(&a.probability));
    for (rank, hypothesis) in (1_u32..).zip(&mut ranked) {
        hypothesis.rank = rank;
    }
    ranked
}

/// What each fault weighs at a suspect, precedents apart: they are looked up by all that an incident shows.
fn weigh(view: &View<'_>, suspect: &Entity, weights: &Weights) -> Vec<(Fault, f64)> {
    let account = account(view, suspect.service());
    let of = |fault| Some((fault, reasons(view, suspect, fault, account.as_ref())?.total(weights)));
    Fault::ALL.into_iter().filter_map(of).collect()
}

/// What speaks for and against a fault at a suspect, precedents apart; none if it makes no sense there.
fn reasons(view: &View<'_>, suspect: &Entity, fault: Fault, account: Option<&Account>) -> Option<Reasons> {
    let mut reasons = Reasons::default();
    if !weigh_mechanism(view, suspect, fault, &mut reasons) {
        return None;
    }
    weigh_place(view, suspect, fault, account, &mut reasons);
    Some(reasons)
}

fn known(
    view: &View<'_>,
    suspect: Entity,
    fault: Fault,
    mut reasons: Reasons,
    probability: f64,
) -> Hypothesis {
    let class = class(view, fault, &mut reasons);
    let shown = shown(view, &suspect).into_iter().collect();
    let instances = match fault.marks() {
        _ if fault.names_one().is_some() => {
            named(view, &suspect, fault).and_then(|kept| kept.who.clone()).into_iter().collect()
        }
        [] => Vec::new(),
        _ if suspect.is_instance() => Vec::new(),
        marks => view.bearers(suspect.service(), marks).into_iter().collect(),
    };
    let (mut evidence_for, mut evidence_against): (Vec<Evidence>, Vec<Evidence>) =
        reasons.list.into_iter().partition(|evidence| evidence.log_likelihood_ratio >= 0.0);
    evidence_for.sort_by(|a, b| b.log_likelihood_ratio.total_cmp(&a.log_likelihood_ratio));
    evidence_against.sort_by(|a, b| a.log_likelihood_ratio.total_cmp(&b.log_likelihood_ratio));
    Hypothesis {
        rank: 0,
        entity: Some(suspect),
        fault: fault.slug().to_owned(),
        class,
        probability,
        evidence_for,
        evidence_against,
        change: reasons.change,
        shown,
        instances,
    }
}

fn unknown(log_odds: f64, probability: f64) -> Hypothesis {
    let evidence = Evidence {
        channel: "prior".to_owned(),
        log_likelihood_ratio: log_odds,
        text: "something that is not listed, or no fault at all".to_owned(),
        symptoms: Vec::new(),
    };
    Hypothesis {
        rank: 0,
        entity: None,
        fault: UNKNOWN.to_owned(),
        class: FaultClass::Unknown,
        probability,
        evidence_for: vec![evidence],
        evidence_against: Vec::new(),
        shown: Vec::new(),
        change: None,
        instances: Vec::new(),
    }
}
