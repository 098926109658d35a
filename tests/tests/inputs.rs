//! No input brings the program down: what can be read is, the rest is told with its place.

#![allow(clippy::unwrap_used, reason = "a suite fails where it stands")]

use std::{fs, path::Path};

use serde_json::Value;
use theriac_tests::program::{run, run_well};

const HEADER: &str = "timestamp,service,cpu\n";

fn rows() -> String {
    (10..60).map(|minute| format!("2026-01-01T00:{minute}:00Z,shop,{minute}\n")).collect()
}

/// Replays a file that can be read at least in part: its points, and its dead letters.
fn replayed(name: &str, bytes: &[u8]) -> (u64, Vec<Value>) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(name), bytes).unwrap();
    let report = run_well(folder.path(), &["replay", name, "--data-dir", "data", "--output", "json"]);
    assert!(report.contains("replay.points"), "{report}");
    let told = run_well(folder.path(), &["replay", name, "--data-dir", "told"]);
    let letters: Vec<Value> =
        run_well(folder.path(), &["tap", "dead_letters", "--envelope", "--data-dir", "data"])
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
    assert!(told.contains(&format!("{} dead letters", letters.len())), "{told}");
    for letter in &letters {
        let headers = &letter["headers"];
        assert_eq!(headers["origin"], name, "{letter}");
        assert!(headers["reason"].as_str().is_some_and(|reason| reason.len() > 10), "{letter}");
    }
    let points = told.lines().find_map(|line| line.split_once(" points,")).expect("it tells the points");
    (points.0.parse().unwrap(), letters)
}

/// Replays what cannot be read at all: exit code 2 and a message with these parts.
fn refused(folder: &Path, file: &str, parts: &[&str]) {
    let ended = run(folder, &["replay", file, "--data-dir", "data"]);
    assert_eq!(ended.code, 2, "{file}: {}", ended.err);
    for part in parts {
        assert!(ended.err.contains(part), "{file}: `{part}` is not in: {}", ended.err);
    }
}

fn header<'a>(letter: &'a Value, name: &str) -> &'a str {
    letter["headers"][name].as_str().unwrap_or_else(|| panic!("no {name} in {letter}"))
}

fn only(letters: &[Value]) -> &Value {
    assert_eq!(letters.len(), 1, "{letters:?}");
    &letters[0]
}

#[test]
fn a_good_file_has_no_dead_letters() {
    assert_eq!(replayed("good.csv", format!("{HEADER}{}", rows()).as_bytes()), (50, vec![]));
}

#[test]
fn a_broken_off_gzip_keeps_what_came_before() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("whole.csv");
    fs::write(&path, format!("{HEADER}{}", rows())).unwrap();
    let status = std::process::Command::new("gzip").arg(&path).status().expect("gzip is installed");
    assert!(status.success());
    let whole = fs::read(folder.path().join("whole.csv.gz")).unwrap();
    assert_eq!(replayed("whole.csv.gz", &whole), (50, vec![]));
    let (points, letters) = replayed("part.csv.gz", &whole[..whole.len() / 2]);
    assert!((1..50).contains(&points), "{points}");
    assert!(header(only(&letters), "reason").contains("gzip stream is broken off"), "{letters:?}");
    assert!(header(&letters[0], "offset").parse::<usize>().unwrap() > HEADER.len());
}

#[test]
fn a_wrong_cell_names_its_column_and_place() {
    let (points, letters) =
        replayed("cell.csv", format!("{HEADER}2026-01-01T00:00:00Z,shop,much\n{}", rows()).as_bytes());
    assert_eq!(points, 50);
    let letter = only(&letters);
    assert_eq!((header(letter, "line"), header(letter, "offset")), ("2", "22"));
    assert!(header(letter, "reason").contains("column `cpu`: `much` is not a number"), "{letter}");
    assert_eq!(letter["value"], "2026-01-01T00:00:00Z,shop,much");
}

#[test]
fn broken_rows_among_good_ones() {
    let broken = "2026-01-01T00:70:00Z,shop,1\nnot a row\n2026-01-01T00:09:00Z\n";
    let (points, letters) = replayed("broken.csv", format!("{HEADER}{broken}{}", rows()).as_bytes());
    assert_eq!(points, 50);
    assert!((2..=3).contains(&letters.len()), "{letters:?}");
    assert_eq!(header(&letters[0], "line"), "2");
    assert_eq!(header(&letters[1], "line"), "3");
}

