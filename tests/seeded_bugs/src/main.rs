//! Switches on each of the bugs of [`theriac_contract::seeded`], and runs the tests that should
//! find it. `tests/seeded-bugs` says how it is called.

mod build;
mod execution;
mod suites;
mod table;

use std::{collections::BTreeSet, process::ExitCode};

use theriac_contract::seeded::Bug;

use crate::{
    build::Built,
    execution::{Ended, run},
    suites::Suite,
    table::Row,
};

/// The bugs that are asked for.
fn wanted(arguments: &[String]) -> Vec<Bug> {
    match arguments {
        [] => Bug::ALL.to_vec(),
        [which] if which == "quick" || which == "packages" => {
            let wanted = |suite: &Suite| {
                if which == "quick" { !suite.needs_broker() } else { !suite.needs_program() }
            };
            let all = Bug::ALL.iter().copied();
            all.filter(|bug| suites::of(*bug).iter().all(wanted)).collect()
        }
        names => names
            .iter()
            .map(|name| {
                let found = Bug::ALL.iter().find(|bug| bug.name() == name);
                *found.unwrap_or_else(|| panic!("`{name}` is no bug: see engine/contract/src/seeded.rs"))
            })
            .collect(),
    }
}

/// Every suite passes while no bug is on.
fn all_pass(built: &Built, suites: &BTreeSet<Suite>) -> bool {
    let mut well = true;
    for suite in suites {
        let (ended, seconds) = run(built, *suite, None);
        match ended {
            Ended::Passed(tests) if tests > 0 => println!("without a bug: {suite} passes, {seconds:.1} s"),
            Ended::Passed(_) => {
                println!("without a bug: {suite} has no such test");
                well = false;
            }
            Ended::Failed { out, .. } | Ended::TimedOut { out } => {
                println!("without a bug: {suite} FAILS, {seconds:.1} s\n{out}");
                well = false;
            }
        }
    }
    well
}

/// Runs the suites of a bug until one finds it.
fn hunt(built: &Built, bug: Bug) -> Row {
    let mut total = 0.0;
    for suite in suites::of(bug) {
        let (ended, seconds) = run(built, *suite, Some(bug));
        total += seconds;
        match ended {
            Ended::Failed { test, out } => {
                let found = Row { bug, caught_by: Some(format!("{}: {test}", suite.1)), seconds: total };
                println!("{found}{}", if test.is_empty() { format!("\n{out}") } else { String::new() });
                return found;
            }
            Ended::TimedOut { .. } if suites::may_hang(bug) => {
                let caught_by = Some(format!("{suite}, which does not end"));
                let found = Row { bug, caught_by, seconds: total };
                println!("{found}");
                return found;
            }
            Ended::TimedOut { out } => println!("{}: {suite} does not end\n{out}", bug.name()),
            Ended::Passed(_) => {}
        }
    }
    let missed = Row { bug, caught_by: None, seconds: total };
    println!("{missed}");
    missed
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let bugs = wanted(&arguments);
    let suites: BTreeSet<Suite> = bugs.iter().flat_map(|bug| suites::of(*bug)).copied().collect();
    let built = Built::for_suites(&suites);
    if !all_pass(&built, &suites) {
        return ExitCode::FAILURE;
    }
    let rows: Vec<Row> = bugs.iter().map(|bug| hunt(&built, *bug)).collect();
    let missed = rows.iter().filter(|row| row.caught_by.is_none()).count();
    // The test command leaves the table as it is.
    if arguments != ["quick"] {
        table::write(&rows);
    }
    println!("{} bugs, {missed} not found", rows.len());
    if missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
