//! The records of one round: in one order, whatever order they came in, and from payloads to
//! telemetry.

use std::{
    collections::{BTreeMap, VecDeque},
    panic::{AssertUnwindSafe, catch_unwind},
};

use rdkafka::{
    Message,
    message::{BorrowedMessage, Headers},
};
use theriac_contract::{
    Fetched, Reject,
    seeded::{self, Bug},
};

use super::settings::{InputSettings, Settings};
use crate::decode::{Encoding, PayloadDecoder, Rows};

/// Topic and partition.
pub(super) type Lane = (String, i32);

/// A record as it was taken from the broker.
pub(super) struct Taken {
    pub(super) offset: i64,
    /// Milliseconds, the broker's or the producer's.
    pub(super) time: i64,
    pub(super) key: Vec<u8>,
    pub(super) headers: Result<Vec<(String, Vec<u8>)>, String>,
    pub(super) payload: Vec<u8>,
}

impl Taken {
    pub(super) fn of(message: &BorrowedMessage<'_>) -> Self {
        // A header's name that is not UTF-8 makes the client panic when it is looked at.
        let headers = catch_unwind(AssertUnwindSafe(|| {
            let headers = message.headers().into_iter().flat_map(Headers::iter);
            headers.map(|header| (header.key.to_owned(), header.value.unwrap_or_default().to_vec())).collect()
        }));
        Self {
            offset: message.offset(),
            time: message.timestamp().to_millis().unwrap_or_default(),
            key: message.key().unwrap_or_default().to_vec(),
            headers: headers.map_err(|_| "the name of a header is not UTF-8".to_owned()),
            payload: message.payload().unwrap_or_default().to_vec(),
        }
    }
}

/// Decoders by topic.
pub(super) struct Decoding {
    inputs: BTreeMap<String, InputSettings>,
    decoders: BTreeMap<String, PayloadDecoder>,
    rows: Rows,
}

impl Decoding {
    pub(super) fn new(settings: &Settings) -> Self {
        let inputs = settings.inputs();
        let decoder = |input: &InputSettings| PayloadDecoder::new(input.encoding, input.resource.clone());
        let decoders = inputs.iter().map(|(topic, input)| (topic.clone(), decoder(input))).collect();
        Self { inputs, decoders, rows: Rows::default() }
    }

    /// The topics that are read.
    pub(super) fn topics(&self) -> impl Iterator<Item = &String> {
        self.inputs.keys()
    }

    /// Decodes a round's records, in the order of their times, and of topics and partitions
    /// where these are equal.
    pub(super) fn decode(&mut self, round: BTreeMap<Lane, Vec<Taken>>) -> Fetched {
        let mut fetched = Fetched::default();
        let mut lanes: Vec<(Lane, VecDeque<Taken>)> =
            round.into_iter().map(|(lane, taken)| (lane, taken.into())).collect();
        while let Some(index) = (0..lanes.len())
            .filter_map(|index| Some((lanes[index].1.front()?.time, index)))
            .min_by_key(|(time, index)| {
                (if seeded::on(Bug::PartitionsAsTheyCome) { 0 } else { *time }, *index)
            })
            .map(|(_, index)| index)
        {
            let (lane, records) = &mut lanes[index];
            let Some(record) = records.pop_front() else { break };
            fetched.bytes += record.payload.len() as u64;
            self.decode_one(lane, record, &mut fetched.rejects);
        }
        fetched.telemetry = self.rows.take();
        fetched
    }

    fn decode_one(&mut self, lane: &Lane, record: Taken, rejects: &mut Vec<Reject>) {
        let (headers, unreadable) = match record.headers {
            Ok(headers) => (headers, None),
            Err(reason) => (Vec::new(), Some(reason)),
        };
        let Some(decoder) = self.decoders.get_mut(&lane.0) else { return };
        let encoding = self.inputs.get(&lane.0).map(|input| input.encoding).unwrap_or_default();
        let reject = |reason: String, bytes: Vec<u8>, part: Option<String>| Reject {
            origin: format!("{}/{}", lane.0, lane.1),
            offset: u64::try_from(record.offset).unwrap_or_default(),
            line: None,
            marks: marks(lane, record.offset, encoding, &reason),
            reason,
            bytes,
            key: record.key.clone(),
            headers: headers.clone(),
            part,
        };
        if let Some(reason) = unreadable {
            rejects.push(reject(reason, record.payload, Some("all but its headers".to_owned())));
            return;
        }
        let whole = decoder.decode(&record.payload, &headers, &mut self.rows).err();
        for bad in std::mem::take(&mut self.rows.bad) {
            let part = (bad.bytes != record.payload).then(|| bad.path.clone());
            rejects.push(reject(format!("{}: {}", bad.path, bad.reason), bad.bytes, part));
        }
        rejects.extend(whole.map(|error| reject(error.reason, record.payload, None)));
    }
}

/// The headers that Kafka Connect gives a dead letter, for tools that know it.
fn marks((topic, partition): &Lane, offset: i64, encoding: Encoding, reason: &str) -> Vec<(String, String)> {
    [
        ("topic", topic.clone()),
        ("partition", partition.to_string()),
        ("offset", offset.to_string()),
        ("connector.name", "theriac".to_owned()),
        ("stage", "decode".to_owned()),
        ("class.name", encoding.name().to_owned()),
        ("exception.message", reason.to_owned()),
    ]
    .map(|(name, value)| (format!("__connect.errors.{name}"), value))
    .into()
}

/// Positions as `{"otlp_metrics/0":17}`.
pub(super) fn parse(position: &str) -> Result<BTreeMap<Lane, i64>, String> {
    let places: BTreeMap<String, i64> = serde_json::from_str(position).map_err(|e| e.to_string())?;
    let lane = |text: &str| {
        let (topic, number) = text.rsplit_once('/')?;
        Some((topic.to_owned(), number.parse().ok()?))
    };
    let lanes = places.iter().map(|(text, next)| {
        let lane = lane(text).ok_or_else(|| format!("`{text}` is not a topic and a partition"))?;
        if *next < 0 { Err(format!("`{text}`: {next} is no offset")) } else { Ok((lane, *next)) }
    });
    lanes.collect()
}
