//! Taking records from partitions, in the order of their times.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use rdkafka::{
    Message as _,
    consumer::Consumer as _,
    error::{KafkaError, RDKafkaErrorCode},
};
use theriac_contract::seeded::{self, Bug};

use super::KafkaSource;
use crate::kafka::{
    client::{KafkaFailure, is_refused},
    decoding::{Lane, Taken},
    settings::Start,
};

/// How long a fetch waits for the first record.
const WAIT: Duration = Duration::from_millis(50);
/// How long a partition that brings nothing, not even word of its end, holds the others back.
const HOLD: Duration = Duration::from_secs(5);

impl KafkaSource {
    /// Takes what the broker has sent for one partition, up to the first record or its end.
    fn fill(&mut self, lane: &Lane, wait: Duration) -> Result<(), KafkaFailure> {
        let Some(queue) = self.queues.get_mut(lane) else { return Ok(()) };
        queue.ended |= queue.next >= queue.end;
        if !queue.ahead.is_empty() || queue.next >= queue.end {
            return Ok(());
        }
        let polled = queue.queue.as_ref().and_then(|queue| queue.poll(wait));
        let polled = polled.map(|polled| polled.map(|message| Taken::of(&message)));
        match polled {
            Some(Ok(taken)) => {
                (queue.ended, queue.silent) = (taken.offset >= queue.end, None);
                // What was handed out before the partitions were assigned anew may come again.
                if (queue.next..queue.end).contains(&taken.offset) {
                    queue.ahead.push_back(taken);
                }
            }
            Some(Err(KafkaError::PartitionEOF(_))) => (queue.ended, queue.silent) = (true, None),
            Some(Err(error)) if error.rdkafka_error_code() == Some(RDKafkaErrorCode::AutoOffsetReset) => {
                return self.removed(lane);
            }
            Some(Err(error)) if is_refused(&error) => {
                return Err(self.fail(format!("{}/{}", lane.0, lane.1), &error));
            }
            // A broker that is down comes back; until then the partition is silent.
            Some(Err(_)) | None if seeded::on(Bug::SilenceTakenForEnd) => queue.ended = true,
            Some(Err(_)) | None => drop(queue.silent.get_or_insert_with(Instant::now)),
        }
        Ok(())
    }

    /// The broker has removed what was to be read next.
    fn removed(&mut self, lane: &Lane) -> Result<(), KafkaFailure> {
        let first = self.first(lane, Start::Earliest)?;
        let mut places = self.places();
        let before = places.insert(lane.clone(), first).unwrap_or_default();
        self.notices.push(format!(
            "{}/{}: the broker removed the records from offset {before} to {first} before they were read; give the topic a longer retention",
            lane.0, lane.1
        ));
        self.assign(&places);
        Ok(())
    }

    /// Messages that librdkafka queued before the partitions had queues of their own.
    pub(super) fn sort_strays(&mut self) {
        let Some(consumer) = &self.consumer else { return };
        while let Some(polled) = consumer.poll(Duration::ZERO) {
            let Ok(message) = polled else { continue };
            let lane = (message.topic().to_owned(), message.partition());
            if let Some(queue) = self.queues.get_mut(&lane)
                && (queue.next..queue.end).contains(&message.offset())
                && queue.ahead.back().is_none_or(|last| last.offset < message.offset())
            {
                queue.ahead.push_back(Taken::of(&message));
            }
        }
    }

