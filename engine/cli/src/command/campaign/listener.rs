//! What the engine says, put down in the words of the scorer.

use std::collections::{BTreeMap, BTreeSet};

use theriac_contract::{
    Felt, Hypothesis, Id, Incident, IncidentPhase, Tick, Verification, VerificationVerdict,
};
use theriac_datasets::fleet::score::{Event, EventKind};
use theriac_engine::{Engine, Observer, Outputs};

/// Causes that are put down of an incident.
const RANKED: usize = 5;

/// Listens to the loop. What it hears in a round has the time at which the round ended: when it
/// could be known outside.
#[derive(Default)]
pub(super) struct Listener {
    pub(super) log: Vec<Event>,
    heard: Vec<EventKind>,
    /// Places that were told to be in trouble.
    troubled: BTreeSet<String>,
    /// What was named last for each incident.
    named: BTreeMap<Id, EventKind>,
    /// Incidents that users feel.
    felt: BTreeSet<Id>,
    /// Incidents that are not over, and that a verdict said to have recovered.
    recovered: BTreeSet<Id>,
    /// Plans that only tell somebody or wait.
    harmless: BTreeSet<Id>,
    /// What plans for each incident took for the cause.
    acted_on: BTreeMap<Id, BTreeSet<String>>,
}

impl Listener {
    /// Dates what was heard.
    pub(super) fn stamp(&mut self, at: f64) {
        self.log.extend(self.heard.drain(..).map(|kind| Event { at, kind }));
    }

    fn hear(&mut self, outputs: &Outputs) {
        for symptom in &outputs.symptoms {
            if symptom.revision == 0 {
                for entity in [Some(&symptom.entity), symptom.peer.as_ref()].into_iter().flatten() {
                    self.troubled.insert(entity.to_string());
                    self.heard.push(EventKind::Symptom { entity: entity.to_string() });
                }
            }
        }
        let mut resolved = false;
        for incident in &outputs.incidents {
            if incident.is_over() {
                self.named.remove(&incident.id);
                self.recovered.remove(&incident.id);
                self.felt.remove(&incident.id);
                resolved |= incident.phase == IncidentPhase::Resolved;
                continue;
            }
            if incident.felt == Felt::Outside {
                self.felt.insert(incident.id.clone());
            } else {
                self.felt.remove(&incident.id);
            }
            let told = diagnosis(incident);
            // How sure it is changes with every revision, and is said with what is acted upon.
            let before = self.named.insert(incident.id.clone(), told.clone());
            if before.as_ref().map(names) != Some(names(&told)) {
                self.heard.push(told);
            }
        }
        // What was seen to end is said to have recovered, by the end of the round.
        if resolved {
            self.claim();
        }
        // What is acted on is the word that counts, whatever is said of other incidents beside it.
        for plan in &outputs.plans {
            let says = plan.steps().all(|step| step.action.is_harmless());
            if says {
                self.harmless.insert(plan.id.clone());
            }
        }
        for plan in outputs.plans.iter().filter(|plan| !plan.dry_run) {
            let Some(mut told) = self.named.get(&plan.incident).cloned() else { continue };
            if !self.harmless.contains(&plan.id) {
                let before = self.acted_on.entry(plan.incident.clone()).or_default();
                take_first(&mut told, &plan.cause.to_string(), before);
                before.insert(plan.cause.to_string());
            }
            self.heard.push(told);
        }
        // That it did not end by somebody being told is no word on what was done.
        let of_deeds = |verification: &&Verification| {
            verification.verdict == VerificationVerdict::Recovered
                || !self.harmless.contains(&verification.plan)
        };
        let of_deeds: Vec<&Verification> = outputs.verifications.iter().filter(of_deeds).collect();
        for verification in of_deeds {
            let recovered = match verification.verdict {
                VerificationVerdict::Recovered => {
                    self.recovered.insert(verification.incident.clone());
                    self.claim();
                    continue;
                }
                VerificationVerdict::NotRecovered => Some(false),
                _ => None,
            };
            self.recovered.remove(&verification.incident);
            self.heard.push(EventKind::Verified { recovered });
        }
    }

