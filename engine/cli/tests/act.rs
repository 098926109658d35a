//! The section of the configuration that says who acts, as `theriac validate` sees it.

use std::{fs, path::Path, process::Command};

/// Exit code and what is said, of a configuration of this text.
fn validated(text: &str) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("act.yaml"), text).expect("a file");
    let mut command = Command::new(env!("CARGO_BIN_EXE_theriac"));
    command.current_dir(&folder).args(["validate", "-c", "act.yaml"]);
    let output = command.env("ORDERS_DB_PASSWORD", "p").env("HOOK_SECRET", "s").output().expect("it starts");
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(said).expect("it is text"))
}

fn example() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/act.yaml");
    fs::read_to_string(path).expect("the example is there")
}

/// The example without what this program may have been built without.
fn without_cluster(text: &str) -> String {
    if cfg!(feature = "kubernetes") {
        return text.to_owned();
    }
    let (before, rest) = text.split_once("    cluster:\n").expect("the cluster");
    let (_, after) = rest.split_once("    hooks:").expect("the hooks");
    let routes = |line: &&str| !line.contains("executor: cluster");
    format!("{before}    hooks:{after}").lines().filter(routes).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_example_is_well() {
    let (code, said) = validated(&without_cluster(&example()));
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn a_program_without_kubernetes_says_how_to_get_it() {
    let (code, said) = validated(&example());
    let built = "executor `cluster`: this program was built without Kubernetes: build it with the feature `kubernetes`";
    assert_eq!(
        (code == Some(0), said.contains(built)),
        (cfg!(feature = "kubernetes"), !cfg!(feature = "kubernetes")),
        "{said}"
    );
}

#[test]
fn what_is_wrong_with_an_action_is_told_with_its_line() {
    let example = without_cluster(&example());
    for (good, bad, words) in [
        (
            "transaction: false ",
            "transaction: true ",
            "`pg_terminate_backend` acts at once, whatever becomes of the transaction: say `transaction: false`",
        ),
        (
            "irreversible: the session's transaction is rolled back",
            "rows_min: 0",
            "say either `inverse`, the statements that undo it, or `irreversible`, why nothing does",
        ),
        ("{param.session}", "{session}", "`{session}` is not known; known are {target}, {target.service}"),
        ("{before.state},", "'{before.state}',", "`{before.…` lies in quotes"),
        ("rows_max: 1", "rows_mox: 1", "unknown field `rows_mox`"),
        ("user: theriac", "usr: theriac", "user"),
    ] {
        assert!(example.contains(good), "{good}");
        let (code, said) = validated(&example.replace(good, bad));
        assert_eq!(code, Some(2), "{bad}: {said}");
        assert!(said.contains("act.yaml:"), "{bad}: no line in {said}");
        assert!(said.contains(words), "{bad}: {said}");
    }
}
