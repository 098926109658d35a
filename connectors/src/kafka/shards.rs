//! What the detection of all shards noticed, joined in event time for one shard to judge.
//!
//! Every shard says its symptoms on its own partition of the topic `symptoms`, and behind those
//! of a tick a [`Mark`]. A tick may be judged once every shard has marked it, or has nothing to
//! read, or has said nothing for long: a shard whose process was killed is waited for until
//! another has taken it over. Of the symptoms a shard takes those whose domain falls to it, so
//! that one shard sees a whole incident, whichever shards its series are on.
//!
//! What is handed out is fixed by the offsets between which it lies: that is how a recovery has
//! the same once more.

use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};

use rdkafka::{
    Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    message::{BorrowedMessage, Headers},
};
use serde::{Deserialize, Serialize};
use theriac_contract::{
    Gather, Mark, MarkProgress, Noticed, SourceError, Timestamp, Topic,
    seeded::{self, Bug},
};

use super::{
    client::{Complaints, KafkaFailure, duration, is_refused, reading},
    settings::Settings,
};

/// Ticks of a shard that are read ahead of the others.
const AHEAD_MAX: usize = 64;
/// Records that are taken in one go.
const RECORDS_MAX: usize = 10_000;

/// How far one shard has been handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Place {
    /// Kafka's offset after the last mark.
    next: i64,
    /// Event time of that mark.
    at: Timestamp,
    progress: MarkProgress,
}

/// A position as it is kept with a round.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Position {
    /// The last tick that was handed out.
    judged: Timestamp,
    /// By number of the shard.
    shards: Vec<Place>,
}

/// What a shard said up to one of its marks.
struct Said {
    after: Place,
    noticed: Noticed,
}

/// One shard, as this one hears it.
struct Voice {
    place: Place,
    /// Kafka's offset after the last record that was taken.
    read: i64,
    ahead: VecDeque<Said>,
    /// What was taken behind the last of them.
    open: Noticed,
    /// When it said something last.
    heard: Instant,
    paused: bool,
    /// Whether it was said that it is not waited for.
    given_up: bool,
}

impl Voice {
    fn at(place: Place) -> Self {
        Self {
            place,
            read: place.next,
            ahead: VecDeque::new(),
            open: Noticed::default(),
            heard: Instant::now(),
            paused: false,
            given_up: false,
        }
    }

    /// Where it is, with all that was taken of it.
    fn last(&self) -> Place {
        self.ahead.back().map_or(self.place, |said| said.after)
    }

    /// Takes what it said before `until`, an offset after a mark, or up to the tick `until`.
    fn hand_out(
        &mut self,
        until: impl Fn(&Place) -> bool,
        into: &mut BTreeMap<Timestamp, Noticed>,
        judged: Timestamp,
    ) {
        while let Some(said) = self.ahead.pop_front_if(|said| until(&said.after)) {
            let Said { after, noticed } = said;
            self.place = after;
            // Words about the shard alone are no tick; nor is one that was judged before, if it
            // adds nothing to it.
            let empty = noticed.symptoms.is_empty() && noticed.sightings.is_empty();
            if noticed.at <= judged && seeded::on(Bug::LateTicksDropped) {
                continue;
            }
            if empty && (after.progress != MarkProgress::On || noticed.at <= judged) {
                continue;
            }
            let joined =
                into.entry(noticed.at).or_insert_with(|| Noticed { at: noticed.at, ..Noticed::default() });
            joined.symptoms.extend(noticed.symptoms);
            joined.sightings.extend(noticed.sightings);
        }
    }
}

/// The topic `symptoms` of all shards, read for one of them.
pub struct KafkaShards {
    settings: Settings,
    topic: String,
    shard: u32,
    judged: Timestamp,
    voices: Vec<Voice>,
    /// None until it is read from the present place.
    consumer: Option<BaseConsumer<Complaints>>,
    notices: Vec<String>,
}

