//! theriac-diagnose
