//! Which tables there are.

use theriac_contract::Topic;

/// Type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Text.
    Text,
    /// 64-bit floating point.
    Number,
    /// 64-bit integer.
    Integer,
    /// Timestamp in nanoseconds, UTC.
    Time,
    /// True or false.
    Flag,
    /// A list or object as JSON text.
    Json,
}

/// Where a column's value is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum From {
    /// JSON pointer into the payload.
    Payload(&'static str),
    /// JSON pointer into the item of the list that the table unfolds.
    Item(&'static str),
    /// A header of the record, as text.
    Header(&'static str),
    /// Event time of the record.
    RecordTime,
    /// Value of the record as text; what is no UTF-8 is replaced.
    RecordText,
    /// Offset of the record in its partition.
    Offset,
}

/// A column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Name in SQL.
    pub name: String,
    /// Type.
    pub kind: Kind,
    pub(crate) from: From,
}

/// A table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Name in SQL.
    pub name: &'static str,
    /// What a row is.
    pub about: &'static str,
    /// In the order of `SELECT *`.
    pub columns: Vec<Column>,
    pub(crate) topic: Topic,
    /// A member that payloads of this table have, and others of the topic have not.
    pub(crate) marked_by: Option<&'static str>,
    /// Lists of the payload that are unfolded into rows, one inside the other.
    pub(crate) unfold: &'static [&'static str],
    /// Only the last revision of each id.
    pub(crate) latest: bool,
    /// What is folded from the facts, in place of the records themselves.
    pub(crate) reading: Option<Reading>,
}

/// A part of what is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    Beliefs,
    Thresholds,
    Nodes,
    Edges,
    Aliases,
    Distrusted,
    Changes,
    Templates,
    Precedents,
}

impl Table {
    /// Whether it can be asked for as it was at a version.
    #[must_use]
    pub fn has_versions(&self) -> bool {
        self.topic == Topic::Knowledge
    }
}

/// `name:kind` or `name:kind=pointer`, with `t` text, `n` number, `i` integer, `@` time, `f`
/// flag, `j` JSON; a pointer that begins with `.` is into the unfolded item.
fn columns(spec: &'static str) -> Vec<Column> {
    spec.split_whitespace()
        .map(|word| {
            let (name, rest) = word.split_once(':').unwrap_or((word, "t"));
            let (kind, pointer) = rest.split_once('=').unwrap_or((rest, name));
            let kind = match kind {
                "n" => Kind::Number,
                "i" => Kind::Integer,
                "@" => Kind::Time,
                "f" => Kind::Flag,
                "j" => Kind::Json,
                _ => Kind::Text,
            };
            let from = match pointer.strip_prefix('.') {
                Some(of_item) => From::Item(of_item),
                None => From::Payload(pointer),
            };
            Column { name: name.to_owned(), kind, from }
        })
        .collect()
}

const SYMPTOM: &str = "id revision:i phase at:@ domain entity peer signal kind attributes series onset:@ \
     peak:@ end:@ p_value:n severity:n direction observed:n expected:n band_low:n=band/0 \
     band_high:n=band/1 detectors:j explanation examples:j knowledge_version:i";
const INCIDENT: &str = "id revision:i phase at:@ domain opened:@ ended:@ entities:j symptoms:j \
     symptoms_shed:i cause:t=hypotheses/0/entity fault:t=hypotheses/0/fault class:t=hypotheses/0/class \
     probability:n=hypotheses/0/probability summary knowledge_version:i";
const HYPOTHESIS: &str = "incident:t=id revision:i at:@ domain rank:i=.rank entity:t=.entity fault:t=.fault \
     class:t=.class probability:n=.probability evidence_for:j=.evidence_for \
     evidence_against:j=.evidence_against change:j=.change knowledge_version:i";
const PLAN: &str = "id at:@ expires:@ domain incident incident_revision:i cause fault class playbook \
     strategy escalation:i autonomy awaiting propensity:n dry_run:f candidates:j stages:j \
     knowledge_version:i policy_version";
const CANDIDATE: &str = "plan:t=id incident at:@ chosen:t=strategy strategy:t=.strategy \
     hypothesis:i=.hypothesis refused:t=.refused expected:n=.utility/expected \
     cause_probability:n=.utility/cause_probability success_probability:n=.utility/success_probability \
     benefit:n=.utility/benefit cost:n=.utility/cost risk:n=.utility/risk damage:n=.utility/damage \
     formula:t=.utility/formula";
const STEP: &str = "plan:t=id incident at:@ strategy index:i=.index verb:t=.action/verb \
     target:t=.action/target parameters:j=.action/parameters precondition:t=.precondition \
     expected_effect:t=.expected_effect timeout:t=.timeout settle:t=.settle \
     verify_within:t=.verify_within attempts:i=.retry/attempts idempotency_key:t=.idempotency_key \
     compensation:j=.compensation dry_run:f";
