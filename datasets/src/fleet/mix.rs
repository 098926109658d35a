//! Which kinds of fault are played, how often, and how they come.

use std::{fmt, str::FromStr};

use super::{
    fault::{Record, catalogue},
    mode::Mode,
    scenario::suits,
};
use crate::random::Stream;

/// How kinds of fault are chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mix {
    /// Each kind once before the next round of all kinds.
    #[default]
    Uniform,
    /// As often as incidents with such causes are reported in production.
    Prod,
    /// The kinds that are hard to see through, in all modes unless some are named.
    Hard,
}

/// Why nothing can be chosen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MixError {
    /// There is no such mix.
    #[error("there is no mix `{0}`; there are uniform, prod, hard")]
    NoMix(String),
    /// None of the faults that were named belongs to the mix.
    #[error("--mix hard has none of --faults {0}: it is made of {hard}", hard = HARD.join(", "))]
    NotHard(String),
    /// None of the faults can come in the modes.
    #[error(
        "--modes {0}: none of the chosen faults can come so; name others with --faults, or the mode single"
    )]
    NoMode(String),
}

impl fmt::Display for Mix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Uniform => "uniform",
            Self::Prod => "prod",
            Self::Hard => "hard",
        })
    }
}

impl FromStr for Mix {
    type Err = MixError;

    fn from_str(text: &str) -> Result<Self, MixError> {
        let all = [Self::Uniform, Self::Prod, Self::Hard];
        let named = all.into_iter().find(|mix| mix.to_string() == text);
        named.ok_or_else(|| MixError::NoMix(text.to_owned()))
    }
}

/// Kinds that are hard: what they show misleads, or the obvious remedy does harm.
const HARD: [&str; 8] = ["F13", "F24", "F29", "F33", "F39", "F40", "F41", "F42"];

/// Causes of 152 severe incidents of a large service, in percent, with the kinds that are of each: defects
/// in code, dependencies, infrastructure, deployments, settings, databases and networks, authentication
/// (Ghosh et al., "How to fight production incidents?", `SoCC` 2022).
const PRODUCTION: [(f64, &[&str]); 7] = [
    (27.0, &["F02", "F03", "F05", "F07", "F09", "F20", "F32", "F33", "F34", "F35", "F39", "F40", "F41"]),
    (16.4, &["F06", "F36", "F37", "F38", "F43", "F44"]),
    (15.8, &["F01", "F04", "F10", "F11", "F12", "F21", "F42", "F45"]),
    (13.2, &["F27", "F28", "F29"]),
    (12.5, &["F08", "F18", "F25", "F30", "F31"]),
    (10.5, &["F13", "F14", "F15", "F16", "F17", "F19", "F22", "F23", "F24"]),
    (4.6, &["F26"]),
];

/// A fault of a campaign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draw {
    /// Its kind.
    pub code: &'static str,
    /// How it comes.
    pub mode: Mode,
    /// The seed of its episode.
    pub seed: u64,
}

/// Chooses kinds and modes.
#[derive(Debug)]
pub struct Chooser {
    mix: Mix,
    kinds: Vec<&'static Record>,
    left_out: usize,
    modes: Vec<Mode>,
    seed: u64,
}

impl Chooser {
    /// From some kinds, or all, and some modes, or those of the mix.
    ///
    /// # Errors
    /// If nothing is left to choose from.
    pub fn new(mix: Mix, codes: &[String], modes: &[Mode], seed: u64) -> Result<Self, MixError> {
        let chosen = |record: &&Record| {
            let named = codes.is_empty() || codes.contains(&record.code);
            named && (mix != Mix::Hard || HARD.contains(&record.code.as_str()))
        };
        let named: Vec<&'static Record> = catalogue().iter().filter(chosen).collect();
        if named.is_empty() {
            return Err(MixError::NotHard(codes.join(",")));
        }
        let default = if mix == Mix::Hard { Mode::ALL.to_vec() } else { vec![Mode::Single] };
        let mut modes = if modes.is_empty() { default } else { modes.to_vec() };
        modes.sort_unstable();
        modes.dedup();
        // A kind that can come in none of the modes has no part in it.
        let comes = |record: &&'static Record| modes.iter().any(|mode| suits(*mode, record));
        let all = named.len();
        let kinds: Vec<&'static Record> = named.into_iter().filter(comes).collect();
        if kinds.is_empty() {
            let names: Vec<&str> = modes.iter().map(|mode| mode.slug()).collect();
            return Err(MixError::NoMode(names.join(",")));
        }
        let left_out = all - kinds.len();
        Ok(Self { mix, kinds, left_out, modes, seed })
    }

