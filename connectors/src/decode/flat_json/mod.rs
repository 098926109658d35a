//! JSON lines that are not OTLP: one flat point, log record or span an object.
//!
//! Keys are compared without case and punctuation. An object with a trace id, a span id and
//! a start is a span; one with `value` and `name`/`metric` is a point; one with
//! `body`/`message`/`msg`/`log` is a log record. `attributes`/`labels`/`tags` hold attributes,
//! `resource` resource attributes; keys such as `service`, `host`, `pod` are resource
//! attributes too; any other key is an attribute.
//!
//! An object is walked without making anything of it (`walk`); one that is written oddly, or
//! wrongly, is left to serde_json.

mod walk;

use std::{borrow::Cow, collections::BTreeMap};

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::{Value, value::RawValue};
use theriac_contract::{
    Timestamp,
    telemetry::{
        Attributes, Label, LogRow, Measured, PointKind, Shared, SpanKind, SpanRow, SpanStatus, Temporality,
        canonical,
    },
};

use self::walk::Scratch;
use super::{
    Rows,
    entity::{TIME_NAMES, plain, resource_key},
    hex,
    json::unescaped,
    memo::Memo,
    text::severity_number,
    time,
};
use crate::read::FileSettings;

/// What a key holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Time(usize),
    End,
    DurationNanos(i64),
    Name,
    Value,
    Unit,
    Body,
    Severity,
    SeverityNumber,
    EventName,
    TraceId,
    SpanId,
    Parent,
    Kind,
    Status,
    Attributes,
    Resource,
    ResourceKey(&'static str),
    Attribute,
}

fn role(key: &str) -> Role {
    let plain = plain(key);
    if let Some(rank) = TIME_NAMES.iter().position(|name| *name == plain) {
        return Role::Time(rank);
    }
    match plain.as_str() {
        "end" | "endtime" | "endtimeunixnano" => Role::End,
        "durationns" | "durationnano" | "durationnanos" => Role::DurationNanos(1),
        "durationus" | "durationmicros" => Role::DurationNanos(1_000),
        "durationms" | "durationmillis" => Role::DurationNanos(1_000_000),
        "durations" | "durationseconds" => Role::DurationNanos(1_000_000_000),
        "name" | "metric" | "metricname" | "operation" | "operationname" => Role::Name,
        "value" | "val" => Role::Value,
        "unit" => Role::Unit,
        "body" | "message" | "msg" | "log" => Role::Body,
        "severity" | "severitytext" | "level" | "loglevel" | "lvl" => Role::Severity,
        "severitynumber" => Role::SeverityNumber,
        "eventname" => Role::EventName,
        "traceid" => Role::TraceId,
        "spanid" => Role::SpanId,
        "parentspanid" | "parentid" | "parent" => Role::Parent,
        "kind" | "spankind" => Role::Kind,
        "status" | "statuscode" => Role::Status,
        "attributes" | "labels" | "tags" => Role::Attributes,
        "resource" | "resourceattributes" => Role::Resource,
        plain => resource_key(plain).map_or(Role::Attribute, Role::ResourceKey),
    }
}

/// The keys of an object with their values as they stand there.
struct Shallow<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

/// A key borrows from the text unless it holds escapes.
#[derive(serde::Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Shallow<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Keys;
        impl<'de> Visitor<'de> for Keys {
            type Value = Shallow<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Shallow<'de>, M::Error> {
                let mut pairs = Vec::new();
                while let Some((Key(key), value)) = map.next_entry::<Key<'de>, &'de RawValue>()? {
                    pairs.push((key, value));
                }
                Ok(Shallow(pairs))
            }
        }
        deserializer.deserialize_map(Keys)
    }
}

/// Distinct keys whose roles are kept.
const ROLES_MAX: usize = 4096;

/// Flat objects to rows.
pub(crate) struct FlatDecoder {
    defaults: Attributes,
    roles: BTreeMap<Box<str>, Role>,
    scratch: Scratch,
}

