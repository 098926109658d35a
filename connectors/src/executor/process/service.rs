//! Doing something to one service.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use theriac_contract::{Command, Id, Interval, Verdict};

use super::{
    health,
    identity::{self, Identity},
    lifecycle::{self, Ended},
    record::{Record, Switch},
    release,
    settings::ServiceSettings,
    verb::Verb,
};
use crate::executor::{command, failure::Failure};

/// One service that is managed.
pub(super) struct Service {
    name: String,
    /// Where it is remembered.
    record: PathBuf,
    settings: ServiceSettings,
}

fn duration(interval: Interval) -> Duration {
    Duration::from_nanos(interval.0.max(0).unsigned_abs())
}

impl Service {
    pub(super) fn new(name: &str, folder: &Path, settings: ServiceSettings) -> Self {
        // Names of instances have a slash, and a percent sign must not stand for one.
        let file = name.replace('%', "%25").replace('/', "%2F");
        Self { name: name.to_owned(), record: folder.join(format!("{file}.json")), settings }
    }

    /// Does it, or says what would be done.
    pub(super) fn carry_out(&mut self, verb: Verb, command: &Command) -> (Verdict, String) {
        let outcome = if command.dry_run { self.told(verb, command) } else { self.done(verb, command) };
        match outcome {
            Ok(said) => (Verdict::Succeeded, said),
            Err(Failure { verdict, why }) => (verdict, format!("{} {}: {why}", verb.name(), self.name)),
        }
    }

    fn told(&self, verb: Verb, command: &Command) -> Result<String, Failure> {
        let record = self.remembered()?;
        let process = self.process(&record).map_or("not running".to_owned(), |p| format!("pid {}", p.pid));
        let to = match verb {
            Verb::RollbackDeploy => format!(" to {}", self.wanted_release(&record, command)?.2.display()),
            Verb::Restore => format!(" from {}", self.program(verb)?.program.display()),
            _ => String::new(),
        };
        Ok(format!("would {} {}{to} ({process}); {}", verb.name(), self.name, verb.undone_by()))
    }

    fn done(&self, verb: Verb, command: &Command) -> Result<String, Failure> {
        let deadline = Instant::now() + duration(command.timeout);
        fs::create_dir_all(self.record.parent().unwrap_or(Path::new("/")))?;
        let mut record = self.remembered()?;
        self.note_release(&mut record)?;
        let said = match verb {
            Verb::Start => self.start(&mut record, deadline)?,
            Verb::Stop => self.stop(&mut record, deadline)?,
            Verb::Restart => self.restart(&mut record, deadline)?,
            Verb::RollbackDeploy => self.roll_back(&mut record, command, deadline)?,
            Verb::Restore => {
                let stopped = self.stop(&mut record, deadline)?;
                let restored = self.run(verb, command, deadline)?;
                format!("{stopped}; {restored}; {}", self.start(&mut record, deadline)?)
            }
            Verb::Compensate => self.run(verb, command, deadline)?,
        };
        Ok(format!("{said}; {}", verb.undone_by()))
    }

    fn remembered(&self) -> Result<Record, Failure> {
        let place = |error| Failure::lasting(format!("{}: {error}", self.record.display()));
        Record::read(&self.record).map_err(place)
    }

    /// The mark that its process carries.
    fn mark(&self) -> String {
        self.record.display().to_string()
    }

    /// Its process, if it runs.
    fn process(&self, record: &Record) -> Option<Identity> {
        let noted = record.process.clone().filter(Identity::runs);
        noted.or_else(|| record.starting.then(|| identity::started_unnoted(&self.mark())).flatten())
    }

    /// Others may have deployed since it was looked at last.
    fn note_release(&self, record: &mut Record) -> Result<(), Failure> {
        let Some(target) = self.settings.release.as_deref().and_then(|link| release::target(link).ok())
        else {
            return Ok(());
        };
        if record.note_release(target) {
            record.write(&self.record)?;
        }
        Ok(())
    }

    fn start(&self, record: &mut Record, deadline: Instant) -> Result<String, Failure> {
        let (process, words) = match self.process(record) {
            Some(process) => {
                let words = format!("it runs already, pid {}", process.pid);
                (process, words)
            }
            None => {
                record.starting = true;
                record.write(&self.record)?;
                let spawned = lifecycle::spawn(&self.settings, &self.mark());
                let process = spawned.map_err(|error| {
                    let why = format!("{}: {error}", self.settings.program.display());
                    let busy = error.kind() == io::ErrorKind::WouldBlock;
                    if busy { Failure::passing(why) } else { Failure::lasting(why) }
                })?;
                let words = format!("started, pid {}", process.pid);
                (process, words)
            }
        };
        if record.starting || record.process.as_ref() != Some(&process) {
            record.starting = false;
            record.process = Some(process.clone());
            record.write(&self.record)?;
        }
        let deadline = deadline.min(Instant::now() + duration(self.settings.healthy_within));
        health::await_well(&process, &self.settings.health, deadline)
            .map_err(|why| Failure::passing(format!("{words}, but it is not well: {why}")))?;
        Ok(words)
    }

