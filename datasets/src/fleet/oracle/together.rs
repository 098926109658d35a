//! Several faults at once: whoever knows the truth has a hand for each, and tries every remedy of one with
//! every remedy of the others, waiting included.

use super::{
    super::{
        action::{Handle, Outcome, Request},
        clock::{Nanos, SECOND},
        episode::{JUDGED, STEP_MAX},
        world::World,
    },
    Best, finish,
};

/// One hand: what it does about a fault.
struct Hand {
    fault: usize,
    remedy: usize,
    /// What is left of the remedy, the next step last; none before it is known.
    left: Option<Vec<Request>>,
    /// The step that is under way, and until when it is waited for.
    pending: Option<(Handle, Nanos)>,
}

impl Hand {
    /// Does what can be done at this instant.
    fn act(&mut self, world: &mut World, done: &mut Vec<Request>) {
        if self.left.is_none() {
            let known = world.truth_of(self.fault).is_some_and(|truth| truth.observable_at <= world.now());
            if self.fault > 0 && !known {
                return;
            }
            let mut steps = world.remedies_of(self.fault).into_iter().nth(self.remedy).unwrap_or_default();
            steps.reverse();
            self.left = Some(steps);
        }
        let over = |(handle, until): &(Handle, Nanos)| {
            world.poll(*handle) != Outcome::Pending || world.now() >= *until
        };
        if !self.pending.as_ref().is_none_or(over) {
            return;
        }
        self.pending = None;
        if let Some(step) = self.left.as_mut().and_then(Vec::pop) {
            self.pending = Some((world.apply(&step), world.now() + STEP_MAX));
            done.push(step);
        }
    }
}

/// The best of all combinations of remedies.
pub(super) fn search(world: &World) -> Best {
    let mut best = finish(world.clone(), Vec::new());
    let counts: Vec<usize> = (0..world.fault_count()).map(|fault| world.fault_remedies(fault)).collect();
    let all: usize = counts.iter().map(|count| count + 1).product();
    for number in 1..all {
        let mut rest = number;
        let mut hands = Vec::new();
        for (fault, count) in counts.iter().enumerate() {
            // The first choice of each is to wait.
            if let Some(remedy) = (rest % (count + 1)).checked_sub(1) {
                hands.push(Hand { fault, remedy, left: None, pending: None });
            }
            rest /= count + 1;
        }
        let tried = play(world.clone(), hands);
        if tried.loss.total() < best.loss.total() {
            best = tried;
        }
    }
    best
}

/// Plays one combination to the end of the episode.
fn play(mut world: World, mut hands: Vec<Hand>) -> Best {
    world.mute();
    let end = world.onset() + JUDGED;
    let mut done = Vec::new();
    while world.now() < end {
        hands.iter_mut().for_each(|hand| hand.act(&mut world, &mut done));
        world.advance(world.now() + SECOND);
    }
    finish(world, done)
}
