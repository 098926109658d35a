//! OTLP/JSON by way of the generated messages: read by their own serde forms, and written by prost.

use std::{collections::BTreeSet, fmt};

use opentelemetry_proto::tonic::{logs::v1::LogsData, metrics::v1::MetricsData, trace::v1::TracesData};
use prost::Message;
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Value};
use theriac_connectors::decode::{Rows, Signal, otlp_proto};
use theriac_contract::Telemetry;

/// Rows of what the generated messages take up, as protobuf. `None` if they refuse it, a record of it is
/// bad as protobuf, too, or it can be read in more than one way. Lists of one signal among those of another
/// are taken by the decoder, and passed over by the messages.
pub(crate) fn rows(payload: &[u8]) -> Option<Vec<Telemetry>> {
    serde_json::from_slice::<Unambiguous>(payload).ok()?;
    let request: Map<String, Value> = serde_json::from_slice(payload).ok()?;
    let mut rows = Rows::default();
    for (list, signal, protobuf) in [
        ("resourceMetrics", Signal::Points, protobuf::<MetricsData> as fn(&[u8]) -> _),
        ("resourceLogs", Signal::Logs, protobuf::<LogsData>),
        ("resourceSpans", Signal::Spans, protobuf::<TracesData>),
    ] {
        if let Some(groups) = request.get(list) {
            if mixed(groups, signal) {
                return None;
            }
            otlp_proto::decode_as(signal, &protobuf(payload)?, &mut rows).ok()?;
        }
    }
    (rows.bad.is_empty() && !rows.is_empty()).then(|| rows.take())
}

/// Whether groups of a signal hold lists that are not its own.
fn mixed(groups: &Value, signal: Signal) -> bool {
    let own = match signal {
        Signal::Points => ["scopeMetrics", "metrics"],
        Signal::Logs => ["scopeLogs", "logRecords"],
        Signal::Spans => ["scopeSpans", "spans"],
    };
    let lists = [
        ["scopes", "scopeMetrics", "scopeLogs", "scopeSpans"],
        ["records", "metrics", "logRecords", "spans"],
    ];
    let entries = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let foreign = |group: &Value, at: usize| {
        lists[at].iter().any(|name| *name != own[at] && group.get(*name).is_some())
    };
    entries(groups).iter().any(|group| {
        let scopes = group.get(own[0]).map(entries).unwrap_or_default();
        foreign(group, 0) || scopes.iter().any(|scope| foreign(scope, 1))
    })
}

fn protobuf<M: Message + DeserializeOwned>(payload: &[u8]) -> Option<Vec<u8>> {
    serde_json::from_slice::<M>(payload).ok().map(|message| message.encode_to_vec())
}

/// JSON in which no member stands twice, and of members that exclude each other one at most. Nor is
/// there a negative zero, whose sign prost leaves out with the number.
struct Unambiguous;

/// Members that exclude each other.
const CHOICES: [&[&str]; 3] = [
    &["asDouble", "asInt"],
    &["gauge", "sum", "histogram", "exponentialHistogram", "summary"],
    &["stringValue", "boolValue", "intValue", "doubleValue", "arrayValue", "kvlistValue", "bytesValue"],
];

impl<'de> Deserialize<'de> for Unambiguous {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for Unambiguous {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON that can be read in one way")
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Self, E> {
        if number == 0.0 && number.is_sign_negative() { Err(E::custom("a negative zero")) } else { Ok(self) }
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_unit<E: Error>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Self, A::Error> {
        while entries.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self, A::Error> {
        let mut met = BTreeSet::new();
        while let Some((name, Self)) = members.next_entry::<String, Self>()? {
            if !met.insert(name) {
                return Err(A::Error::custom("a member stands twice"));
            }
        }
        let chosen = |choice: &&[&str]| choice.iter().filter(|name| met.contains(**name)).count();
        if CHOICES.iter().any(|choice| chosen(choice) > 1) {
            return Err(A::Error::custom("members exclude each other"));
        }
        Ok(self)
    }
}
