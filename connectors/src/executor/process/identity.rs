//! Which process it is, though numbers of processes are used again.

use std::fs;

use serde::{Deserialize, Serialize};

/// A process: its number and when it began, so that another one that got its number later is not
/// taken for it. Comparable within one boot of the machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Identity {
    /// Number of the process, which is also that of its group.
    pub(super) pid: u32,
    /// Clock ticks since the boot: field 22 of `/proc/PID/stat` (proc(5)).
    pub(super) started: u64,
    /// `/proc/sys/kernel/random/boot_id`.
    pub(super) boot: String,
}

/// The variable by which a process whose number was not noted yet is found.
pub(super) const MARK: &str = "THERIAC_SUPERVISED";

/// What `/proc/PID/stat` says.
struct Stat {
    state: char,
    group: u32,
    started: u64,
}

fn stat(pid: u32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name before the last parenthesis may hold anything.
    let fields: Vec<&str> = text.rsplit_once(") ")?.1.split(' ').collect();
    Some(Stat {
        state: fields.first()?.chars().next()?,
        group: fields.get(2)?.parse().ok()?,
        started: fields.get(19)?.parse().ok()?,
    })
}

fn boot() -> String {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    text.trim().to_owned()
}

impl Identity {
    /// The process that has this number now; none if there is none.
    pub(super) fn of(pid: u32) -> Option<Self> {
        Some(Self { pid, started: stat(pid)?.started, boot: boot() })
    }

    /// Whether it still runs. One that ended and was not waited for yet does not.
    pub(super) fn runs(&self) -> bool {
        let ended = |stat: &Stat| matches!(stat.state, 'Z' | 'X');
        self.boot == boot() && stat(self.pid).is_some_and(|s| s.started == self.started && !ended(&s))
    }
}

/// Processes of these groups that carry the mark in their environment, which children inherit.
fn marked(mark: &str, of_group: impl Fn(u32, &Stat) -> bool) -> Vec<Identity> {
    let wanted = format!("{MARK}={mark}");
    let carries = |pid: u32| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|variable| variable == wanted.as_bytes())
    };
    let entries = fs::read_dir("/proc").into_iter().flatten();
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    let found = pids.filter(|pid| stat(*pid).is_some_and(|stat| of_group(*pid, &stat)) && carries(*pid));
    found.filter_map(Identity::of).filter(Identity::runs).collect()
}

/// The first process that carries this mark and leads its group: one that was started by an executor
/// that was killed before it could note the number.
pub(super) fn started_unnoted(mark: &str) -> Option<Identity> {
    marked(mark, |pid, stat| stat.group == pid).into_iter().min_by_key(|found| (found.started, found.pid))
}

/// What a process that ended left running in its group. The mark tells it from another group that got
/// the number since.
pub(super) fn left_behind(group: u32, mark: &str) -> Vec<Identity> {
    marked(mark, |_, stat| stat.group == group)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_process_with_the_number_is_not_it() {
        let this = Identity::of(std::process::id()).expect("this process is there");
        assert!(this.runs());
        assert!(!Identity { started: this.started + 1, ..this.clone() }.runs());
        assert!(!Identity { boot: "another".to_owned(), ..this }.runs());
    }
}