/// Values of the members that have a place of their own, as they are written.
#[derive(Clone, Copy, Default)]
struct Values<'a> {
    time: Option<(usize, &'a str)>,
    end: Option<&'a str>,
    duration: Option<(i64, &'a str)>,
    name: Option<&'a str>,
    value: Option<&'a str>,
    unit: Option<&'a str>,
    body: Option<&'a str>,
    severity: Option<&'a str>,
    severity_number: Option<&'a str>,
    event_name: Option<&'a str>,
    trace_id: Option<&'a str>,
    span_id: Option<&'a str>,
    parent: Option<&'a str>,
    kind: Option<&'a str>,
    status: Option<&'a str>,
}

impl<'a> Values<'a> {
    /// Takes a value; false if what it is of is an attribute.
    #[inline]
    fn take(&mut self, role: Role, raw: &'a str) -> bool {
        match role {
            Role::Time(rank) => {
                if self.time.is_none_or(|(best, _)| rank < best) {
                    self.time = Some((rank, raw));
                }
            }
            Role::End => self.end = Some(raw),
            Role::DurationNanos(unit) => self.duration = Some((unit, raw)),
            Role::Name => self.name = self.name.or(Some(raw)),
            Role::Value => self.value = Some(raw),
            Role::Unit => self.unit = Some(raw),
            Role::Body => self.body = self.body.or(Some(raw)),
            Role::Severity => self.severity = Some(raw),
            Role::SeverityNumber => self.severity_number = Some(raw),
            Role::EventName => self.event_name = Some(raw),
            Role::TraceId => self.trace_id = Some(raw),
            Role::SpanId => self.span_id = Some(raw),
            Role::Parent => self.parent = Some(raw),
            Role::Kind => self.kind = Some(raw),
            Role::Status => self.status = Some(raw),
            Role::Attributes | Role::Resource | Role::ResourceKey(_) | Role::Attribute => return false,
        }
        true
    }
}

/// What an object holds.
trait Object<'a> {
    /// What has a place of its own.
    fn values(&self) -> Values<'a>;

    /// Makes attributes of values that have no place in this kind of record.
    fn add(&mut self, more: &[(&'static str, Option<&'a str>)]) -> Result<(), String>;

    /// Gives the canonical texts of resource and attributes to `push`.
    fn labelled(&mut self, memo: &mut Memo, push: impl FnOnce(&str, Label<'_>)) -> Result<(), String>;
}

/// An object that serde_json took apart.
struct Parsed<'a> {
    values: Values<'a>,
    resource: Attributes,
    attributes: Attributes,
}

impl<'a> Object<'a> for Parsed<'a> {
    fn values(&self) -> Values<'a> {
        self.values
    }

    fn add(&mut self, more: &[(&'static str, Option<&'a str>)]) -> Result<(), String> {
        for (key, raw) in more {
            if let Some(raw) = raw {
                self.attributes.insert((*key).to_owned(), any(raw)?);
            }
        }
        Ok(())
    }

    fn labelled(&mut self, _: &mut Memo, push: impl FnOnce(&str, Label<'_>)) -> Result<(), String> {
        push(&canonical(&self.resource), Label::new(&canonical(&self.attributes)));
        Ok(())
    }
}

/// The value as text: of a string its content, of another scalar its digits; empty for null.
#[inline]
fn text(raw: Option<&str>) -> Cow<'_, str> {
    match raw.unwrap_or("null") {
        "null" => Cow::Borrowed(""),
        quoted if quoted.starts_with('"') => match quoted.get(1..quoted.len() - 1) {
            Some(inner) if memchr::memchr(b'\\', inner.as_bytes()).is_none() => Cow::Borrowed(inner),
            _ => unescaped(quoted).map_or(Cow::Borrowed(quoted), Cow::Owned),
        },
        other => Cow::Borrowed(other),
    }
}

fn instant(raw: &str, field: &str) -> Result<Timestamp, String> {
    time::parse(&text(Some(raw))).map_err(|reason| format!("`{field}`: {reason}"))
}

fn object(raw: &RawValue, into: &mut Attributes, field: &str) -> Result<(), String> {
    if raw.get() == "null" {
        return Ok(());
    }
    let value: Attributes =
        serde_json::from_str(raw.get()).map_err(|e| format!("`{field}` is not an object: {e}"))?;
    into.extend(value);
    Ok(())
}

