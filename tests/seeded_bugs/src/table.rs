//! What was found, as a table.

use std::{fmt, fs, path::Path};

use theriac_contract::seeded::Bug;

/// One bug, and the test that found it.
pub(crate) struct Row {
    pub(crate) bug: Bug,
    /// None if it was not found.
    pub(crate) caught_by: Option<String>,
    pub(crate) seconds: f64,
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let caught_by = self.caught_by.as_deref().unwrap_or("NOT FOUND");
        write!(f, "{}  P{}  {caught_by}  {:.1} s", self.bug.name(), self.bug.promise(), self.seconds)
    }
}

const HEAD: &str = "# Seeded bugs

Written by `tests/seeded-bugs`, which builds the tests with the feature `seeded-bugs`, checks that every suite here passes,
and then switches on one bug after the other (`engine/contract/src/seeded.rs`). Where several tests find one, the first
by name is given. Seconds are those of the suites that were run until it was found.

The promises: P1 what was acknowledged survives, P2 every record once, P3 every plan once, P4 no action twice for a key,
P5 one hand on a target, P6 nothing stale acts, P8 no input stops the engine or is lost, P9 storms of brokers and
rebalances are survived, P11 damage to stored state is noticed, P14 the same input gives the same output, P15 what did
not help is undone and not learnt from, P16 nothing begins that people have stopped or not approved, P17 a configuration can be changed under way, P18 what is
said of the fleet is so: who is missing, what is unusual, what harm was done.

| bug | what it does | promise | found by | seconds |
|---|---|---|---|---|
";

fn line(Row { bug, caught_by, seconds }: &Row) -> String {
    let caught_by = caught_by.as_ref().map_or("**nobody**".to_owned(), |test| format!("`{test}`"));
    format!("| {} | {} | P{} | {caught_by} | {seconds:.1} |", bug.name(), bug.what(), bug.promise())
}

/// The seconds of a line.
fn seconds_of(line: &str) -> Option<f64> {
    line.trim_end_matches(" |").rsplit("| ").next()?.parse().ok()
}

/// Writes `tests/SEEDED-BUGS.md`; bugs that were not looked for keep their lines.
pub(crate) fn write(rows: &[Row]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../SEEDED-BUGS.md");
    let before = fs::read_to_string(&path).unwrap_or_default();
    let (mut text, mut found) = (HEAD.to_owned(), 0);
    for bug in Bug::ALL {
        let begin = format!("| {} |", bug.name());
        let kept = || before.lines().find(|line| line.starts_with(&begin)).map(str::to_owned);
        let new = rows.iter().find(|row| row.bug == *bug).map(line);
        let Some(line) = new.or_else(kept) else { continue };
        found += usize::from(!line.contains("**nobody**"));
        text += &line;
        text.push('\n');
    }
    let seconds: f64 = text.lines().filter_map(seconds_of).sum();
    text += &format!("\n{found} of {} are found, by {seconds:.0} seconds of tests.\n", Bug::ALL.len());
    fs::write(&path, text).expect("the table can be written");
    println!("written: tests/SEEDED-BUGS.md");
}
