//! One file for each verb.

mod bench;
mod campaign;
mod control;
mod datasets;
mod demo;
mod detectors;
mod dlq;
mod eval;
mod explain;
mod knowledge;
mod logs;
mod regret;
mod replay;
pub(crate) mod run;
mod schema;
#[cfg(feature = "sql")]
mod sql;
mod tap;
mod test;
mod unfinished;
mod validate;
mod watch;

use clap::Subcommand;

/// What theriac can do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Break a simulated fleet in several ways and watch it being healed
    Demo(demo::Arguments),
    /// Run as a service: follow the sources of a configuration and heal
    Run(run::Arguments),
    /// Run the past through the same loop at full speed
    Replay(replay::Arguments),
    /// What a run that only looked on would have done, and what that might have saved
    Regret(regret::Arguments),
    /// Watch this machine: what is unusual, since when, how sure
    Watch(watch::Arguments),
    /// What logs say: the templates of files or of a pipe, how often, since when, what is new
    Logs(logs::Arguments),
    /// Check a configuration, its playbooks and its topology
    Validate(validate::Arguments),
    /// Test playbooks and policies: what they decide, held against what is expected
    Test(test::Arguments),
    /// One incident: what caused it and why, how it spread, what was done
    Explain(explain::Arguments),
    /// Score the loop on a public benchmark
    Eval(eval::Arguments),
    /// Break a simulated fleet in 45 ways, leave it well for weeks, and score whoever looks after it
    Campaign(campaign::Arguments),
    /// Measure decode, frame, detect and the whole path on this machine
    Bench(bench::Arguments),
    /// Ask about symptoms, incidents, plans and outcomes
    #[cfg(feature = "sql")]
    Sql(sql::Arguments),
    /// What is known, how it came to be, and going back
    Knowledge(knowledge::Arguments),
    /// Let a plan be done that awaits approval
    Approve(control::OfPlan),
    /// Do not let a plan be done that awaits approval
    Reject(control::OfPlan),
    /// Begin nothing new until `resume`; with --kill, stop everything
    Pause(control::Pause),
    /// Let acting go on
    Resume(control::Resume),
    /// Print what is on a topic, and follow it
    Tap(tap::Arguments),
    /// Plans that ended neither at their goal nor where they began: what a person has to do
    Unfinished(unfinished::Arguments),
    /// What could not be read: list it, look at it, send it back
    Dlq(dlq::Arguments),
    /// What each detector sees and costs: a table, a card, a page
    Detectors(detectors::Arguments),
    /// Fetch the public data sets
    Datasets(datasets::Arguments),
    /// Print the JSON Schema of a payload
    Schema(schema::Arguments),
}

impl Command {
    /// Does it.
    pub(crate) fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Demo(arguments) => demo::run(&arguments),
            Self::Run(arguments) => run::run(&arguments),
            Self::Replay(arguments) => replay::run(&arguments),
            Self::Regret(arguments) => regret::run(&arguments),
            Self::Watch(arguments) => watch::run(&arguments),
            Self::Logs(arguments) => logs::run(&arguments),
            Self::Bench(arguments) => bench::run(&arguments),
            Self::Campaign(arguments) => campaign::run(&arguments),
            Self::Validate(arguments) => validate::run(&arguments),
            Self::Test(arguments) => test::run(&arguments),
            Self::Explain(arguments) => explain::run(&arguments),
            Self::Eval(arguments) => eval::run(&arguments),
            #[cfg(feature = "sql")]
            Self::Sql(arguments) => sql::run(&arguments),
            Self::Knowledge(arguments) => knowledge::run(&arguments),
            Self::Approve(arguments) => control::approve(&arguments),
            Self::Reject(arguments) => control::reject(&arguments),
            Self::Pause(arguments) => control::pause(&arguments),
            Self::Resume(arguments) => control::resume(&arguments),
            Self::Tap(arguments) => tap::run(&arguments),
            Self::Unfinished(arguments) => unfinished::run(&arguments),
            Self::Dlq(arguments) => dlq::run(&arguments),
            Self::Detectors(arguments) => detectors::run(&arguments),
            Self::Datasets(arguments) => datasets::run(&arguments),
            Self::Schema(arguments) => schema::run(&arguments),
        }
    }
}
