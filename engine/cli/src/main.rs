//! The `theriac` program.
//!
//! Exit codes: 0 done; 1 failed while running; 2 the command line or a file that it names
//! is wrong; 3 data are missing (the message says how to get them). A reader of standard
//! output that has seen enough (`| head`) is no failure.

#![warn(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "they panic where nobody reads; `say!` and `note!` do not"
)]

mod account;
#[cfg(feature = "kafka")]
mod broker;
mod checkpoints;
mod command;
mod config;
mod environment;
mod estimate;
mod facts;
mod feedback;
mod log;
mod operations;
mod orders;
mod output;
mod propagation;
mod report;
#[cfg(feature = "kafka")]
mod service;
mod store;
mod story;
mod suggest;
mod topology;
mod unfinished;
mod wiring;
mod words;

use std::{io::Write as _, process::ExitCode};

use clap::Parser;

use crate::command::Command;

/// A self-healing engine: reads metrics, logs and traces, notices what is wrong, works
/// out why, decides what to do, has it done, and checks that it worked.
#[derive(Debug, Parser)]
#[command(name = "theriac", version, max_term_width = 100, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    logging: log::Logging,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let timed = matches!(arguments.command, Command::Run(_));
    if let Err(error) = log::start(&arguments.logging, timed) {
        let _ = writeln!(std::io::stderr(), "theriac: {error}");
        return ExitCode::from(2);
    }
    let done = arguments.command.run();
    let written = output::finish().map_err(|error| anyhow::Error::new(error).context("standard output"));
    match done.and(written) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{}", output::causes(&error));
            ExitCode::from(output::exit_code(&error))
        }
    }
}

/// `theriac ... | head` is no failure.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let broken = |e: &std::io::Error| e.kind() == std::io::ErrorKind::BrokenPipe;
    error.chain().any(|cause| cause.downcast_ref::<std::io::Error>().is_some_and(broken))
}