#[test]
fn a_row_that_is_not_utf8_is_left_out() {
    let mut bytes = format!("{HEADER}2026-01-01T00:00:00Z,sh").into_bytes();
    bytes.extend(b"\xff\xfe,1\n");
    bytes.extend(rows().into_bytes());
    let (points, letters) = replayed("latin.csv", &bytes);
    assert_eq!(points, 50);
    let letter = only(&letters);
    assert_eq!((header(letter, "line"), header(letter, "offset")), ("2", "22"));
    assert!(header(letter, "reason").contains("UTF-8"), "{letter}");
}

#[test]
fn a_huge_line_is_left_out() {
    let text = format!("{HEADER}{}{}\n", rows(), "x".repeat(20 << 20));
    let (points, letters) = replayed("huge.csv", text.as_bytes());
    assert_eq!(points, 50);
    let letter = only(&letters);
    assert!(header(letter, "reason").contains("line_bytes_max"), "{letter}");
    assert!(letter["value"].as_str().is_some_and(|kept| (1..=4096).contains(&kept.len())));
}

#[test]
fn a_huge_line_right_after_the_header_is_left_out() {
    let text = format!("{HEADER}{}\n{}", "x".repeat(20 << 20), rows());
    let (points, letters) = replayed("huge.csv", text.as_bytes());
    assert_eq!(points, 50);
    let letter = only(&letters);
    assert!(header(letter, "reason").contains("line_bytes_max"), "{letter}");
    assert_eq!((header(letter, "line"), header(letter, "offset")), ("2", "22"));
}

#[test]
fn what_cannot_be_read_at_all_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let utf16: Vec<u8> =
        format!("\u{feff}{HEADER}{}", rows()).encode_utf16().flat_map(u16::to_le_bytes).collect();
    fs::write(here.join("wide.csv"), utf16).unwrap();
    refused(here, "wide.csv", &["wide.csv", "UTF-16", "iconv"]);
    fs::write(here.join("timeless.csv"), "service,cpu\nshop,1\nshop,2\n").unwrap();
    refused(here, "timeless.csv", &["timeless.csv", "no column holds the time", "time_column"]);
    refused(here, "nowhere/none.csv", &["nowhere/none.csv", "there is no such file"]);
    fs::create_dir(here.join("hollow")).unwrap();
    refused(here, "hollow", &["hollow", "holds no .csv"]);
    fs::write(here.join("hollow/notes.docx"), "PK\x03\x04").unwrap();
    refused(here, "hollow", &["hollow", "holds no .csv"]);
    refused(here, "hollow/notes.docx", &["hollow/notes.docx", "zip archive", "save the sheet as CSV"]);
    fs::write(here.join("app.log"), b"\xfd7zXZ\0\0\x04\xe6").unwrap();
    refused(here, "app.log", &["app.log", "compressed with xz", "unxz"]);
    fs::write(here.join("table.parquet"), rows()).unwrap();
    refused(here, "table.parquet", &["table.parquet"]);
}

/// A file that can be opened and holds nothing that can be read is one that was named wrongly.
#[test]
fn a_file_of_which_nothing_can_be_read_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    fs::write(here.join("empty.csv"), "").unwrap();
    refused(here, "empty.csv", &["nothing could be read: empty.csv", "the file is empty"]);
    refused(here, "empty.csv", &["nothing could be read: empty.csv", "the file is empty"]);
    let refused = |file: &str, parts: &[&str]| {
        let _ = fs::remove_dir_all(here.join("data"));
        refused(here, file, parts);
    };
    fs::write(here.join("metrics.csv.gz"), b"\x1f\x8b\x08\0nothing that gzip wrote").unwrap();
    refused(
        "metrics.csv.gz",
        &["nothing could be read: metrics.csv.gz", "gzip stream", "pack the file again"],
    );
    fs::write(here.join("wrong.csv"), format!("{HEADER}never,shop,1\nnever,shop,2\n")).unwrap();
    refused("wrong.csv", &["wrong.csv"]);
    fs::write(here.join("prose.jsonl"), "this is\nno JSON\n").unwrap();
    refused("prose.jsonl", &["nothing could be read: prose.jsonl", "and 1 more dead letters"]);
}
