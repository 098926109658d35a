//! Benchmarks of theriac, each one core: `cargo bench -p theriac-benches`.
//!
//! | target | measures |
//! |---|---|
//! | `decode` | OTLP/JSON to Arrow |
//! | `frame` | Arrow to sealed ticks |
//! | `detect` | each detector and the bank, beside what memory bears |
//! | `path` | OTLP/JSON to topics on disk, through all stages |
//! | `kafka` | a real broker to topics on it, with 1, 4 and 16 partitions, and at twice the load |
//!
//! `theriac bench` measures the same stages with the program itself.
