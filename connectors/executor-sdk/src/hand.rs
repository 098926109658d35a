//! One partition: taken over, served, and given up.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, RecvTimeoutError, channel},
    },
    thread,
    time::{Duration, Instant},
};

use rdkafka::{
    Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    error::KafkaError,
    message::Headers,
};
use theriac_contract::{
    Attempt, Command, Execution, ExecutionEvent, Interval, Verdict,
    execution::{EXECUTOR_HEADER, EXPIRES_HEADER},
};

use crate::{
    book::{Answer, Book, Decision},
    error::ExecutorError,
    handler::{Handler, Lease, Reconciled},
    settings::Settings,
    writer::{Seat, Writer, wall_millis},
};

const POLL: Duration = Duration::from_millis(100);
/// What serves a partition until it is told to stop.
pub(crate) struct Hand {
    pub(crate) settings: Settings,
    pub(crate) handler: Arc<dyn Handler>,
    pub(crate) seat: Arc<Seat>,
    pub(crate) partition: i32,
    pub(crate) stop: Arc<AtomicBool>,
}

/// A partition that this process has taken over.
struct Held<'h> {
    hand: &'h Hand,
    writer: Writer,
    consumer: BaseConsumer,
    book: Book,
    /// Everything before this was for others, and nobody has been told.
    passed: Option<i64>,
}

impl Hand {
    /// Serves the partition. What may pass is tried again, from what is stored.
    pub(crate) fn work(&self) {
        while !self.is_over() {
            let Err(error) = Held::open(self).and_then(|mut held| held.serve()) else { return };
            // It may be that the group has given it to another and is about to say so. To begin anew
            // before that would fence the rightful holder.
            let nap = self.settings.session_timeout;
            self.handler.notice(&format!("{error}; trying again in {nap:?} unless the group says otherwise"));
            self.wait(Instant::now() + nap);
        }
    }

    fn is_over(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }

    /// Waits until an instant, or until it is told to stop.
    fn wait(&self, until: Instant) {
        while !self.is_over() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            thread::sleep(left.min(POLL));
        }
    }

    fn lease(&self) -> Interval {
        Interval(i64::try_from(self.settings.lease.as_nanos()).unwrap_or(i64::MAX))
    }
}

impl<'h> Held<'h> {
    /// Fences the holder before, reads all that it wrote, and goes where it left off.
    fn open(hand: &'h Hand) -> Result<Self, ExecutorError> {
        let (settings, partition) = (&hand.settings, hand.partition);
        let writer = Writer::open(settings, partition)?;
        writer.event(&ExecutionEvent::Opened)?;
        let fail = || ExecutorError::kafka(format!("the consumer of partition {partition}"));
        let consumer: BaseConsumer = settings.consumer().create().map_err(fail())?;
        let book = Book::new(settings.answers_max);
        let mut held = Self { hand, writer, consumer, book, passed: None };
        held.read_log()?;
        let topic = settings.commands();
        let mut place = TopicPartitionList::new();
        place.add_partition(&topic, partition);
        let committed = held.consumer.committed_offsets(place, settings.patience).map_err(fail())?;
        let next = committed.find_partition(&topic, partition).map(|found| found.offset());
        held.assign(&topic, next.filter(|offset| *offset != Offset::Invalid).unwrap_or(Offset::Beginning))?;
        Ok(held)
    }

    fn assign(&self, topic: &str, offset: Offset) -> Result<(), ExecutorError> {
        let mut place = TopicPartitionList::new();
        place
            .add_partition_offset(topic, self.hand.partition, offset)
            .and_then(|()| self.consumer.assign(&place))
            .map_err(ExecutorError::kafka(format!("{topic}/{}", self.hand.partition)))
    }

    /// Reads what was written of this partition, up to this holder's own first record: nobody
    /// before it can have written behind that.
    fn read_log(&mut self) -> Result<(), ExecutorError> {
        let (topic, partition) = (self.hand.settings.executions(), self.hand.partition);
        self.assign(&topic, Offset::Beginning)?;
        let mut last = Instant::now();
        loop {
            match self.consumer.poll(POLL) {
                Some(Ok(message)) => {
                    last = Instant::now();
                    if header(&message, EXECUTOR_HEADER) != Some(self.hand.settings.executor.as_bytes()) {
                        continue;
                    }
                    let execution: Execution = serde_json::from_slice(message.payload().unwrap_or_default())
                        .map_err(|error| ExecutorError::Damaged {
                            topic: topic.clone(),
                            partition,
                            offset: message.offset(),
                            reason: error.to_string(),
                        })?;
                    if execution.event == ExecutionEvent::Opened && execution.holder == self.writer.holder {
                        return Ok(());
                    }
                    self.book.fold(execution.event, last);
                }
                Some(Err(error @ KafkaError::MessageConsumptionFatal(_))) => {
                    return Err(ExecutorError::kafka(format!("{topic}/{partition}"))(error));
                }
                Some(Err(_)) | None if last.elapsed() > self.hand.settings.patience => {
                    let reason = "what was just written to it cannot be read back";
                    return Err(ExecutorError::Silent { topic, partition, reason });
                }
                Some(Err(_)) | None => {}
            }
        }
    }

