//! theriac-execute
