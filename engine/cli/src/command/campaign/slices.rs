//! The campaign cut in several ways, to see where it is bad. Kinds that are held out are one slice and in no
//! other.

use std::collections::BTreeMap;

use theriac_datasets::fleet::{Class, Mode, record, score::Report as Score};

use super::{
    figures::{Scored, score_of},
    job::Played,
};

/// What is cut out.
pub(super) struct Slice {
    /// By what it is cut.
    pub(super) by: &'static str,
    /// What it is.
    pub(super) name: String,
    pub(super) score: Score,
}

/// Name of all kinds together that are held out, wherever one of them would be named.
pub(super) const HELD_OUT: &str = "held out";

/// Each kind of fault that is not held out, by its code.
pub(super) fn kinds(scored: &Scored) -> BTreeMap<&str, Vec<&Played>> {
    let mut kinds: BTreeMap<&str, Vec<&Played>> = BTreeMap::new();
    for played in scored.episodes.iter().filter(|played| !played.held_out) {
        if let Some(cause) = &played.episode.cause {
            kinds.entry(&cause.code).or_default().push(played);
        }
    }
    kinds
}

/// Code and name of a kind.
pub(super) fn kind_name(code: &str) -> String {
    record(code).map_or_else(|| code.to_owned(), |record| format!("{code} {}", record.name.replace('_', " ")))
}

/// All slices, the bad ones first: by the share that went well from end to end, then by what was healed.
pub(super) fn worst_first(scored: &Scored, seed: u64) -> Vec<Slice> {
    let mut cut: BTreeMap<(&'static str, String), Vec<&Played>> = BTreeMap::new();
    let mut put = |by, name: String, played| cut.entry((by, name)).or_default().push(played);
    for played in &scored.episodes {
        let Some(cause) = &played.episode.cause else { continue };
        if played.held_out {
            put("kinds", HELD_OUT.to_owned(), played);
            continue;
        }
        put("kind", kind_name(&cause.code), played);
        put("class of cause", cause.cause.clone(), played);
        if let Some(record) = record(&cause.code) {
            put("behaviour", behaviour(record.class).to_owned(), played);
        }
        if !played.mode.is_single() || has_modes(scored) {
            put("mode", played.mode.to_string(), played);
        }
    }
    let mut slices: Vec<Slice> = cut
        .into_iter()
        .map(|((by, name), played)| Slice { by, name, score: score_of(played.into_iter(), seed) })
        .filter(|slice| slice.score.end_to_end.of > 0)
        .collect();
    slices.sort_by(|a, b| {
        let end_to_end = a.score.end_to_end.value().total_cmp(&b.score.end_to_end.value());
        end_to_end.then(a.score.healed_share.0.total_cmp(&b.score.healed_share.0))
    });
    slices
}

const fn behaviour(class: Class) -> &'static str {
    match class {
        Class::Transient => "goes away by itself",
        Class::Permanent => "stays",
        Class::Byzantine => "says that it is well",
    }
}

/// Whether faults came in another way than one by one.
pub(super) fn has_modes(scored: &Scored) -> bool {
    scored.episodes.iter().any(|played| !played.mode.is_single())
}

/// Each mode that was played, and all but the single one together; none where only that was played. All
/// kinds count, those held out as well.
pub(super) fn by_mode(scored: &Scored, seed: u64) -> Vec<(String, Score)> {
    if !has_modes(scored) {
        return Vec::new();
    }
    let faults = || scored.episodes.iter().filter(|played| played.episode.cause.is_some());
    let modes = Mode::ALL.into_iter().filter(|mode| faults().any(|played| played.mode == *mode));
    let of = |mode: Mode| score_of(faults().filter(|played| played.mode == mode), seed);
    let each = modes.map(|mode| (format!("mode.{mode}"), of(mode)));
    let compound = score_of(faults().filter(|played| !played.mode.is_single()), seed);
    each.chain([("compound".to_owned(), compound)]).collect()
}
