//! What makes scenarios honest: doing nothing hurts, the right remedy heals, restarting everything
//! does not, what is called wrong does measured harm, and equal runs are equal.

use std::{fmt, sync::Arc};

use super::{
    action::Request,
    baseline::{NaiveRestart, Policy, RestartLoop, play},
    clock::{Nanos, SECOND},
    episode::{FAULT_AT, JUDGED, at_onset, healed, judge, perform, setup},
    fault::{Record, catalogue},
    oracle::oracle,
    topology::Topology,
    world::{Setup, World},
};

mod signature;

/// Bad seconds that doing nothing must cost.
const HURTS: f64 = 60.0;
/// Share of seeds in which it must.
const HURTS_SHARE: f64 = 0.95;
/// Share that the oracle must heal.
const ORACLE_SHARE: f64 = 0.99;
/// Share of seeds in which a wrong remedy must do harm.
const HARM_SHARE: f64 = 0.8;
/// Share of the fault types that restarting everything may heal, and that restarting the worst may.
const LOOP_SHARE: f64 = 0.35;
const NAIVE_SHARE: f64 = 0.5;
/// How long after the first bad second people act in these trials.
const ALARM: Nanos = 15 * SECOND;

/// What is measured.
#[derive(Clone, Debug)]
pub struct Options {
    /// Seeds, each an episode for each fault.
    pub seeds: Vec<u64>,
    /// Codes of faults; empty: all.
    pub codes: Vec<String>,
    /// Whether the baselines are run.
    pub baselines: bool,
}

impl Options {
    /// Few faults and one seed, for every change of the code.
    #[must_use]
    pub fn quick() -> Self {
        let codes = ["F01", "F05", "F11", "F18", "F20", "F27", "F30", "F33", "F36", "F44"];
        Self { seeds: vec![1], codes: codes.map(str::to_owned).to_vec(), baselines: true }
    }

    /// Everything.
    #[must_use]
    pub fn full(seeds: u64) -> Self {
        Self { seeds: (1..=seeds).collect(), codes: Vec::new(), baselines: true }
    }
}

/// Something that was tried in each seed.
#[derive(Clone, Debug, PartialEq)]
pub struct Trial {
    /// What.
    pub steps: String,
    /// Mean loss of users.
    pub loss: f64,
    /// Mean loss beyond that of doing nothing.
    pub harm: f64,
    /// Share of seeds in which it is worse than doing nothing, or breaks what waiting does not.
    pub harmful: f64,
    /// Mean loss beyond that of the right remedy, if that follows as soon as this is over.
    pub detour: f64,
    /// Share of seeds in which it costs something against the right remedy.
    pub costly: f64,
    /// Share of seeds that end well.
    pub healed: f64,
}

/// A fault and which gates it passes.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Code.
    pub code: String,
    /// Name.
    pub name: String,
    /// Whether users are to notice.
    pub impact: bool,
    /// Bad seconds if nobody does anything: mean, and share of seeds with enough.
    pub nothing: (f64, f64),
    /// Bad seconds with the oracle, and share healed.
    pub oracle: (f64, f64),
    /// What cures, at the alarm.
    pub remedies: Vec<Trial>,
    /// What does not.
    pub wrong: Vec<Trial>,
    /// Share healed by the naive restart and by the loop of restarts.
    pub naive: f64,
    /// The same of the loop.
    pub restart_loop: f64,
    /// Equal runs were equal.
    pub deterministic: bool,
    /// Share of seeds in which telemetry changed where the record says so.
    pub signature: f64,
}

impl Row {
    /// Gate 1: doing nothing hurts, or is not said to.
    #[must_use]
    pub fn hurts(&self) -> bool {
        if self.impact { self.nothing.1 >= HURTS_SHARE } else { self.nothing.0 < HURTS }
    }

    /// Gate 2: who knows the truth heals it.
    #[must_use]
    pub fn curable(&self) -> bool {
        self.oracle.1 >= ORACLE_SHARE
    }

    /// Gate 4: what is called wrong is: it is worse than doing nothing, or costs users something even
    /// if the right remedy follows.
    #[must_use]
    pub fn wrong_is_wrong(&self) -> bool {
        self.wrong.iter().all(|trial| trial.costly.max(trial.harmful) >= HARM_SHARE)
    }

    /// Gate 5: telemetry shows what the record says.
    #[must_use]
    pub fn shows(&self) -> bool {
        self.signature >= HARM_SHARE
    }

    /// Whether all that is called wrong is even worse than doing nothing. Where users get nothing at
    /// all already, it cannot be.
    #[must_use]
    pub fn worse_than_nothing(&self) -> bool {
        self.wrong.iter().all(|trial| trial.harmful >= HARM_SHARE)
    }

