//! `theriac schema`: the JSON Schema of what is on the topics, and of files of policies and tests.

use std::io::{Write, stdout};

use anyhow::Result;
use clap::Args;
use theriac_contract::schema;

use crate::{output::Wrong, suggest};

/// Arguments of `theriac schema`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// symptom, incident, plan, command, execution, completion, outcome, verification, fact; or policy or
    /// test, of files; all if left out
    payload: Option<String>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let mut payloads = schema::payloads();
    payloads.push(("policy", theriac_plan::Policy::schema()));
    payloads.push(("test", theriac_plan::check::File::schema()));
    match &arguments.payload {
        None => {
            let all: serde_json::Map<String, serde_json::Value> =
                payloads.into_iter().map(|(name, schema)| (name.to_owned(), schema.to_value())).collect();
            writeln!(stdout(), "{}", serde_json::to_string_pretty(&all)?)?;
        }
        Some(wanted) => {
            let Some((_, schema)) = payloads.iter().find(|(name, _)| name == wanted) else {
                let names: Vec<&str> = payloads.iter().map(|(name, _)| *name).collect();
                let mend = suggest::nearest(wanted, names.iter().copied())
                    .map_or_else(String::new, |name| format!("; did you mean `{name}`?"));
                let text = format!("there is no payload `{wanted}`{mend}; there are {}", names.join(", "));
                return Err(Wrong(text).into());
            };
            writeln!(stdout(), "{}", serde_json::to_string_pretty(schema)?)?;
        }
    }
    Ok(())
}
