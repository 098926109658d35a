//! Records a second from the bytes of a Kafka record to symptoms, one thread, and the share of each
//! stage: decode, monitor (rows to sealed ticks), detect. *Before* is the same path with messages that
//! `prost` makes of the bytes, and rows of those (see `messages`); after it, the stages are the same
//! code. Both take the same requests in turns, and must give the same rows and the same symptoms. Of
//! the turns the median counts. Time is that of the processor, so what else runs on the machine shows only
//! in how full its caches are. What it takes to fetch the bytes from a broker is not in it: see `kafka`.
//!
//! The input is made beforehand (see `telemetry`). The first ticks of each turn, in which everything is
//! new, are not measured; the fault that the symptoms are of falls into the others.
//!
//! Printed as one `name value` a line.

#[path = "symptoms/messages.rs"]
mod messages;
#[path = "symptoms/telemetry.rs"]
mod telemetry;

use rustix::time::{ClockId, clock_gettime};
use theriac_connectors::decode::{Encoding, PayloadDecoder, Rows, Signal};
use theriac_contract::{Snapshot, Symptom, Telemetry, telemetry::Attributes};
use theriac_detect::Detect;
use theriac_monitor::{Monitor, Step};

use telemetry::{Request, STEP, TICKS, WARM};

/// Turns of each side.
const TURNS: usize = 5;
const STAGES: [&str; 3] = ["decode", "monitor", "detect"];

/// One way to make rows of requests.
trait Decode {
    fn decode(&mut self, request: &Request) -> Vec<Telemetry>;
}

/// What the program does.
struct After {
    /// One for each topic, as there is one for each stream: metrics, logs, traces.
    decoders: [PayloadDecoder; 3],
    rows: Rows,
}

impl After {
    fn new() -> Self {
        let decoder = |signal| PayloadDecoder::new(Encoding::OtlpProto, Attributes::new()).holding(signal);
        Self { decoders: [Signal::Points, Signal::Logs, Signal::Spans].map(decoder), rows: Rows::default() }
    }
}

impl Decode for After {
    fn decode(&mut self, request: &Request) -> Vec<Telemetry> {
        let decoder = match request.signal {
            Signal::Points => &mut self.decoders[0],
            Signal::Logs => &mut self.decoders[1],
            Signal::Spans => &mut self.decoders[2],
        };
        decoder.decode(&request.bytes, &[], &mut self.rows).expect("it is a request");
        assert!(self.rows.bad.is_empty(), "all records are good");
        self.rows.take()
    }
}

/// What one turn took, and what it found.
#[derive(Default)]
struct Turn {
    records: usize,
    /// Seconds.
    stages: [f64; 3],
    symptoms: Vec<Symptom>,
}

impl Turn {
    fn seconds(&self) -> f64 {
        self.stages.iter().sum()
    }

    fn rate(&self) -> f64 {
        self.records as f64 / self.seconds()
    }

    fn share(&self, stage: usize) -> f64 {
        self.stages[stage] / self.seconds()
    }
}

/// Processor time of this thread, seconds.
fn now() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

fn turn(ticks: &[Vec<Request>], decoder: &mut dyn Decode) -> Turn {
    let mut settings = theriac_engine::Settings::default();
    // Logs and spans alone have no spacing that a step could be found from.
    settings.monitor.step = Step::Fixed(STEP);
    let (mut monitor, mut detect) = (Monitor::new(settings.monitor), Detect::new(settings.detect));
    let (known, mut turn) = (Snapshot::default(), Turn::default());
    for (number, requests) in ticks.iter().enumerate() {
        if number == WARM {
            turn = Turn::default();
        }
        for request in requests {
            let begun = now();
            let rows = decoder.decode(request);
            let decoded = now();
            monitor.push(&rows).expect("they have the columns of their signal");
            let mut sealed = Vec::new();
            while let Some(tick) = monitor.seal() {
                sealed.push(tick);
            }
            let framed = now();
            sealed.iter().for_each(|tick| turn.symptoms.extend(detect.step(tick, &known)));
            let detected = [decoded - begun, framed - decoded, now() - framed];
            turn.stages.iter_mut().zip(detected).for_each(|(stage, took)| *stage += took);
            turn.records += rows.iter().map(Telemetry::rows).sum::<usize>();
        }
    }
    turn
}

/// Median, least and most.
fn spread(values: impl Iterator<Item = f64>) -> [f64; 3] {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_by(f64::total_cmp);
    [sorted[sorted.len() / 2], sorted[0], sorted[sorted.len() - 1]]
}

fn compare(name: &str, ticks: &[Vec<Request>]) {
    let (mut after, mut before) = (After::new(), messages::Before::default());
    for request in ticks.iter().flatten() {
        assert!(after.decode(request) == before.decode(request), "{name}: both make the same rows");
    }
    let mut turns = Vec::new();
    for _ in 0..TURNS {
        let pair = [turn(ticks, &mut after), turn(ticks, &mut before)];
        assert!(!pair[0].symptoms.is_empty(), "{name}: the fault is found");
        assert!(pair[0].symptoms == pair[1].symptoms, "{name}: both find the same");
        turns.push(pair);
    }
    let put = |metric: &str, values: [f64; 3]| {
        for (part, value) in ["", ".min", ".max"].iter().zip(values) {
            println!("bench.symptoms.{name}.{metric}{part} {value:.3}");
        }
    };
    println!("bench.symptoms.{name}.records {}", turns[0][0].records);
    println!("bench.symptoms.{name}.symptoms {}", turns[0][0].symptoms.len());
    put("ratio", spread(turns.iter().map(|[after, before]| after.rate() / before.rate())));
    for (side, when) in ["after", "before"].iter().enumerate() {
        put(&format!("{when}.records_per_s"), spread(turns.iter().map(|pair| pair[side].rate())));
        for (stage, what) in STAGES.iter().enumerate() {
            let [share, ..] = spread(turns.iter().map(|pair| pair[side].share(stage)));
            println!("bench.symptoms.{name}.{when}.share.{what} {share:.3}");
        }
    }
}

fn main() {
    for (name, signals) in [
        ("metrics", &[Signal::Points][..]),
        ("logs", &[Signal::Logs]),
        ("spans", &[Signal::Spans]),
        ("mixed", &[Signal::Points, Signal::Logs, Signal::Spans]),
    ] {
        let ticks: Vec<Vec<Request>> = (0..TICKS).map(|tick| telemetry::requests(tick, signals)).collect();
        compare(name, &ticks);
    }
}