impl KafkaShards {
    /// Reads what `count` shards noticed, from the beginning, for the shard `shard`. The broker
    /// is asked with the first fetch.
    #[must_use]
    pub fn open(settings: &Settings, shard: u32, count: u32) -> Self {
        let begin = Place { next: 0, at: Timestamp(0), progress: MarkProgress::On };
        Self {
            settings: settings.clone(),
            topic: settings.topic(Topic::Symptoms),
            shard,
            judged: Timestamp(0),
            voices: (0..count).map(|_| Voice::at(begin)).collect(),
            consumer: None,
            notices: Vec::new(),
        }
    }

    fn what(&self, shard: usize) -> String {
        format!("{}/{shard}", self.topic)
    }

    /// Has all partitions assigned at their places.
    fn attach(&mut self) -> Result<(), KafkaFailure> {
        if self.consumer.is_some() {
            return Ok(());
        }
        let mut config = reading(&self.settings)?;
        config.set("auto.offset.reset", "error");
        config.set("fetch.wait.max.ms", "50");
        let consumer: BaseConsumer<Complaints> = config
            .create_with_context(Complaints::default())
            .map_err(|error| KafkaFailure::of(&self.topic, &error, &Complaints::default()))?;
        let mut list = TopicPartitionList::new();
        for (shard, voice) in self.voices.iter_mut().enumerate() {
            let what = format!("{}/{shard}", self.topic);
            let number = i32::try_from(shard).unwrap_or(i32::MAX);
            let fail = |error| KafkaFailure::of(&what, &error, consumer.context());
            let (low, _) = consumer
                .fetch_watermarks(&self.topic, number, duration(self.settings.patience))
                .map_err(fail)?;
            if voice.place.next < low {
                if voice.place.next > 0 {
                    self.notices.push(format!(
                        "{what}: the broker removed symptoms from offset {} to {low} before they were judged; give the topic a longer retention",
                        voice.place.next
                    ));
                }
                voice.place.next = low;
            }
            *voice = Voice::at(voice.place);
            list.add_partition_offset(&self.topic, number, Offset::Offset(voice.place.next)).map_err(fail)?;
        }
        consumer.assign(&list).map_err(|error| KafkaFailure::of(&self.topic, &error, consumer.context()))?;
        self.consumer = Some(consumer);
        Ok(())
    }

    /// Takes what the broker has sent, waiting for the first record for so long.
    fn take(&mut self, wait: Duration) -> Result<(), SourceError> {
        self.attach()?;
        let Some(consumer) = self.consumer.take() else { return Ok(()) };
        let taken = self.take_from(&consumer, wait);
        self.consumer = Some(consumer);
        taken
    }

    fn take_from(
        &mut self,
        consumer: &BaseConsumer<Complaints>,
        mut wait: Duration,
    ) -> Result<(), SourceError> {
        for _ in 0..RECORDS_MAX {
            match consumer.poll(std::mem::take(&mut wait)) {
                None => break,
                Some(Ok(message)) => self.hear(&message)?,
                Some(Err(error)) if is_refused(&error) => {
                    return Err(KafkaFailure::of(&self.topic, &error, consumer.context()).into());
                }
                // A broker that is down comes back.
                Some(Err(_)) => {}
            }
        }
        // A shard that is far ahead is not read on until the others have come near.
        for (shard, voice) in self.voices.iter_mut().enumerate() {
            let pause = voice.ahead.len() >= AHEAD_MAX;
            if pause == voice.paused {
                continue;
            }
            let mut list = TopicPartitionList::new();
            list.add_partition(&self.topic, i32::try_from(shard).unwrap_or(i32::MAX));
            let changed = if pause { consumer.pause(&list) } else { consumer.resume(&list) };
            changed.map_err(|error| KafkaFailure::of(&self.topic, &error, consumer.context()))?;
            voice.paused = pause;
        }
        Ok(())
    }

