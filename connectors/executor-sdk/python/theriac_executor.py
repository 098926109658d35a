"""An executor for theriac in Python: subscribes to commands on Kafka, acts at most once for each, answers.

The protocol is told in the README one folder up; `append.py` is an executor that uses this.
Needs confluent-kafka (requirements.txt).
"""

import json
import os
import re
import sys
import threading
import time
import traceback

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Producer, TopicPartition

POLL = 0.1
UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
FENCED = (KafkaError._FENCED, KafkaError.PRODUCER_FENCED, KafkaError.INVALID_PRODUCER_EPOCH)

SUCCEEDED = {"verdict": "succeeded"}
UNKNOWN = {"verdict": "unknown"}
REFUSED = {"verdict": "failed", "retryable": False}
RETRY = {"verdict": "failed", "retryable": True}


class Fenced(Exception):
    """Another process has this partition now."""


class Lapsed(Exception):
    """The broker took longer to note a claim than the lease lasts."""


class Lease:
    """The right to act, for a time. `time.monotonic` does not jump when the wall clock is set."""

    def __init__(self, until):
        self.until, self.lost = until, False

    def held(self):
        return not self.lost and time.monotonic() < self.until


class Executor:
    """A process of the executor `name`. `handler` has

    act(command, lease) -> (verdict, words): does it once; asks `lease.held()` right before what
        cannot be undone. An exception leaves it unknown what was done.
    reconcile(command) -> True, False or None: whether a command was done that another process
        claimed and never answered; None if nobody can tell.
    """

    def __init__(self, name, brokers, handler, prefix="theriac.", lease=30.0, session=10.0, properties=None):
        self.name, self.handler, self.lease, self.session = name, handler, lease, session
        self.commands, self.executions = prefix + "commands", prefix + "executions"
        self.group = f"{prefix}executor.{name}"
        self.client = {"bootstrap.servers": brokers, **(properties or {})}
        self.consumer = {
            **self.client,
            "group.id": self.group,
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "auto.offset.reset": "earliest",
        }
        self.hands = {}

    def run(self):
        """Serves the partitions that the group gives to this process, until it is interrupted."""
        self.member = Consumer({
            **self.consumer,
            "partition.assignment.strategy": "cooperative-sticky",
            "session.timeout.ms": int(self.session * 1000),
            "heartbeat.interval.ms": int(self.session * 250),
            "topic.metadata.refresh.interval.ms": 5000,
        })
        self.member.subscribe([self.commands], on_assign=self._gained, on_revoke=self._lost, on_lost=self._lost)
        try:
            while True:
                self.member.poll(POLL)
                # Carries the generation that fences a member that was put out. Asked from here, for
                # a call from another thread waits as long as this one polls.
                self.place = self.member.consumer_group_metadata()
        finally:
            self._lost(self.member, [TopicPartition(self.commands, number) for number in list(self.hands)])
            self.member.close()

    def _gained(self, member, partitions):
        member.incremental_assign(partitions)
        # Each partition is read by a consumer of its own; this one is here for the group.
        member.pause(partitions)
        for partition in partitions:
            hand = self.hands[partition.partition] = Hand(self, partition.partition)
            hand.start()

    def _lost(self, _, partitions):
        hands = [self.hands.pop(partition.partition, None) for partition in partitions]
        for hand in filter(None, hands):
            hand.stop.set()
        for hand in filter(None, hands):
            hand.join()


