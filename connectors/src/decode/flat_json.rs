//! JSON lines that are not OTLP: one flat point, log record or span an object.
//!
//! Keys are compared without case and punctuation. An object with a trace id, a span id and
//! a start is a span; one with `value` and `name`/`metric` is a point; one with
//! `body`/`message`/`msg`/`log` is a log record. `attributes`/`labels`/`tags` hold attributes,
//! `resource` resource attributes; keys such as `service`, `host`, `pod` are resource
//! attributes too; any other key is an attribute.

use std::{borrow::Cow, collections::BTreeMap};

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::{Value, value::RawValue};
use theriac_contract::{
    Timestamp,
    telemetry::{
        Attributes, LogRow, PointKind, PointRow, SpanKind, SpanRow, SpanStatus, Temporality, canonical,
    },
};

use super::{
    Rows,
    entity::{TIME_NAMES, plain, resource_key},
    hex,
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
}

#[derive(Default)]
struct Fields<'a> {
    time: Option<(usize, &'a RawValue)>,
    end: Option<&'a RawValue>,
    duration: Option<(i64, &'a RawValue)>,
    name: Option<&'a RawValue>,
    value: Option<&'a RawValue>,
    unit: Option<&'a RawValue>,
    body: Option<&'a RawValue>,
    severity: Option<&'a RawValue>,
    severity_number: Option<&'a RawValue>,
    event_name: Option<&'a RawValue>,
    trace_id: Option<&'a RawValue>,
    span_id: Option<&'a RawValue>,
    parent: Option<&'a RawValue>,
    kind: Option<&'a RawValue>,
    status: Option<&'a RawValue>,
    resource: Attributes,
    attributes: Attributes,
}

/// The value as text: of a string its content, of another scalar its digits; empty for null.
fn text(raw: Option<&RawValue>) -> Cow<'_, str> {
    let Some(raw) = raw else { return Cow::Borrowed("") };
    match raw.get() {
        "null" => Cow::Borrowed(""),
        quoted if quoted.starts_with('"') => {
            serde_json::from_str::<Key<'_>>(quoted).map_or(Cow::Borrowed(quoted), |key| key.0)
        }
        other => Cow::Borrowed(other),
    }
}

fn instant(raw: &RawValue, field: &str) -> Result<Timestamp, String> {
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
        Self { defaults: settings.resource.clone(), roles }
    }

    fn role(&mut self, key: &str) -> Role {
        if let Some(role) = self.roles.get(key) {
            return *role;
        }
        let role = role(key);
        if self.roles.len() < ROLES_MAX && key.len() <= 256 {
            self.roles.insert(key.into(), role);
        }
        role
    }

    /// Adds one object.
    pub(crate) fn decode(&mut self, line: &str, rows: &mut Rows) -> Result<(), String> {
        let Shallow(pairs) = serde_json::from_str(line).map_err(|e| format!("not a JSON object: {e}"))?;
        let mut fields = Fields { resource: self.defaults.clone(), ..Fields::default() };
        for (key, raw) in pairs {
            match self.role(&key) {
                Role::Time(rank) => {
                    if fields.time.is_none_or(|(best, _)| rank < best) {
                        fields.time = Some((rank, raw));
                    }
                }
                Role::End => fields.end = Some(raw),
                Role::DurationNanos(unit) => fields.duration = Some((unit, raw)),
                Role::Name => fields.name = fields.name.or(Some(raw)),
                Role::Value => fields.value = Some(raw),
                Role::Unit => fields.unit = Some(raw),
                Role::Body => fields.body = fields.body.or(Some(raw)),
                Role::Severity => fields.severity = Some(raw),
                Role::SeverityNumber => fields.severity_number = Some(raw),
                Role::EventName => fields.event_name = Some(raw),
                Role::TraceId => fields.trace_id = Some(raw),
                Role::SpanId => fields.span_id = Some(raw),
                Role::Parent => fields.parent = Some(raw),
                Role::Kind => fields.kind = Some(raw),
                Role::Status => fields.status = Some(raw),
                Role::Attributes => object(raw, &mut fields.attributes, &key)?,
                Role::Resource => match raw.get().starts_with('{') {
                    true => object(raw, &mut fields.resource, &key)?,
                    false => drop(fields.attributes.insert(key.into_owned(), any(raw)?)),
                },
                Role::ResourceKey(attribute) => drop(fields.resource.insert(attribute.to_owned(), any(raw)?)),
                Role::Attribute => drop(fields.attributes.insert(key.into_owned(), any(raw)?)),
            }
        }
        push(fields, rows)
    }
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

