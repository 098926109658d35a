//! The tests that stand beside the default playbooks and the example of a policy pass; one that
//! expects something else fails with what is otherwise.

#![allow(clippy::unwrap_used, reason = "a suite fails where it stands")]

mod support;

use std::{fs, path::Path};

use support::acting;
use theriac_plan::{
    Playbooks, Settings,
    check::{self, File, Outcome},
};

fn run(text: &str, settings: &Settings) -> Vec<Outcome> {
    let file: File = serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{error}"));
    check::run(&file.tests, settings, &Playbooks::builtin())
}

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

#[test]
fn the_default_playbooks_decide_as_their_tests_say() {
    let outcomes = run(&read("playbooks/default.test.yaml"), &acting());
    assert!(outcomes.len() >= 9 && outcomes.iter().all(|one| one.differences.is_empty()), "{outcomes:#?}");
}

#[test]
fn the_example_of_a_policy_decides_as_its_tests_say() {
    let settings = support::policy(&read("policies/example.yaml"));
    assert_eq!(settings.problems(), [""; 0]);
    let outcomes = run(&read("policies/example.test.yaml"), &settings);
    assert!(outcomes.len() >= 5 && outcomes.iter().all(|one| one.differences.is_empty()), "{outcomes:#?}");
}

#[test]
fn what_is_otherwise_is_told() {
    let text = "tests:\n  - name: wrong\n    given:\n      hypotheses: [{fault: crash_loop, entity: cart/cart-1, \
                probability: 0.9}]\n    expect:\n      strategy: rollback_deploy\n      autonomy: approve\n      \
                steps: [drain cart]\n      refused: [{strategy: rollback_deploy, because: the moon}, {strategy: \
                reprovision_instance}]\n";
    let outcomes = run(text, &acting());
    assert_eq!((outcomes[0].name.as_str(), outcomes[0].line), ("wrong", 2));
    assert_eq!(
        outcomes[0].differences,
        [
            "strategy: expected rollback_deploy (it needs a deploy to take back), is reprovision_instance",
            "autonomy: expected approve, is act",
            "steps: expected [drain cart], is [restart cart/cart-1]",
            "refused: expected rollback_deploy because of `the moon`, is: it needs a deploy to take back",
            "refused: expected reprovision_instance because of ``, it is not refused",
        ]
    );
}
