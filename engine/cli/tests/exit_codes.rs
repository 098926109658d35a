//! The exit codes that the program's documentation promises.

use std::process::Command;

fn code(arguments: &[&str]) -> Option<i32> {
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = Command::new(env!("CARGO_BIN_EXE_theriac"));
    command.current_dir(&folder).args(arguments).output().expect("the program starts").status.code()
}

#[test]
fn well_and_wrong_are_told_apart() {
    assert_eq!(code(&["--version"]), Some(0));
    assert_eq!(code(&["no-such-verb"]), Some(2));
    assert_eq!(code(&["validate"]), Some(1), "a file that is not there");
    assert_eq!(code(&["run", "--kafka", "127.0.0.1:1", "-c", "no.yaml"]), Some(1), "the same");
    assert_eq!(code(&["eval", "nab", "--data", "nowhere"]), Some(3), "data that are not there");
}