    /// All that concern one fault.
    #[must_use]
    pub fn passes(&self) -> bool {
        self.hurts() && self.curable() && self.wrong_is_wrong() && self.deterministic && self.shows()
    }
}

/// All gates.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// By fault.
    pub rows: Vec<Row>,
    /// Bad minutes of fleets without faults, and how many minutes there were.
    pub quiet: (u32, u32),
    /// Bad seconds of the same.
    pub quiet_seconds: u32,
}

impl Table {
    /// Gate 3: share of fault types that the loop of restarts and the naive restart heal, among
    /// those that users notice.
    #[must_use]
    pub fn restarts(&self) -> (f64, f64) {
        let rows: Vec<&Row> = self.rows.iter().filter(|row| row.impact).collect();
        let share = |of: fn(&Row) -> f64| {
            rows.iter().map(|row| of(row)).filter(|healed| *healed > 0.5).count() as f64
                / rows.len().max(1) as f64
        };
        (share(|row| row.restart_loop), share(|row| row.naive))
    }

    /// Whether all hold.
    #[must_use]
    pub fn passes(&self) -> bool {
        let (restart_loop, naive) = self.restarts();
        let quiet = self.quiet.0 == 0;
        self.rows.iter().all(Row::passes) && restart_loop < LOOP_SHARE && naive < NAIVE_SHARE && quiet
    }
}

/// Runs the gates.
#[must_use]
pub fn gates(topology: &Arc<Topology>, options: &Options) -> Table {
    let chosen =
        catalogue().iter().filter(|record| options.codes.is_empty() || options.codes.contains(&record.code));
    let rows = chosen.map(|record| row(topology, record, options)).collect();
    let mut table = Table { rows, quiet: (0, 0), quiet_seconds: 0 };
    for seed in &options.seeds {
        let (bad, minutes, seconds) = quiet(topology, *seed);
        table.quiet.0 += bad;
        table.quiet.1 += minutes;
        table.quiet_seconds += seconds;
    }
    table
}

/// Gate 7: minutes of a fleet without faults in which too few users were content.
fn quiet(topology: &Arc<Topology>, seed: u64) -> (u32, u32, u32) {
    let mut world = World::new(&Arc::new(Setup::new(seed, topology.clone())));
    let minutes = 10;
    world.advance((minutes * 60 + 15) * SECOND);
    let bad = |minute: &u64| {
        let (came, good, _) = world.user_counts(minute * 60 * SECOND, (minute + 1) * 60 * SECOND);
        good < super::levels::OBJECTIVE * came
    };
    let seconds = world.bad_seconds(0, minutes * 60 * SECOND).len() as u32;
    ((0..minutes).filter(bad).count() as u32, minutes as u32, seconds)
}

fn words(steps: &[Request]) -> String {
    let word = |request: &Request| {
        let undo = if request.undo { "undo " } else { "" };
        let parameters: Vec<String> = request.parameters.iter().map(|(k, v)| format!(" {k}={v}")).collect();
        format!("{undo}{} {}{}", request.verb.slug(), request.target, parameters.concat())
    };
    steps.iter().map(word).collect::<Vec<_>>().join(", ")
}

struct Sums {
    steps: String,
    loss: f64,
    harm: f64,
    harmful: f64,
    detour: f64,
    costly: f64,
    healed: f64,
}

