//! Benchmarks of theriac, each one core: `cargo bench -p theriac-benches`.
//!
//! | target | measures |
//! |---|---|
//! | `decode` | OTLP to Arrow, and how many times as fast as prost that is |
//! | `frame` | Arrow to sealed ticks |
//! | `detect` | each detector and the bank, beside what memory bears |
//! | `diagnosis` | incidents as data to ranked causes: series of metrics; spans and lines of two windows |
//! | `symptoms` | OTLP protobuf as Kafka gives it to symptoms, by stage; before: with messages of prost |
//! | `path` | OTLP/JSON to topics on disk, through all stages |
//! | `kafka` | a real broker to topics on it, with 1, 4 and 16 partitions, and at twice the load |
//!
//! `decode`, `frame`, `diagnosis`, `symptoms` and `path` go without librdkafka: `--no-default-features --bench decode`.
//! `theriac bench` measures the same stages with the program itself.
