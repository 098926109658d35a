//! theriac-query
