//! Processes are killed, paused, added and taken away, and the broker restarts: what is noticed
//! is what an undisturbed run notices.
//!
//! The instants are drawn from `THERIAC_TEST_SEED` (1 if unset), which is printed. Kills in the
//! first test: `THERIAC_TEST_KILLS` (25 if unset); takeovers in the second:
//! `THERIAC_TEST_TAKEOVERS` (2 if unset).

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use rand_core::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use theriac_connectors::kafka::Settings;
use theriac_tests::{
    broker::{Broker, Message},
    program::{command, run},
};

use crate::{
    fleet,
    noticed::{NOBODY_ANSWERS, Noticed, assert_same, concluded_on_kafka, configuration, on_kafka},
};

pub(crate) fn from_environment(name: &str, otherwise: u64) -> u64 {
    let value = std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise);
    println!("{name}={value}");
    value
}

pub(crate) fn random() -> Xoshiro256PlusPlus {
    Xoshiro256PlusPlus::seed_from_u64(from_environment("THERIAC_TEST_SEED", 1))
}

/// A fleet in a folder of its own, and what it should notice.
pub(crate) struct Trial<'a> {
    folder: tempfile::TempDir,
    pub(crate) broker: &'a Broker,
    pub(crate) settings: Settings,
    topics: fleet::Topics,
    shards: u32,
    pub(crate) messages: Vec<Message>,
}

