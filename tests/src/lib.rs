//! theriac-tests
