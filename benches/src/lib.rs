//! theriac-benches
