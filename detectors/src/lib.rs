//! theriac-detectors