    /// That all is well is said once every incident that users feel is over or said to have recovered: of one
    /// that ended beside another that stands it is no word.
    fn claim(&mut self) {
        if self.felt.is_subset(&self.recovered) {
            self.heard.push(EventKind::Verified { recovered: Some(true) });
        }
    }
}

impl Observer for Listener {
    fn tick(&mut self, _: &Engine, _: &Tick, outputs: &Outputs, _: bool) {
        self.hear(outputs);
    }

    fn idle(&mut self, _: &Engine, outputs: &Outputs, _: bool) {
        self.hear(outputs);
    }
}

/// Component and class of causes, and a path.
type Names<'a> = (&'a [(String, String)], &'a [String]);

/// What a diagnosis names, however sure it is.
fn names(kind: &EventKind) -> Option<Names<'_>> {
    match kind {
        EventKind::Diagnosis { ranked, path, .. } => Some((ranked, path)),
        _ => None,
    }
}

/// Where what is named first was acted on before, another plan says what else it takes for a cause.
fn take_first(told: &mut EventKind, cause: &str, before: &BTreeSet<String>) {
    let EventKind::Diagnosis { ranked, probability, .. } = told else { return };
    let place = ranked.iter().position(|(entity, _)| entity == cause);
    if let Some(place) = place.filter(|_| ranked.first().is_some_and(|(first, _)| before.contains(first))) {
        ranked[..=place].rotate_right(1);
        // How sure it is was told of the first.
        if place > 0 {
            *probability = None;
        }
    }
}

fn diagnosis(incident: &Incident) -> EventKind {
    let named = |hypothesis: &Hypothesis| {
        let entity = hypothesis.entity.as_ref()?;
        Some((entity.to_string(), class_of(hypothesis).to_owned()))
    };
    if incident.hypotheses.first().is_some_and(|first| first.entity.is_none()) {
        return EventKind::Abstained;
    }
    let ranked: Vec<(String, String)> = incident.hypotheses.iter().filter_map(named).take(RANKED).collect();
    let mut path: Vec<String> = incident.spread.iter().map(|reached| reached.place.to_string()).collect();
    path.splice(0..0, ranked.first().map(|(entity, _)| entity.clone()));
    path.dedup();
    let probability = incident.hypotheses.first().map(|first| first.probability);
    EventKind::Diagnosis { ranked, path, probability }
}