impl FlatDecoder {
    pub(crate) fn new(settings: &FileSettings) -> Self {
        let mut roles = BTreeMap::new();
        let entity = settings.entity.iter().map(|(key, attribute)| (key, intern(attribute)));
        for (key, role) in
            entity.map(|(key, attribute)| (key, attribute.map_or(Role::Attribute, Role::ResourceKey)))
        {
            roles.insert(key.as_str().into(), role);
        }
        for (key, role) in [
            (&settings.time_column, Role::Time(0)),
            (&settings.name_column, Role::Name),
            (&settings.value_column, Role::Value),
        ] {
            if let Some(key) = key {
                roles.insert(key.as_str().into(), role);
            }
        }
        Self { defaults: settings.resource.clone(), roles, scratch: Scratch::default() }
    }

    /// Adds one object.
    pub(crate) fn decode(&mut self, line: &str, rows: &mut Rows) -> Result<(), String> {
        if !rows.by_objects {
            rows.memo.set_defaults(&self.defaults);
            let Self { defaults, roles, scratch } = self;
            if walk::walk(line, defaults, scratch, |key| remembered(roles, key), rows).is_some() {
                return Ok(());
            }
        }
        let Shallow(pairs) = serde_json::from_str(line).map_err(|e| format!("not a JSON object: {e}"))?;
        let mut parsed = Parsed {
            values: Values::default(),
            resource: self.defaults.clone(),
            attributes: Attributes::new(),
        };
        for (key, raw) in pairs {
            let Parsed { values, resource, attributes } = &mut parsed;
            match remembered(&mut self.roles, &key) {
                role if values.take(role, raw.get()) => {}
                Role::Attributes => object(raw, attributes, &key)?,
                Role::Resource if raw.get().starts_with('{') => object(raw, resource, &key)?,
                Role::ResourceKey(attribute) => {
                    drop(resource.insert(attribute.to_owned(), any(raw.get())?));
                }
                _ => drop(attributes.insert(key.into_owned(), any(raw.get())?)),
            }
        }
        push(parsed, rows)
    }
}

/// The role of a key, kept if there is room.
fn remembered(roles: &mut BTreeMap<Box<str>, Role>, key: &str) -> Role {
    if let Some(role) = roles.get(key) {
        return *role;
    }
    let role = role(key);
    if roles.len() < ROLES_MAX && key.len() <= 256 {
        roles.insert(key.into(), role);
    }
    role
}

/// The attribute's name for the life of the program, if it is one that entities have.
fn intern(attribute: &str) -> Option<&'static str> {
    const KNOWN: [&str; 8] = [
        "service.name",
        "service.instance.id",
        "service.version",
        "k8s.pod.name",
        "k8s.namespace.name",
        "container.name",
        "host.name",
        "deployment.environment.name",
    ];
    KNOWN.into_iter().find(|known| *known == attribute)
}

fn any(raw: &str) -> Result<Value, String> {
    serde_json::from_str(raw).map_err(|e| e.to_string())
}

fn push<'a>(object: impl Object<'a>, rows: &mut Rows) -> Result<(), String> {
    let fields = object.values();
    if fields.trace_id.is_some()
        && fields.span_id.is_some()
        && (fields.end.is_some() || fields.duration.is_some())
    {
        return push_span(object, rows);
    }
    let kind = match (fields.value, fields.body) {
        (Some(_), _) if fields.name.is_some() => Ok(true),
        (_, Some(_)) => Ok(false),
        _ => Err(
            "fits nothing that is known: a point needs `time`, `name` and `value`; a log record `time` and `body` or `message`; a span `trace_id`, `span_id`, `start` and `end` or `duration_ms`",
        ),
    }?;
    let (_, at) =
        fields.time.ok_or("no time: name one of `timestamp`, `time`, `ts`, or set `time_column`")?;
    let time = instant(at, "time")?;
    if kind { push_point(object, time, rows) } else { push_log(object, time, rows) }
}

