//! Watches the loop of one shard: counts, and tells people or programs what happens.

use std::{collections::BTreeMap, sync::Arc};

use prometheus_client::metrics::counter::Counter;
use theriac_contract::{Mark, StateTable, Tick, Topic, Verdict};
use theriac_engine::{Engine, Observer, Outputs, Progress, Round, Saving};

use super::{
    Operations, Phase,
    metrics::{Answer, Class, OfTopic, Shard, Signal},
    sight::Sight,
};
use crate::{account::Account, checkpoints, log, output::say};

/// The observer of one shard.
pub(crate) struct Watch {
    operations: Arc<Operations>,
    shard: u32,
    account: Account,
    /// Whether each checkpoint is told.
    verbose: bool,
    meter: checkpoints::Meter,
    /// Rounds that became durable.
    pub(crate) rounds: u64,
    /// Rounds that were done again.
    repeated: u64,
    /// Counted in the round that is not durable yet.
    pending: Vec<(Counter, u64)>,
    bytes: u64,
    ticks: u64,
}

impl Watch {
    /// Watches a shard that is about to be opened with a configuration, given as its digest.
    pub(crate) fn new(
        operations: &Arc<Operations>,
        shard: u32,
        configuration: String,
        verbose: bool,
    ) -> Self {
        operations.sights.begin(shard, Sight::new(configuration));
        operations.reach(shard, Phase::Opening);
        let operations = Arc::clone(operations);
        Self {
            operations,
            shard,
            account: Account::new(verbose),
            verbose,
            meter: checkpoints::Meter::default(),
            rounds: 0,
            repeated: 0,
            pending: Vec::new(),
            bytes: 0,
            ticks: 0,
        }
    }

    /// The recovery is through.
    pub(crate) fn recovered(&self) {
        self.operations.reach(self.shard, Phase::Begun);
    }

    /// A loop that asks whether to stop has come round; the first time it has read nothing yet.
    pub(crate) fn turns(&self) -> impl Fn() + use<> {
        let (operations, shard) = (Arc::clone(&self.operations), self.shard);
        let turns = std::cell::Cell::new(0_u8);
        move || {
            turns.set(turns.get().saturating_add(1));
            if turns.get() == 2 {
                operations.reach(shard, Phase::Reading);
            } else {
                operations.health.beat(shard);
            }
        }
    }

    /// The shard has failed and will be tried again.
    pub(crate) fn failed(&self, reason: String) {
        self.operations.metrics.restarts.get_or_create(&self.of_shard()).inc();
        self.operations.reach(self.shard, Phase::Waiting { reason });
    }

    const fn of_shard(&self) -> Shard {
        Shard { shard: self.shard }
    }

    fn later(&mut self, counter: Counter, count: usize) {
        if count > 0 {
            self.pending.push((counter, count as u64));
        }
    }

    fn outputs(&mut self, engine: &Engine, outputs: &Outputs, repeated: bool) {
        let unused = engine.monitor.counts();
        let unused = BTreeMap::from([
            ("late", unused.late),
            ("far_ahead", unused.jumps_rejected),
            ("without_value", unused.without_value),
            ("series_limit", unused.shed_series),
            ("pending_limit", unused.shed_pending),
        ]);
        self.operations.sights.change(self.shard, |sight| {
            sight.series = engine.monitor.series().len() as u64;
            sight.symptoms = engine.detect.open() as u64;
            sight.incidents = engine.diagnose.open() as u64;
            sight.plans = engine.execute.running() as u64;
            sight.awaited = engine.execute.awaited() as u64;
            sight.unused = unused;
        });
        if repeated {
            return;
        }
        let written = [
            (Topic::Symptoms, outputs.symptoms.len()),
            (Topic::Incidents, outputs.incidents.len()),
            (Topic::Plans, outputs.plans.len()),
            (Topic::Outcomes, outputs.outcomes.len() + outputs.verifications.len()),
            (Topic::Knowledge, outputs.facts.len()),
        ];
        for (topic, count) in written {
            let of = OfTopic { shard: self.shard, topic: topic.name() };
            self.later(self.operations.metrics.records.get_or_create_owned(&of), count);
        }
        let commands = self.operations.metrics.commands.get_or_create_owned(&self.of_shard());
        self.later(commands, outputs.commands.len());
        if log::is_for_programs() {
            log::outputs(outputs);
        } else {
            for line in self.account.tell(outputs) {
                say!("{line}");
            }
        }
    }
}

