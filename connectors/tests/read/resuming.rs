use proptest::prelude::*;
use theriac_connectors::read::{FileSettings, from_bytes};
use theriac_contract::Fetch;

use super::{fixture, lines, read_bytes};

/// Reads with these sizes; before each fetch a new source takes up the position.
fn broken_off(name: &str, bytes: &[u8], sizes: &[usize], settings: &FileSettings) -> (Vec<String>, usize) {
    let (mut rows, mut rejects) = (Vec::new(), 0);
    let mut position = from_bytes(name, bytes.to_vec(), settings).position();
    for size in sizes.iter().cycle().take(100_000) {
        let mut source = from_bytes(name, bytes.to_vec(), settings);
        source.seek(&position).unwrap();
        match source.fetch(*size).unwrap() {
            Fetch::Batch(fetched) => {
                rows.extend(fetched.telemetry.iter().flat_map(lines));
                rejects += fetched.rejects.len();
            }
            Fetch::Idle => panic!("a file that is not followed never rests"),
            Fetch::End => return (rows, rejects),
        }
        position = source.position();
    }
    panic!("reading does not come to an end")
}

/// In the order in which each signal comes: batches hold points before logs before spans.
fn by_signal(mut rows: Vec<String>) -> Vec<String> {
    rows.sort();
    rows
}

fn table() -> Vec<u8> {
    let rows: String = (0..60)
        .map(
            |i| if i == 7 { "7,x,\"a\nb\"\n".to_owned() } else { format!("{i},{},\"n {}\"\n", i * 2, i % 3) },
        )
        .collect();
    format!("time,v,note\n{rows}").into_bytes()
}

/// A first row that is longer than a sample, so that columns are learnt from what follows.
fn late_table() -> Vec<u8> {
    let rows: String = (0..6_000).map(|i| format!("{i},{},n{}\n", i * 2, i % 3)).collect();
    format!("time,v,note\n{}\n{rows}", "x".repeat(150_000)).into_bytes()
}

fn log() -> Vec<u8> {
    (0..40)
        .map(|i| if i % 3 == 0 { format!("1970-01-01 00:00:{i:02} INFO a\n") } else { "  b\n".to_owned() })
        .collect::<String>()
        .into_bytes()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_sizes_and_breaks_give_the_same_rows(sizes in prop::collection::vec(1_usize..400, 1..6), limit in 8_usize..2000) {
        let files: Vec<(&str, Vec<u8>)> = vec![
            ("t.csv", table()),
            ("t.csv.gz", flate2::read::GzEncoder::new(&table()[..], flate2::Compression::fast()).into_bytes()),
            ("t.log", log()),
            ("p.parquet", std::fs::read(fixture("wide.parquet")).unwrap()),
            ("o.jsonl", std::fs::read(fixture("otlp.jsonl")).unwrap()),
            ("o.json", std::fs::read(fixture("otlp_pretty.json")).unwrap()),
        ];
        for (name, bytes) in files {
            let settings = FileSettings { line_bytes_max: limit.max(12), ..FileSettings::default() };
            let (rows, rejects) = read_bytes(name, &bytes, &settings);
            let (again, rejects_again) = broken_off(name, &bytes, &sizes, &settings);
            prop_assert_eq!(by_signal(again), by_signal(rows), "{}", name);
            prop_assert_eq!(rejects_again, rejects.len(), "{}", name);
        }
    }
}

trait IntoBytes {
    fn into_bytes(self) -> Vec<u8>;
}

impl<R: std::io::Read> IntoBytes for R {
    fn into_bytes(mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.read_to_end(&mut bytes).unwrap();
        bytes
    }
}

#[test]
fn a_position_of_another_file_is_refused() {
    let settings = FileSettings::default();
    let mut source = from_bytes("a.csv", b"time,v\n1,2\n".to_vec(), &settings);
    source.fetch(1).unwrap();
    let position = source.position();
    assert!(from_bytes("b.csv", b"time,v\n1,2\n".to_vec(), &settings).seek(&position).is_err());
    assert!(from_bytes("a.csv", b"time".to_vec(), &settings).seek(&position).is_err());
    assert!(source.seek("yesterday").is_err());
}

#[test]
fn columns_that_were_learnt_late_are_learnt_alike_again() {
    let settings = FileSettings { line_bytes_max: 100_000, ..FileSettings::default() };
    let expected = broken_off("t.csv", &late_table(), &[1 << 20], &settings);
    assert_eq!((expected.0.len(), expected.1), (6_000, 1));
    for sizes in [&[50_000][..], &[7_777, 1], &[20_000, 90_000]] {
        assert_eq!(broken_off("t.csv", &late_table(), sizes, &settings), expected, "{sizes:?}");
    }
}
