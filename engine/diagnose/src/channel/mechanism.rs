//! Which trouble of an entity would explain its other trouble.
//!
//! What fills memory or disks takes processor time, and what lacks either is slow or fails; never the
//! other way round. So the deviation of what stands later in this order is expected if what stands
//! earlier is at fault, and counts for it as well: resource and effect together make a cause, an
//! effect alone is a victim's.

use std::collections::BTreeMap;

use super::{Channel, Claim, Incident, Settings, claim, deviation};
use crate::Family;

/// Place in the order of effects within one entity.
const fn stage(family: Family) -> usize {
    match family {
        Family::Memory | Family::Io | Family::Restarts => 0,
        Family::Cpu => 1,
        _ => 2,
    }
}

pub(super) fn claims(incident: &Incident, settings: &Settings) -> Vec<Claim> {
    let mut entities: BTreeMap<&str, Vec<(usize, &str, f64)>> = BTreeMap::new();
    for series in &incident.series {
        if let Some(deviations) = deviation::of(series, settings) {
            let ratio = deviation::ratio(deviations, series.family, settings);
            entities.entry(&series.entity).or_default().push((stage(series.family), &series.part, ratio));
        }
    }
    let mut claims = Vec::new();
    for (entity, parts) in entities {
        let latest = explained_at(&parts, 2, 0.0);
        let later = explained_at(&parts, 1, latest);
        for (stage, part, _) in parts {
            let explained = [later, latest, 0.0][stage];
            if explained > 0.0 {
                let text = format!("{part} of {entity} would explain its other trouble");
                claims.push(claim(entity, part, Channel::Mechanism, explained, text));
            }
        }
    }
    claims
}

/// What is explained by all that stands before a stage: its strongest part with what that explains
/// itself, for parts of one stage tell the same, or what comes after it alone.
fn explained_at(parts: &[(usize, &str, f64)], stage: usize, later: f64) -> f64 {
    let here = parts.iter().filter(|part| part.0 == stage).map(|part| part.2);
    later + here.fold(0.0, f64::max)
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
            let found = claims(&incident, &Settings::default());
            let of = found.iter().find(|(suspect, _)| suspect.part == name);
            of.map_or(0.0, |(_, evidence)| evidence.log_likelihood_ratio)
        };
        families.iter().map(|family| ratio(family.name())).collect()
    }

    #[test]
    fn what_stands_earlier_explains_what_stands_later() {
        let found = ratios([100.0, 100.0, 100.0]);
        assert!(found[0] > found[1] && found[1] > 0.0);
        assert_eq!(found[2], 0.0);
        // Without a change of the processor, memory explains the latency alone.
        let found = ratios([100.0, 10.0, 100.0]);
        assert_eq!(found[0], found[1]);
        assert_eq!(ratios([100.0, 10.0, 10.0]), [0.0; 3]);
    }
}