impl Observer for Watch {
    fn taken(&mut self, round: &Round, repeated: bool) {
        // What an earlier round left that did not become durable is not counted.
        self.pending.clear();
        if repeated {
            self.repeated += 1;
            self.operations.metrics.repeated.get_or_create(&self.of_shard()).inc();
            self.operations.reach(self.shard, Phase::Recovering { rounds: self.repeated });
            return;
        }
        for batch in &round.telemetry {
            let signal = Signal { shard: self.shard, signal: batch.signal() };
            let rows = self.operations.metrics.rows.get_or_create_owned(&signal);
            self.later(rows, batch.batch().num_rows());
        }
        for reject in &round.rejects {
            let class = match reject.part.as_deref() {
                None => "record",
                Some("all but its headers") => "headers",
                Some(_) => "part",
            };
            let dead = self.operations.metrics.dead.get_or_create_owned(&Class { shard: self.shard, class });
            self.later(dead, 1);
        }
        for completion in &round.completions {
            let verdict = match completion.verdict {
                Verdict::Succeeded => "succeeded",
                Verdict::Failed { .. } => "failed",
                Verdict::TimedOut => "timed_out",
                Verdict::Unknown => "unknown",
            };
            let answer = Answer { shard: self.shard, verdict };
            self.later(self.operations.metrics.answers.get_or_create_owned(&answer), 1);
        }
    }

    fn tick(&mut self, engine: &Engine, _: &Tick, outputs: &Outputs, repeated: bool) {
        self.outputs(engine, outputs, repeated);
    }

    fn idle(&mut self, engine: &Engine, outputs: &Outputs, repeated: bool) {
        self.outputs(engine, outputs, repeated);
    }

    fn marked(&mut self, _: &Mark, repeated: bool) {
        if !repeated {
            let of = OfTopic { shard: self.shard, topic: Topic::Symptoms.name() };
            self.later(self.operations.metrics.records.get_or_create_owned(&of), 1);
        }
    }

    fn saving(&mut self, saving: &Saving<'_>) {
        checkpoints::tell(&mut self.meter, saving, self.verbose);
        let metrics = &self.operations.metrics;
        match saving {
            Saving::Begun => {}
            Saving::Taken { tables } => {
                let size = |table: &StateTable| table.rows.get_array_memory_size() as u64;
                let sizes = tables.iter().map(|table| (table.name.clone(), size(table))).collect();
                self.operations.sights.change(self.shard, |sight| sight.tables = sizes);
            }
            Saving::Saved { bytes, .. } => {
                metrics.checkpoints.get_or_create(&self.of_shard()).inc();
                self.operations.sights.change(self.shard, |sight| {
                    sight.saved = std::time::Instant::now();
                    sight.saved_bytes = Some(*bytes);
                });
            }
            Saving::Failed { .. } => {
                metrics.checkpoint_failures.get_or_create(&self.of_shard()).inc();
            }
        }
    }

    fn round(&mut self, progress: &Progress) {
        self.rounds += 1;
        let metrics = &self.operations.metrics;
        for (counter, count) in self.pending.drain(..) {
            counter.inc_by(count);
        }
        let of_shard = Shard { shard: self.shard };
        metrics.rounds.get_or_create(&of_shard).inc();
        metrics.bytes.get_or_create(&of_shard).inc_by(progress.bytes.saturating_sub(self.bytes));
        metrics.ticks.get_or_create(&of_shard).inc_by(progress.ticks.saturating_sub(self.ticks));
        (self.bytes, self.ticks) = (progress.bytes, progress.ticks);
        self.operations.sights.change(self.shard, |sight| sight.reached = Some(progress.now));
    }
}
