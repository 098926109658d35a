//! Executors in processes of their own, in Rust and in Python: killed, paused, fenced, replaced,
//! and asked twice. Effects are counted from outside, in a file with a line for each.

mod loop_closed;
mod process;
mod protocol;

use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use theriac_connectors::kafka::Settings;
use theriac_contract::{
    Action, Command, Entity, Execution, ExecutionEvent, Id, Interval, Timestamp, Verdict,
    execution::{COMMANDS, EXECUTIONS, EXECUTOR_HEADER, EXPIRES_HEADER},
    schema,
};
use theriac_tests::broker::{Broker, Message};

use process::{Hesitation, Language, Running};

/// Topics of one test, and the file of effects.
struct Scene {
    folder: tempfile::TempDir,
    broker: &'static Broker,
    settings: Settings,
    commands: &'static str,
    executions: &'static str,
    partitions: u32,
}

/// What a command is to differ in from others.
#[derive(Clone, Copy, Debug)]
struct Wanted<'a> {
    key: &'a str,
    attempt: u32,
    target: &'a str,
    token: u64,
}

fn command(wanted: Wanted<'_>) -> Command {
    Command {
        plan: Id("plan-1".to_owned()),
        incident: Id("incident-1".to_owned()),
        step: 0,
        attempt: wanted.attempt,
        compensation: false,
        action: Action {
            verb: "restart".to_owned(),
            target: Entity(wanted.target.to_owned()),
            parameters: BTreeMap::new(),
        },
        idempotency_key: Id(wanted.key.to_owned()),
        domain: "shop".to_owned(),
        fencing_token: wanted.token,
        dry_run: false,
        timeout: Interval::from_seconds(60),
        issued: Timestamp(0),
    }
}

impl Scene {
    fn new(name: &str, partitions: u32) -> Self {
        let (folder, broker) = (tempfile::tempdir().unwrap(), Broker::shared());
        let settings = broker.settings(name);
        let leaked = |topic: &str| -> &'static str {
            Box::leak(format!("{}{topic}", settings.prefix).into_boxed_str())
        };
        let (commands, executions) = (leaked(COMMANDS), leaked(EXECUTIONS));
        Self { folder, broker, commands, executions, settings, partitions }
    }

    /// With the topics made, where no theriac runs.
    fn with_topics(name: &str, partitions: u32) -> Self {
        let scene = Self::new(name, partitions);
        scene.broker.create(&[scene.commands, scene.executions], i32::try_from(partitions).unwrap());
        scene
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn executor(&self, language: Language, hesitation: Option<Hesitation>, log: &str) -> Running {
        let (brokers, prefix) = (&self.broker.addresses, &self.settings.prefix);
        Running::executor(language, brokers, prefix, &self.file("effects"), hesitation, &self.file(log))
    }

    /// Sends commands that may be begun within so many milliseconds from now.
    fn send(&self, commands: &[Command], milliseconds: i64) {
        #[expect(clippy::disallowed_methods, reason = "as the engine's edge does")]
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
        let expires = i64::try_from(now).unwrap() + milliseconds;
        let header = |name: &str, value: String| (name.to_owned(), value.into_bytes());
        let messages: Vec<Message> = commands
            .iter()
            .map(|command| Message {
                topic: self.commands,
                partition: (crc32fast::hash(command.action.target.as_str().as_bytes()) % self.partitions)
                    as i32,
                time: i64::try_from(now).unwrap(),
                key: command.action.target.as_str().as_bytes().to_vec(),
                headers: vec![
                    header("ce_id", command.attempt_key().0),
                    header(EXECUTOR_HEADER, "shop".to_owned()),
                    header(EXPIRES_HEADER, expires.to_string()),
                ],
                payload: serde_json::to_vec(command).unwrap(),
            })
            .collect();
        self.broker.produce(&messages);
    }

    /// All that executors wrote, partition by partition; each record as its schema says, and none
    /// of a holder that had been fenced.
    fn executions(&self) -> Vec<Execution> {
        let schemas = schema::payloads();
        let (_, schema) = schemas.iter().find(|(name, _)| *name == "execution").unwrap();
        let schema = jsonschema::validator_for(schema.as_value()).unwrap();
        let mut executions = Vec::new();
        for partition in 0..self.partitions {
            let mut holder = String::new();
            for message in self.broker.consume(self.executions, partition as i32, 0) {
                let value: serde_json::Value = serde_json::from_slice(&message.payload).unwrap();
                schema.validate(&value).unwrap_or_else(|error| panic!("{value}: {error}"));
                let execution: Execution = serde_json::from_value(value).unwrap();
                if execution.event == ExecutionEvent::Opened {
                    holder.clone_from(&execution.holder);
                }
                assert_eq!(execution.holder, holder, "{execution:?}");
                executions.push(execution);
            }
        }
        executions
    }

    /// Waits until `look` finds something in what executors wrote.
    fn until<T>(&self, what: &str, running: &[&Running], look: impl Fn(&[Execution]) -> Option<T>) -> T {
        let begin = Instant::now();
        loop {
            let executions = self.executions();
            if let Some(found) = look(&executions) {
                return found;
            }
            let said: Vec<String> = running.iter().map(|running| running.said()).collect();
            assert!(begin.elapsed() < Duration::from_secs(60), "never {what}: {executions:#?}\n{said:#?}");
            thread::sleep(Duration::from_millis(100));
        }
    }

    fn claimed(&self, command: &Command, by: &Running) {
        self.until("claimed", &[by], |all| all.iter().find_map(|e| is_claim(e, command).then_some(())));
    }

    /// The answers to an attempt once there are so many.
    fn answers(&self, command: &Command, count: usize, running: &[&Running]) -> Vec<(Verdict, String)> {
        self.until("answered", running, |all| {
            let found = answers(all, command);
            (found.len() >= count).then_some(found)
        })
    }

    fn effects(&self) -> Vec<String> {
        let text = fs::read_to_string(self.file("effects")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Waits for an effect; gives how many there are.
    fn effect(&self, by: &Running) {
        let begin = Instant::now();
        while self.effects().is_empty() {
            assert!(begin.elapsed() < Duration::from_secs(60), "nothing was done: {}", by.said());
            thread::sleep(Duration::from_millis(20));
        }
    }
}

fn is_claim(execution: &Execution, command: &Command) -> bool {
    let ExecutionEvent::Claimed { attempt, .. } = &execution.event else { return false };
    attempt.attempt_key == command.attempt_key()
}

fn answers(executions: &[Execution], command: &Command) -> Vec<(Verdict, String)> {
    let of = |execution: &Execution| match &execution.event {
        ExecutionEvent::Ended { attempt, verdict, detail }
            if attempt.attempt_key == command.attempt_key() =>
        {
            Some((verdict.clone(), detail.clone()))
        }
        _ => None,
    };
    executions.iter().filter_map(of).collect()
}
