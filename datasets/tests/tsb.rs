//! The readers on what their authors count, on files made by hand, and on files that are
//! wrong; the measures against figures that were published for a method simple enough to be
//! made again here.

mod corpus;

use std::{fs, path::Path};

use theriac_contract::Timestamp;
use theriac_datasets::{
    nab::Corpus,
    scoring::{Measures, period, segments},
    tsb::{
        Recording, cut_outs, digest,
        folder::{self, Folder},
        published, smd,
    },
};

fn smd3() -> Vec<Recording> {
    let machines = smd::open(&corpus::folder("smd")).expect("the machines read");
    cut_outs::from_smd(&machines).expect("three of them are TSB-AD's")
}

fn nab14() -> Vec<Recording> {
    let corpus = Corpus::open(&corpus::folder("nab")).expect("the corpus reads");
    cut_outs::from_nab(&corpus).expect("fourteen of them are TSB-AD's")
}

#[test]
fn the_machines_are_as_their_authors_count_them() {
    let machines = smd::open(&corpus::folder("smd")).expect("the machines read");
    let expected = [
        ("machine-1-2", 23_694, 23_694, 542, 10),
        ("machine-1-3", 23_702, 23_703, 817, 12),
        ("machine-1-4", 23_706, 23_707, 720, 12),
        ("machine-1-5", 23_705, 23_706, 100, 7),
        ("machine-1-6", 23_688, 23_689, 3_708, 30),
        ("machine-1-7", 23_697, 23_697, 2_398, 13),
        ("machine-1-8", 23_698, 23_699, 763, 20),
    ];
    let found: Vec<_> = machines
        .iter()
        .map(|machine| {
            let labelled = machine.labels.iter().filter(|label| **label).count();
            let rows = (machine.history[0].len(), machine.times.len());
            (machine.name.as_str(), rows.0, rows.1, labelled, segments(&machine.labels).len())
        })
        .collect();
    assert_eq!(found, expected);
    assert!(machines.iter().all(|machine| machine.channels.len() == 38 && machine.category == "machine-1"));
}

#[test]
fn the_cut_outs_begin_where_their_names_say() {
    for recording in nab14().iter().chain(&smd3()) {
        let first = recording.name.rsplit('_').next().unwrap().parse::<usize>().unwrap();
        assert_eq!(recording.labels.iter().position(|label| *label), Some(first), "{}", recording.name);
        assert!(recording.warmup >= 500 && recording.history.is_empty());
        assert_eq!(recording.times.len(), recording.labels.len());
        assert_eq!(recording.channels[0].len(), recording.labels.len());
    }
    let published = published::published();
    assert!(published.nab14.values().all(|values| values.len() == cut_outs::NAB.len()));
    assert!(published.smd3.values().all(|values| values.len() == cut_outs::SMD.len()));
    let best = |methods| (published::means(methods)[0].0, (published::means(methods)[0].1 * 1e3).round());
    assert_eq!(best(&published.nab14), ("POLY", 376.0));
    assert_eq!(best(&published.smd3), ("AutoEncoder", 417.0));
}

fn write(dir: &Path, path: &str, text: &str) {
    let path = dir.join(path);
    fs::create_dir_all(path.parent().expect("a folder")).expect("it is made");
    fs::write(path, text).expect("it is written");
}

fn refused(dir: &Path) -> String {
    folder::open(dir).expect_err("refused").to_string()
}

#[test]
fn a_folder_is_told_by_what_is_in_it() {
    let dir = tempfile::tempdir().unwrap();
    assert!(refused(&dir.path().join("nowhere")).ends_with("nowhere is not a folder"));
    let text = refused(dir.path());
    assert!(text.contains("no data set that can be told") && !text.contains("it has"), "{text}");

    let nab = dir.path().join("a");
    write(&nab, "data/c/f.csv", "timestamp,value\n2020-01-01 00:00:00,1\n2020-01-01 00:05:00,2\n");
    let text = refused(&nab);
    assert!(text.contains("(it has data/, but not labels/combined_windows.json)"), "{text}");
    write(
        &nab,
        "labels/combined_windows.json",
        r#"{"c/f.csv": [["2020-01-01 00:05:00", "2020-01-01 00:05:00"]]}"#,
    );
    let Folder::Nab(corpus) = folder::open(&nab).unwrap() else { panic!("not NAB") };
    assert_eq!(corpus.files[0].layout.windows.len(), 1);
    assert!(corpus.files[0].labelled_rows.is_empty(), "nobody says the instants");

    let smd = dir.path().join("b");
    write(&smd, "test/m-1.txt", "1,2\n3,4\n5,6\n");
    let text = refused(&smd);
    assert!(text.contains("(it has test/, but not test_label/)"), "{text}");
    write(&smd, "test_label/m-1.txt", "0\n1\n0\n");
    let Folder::Smd(machines) = folder::open(&smd).unwrap() else { panic!("not SMD") };
    assert_eq!(machines[0].channels, [[1.0, 3.0, 5.0], [2.0, 4.0, 6.0]]);
    assert_eq!(machines[0].labels, [false, true, false]);
    assert_eq!((machines[0].name.as_str(), machines[0].category.as_str()), ("m-1", "m"));
    assert!(machines[0].history.is_empty());
    write(&smd, "train/m-1.txt", "7,8\n");
    let Folder::Smd(machines) = folder::open(&smd).unwrap() else { panic!("not SMD") };
    assert_eq!(machines[0].history, [[7.0], [8.0]]);
    assert_eq!(machines[0].history_times(), [Timestamp(machines[0].times[0].0 - 60_000_000_000)]);
}

