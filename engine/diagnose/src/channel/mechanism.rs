//! Which trouble of an entity would explain its other trouble.
//!
//! What fills memory or disks takes processor time, and what lacks either is slow or fails; never the
//! other way round. So the deviation of what stands later in this order is expected if what stands
//! earlier is at fault, and counts for it as well: resource and effect together make a cause, an
//! effect alone is a victim's. Work that waits for the processor is kept in memory, though: where both
//! deviate, memory is judged as what may be a victim.

use std::collections::BTreeMap;

use super::{
    Channel, Claim, Incident, Settings, claim,
    deviation::{self, Known},
};
use crate::Family;

/// Place in the order of effects within one entity.
const fn stage(family: Family) -> usize {
    match family {
        Family::Memory | Family::Io | Family::Storage | Family::Restarts => 0,
        Family::Cpu => 1,
        _ => 2,
    }
}

/// A series of an entity.
struct Part<'a> {
    name: &'a str,
    stage: usize,
    /// What it says of itself.
    ratio: f64,
    /// The same if it might be a victim.
    as_victim: f64,
}

pub(super) fn claims(incident: &Incident, known: &Known, settings: &Settings) -> Vec<Claim> {
    let mut entities: BTreeMap<&str, Vec<Part<'_>>> = BTreeMap::new();
    for (series, deviations) in known.deviating(incident) {
        entities.entry(&series.entity).or_default().push(Part {
            name: &series.part,
            stage: stage(series.family),
            ratio: deviation::ratio(deviations, series.family, settings),
            as_victim: deviation::ratio_where(deviations, settings.victim_share, settings),
        });
    }
    let mut claims = Vec::new();
    for (entity, parts) in entities {
        let effects = strongest(&parts, 2);
        let processor = strongest(&parts, 1);
        for part in parts {
            let ratio = match part.stage {
                0 if processor > 0.0 => processor + effects - (part.ratio - part.as_victim).max(0.0),
                0 | 1 => effects,
                _ => 0.0,
            };
            if ratio != 0.0 {
                let text = format!("{} of {entity} would explain its other trouble", part.name);
                claims.push(claim(entity, part.name, Channel::Mechanism, ratio, text));
            }
        }
    }
    claims
}

/// What the strongest part of a stage says, if it speaks for a fault: parts of one stage tell the same.
fn strongest(parts: &[Part<'_>], stage: usize) -> f64 {
    parts.iter().filter(|part| part.stage == stage).map(|part| part.ratio).fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::{super::Series, *};

    fn ratios(during: [f64; 3]) -> Vec<f64> {
        let families = [Family::Memory, Family::Cpu, Family::Latency];
        let series = families.iter().zip(during).map(|(family, during)| Series {
            entity: "cart".to_owned(),
            part: family.name().to_owned(),
            family: *family,
            ordinary: vec![9.0, 10.0, 11.0],
            before: Vec::new(),
            during: vec![during],
        });
        let incident = Incident { series: series.collect(), ..Incident::default() };
        let ratio = |name: &str| {
            let settings = Settings::default();
            let found = claims(&incident, &Known::of(&incident, &settings), &settings);
            let of = found.iter().find(|(suspect, _)| suspect.part == name);
            of.map_or(0.0, |(_, evidence)| evidence.log_likelihood_ratio)
        };
        families.iter().map(|family| ratio(family.name())).collect()
    }

    #[test]
    fn what_stands_earlier_explains_what_stands_later() {
        let found = ratios([100.0, 100.0, 100.0]);
        assert!(found[1] > 0.0 && found[2] == 0.0);
        // Without a change of the processor, memory explains the latency alone.
        let found = ratios([100.0, 10.0, 100.0]);
        assert_eq!(found[0], found[1]);
        assert_eq!(ratios([100.0, 10.0, 10.0]), [0.0; 3]);
    }

    #[test]
    fn memory_that_grows_a_little_while_the_processor_is_busy_is_a_victim() {
        let settings = Settings::default();
        // One ordinary deviation is 1.2: the quartiles of three values, and a tenth of their level.
        let in_all = |memory: f64, found: f64| {
            let deviations = (memory - 10.0) / (1.0_f64 / (1.349 * 1.349) + 1.0).sqrt();
            deviation::ratio(deviations, Family::Memory, &settings) + found
        };
        for (memory, is_cause) in [(10.0, false), (14.0, false), (30.0, true)] {
            let found = ratios([memory, 500.0, 10.0]);
            let processor = ratios([10.0, 500.0, 10.0])[0];
            let deviations = 490.0 / (1.0_f64 / (1.349 * 1.349) + 1.0).sqrt();
            let of_processor = deviation::ratio(deviations, Family::Cpu, &settings) + found[1];
            assert!(processor > 0.0);
            assert_eq!(in_all(memory, found[0]) > of_processor, is_cause, "{memory}");
        }
    }
}
