//! theriac-knowledge
