//! Risky actions need support from more than one kind of evidence.

use std::collections::BTreeSet;

use theriac_contract::Hypothesis;

/// Kinds of evidence that a risky action needs.
const NEEDED: usize = 2;

/// Channels that look at the same thing in different ways are one kind: two of them are no
/// second witness.
const KINDS: [(&str, &[&str]); 7] = [
    (
        "symptoms of the suspect",
        &[
            "deviation",
            "mechanism",
            "latency",
            "errors",
            "self_time",
            "resource",
            "restarts",
            "traffic",
            "class",
        ],
    ),
    ("logs", &["logs"]),
    ("who calls whom", &["call_graph", "contribution", "network", "ways"]),
    ("order of events", &["onset_order", "correlation"]),
    ("changes", &["change"]),
    ("comparison with others", &["peers", "replicas", "vantage", "trust", "host"]),
    ("precedents", &["precedents"]),
];

/// What was thought before anything was seen is no evidence.
const PRIOR: &str = "prior";

fn kind(channel: &str) -> &str {
    KINDS.iter().find(|(_, channels)| channels.contains(&channel)).map_or(channel, |(kind, _)| kind)
}

/// What is missing for a risky action on a hypothesis, for people; none if nothing is.
pub(crate) fn missing(hypothesis: &Hypothesis) -> Option<String> {
    let speak_for = hypothesis
        .evidence_for
        .iter()
        .filter(|evidence| evidence.log_likelihood_ratio > 0.0 && evidence.channel != PRIOR);
    let there: BTreeSet<&str> = speak_for.map(|evidence| kind(&evidence.channel)).collect();
    if there.len() >= NEEDED {
        return None;
    }
    let has = there
        .first()
        .map_or_else(|| "no evidence speaks for it".to_owned(), |only| format!("only {only} speak for it"));
    let others: Vec<&str> =
        KINDS.iter().map(|(kind, _)| *kind).filter(|kind| !there.contains(kind)).collect();
    Some(format!("{has}; {} more of these is needed: {}", NEEDED - there.len(), others.join(", ")))
}

#[cfg(test)]
mod tests {
    use theriac_contract::{Evidence, FaultClass};

    use super::*;

    fn hypothesis(channels: &[(&str, f64)]) -> Hypothesis {
        let evidence = |(channel, ratio): &(&str, f64)| Evidence {
            channel: (*channel).to_owned(),
            log_likelihood_ratio: *ratio,
            text: String::new(),
            symptoms: Vec::new(),
        };
        Hypothesis {
            rank: 1,
            entity: None,
            fault: "x".to_owned(),
            class: FaultClass::Permanent,
            probability: 0.9,
            evidence_for: channels.iter().map(evidence).collect(),
            evidence_against: Vec::new(),
            change: None,
            shown: Vec::new(),
            instances: Vec::new(),
        }
    }

    #[test]
    fn two_channels_of_a_kind_are_one_witness() {
        let one_kind = missing(&hypothesis(&[("latency", 3.0), ("errors", 2.0)])).unwrap();
        assert!(
            one_kind
                .starts_with("only symptoms of the suspect speak for it; 1 more of these is needed: logs")
        );
        assert_eq!(missing(&hypothesis(&[("latency", 3.0), ("change", 2.0)])), None);
        assert_eq!(missing(&hypothesis(&[("latency", 3.0), ("one_of_my_own", 2.0)])), None);
    }

    #[test]
    fn what_speaks_against_it_is_no_support() {
        assert!(missing(&hypothesis(&[("latency", 3.0), ("change", -2.0)])).is_some());
        assert!(missing(&hypothesis(&[("latency", 3.0), ("prior", 2.0)])).is_some());
        assert!(missing(&hypothesis(&[])).unwrap().starts_with("no evidence speaks for it; 2 more"));
    }
}