#[test]
fn what_is_wrong_with_a_machine_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let refuse = |test: &str, label: &str, train: &str, expected: &str| {
        let dir = dir.path();
        write(dir, "test/m.txt", test);
        write(dir, "test_label/m.txt", label);
        write(dir, "train/m.txt", train);
        let text = refused(dir);
        assert!(text.starts_with("in the layout of SMD, ") && text.ends_with(expected), "{text}");
    };
    refuse("1,2\n3\n", "0\n1\n", "1,2\n", "test/m.txt:2: 1 values; the first line has 2");
    refuse("1,2\n3,x\n", "0\n1\n", "1,2\n", "test/m.txt:2: `x` is no number");
    refuse("", "", "1,2\n", "test/m.txt: no rows");
    refuse("1,2\n3,4\n", "0\n2\n", "1,2\n", "test_label/m.txt:2: `2` is no label; labels are 0 or 1");
    refuse("1,2\n3,4\n", "0\n", "1,2\n", "test_label/m.txt: 1 labels; its test file has 2 rows");
    refuse("1,2\n3,4\n", "0\n1\n", "1\n", "train/m.txt: 1 columns; its test file has 2");
    fs::rename(dir.path().join("test_label/m.txt"), dir.path().join("test_label/n.txt")).unwrap();
    let text = refused(dir.path());
    assert!(text.contains("test_label/m.txt: it is missing"), "{text}");
}

