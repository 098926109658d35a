//! Resources near their limit that were not before.
//!
//! Levels are compared as log odds: a resource that is used to u is found busy u/(1 − u) times as
//! often as free, and delays grow with that. Without a fault the level stays where it was, as far as
//! the rest of the fleet does; with one, any level above a half is as likely as another.

use std::collections::BTreeMap;

use theriac_contract::Entity;

use super::{
    Claim, claim,
    window::{Observed, Window},
};
use crate::weighing::Suspect;

/// Name of this channel.
pub const CHANNEL: &str = "levels";
/// Levels beyond this are all of it: limits are enforced by periods of a tenth of a second, about
/// a thousand in a minute.
const FULL: f64 = 0.999;
/// Log odds between half and full: ln 999.
const RANGE: f64 = 6.906_754_778_648_554;
/// Least change, in log odds, that is told from none: a third up or down of a small level.
const SCALE_MIN: f64 = 0.3;

fn log_odds(share: f64) -> f64 {
    let share = share.clamp(1.0 - FULL, FULL);
    libm::log(share / (1.0 - share))
}

/// Log density of a t distribution with 4 degrees of freedom: tails as heavy as those of levels.
fn ln_density(change: f64, scale: f64) -> f64 {
    let z = change / scale;
    libm::log(0.375 / scale) - 2.5 * libm::log(1.0 + z * z / 4.0)
}

fn by_entity<'a>(window: &'a Window, resource: &str) -> BTreeMap<&'a Entity, f64> {
    let mut levels = BTreeMap::new();
    for level in window.levels.iter().filter(|level| level.resource == resource && level.share > 0.0) {
        let highest = levels.entry(&level.entity).or_insert(level.share);
        *highest = f64::max(*highest, level.share);
    }
    levels
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len().is_multiple_of(2) {
        middle.checked_sub(1).map(|before| f64::midpoint(values[before], values[middle]))
    } else {
        values.get(middle).copied()
    }
}

/// Levels of a resource, one claim for each entity that it was measured of.
#[must_use]
pub fn levels(normal: &Observed<'_>, fault: &Observed<'_>, resource: &'static str) -> Vec<Claim> {
    let (before, after) = (by_entity(normal.window, resource), by_entity(fault.window, resource));
    let changes = after.iter().filter_map(|(entity, level)| {
        let change = log_odds(*level) - log_odds(*before.get(entity)?);
        Some(change.abs())
    });
    // Half of the changes lie within; for a normal distribution that is 0.6745 standard deviations.
    let scale = median(changes.collect()).map_or(SCALE_MIN, |half| (half / 0.6745).max(SCALE_MIN));
    // What is expected of one that was not there before: the middle of the others.
    let usual = median(before.values().map(|level| log_odds(*level)).collect()).unwrap_or(0.0);
    let mut claims = Vec::new();
    for (entity, level) in after {
        let (own, now) = (before.get(entity), log_odds(level));
        let change = now - own.map_or(usual, |own| log_odds(*own));
        let ratio = if now > 0.0 && change > 0.0 {
            -libm::log(RANGE) - ln_density(change, scale)
        } else {
            f64::NEG_INFINITY
        };
        let then = own.map_or("not known before".to_owned(), |own| format!("{:.0} % before", own * 1e2));
        let text = format!("{resource} at {:.0} % of its limit, {then}", level * 1e2);
        let suspect = Suspect { entity: entity.clone(), part: resource.to_owned() };
        claims.push(claim(suspect, CHANNEL, ratio, text));
    }
    claims
}
