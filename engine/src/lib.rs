//! theriac-engine
