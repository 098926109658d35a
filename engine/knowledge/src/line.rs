//! A fact as one line for people.

use theriac_contract::{
    Change, Entity, Fact, GivenTopology, LogTemplate, RecordedFact, TemplateReplacement, VerificationVerdict,
};

/// `version  time  what became known`, without a line feed.
#[must_use]
pub fn line(recorded: &RecordedFact) -> String {
    let RecordedFact { version, at, fact, .. } = recorded;
    let text = text(fact).replace(['\n', '\r'], " ");
    format!("{version:>6}  {at}  {text}")
}

pub(crate) fn text(fact: &Fact) -> String {
    match fact {
        Fact::ConfigurationLoaded { configuration, policy } => {
            format!("configuration {configuration} and policy {policy} loaded")
        }
        Fact::EntitySeen { entity } => format!("{entity} seen"),
        Fact::EdgeSeen { from, to, kind } => format!("{from} {} {to}", kind.verb()),
        Fact::EdgeEnded { from, to, kind } => format!("{from} no longer {} {to}", kind.verb()),
        Fact::EdgeUsed { from, to, kind, per_second } => {
            format!("{from} {} {to} {per_second} times a second", kind.verb())
        }
        Fact::AliasSeen { name, of, reason } => {
            let of: Vec<&str> = of.iter().map(Entity::as_str).collect();
            let verb = if of.len() == 1 { "is" } else { "stands in front of" };
            format!("{name} {verb} {}: {reason}", of.join(", "))
        }
        Fact::TopologyGiven { topology: GivenTopology { nodes, edges, aliases, optional } } => {
            let (nodes, edges, names) = (nodes.len(), edges.len(), aliases.len());
            let without = match optional.len() {
                0 => String::new(),
                some => format!("; {some} services can be done without"),
            };
            format!("a file gives {nodes} nodes, {edges} edges and {names} other names{without}")
        }
        Fact::Distrusted { entity, signals, incident, reason } => {
            let signals: Vec<&str> = signals.iter().map(String::as_str).collect();
            let what = if signals.is_empty() { "what it says".to_owned() } else { signals.join(", ") };
            format!("{entity} is not believed ({what}) for {}: {reason}", incident.short())
        }
        Fact::TrustedAgain { entity, reason } => format!("{entity} is believed again: {reason}"),
        Fact::Changed { change: Change { entity, kind, from, to, description, .. } } => {
            format!("{kind} of {entity} from `{from}` to `{to}` {description}").trim_end().to_owned()
        }
        Fact::TemplateSeen { template: LogTemplate { service, severity, text } } => {
            format!("{service} says ({severity}): {text}")
        }
        Fact::TemplateReplaced { replacement } => replaced(replacement),
        Fact::IncidentOpened { incident } => format!("{} opened", incident.short()),
        Fact::IncidentEnded { incident, cause, fault, resolved } => {
            let end = if *resolved { "resolved" } else { "ended without being seen to resolve" };
            let cause = cause.as_ref().map(|cause| format!(" of {cause}")).unwrap_or_default();
            format!("{} {end}: {fault}{cause}", incident.short())
        }
        Fact::Planned { plan, incident, strategy, target } => {
            format!("{} for {}: {strategy} on {target}", plan.short(), incident.short())
        }
        Fact::Refused { incident, strategy, target, reason, detail } => {
            format!("{strategy} on {target} refused for {} ({reason}): {detail}", incident.short())
        }
        Fact::Verified { plan, fault, strategy, service, verdict, learn, .. } => {
            let verdict = match verdict {
                VerificationVerdict::Recovered => "recovered",
                VerificationVerdict::NotRecovered => "not recovered",
                VerificationVerdict::Unknown => "unknown",
            };
            let learn = if *learn { "" } else { " (not learnt from)" };
            format!("{} verified: {verdict}: {strategy} against {fault} on {service}{learn}", plan.short())
        }
        Fact::SymptomJudged { symptom, measure, right, reason } => {
            let judgement = if *right { "right" } else { "noise" };
            format!("{} judged {judgement} ({measure}): {reason}", symptom.short())
        }
        Fact::CauseConfirmed { incident, cause, reason, .. } => {
            let cause = cause.as_ref().map_or("nothing that was suspected", Entity::as_str);
            format!("{} confirmed to be caused by {cause}: {reason}", incident.short())
        }
        Fact::PlanApproved { plan, by, reason } => {
            format!("{} approved by {}: {reason}", plan.short(), somebody(by))
        }
        Fact::PlanRejected { plan, by, reason } => {
            format!("{} rejected by {}: {reason}", plan.short(), somebody(by))
        }
        Fact::ActingHeld { kind, by, reason } => {
            format!("acting {} by {}: {reason}", kind.participle(), somebody(by))
        }
        Fact::ActingResumed { by, reason } => format!("acting resumed by {}: {reason}", somebody(by)),
        Fact::LeftAlone { incident, fault, ended, within, .. } => {
            let end = if *ended { "ended by itself" } else { "did not end by itself" };
            format!("{} {end} within {within}: {fault}", incident.short())
        }
        Fact::KnowledgeWorsened {
            version,
            what,
            recovered_before,
            of_before,
            recovered_since,
            of_since,
            chance,
        } => format!(
            "worse since version {version}, {what}: {recovered_since} of {of_since} plans recovered, before it \
             {recovered_before} of {of_before} (chance {chance:.1e}); version {} is the one to go back to",
            version.saturating_sub(1)
        ),
        Fact::RolledBack { to, reason } => format!("rolled back to version {to}: {reason}"),
        Fact::Reverted { version, what, reason } => format!("reverted version {version}, {what}: {reason}"),
        Fact::Compacted { snapshot, .. } => {
            format!("all that was known at version {} in one fact", snapshot.version)
        }
    }
}

/// What became of a log template.
pub(crate) fn replaced(replacement: &TemplateReplacement) -> String {
    let TemplateReplacement { service, text, by } = replacement;
    let verb = if by.len() == 1 { "is the same as" } else { "turned out to be" };
    let by: Vec<String> = by.iter().map(|text| format!("`{text}`")).collect();
    format!("{service}: `{text}` {verb} {}", by.join(" and "))
}

fn somebody(by: &str) -> &str {
    if by.is_empty() { "somebody" } else { by }
}
