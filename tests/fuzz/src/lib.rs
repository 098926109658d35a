//! What every parser must keep to, whatever bytes it is given. Each function is a fuzz target.
//!
//! | module | parses |
//! |---|---|
//! | [`read`] | files of telemetry |
//! | [`logs`] | log lines: records, templates, what a miner exports |
//! | [`payload`] | payloads of streams: OTLP in protobuf, remote write, Arrow IPC |
//! | [`topics`] | the folder of the embedded log |
//! | [`state`] | Arrow batches, checkpoints, facts |
//! | [`text`] | settings and playbooks in YAML, the ledger of what executors did |
//! | [`datasets`] | NAB and Nezha |

pub mod datasets;
pub mod logs;
mod messages;
pub mod payload;
pub mod read;
pub mod state;
pub mod text;
pub mod topics;

use std::{panic, path::Path, sync::Once};

/// The fuzzer ends on every panic. Those of the libraries for Arrow and Parquet over damaged
/// bytes are caught: they are no findings, unless they reach the fuzzer after all.
fn spare_caught_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let report = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let file = info.location().map_or("", panic::Location::file);
            if !file.contains("/registry/") && !file.contains("/rustc/") {
                report(info);
            }
        }));
    });
}

/// Writes a file and the folders it lies in.
fn lay(path: &Path, bytes: &[u8]) {
    std::fs::create_dir_all(path.parent().expect("it lies in a folder")).expect("a folder can be made");
    std::fs::write(path, bytes).expect("a file can be written");
}

/// Changes bytes as four bytes say: how, where (two), with which byte.
fn damage(bytes: &mut Vec<u8>, [how, low, high, byte]: [u8; 4]) {
    let at = usize::from(u16::from_le_bytes([low, high])) % (bytes.len() + 1);
    match how % 5 {
        0 => bytes[at..].iter_mut().take(1).for_each(|old| *old ^= byte),
        1 => bytes[at..].iter_mut().take(8).for_each(|old| *old = byte),
        2 => bytes.insert(at, byte),
        3 => drop(bytes.drain(at..(at + 1).min(bytes.len()))),
        _ => bytes.truncate(at),
    }
}

/// A line under the checksum that the ledger and the commit log lead it with, so that what is
/// behind the checksum is reached.
fn checked_line(line: &[u8]) -> Vec<u8> {
    let mut checked = format!("{:08x} ", crc32fast::hash(line)).into_bytes();
    checked.extend_from_slice(line);
    checked.push(b'\n');
    checked
}
