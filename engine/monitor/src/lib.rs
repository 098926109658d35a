//! theriac-monitor
