//! What is told of an open episode.

use theriac_contract::{SCHEMA_VERSION, Series, Symptom, SymptomPhase, Timestamp};

use crate::{episode::Episode, explain};

/// The revision that an episode of `series` has come to by `at`; none if it is not open.
pub(crate) fn revision(
    series: &Series,
    episode: &Episode,
    phase: SymptomPhase,
    at: Timestamp,
    knowledge_version: u64,
) -> Option<Symptom> {
    let open = episode.open.as_ref()?;
    let over = matches!(phase, SymptomPhase::Close | SymptomPhase::Lost);
    let mut symptom = Symptom {
        schema_version: SCHEMA_VERSION,
        id: open.id.clone(),
        revision: open.revision,
        phase,
        at,
        domain: series.domain.clone(),
        entity: series.entity.clone(),
        peer: series.peer.clone(),
        signal: series.signal.clone(),
        kind: series.kind,
        attributes: series.attributes.clone(),
        series: series.key.clone(),
        onset: episode.onset,
        peak: episode.peak.start,
        end: over.then_some(episode.last_unusual),
        p_value: episode.peak.p_value,
        severity: severity(episode.peak.p_value),
        direction: episode.peak.direction,
        observed: episode.peak.observed,
        expected: episode.peak.expected,
        band: episode.peak.band,
        detectors: episode.peak.detectors.clone(),
        explanation: String::new(),
        examples: episode.examples.clone(),
        who: episode.who.clone(),
        exhaustion: episode.exhaustion.filter(|_| !over),
        knowledge_version,
    };
    symptom.explanation = explain::sentence(series, &symptom, &episode.peak.unlike);
    Some(symptom)
}

/// `-log10(p)` on the scale of 0 to 1 that ends at p = 1e-20.
fn severity(p_value: f64) -> f64 {
    (-libm::log10(p_value) / 20.0).clamp(0.0, 1.0)
}
