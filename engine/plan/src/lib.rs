//! theriac-plan