/// Class of the cause in the words of the fleet's catalogue, or of the engine where that has no word.
fn class_of(hypothesis: &Hypothesis) -> &str {
    if let Some(change) = &hypothesis.change {
        match change.kind.as_str() {
            "deploy" => return "version",
            "configuration" | "flag" => return "configuration",
            "certificate" => return "certificate",
            _ => {}
        }
    }
    match hypothesis.fault.as_str() {
        "memory_leak" | "bad_deploy" => "version",
        "crash_loop" | "hang" => "process",
        "byzantine_replica" => "replica",
        "lying_sensor" => "telemetry",
        "host_fault" | "storage_exhaustion" => "node",
        "network_fault" => "network",
        "traffic_surge" => "load",
        "abusive_tenant" => "tenant",
        "hot_key" => "key",
        "slow_dependency" => "external",
        "pool_exhaustion" | "bad_configuration" => "configuration",
        "lock_contention" => "session",
        "replica_lag" | "data_corruption" => "data",
        "consumer_backlog" => "consumer",
        "poison_record" => "record",
        "certificate_expired" => "certificate",
        "clock_skew" => "node",
        "cache_stampede" => "cache",
        "quota_exceeded" => "external",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use theriac_contract::{
        Action, Autonomy, Entity, FaultClass, Interval, Plan, PlanStage, Retry, SCHEMA_VERSION, Step,
        Timestamp,
    };

    use super::*;
    use crate::propagation::tests::incident;

    const ALL_IS_WELL: EventKind = EventKind::Verified { recovered: Some(true) };
    const IT_STANDS: EventKind = EventKind::Verified { recovered: Some(false) };

    /// A revision of an incident of which these may be the cause, the likeliest first.
    fn told(name: &str, phase: IncidentPhase, causes: &[&str]) -> Incident {
        let one = incident(&[], "");
        let named = |cause: &&str| Hypothesis {
            entity: Some(Entity((*cause).to_owned())),
            ..one.hypotheses[0].clone()
        };
        Incident {
            id: Id(name.to_owned()),
            phase,
            hypotheses: causes.iter().map(named).collect(),
            ..one.clone()
        }
    }

    /// A plan of one step for an incident, that takes something for its cause.
    fn plan(incident: &str, cause: &str, verb: &str) -> Plan {
        let cause = Entity(cause.to_owned());
        let step = Step {
            index: 0,
            action: Action { verb: verb.to_owned(), target: cause.clone(), parameters: BTreeMap::new() },
            precondition: "always".to_owned(),
            expected_effect: String::new(),
            timeout: Interval::from_seconds(1),
            settle: Interval::from_seconds(1),
            retry: Retry::default(),
            idempotency_key: Id::derive("step", &[verb]),
            compensation: None,
            verify_within: Interval::from_seconds(1),
        };
        let plan = Plan {
            schema_version: SCHEMA_VERSION,
            id: Id(String::new()),
            at: Timestamp(0),
            expires: Timestamp(9),
            domain: String::new(),
            incident: Id(incident.to_owned()),
            incident_revision: 0,
            cause,
            fault: "slow_dependency".to_owned(),
            class: FaultClass::Permanent,
            playbook: String::new(),
            strategy: verb.to_owned(),
            escalation: 0,
            candidates: Vec::new(),
            stages: vec![PlanStage { name: String::new(), steps: vec![step] }],
            dry_run: false,
            autonomy: Autonomy::Act,
            awaiting: None,
            propensity: 1.0,
            knowledge_version: 0,
            policy_version: String::new(),
        };
        plan.sealed()
    }

    fn verification(plan: &Plan, verdict: VerificationVerdict) -> Verification {
        Verification {
            schema_version: SCHEMA_VERSION,
            id: Id::derive("verification", &[plan.id.as_str()]),
            at: Timestamp(5),
            domain: String::new(),
            plan: plan.id.clone(),
            incident: plan.incident.clone(),
            stage: 0,
            cause: plan.cause.clone(),
            fault: plan.fault.clone(),
            strategy: plan.strategy.clone(),
            verdict,
            acted: Timestamp(3),
            symptoms_before: 1,
            symptoms_open: 0,
            symptoms_lost: 0,
            dry_run: false,
            explanation: String::new(),
        }
    }

    /// What is heard of one round.
    fn round(listener: &mut Listener, outputs: &Outputs) -> Vec<EventKind> {
        listener.hear(outputs);
        std::mem::take(&mut listener.heard)
    }

    fn revised(listener: &mut Listener, name: &str, phase: IncidentPhase) -> Vec<EventKind> {
        let incidents = vec![told(name, phase, &["cart"])];
        round(listener, &Outputs { incidents, ..Outputs::default() })
    }

    fn judged(listener: &mut Listener, plan: &Plan, verdict: VerificationVerdict) -> Vec<EventKind> {
        let verifications = vec![verification(plan, verdict)];
        round(listener, &Outputs { verifications, ..Outputs::default() })
    }

    /// Two incidents that stand, and a plan that was acted on for each.
    fn two_that_stand() -> (Listener, [Plan; 2]) {
        let mut listener = Listener::default();
        let plans = ["first", "second"].map(|name| plan(name, "cart", "restart"));
        let incidents = ["first", "second"].map(|name| told(name, IncidentPhase::Opened, &["cart"])).to_vec();
        round(&mut listener, &Outputs { incidents, plans: plans.to_vec(), ..Outputs::default() });
        (listener, plans)
    }

    #[test]
    fn what_recovers_alone_is_claimed() {
        let mut listener = Listener::default();
        revised(&mut listener, "only", IncidentPhase::Opened);
        let restart = plan("only", "cart", "restart");
        assert_eq!(judged(&mut listener, &restart, VerificationVerdict::Recovered), [ALL_IS_WELL]);
        assert_eq!(revised(&mut listener, "only", IncidentPhase::Resolved), [ALL_IS_WELL]);
    }

    #[test]
    fn what_recovers_beside_another_is_claimed_once_that_ends() {
        let (mut listener, [first, _]) = two_that_stand();
        assert_eq!(judged(&mut listener, &first, VerificationVerdict::Recovered), []);
        assert_eq!(revised(&mut listener, "second", IncidentPhase::Resolved), [ALL_IS_WELL]);
    }

    #[test]
    fn what_recovers_beside_another_is_claimed_once_that_recovered_too() {
        let (mut listener, [first, second]) = two_that_stand();
        assert_eq!(judged(&mut listener, &first, VerificationVerdict::Recovered), []);
        assert_eq!(judged(&mut listener, &second, VerificationVerdict::Recovered), [ALL_IS_WELL]);
    }

    #[test]
    fn what_ends_beside_another_is_no_claim_either() {
        let (mut listener, [_, second]) = two_that_stand();
        assert_eq!(revised(&mut listener, "first", IncidentPhase::Resolved), []);
        assert_eq!(judged(&mut listener, &second, VerificationVerdict::Recovered), [ALL_IS_WELL]);
    }

    /// Nobody saw it end.
    #[test]
    fn what_is_lost_is_no_claim() {
        let (mut listener, [first, _]) = two_that_stand();
        judged(&mut listener, &first, VerificationVerdict::Recovered);
        assert_eq!(revised(&mut listener, "second", IncidentPhase::Lost), []);
        assert_eq!(revised(&mut listener, "first", IncidentPhase::Resolved), [ALL_IS_WELL]);
    }

    #[test]
    fn a_later_verdict_takes_a_recovery_back() {
        for (verdict, heard) in [
            (VerificationVerdict::NotRecovered, IT_STANDS),
            (VerificationVerdict::Unknown, EventKind::Verified { recovered: None }),
        ] {
            let (mut listener, [first, _]) = two_that_stand();
            judged(&mut listener, &first, VerificationVerdict::Recovered);
            assert_eq!(judged(&mut listener, &first, verdict), [heard]);
            // The first stands again: the end of the second is no word on that.
            assert_eq!(revised(&mut listener, "second", IncidentPhase::Resolved), []);
            assert_eq!(judged(&mut listener, &first, VerificationVerdict::Recovered), [ALL_IS_WELL]);
        }
    }

    /// That it stands although somebody was told is no word on the remedy.
    #[test]
    fn a_verdict_on_a_notice_takes_no_recovery_back() {
        let (mut listener, [first, _]) = two_that_stand();
        judged(&mut listener, &first, VerificationVerdict::Recovered);
        let notice = plan("first", "cart", "notify");
        let plans = vec![notice.clone()];
        round(&mut listener, &Outputs { plans, ..Outputs::default() });
        assert_eq!(judged(&mut listener, &notice, VerificationVerdict::NotRecovered), []);
        assert_eq!(revised(&mut listener, "second", IncidentPhase::Resolved), [ALL_IS_WELL]);
    }

    /// What users do not feel may stand: they are well.
    #[test]
    fn what_nobody_feels_keeps_no_claim_waiting() {
        let (mut listener, [first, _]) = two_that_stand();
        let unfelt = Incident { felt: Felt::Inside, ..told("second", IncidentPhase::Updated, &["cart"]) };
        round(&mut listener, &Outputs { incidents: vec![unfelt], ..Outputs::default() });
        assert_eq!(judged(&mut listener, &first, VerificationVerdict::Recovered), [ALL_IS_WELL]);
        // Once they feel it, too, that one has to be over.
        revised(&mut listener, "second", IncidentPhase::Updated);
        assert_eq!(judged(&mut listener, &first, VerificationVerdict::Recovered), []);
    }

    /// Of an incident with three causes: what is named with each of some plans, and how sure it is.
    fn named_with(plans: &[Plan]) -> Vec<(Vec<String>, Option<f64>)> {
        let mut listener = Listener::default();
        let incidents = ["one", "other"]
            .map(|name| told(name, IncidentPhase::Opened, &["cart", "rows", "bank"]))
            .to_vec();
        round(&mut listener, &Outputs { incidents, ..Outputs::default() });
        let plans = plans.to_vec();
        let heard = round(&mut listener, &Outputs { plans, ..Outputs::default() });
        let named = |kind| match kind {
            EventKind::Diagnosis { ranked, probability, .. } => {
                (ranked.into_iter().map(|(cause, _)| cause).collect(), probability)
            }
            other => panic!("no diagnosis: {other:?}"),
        };
        heard.into_iter().map(named).collect()
    }

    /// The causes in an order, and how sure the first is.
    fn order(causes: [&str; 3], probability: Option<f64>) -> (Vec<String>, Option<f64>) {
        (causes.map(str::to_owned).to_vec(), probability)
    }

    /// What an incident with three causes is said to have as long as nothing else is acted on.
    fn as_it_is() -> (Vec<String>, Option<f64>) {
        order(["cart", "rows", "bank"], Some(0.9))
    }

    #[test]
    fn the_first_plan_names_the_diagnosis_as_it_is() {
        for cause in ["cart", "rows", "elsewhere"] {
            assert_eq!(named_with(&[plan("one", cause, "restart")]), [as_it_is()], "{cause}");
        }
    }

    #[test]
    fn a_later_plan_about_another_cause_names_that_first_and_not_how_sure_it_is() {
        let plans = ["cart", "rows", "bank"].map(|cause| plan("one", cause, "restart"));
        let expected =
            [as_it_is(), order(["rows", "cart", "bank"], None), order(["bank", "cart", "rows"], None)];
        assert_eq!(named_with(&plans), expected);
    }

    #[test]
    fn a_later_plan_about_the_same_cause_or_one_that_is_not_named_says_nothing_new() {
        let plans = [("cart", "restart"), ("cart", "scale_out"), ("elsewhere", "restart")]
            .map(|(cause, verb)| plan("one", cause, verb));
        assert_eq!(named_with(&plans), [as_it_is(), as_it_is(), as_it_is()]);
    }

    /// What is likeliest is still to be tried.
    #[test]
    fn the_likeliest_stays_first_until_it_was_acted_on() {
        let plans = ["rows", "bank"].map(|cause| plan("one", cause, "restart"));
        assert_eq!(named_with(&plans), [as_it_is(), as_it_is()]);
    }

    #[test]
    fn what_another_incident_was_acted_on_for_does_not_count() {
        let plans = [plan("other", "cart", "restart"), plan("one", "rows", "restart")];
        assert_eq!(named_with(&plans), [as_it_is(), as_it_is()]);
    }

    #[test]
    fn who_only_tells_somebody_has_not_acted() {
        let plans = [plan("one", "cart", "notify"), plan("one", "rows", "restart")];
        assert_eq!(named_with(&plans), [as_it_is(), as_it_is()]);
        // Nor does it name what it is about once another plan acted.
        let plans = [plan("one", "cart", "restart"), plan("one", "rows", "notify")];
        assert_eq!(named_with(&plans), [as_it_is(), as_it_is()]);
    }

    #[test]
    fn who_only_says_what_it_would_do_has_not_acted() {
        let dry = Plan { dry_run: true, ..plan("one", "cart", "restart") };
        assert_eq!(named_with(&[dry, plan("one", "rows", "restart")]), [as_it_is()]);
    }
}
