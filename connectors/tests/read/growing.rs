use std::{
    fs::{File, OpenOptions},
    io::Write,
    path::Path,
};

use theriac_connectors::read::{FileSettings, open};
use theriac_contract::{Fetch, Source};

use super::drain;

fn append(path: &Path, text: &str) {
    OpenOptions::new().create(true).append(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
}

fn following(path: &Path) -> FileSettings {
    FileSettings { follow: true, ..FileSettings::of(path.display().to_string()) }
}

fn times(source: &mut dyn Source) -> Vec<u32> {
    let (rows, rejects) = drain(source, 10);
    assert_eq!(rejects, []);
    rows.iter().map(|row| row.split(' ').next().unwrap().parse().unwrap()).collect()
}

fn line(second: u32) -> String {
    format!("1970-01-01 00:00:{second:02} x\n")
}

#[test]
fn an_unfinished_line_waits() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.log");
    append(&path, &line(1));
    let mut source = open(&following(&path)).unwrap();
    assert_eq!(times(source.as_mut()), [1]);
    append(&path, "1970-01-01 00:00:02 ");
    assert!(matches!(source.fetch(10).unwrap(), Fetch::Idle));
    append(&path, "x\n");
    assert_eq!(times(source.as_mut()), [2]);
}

#[test]
fn a_growing_table_waits_for_its_first_row() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.csv");
    append(&path, "time,");
    let mut source = open(&following(&path)).unwrap();
    assert!(matches!(source.fetch(10).unwrap(), Fetch::Idle));
    append(&path, "v\n");
    assert!(matches!(source.fetch(10).unwrap(), Fetch::Idle));
    append(&path, "1,1\n");
    assert_eq!(times(source.as_mut()), [1]);
    append(&path, "2,1\n");
    let mut resumed = open(&following(&path)).unwrap();
    resumed.seek(&source.position()).unwrap();
    assert_eq!(times(resumed.as_mut()), [2]);
}

#[test]
fn renamed_and_made_anew_loses_and_doubles_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.log");
    append(&path, &line(1));
    let mut source = open(&following(&path)).unwrap();
    assert_eq!(times(source.as_mut()), [1]);
    append(&path, &line(2));
    append(&path, line(3).trim_end());
    std::fs::rename(&path, folder.path().join("a.log.1")).unwrap();
    append(&path, &line(4));
    assert_eq!(times(source.as_mut()), [2, 3, 4]);
    append(&path, &line(5));
    assert_eq!(times(source.as_mut()), [5]);
}

#[test]
fn a_file_made_anew_may_have_other_columns() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.csv");
    append(&path, "time,host,pod,cpu\n1,a,b,0.5\n");
    let mut source = open(&following(&path)).unwrap();
    let resources = |source: &mut dyn Source| {
        let (rows, _) = drain(source, 10);
        rows.iter().map(|row| row.split(' ').nth(1).unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(resources(source.as_mut()), [r#"{"host.name":"a","k8s.pod.name":"b"}"#]);
    std::fs::rename(&path, folder.path().join("a.csv.1")).unwrap();
    append(&path, "time,pod,host,cpu\n2,a,b,0.5\n");
    assert_eq!(resources(source.as_mut()), [r#"{"host.name":"b","k8s.pod.name":"a"}"#]);
}

#[test]
fn rotation_while_nobody_reads_is_noticed_on_return() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.log");
    append(&path, &line(1));
    let mut source = open(&following(&path)).unwrap();
    assert_eq!(times(source.as_mut()), [1]);
    let position = source.position();
    drop(source);
    append(&path, &line(2));
    std::fs::rename(&path, folder.path().join("a.log.1")).unwrap();
    append(&path, &line(3));
    let mut source = open(&following(&path)).unwrap();
    source.seek(&position).unwrap();
    assert_eq!(times(source.as_mut()), [2, 3]);
}

#[test]
fn truncation_begins_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.log");
    append(&path, &(line(1) + &line(2)));
    let mut source = open(&following(&path)).unwrap();
    assert_eq!(times(source.as_mut()), [1, 2]);
    File::create(&path).unwrap();
    append(&path, &line(3));
    assert_eq!(times(source.as_mut()), [3]);
}
