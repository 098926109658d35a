//! Copies of public data sets that are not what was published.

use theriac_contract::Fetch;
use theriac_datasets::{
    nab::Corpus,
    nezha::{self, Case},
};

use crate::lay;

/// Three files, each up to a zero byte: a series, its windows, its labels.
pub fn nab(bytes: &[u8]) {
    let mut parts = bytes.splitn(3, |byte| *byte == 0);
    let mut part = || parts.next().unwrap_or_default();
    let folder = tempfile::tempdir().expect("a folder");
    lay(&folder.path().join("data/a/b.csv"), part());
    lay(&folder.path().join("labels/combined_windows.json"), part());
    lay(&folder.path().join("labels/combined_labels.json"), part());
    if let Ok(corpus) = Corpus::open(folder.path()) {
        for file in &corpus.files {
            assert_eq!(file.times.len(), file.values.len());
            assert!(file.labelled_rows.iter().all(|row| *row < file.values.len()), "a label without a row");
        }
        assert_eq!(corpus.digest().len(), 16);
    }
}

/// The first byte chooses what the rest is (metrics, logs, spans, cases), and whether it is
/// packed. A day that opens is read to its end, and taking up a position again gives as much.
pub fn nezha(bytes: &[u8]) {
    let Some((kind, bytes)) = bytes.split_first() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let name = match kind % 4 {
        0 => "metric/2022-08-22_pods.csv.zst",
        1 => "fault/2022-08-22/03_51_log.csv.zst",
        2 => "normal/2022-08-22/03_51_trace.csv.zst",
        _ => "cases.json",
    };
    let packed =
        (kind % 4 < 3 && kind & 4 == 0).then(|| zstd::encode_all(bytes, 1).expect("it can be packed"));
    lay(&folder.path().join(name), packed.as_deref().unwrap_or(bytes));
    if name == "cases.json" {
        let _ = Case::read(folder.path()).map(|cases| cases.iter().map(Case::end).count());
        return;
    }
    let whole = rows(folder.path(), false);
    assert_eq!(whole, rows(folder.path(), true), "a position taken up again changes the rows");
}

/// Rows and rejects; `None` if the day cannot be read.
fn rows(folder: &std::path::Path, reopen: bool) -> Option<(usize, usize)> {
    let mut day = nezha::open(folder, None).ok()?;
    let (mut rows, mut rejects) = (0, 0);
    loop {
        match day.fetch(64).ok()? {
            Fetch::Batch(fetched) => {
                rows += fetched.telemetry.iter().map(theriac_contract::Telemetry::rows).sum::<usize>();
                rejects += fetched.rejects.len();
            }
            Fetch::Idle => panic!("a day that is over never rests"),
            Fetch::End => return Some((rows, rejects)),
        }
        if reopen {
            let position = day.position();
            day = nezha::open(folder, None).expect("it was opened before");
            day.seek(&position).expect("a position that was just given is good");
        }
    }
}
