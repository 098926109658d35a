//! Templates over time: what is made one, and split again, keeps names that mean one thing each.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use theriac_templates::{Miner, Settings, TemplateId};

/// Names of workers, each of whom says what it does in one of three ways.
const NAMES: [&str; 10] =
    ["alpha", "beta", "gamma", "delta", "omega", "kappa", "sigma", "theta", "lambda", "zeta"];

/// How a stream is made.
#[derive(Clone, Debug)]
struct Plan {
    seed: u64,
    /// Workers of it.
    names: usize,
    /// The way in which each worker says it.
    ways: Vec<usize>,
    /// From this line on the last worker is there.
    late: usize,
    /// A worker says it in another way once in so many lines; never if none.
    slips: Option<u64>,
}

fn plan() -> impl Strategy<Value = Plan> {
    let ways = prop::collection::vec(0..3_usize, NAMES.len());
    let slips = prop_oneof![2 => Just(None), 1 => (50..5_000_u64).prop_map(Some)];
    (any::<u64>(), 3..=NAMES.len(), ways, 0..LINES, slips).prop_map(|(seed, names, ways, late, slips)| Plan {
        seed,
        names,
        ways,
        late,
        slips,
    })
}

const LINES: usize = 30_000;

impl Plan {
    /// Its lines, each with the number of its worker.
    fn lines(&self) -> Vec<(usize, String)> {
        let mut state = self.seed | 1;
        let mut draw = move |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        let line = |at: usize| {
            let there = if at < self.late { self.names - 1 } else { self.names };
            let who = draw(there as u64) as usize;
            let slip = self.slips.is_some_and(|every| draw(every) == 0);
            let (name, left) = (NAMES[who], draw(1_000));
            let text = match (self.ways[who] + usize::from(slip)) % 3 {
                0 => format!("worker {name} is now done with {left} of its jobs"),
                1 => format!("worker {name} is now done (with {left}) of its jobs"),
                _ => format!("worker {name} is now done, with {left} of its jobs"),
            };
            (who, text)
        };
        (0..LINES).map(line).collect()
    }

    /// Every pair of workers that can be told apart: they have other ways, and nobody slips.
    fn apart(&self) -> BTreeSet<(usize, usize)> {
        let pairs = (0..self.names).flat_map(|a| (0..a).map(move |b| (b, a)));
        let differ = |(a, b): &(usize, usize)| self.slips.is_none() && self.ways[*a] != self.ways[*b];
        pairs.filter(differ).collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// A name that was given up is given to no line again; what was told apart is not made one
    /// again; and a name leads to one that lines are given.
    #[test]
    fn names_mean_one_thing_each(plan in plan()) {
        let mut miner = Miner::new(Settings::default());
        let (mut of_worker, mut given_up) = (BTreeMap::new(), BTreeSet::new());
        let mut told_apart: BTreeSet<(usize, usize)> = BTreeSet::new();
        for (who, line) in plan.lines() {
            let name = miner.add(&line).template;
            prop_assert!(!given_up.contains(&name), "{name:?} had been given up: {line}");
            prop_assert_eq!(miner.current(name), name);
            let before = of_worker.insert(who, name);
            if let Some(before) = before.filter(|before| *before != name) {
                prop_assert!(miner.current(before) != before, "{before:?} was given up for {name:?}");
                given_up.insert(before);
            }
            if before != Some(name) {
                let parts = |of: TemplateId| miner.whole(of).map(|whole| (whole, of));
                for (other, theirs) in &of_worker {
                    if let (Some((ours, a)), Some((whole, b))) = (parts(name), parts(*theirs))
                        && ours == whole && a != b
                    {
                        told_apart.insert((who.min(*other), who.max(*other)));
                    }
                }
                for (a, b) in &told_apart {
                    prop_assert_ne!(of_worker[a], of_worker[b], "they had been told apart");
                }
            }
        }
        prop_assert!(told_apart.is_subset(&plan.apart()) || plan.slips.is_some());
        prop_assert!(miner.len() <= 3 + NAMES.len());
    }

    /// A miner that is saved and taken up at any line goes on like one that was not.
    #[test]
    fn a_checkpoint_in_the_middle_shows_nowhere(plan in plan(), at in prop::collection::vec(0..LINES, 1..4)) {
        let (mut whole, mut taken_up) = (Miner::new(Settings::default()), Miner::new(Settings::default()));
        for (number, (_, line)) in plan.lines().iter().enumerate() {
            if at.contains(&number) {
                taken_up = Miner::import(&taken_up.export()).unwrap();
            }
            prop_assert_eq!(whole.add(line), taken_up.add(line));
        }
        prop_assert_eq!(whole.export(), taken_up.export());
    }
}

/// One pass is enough to know what there is to know, if it is long enough to split it: the passes
/// after it give every line the name that it had, and make nothing new.
#[test]
fn passes_after_the_first_make_nothing_new() {
    let plan = Plan { seed: 7, names: 6, ways: vec![0, 0, 1, 1, 2, 2, 0, 0, 0, 0], late: 0, slips: None };
    let lines = plan.lines();
    let mut miner = Miner::new(Settings::default());
    let names = |miner: &mut Miner| -> Vec<TemplateId> {
        lines.iter().map(|(_, line)| miner.add(line).template).collect()
    };
    names(&mut miner);
    assert_eq!(miner.len(), 3, "{:?}", miner.templates());
    let second = names(&mut miner);
    let version = miner.version();
    for pass in 3..=10 {
        assert_eq!(names(&mut miner), second, "pass {pass}");
        assert_eq!((miner.len(), miner.version()), (3, version), "pass {pass}");
    }
}

/// Statements that differ in their last word are never made one, however many values stand before it.
#[test]
fn opposite_statements_stay_apart() {
    let mut miner = Miner::new(Settings::default());
    let mut names: BTreeMap<&str, BTreeSet<TemplateId>> = BTreeMap::new();
    for number in 0..20_000 {
        let what = ["logged in", "logged out"][number % 2];
        let line = format!("user u{} {what}", number * 7919 % 5_000);
        let name = miner.add(&line).template;
        names.entry(what).or_default().insert(name);
    }
    assert!(names.values().all(|names| names.len() == 1), "{names:?}");
    assert_eq!(miner.len(), 2);
}
