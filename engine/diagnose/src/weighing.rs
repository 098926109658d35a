//! Claims of the channels put together: which suspect is the most probable cause.

use std::collections::BTreeMap;

use theriac_contract::{Entity, Evidence};

/// What may be the cause: an entity as a whole, or one part of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Suspect {
    /// Where it is.
    pub entity: Entity,
    /// Which metric, resource or region of code; empty for the entity as a whole. What is said of
    /// an entity as a whole counts for each of its parts.
    pub part: String,
}

/// A suspect with everything that was said of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Weighed {
    /// None for "something that is not listed, or no fault at all".
    pub suspect: Option<Suspect>,
    /// Posterior probability; all of one weighing sum to one.
    pub probability: f64,
    /// Sum of the log likelihood ratios (natural logarithm).
    pub log_odds: f64,
    /// What it rests on, the strongest first, whichever way it speaks.
    pub evidence: Vec<Evidence>,
}

/// Adds up what the channels say (naive Bayes over channels: one channel that has several things
/// to say of one suspect says its strongest, for they are not independent) and normalises
/// together with `unknown`, whose log odds are given. The most probable first; among equals by
/// name. Neither the order of the claims nor their number matters.
#[must_use]
pub fn weigh(claims: &[(Suspect, Evidence)], unknown_log_odds: f64) -> Vec<Weighed> {
    let mut of_suspect: BTreeMap<&Suspect, BTreeMap<&str, &Evidence>> = BTreeMap::new();
    for (suspect, evidence) in claims {
        let strongest = of_suspect.entry(suspect).or_default().entry(&evidence.channel).or_insert(evidence);
        if rank_of(evidence) > rank_of(strongest) {
            *strongest = evidence;
        }
    }
    let mut weighed: Vec<Weighed> = Vec::new();
    for (suspect, own) in &of_suspect {
        let whole = Suspect { part: String::new(), ..(*suspect).clone() };
        let mut channels = of_suspect.get(&whole).cloned().unwrap_or_default();
        channels.extend(own);
        let mut evidence: Vec<Evidence> = channels.into_values().cloned().collect();
        evidence.sort_by(|a, b| {
            let strength = |one: &Evidence| one.log_likelihood_ratio.abs();
            strength(b).total_cmp(&strength(a)).then_with(|| a.channel.cmp(&b.channel))
        });
        let log_odds = evidence.iter().map(|one| one.log_likelihood_ratio).sum();
        weighed.push(Weighed { suspect: Some((*suspect).clone()), probability: 0.0, log_odds, evidence });
    }
    weighed.push(Weighed {
        suspect: None,
        probability: 0.0,
        log_odds: unknown_log_odds,
        evidence: Vec::new(),
    });
    let top = weighed.iter().map(|one| one.log_odds).fold(f64::NEG_INFINITY, f64::max);
    let total: f64 = weighed.iter().map(|one| libm::exp(one.log_odds - top)).sum();
    for one in &mut weighed {
        one.probability = libm::exp(one.log_odds - top) / total;
    }
    weighed.sort_by(|a, b| b.log_odds.total_cmp(&a.log_odds).then_with(|| a.suspect.cmp(&b.suspect)));
    weighed
}

/// Which of two claims of one channel is heard: the stronger; among equals what speaks for, then
/// the text, so that the order in which they came does not matter.
fn rank_of(evidence: &Evidence) -> (u64, bool, &str) {
    let ratio = evidence.log_likelihood_ratio;
    (ratio.abs().to_bits(), ratio > 0.0, &evidence.text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(entity: &str, part: &str, channel: &str, ratio: f64) -> (Suspect, Evidence) {
        let suspect = Suspect { entity: Entity(entity.to_owned()), part: part.to_owned() };
        let evidence = Evidence {
            channel: channel.to_owned(),
            log_likelihood_ratio: ratio,
            text: format!("{channel} of {entity}"),
            symptoms: Vec::new(),
        };
        (suspect, evidence)
    }

    fn names(weighed: &[Weighed]) -> Vec<String> {
        let name = |one: &Weighed| one.suspect.as_ref().map_or("unknown".to_owned(), |s| s.entity.0.clone());
        weighed.iter().map(name).collect()
    }

    #[test]
    fn odds_multiply_and_probabilities_sum_to_one() {
        // Closed form: odds 4, 2 and 1 against an unknown of 1.
        let claims = [claim("a", "", "x", libm::log(2.0)), claim("a", "", "y", libm::log(2.0)), {
            claim("b", "", "x", libm::log(2.0))
        }];
        let weighed = weigh(&claims, 0.0);
        assert_eq!(names(&weighed), ["a", "b", "unknown"]);
        let probabilities: Vec<f64> = weighed.iter().map(|one| one.probability).collect();
        for (found, expected) in probabilities.iter().zip([4.0 / 7.0, 2.0 / 7.0, 1.0 / 7.0]) {
            assert!((found - expected).abs() < 1e-12, "{probabilities:?}");
        }
    }

    #[test]
    fn a_channel_is_heard_once_and_order_does_not_matter() {
        let mut claims =
            vec![claim("a", "", "x", 1.0), claim("a", "", "x", 3.0), claim("b", "", "x", -2.0), {
                claim("b", "", "y", 2.5)
            }];
        let forwards = weigh(&claims, 0.0);
        claims.reverse();
        assert_eq!(forwards, weigh(&claims, 0.0));
        assert_eq!(forwards[0].log_odds, 3.0);
        assert_eq!(names(&forwards), ["a", "b", "unknown"]);
    }

    #[test]
    fn what_is_said_of_the_whole_counts_for_each_part_unless_the_part_says_otherwise() {
        let claims = [claim("a", "", "graph", 2.0), claim("a", "cpu", "deviation", 3.0), {
            claim("a", "memory", "graph", -1.0)
        }];
        let weighed = weigh(&claims, 0.0);
        let of = |part: &str| {
            let found = weighed.iter().find(|one| one.suspect.as_ref().is_some_and(|s| s.part == part));
            found.map(|one| one.log_odds)
        };
        assert_eq!((of(""), of("cpu"), of("memory")), (Some(2.0), Some(5.0), Some(-1.0)));
    }
}
