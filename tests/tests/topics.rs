//! The contract of topics, kept by the embedded log.

#![allow(clippy::unwrap_used, reason = "a suite fails where it stands")]

use theriac_connectors::topics::{Embedded, Settings};
use theriac_tests::topic_contract::suite;

#[test]
fn the_embedded_log_keeps_the_contract() {
    let dir = tempfile::tempdir().unwrap();
    suite(dir.path(), &mut |dir| Box::new(Embedded::open(dir, Settings::default()).unwrap())).unwrap();
}
