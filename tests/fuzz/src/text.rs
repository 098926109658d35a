//! Text that people write, and the ledger.

use std::fs;

use serde::de::DeserializeOwned;
use theriac_connectors::{
    executor,
    executor::{Ledger, LedgerLimits},
    host, read, topics,
};
use theriac_contract::{Command, Executor, Verdict};
use theriac_engine::{Engine, Settings};
use theriac_plan::Playbooks;

use crate::checked_line;

/// Text as playbooks and as each section of a configuration. Playbooks that are accepted
/// have a digest; settings that are accepted make an engine.
pub fn yaml(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    match Playbooks::parse("input.yaml", text) {
        Ok(playbooks) => assert_eq!(playbooks.digest().len(), 16),
        Err(error) => assert!(error.0.starts_with("input.yaml"), "an error without a place: {error}"),
    }
    if let Some(settings) = section::<Settings>(text) {
        drop(Engine::new(&settings, Playbooks::builtin()));
    }
    section::<topics::Settings>(text);
    section::<executor::Settings>(text);
    section::<read::FileSettings>(text);
    section::<host::Settings>(text);
}

fn section<T: DeserializeOwned>(text: &str) -> Option<T> {
    serde_saphyr::from_str(text).ok()
}

/// The first byte chooses whether the lines are under right checksums or as they are. A
/// ledger that opens answers, and opens and answers the same again.
pub fn ledger(bytes: &[u8]) {
    let Some((kind, bytes)) = bytes.split_first() else { return };
    let lines = bytes.split_inclusive(|byte| *byte == b'\n');
    let text: Vec<u8> = match kind % 2 {
        0 => bytes.to_vec(),
        _ => lines.map(|line| line.trim_ascii_end()).flat_map(checked_line).collect(),
    };
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("ledger");
    fs::write(&path, text).expect("a file can be written");
    let Ok(ledger) = Ledger::open(&path, LedgerLimits::default(), Hand) else { return };
    let first = ledger.execute(&command());
    drop(ledger);
    let again = Ledger::open(&path, LedgerLimits::default(), Hand).expect("what was opened and written to opens again");
    assert_eq!(again.execute(&command()), first, "another answer after a restart");
}

/// Does everything.
struct Hand;

impl Executor for Hand {
    fn name(&self) -> &str {
        "hand"
    }

    fn execute(&self, _: &Command) -> (Verdict, String) {
        (Verdict::Succeeded, String::new())
    }
}

fn command() -> Command {
    let text = r#"{"plan":"p","incident":"i","step":0,"attempt":1,"compensation":false,"action":{"verb":"restart","target":"a","parameters":{}},
        "idempotency_key":"k","fencing_token":1,"dry_run":false,"timeout":"1s","issued":"1970-01-01T00:00:00Z"}"#;
    serde_json::from_str(text).expect("it is a command")
}