    fn hear(&mut self, message: &BorrowedMessage<'_>) -> Result<(), SourceError> {
        let (shard, shards) = (message.partition(), self.voices.len() as u32);
        let Some(voice) = usize::try_from(shard).ok().and_then(|shard| self.voices.get_mut(shard)) else {
            return Ok(());
        };
        if message.offset() < voice.read {
            return Ok(());
        }
        (voice.read, voice.heard) = (message.offset() + 1, Instant::now());
        let unreadable = |error: serde_json::Error| SourceError::Unreadable {
            origin: format!("{}/{shard}", message.topic()),
            reason: format!("the record at offset {} cannot be read: {error}", message.offset()),
        };
        let value = message.payload().unwrap_or_default();
        let mut headers = message.headers().into_iter().flat_map(Headers::iter);
        let kind = headers.find(|header| header.key == "ce_type").and_then(|header| header.value);
        if kind.is_some_and(|kind| kind.starts_with(b"theriac.mark.")) {
            let mark: Mark = serde_json::from_slice(value).map_err(unreadable)?;
            voice.open.sightings.extend(mark.sightings);
            if mark.progress != MarkProgress::Part {
                let noticed = Noticed { at: mark.at, ..std::mem::take(&mut voice.open) };
                let after = Place { next: voice.read, at: mark.at, progress: mark.progress };
                voice.ahead.push_back(Said { after, noticed });
            }
            return Ok(());
        }
        let mut domain = crc32fast::hash(message.key().unwrap_or_default());
        if seeded::on(Bug::DomainInSeveralShards) {
            domain = domain.rotate_left(self.shard);
        }
        if domain % shards == self.shard {
            voice.open.symptoms.push(serde_json::from_slice(value).map_err(unreadable)?);
        }
        Ok(())
    }

    /// The last tick that every shard has marked that is waited for; none if a shard that has
    /// said nothing yet holds all back.
    fn frontier(&mut self) -> Timestamp {
        let hold = duration(self.settings.wait_for_shards);
        let ahead = self.voices.iter().map(|voice| voice.last().at).max().unwrap_or_default();
        let mut frontier = Timestamp::MAX;
        for (shard, voice) in self.voices.iter_mut().enumerate() {
            let last = voice.last();
            if matches!(last.progress, MarkProgress::Quiet | MarkProgress::End) {
                voice.given_up = false;
                continue;
            }
            // One that is level with the others waits itself.
            if voice.heard.elapsed() >= hold && last.at < ahead {
                if !std::mem::replace(&mut voice.given_up, true) {
                    self.notices.push(format!(
                        "shard {shard} has said nothing for {hold:?}, as `kafka.wait_for_shards` allows: incidents are judged without it until it does"
                    ));
                }
                continue;
            }
            voice.given_up = false;
            frontier = frontier.min(last.at);
        }
        if seeded::on(Bug::SlowShardNotWaitedFor) { ahead } else { frontier }
    }

    /// Joins what each shard said of each tick, in the order of the shards: in which order their
    /// records came is not the same when they are read again.
    fn joined(&mut self, said: Vec<BTreeMap<Timestamp, Noticed>>) -> Vec<Noticed> {
        let mut joined: BTreeMap<Timestamp, Noticed> = BTreeMap::new();
        for (at, noticed) in said.into_iter().flatten() {
            let tick = joined.entry(at).or_insert_with(|| Noticed { at, ..Noticed::default() });
            tick.symptoms.extend(noticed.symptoms);
            tick.sightings.extend(noticed.sightings);
        }
        self.judged = joined.last_key_value().map_or(self.judged, |(at, _)| self.judged.max(*at));
        joined.into_values().collect()
    }
}

fn parse(text: &str) -> Result<Position, SourceError> {
    serde_json::from_str(text).map_err(|error| SourceError::Unreadable {
        origin: "Kafka".to_owned(),
        reason: format!("`{text}` is no position among shards: {error}"),
    })
}

