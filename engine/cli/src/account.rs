//! The readable account of what the loop does, line by line, in event time.

use std::io::IsTerminal;

use crossterm::style::{Color, Stylize};
use theriac_contract::{
    Autonomy, Awaiting, Hypothesis, Incident, IncidentPhase, Outcome, OutcomeKind, Plan, Symptom,
    SymptomPhase, Timestamp, Verification, VerificationVerdict,
};
use theriac_engine::Outputs;

/// Writes lines about outputs.
pub(crate) struct Account {
    /// Whether single symptoms are told, not only incidents.
    symptoms: bool,
    colour: bool,
}

impl Account {
    /// Colours only on a terminal, and not where `NO_COLOR` is set.
    pub(crate) fn new(symptoms: bool) -> Self {
        let colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Self { symptoms, colour }
    }

    fn line(&self, at: Timestamp, word: &str, colour: Color, text: &str) -> String {
        let clock = &at.to_string()[11..19];
        let word = format!("{word:<9}");
        let word = if self.colour { word.with(colour).bold().to_string() } else { word };
        format!("{clock}  {word} {text}")
    }

    /// What the outputs of one tick have to tell.
    pub(crate) fn tell(&self, outputs: &Outputs) -> Vec<String> {
        let mut lines = Vec::new();
        if self.symptoms {
            lines.extend(outputs.symptoms.iter().flat_map(|symptom| self.symptom(symptom)));
        }
        lines.extend(outputs.incidents.iter().flat_map(|incident| self.incident(incident)));
        lines.extend(outputs.plans.iter().flat_map(|plan| self.plan(plan)));
        lines.extend(outputs.outcomes.iter().filter_map(|outcome| self.outcome(outcome)));
        lines.extend(outputs.verifications.iter().map(|verification| self.verification(verification)));
        lines
    }

    /// With what shows it, each line indented, when it is told first.
    fn symptom(&self, symptom: &Symptom) -> Vec<String> {
        let word = match symptom.phase {
            SymptomPhase::Open => "symptom",
            SymptomPhase::Peak => "worse",
            SymptomPhase::Close => "over",
            SymptomPhase::Lost => "lost",
        };
        let text = format!("{} (p {:.1e})", symptom.explanation, symptom.p_value);
        let mut lines = vec![self.line(symptom.at, word, Color::DarkGrey, &text)];
        if symptom.phase == SymptomPhase::Open {
            let shown = symptom.examples.iter().flat_map(|example| example.lines());
            lines.extend(shown.map(|line| format!("{:<20}{line}", "")));
        }
        lines
    }

    fn incident(&self, incident: &Incident) -> Vec<String> {
        let (word, colour) = match incident.phase {
            IncidentPhase::Opened => ("INCIDENT", Color::Red),
            IncidentPhase::Updated => ("revised", Color::Yellow),
            IncidentPhase::Resolved => ("resolved", Color::Green),
            IncidentPhase::Lost => ("lost", Color::Magenta),
        };
        let text = format!("{}  {}", incident.id.short(), incident.summary);
        let mut lines = vec![self.line(incident.at, word, colour, &text)];
        if !incident.is_over() && !incident.hypotheses.is_empty() {
            lines.push(format!("{:<20}cause? {}", "", hypotheses(&incident.hypotheses)));
        }
        lines
    }

    pub(crate) fn plan(&self, plan: &Plan) -> Vec<String> {
        let steps: Vec<String> =
            plan.steps().map(|step| format!("{} {}", step.action.verb, step.action.target)).collect();
        let dry = match (plan.autonomy, plan.awaiting, plan.dry_run) {
            (Autonomy::Observe | Autonomy::Suggest, ..) => " (a suggestion)".to_owned(),
            (_, Some(Awaiting::Approval), _) => {
                format!(" (awaits approval until {}: theriac approve {})", plan.expires, plan.id.short())
            }
            (_, None, true) => " (dry run)".to_owned(),
            (_, None, false) => String::new(),
        };
        let text = format!("{}: {}{dry}", plan.strategy, steps.join(", then "));
        let mut lines = vec![self.line(plan.at, "PLAN", Color::Cyan, &text)];
        if let Some(chosen) = plan.candidates.iter().find(|candidate| candidate.strategy == plan.strategy) {
            lines.push(format!("{:<20}worth {}", "", chosen.utility.formula));
        }
        lines
    }

    pub(crate) fn outcome(&self, outcome: &Outcome) -> Option<String> {
        let (word, colour) = match outcome.kind {
            OutcomeKind::Succeeded => ("done", Color::Blue),
            OutcomeKind::Failed => ("failed", Color::Red),
            OutcomeKind::TimedOut => ("timed out", Color::Red),
            OutcomeKind::Unknown => ("unknown", Color::Magenta),
            OutcomeKind::Compensated => ("undone", Color::Yellow),
            OutcomeKind::CompensationFailed => ("NOT UNDONE", Color::Red),
            OutcomeKind::Refused => ("refused", Color::Yellow),
            OutcomeKind::Abandoned => ("abandoned", Color::Yellow),
            OutcomeKind::Intended | OutcomeKind::Compensating | OutcomeKind::Completed => return None,
        };
        let action = outcome.action.as_ref().map(|action| format!("{} {}: ", action.verb, action.target));
        let text = format!("{}{}", action.unwrap_or_default(), outcome.detail);
        Some(self.line(outcome.at, word, colour, &text))
    }

    pub(crate) fn verification(&self, verification: &Verification) -> String {
        let (word, colour) = match verification.verdict {
            VerificationVerdict::Recovered => ("HEALED", Color::Green),
            VerificationVerdict::NotRecovered => ("NOT HEALED", Color::Red),
            VerificationVerdict::Unknown => ("UNKNOWN", Color::Magenta),
        };
        self.line(verification.at, word, colour, &verification.explanation)
    }
}

/// The three most probable causes in one line.
pub(crate) fn hypotheses(ranked: &[Hypothesis]) -> String {
    let told: Vec<String> = ranked.iter().take(3).map(hypothesis).collect();
    told.join("; ")
}

/// One cause in a few words: `payment memory_leak 0.83`.
pub(crate) fn hypothesis(hypothesis: &Hypothesis) -> String {
    let entity = hypothesis.entity.as_ref().map_or("", |entity| entity.as_str());
    let gap = if entity.is_empty() { "" } else { " " };
    format!("{entity}{gap}{} {:.2}", hypothesis.fault, hypothesis.probability)
}
