//! Event density: how often something happens, in a series that mostly rests.

use crate::{
    anchor::settled,
    arithmetic::single::{least, ln, most, select},
    block::Lane,
    calibration,
    detector::{Parameter, Spec},
    lanes::{Kernel, Kind, Reading},
};

/// Share of recent ticks with an event against the usual share. An event is a value that is not the
/// resting value: the one that has the majority of votes (Boyer and Moore 1991), if any has.
pub(crate) struct EventDensity {
    pub(crate) recent_ticks: f32,
    pub(crate) usual_ticks: f32,
}

/// Votes of a resting value at most, so that another one can come up.
const VOTES_MAX: f32 = 64.0;
/// Standard deviations below which two values are the same: own units are moved now and then, and
/// rounded.
const SAME: f32 = 1e-5;
/// Standard deviations that chance alone explains: what is counted is so rare that its own past has few
/// examples.
const CHANCE: f32 = 2.0;
/// No share is nearer to 0 or to 1.
const SHARE_MIN: f32 = 1e-6;

impl EventDensity {
    /// 1 where the value is not the resting one, else 0.
    #[inline(always)]
    fn event(rest: f32, lane: &Lane) -> f32 {
        select((lane.x - rest).abs() > SAME * lane.spread + lane.rounding, 1.0, 0.0)
    }

    /// Recent share with the present tick, which weighs `times` as much as usual.
    #[inline(always)]
    fn recent(&self, recent: f32, event: f32, lane: &Lane, times: f32) -> f32 {
        let gain = least(times * most(lane.share, 1.0 / self.recent_ticks), 1.0);
        recent + gain * lane.observed * (event - recent)
    }
}

impl Kernel<4> for EventDensity {
    const COLUMNS: [(&'static str, Kind); 4] =
        [("rest", Kind::Place), ("votes", Kind::Count), ("recent", Kind::Count), ("usual", Kind::Count)];
    const SPEC: Spec = Spec {
        name: "event_density",
        sees: "a series that mostly rests becomes busy, or a busy one rests",
        formula: "sqrt(2 n (q ln(q/p) + (1-q) ln((1-q)/(1-p)))) - 2, q recent and p usual share of ticks off the resting value",
        source: "Wilks 1938; Boyer and Moore 1991",
        parameters: &[Parameter {
            name: "memory_ticks",
            unit: "observations",
            default: 256.0,
            meaning: "the recent share remembers an eighth, the usual one eight times as many",
        }],
        state_version: 1,
        warmup_ticks: 256,
        bytes_per_series: calibration::BYTES + 4 * 4,
        on_by_default: false,
    };
    const EXPECTS: bool = false;

    /// Root of the deviance of a binomial share: about standard normal, however rare events are.
    #[inline(always)]
    fn score(&self, &[rest, _, recent, usual]: &[f32; 4], lane: &Lane) -> Reading {
        let recent = self.recent(recent, Self::event(rest, lane), lane, 1.0);
        // Half an event and half a tick without one were seen beforehand.
        let known = least(lane.seen, self.usual_ticks);
        let p = (usual * known + 0.5) / (known + 1.0);
        // One event alone says nothing of how dense they are (continuity correction, Yates 1934).
        let alone = most(lane.share, 1.0 / self.recent_ticks);
        let off = recent - p;
        let q = recent - most(least(off, alone), -alone);
        let q = most(least(q, 1.0 - SHARE_MIN), SHARE_MIN);
        // A weighted mean scatters as that of so many ticks.
        let ticks = least(lane.seen + 1.0, 2.0 * self.recent_ticks - 1.0);
        let deviance = 2.0 * ticks * (q * ln(q / p) + (1.0 - q) * ln((1.0 - q) / (1.0 - p)));
        Reading::of(most(most(deviance, 0.0).sqrt() - CHANCE, 0.0) * lane.observed, lane)
    }

    #[inline(always)]
    fn advance(&self, &[rest, votes, recent, usual]: &[f32; 4], lane: &Lane) -> [f32; 4] {
        let event = Self::event(rest, lane);
        let learns = lane.learns > 0.0;
        let counted = select(event > 0.0, votes - 1.0, least(votes + 1.0, VOTES_MAX));
        let lost = counted < 0.0;
        // What is the same is taken over too, so that its rounding does not add up.
        let taken = learns & (lost | (event <= 0.0));
        let gain = most(lane.share, 1.0 / self.usual_ticks) * lane.learns;
        // Out of an incident, on its way back, it hurries.
        let returns = !learns & ((event - usual).abs() < (recent - usual).abs());
        [
            select(taken, lane.x, rest),
            select(learns, select(lost, 1.0, counted), votes),
            settled(self.recent(recent, event, lane, select(returns, 4.0, 1.0))),
            settled(usual + gain * (event - usual)),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{anchor::Anchors, block::BLOCK, block::Block};

    #[test]
    fn scores_agree_with_the_likelihood_ratio_of_scipy() {
        let reference: serde_json::Value =
            serde_json::from_str(include_str!("../tests/reference/shifts.json")).unwrap();
        let numbers = |list: &serde_json::Value| -> Vec<f64> {
            list.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
        };
        let scores = numbers(&reference["event_density"]["score"]);
        let kernel = EventDensity { recent_ticks: 16.0, usual_ticks: 1_024.0 };
        let mut anchors = Anchors::new(128.0);
        anchors.grow(BLOCK);
        let (mut block, mut state) = (Block::EMPTY, [0.0; 4]);
        for (tick, value) in numbers(&reference["states"]).into_iter().enumerate() {
            anchors.prepare(0, &[value; BLOCK], &[true; BLOCK], &mut block);
            let found = f64::from(kernel.score(&state, &block.lane(0)).score);
            assert!(
                (found - scores[tick]).abs() < 0.01 + 1e-3 * scores[tick],
                "{tick}: {found}, {}",
                scores[tick]
            );
            state = kernel.advance(&state, &block.lane(0));
            anchors.refit(0, &block, |lane, to| {
                if lane == 0 {
                    state[0] = to.place(state[0]);
                }
            });
        }
    }
}
