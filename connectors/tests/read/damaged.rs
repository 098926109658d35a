use std::io::Write;

use theriac_connectors::read::{FileSettings, Format, from_bytes};

use super::{fixture, read_bytes};

fn given(format: Format) -> FileSettings {
    FileSettings { format, ..FileSettings::default() }
}

fn unreadable(name: &str, bytes: &[u8], settings: &FileSettings) -> String {
    from_bytes(name, bytes.to_vec(), settings).fetch(1 << 20).unwrap_err().to_string()
}

#[test]
fn a_cell_that_is_no_number_costs_only_itself() {
    let text = b"time,a,b\n1,1,2\n2,x7,3\n3,NaN,4\n4,null,5\n";
    let (rows, rejects) = read_bytes("t.csv", text, &FileSettings::default());
    assert_eq!(rows.len(), 5);
    assert_eq!(rejects.len(), 1);
    assert_eq!((rejects[0].line, rejects[0].offset), (Some(3), 15));
    assert_eq!(rejects[0].bytes, b"2,x7,3");
    assert!(rejects[0].reason.contains("column `a`: `x7` is not a number"));
}

#[test]
fn a_ragged_row_and_a_bad_time_are_rejected() {
    let text = b"time,a\n1,1\n2\n3,3,3\nsoon,4\n5,5,\n";
    let (rows, rejects) = read_bytes("t.csv", text, &FileSettings::default());
    assert_eq!(rows, ["1 {} a {} Some(1.0)", "5 {} a {} Some(5.0)"]);
    assert_eq!(rejects.iter().map(|r| r.line).collect::<Vec<_>>(), [Some(3), Some(4), Some(5)]);
}

#[test]
fn a_table_without_time_names_its_columns_and_the_setting() {
    let error = unreadable("t.csv", b"a,b\n1,2\n", &FileSettings::default());
    assert!(error.contains("the columns are a, b") && error.contains("time_column"), "{error}");
}

#[test]
fn utf_16_and_binary_are_refused() {
    let utf16: Vec<u8> = "time,a\n1,2\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let mut marked = vec![0xff, 0xfe];
    marked.extend(&utf16);
    for bytes in [utf16, marked, vec![0; 100]] {
        assert!(unreadable("t.csv", &bytes, &FileSettings::default()).contains("iconv"));
    }
    assert!(
        unreadable("t.parquet", b"PAR1 but nothing else PAR1", &FileSettings::default()).contains("Parquet")
    );
    assert!(unreadable("t.parquet", b"no parquet", &FileSettings::default()).contains("Parquet"));
}

#[test]
fn a_byte_order_mark_is_no_part_of_the_first_column() {
    let (rows, _) = read_bytes("t.csv", b"\xef\xbb\xbftime,a\n1,2\n", &FileSettings::default());
    assert_eq!(rows, ["1 {} a {} Some(2.0)"]);
}

#[test]
fn a_line_that_is_not_utf_8_is_rejected_at_its_byte() {
    let text = b"1970-01-01T00:00:01Z fine\n1970-01-01T00:00:02Z \xff\n1970-01-01T00:00:03Z fine\n";
    let (rows, rejects) = read_bytes("t.log", text, &FileSettings::default());
    assert_eq!(rows.len(), 2);
    assert!(rejects[0].reason.contains("at byte 47"), "{}", rejects[0].reason);
}

#[test]
fn a_huge_line_is_cut_and_never_held() {
    let mut text = b"1970-01-01T00:00:01Z ".to_vec();
    text.resize(3 << 20, b'x');
    text.extend(b"\n1970-01-01T00:00:02Z fine\n");
    let settings = FileSettings { line_bytes_max: 100_000, reject_bytes_max: 10, ..FileSettings::default() };
    let (rows, rejects) = read_bytes("t.log", &text, &settings);
    assert_eq!(rows.len(), 1);
    assert_eq!(rejects.len(), 1);
    assert_eq!(rejects[0].bytes, b"1970-01-01");
    assert!(rejects[0].reason.contains("line_bytes_max"));
}

