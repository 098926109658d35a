//! Playbooks: which strategies there are for which fault, what they cost and risk.

use std::{collections::BTreeMap, fmt::Write as _};

use serde::{Deserialize, Serialize};
use serde_saphyr::Spanned;
use theriac_contract::{Interval, Retry};

use crate::target;

/// A playbook file is wrong. The text names file, line, column and the mend; one line for
/// each thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PlaybookError(pub String);

/// What may be tried for faults, in the order of the files.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Playbooks {
    playbooks: Vec<Playbook>,
}

/// Strategies for one kind of fault.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Playbook {
    /// Fault kind.
    pub fault: String,
    /// In the order of the file; utility decides, not the order.
    pub strategies: Vec<Strategy>,
}

/// Something that can be tried.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Strategy {
    /// Name, unique for the fault.
    pub name: String,
    /// What the cause must be or have.
    pub requires: Vec<Requirement>,
    /// Cost whether or not it works, on the scale of `benefit`.
    pub cost: f64,
    /// Probability of making things worse, 0 to 1.
    pub risk: f64,
    /// Loss if it does.
    pub damage: f64,
    /// Successes and failures that are assumed before any were seen.
    pub prior: Prior,
    /// One after the other, each verified, as far as needed.
    pub stages: Vec<StageTemplate>,
}

/// What a strategy needs to make sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Requirement {
    /// The cause is one instance of a service.
    Instance,
    /// A host.
    Host,
    /// A service that keeps nothing: no database and no queue, whose new instances are cold and whose old
    /// ones have what others may not.
    Stateless,
    /// Of the other instances of its service at least one is well: somebody can take over.
    PeersWell,
    /// The cause is a zone.
    Zone,
    /// What is sent to the cause gets there, if late.
    Reachable,
    /// Of the other instances of its service at least three are well: those who are left do a third more.
    Room,
    /// Those who call it can do without it: another's service, or one that the topology file calls
    /// optional.
    Dispensable,
    /// A change is suspected.
    Change,
    /// A change of programs is suspected, and nothing was changed since that they could not read.
    Deploy,
    /// A change of programs is suspected, and data were changed for them since: there is no way back.
    Migrated,
    /// A change of settings is suspected.
    Configuration,
    /// The fault may pass by itself.
    Transient,
    /// Somebody outside feels it.
    Felt,
}

/// A Beta distribution.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prior {
    /// Weight of success.
    pub successes: f64,
    /// Weight of failure.
    pub failures: f64,
}

/// A stage before names are filled in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StageTemplate {
    /// Name for people.
    pub name: String,
    /// In order.
    pub steps: Vec<StepTemplate>,
}

/// A step before names are filled in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepTemplate {
    /// What is done.
    pub verb: String,
    /// `cause`, `cause.service`, `cause.instances` (a step for each instance that bears the mark of the
    /// fault, or for the one of many who asks, or is asked for, too much), `change.entity`, or a name.
    #[serde(default = "cause")]
    pub target: String,
    /// Arguments; `{change.from}`, `{change.to}`, `{cause}`, `{cause.service}` are filled in, and
    /// `{checkpoint.id}` and `{compensator.id}` by what the service registered.
    #[serde(default)]
    pub parameters: BTreeMap<String, String>,
    /// `incident_open` or `always`.
    #[serde(default = "incident_open")]
    pub precondition: String,
    /// What should be observed afterwards.
    #[serde(default)]
    pub expected_effect: String,
    /// How long an attempt may take.
    #[serde(default = "minute")]
    pub timeout: Interval,
    /// How long the effect is given before it is judged.
    #[serde(default = "settle")]
    pub settle: Interval,
    /// How long it is watched for after that.
    #[serde(default = "watch")]
    pub verify_within: Interval,
    /// How failures are repeated.
    #[serde(default)]
    pub retry: Retry,
    /// What undoes it.
    #[serde(default)]
    pub compensation: Option<UndoTemplate>,
}

/// What undoes a step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UndoTemplate {
    /// What is done.
    pub verb: String,
    /// As in [`StepTemplate::target`].
    #[serde(default = "cause")]
    pub target: String,
    /// As in [`StepTemplate::parameters`].
    #[serde(default)]
    pub parameters: BTreeMap<String, String>,
}

fn cause() -> String {
    "cause".to_owned()
}

fn incident_open() -> String {
    "incident_open".to_owned()
}

const fn minute() -> Interval {
    Interval::from_seconds(60)
}

const fn settle() -> Interval {
    Interval::from_seconds(15)
}