    /// How many kinds have a part in it.
    #[must_use]
    pub const fn kinds(&self) -> usize {
        self.kinds.len()
    }

    /// How many kinds have none since they cannot come in any of the modes.
    #[must_use]
    pub const fn left_out(&self) -> usize {
        self.left_out
    }

    /// The modes that are chosen from.
    #[must_use]
    pub fn modes(&self) -> &[Mode] {
        &self.modes
    }

    /// The episodes from the first to before the `episodes`th: more of them begin with the same.
    #[must_use]
    pub fn draw(&self, episodes: u64) -> Vec<Draw> {
        match self.mix {
            Mix::Uniform | Mix::Hard => self.rounds(episodes),
            Mix::Prod => (0..episodes).filter_map(|number| self.produced(number)).collect(),
        }
    }

    /// Rounds of all kinds.
    fn rounds(&self, episodes: u64) -> Vec<Draw> {
        let count = self.kinds.len() as u64;
        let mut draws = Vec::new();
        for round in 0..episodes.div_ceil(count.max(1)) {
            let seed = self.seed + round;
            let modes = self.modes_of_round(round);
            draws.extend(self.kinds.iter().zip(modes).map(|(record, mode)| Draw {
                code: &record.code,
                mode,
                seed,
            }));
        }
        draws.truncate(episodes as usize);
        draws
    }

    /// A mode for each kind in a round: the modes have their shares over all rounds, which kind gets which is
    /// drawn anew in each round, and none gets one that it cannot come in if another kind can.
    fn modes_of_round(&self, round: u64) -> Vec<Mode> {
        let count = self.kinds.len();
        let first = round as usize * count;
        let mut shares = shares(&self.modes, first + count).split_off(first);
        // Those that few kinds can come in choose first.
        let able = |mode: &Mode| self.kinds.iter().filter(|record| suits(*mode, record)).count();
        shares.sort_by_key(|mode| (able(mode), *mode));
        let mut order: Vec<usize> = (0..count).collect();
        Stream::of(self.seed + round, "campaign", "modes").shuffle(&mut order);
        let mut modes: Vec<Option<Mode>> = vec![None; count];
        for mode in shares {
            let free = |place: &&usize| modes[**place].is_none();
            let able = order.iter().filter(free).find(|place| suits(mode, self.kinds[**place]));
            if let Some(place) = able {
                modes[*place] = Some(mode);
            }
        }
        // What is left over gets the mode with the greatest share that it can come in.
        let usual = |record: &Record| {
            let able = self.modes.iter().filter(|mode| suits(**mode, record));
            able.copied().max_by_key(|mode| mode.weight()).unwrap_or_default()
        };
        modes.iter().zip(&self.kinds).map(|(mode, record)| mode.unwrap_or_else(|| usual(record))).collect()
    }

    /// An episode of the mix of production: kinds by their weight, modes by theirs.
    fn produced(&self, number: u64) -> Option<Draw> {
        let seed = self.seed + number;
        let record = drawn(seed, "kind", &self.kinds, |record| weight(&record.code))?;
        let able: Vec<Mode> = self.modes.iter().copied().filter(|mode| suits(*mode, record)).collect();
        let mode = drawn(seed, "mode", &able, |mode| f64::from(mode.weight()))?;
        Some(Draw { code: &record.code, mode: *mode, seed })
    }
}

/// The weight of a kind: that of its causes, shared by all kinds of them.
fn weight(code: &str) -> f64 {
    let of = PRODUCTION.iter().find(|(_, codes)| codes.contains(&code));
    of.map_or(0.0, |(percent, codes)| percent / codes.len() as f64)
}

/// One of several by weight.
fn drawn<'a, T>(seed: u64, purpose: &str, from: &'a [T], weight: impl Fn(&T) -> f64) -> Option<&'a T> {
    let all: f64 = from.iter().map(&weight).sum();
    let mut left = Stream::of(seed, "campaign", purpose).uniform() * all;
    let taken = from.iter().find(|one| {
        left -= weight(one);
        left < 0.0
    });
    taken.or(from.last())
}