#[test]
fn a_series_is_read_with_what_its_name_and_the_manifest_tell() {
    let dir = tempfile::tempdir().unwrap();
    let name = "001_NAB_id_1_Facility_tr_2_1st_2.csv";
    write(dir.path(), name, "Data,Label\n1.5,0\n,0\nnan,1\n2,1.0\n");
    write(
        dir.path(),
        "db/b.csv",
        "timestamp,load,wait,label\n2020-01-01 00:00:00,1,2,0\n2020-01-01 00:01:00,3,4,1\n",
    );
    write(dir.path(), "manifest.json", r#"{"step_seconds": 0.5, "files": {"db/b.csv": {"tr": 1}}}"#);
    let Folder::Series(series) = folder::open(dir.path()).unwrap() else { panic!("not CSV") };
    let [first, second] = &series[..] else { panic!("two files: {series:?}") };
    assert_eq!(
        (first.name.as_str(), first.category.as_str(), first.warmup),
        (&name[..name.len() - 4], "Facility", 2)
    );
    assert_eq!(first.labels, [false, false, true, true]);
    assert!(first.channels[0][0] == 1.5 && first.channels[0][1].is_nan() && first.channels[0][2].is_nan());
    assert_eq!(first.times[1].since(first.times[0]).as_seconds(), 0.5);
    assert_eq!((second.name.as_str(), second.category.as_str(), second.warmup), ("db/b", "db", 1));
    assert_eq!(second.channels, [[1.0, 3.0], [2.0, 4.0]]);
    assert_eq!(second.times[1].since(second.times[0]).as_seconds(), 60.0);
    assert_ne!(digest(&series), digest(&series[..1]));
}

#[test]
fn what_is_wrong_with_a_series_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let refuse = |text: &str, expected: &str| {
        write(dir.path(), "a.csv", text);
        let text = refused(dir.path());
        assert!(text.starts_with("in the layout of one CSV") && text.contains(expected), "{text}");
    };
    refuse("a,b\n1,0\n", "a.csv:1: the last column is `b`; it should be `label`");
    refuse("time,label\n1,0\n", "a.csv:1: no column of values before `label`");
    refuse("a,label\n", "a.csv: no rows");
    refuse("a,label\n1,0\nx,0\n", "a.csv:3: column `a`: `x` is no number");
    refuse("a,label\n1,maybe\n", "a.csv:2: column `label`: `maybe` is neither 0 nor 1");
    refuse("a,label\n1\n", "a.csv:2: not CSV");
    refuse("time,a,label\nnever,1,0\n", "a.csv:2: column `time`");
    write(dir.path(), "a.csv", "a,label\n1,0\n");
    for (manifest, expected) in [
        ("{", "manifest.json:1: "),
        (r#"{"steps": 1}"#, "unknown field `steps`"),
        (r#"{"step_seconds": 0}"#, "step_seconds is 0"),
        (r#"{"files": {"b.csv": {}}}"#, "it names b.csv, which is not there"),
        (r#"{"files": {"a.csv": {"tr": 9}}}"#, "tr is 9, but it has 1 rows"),
    ] {
        write(dir.path(), "manifest.json", manifest);
        let text = refused(dir.path());
        assert!(text.contains(expected), "{text}");
    }
}

/// Scores of the histogram-based outlier detector (M. Goldstein and A. Dengel 2012) as TSB-AD
/// runs it: every vector is standardised by itself, each dimension has its own histogram, the
/// score is the sum of -log2(density + 0.1).
fn histogram_scores(vectors: &[Vec<f64>], bins: usize) -> Vec<f64> {
    let standardised: Vec<Vec<f64>> = vectors
        .iter()
        .map(|vector| {
            let n = vector.len() as f64;
            let mean = vector.iter().sum::<f64>() / n;
            let variance = vector.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1.0);
            let unit = variance.sqrt();
            vector.iter().map(|value| if unit > 0.0 { (value - mean) / unit } else { 0.0 }).collect()
        })
        .collect();
    let mut scores = vec![0.0; vectors.len()];
    for dimension in 0..vectors[0].len() {
        let column: Vec<f64> = standardised.iter().map(|vector| vector[dimension]).collect();
        let low = column.iter().copied().fold(f64::INFINITY, f64::min);
        let high = column.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let (low, high) = if low < high { (low, high) } else { (low - 0.5, low + 0.5) };
        let width = (high - low) / bins as f64;
        // A bin holds its low edge where values are counted, its high edge where they are looked up.
        let edge = |bin: usize| if bin == bins { high } else { low + bin as f64 * width };
        let mut counts = vec![0.0; bins];
        for value in &column {
            let bin = (1..bins).take_while(|bin| *value >= edge(*bin)).count();
            counts[bin] += 1.0;
        }
        for (score, value) in scores.iter_mut().zip(&column) {
            let bin = (1..bins).take_while(|bin| *value > edge(*bin)).count();
            let density = counts[bin] / (column.len() as f64 * (edge(bin + 1) - edge(bin)));
            *score -= (density + 0.1).log2();
        }
    }
    scores
}

/// Four digits of a published figure.
fn assert_published(
    methods: &published::Methods,
    method: &str,
    series: usize,
    labels: &[bool],
    scores: &[f64],
    window: usize,
) {
    let expected = methods[method][series];
    let found = Measures::of(labels, scores, window).expect("it is measured").vus_pr;
    assert!((found - expected).abs() < 5e-5, "{method}, series {series}: {found} is not {expected}");
}

#[test]
fn vus_pr_of_windows_of_nab_is_as_published() {
    for (series, recording) in nab14().iter().enumerate() {
        // Some windows of this one are constant but for rounding, and what they are then
        // depends on how a mean is summed.
        if recording.name.starts_with("017_") {
            continue;
        }
        let window = period::window(&recording.channels[0]);
        let vectors: Vec<Vec<f64>> = recording.channels[0].windows(window).map(<[f64]>::to_vec).collect();
        let scores = histogram_scores(&vectors, 10);
        // A window stands for the row in its middle.
        let before = (window - 1).div_ceil(2);
        let padded: Vec<f64> = (0..recording.labels.len())
            .map(|row| scores[row.saturating_sub(before).min(scores.len() - 1)])
            .collect();
        let published = &published::published().nab14;
        assert_published(published, "Sub-HBOS", series, &recording.labels, &padded, window);
    }
}

#[test]
fn vus_pr_of_rows_of_smd_is_as_published() {
    for (series, recording) in smd3().iter().enumerate() {
        let window = period::window(&recording.channels[0]);
        let vectors: Vec<Vec<f64>> = (0..recording.labels.len())
            .map(|row| recording.channels.iter().map(|channel| channel[row]).collect())
            .collect();
        let scores = histogram_scores(&vectors, 30);
        assert_published(&published::published().smd3, "HBOS", series, &recording.labels, &scores, window);
    }
}