impl<'a> Trial<'a> {
    pub(crate) fn new(
        broker: &'a Broker,
        name: &str,
        topics: fleet::Topics,
        shards: u32,
        seconds: i64,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let partitions = 4;
        broker.create(&topics, partitions);
        let messages = fleet::messages(topics, partitions as u32, 7, seconds);
        Self { folder, broker, settings: broker.settings(name), topics, shards, messages }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn configure(&self, file: &str, settings: &Settings, more: &str) {
        let more = format!("  shards: {}\n{more}", self.shards);
        fs::write(self.path().join(file), configuration(settings, self.topics, &more)).unwrap();
    }

    /// An undisturbed run over all of the input, with topics of its own.
    pub(crate) fn expected(&self) -> Noticed {
        let expected = on_kafka(&self.undisturbed(""));
        assert!(expected["symptoms"].len() > 10, "{}", expected["symptoms"].len());
        expected
    }

    /// Runs all of the input with topics of its own, whose settings it gives.
    fn undisturbed(&self, more: &str) -> Settings {
        let settings = self.broker.settings(&format!("{}-undisturbed", self.settings.group));
        self.configure("undisturbed.yaml", &settings, more);
        self.finish("undisturbed.yaml", "undisturbed");
        settings
    }

    /// Runs one process to the end of the input.
    fn finish(&self, file: &str, data: &str) {
        let ended = run(self.path(), &["run", "--until-end", "-c", file, "--data-dir", data]);
        assert_eq!(ended.code, 0, "{}", ended.err);
    }

    /// Starts a member; what it says goes to a file.
    fn member(&self, file: &str, log: &str) -> Member {
        self.member_in(file, "data", log)
    }

    /// The same with a folder of its own.
    pub(crate) fn member_in(&self, file: &str, data: &str, log: &str) -> Member {
        let said = File::options().create(true).append(true).open(self.path().join(log)).unwrap();
        let process = command(self.path(), &["run", "-c", file, "--data-dir", data])
            .stdout(Stdio::null())
            .stderr(said)
            .spawn()
            .unwrap();
        Member { process, log: self.path().join(log) }
    }

    pub(crate) fn said(&self, log: &str) -> String {
        fs::read_to_string(self.path().join(log)).unwrap_or_default()
    }

    /// Waits until a member has said something; gives how long that took.
    pub(crate) fn heard(&self, log: &str, text: &str) -> Duration {
        let begin = Instant::now();
        while !self.said(log).contains(text) {
            assert!(
                begin.elapsed() < Duration::from_secs(60),
                "{log} never said `{text}`: {}",
                self.said(log)
            );
            thread::sleep(Duration::from_millis(5));
        }
        begin.elapsed()
    }
}

pub(crate) struct Member {
    process: Child,
    log: PathBuf,
}

impl Member {
    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([name, &self.process.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Asks it to stop, and waits until it has.
    pub(crate) fn stop(&mut self) {
        self.signal("-TERM");
        let status = self.process.wait().unwrap();
        assert!(status.success(), "{status}: {}", fs::read_to_string(&self.log).unwrap_or_default());
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn killed_at_any_instant() {
    let trial = Trial::new(Broker::shared(), "killed", ["k_metrics", "k_logs", "k_spans"], 1, 1700);
    trial.broker.produce(&trial.messages);
    let begin = Instant::now();
    let expected = concluded_on_kafka(&trial.undisturbed(NOBODY_ANSWERS));
    let whole = begin.elapsed();
    for (topic, least) in [("symptoms", 20), ("incidents", 4), ("plans", 1), ("outcomes", 2)] {
        assert!(expected[topic].len() > least, "{topic}: {}", expected[topic].len());
    }
    // A static member has its shard back at once after a restart.
    trial.configure("killed.yaml", &trial.settings, &format!("  instance: only\n{NOBODY_ANSWERS}"));
    let (mut random, kills) = (random(), from_environment("THERIAC_TEST_KILLS", 25));
    let longest = whole.as_millis() as u64 / 3;
    for _ in 0..kills {
        let mut member = trial.member("killed.yaml", "killed.log");
        thread::sleep(Duration::from_millis(random.next_u64() % longest));
        member.kill();
    }
    trial.finish("killed.yaml", "data");
    println!("{kills} kills within {longest} ms each: {:?}", begin.elapsed());
    let log = trial.said("killed.log");
    assert!(log.contains("took up where the last run broke off"), "no kill hit a run that had begun: {log}");
    assert!(!log.contains("passed over"), "a kill damaged a checkpoint: {log}");
    assert_same(&expected, &concluded_on_kafka(&trial.settings));
}

/// The shards of a process that was killed go to the other one within seconds.
#[test]
fn a_killed_process_is_replaced() {
    let trial = Trial::new(Broker::shared(), "replaced", ["r_metrics", "r_logs", "r_spans"], 4, 1100);
    trial.configure("fleet.yaml", &trial.settings, "");
    let (first, rest) = trial.messages.split_at(trial.messages.len() / 2);
    trial.broker.produce(first);
    let one = trial.member("fleet.yaml", "one.log");
    trial.heard("one.log", "gained shards");
    let two = trial.member("fleet.yaml", "two.log");
    trial.heard("two.log", "gained shards");
    trial.heard("one.log", "are given up");
    thread::sleep(Duration::from_secs(1));
    let (mut times, mut ready) = (Vec::new(), Vec::new());
    let (mut elder, mut younger) = (one, (two, "two.log".to_owned()));
    let mut elder_log = "one.log".to_owned();
    let takeovers = from_environment("THERIAC_TEST_TAKEOVERS", 2);
    for (round, part) in rest.chunks(rest.len() / takeovers as usize + 1).enumerate() {
        let count = |log: &str, text: &str| trial.said(log).matches(text).count();
        let gains = |log: &str| count(log, "gained shards");
        let (before, at_work) = (gains(&younger.1), count(&younger.1, "is at work"));
        elder.kill();
        let begin = Instant::now();
        trial.broker.produce(part);
        while gains(&younger.1) == before {
            let (said, before) = (trial.said(&younger.1), trial.said(&elder_log));
            let late = begin.elapsed() > Duration::from_secs(30);
            assert!(!late, "nobody took over in round {round}: {said}\nfrom {before}");
            thread::sleep(Duration::from_millis(5));
        }
        times.push(begin.elapsed());
        // It had some of the shards already; now it has all four.
        while count(&younger.1, "is at work") < at_work + 2 {
            assert!(begin.elapsed() < Duration::from_secs(60), "{}", trial.said(&younger.1));
            thread::sleep(Duration::from_millis(5));
        }
        ready.push(begin.elapsed());
        let log = format!("next-{round}.log");
        let next = trial.member("fleet.yaml", &log);
        trial.heard(&log, "gained shards");
        thread::sleep(Duration::from_millis(500));
        (elder, elder_log) = std::mem::replace(&mut younger, (next, log));
    }
    for (what, mut times) in [("given to the other process", times), ("at work there", ready)] {
        times.sort_unstable();
        let last = times.len() - 1;
        println!(
            "{} takeovers with a session of 2 s: shards {what} after {:?} (median), {:?} (99 %)",
            times.len(),
            times[last / 2],
            times[(last * 99).div_ceil(100)]
        );
    }
    elder.stop();
    younger.0.stop();
    trial.finish("fleet.yaml", "data");
    assert_same(&trial.expected(), &on_kafka(&trial.settings));
}

/// A shard is at an end in one process before another has it: neither is ever fenced.
#[test]
fn a_shard_moves_in_peace() {
    let trial = Trial::new(Broker::shared(), "peace", ["p_metrics", "p_logs", "p_spans"], 4, 300);
    trial.configure("fleet.yaml", &trial.settings, "");
    let mut one = trial.member("fleet.yaml", "one.log");
    trial.heard("one.log", "gained shards");
    let (first, rest) = trial.messages.split_at(trial.messages.len() / 2);
    trial.broker.produce(first);
    thread::sleep(Duration::from_secs(1));
    let mut two = trial.member("fleet.yaml", "two.log");
    trial.heard("two.log", "gained shards");
    trial.broker.produce(rest);
    thread::sleep(Duration::from_secs(3));
    two.stop();
    one.stop();
    for log in ["one.log", "two.log"] {
        let said = trial.said(log);
        assert!(!said.contains("trying again"), "{log}: {said}");
    }
}

/// A process that was paused for longer than its session comes back and writes nothing.
#[test]
fn a_zombie_writes_nothing() {
    let trial = Trial::new(Broker::shared(), "zombie", ["z_metrics", "z_logs", "z_spans"], 2, 1100);
    trial.configure("fleet.yaml", &trial.settings, "");
    let (first, rest) = trial.messages.split_at(trial.messages.len() / 3);
    let (second, rest) = rest.split_at(rest.len() / 2);
    trial.broker.produce(first);
    let mut zombie = trial.member("fleet.yaml", "zombie.log");
    trial.heard("zombie.log", "gained shards");
    thread::sleep(Duration::from_millis(700));
    zombie.signal("-STOP");
    trial.broker.produce(second);
    let mut heir = trial.member("fleet.yaml", "heir.log");
    trial.heard("heir.log", "gained shards [0, 1]");
    thread::sleep(Duration::from_secs(2));
    zombie.signal("-CONT");
    trial.broker.produce(rest);
    thread::sleep(Duration::from_secs(3));
    heir.stop();
    zombie.stop();
    trial.finish("fleet.yaml", "data");
    assert_same(&trial.expected(), &on_kafka(&trial.settings));
}

/// Members join and leave every few moments while there is load.
#[test]
fn a_storm_of_rebalances() {
    let trial = Trial::new(Broker::shared(), "storm", ["s_metrics", "s_logs", "s_spans"], 4, 1100);
    trial.configure("fleet.yaml", &trial.settings, "");
    let mut random = random();
    let mut steady = trial.member("fleet.yaml", "steady.log");
    trial.heard("steady.log", "gained shards");
    for part in trial.messages.chunks(trial.messages.len() / 8 + 1) {
        let mut guest = trial.member("fleet.yaml", "guests.log");
        trial.broker.produce(part);
        thread::sleep(Duration::from_millis(1500 + random.next_u64() % 3000));
        if random.next_u64().is_multiple_of(2) { guest.stop() } else { guest.kill() }
    }
    steady.stop();
    let moves = trial.said("guests.log").matches("gained shards").count();
    assert!(moves >= 3, "shards moved {moves} times only: {}", trial.said("guests.log"));
    trial.finish("fleet.yaml", "data");
    assert_same(&trial.expected(), &on_kafka(&trial.settings));
}

/// The broker is killed in the middle and comes back; the service says so and goes on.
#[test]
fn a_broker_that_restarts() {
    let broker = Broker::start(1);
    let trial = Trial::new(&broker, "restart", ["b_metrics", "b_logs", "b_spans"], 2, 1100);
    trial.configure("fleet.yaml", &trial.settings, "  patience: 5s\n");
    let (first, rest) = trial.messages.split_at(trial.messages.len() / 2);
    broker.produce(first);
    let mut member = trial.member("fleet.yaml", "member.log");
    trial.heard("member.log", "gained shards");
    thread::sleep(Duration::from_millis(600));
    broker.kill(1);
    thread::sleep(Duration::from_secs(8));
    broker.revive(1);
    broker.produce(rest);
    thread::sleep(Duration::from_secs(6));
    member.stop();
    trial.finish("fleet.yaml", "data");
    assert_same(&trial.expected(), &on_kafka(&trial.settings));
}

/// Of three brokers the one that leads is killed and stays away; the others have all of it.
#[test]
fn a_broker_of_three_that_stays_away() {
    let broker = Broker::start(3);
    let trial = Trial::new(&broker, "three", ["t_metrics", "t_logs", "t_spans"], 2, 1100);
    trial.configure("fleet.yaml", &trial.settings, "");
    let (first, rest) = trial.messages.split_at(trial.messages.len() / 2);
    broker.produce(first);
    let mut member = trial.member("fleet.yaml", "member.log");
    trial.heard("member.log", "gained shards");
    thread::sleep(Duration::from_secs(1));
    broker.kill(1);
    broker.produce(rest);
    thread::sleep(Duration::from_secs(5));
    member.stop();
    trial.finish("fleet.yaml", "data");
    assert_same(&trial.expected(), &on_kafka(&trial.settings));
}