fn push_point<'a>(mut object: impl Object<'a>, time: Timestamp, rows: &mut Rows) -> Result<(), String> {
    let fields = object.values();
    let written = text(fields.value);
    let value = match &*written {
        "" | "NaN" | "nan" | "null" | "NA" => None,
        number => Some(number.parse::<f64>().ok().filter(|value| value.is_finite()).ok_or_else(|| {
            format!("`value` is `{}`, not a number: write a number, or null for none", time::excerpt(number))
        })?),
    };
    let name = text(fields.name);
    if name.is_empty() {
        return Err("`name` is empty: name the metric".to_owned());
    }
    object.add(&[
        ("trace_id", fields.trace_id),
        ("span_id", fields.span_id),
        ("status", fields.status),
        ("kind", fields.kind),
    ])?;
    let unit = text(fields.unit);
    let Rows { points, memo, .. } = rows;
    object.labelled(memo, |resource, attributes| {
        let shared = Shared {
            resource,
            scope: "{}",
            name: &name,
            unit: &unit,
            kind: PointKind::Gauge,
            temporality: Temporality::Unspecified,
            monotonic: false,
        };
        let measured = Measured { time, start_time: None, value, histogram: None };
        points.run(shared).push(attributes, &measured);
    })
}

fn push_log<'a>(mut object: impl Object<'a>, time: Timestamp, rows: &mut Rows) -> Result<(), String> {
    let fields = object.values();
    let level = text(fields.severity);
    let number = text(fields.severity_number).parse::<u8>().ok().filter(|number| *number <= 24);
    object.add(&[("name", fields.name), ("value", fields.value), ("status", fields.status)])?;
    let Rows { logs, memo, .. } = rows;
    object.labelled(memo, |resource, attributes| {
        let row = LogRow {
            time,
            observed_time: None,
            resource,
            scope: "{}",
            severity_number: number.unwrap_or_else(|| severity_number(level.trim())),
            severity_text: &level,
            event_name: &text(fields.event_name),
            body: &text(fields.body),
            attributes: attributes.text(),
            // Ids of other tracers (UUIDs, words) are no reason to lose the line.
            trace_id: hex::id(&text(fields.trace_id)).unwrap_or(None),
            span_id: hex::id(&text(fields.span_id)).unwrap_or(None),
        };
        logs.push_labelled(&row, attributes);
    })
}

fn push_span<'a>(mut object: impl Object<'a>, rows: &mut Rows) -> Result<(), String> {
    let fields = object.values();
    let (_, start) = fields.time.ok_or("the span has no `start`")?;
    let start = instant(start, "start")?;
    let end = match (fields.end, fields.duration) {
        (Some(end), _) => instant(end, "end")?,
        (None, Some((unit, raw))) => {
            let number = text(Some(raw));
            let length = number.parse::<f64>().ok().filter(|value| value.is_finite() && *value >= 0.0);
            let length =
                length.ok_or_else(|| format!("the duration `{}` is not a number", time::excerpt(&number)))?;
            Timestamp(start.0.saturating_add((length * unit as f64).round() as i64))
        }
        (None, None) => return Err("the span has neither `end` nor a duration".to_owned()),
    };
    if end < start {
        return Err(format!("the span ends ({end}) before it starts ({start})"));
    }
    let parent = match &*text(fields.parent) {
        "root" | "None" => None,
        id => hex::id(id).map_err(|e| format!("`parent_span_id`: {e}"))?,
    };
    let kind = match text(fields.kind).to_ascii_lowercase().trim_start_matches("span_kind_") {
        "internal" | "1" => SpanKind::Internal,
        "server" | "2" => SpanKind::Server,
        "client" | "3" => SpanKind::Client,
        "producer" | "4" => SpanKind::Producer,
        "consumer" | "5" => SpanKind::Consumer,
        _ => SpanKind::Unspecified,
    };
    let status = match text(fields.status).to_ascii_lowercase().trim_start_matches("status_code_") {
        "error" | "2" => SpanStatus::Error,
        "ok" | "1" => SpanStatus::Ok,
        _ => SpanStatus::Unset,
    };
    let trace_id = hex::id(&text(fields.trace_id))
        .map_err(|e| format!("`trace_id`: {e}"))?
        .ok_or("`trace_id` is empty")?;
    let span_id =
        hex::id(&text(fields.span_id)).map_err(|e| format!("`span_id`: {e}"))?.ok_or("`span_id` is empty")?;
    let Rows { spans, memo, .. } = rows;
    object.labelled(memo, |resource, attributes| {
        let row = SpanRow {
            trace_id,
            span_id,
            parent_span_id: parent,
            name: &text(fields.name),
            kind,
            start,
            end,
            resource,
            scope: "{}",
            attributes: attributes.text(),
            status,
            status_message: "",
            events: "[]",
            links: "[]",
            trace_state: "",
        };
        spans.push_labelled(&row, attributes);
    })
}
