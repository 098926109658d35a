//! `theriac detectors` as a user runs it.

#![allow(clippy::unwrap_used, reason = "a suite fails where it stands")]

mod program;

use std::{collections::BTreeMap, path::Path};

use program::{text, theriac};

#[test]
fn the_page_in_the_repository_is_what_the_registry_gives() {
    let committed = include_str!("../../../detectors/DETECTORS.md");
    let mend = "`theriac detectors --markdown > detectors/DETECTORS.md` writes it anew";
    assert_eq!(text(&["detectors", "--markdown"]), committed, "{mend}");
}

/// What a folder holds, by name.
fn files(folder: &Path) -> BTreeMap<String, String> {
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap());
    files
        .map(|file| (file.file_name().into_string().unwrap(), std::fs::read_to_string(file.path()).unwrap()))
        .collect()
}

#[test]
fn the_pictures_in_the_repository_are_what_the_detectors_give() {
    let drawn = tempfile::tempdir().unwrap();
    let folder = drawn.path().to_str().unwrap();
    text(&["detectors", "--pictures", folder]);
    let drawn = files(drawn.path());
    let committed = files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../detectors/pictures"));
    let mend = "`theriac detectors --pictures detectors/pictures` draws them anew";
    assert_eq!(drawn.keys().collect::<Vec<_>>(), committed.keys().collect::<Vec<_>>(), "{mend}");
    for (name, picture) in &drawn {
        assert!(picture.len() < 30_000, "{name} has {} bytes", picture.len());
        assert!(*picture == committed[name], "{name}: {mend}");
    }
    let page = include_str!("../../../detectors/DETECTORS.md");
    let shown: Vec<&str> =
        page.lines().filter_map(|line| line.split_once("](pictures/")?.1.strip_suffix(')')).collect();
    assert!(shown.len() == drawn.len() && shown.iter().all(|name| drawn.contains_key(*name)), "{shown:?}");
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
