//! theriac-connectors