fn any(raw: &RawValue) -> Result<Value, String> {
    serde_json::from_str(raw.get()).map_err(|e| e.to_string())
}

fn push(fields: Fields<'_>, rows: &mut Rows) -> Result<(), String> {
    if fields.trace_id.is_some()
        && fields.span_id.is_some()
        && (fields.end.is_some() || fields.duration.is_some())
    {
        return push_span(&fields, rows);
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
    let resource = canonical(&fields.resource);
    if kind { push_point(&fields, time, &resource, rows) } else { push_log(&fields, time, &resource, rows) }
}

fn push_point(fields: &Fields<'_>, time: Timestamp, resource: &str, rows: &mut Rows) -> Result<(), String> {
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
    let mut attributes = fields.attributes.clone();
    for (key, raw) in [
        ("trace_id", fields.trace_id),
        ("span_id", fields.span_id),
        ("status", fields.status),
        ("kind", fields.kind),
    ] {
        if let Some(raw) = raw {
            attributes.insert(key.to_owned(), any(raw)?);
        }
    }
    rows.points.push(&PointRow {
        time,
        start_time: None,
        resource,
        scope: "{}",
        name: &name,
        unit: &text(fields.unit),
        attributes: &canonical(&attributes),
        kind: PointKind::Gauge,
        temporality: Temporality::Unspecified,
        monotonic: false,
        value,
        histogram: None,
    });
    Ok(())
}

fn push_log(fields: &Fields<'_>, time: Timestamp, resource: &str, rows: &mut Rows) -> Result<(), String> {
    let level = text(fields.severity);
    let number = text(fields.severity_number).parse::<u8>().ok().filter(|number| *number <= 24);
    let mut attributes = fields.attributes.clone();
    for (key, raw) in [("name", fields.name), ("value", fields.value), ("status", fields.status)] {
        if let Some(raw) = raw {
            attributes.insert(key.to_owned(), any(raw)?);
        }
    }
    rows.logs.push(&LogRow {
        time,
        observed_time: None,
        resource,
        scope: "{}",
        severity_number: number.unwrap_or_else(|| severity_number(level.trim())),
        severity_text: &level,
        event_name: &text(fields.event_name),
        body: &text(fields.body),
        attributes: &canonical(&attributes),
        // Ids of other tracers (UUIDs, words) are no reason to lose the line.
        trace_id: hex::id(&text(fields.trace_id)).unwrap_or(None),
        span_id: hex::id(&text(fields.span_id)).unwrap_or(None),
    });
    Ok(())
}

fn push_span(fields: &Fields<'_>, rows: &mut Rows) -> Result<(), String> {
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
    rows.spans.push(&SpanRow {
        trace_id: hex::id(&text(fields.trace_id))
            .map_err(|e| format!("`trace_id`: {e}"))?
            .ok_or("`trace_id` is empty")?,
        span_id: hex::id(&text(fields.span_id))
            .map_err(|e| format!("`span_id`: {e}"))?
            .ok_or("`span_id` is empty")?,
        parent_span_id: parent,
        name: &text(fields.name),
        kind,
        start,
        end,
        resource: &canonical(&fields.resource),
        scope: "{}",
        attributes: &canonical(&fields.attributes),
        status,
        status_message: "",
        events: "[]",
        links: "[]",
        trace_state: "",
    });
    Ok(())
}
