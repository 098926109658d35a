//! What the live loop found in the faults of a data set, as figures, cases or one of them.

use std::path::Path;

use anyhow::Result;

use super::{
    super::streaming::{self, Heard},
    Arguments, SEED, name_of,
};
use crate::output::{Format, Report, Wrong};

/// Tells of the faults of a folder what is asked for. `name` begins the names of the figures.
pub(super) fn tell(
    title: &str,
    name: &str,
    (folder, arguments): (&Path, &Arguments),
    heard: &[Heard],
    mut report: Report,
) -> Result<()> {
    streaming::figures(name, heard, SEED, &mut report);
    if arguments.output == Format::Json {
        return report.print();
    }
    if let Some(id) = &arguments.case {
        let found = heard.iter().find(|one| one.answers[0].case == *id);
        streaming::explain(
            found.ok_or_else(|| Wrong(format!("there is no case `{id}`; --cases lists them")))?,
        );
        return Ok(());
    }
    streaming::print(&format!("{title} ({})", name_of(folder)), name, heard.len(), &report);
    if arguments.cases {
        streaming::cases(heard);
    }
    Ok(())
}
