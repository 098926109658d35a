//! What can be set.

use serde::{Deserialize, Serialize};
use theriac_contract::Interval;

use crate::traces::asking::Asker;

/// Length of a tick.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Step {
    /// Found from the first points: see [`Settings::step_spacings`].
    #[default]
    Auto,
    /// Given.
    Fixed(Interval),
}

impl TryFrom<String> for Step {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text == "auto" {
            return Ok(Self::Auto);
        }
        match text.parse::<Interval>() {
            Ok(step) if step.0 > 0 => Ok(Self::Fixed(step)),
            Ok(_) => Err("the step must be longer than nothing; write `auto` or a length such as 10s".into()),
            Err(error) => Err(format!("{error}, or `auto`")),
        }
    }
}

impl From<Step> for String {
    fn from(step: Step) -> Self {
        match step {
            Step::Auto => "auto".to_owned(),
            Step::Fixed(interval) => interval.to_string(),
        }
    }
}

/// Settings of the monitor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Length of a tick: `auto` or an interval. `auto` takes the median spacing of the
    /// points of one series, brought to the nearest customary length if within a tenth.
    pub step: Step,
    /// `auto` decides after this many spacings were seen, or after [`Self::step_decided_after`].
    pub step_spacings: usize,
    /// `auto` decides after this much event time at the latest, if four spacings were seen
    /// or none at all.
    pub step_decided_after: Interval,
    /// `auto` gives nothing shorter than this.
    pub step_min: Interval,
    /// `auto` takes this if there are no metric points.
    pub step_without_points: Interval,
    /// How far event time may run back: the watermark is the greatest event time less this. A host that is
    /// further ahead than this of all others that tell does not move it.
    pub lateness: Interval,
    /// Hosts that were not heard while others went on for so long, event time, are not waited for.
    pub source_quiet_after: Interval,
    /// A row that is further ahead than this is held back until the rows of three ticks
    /// agree with it.
    pub jump_max: Interval,
    /// Rows that are held back at most for that.
    pub held_rows_max: usize,
    /// Empty ticks in a row at most; a longer gap is passed over and counted.
    pub gap_ticks_max: u64,
    /// Series at most.
    pub series_max: usize,
    /// Resources (sets of resource attributes) at most.
    pub resources_max: usize,
    /// Log templates of one entity at most; others are counted under `<other>`.
    pub templates_max: usize,
    /// A service is known for this many ticks before what is new in its logs is told.
    pub novelty_after_ticks: u64,
    /// Templates that are remembered as told before; of more, those that were not seen longest go.
    pub told_templates_max: usize,
    /// Pairs of templates that follow each other at most, over all services.
    pub log_pairs_max: usize,
    /// Places of templates whose values are watched at most, and as many of them in each tick.
    pub parameters_max: usize,
    /// Operations of one entity at most; others are counted under `<other>`.
    pub operations_max: usize,
    /// Attribute sets of one histogram of one entity that get series of their own, beside
    /// the total over all of them.
    pub histogram_details_max: usize,
    /// Longest attribute set of a series, in bytes; longer ones are shed.
    pub attributes_length_max: usize,
    /// Rows that wait for their tick at most.
    pub pending_rows_max: usize,
    /// Spans of earlier ticks whose parent or children may still come at most.
    pub links_max: usize,
    /// How long they are waited for, event time.
    pub link_for: Interval,
    /// What is new among calls: what an operation or a service did not do in this time, from when
    /// it was first heard.
    pub structure_learnt_for: Interval,
    /// How long it is new. What goes on for longer is how things are now: a circuit that was opened
    /// on purpose is no trouble.
    pub structure_new_for: Interval,
    /// Ways in which one child of an operation follows another at most; the order of who has more
    /// is not judged.
    pub transitions_max: usize,
    /// Series of the median and of the 99th percentile of durations too, beside mean and 95th: two
    /// more for each operation and edge.
    pub more_quantiles: bool,
    /// Durations of one operation and tick that are kept exactly; above, in buckets of 1 %.
    pub durations_exact_max: usize,
    /// Attributes of spans that say who asks: of several that a span has the one that comes first here.
    pub askers: Vec<Asker>,
    /// Attributes of spans that say what is asked for, as above; a star at the end stands for any ending.
    pub keys: Vec<String>,
    /// Askers, or keys, of one service or edge of which it is known what part they had at most: of one
    /// that had less than this part of all, no more is known than that.
    pub askers_max: usize,
    /// Services and edges, by attribute, of which that is known at most.
    pub asked_places_max: usize,
    /// What part somebody had fades with this time constant, event time.
    pub askers_memory: Interval,
    /// An entity that only logs or traces counts as alive for this many silent ticks while
    /// others of its domain are heard.
    pub quiet_ticks_max: u64,
    /// Examples for each series and tick.
    pub examples_max: usize,
    /// Ordinary traces that are kept to be shown beside others, of operations and of edges.
    pub usual_traces_max: usize,
    /// Longest example that is a log line, in bytes.
    pub example_length_max: usize,
    /// Resource attributes that give the domain, the first that is there.
    pub domain_attributes: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            step: Step::Auto,
            step_spacings: 256,
            step_decided_after: Interval::from_seconds(600),
            step_min: Interval::from_seconds(1),
            step_without_points: Interval::from_seconds(10),
            lateness: Interval::from_seconds(5),
            source_quiet_after: Interval::from_seconds(60),
            jump_max: Interval::from_seconds(86_400),
            held_rows_max: 100_000,
            gap_ticks_max: 10_000,
            series_max: 200_000,
            resources_max: 20_000,
            templates_max: 200,
            novelty_after_ticks: 30,
            told_templates_max: 20_000,
            log_pairs_max: 50_000,
            parameters_max: 10_000,
            operations_max: 50,
            histogram_details_max: 10,
            attributes_length_max: 2_048,
            pending_rows_max: 5_000_000,
            links_max: 100_000,
            link_for: Interval::from_seconds(60),
            structure_learnt_for: Interval::from_seconds(600),
            structure_new_for: Interval::from_seconds(60),
            transitions_max: 100,
            more_quantiles: false,
            durations_exact_max: 1_000,
            askers: [
                ("tenant.id", "tenant"),
                ("enduser.id", "user"),
                ("user.id", "user"),
                ("client.address", "client"),
            ]
            .map(|(attribute, kind)| Asker { attribute: attribute.to_owned(), kind: kind.to_owned() })
            .to_vec(),
            keys: [
                "cache.key",
                "messaging.kafka.message.key",
                "db.query.parameter.*",
                "db.operation.parameter.*",
            ]
            .map(str::to_owned)
            .to_vec(),
            askers_max: 256,
            asked_places_max: 500,
            askers_memory: Interval::from_seconds(3_600),
            quiet_ticks_max: 30,
            examples_max: 3,
            usual_traces_max: 2_000,
            example_length_max: 400,
            domain_attributes: ["tenant.id", "deployment.environment.name", "deployment.environment"]
                .map(str::to_owned)
                .to_vec(),
        }
    }
}