const fn watch() -> Interval {
    Interval::from_seconds(180)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    playbooks: Vec<PlaybookText>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PlaybookText {
    fault: Spanned<String>,
    strategies: Vec<StrategyText>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StrategyText {
    name: Spanned<String>,
    #[serde(default)]
    requires: Vec<Requirement>,
    cost: f64,
    #[serde(default)]
    risk: f64,
    #[serde(default)]
    damage: f64,
    prior: Prior,
    stages: Vec<StageTemplate>,
}

impl Strategy {
    /// Asking a person: it stands beside the strategies of every playbook.
    pub(crate) fn ask() -> Self {
        let step = StepTemplate {
            verb: "notify".to_owned(),
            target: cause(),
            parameters: BTreeMap::new(),
            precondition: incident_open(),
            expected_effect: "a person looks".to_owned(),
            timeout: minute(),
            settle: settle(),
            verify_within: watch(),
            retry: Retry::default(),
            compensation: None,
        };
        Self {
            name: crate::candidates::ASK.to_owned(),
            requires: Vec::new(),
            cost: 0.0,
            risk: 0.0,
            damage: 0.0,
            prior: Prior { successes: 1.0, failures: 1.0 },
            stages: vec![StageTemplate { name: "ask".to_owned(), steps: vec![step] }],
        }
    }
}

const BUILT_IN: &str = include_str!("../playbooks/default.yaml");

impl Playbooks {
    /// The playbooks that come with theriac.
    ///
    /// # Panics
    /// Never: a test reads the file.
    #[must_use]
    pub fn builtin() -> Self {
        Self::parse("playbooks/default.yaml", BUILT_IN).expect("the built-in playbooks are well-formed")
    }

    /// Text of the built-in playbooks: a start for one's own.
    #[must_use]
    pub const fn builtin_text() -> &'static str {
        BUILT_IN
    }

    /// Reads the text of a file; `origin` is named in errors.
    ///
    /// # Errors
    /// All that is wrong, a line for each, with line, column and the mend.
    pub fn parse(origin: &str, yaml: &str) -> Result<Self, PlaybookError> {
        Self::parse_all(&[(origin, yaml)])
    }

    /// Reads several files, each given by its name and its text, as if they were one.
    ///
    /// # Errors
    /// As [`Playbooks::parse`]; a fault may have a playbook in one of the files only.
    pub fn parse_all(files: &[(&str, &str)]) -> Result<Self, PlaybookError> {
        let mut wrong = String::new();
        let mut seen = BTreeMap::new();
        let mut playbooks = Vec::new();
        for (origin, yaml) in files {
            let file: File = serde_saphyr::from_str(yaml).map_err(|error| {
                let place =
                    error.location().map_or_else(String::new, |at| format!(":{}:{}", at.line(), at.column()));
                PlaybookError(format!("{origin}{place}: {}", error.without_snippet()))
            })?;
            for playbook in file.playbooks {
                let fault = &playbook.fault;
                let mut note = |at: &Spanned<String>, text: &str| {
                    let (line, column) = (at.referenced.line(), at.referenced.column());
                    let _ = writeln!(wrong, "{origin}:{line}:{column}: {text}");
                };
                let line = fault.referenced.line();
                if let Some((other, first)) = seen.insert(fault.value.clone(), (*origin, line)) {
                    let text = format!(
                        "fault `{}` has a playbook already, at {other}:{first}; join the two",
                        fault.value
                    );
                    note(fault, &text);
                }
                let mut names = BTreeMap::new();
                for strategy in &playbook.strategies {
                    let name = &strategy.name;
                    if let Some(first) = names.insert(name.value.clone(), name.referenced.line()) {
                        let text = format!(
                            "strategy `{}` is there already, at line {first}; rename one",
                            name.value
                        );
                        note(name, &text);
                    }
                    for text in problems(strategy) {
                        note(name, &format!("strategy `{}`: {text}", name.value));
                    }
                }
                playbooks.push(Playbook::from(playbook));
            }
        }
        if wrong.is_empty() {
            Ok(Self { playbooks })
        } else {
            Err(PlaybookError(wrong.trim_end().to_owned()))
        }
    }

    /// Strategies for a fault; none if there is no playbook for it.
    #[must_use]
    pub fn strategies(&self, fault: &str) -> &[Strategy] {
        let found = self.playbooks.iter().find(|playbook| playbook.fault == fault);
        found.map_or(&[], |playbook| &playbook.strategies)
    }

    /// Digest of the content, 16 hex digits.
    #[must_use]
    pub fn digest(&self) -> String {
        let content = serde_json::to_vec(self).unwrap_or_default();
        theriac_contract::Id::derive("playbooks", &[content]).as_str()["playbooks-".len()..][..16].to_owned()
    }
}

impl From<PlaybookText> for Playbook {
    fn from(text: PlaybookText) -> Self {
        let strategies = text
            .strategies
            .into_iter()
            .map(|strategy| Strategy {
                name: strategy.name.value,
                requires: strategy.requires,
                cost: strategy.cost,
                risk: strategy.risk,
                damage: strategy.damage,
                prior: strategy.prior,
                stages: strategy.stages,
            })
            .collect();
        Self { fault: text.fault.value, strategies }
    }
}

/// What is wrong with a strategy beyond its form.
fn problems(strategy: &StrategyText) -> Vec<String> {
    let mut problems = Vec::new();
    if !(0.0..=1.0).contains(&strategy.risk) {
        problems.push(format!("`risk` is {}; it is a probability, 0 to 1", strategy.risk));
    }
    for (name, value) in [("cost", strategy.cost), ("damage", strategy.damage)] {
        if !value.is_finite() || value < 0.0 {
            problems.push(format!("`{name}` is {value}; it is a loss, 0 or more"));
        }
    }
    let Prior { successes, failures } = strategy.prior;
    if !(successes > 0.0 && failures > 0.0 && successes.is_finite() && failures.is_finite()) {
        problems.push("`prior` needs `successes` and `failures` above 0: nothing is certain".to_owned());
    }
    if strategy.stages.is_empty() || strategy.stages.iter().any(|stage| stage.steps.is_empty()) {
        problems.push("it needs stages, and each stage steps".to_owned());
    }
    for step in strategy.stages.iter().flat_map(|stage| &stage.steps) {
        if !matches!(step.precondition.as_str(), "incident_open" | "always") {
            problems.push(format!("`precondition: {}`; write incident_open or always", step.precondition));
        }
        if step.retry.attempts == 0 {
            problems.push("`retry.attempts` is 0; write 1 to try once".to_owned());
        }
        let undo = step.compensation.iter().flat_map(|undo| undo.parameters.values());
        for text in step.parameters.values().chain(undo) {
            problems.extend(target::problem(text));
        }
        let change =
            step.target.starts_with("change.") || step.parameters.values().any(|t| t.contains("{change."));
        let given =
            [Requirement::Change, Requirement::Deploy, Requirement::Migrated, Requirement::Configuration];
        if change && !strategy.requires.iter().any(|requirement| given.contains(requirement)) {
            let text = "it speaks of the change, so it needs `requires: [change]`, or [deploy], [migrated] or [configuration]";
            problems.push(text.to_owned());
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn built_in_playbooks_know_every_fault() {
        let playbooks = Playbooks::builtin();
        for fault in [
            "memory_leak",
            "crash_loop",
            "slow_dependency",
            "bad_deploy",
            "error_burst",
            "byzantine_replica",
            "lying_sensor",
            "cpu_saturation",
            "traffic_surge",
            "host_fault",
            "bad_configuration",
            "network_fault",
            "pool_exhaustion",
            "storage_exhaustion",
            "hang",
            "lock_contention",
            "replica_lag",
            "data_corruption",
            "consumer_backlog",
            "poison_record",
            "certificate_expired",
            "clock_skew",
            "cache_stampede",
            "quota_exceeded",
            "abusive_tenant",
            "hot_key",
            "unknown",
        ] {
            assert!(!playbooks.strategies(fault).is_empty(), "{fault}");
        }
    }

    #[test]
    fn errors_name_the_place_and_the_mend() {
        let unknown = "playbooks:\n  - fault: x\n    strategys: []\n";
        let error = Playbooks::parse("mine.yaml", unknown).unwrap_err().to_string();
        assert!(error.starts_with("mine.yaml:3:5:"), "{error}");
        assert!(error.contains("strategies"), "{error}");
        let text = "playbooks:\n  - fault: x\n    strategies:\n      - name: a\n        cost: -1\n        risk: 3\n        prior: {successes: 1, failures: 0}\n        stages: []\n";
        let error = Playbooks::parse("mine.yaml", text).unwrap_err().to_string();
        let lines: Vec<&str> = error.lines().collect();
        assert_eq!(lines.len(), 4, "{error}");
        assert!(lines.iter().all(|line| line.starts_with("mine.yaml:4:15: strategy `a`: ")), "{error}");
    }

    const LEAK: &str = "playbooks:\n  - fault: leak\n    strategies: []\n";
    const LOOP: &str = "# a comment\nplaybooks:\n  - fault: loop\n    strategies: []\n";

    #[test]
    fn several_files_are_one() {
        let both = Playbooks::parse_all(&[("a.yaml", LEAK), ("b.yaml", LOOP)]).unwrap();
        let faults: Vec<&str> = both.playbooks.iter().map(|playbook| playbook.fault.as_str()).collect();
        assert_eq!(faults, ["leak", "loop"]);
    }

    #[test]
    fn a_fault_in_two_files_names_both() {
        let files = [("a.yaml", LEAK), ("b.yaml", LOOP), ("c.yaml", LEAK)];
        let error = Playbooks::parse_all(&files).unwrap_err().to_string();
        assert_eq!(error, "c.yaml:2:12: fault `leak` has a playbook already, at a.yaml:2; join the two");
    }

    #[test]
    fn digest_is_of_the_content() {
        let changed = BUILT_IN.replacen("cost: ", "cost: 1", 1);
        let other = Playbooks::parse("x", &changed).unwrap();
        assert_ne!(other.digest(), Playbooks::builtin().digest());
        let spaced = format!("{BUILT_IN}\n# a comment\n");
        assert_eq!(Playbooks::parse("y", &spaced).unwrap().digest(), Playbooks::builtin().digest());
    }
}