const OUTCOME: &str = "id at:@ domain plan incident step:i attempt:i kind verb:t=action/verb \
     target:t=action/target parameters:j=action/parameters fencing_token:i executor dry_run:f detail";
const VERIFICATION: &str = "id at:@ domain plan incident stage:i cause fault strategy verdict acted:@ \
     symptoms_before:i symptoms_open:i symptoms_lost:i dry_run:f explanation";
const KNOWLEDGE: &str = "version:i at:@ fact entity from to kind per_second:n name stands_for:j=of signals:j \
     change:j incident plan cause fault class strategy target service verdict learn:f resolved:f ended:f \
     who:t=by reason detail what chance:n configuration policy chain";
const READINGS: [(&str, &str, Reading, &str); 9] = [
    (
        "beliefs",
        "how often a strategy helped against a fault, at a service or (none) at all of them",
        Reading::Beliefs,
        "version:i fault strategy service successes:n failures:n",
    ),
    (
        "thresholds",
        "how many decades less likely symptoms of a measure must be, for what people said of them",
        Reading::Thresholds,
        "version:i measure right:i noise:i decades:n",
    ),
    (
        "topology_nodes",
        "a service, instance, host, database or queue",
        Reading::Nodes,
        "version:i entity kind",
    ),
    (
        "topology_edges",
        "who depends on whom, and what runs where",
        Reading::Edges,
        "version:i from to kind since:@ given:f per_second:n",
    ),
    (
        "topology_aliases",
        "another name that callers have",
        Reading::Aliases,
        "version:i name stands_for:j given:f reason",
    ),
    (
        "distrusted",
        "what is not believed",
        Reading::Distrusted,
        "version:i entity since:@ signals:j incident reason",
    ),
    (
        "changes",
        "a change, of the most recent",
        Reading::Changes,
        "version:i at:@ entity kind from to description",
    ),
    (
        "log_templates",
        "what a service says in its logs",
        Reading::Templates,
        "version:i service severity text",
    ),
    (
        "precedents",
        "an incident whose cause was confirmed",
        Reading::Precedents,
        "version:i incident cause fault shown:j",
    ),
];

/// Every table, in the order of the loop.
#[must_use]
pub fn tables() -> Vec<Table> {
    let table = |name, about, topic, spec| Table {
        name,
        about,
        columns: columns(spec),
        topic,
        marked_by: None,
        unfold: &[],
        latest: false,
        reading: None,
    };
    let readings = READINGS.map(|(name, about, reading, spec)| Table {
        reading: Some(reading),
        ..table(name, about, Topic::Knowledge, spec)
    });
    let own = |name: &str, kind, from| Column { name: name.to_owned(), kind, from };
    let dead_letters = vec![
        own("topic_offset", Kind::Integer, From::Offset),
        own("at", Kind::Time, From::RecordTime),
        own("origin", Kind::Text, From::Header("origin")),
        own("line", Kind::Integer, From::Header("line")),
        own("byte_offset", Kind::Integer, From::Header("offset")),
        own("reason", Kind::Text, From::Header("reason")),
        own("content", Kind::Text, From::RecordText),
    ];
    let mut tables = vec![
        table("symptoms", "a revision of a symptom", Topic::Symptoms, SYMPTOM),
        Table { latest: true, ..table("symptoms_now", "a symptom as it stands", Topic::Symptoms, SYMPTOM) },
        table(
            "incidents",
            "a revision of an incident, with its first hypothesis",
            Topic::Incidents,
            INCIDENT,
        ),
        Table {
            latest: true,
            ..table("incidents_now", "an incident as it stands", Topic::Incidents, INCIDENT)
        },
        Table {
            unfold: &["hypotheses"],
            ..table("hypotheses", "a hypothesis in a revision of an incident", Topic::Incidents, HYPOTHESIS)
        },
        table("plans", "a plan", Topic::Plans, PLAN),
        Table {
            unfold: &["candidates"],
            ..table("plan_candidates", "a strategy that was considered", Topic::Plans, CANDIDATE)
        },
        Table { unfold: &["stages", "steps"], ..table("steps", "a step of a plan", Topic::Plans, STEP) },
        Table {
            marked_by: Some("fencing_token"),
            ..table("outcomes", "what an executor or the saga said", Topic::Outcomes, OUTCOME)
        },
        Table {
            marked_by: Some("verdict"),
            ..table("verifications", "whether a plan helped", Topic::Outcomes, VERIFICATION)
        },
        table("knowledge", "a fact", Topic::Knowledge, KNOWLEDGE),
        Table {
            columns: dead_letters,
            ..table("dead_letters", "input that could not be read", Topic::DeadLetters, "")
        },
    ];
    tables.extend(readings);
    tables
}
