//! `theriac sql`: questions about what happened.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;
use theriac_connectors::topics::Embedded;

use crate::{
    output::{Format, say},
    wiring,
};

/// Arguments of `theriac sql`.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The question; without one, the tables and their columns are listed. What is known can be asked for
    /// as it was: FROM beliefs AS OF VERSION 12, FROM topology_edges AS OF TIMESTAMP '2026-01-01T12:00:00Z'
    query: Option<String>,
    /// Folder with the topics
    #[arg(long, default_value = "theriac-data")]
    data_dir: PathBuf,
    /// text for a table, json for one object a line
    #[arg(long, value_enum, default_value_t)]
    output: Format,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let Some(query) = &arguments.query else {
        for table in theriac_query::tables() {
            let columns: Vec<&str> = table.columns.iter().map(|column| column.name.as_str()).collect();
            say!("{}: {}", table.name, columns.join(", "));
        }
        return Ok(());
    };
    let folder = wiring::topics_folder(&arguments.data_dir);
    let topics = Embedded::open_to_read(&folder).with_context(|| {
        format!("no topics in {}; name the folder of a run with --data-dir", folder.display())
    })?;
    let batches = theriac_query::query(&topics, query)?;
    match arguments.output {
        Format::Text => say!("{}", theriac_query::text_table(&batches)?),
        Format::Json => theriac_query::json_lines(&batches)?.lines().for_each(|line| say!("{line}")),
    }
    Ok(())
}
