use proptest::prelude::*;
use theriac_connectors::read::{FileSettings, Format, from_bytes};
use theriac_contract::{Fetch, Interval, Telemetry};

use super::fixture;

/// Rows and rejects; `None` if the file as a whole cannot be read. With `reopen`, the first
/// positions are taken up by a new source each.
fn count(
    name: &str,
    bytes: &[u8],
    settings: &FileSettings,
    size: usize,
    reopen: bool,
) -> Option<(usize, usize)> {
    let mut source = from_bytes(name, bytes.to_vec(), settings);
    let (mut rows, mut rejects) = (0, 0);
    for turn in 0..1_000_000 {
        match source.fetch(size) {
            Ok(Fetch::Batch(fetched)) => {
                rows += fetched.telemetry.iter().map(Telemetry::rows).sum::<usize>();
                rejects += fetched.rejects.len();
                assert!(fetched.rejects.iter().all(|reject| reject.bytes.len() <= settings.reject_bytes_max));
            }
            Ok(Fetch::Idle) => panic!("a file that is not followed never rests"),
            Ok(Fetch::End) => return Some((rows, rejects)),
            Err(_) => return None,
        }
        if reopen && turn < 8 {
            let position = source.position();
            source = from_bytes(name, bytes.to_vec(), settings);
            source.seek(&position).unwrap();
        }
    }
    panic!("reading does not come to an end")
}

/// Well-formed files that the damage starts from.
fn seeds() -> Vec<(&'static str, Format, Vec<u8>)> {
    let file = |name: &str| std::fs::read(fixture(name)).unwrap();
    let flat = br#"{"time":1,"name":"cpu","value":0.5,"labels":{"core":"0"}}
{"@timestamp":"1970-01-01T00:00:02Z","level":"error","msg":"no","service":"cart","extra":[1,{"a":null}]}
{"trace_id":"7c1a","span_id":"a1","parent_id":null,"name":"GET","start":3,"duration_ms":1.5,"status":"ERROR"}
"#;
    vec![
        ("a.csv", Format::Csv, file("wide.csv")),
        ("a.jsonl", Format::JsonLines, flat.to_vec()),
        ("a.json", Format::OtlpJson, file("otlp.jsonl")),
        ("a.json", Format::OtlpJson, file("otlp_pretty.json")),
        ("a.parquet", Format::Parquet, file("wide.parquet")),
        ("a.parquet", Format::Parquet, file("dictionary.parquet")),
        ("a.log", Format::Text, b"1970-01-01 00:00:01,5 ERROR x\r\n  at y\n[2] \xff\n".to_vec()),
        ("a", Format::Auto, file("two_members.csv.gz")),
        ("a", Format::Auto, file("two_frames.csv.zst")),
        ("a", Format::Auto, flat.to_vec()),
    ]
}

/// One damage: where (as a share of the length), what kind, with which byte.
type Damage = (f64, u8, u8);

fn damaged(mut bytes: Vec<u8>, damages: &[Damage]) -> Vec<u8> {
    const TELLING: &[u8] = b"\n\r\",;{}[]:\\0-9.eE\x00\xff\x80 Nn";
    for (share, kind, byte) in damages {
        let at = ((bytes.len() as f64 * share) as usize).min(bytes.len().saturating_sub(1));
        let telling = TELLING[usize::from(*byte) % TELLING.len()];
        match kind % 7 {
            _ if bytes.is_empty() => bytes.push(*byte),
            0 => bytes[at] = *byte,
            1 => bytes[at] = telling,
            2 => bytes.insert(at, telling),
            3 => drop(bytes.remove(at)),
            4 => bytes.truncate(at),
            5 => {
                let piece = bytes[at..(at + usize::from(*byte)).min(bytes.len())].to_vec();
                bytes.splice(at..at, piece);
            }
            _ => bytes[at] ^= 1 << (byte % 8),
        }
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_damage_panics_or_changes_what_a_position_means(
        damages in prop::collection::vec((0.0..1.0, any::<u8>(), any::<u8>()), 0..6),
        size in 1_usize..600,
        limit in prop_oneof![Just(64_usize), Just(512), Just(1 << 20)],
        numbered in any::<bool>(),
    ) {
        for (name, format, bytes) in seeds() {
            let bytes = damaged(bytes, &damages);
            let settings = FileSettings {
                format,
                line_bytes_max: limit,
                reject_bytes_max: 32,
                step: numbered.then(|| Interval::from_seconds(60)),
                ..FileSettings::default()
            };
            let whole = count(name, &bytes, &settings, size, false);
            let again = count(name, &bytes, &settings, size, true);
            prop_assert_eq!(whole, again, "{} of {:?}: {:?}", name, format, String::from_utf8_lossy(&bytes));
        }
    }
}