class Hand(threading.Thread):
    """One partition: taken over, served, given up."""

    def __init__(self, executor, number):
        super().__init__(name=f"hand-{number}", daemon=True)
        self.executor, self.number, self.stop = executor, number, threading.Event()
        self.writing, self.consumer = threading.Lock(), None

    def run(self):
        while not self.stop.is_set():
            try:
                self.open()
                self.serve()
            except Exception as error:
                # From what is stored, once more; but not before the group can have said that this
                # partition has another holder, whom that would fence.
                told = isinstance(error, Fenced)
                print(error if told else traceback.format_exc(), file=sys.stderr, flush=True)
                self.stop.wait(self.executor.session)
            finally:
                if self.consumer:
                    self.consumer.close()

    def open(self):
        """Fences the holder before, reads all that it wrote, and goes where it left off."""
        executor = self.executor
        self.holder = f"process-{os.getpid()}/{self.number}@{time.time_ns():x}"
        self.keys, self.tokens, self.passed, self.fenced = {}, {}, None, False
        self.producer = Producer({
            **executor.client,
            "transactional.id": f"{executor.group}-{self.number}",
            "transaction.timeout.ms": 10000,
        })
        self.producer.init_transactions(30)
        self.write("opened")
        self.consumer = Consumer(executor.consumer)
        self.consumer.assign([TopicPartition(executor.executions, self.number, OFFSET_BEGINNING)])
        while True:
            message = self.poll()
            if message is None or header(message, "executor") != executor.name:
                continue
            record = json.loads(message.value())
            if record["event"] == "opened" and record["holder"] == self.holder:
                break
            self.fold(record)
        place = TopicPartition(executor.commands, self.number)
        [place] = self.consumer.committed([place], timeout=30)
        if place.offset < 0:
            place.offset = OFFSET_BEGINNING
        self.consumer.assign([place])

    def poll(self):
        message = self.consumer.poll(POLL)
        if message is not None and message.error():
            if message.error().fatal():
                raise KafkaException(message.error())
            return None
        return message

    def serve(self):
        while not self.stop.is_set():
            message = self.poll()
            if message is None:
                if self.passed is not None:
                    self.write(None, done=self.passed)
                    self.passed = None
                continue
            self.passed = message.offset() + 1
            if header(message, "executor") != self.executor.name:
                continue
            try:
                command = json.loads(message.value())
                attempt = {
                    "attempt_key": header(message, "ce_id"),
                    "idempotency_key": command["idempotency_key"],
                    "attempt": command["attempt"],
                    "domain": command["domain"],
                    "target": command["action"]["target"],
                    "fencing_token": command["fencing_token"],
                }
            except (ValueError, KeyError, TypeError) as error:
                print(f"offset {message.offset()}: no command, passed over: {error!r}", file=sys.stderr)
                continue
            expires = int(header(message, "expires") or 0) / 1000
            # The wall clock is asked once; from here on the monotonic one counts.
            self.take(command, attempt, time.monotonic() + expires - time.time())

    def take(self, command, attempt, deadline):
        key, known = attempt["idempotency_key"], self.keys.get(attempt["idempotency_key"])
        if command["dry_run"]:
            return self.end(attempt, REFUSED, "a dry run; theriac itself says what would be done")
        if known and known["ended"] is None:
            # Claimed by a process that is gone. It may act until its lease is over.
            self.stop.wait(max(0.0, known["until"] - time.monotonic()))
            if self.stop.is_set():
                self.passed = None
                return None
            try:
                done = self.executor.handler.reconcile(command)
            except Exception as error:
                return self.end(attempt, UNKNOWN, f"begun by a process that is gone; {error!r}")
            if done is None:
                return self.end(attempt, UNKNOWN, "begun by a process that is gone, and nobody can tell")
            if done:
                return self.end(attempt, SUCCEEDED, "found to be done")
        elif known and not (known["ended"][0] == RETRY and attempt["attempt"] > known["attempt"]):
            return self.end(attempt, *known["ended"])
        place = (attempt["domain"], attempt["target"])
        token, newest = attempt["fencing_token"], self.tokens.get(place, 0)
        if token < newest:
            return self.end(attempt, REFUSED, f"fenced: token {token} is older than {newest} for {attempt['target']}")
        if time.monotonic() >= deadline:
            return self.end(attempt, REFUSED, "expired before it was begun")
        return self.act(command, attempt)

    def act(self, command, attempt):
        """Claims, acts while the lease is extended, and answers."""
        length = self.executor.lease
        lease = Lease(time.monotonic() + length)
        self.fold(self.write("claimed", **attempt, lease=f"{length}s"))
        if not lease.held():
            raise Lapsed(f"partition {self.number}: is the lease of {length} s too short?")
        done = threading.Event()

        def heartbeats():
            begin = time.monotonic()
            while not done.wait(length / 3) and time.monotonic() < begin + seconds(command["timeout"]):
                now = time.monotonic()
                try:
                    self.write("extended", attempt_key=attempt["attempt_key"], lease=f"{length}s")
                    lease.until = now + length
                except Fenced:
                    lease.lost = True
                    return
                except KafkaException:
                    pass  # Without a heartbeat the lease runs out by itself.

        beating = threading.Thread(target=heartbeats, daemon=True)
        beating.start()
        try:
            verdict, detail = self.executor.handler.act(command, lease)
        except Exception as error:
            verdict, detail = UNKNOWN, f"the handler failed: {error!r}"
        done.set()
        beating.join()
        self.end(attempt, verdict, detail)

    def end(self, attempt, verdict, detail):
        self.fold(self.write("ended", done=self.passed, **attempt, **verdict, detail=detail))
        self.passed = None

    def fold(self, record):
        """What was written of a key, and the newest token of its target in its domain."""
        if record["event"] == "extended":
            for known in self.keys.values():
                if known["attempt_key"] == record["attempt_key"]:
                    known["until"] = time.monotonic() + seconds(record["lease"])
        if record["event"] not in ("claimed", "ended"):
            return
        place, token = (record["domain"], record["target"]), record["fencing_token"]
        self.tokens[place] = max(token, self.tokens.get(place, 0))
        before = self.keys.get(record["idempotency_key"], {"attempt": 0})
        known = self.keys[record["idempotency_key"]] = {
            "attempt_key": record["attempt_key"],
            "attempt": max(before["attempt"], record["attempt"]),
            "until": time.monotonic() + seconds(record.get("lease", "0s")),
            "ended": None,
        }
        if record["event"] == "ended":
            verdict = {name: record[name] for name in ("verdict", "retryable") if name in record}
            known["ended"] = (verdict, record["detail"])

    def write(self, event, done=None, **fields):
        """Commits an event, and with it that all commands before the offset `done` are done."""
        executor = self.executor
        record = {"schema_version": 1, "executor": executor.name, "holder": self.holder, "event": event, **fields}
        headers = {"executor": executor.name, "content-type": "application/json"}
        begin, text = time.monotonic(), f"partition {self.number}: another process has taken over"
        with self.writing:
            if self.fenced:
                raise Fenced(text)
            while True:
                try:
                    self.producer.begin_transaction()
                    if event:
                        key = fields.get("target", self.holder)
                        self.producer.produce(
                            executor.executions, json.dumps(record), key, partition=self.number, headers=headers
                        )
                    if done is not None:
                        place = TopicPartition(executor.commands, self.number, done)
                        self.producer.send_offsets_to_transaction([place], executor.place, 30)
                    self.commit()
                    return record
                except KafkaException as exception:
                    error = exception.args[0]
                    if error.code() in FENCED or error.fatal():
                        self.fenced = True
                        raise Fenced(text) from exception
                    if time.monotonic() > begin + 30:
                        raise
                    # The broker moved, or the group changes.
                    self.producer.abort_transaction(30)
                    time.sleep(0.05)

    def commit(self):
        while True:
            try:
                return self.producer.commit_transaction(30)
            except KafkaException as exception:
                if not exception.args[0].retriable():
                    raise


def header(message, name):
    value = dict(message.headers() or []).get(name)
    return value.decode() if value is not None else None


def seconds(text):
    """A length of time as theriac writes it: 250ms, 10s, 5m."""
    number, unit = re.fullmatch(r"([0-9.]+)([a-z]+)", text).groups()
    return float(number) * UNITS[unit]