    /// Takes records until about `bytes_max` bytes, in the order of their times.
    pub(super) fn take(&mut self, bytes_max: usize) -> Result<BTreeMap<Lane, Vec<Taken>>, KafkaFailure> {
        let lanes: Vec<Lane> = self.queues.keys().cloned().collect();
        let bounded = self.ends.is_some();
        let begin = Instant::now();
        let mut round: BTreeMap<Lane, Vec<Taken>> = BTreeMap::new();
        let mut bytes = 0;
        while bytes < bytes_max.max(1) {
            let mut behind = None;
            for lane in &lanes {
                self.fill(lane, Duration::ZERO)?;
                let Some(queue) = self.queues.get(lane) else { continue };
                let held = bounded || queue.silent.is_none_or(|since| since.elapsed() < HOLD);
                if queue.ahead.is_empty() && !queue.ended && held {
                    behind = behind.or(Some(lane));
                }
            }
            let heads =
                self.queues.iter().filter_map(|(lane, queue)| Some((queue.ahead.front()?.time, lane)));
            let earliest = heads.min().map(|(_, lane)| lane.clone());
            if let Some(lane) = earliest.filter(|_| behind.is_none()) {
                let Some(queue) = self.queues.get_mut(&lane) else { break };
                let Some(taken) = queue.ahead.pop_front() else { break };
                (queue.next, queue.time) = (taken.offset + 1, Some(taken.time));
                bytes += taken.payload.len().max(1);
                round.entry(lane).or_default().push(taken);
                continue;
            }
            if bounded {
                let Some(lane) = behind else { break };
                self.wait_for(lane)?;
                continue;
            }
            if !round.is_empty() || begin.elapsed() >= WAIT {
                break;
            }
            let Some(lane) =
                lanes.iter().find(|lane| self.queues.get(*lane).is_some_and(|q| q.ahead.is_empty()))
            else {
                break;
            };
            self.fill(lane, Duration::from_millis(2))?;
        }
        Ok(round)
    }

    /// Waits a little for a partition that must bring something, or word of its end.
    fn wait_for(&mut self, lane: &Lane) -> Result<(), KafkaFailure> {
        self.fill(lane, Duration::from_millis(20))?;
        let patience = self.patience();
        let silent = self.queues.get(lane).and_then(|queue| queue.silent);
        if silent.is_some_and(|since| since.elapsed() > patience) {
            let said = self.consumer.as_ref().and_then(|consumer| consumer.context().complaints.last());
            let said = said.unwrap_or_else(|| "it did not answer".to_owned());
            let reason = format!("{said}; waited {patience:?}, as `kafka.patience` says");
            return Err(KafkaFailure::new(format!("{}/{}", lane.0, lane.1), reason));
        }
        Ok(())
    }

    /// Takes the records before `until` in every partition.
    pub(super) fn take_until(
        &mut self,
        until: &BTreeMap<Lane, i64>,
    ) -> Result<BTreeMap<Lane, Vec<Taken>>, KafkaFailure> {
        let mut round: BTreeMap<Lane, Vec<Taken>> = BTreeMap::new();
        for (lane, until) in until {
            let until = &(until - i64::from(seeded::on(Bug::AgainOneRecordLess)));
            let begin = Instant::now();
            let what = || format!("{}/{}", lane.0, lane.1);
            if !self.queues.contains_key(lane) {
                let reason = "it was read before, and is not there, or no part of this shard, any more";
                return Err(KafkaFailure::new(what(), reason));
            }
            while self.queues.get(lane).is_some_and(|queue| queue.next < *until) {
                self.fill(lane, Duration::from_millis(50))?;
                let patience = self.patience();
                let Some(queue) = self.queues.get_mut(lane) else { break };
                match queue.ahead.front() {
                    Some(first) if first.offset >= *until => queue.next = *until,
                    Some(_) => {
                        let Some(taken) = queue.ahead.pop_front() else { break };
                        (queue.next, queue.time) = (taken.offset + 1, Some(taken.time));
                        round.entry(lane.clone()).or_default().push(taken);
                    }
                    None if queue.ended || begin.elapsed() > patience => {
                        let reason = format!(
                            "the records up to offset {until} were read before, and cannot be read again: they end at {}",
                            queue.next
                        );
                        return Err(KafkaFailure::new(what(), reason));
                    }
                    None => {}
                }
            }
        }
        Ok(round)
    }
}