impl Gather for KafkaShards {
    fn fetch(&mut self) -> Result<Vec<Noticed>, SourceError> {
        self.take(Duration::ZERO)?;
        let frontier = self.frontier();
        let (mut said, judged) = (vec![BTreeMap::new(); self.voices.len()], self.judged);
        for (voice, said) in self.voices.iter_mut().zip(&mut said) {
            voice.hand_out(|after| after.at <= frontier, said, judged);
        }
        Ok(self.joined(said))
    }

    fn is_through(&self) -> bool {
        self.voices.iter().all(|voice| voice.place.progress == MarkProgress::End && voice.ahead.is_empty())
    }

    fn position(&self) -> String {
        let shards = self.voices.iter().map(|voice| voice.place).collect();
        serde_json::to_string(&Position { judged: self.judged, shards }).unwrap_or_default()
    }

    fn seek(&mut self, position: &str) -> Result<(), SourceError> {
        let Position { judged, shards } = parse(position)?;
        if shards.len() != self.voices.len() {
            return Err(SourceError::Unreadable {
                origin: self.topic.clone(),
                reason: format!(
                    "there were {} shards and now there are {}: a service keeps their number; use another `kafka.prefix`",
                    shards.len(),
                    self.voices.len()
                ),
            });
        }
        self.judged = judged;
        self.voices = shards.into_iter().map(Voice::at).collect();
        self.consumer = None;
        Ok(())
    }

    fn again(&mut self, position: &str) -> Result<Vec<Noticed>, SourceError> {
        let until = parse(position)?;
        let begin = Instant::now();
        let (mut said, judged) = (vec![BTreeMap::new(); self.voices.len()], self.judged);
        loop {
            let mut behind = None;
            for (shard, (voice, until)) in self.voices.iter_mut().zip(&until.shards).enumerate() {
                voice.hand_out(|after| after.next <= until.next, &mut said[shard], judged);
                if voice.place.next < until.next {
                    behind = Some(shard);
                }
            }
            let Some(shard) = behind else { break };
            if begin.elapsed() > duration(self.settings.patience) {
                let reason = format!(
                    "the symptoms up to offset {} were judged before, and cannot be read again: they end at {}",
                    until.shards[shard].next, self.voices[shard].place.next
                );
                return Err(KafkaFailure::new(self.what(shard), reason).into());
            }
            self.take(Duration::from_millis(50))?;
        }
        Ok(self.joined(said))
    }

    fn notices(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notices)
    }
}

#[cfg(test)]
mod tests {
    use theriac_contract::{Entity, Sightings};

    use super::*;

    /// Whose records come first is up to the broker; what is handed out is not.
    #[test]
    fn shards_are_joined_in_their_order_whoever_is_heard_first() {
        let handed_out = |order: [usize; 3]| {
            let mut shards = KafkaShards::open(&Settings::default(), 0, 3);
            let mut said = vec![BTreeMap::new(); 3];
            for tick in 1..4 {
                let at = Timestamp(tick);
                for shard in order {
                    let sightings = Sightings {
                        entities: vec![Entity(format!("{shard}-{tick}"))],
                        ..Sightings::default()
                    };
                    let after = Place { next: tick, at, progress: MarkProgress::On };
                    let noticed = Noticed { at, sightings, ..Noticed::default() };
                    let voice = &mut shards.voices[shard];
                    voice.ahead.push_back(Said { after, noticed });
                    voice.hand_out(|_| true, &mut said[shard], Timestamp(0));
                }
            }
            shards.joined(said)
        };
        let expected = handed_out([0, 1, 2]);
        let names = |noticed: &Noticed| noticed.sightings.entities.iter().map(|it| it.0.clone()).collect();
        let told: Vec<Vec<String>> = expected.iter().map(names).collect();
        assert_eq!(told, [["0-1", "1-1", "2-1"], ["0-2", "1-2", "2-2"], ["0-3", "1-3", "2-3"]]);
        for order in [[2, 1, 0], [1, 2, 0], [2, 0, 1]] {
            assert_eq!(handed_out(order), expected, "{order:?}");
        }
    }
}
