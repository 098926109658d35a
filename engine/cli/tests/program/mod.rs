//! The program as a user runs it.

#![allow(dead_code, reason = "each suite is a program of its own, and not all ask for everything")]

use std::{
    collections::BTreeMap,
    process::{Command, Output},
};

use serde_json::Value;

/// Runs it to its end.
pub(crate) fn theriac(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_theriac")).args(arguments).output().expect("the program starts")
}

/// What it prints, where it ends well.
pub(crate) fn text(arguments: &[&str]) -> String {
    let output = theriac(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("it is text")
}

/// The figures of the object that it prints.
pub(crate) fn metrics(arguments: &[&str]) -> BTreeMap<String, f64> {
    let report: Value =
        serde_json::from_str(&text(&[arguments, &["--output", "json"]].concat())).expect("JSON");
    let metrics = report["metrics"].as_object().expect("figures").iter();
    metrics.map(|(name, value)| (name.clone(), value.as_f64().expect("a number"))).collect()
}
