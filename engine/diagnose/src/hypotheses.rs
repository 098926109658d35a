//! Every cause weighed, normalised together with `unknown`.

use theriac_contract::{Entity, Evidence, FaultClass, Hypothesis};

use crate::{
    channel::reweight::Weights,
    class::class,
    evidence::{Fault, Reasons, account, named, shown, weigh_mechanism, weigh_place, weigh_precedents},
    view::View,
};

/// The fault kind when nothing explains the symptoms well.
pub(crate) const UNKNOWN: &str = "unknown";

struct Weighed {
    suspect: Entity,
    fault: Fault,
    reasons: Reasons,
    score: f64,
}

/// The causes of an incident, ranked. `unknown` is always among them and holds the
/// probability of all that is not listed; the probabilities sum to one.
pub(crate) fn hypotheses(view: &View<'_>) -> Vec<Hypothesis> {
    // What cannot be read was not written by this program; nothing was learnt, then.
    let weights = Weights::from_json(&view.knowledge.channel_weights).unwrap_or_default();
    let mut weighed = Vec::new();
    for suspect in view.suspects() {
        let shown = shown(view, &suspect);
        let account = account(view, suspect.service());
        for fault in Fault::ALL {
            let mut reasons = Reasons::default();
            if weigh_mechanism(view, &suspect, fault, &mut reasons) {
                weigh_place(view, &suspect, fault, account.as_ref(), &mut reasons);
                weigh_precedents(view.knowledge, &suspect, fault, &shown, &mut reasons);
                let score = reasons.total(&weights);
                weighed.push(Weighed { suspect: suspect.clone(), fault, reasons, score });
            }
        }
    }
    weighed.sort_by(|a, b| {
        b.score.total_cmp(&a.score).then(a.suspect.cmp(&b.suspect)).then(a.fault.cmp(&b.fault))
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
        .map(|one| known(view, one.suspect, one.fault, one.reasons, (1.0 - floor) * mass(one.score) / total))
        .collect();
    let named: f64 = ranked.iter().map(|hypothesis| hypothesis.probability).sum();
    ranked.push(unknown(settings.unknown_log_odds, (1.0 - named).max(0.0)));
    ranked.sort_by(|a, b| b.probability.total_cmp(&a.probability));
    for (rank, hypothesis) in (1_u32..).zip(&mut ranked) {
        hypothesis.rank = rank;
    }
    ranked
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
