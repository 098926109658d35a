//! `theriac unfinished`: plans that cannot go on by themselves, and what a person has to do.

use anyhow::Result;
use clap::Args;

use crate::{
    output::{Format, say},
    store::Store,
    story::Story,
    unfinished::{Unfinished, unfinished},
};

/// Arguments of `theriac unfinished`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    store: Store,
    /// text, or json for one object a line
    #[arg(long, value_enum, default_value_t)]
    output: Format,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let topics = arguments.store.locate()?.open(&Story::TOPICS)?;
    let found = unfinished(&Story::read(topics.as_ref())?);
    for one in &found {
        match arguments.output {
            Format::Json => say!("{}", serde_json::to_string(one)?),
            Format::Text => print(one),
        }
    }
    if found.is_empty() && arguments.output == Format::Text {
        say!("every plan that ended reached its goal, or left things as it found them");
    }
    Ok(())
}

fn print(one: &Unfinished) {
    let stands = if one.stands { "stands" } else { "is over" };
    let (plan, incident) = (one.plan.short(), one.incident.short());
    say!("{}  {plan}  {}: {}; incident {incident} {stands}", one.ended, one.strategy, clean(&one.reason));
    for left in &one.left {
        say!("  step {}: {}", left.step, clean(&left.todo));
        say!("    it was said: {}", clean(&left.said));
    }
}

/// What came in from elsewhere must not move the cursor of a terminal.
fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