    fn stop(&self, record: &mut Record, deadline: Instant) -> Result<String, Failure> {
        let Some(process) = self.process(record) else {
            let group = record.process.as_ref().map(|ended| ended.pid);
            let left = group.map_or_else(Vec::new, |group| identity::left_behind(group, &self.mark()));
            lifecycle::clear_away(&left);
            return Ok(match left.len() {
                0 => "it did not run".to_owned(),
                1 => "it had ended, and a process that it left was killed".to_owned(),
                many => format!("it had ended, and {many} processes that it left were killed"),
            });
        };
        let left = deadline.saturating_duration_since(Instant::now());
        let ended = lifecycle::end(&process, duration(self.settings.stop_grace).min(left));
        let words = match ended {
            Ended::Asked => format!("pid {} ended", process.pid),
            Ended::Killed => format!("pid {} did not end by itself and was killed", process.pid),
            Ended::Not => {
                let why = format!("pid {} is still there after SIGKILL", process.pid);
                return Err(Failure { verdict: Verdict::TimedOut, why });
            }
        };
        (record.process, record.starting) = (None, false);
        record.write(&self.record)?;
        Ok(words)
    }

    fn restart(&self, record: &mut Record, deadline: Instant) -> Result<String, Failure> {
        let stopped = self.stop(record, deadline)?;
        Ok(format!("{stopped}; {}", self.start(record, deadline)?))
    }

    /// Link, where it leads, and where it is to lead: to the parameter `version`; to where it led
    /// before, if a rollback is taken back; else to the release before this one.
    fn wanted_release(
        &self,
        record: &Record,
        command: &Command,
    ) -> Result<(&Path, PathBuf, PathBuf), Failure> {
        let link = self.settings.release.as_deref().ok_or_else(|| {
            let place = format!("services.{}.release", self.name);
            Failure::lasting(format!("it has no releases: name the link to them in {place}"))
        })?;
        let now = release::target(link)
            .map_err(|error| Failure::lasting(format!("the link {}: {error}", link.display())))?;
        let key = &command.idempotency_key;
        let undone = |switch: &Switch| Id::derive("compensation", &[switch.key.as_str()]) == *key;
        let wanted = if let Some(version) = command.action.parameters.get("version") {
            release::of_version(link, &now, version).map_err(Failure::lasting)?
        } else if let Some(earlier_attempt) = record.switched(|switch| switch.key == *key) {
            earlier_attempt.after.clone()
        } else if command.compensation {
            let switch = record.switched(undone);
            switch
                .ok_or_else(|| Failure::lasting("no rollback is remembered that it takes back"))?
                .before
                .clone()
        } else {
            let before = record.release_before(&now).map(Path::to_owned);
            before.ok_or_else(|| {
                Failure::lasting("the release before is not known; name it in the parameter `version`")
            })?
        };
        Ok((link, now, wanted))
    }

    fn roll_back(
        &self,
        record: &mut Record,
        command: &Command,
        deadline: Instant,
    ) -> Result<String, Failure> {
        let (link, now, wanted) = self.wanted_release(record, command)?;
        let key = command.idempotency_key.clone();
        record.note_switch(Switch { key, before: now.clone(), after: wanted.clone() });
        record.note_release(wanted.clone());
        record.write(&self.record)?;
        release::point(link, &wanted)?;
        let restarted = self.restart(record, deadline)?;
        Ok(format!(
            "{} now leads to {}, not {}; {restarted}",
            link.display(),
            wanted.display(),
            now.display()
        ))
    }

    fn program(&self, verb: Verb) -> Result<&command::Program, Failure> {
        let program = match verb {
            Verb::Restore => &self.settings.restore,
            _ => &self.settings.compensate,
        };
        program.as_ref().ok_or_else(|| {
            let name = verb.name();
            Failure::lasting(format!("nothing is named that does it: services.{}.{name}", self.name))
        })
    }

    fn run(&self, verb: Verb, command: &Command, deadline: Instant) -> Result<String, Failure> {
        let program = self.program(verb)?;
        let arguments = program.fill(command).map_err(Failure::lasting)?;
        let left = deadline.saturating_duration_since(Instant::now());
        let left = Interval(i64::try_from(left.as_nanos()).unwrap_or(i64::MAX));
        match command::run(program, &arguments, left) {
            (Verdict::Succeeded, said) => Ok(format!("{} {said}", program.program.display())),
            (verdict, why) => Err(Failure { verdict, why: format!("{}: {why}", program.program.display()) }),
        }
    }
}
