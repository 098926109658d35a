//! One episode: when it was noticed, what was named, what was done, and whether it ended well.

use std::collections::BTreeMap;

use super::{Episode, EventKind, Time, diagnosis};

/// Seconds without a bad one after which it has recovered.
const SUSTAINED: f64 = 120.0;
/// Loss by an action from which it did harm.
const HARM: f64 = 30.0;
/// The same action on the same target so often in so many seconds is flapping.
const FLAPS: usize = 3;
const FLAPS_WITHIN: f64 = 1800.0;
/// Nothing can be healed where nothing was lost, in seconds.
const WORTH_HEALING: f64 = 10.0;

/// What is true of an episode.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Judged {
    /// First bad second at or after the fault.
    pub first_bad: Option<f64>,
    /// Seconds from when it was observable to the first symptom on the way to the users.
    pub detected: Option<f64>,
    /// The same from the first bad second.
    pub detected_from_impact: Option<f64>,
    /// Place of the component in the last diagnosis before anything was done, from 0.
    pub rank: Option<usize>,
    /// The same of component and class of cause.
    pub rank_with_cause: Option<usize>,
    /// How sure it was of what it named first in that diagnosis; none if it did not say, or of several causes.
    pub believed: Option<f64>,
    /// Agreement of the named path with the true one.
    pub path_f1: f64,
    /// Seconds from the first bad one to the start of the first good while that lasts.
    pub recovered: Option<f64>,
    /// Whether it said that it recovered.
    pub claimed: bool,
    /// Whether it asked a person.
    pub escalated: bool,
    /// Actions that change something.
    pub changes: usize,
    /// Whether the first of them was acceptable; none if there was none.
    pub first_acceptable: Option<bool>,
    /// Each of them.
    pub acceptable: Vec<bool>,
    /// Whether each did harm, as far as it was measured.
    pub harmful: Vec<bool>,
    /// Whether each was more than who knows the truth would have done.
    pub unnecessary: Vec<bool>,
    /// Those that cannot be brought back.
    pub irreversible: usize,
    /// The same again and again, or to and fro.
    pub flapped: bool,
    /// Share of the loss that could be healed and was; none if there was nothing to heal.
    pub healed_share: Option<f64>,
}

impl Judged {
    /// Right cause, recovered, no harm, and it said so; of several causes each right, and all healed.
    #[must_use]
    pub fn end_to_end(&self) -> bool {
        let harmless = !self.harmful.contains(&true) && self.irreversible == 0;
        self.rank == Some(0) && self.recovered.is_some() && harmless && self.claimed
    }

    pub(super) fn detect_time(&self, episode: &Episode) -> Time {
        let cap = episode
            .cause
            .as_ref()
            .map_or(0.0, |cause| episode.horizon - cause.observable.max(cause.injected));
        self.detected.map_or(Time::Censored(cap), |after| Time::Seen(after.max(0.0)))
    }

    pub(super) fn recover_time(&self, episode: &Episode) -> Time {
        let cap = episode.horizon - self.first_bad.unwrap_or_default();
        self.recovered.map_or(Time::Censored(cap), Time::Seen)
    }
}

/// Judges an episode.
#[must_use]
pub fn judge(episode: &Episode) -> Judged {
    let mut judged = Judged::default();
    let since = episode.cause.as_ref().map_or(0.0, |cause| cause.injected);
    judged.first_bad =
        episode.bad_seconds.iter().map(|second| f64::from(*second)).find(|second| *second >= since.floor());
    judged.recovered = match judged.first_bad {
        Some(first) => recovery(episode, first),
        // Where nobody was hurt there was nothing to recover from, as long as all is there.
        None => (episode.cause.is_some() && episode.restored).then_some(0.0),
    };
    diagnosis::judge(&mut judged, episode);
    act(&mut judged, episode);
    let healable = episode.loss_nothing - episode.loss_oracle;
    if episode.cause.is_some() && healable >= WORTH_HEALING {
        judged.healed_share = Some(((episode.loss_nothing - episode.loss) / healable).clamp(-1.0, 1.0));
    }
    judged
}

/// Start of the first window without a bad second, in seconds from the first bad one.
fn recovery(episode: &Episode, first: f64) -> Option<f64> {
    if !episode.restored {
        return None;
    }
    let bad = episode.bad_seconds.iter().map(|second| f64::from(*second)).filter(|second| *second >= first);
    let mut last = first;
    for second in bad {
        if second - last > SUSTAINED {
            return Some(last + 1.0 - first);
        }
        last = second;
    }
    (episode.horizon - last - 1.0 >= SUSTAINED).then_some(last + 1.0 - first)
}

fn act(judged: &mut Judged, episode: &Episode) {
    let mut times: BTreeMap<&str, Vec<(f64, bool)>> = BTreeMap::new();
    for event in &episode.log {
        match &event.kind {
            EventKind::Verified { recovered } => judged.claimed = *recovered == Some(true),
            EventKind::Escalated => judged.escalated = true,
            EventKind::Action { name, changes: true, undo, harm, irreversible, unnecessary, .. } => {
                judged.changes += 1;
                judged.irreversible += usize::from(*irreversible);
                judged.harmful.push(harm.is_some_and(|harm| harm > HARM) || *irreversible);
                judged.unnecessary.push(*unnecessary);
                let acceptable = episode.causes().any(|cause| cause.acceptable.contains(name));
                judged.acceptable.push(acceptable || *undo);
                judged.first_acceptable.get_or_insert(acceptable);
                times.entry(name).or_default().push((event.at, *undo));
            }
            _ => {}
        }
    }
    judged.flapped = times.values().any(|times| flaps(times));
}

fn flaps(times: &[(f64, bool)]) -> bool {
    let often = times.windows(FLAPS).any(|window| window[FLAPS - 1].0 - window[0].0 <= FLAPS_WITHIN);
    let to_and_fro = times.windows(3).any(|window| !window[0].1 && window[1].1 && !window[2].1);
    often || to_and_fro
}