    fn serve(&mut self) -> Result<(), ExecutorError> {
        while !self.hand.is_over() {
            // Owned, so that the consumer is free.
            let message = match self.consumer.poll(POLL) {
                Some(Ok(message)) => message.detach(),
                Some(Err(error @ KafkaError::MessageConsumptionFatal(_))) => {
                    return Err(ExecutorError::kafka("commands")(error));
                }
                Some(Err(_)) => continue,
                None => {
                    if let Some(next) = self.passed.take() {
                        self.writer.done(None, next, self.hand.seat.as_ref())?;
                    }
                    continue;
                }
            };
            let next = message.offset() + 1;
            let ours = header(&message, EXECUTOR_HEADER) == Some(self.hand.settings.executor.as_bytes());
            match serde_json::from_slice::<Command>(message.payload().unwrap_or_default()) {
                Ok(command) if ours => self.take(&command, deadline(&message), next)?,
                Err(error) if ours => {
                    let place = format!("{}/{}", self.hand.settings.commands(), self.hand.partition);
                    let text =
                        format!("{place} at offset {}: no command, passed over: {error}", message.offset());
                    self.hand.handler.notice(&text);
                    self.passed = Some(next);
                }
                _ => self.passed = Some(next),
            }
        }
        Ok(())
    }

    fn take(&mut self, command: &Command, deadline: Option<Instant>, next: i64) -> Result<(), ExecutorError> {
        let timely = || deadline.is_some_and(|deadline| Instant::now() < deadline);
        match self.book.decide(command, timely()) {
            Decision::Act => self.act(command, next),
            Decision::Answer(answer) => self.end(command, answer, next),
            Decision::Reconcile(from) => {
                self.hand.wait(from);
                if self.hand.is_over() {
                    // The next holder waits and asks.
                    return Ok(());
                }
                let asked = catch_unwind(AssertUnwindSafe(|| self.hand.handler.reconcile(command)));
                match asked.unwrap_or_else(|_| Reconciled::CannotTell("the handler panicked".to_owned())) {
                    Reconciled::Done(detail) => {
                        let detail = format!("found to be done: {detail}");
                        self.end(command, (Verdict::Succeeded, detail), next)
                    }
                    Reconciled::NotDone => match self.book.allow(command, timely()) {
                        Ok(()) => self.act(command, next),
                        Err(answer) => self.end(command, answer, next),
                    },
                    Reconciled::CannotTell(detail) => {
                        let detail = format!("begun by a process that is gone, and {detail}");
                        self.end(command, (Verdict::Unknown, detail), next)
                    }
                }
            }
        }
    }

    /// Claims, acts while the lease is extended, and answers.
    fn act(&mut self, command: &Command, next: i64) -> Result<(), ExecutorError> {
        let begin = Instant::now();
        let lease = Lease::new(begin + self.hand.settings.lease);
        let event = ExecutionEvent::Claimed { attempt: Attempt::of(command), lease: self.hand.lease() };
        self.writer.event(&event)?;
        self.book.fold(event, Instant::now());
        if !lease.held() {
            return Err(ExecutorError::Lapsed { partition: self.hand.partition });
        }
        let timeout = Duration::from_nanos(command.timeout.0.max(0).unsigned_abs());
        let answer = thread::scope(|scope| {
            let (acting, done) = channel::<()>();
            scope.spawn(|| self.heartbeats(command, &lease, begin + timeout, done));
            let acted = catch_unwind(AssertUnwindSafe(|| self.hand.handler.act(command, &lease)));
            drop(acting);
            acted.unwrap_or_else(|_| (Verdict::Unknown, "the handler panicked".to_owned()))
        });
        self.end(command, answer, next)
    }

    /// Extends the lease until the work is done, but not for longer than the command may take.
    fn heartbeats(&self, command: &Command, lease: &Lease, until: Instant, done: Receiver<()>) {
        let length = self.hand.settings.lease;
        while let Err(RecvTimeoutError::Timeout) = done.recv_timeout(length / 3) {
            let begin = Instant::now();
            if begin > until {
                return;
            }
            let attempt_key = command.attempt_key();
            let event = ExecutionEvent::Extended { attempt_key, lease: self.hand.lease() };
            match self.writer.event(&event) {
                Ok(()) => lease.extend(begin + length),
                Err(ExecutorError::Fenced { .. }) => return lease.lose(),
                // Without a heartbeat the lease runs out by itself.
                Err(_) => {}
            }
        }
    }

    fn end(&mut self, command: &Command, (verdict, detail): Answer, next: i64) -> Result<(), ExecutorError> {
        let event = ExecutionEvent::Ended { attempt: Attempt::of(command), verdict, detail };
        self.writer.done(Some(&event), next, self.hand.seat.as_ref())?;
        self.passed = None;
        self.book.fold(event, Instant::now());
        Ok(())
    }
}

fn header<'m, M: Message>(message: &'m M, name: &str) -> Option<&'m [u8]> {
    message.headers()?.iter().find(|header| header.key == name)?.value
}

/// When the command may not be begun any more. The wall clock is asked once, on receipt.
fn deadline<M: Message>(message: &M) -> Option<Instant> {
    let expires: i64 = std::str::from_utf8(header(message, EXPIRES_HEADER)?).ok()?.parse().ok()?;
    let left = u64::try_from(expires.saturating_sub(wall_millis())).ok()?;
    Some(Instant::now() + Duration::from_millis(left))
}
