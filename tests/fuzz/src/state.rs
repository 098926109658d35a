//! What a run leaves for the next one: Arrow batches, checkpoints, facts.

use std::{
    path::Path,
    sync::{Arc, LazyLock},
};

use serde_json::Value;
use theriac_connectors::{
    objects::Folder,
    read::{self, FileSettings},
};
use theriac_contract::{Checkpointed, Fetch, RecordedFact, StateTable};
use theriac_engine::{
    Checkpoints, Engine, Manifest, Settings,
    checkpoint::{Name, Table},
    codec,
};
use theriac_knowledge::Knowledge;
use theriac_monitor::Monitor;
use theriac_plan::Playbooks;

use crate::{damage, lay, spare_caught_panics};

/// Batches of all three signals, and an engine that has seen them.
struct Run {
    batches: Vec<(&'static [u8], Vec<u8>)>,
    tables: Vec<StateTable>,
}

static RUN: LazyLock<Run> = LazyLock::new(|| {
    let mut engine = engine();
    let mut batches = Vec::new();
    let mut source = read::from_bytes("seed.jsonl", SEED.as_bytes().to_vec(), &FileSettings::default());
    while let Ok(Fetch::Batch(fetched)) = source.fetch(usize::MAX) {
        for telemetry in fetched.telemetry {
            engine.monitor.push(std::slice::from_ref(&telemetry)).expect("the reader keeps to the schema");
            let bytes = codec::encode(telemetry.batch()).expect("it can be written");
            batches.push((telemetry.signal().as_bytes(), bytes));
        }
    }
    assert_eq!(batches.len(), 3, "a signal is missing");
    engine.monitor.finish();
    while let Some(tick) = engine.monitor.seal() {
        engine.step(&tick);
    }
    Run { batches, tables: engine.snapshot().expect("it can be saved") }
});

const SEED: &str = r#"{"time":1,"name":"cpu","value":0.5,"labels":{"core":"0"},"resource":{"service.name":"cart"}}
{"time":2,"name":"cpu","value":0.25,"resource":{"service.name":"cart","host.name":"h"}}
{"time":2,"severity":"error","body":"no","resource":{"service.name":"cart"}}
{"trace_id":"7c1a","span_id":"a1","parent_id":null,"name":"GET","start":3,"duration_ms":1.5,"status":"ERROR","service":"cart"}
"#;

/// A true batch, damaged in as many places as there are four bytes, as an Arrow stream. One
/// that decodes is taken or refused by the monitor, and can be written and read again.
pub fn telemetry(bytes: &[u8]) {
    let Some((which, rest)) = bytes.split_first() else { return };
    spare_caught_panics();
    let (signal, mut stream) = RUN.batches[usize::from(*which) % RUN.batches.len()].clone();
    damage_all(&mut stream, rest);
    let Ok(telemetry) = codec::decode_telemetry(signal, &stream) else { return };
    let again = codec::encode(telemetry.batch()).expect("what was read can be written");
    codec::decode(&again).expect("what was written can be read");
    let mut monitor = Monitor::new(Settings::default().monitor);
    if monitor.push(std::slice::from_ref(&telemetry)).is_ok() {
        monitor.finish();
        // Times may be far apart, with many ticks between them.
        for _ in 0..64 {
            if monitor.seal().is_none() {
                break;
            }
        }
    }
}

fn damage_all(bytes: &mut Vec<u8>, damages: &[u8]) {
    damages.chunks_exact(4).for_each(|piece| damage(bytes, [piece[0], piece[1], piece[2], piece[3]]));
}

/// The first byte chooses what is wrong with a checkpoint: any manifest, a table damaged
/// under a right checksum, or the JSON in one. What can be read is restored or refused.
pub fn checkpoint(bytes: &[u8]) {
    let Some(([kind, which], rest)) = bytes.split_first_chunk() else { return };
    spare_caught_panics();
    let folder = tempfile::tempdir().expect("a folder");
    let checkpoints =
        Checkpoints::new(Arc::new(Folder::open(folder.path()).expect("an empty folder")), 2);
    let mut manifest: Manifest = serde_json::from_str(MANIFEST).expect("it is a manifest");
    let mut tables = RUN.tables.clone();
    let index = usize::from(*which) % tables.len();
    let StateTable { name, version, rows } = tables[index].clone();
    match kind % 3 {
        0 => drop(lay_manifest(folder.path(), rest)),
        1 => {
            let mut stream = codec::encode(&rows).expect("it can be written");
            damage_all(&mut stream, rest);
            let (bytes, crc32) = (stream.len() as u64, crc32fast::hash(&stream));
            let object = format!("{name}.arrow");
            manifest.tables.push(Table { name, version, rows: 1, bytes, crc32 });
            let checkpoint =
                lay_manifest(folder.path(), &serde_json::to_vec(&manifest).expect("it is JSON"));
            lay(&folder.path().join(checkpoint.object(&object)), &stream);
        }
        _ => {
            let Ok(state) = StateTable::to_json::<Value>(&tables, &name, version) else { return };
            let mut text = state.to_string().into_bytes();
            damage_all(&mut text, rest);
            let Ok(state) = serde_json::from_slice::<Value>(&text) else { return };
            tables[index] = StateTable::from_json(&name, version, &state).expect("it is JSON");
            checkpoints.write(manifest, "", tables).expect("it can be written");
        }
    }
    let written = checkpoints.list().expect("it can be listed");
    if let Ok((_, tables)) = checkpoints.read(&written[0]) {
        let mut engine = engine();
        if engine.restore(&tables).is_ok() {
            engine.snapshot().expect("what was restored can be saved");
        }
    }
}

/// Lays a manifest where that of round 1 lies.
fn lay_manifest(folder: &Path, manifest: &[u8]) -> Name {
    let name = Name::of(1, "", manifest);
    lay(&folder.join(name.object("manifest.json")), manifest);
    name
}

const MANIFEST: &str = r#"{"format":2,"round":1,"at":"1970-01-01T00:00:00Z","environment":"","ends":{},"configuration":"","journal":"","knowledge_version":0,"tables":[]}"#;

fn engine() -> Engine {
    Engine::new(&Settings::default(), Playbooks::builtin())
}

/// A recorded fact a line. Whatever is folded, every version in reach can be read again, and
/// the present one is what was folded.
pub fn facts(bytes: &[u8]) {
    let empty = || Knowledge::with(theriac_knowledge::Settings { changes_max: 4, facts_max: 8 });
    let mut knowledge = empty();
    for line in bytes.split(|byte| *byte == b'\n') {
        let Ok(mut fact) = serde_json::from_slice::<RecordedFact>(line) else { continue };
        if knowledge.fold(&fact).is_err() {
            fact.version = knowledge.version().saturating_add(1);
            let _ = knowledge.fold(&fact);
        }
        let now = knowledge.at(knowledge.version()).expect("the present can be read");
        assert_eq!(&now, knowledge.snapshot(), "folding again gives something else");
    }
    let tables = Checkpointed::snapshot(&knowledge).expect("it can be saved");
    let mut restored = empty();
    restored.restore(&tables).expect("what was saved can be restored");
    assert_eq!(restored, knowledge, "restoring gives something else");
}