/// Modes in an order in which each has its share of any beginning, as near as whole numbers allow: the next
/// is the one that is furthest behind.
fn shares(modes: &[Mode], count: usize) -> Vec<Mode> {
    let all: u32 = modes.iter().map(|mode| mode.weight()).sum();
    let mut had = vec![0_u64; modes.len()];
    let mut order = Vec::with_capacity(count);
    for number in 1..=count as u64 {
        let behind = |place: usize| {
            let due = number * u64::from(modes[place].weight());
            due.cast_signed() - (had[place] * u64::from(all)).cast_signed()
        };
        let Some(next) = (0..modes.len()).max_by_key(|place| (behind(*place), std::cmp::Reverse(*place)))
        else {
            break;
        };
        had[next] += 1;
        order.push(modes[next]);
    }
    order
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    fn chooser(mix: Mix, modes: &[Mode]) -> Chooser {
        Chooser::new(mix, &[], modes, 3).unwrap()
    }

    #[test]
    fn without_options_each_kind_comes_alone_once_a_round() {
        let draws = chooser(Mix::Uniform, &[]).draw(100);
        let codes: Vec<&str> = catalogue().iter().map(|record| record.code.as_str()).collect();
        for (number, draw) in draws.iter().enumerate() {
            let expected = Draw {
                code: codes[number % codes.len()],
                mode: Mode::Single,
                seed: 3 + (number / codes.len()) as u64,
            };
            assert_eq!(*draw, expected);
        }
    }

    #[test]
    fn modes_have_their_shares_and_only_kinds_that_can_come_so() {
        let draws = chooser(Mix::Uniform, &Mode::ALL).draw(45 * 40);
        let mut counts: BTreeMap<Mode, usize> = BTreeMap::new();
        for draw in &draws {
            *counts.entry(draw.mode).or_default() += 1;
            let record = catalogue().iter().find(|record| record.code == draw.code).unwrap();
            assert!(suits(draw.mode, record), "{draw:?}");
        }
        for mode in Mode::ALL {
            let share = counts[&mode] as f64 / draws.len() as f64;
            assert!((share - f64::from(mode.weight()) / 100.0).abs() < 0.01, "{mode}: {share}");
        }
        // Each kind comes in more than one way.
        let of =
            |code: &str| draws.iter().filter(|d| d.code == code).map(|d| d.mode).collect::<BTreeSet<_>>();
        assert!(catalogue().iter().all(|record| of(&record.code).len() >= 3));
    }

    #[test]
    fn a_longer_campaign_begins_with_a_shorter_one() {
        for mix in [Mix::Uniform, Mix::Prod, Mix::Hard] {
            let chooser = chooser(mix, &Mode::ALL);
            let (short, long) = (chooser.draw(20), chooser.draw(200));
            assert_eq!(short, long[..20]);
            // No episode comes twice.
            let keys: BTreeSet<String> = long.iter().map(|d| format!("{d:?}")).collect();
            assert_eq!(keys.len(), long.len());
        }
    }

    #[test]
    fn production_is_as_it_was_reported() {
        let kinds: BTreeSet<&str> = PRODUCTION.iter().flat_map(|(_, codes)| codes.iter().copied()).collect();
        assert_eq!(kinds.len(), catalogue().len(), "each kind is of one cause");
        let draws = chooser(Mix::Prod, &[]).draw(4_000);
        for (percent, codes) in PRODUCTION {
            let share = draws.iter().filter(|draw| codes.contains(&draw.code)).count() as f64 / 40.0;
            assert!((share - percent).abs() < 2.5, "{codes:?}: {share} of {percent}");
        }
    }

    #[test]
    fn kinds_that_cannot_come_in_a_mode_are_counted() {
        let some = chooser(Mix::Uniform, &[Mode::Intermittent]);
        assert_eq!((some.kinds(), some.left_out()), (COME_AND_GO, catalogue().len() - COME_AND_GO));
        assert_eq!(chooser(Mix::Uniform, &Mode::ALL).left_out(), 0);
    }

    /// Kinds that can come and go.
    const COME_AND_GO: usize = 16;

    #[test]
    fn what_cannot_be_chosen_is_refused() {
        let named = |code: &str| [code.to_owned()];
        let wrong = Chooser::new(Mix::Hard, &named("F01"), &[], 1).unwrap_err();
        assert_eq!(
            wrong.to_string(),
            "--mix hard has none of --faults F01: it is made of F13, F24, F29, F33, F39, F40, F41, F42"
        );
        let wrong = Chooser::new(Mix::Uniform, &named("F01"), &[Mode::Intermittent], 1).unwrap_err();
        assert_eq!(
            wrong.to_string(),
            "--modes intermittent: none of the chosen faults can come so; name others with --faults, or the mode single"
        );
    }
}
