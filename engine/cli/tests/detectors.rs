//! `theriac detectors` as a user runs it.

mod program;

use program::{text, theriac};

#[test]
fn the_page_in_the_repository_is_what_the_registry_gives() {
    let committed = include_str!("../../../detectors/DETECTORS.md");
    let mend = "`theriac detectors --markdown > detectors/DETECTORS.md` writes it anew";
    assert_eq!(text(&["detectors", "--markdown"]), committed, "{mend}");
}

#[test]
fn the_table_names_all_and_each_has_a_card() {
    let table = text(&["detectors"]);
    let rows = table.lines().map(|line| line.split_whitespace().take(2).collect::<Vec<_>>());
    let names: Vec<&str> =
        rows.filter(|row| matches!(row[..], [_, "yes" | "no"])).map(|row| row[0]).collect();
    for name in ["level", "profile", "records", "peers"] {
        assert!(names.contains(&name), "{name} of {names:?}");
    }
    for name in names {
        let card = text(&["detectors", name]);
        for word in ["score", "source", "state", "warm-up", "runs"] {
            assert!(card.lines().any(|line| line.starts_with(word)), "{name}: {word} in {card}");
        }
    }
}

#[test]
fn an_unknown_name_is_told_with_the_nearest() {
    let output = theriac(&["detectors", "levle"]);
    assert_eq!(output.status.code(), Some(2));
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("did you mean `level`?"), "{told}");
}
