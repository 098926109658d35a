//! theriac-detect