fn row(topology: &Arc<Topology>, record: &'static Record, options: &Options) -> Row {
    let count = options.seeds.len().max(1) as f64;
    let (mut nothing, mut best) = ((0.0, 0.0), (0.0, 0.0));
    let (mut remedies, mut wrong): (Vec<Sums>, Vec<Sums>) = (Vec::new(), Vec::new());
    let (mut naive, mut restart_loop, mut deterministic, mut shown) = (0.0, 0.0, true, 0.0);
    let end = FAULT_AT + JUDGED + 15 * SECOND;
    for (number, seed) in options.seeds.iter().enumerate() {
        let onset = at_onset(record, *seed, topology, SECOND);
        let mut left = onset.clone();
        left.advance(end);
        let first_bad = left.bad_seconds(FAULT_AT, FAULT_AT + JUDGED).first().copied();
        let digest = left.digest();
        let alone = judge(left);
        nothing.0 += alone.bad_seconds / count;
        nothing.1 += f64::from(u8::from(alone.bad_seconds >= HURTS)) / count;
        if number == 0 {
            let mut again = World::new(&setup(record, *seed, topology));
            again.advance(end);
            deterministic &= again.digest() == digest;
        }
        let seen = signature::signatures(record, *seed, topology);
        shown += f64::from(u8::from(seen.iter().all(|seen| *seen))) / count;
        let known = oracle(&onset);
        best.0 += known.loss.bad_seconds / count;
        best.1 += f64::from(u8::from(healed(&known.world))) / count;
        let alarm = first_bad.map_or(FAULT_AT, |second| u64::from(second) * SECOND) + ALARM;
        let mut alarmed = onset.clone();
        alarmed.advance(alarm.min(FAULT_AT + JUDGED / 2));
        let idle = judge(alarmed.clone());
        let (mut still, mut right) = (alarmed.clone(), alarmed.clone());
        still.mute();
        still.advance(end);
        let untouched = still.breaches();
        let cure = onset.remedies_of(0).into_iter().next().unwrap_or_default();
        perform(&mut right, &cure);
        let right = judge(right);
        for (list, sums) in [(onset.remedies_of(0), &mut remedies), (onset.forbidden_of(0), &mut wrong)] {
            for (place, steps) in list.iter().enumerate() {
                let mut fork = alarmed.clone();
                fork.mute();
                perform(&mut fork, steps);
                let mut mended = fork.clone();
                perform(&mut mended, &cure);
                let mended = judge(mended);
                fork.advance(end);
                let broken = fork.breaches();
                let well = healed(&fork);
                let loss = judge(fork);
                if sums.len() <= place {
                    sums.push(Sums {
                        steps: words(steps),
                        loss: 0.0,
                        harm: 0.0,
                        harmful: 0.0,
                        detour: 0.0,
                        costly: 0.0,
                        healed: 0.0,
                    });
                }
                let harm = loss.of_users() - idle.of_users();
                sums[place].loss += loss.of_users() / count;
                sums[place].harm += harm / count;
                let breaks =
                    broken.lost_writes > untouched.lost_writes || broken.unprotected > untouched.unprotected;
                let detour = loss.of_users().min(mended.of_users()) - right.of_users();
                sums[place].harmful += f64::from(u8::from(harm > 0.0 || breaks)) / count;
                sums[place].detour += detour / count;
                sums[place].costly += f64::from(u8::from(detour > 0.0 || breaks)) / count;
                sums[place].healed += f64::from(u8::from(well)) / count;
            }
        }
        if options.baselines {
            naive += heals(topology, record, *seed, &mut NaiveRestart::default()) / count;
            restart_loop += heals(topology, record, *seed, &mut RestartLoop::default()) / count;
        }
    }
    let trial = |sums: Sums| Trial {
        steps: sums.steps,
        loss: sums.loss,
        harm: sums.harm,
        harmful: sums.harmful,
        detour: sums.detour,
        costly: sums.costly,
        healed: sums.healed,
    };
    Row {
        code: record.code.clone(),
        name: record.name.clone(),
        impact: record.impact,
        nothing,
        oracle: best,
        remedies: remedies.into_iter().map(trial).collect(),
        wrong: wrong.into_iter().map(trial).collect(),
        naive,
        restart_loop,
        deterministic,
        signature: shown,
    }
}

fn heals(topology: &Arc<Topology>, record: &'static Record, seed: u64, policy: &mut dyn Policy) -> f64 {
    let mut world = World::new(&setup(record, seed, topology));
    play(&mut world, policy, FAULT_AT + JUDGED);
    world.advance(FAULT_AT + JUDGED + 15 * SECOND);
    f64::from(u8::from(healed(&world)))
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = |good: bool| if good { "yes" } else { "NO " };
        writeln!(
            f,
            "code name                       B0 bad s  hurts | O1 bad s healed | B1   B4   | wrong worse same  signature gates"
        )?;
        for row in &self.rows {
            let (b0, o1) = (row.nothing, row.oracle);
            writeln!(
                f,
                "{} {:<26} {:8.1}  {:5.2} | {:8.1} {:6.2} | {:.2} {:.2} | {}   {}   {}   {:.2}      {}",
                row.code,
                row.name,
                b0.0,
                b0.1,
                o1.0,
                o1.1,
                row.naive,
                row.restart_loop,
                mark(row.wrong_is_wrong()),
                mark(row.worse_than_nothing()),
                mark(row.deterministic),
                row.signature,
                mark(row.passes())
            )?;
            for (sign, trials) in [('+', &row.remedies), ('-', &row.wrong)] {
                for trial in trials {
                    let Trial { steps, loss, harm, harmful, detour, costly, healed } = trial;
                    writeln!(
                        f,
                        "     {sign} {steps:<60} loss {loss:7.1} harm {harm:7.1} in {harmful:.2} detour {detour:7.1} in {costly:.2} healed {healed:.2}"
                    )?;
                }
            }
        }
        let (restart_loop, naive) = self.restarts();
        writeln!(
            f,
            "restart loop heals {restart_loop:.2} of the types (below {LOOP_SHARE}), naive restart {naive:.2} (below {NAIVE_SHARE})"
        )?;
        writeln!(
            f,
            "without faults: {} bad minutes of {}, {} bad seconds",
            self.quiet.0, self.quiet.1, self.quiet_seconds
        )
    }
}