/// Whatever its first row is like, a table's columns are learnt from rows that can be read.
#[test]
fn a_huge_first_row_costs_only_itself() {
    let rows: String = (0..5_000).map(|i| format!("{i},shop,{}\n", i % 7)).collect();
    let settings = FileSettings { line_bytes_max: 300_000, reject_bytes_max: 10, ..FileSettings::default() };
    for huge in [70_000, 200_000, 299_999, 300_000, 300_001, 300_002, 300_003, 2_000_000] {
        for end in ["\n", "\r\n"] {
            let text = format!("time,note,v\n{}{end}{rows}", "x".repeat(huge));
            let (read, rejects) = read_bytes("t.csv", text.as_bytes(), &settings);
            assert_eq!((read.len(), rejects.len()), (5_000, 1), "{huge} bytes");
            let reason = if huge > 300_000 { "line_bytes_max" } else { "1 cells, the header 3" };
            assert!(rejects[0].reason.contains(reason), "{huge} bytes: {}", rejects[0].reason);
            assert_eq!((rejects[0].line, rejects[0].offset), (Some(2), 12));
        }
    }
}

#[test]
fn a_table_of_huge_rows_is_read() {
    let names: String = (0..20_000).map(|i| format!(",value_{i}")).collect();
    let cells = ",1".repeat(20_000);
    let text = format!("time{names}\n0{cells}\n1{cells}\n");
    let (read, rejects) = read_bytes("t.csv", text.as_bytes(), &FileSettings::default());
    assert_eq!((read.len(), rejects.len()), (40_000, 0));
    let settings = FileSettings { line_bytes_max: 100_000, ..FileSettings::default() };
    let error = theriac_connectors::read::from_bytes("t.csv", text.into_bytes(), &settings).fetch(1 << 20);
    assert!(error.unwrap_err().to_string().contains("the first line is longer than 100000 bytes"));
}

#[test]
fn an_empty_file_is_noted() {
    for format in [Format::Csv, Format::JsonLines, Format::OtlpJson, Format::Text] {
        let (rows, rejects) = read_bytes("t", b"", &given(format));
        assert_eq!(rows.len(), 0);
        assert!(rejects[0].reason.contains("empty"));
    }
}

#[test]
fn what_came_before_the_break_of_a_compressed_file_is_kept() {
    let text: String = (0..20_000).map(|i| format!("{i},{}\n", i * 7919 % 1000)).collect();
    let text = format!("time,a\n{text}");
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(text.as_bytes()).unwrap();
    for packed in [gzip.finish().unwrap(), zstd::encode_all(text.as_bytes(), 1).unwrap()] {
        let (all, none) = read_bytes("t.csv", &packed, &FileSettings::default());
        assert_eq!((all.len(), none.len()), (20_000, 0));
        let (rows, rejects) = read_bytes("t.csv", &packed[..packed.len() / 2], &FileSettings::default());
        // The last line before the break may be half a line: it is the only other reject.
        assert!(rejects.last().unwrap().reason.contains("broken off"), "{rejects:?}");
        assert!(rejects.len() <= 2);
        assert!(rows.len() < 20_000 && all.starts_with(&rows[..rows.len().saturating_sub(1)]));
    }
}

#[test]
fn a_json_line_cut_off_costs_only_itself() {
    let line = std::fs::read_to_string(fixture("otlp.jsonl")).unwrap();
    let mut lines: Vec<&str> = line.lines().collect();
    lines[1] = &lines[1][..lines[1].len() / 2];
    let (rows, rejects) = read_bytes("t.jsonl", lines.join("\n").as_bytes(), &FileSettings::default());
    assert_eq!((rows.len(), rejects.len()), (8, 1));
    assert_eq!(rejects[0].line, Some(2));
}

#[test]
fn deep_nesting_is_rejected() {
    let deep = format!("{}1{}", r#"{"arrayValue":{"values":["#.repeat(60), "]}}".repeat(60));
    let text = format!(
        r#"{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{{"timeUnixNano":1,"body":{deep}}},{{"timeUnixNano":2}}]}}]}}]}}"#
    );
    let (rows, rejects) = read_bytes("t.jsonl", text.as_bytes(), &FileSettings::default());
    assert_eq!((rows.len(), rejects.len()), (1, 1));
    let brackets = "[".repeat(1_000_000);
    let (_, rejects) = read_bytes("t.jsonl", brackets.as_bytes(), &given(Format::OtlpJson));
    assert!(rejects.len() <= 1);
}
