//! theriac-datasets
