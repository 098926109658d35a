//! `theriac eval` as a user runs it: on folders made by hand, and on public data.

mod program;

use std::{
    fs,
    path::{Path, PathBuf},
};

use program::{metrics, text, theriac};

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().expect("a folder")).expect("it is made");
    fs::write(path, text).expect("it is written");
}

fn name(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// A wave of 600 rows with a jump at rows 400 to 429.
fn value(row: usize) -> f64 {
    let wave = f64::from((row * 37 % 23) as u8);
    if (400..430).contains(&row) { wave + 400.0 } else { wave }
}

fn time(row: usize) -> String {
    format!("2020-01-{:02} {:02}:{:02}:00", 1 + row / 288, row % 288 / 12, row % 12 * 5)
}

/// In the layout of NAB: one file with a window, one without.
fn nab_folder(dir: &Path) {
    let rows: String = (0..600).map(|row| format!("{},{}\n", time(row), value(row))).collect();
    let quiet: String = (0..600).map(|row| format!("{},{}\n", time(row), row % 7)).collect();
    write(&dir.join("data/jumps/a_b.csv"), &format!("timestamp,value\n{rows}"));
    write(&dir.join("data/quiet/c.csv"), &format!("timestamp,value\n{quiet}"));
    let windows = format!(r#"{{"jumps/a_b.csv": [["{}", "{}"]], "quiet/c.csv": []}}"#, time(395), time(440));
    write(&dir.join("labels/combined_windows.json"), &windows);
}

#[test]
fn a_folder_like_nab_is_scored_written_and_shown() {
    let dir = tempfile::tempdir().unwrap();
    let (data, results, page) = (dir.path().join("d"), dir.path().join("r"), dir.path().join("p/page.html"));
    nab_folder(&data);
    let found = metrics(&["eval", name(&data), "--results", name(&results), "--report", name(&page)]);
    for profile in ["standard", "reward_low_fp_rate", "reward_low_fn_rate"] {
        for figure in [format!("nab.{profile}"), format!("nab.fixed.{profile}")] {
            assert!(found[&figure] > 50.0, "{figure} {}", found[&figure]);
        }
        assert!(found.contains_key(&format!("nab.{profile}.fixed_threshold")));
        assert!(found.contains_key(&format!("nab.{profile}.leave_one_category_out")));
    }
    assert_eq!(found["nab.file.jumps/a_b.csv.windows_hit"], 1.0);
    // What NAB's own scorer asks of result files.
    for (file, source) in [("jumps/theriac_a_b.csv", "jumps/a_b.csv"), ("quiet/theriac_c.csv", "quiet/c.csv")]
    {
        let written = fs::read_to_string(results.join("theriac").join(file)).unwrap();
        let original = fs::read_to_string(data.join("data").join(source)).unwrap();
        let mut lines = written.lines();
        assert_eq!(lines.next(), Some("timestamp,value,anomaly_score,label"));
        assert_eq!(written.lines().count(), original.lines().count());
        let mut silent = 0;
        for (row, (line, original)) in lines.zip(original.lines().skip(1)).enumerate() {
            assert!(line.starts_with(&format!("{original},")), "row {row}: {line}");
            let cells: Vec<&str> = line.split(',').collect();
            let score: f64 = cells[2].parse().unwrap();
            assert!((0.0..=1.0).contains(&score));
            let labelled = file.starts_with("jumps") && (395..=440).contains(&row);
            assert_eq!(cells[3] == "1", labelled, "row {row}");
            silent += usize::from(row >= 90 && score == 0.0);
        }
        assert!(silent > 0, "each file has a scorable row with score 0");
    }
    let page = fs::read_to_string(page).unwrap();
    let scores: Vec<String> = ["jumps/theriac_a_b.csv", "quiet/theriac_c.csv"]
        .iter()
        .flat_map(|file| {
            let written = fs::read_to_string(results.join("theriac").join(file)).unwrap();
            written.lines().skip(1).map(|line| line.split(',').nth(2).unwrap().to_owned()).collect::<Vec<_>>()
        })
        .filter(|score| score != "0")
        .collect();
    // One threshold is no sweep.
    let sweep = usize::from(scores.iter().any(|score| *score != scores[0]));
    assert_eq!(page.matches("<svg").count(), 2 + sweep, "two files and the sweep");
    assert!(!page.contains("http") && !page.contains("<script") && page.contains("jumps/a_b.csv"));
    // Without a published table, for nobody else was run on it.
    assert!(!text(&["eval", name(&data)]).contains("ARTime"));
}

#[test]
fn two_evaluations_are_compared_file_by_file() {
    let dir = tempfile::tempdir().unwrap();
    let (data, a, b) = (dir.path().join("d"), dir.path().join("a"), dir.path().join("b"));
    nab_folder(&data);
    text(&["eval", name(&data), "--results", name(&a)]);
    let config = dir.path().join("deaf.yaml");
    write(&config, "detect: { records_series_max: 0 }\n");
    text(&["eval", name(&data), "--results", name(&b), "-c", name(&config), "--detector", "deaf"]);
    let found = metrics(&["eval", "compare", name(&a), name(&b)]);
    assert_eq!((found["compare.files"], found["compare.worse"], found["compare.equal"]), (2.0, 1.0, 1.0));
    assert!(found["compare.mean"] < 0.0 && found["compare.mean.low"] <= found["compare.mean"]);
    assert_eq!(found["compare.sign_p"], 1.0, "one file proves nothing");
    // The result files alone tell the same.
    let (files_a, files_b) = (a.join("theriac"), b.join("deaf"));
    let again = metrics(&["eval", "compare", name(&files_a), name(&files_b)]);
    assert_eq!(found["compare.mean"], again["compare.mean"]);
    let told = text(&["eval", "compare", name(&a), name(&a)]);
    assert!(told.contains("equal on 2 files; sign test p = 1.0000"), "{told}");
}

#[test]
fn folders_like_smd_and_of_series_are_measured() {
    let dir = tempfile::tempdir().unwrap();
    let smd = dir.path().join("smd");
    let rows: String = (0..600).map(|row| format!("{},{},1\n", value(row), row % 5)).collect();
    let train: String = (0..600).map(|row| format!("{},{},1\n", row * 37 % 23, row % 5)).collect();
    let labels: String = (0..600).map(|row| format!("{}\n", u8::from((400..430).contains(&row)))).collect();
    write(&smd.join("test/m-1.txt"), &rows);
    write(&smd.join("test_label/m-1.txt"), &labels);
    write(&smd.join("train/m-1.txt"), &train);
    let alone = metrics(&["eval", name(&smd)]);
    assert!(alone["smd.vus_pr"] > 0.3 && alone["smd.file.m-1.auc_roc"] > 0.8, "{alone:?}");
    assert_eq!((alone["smd.alerts.segments"], alone["smd.history"]), (1.0, 0.0));
    assert_eq!(metrics(&["eval", name(&smd), "--history"])["smd.history"], 1.0);

    let series = dir.path().join("series");
    let rows: String =
        (0..600).map(|row| format!("{},{}\n", value(row), u8::from((400..430).contains(&row)))).collect();
    write(&series.join("001_X_id_1_Facility_tr_300_1st_400.csv"), &format!("Data,Label\n{rows}"));
    write(&series.join("quiet.csv"), &format!("Data,Label\n{}", "1,0\n2,0\n".repeat(200)));
    let page = dir.path().join("page.html");
    let found =
        metrics(&["eval", name(&series), "--report", name(&page), "--results", name(&dir.path().join("r"))]);
    assert!(found["tsb.category.Facility.vus_pr"] > 0.3);
    assert!(!found.contains_key("tsb.file.quiet.vus_pr"), "nothing is labelled there");
    assert!(!found.contains_key("tsb.nab14.vus_pr"), "these are not the 14 series");
    assert!(dir.path().join("r/theriac/Facility/theriac_001_X_id_1_Facility_tr_300_1st_400.csv").is_file());
    assert!(fs::read_to_string(page).unwrap().contains("not measured"));
    // Nobody's table stands beside them.
    assert!(!text(&["eval", name(&series)]).contains("POLY"));
}

#[test]
fn what_is_wrong_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("reward_low_FP_rate");
    fs::create_dir(&folder).unwrap();
    let refused = |arguments: &[&str], expected: &str| {
        let output = theriac(arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(said.contains(expected), "{arguments:?}: {said}");
    };
    refused(&["eval"], "required");
    refused(&["eval", "nap"], "`nap` is neither nab, smd or tsb nor a folder");
    refused(&["eval", name(&folder)], "no data set that can be told");
    refused(&["eval", "nab", "--results", name(&folder)], "NAB takes `reward_low_FP_rate` in a path");
    refused(&["eval", "nab", "--results", "r", "--detector", "a_b"], "NAB cuts names at the first `_`");
    refused(&["eval", "compare", name(&folder), name(&folder)], "neither figures.json nor result files");
    let json = dir.path().join("a.json");
    write(&json, "{}");
    refused(&["eval", "compare", name(&json), name(&json)], "not what `theriac eval --output json` prints");
    write(&json, r#"{"metrics": {"nab.standard": 3}}"#);
    refused(&["eval", "compare", name(&json), name(&json)], "no file has `vus_pr` in both");
    assert_eq!(theriac(&["eval", "smd", "--data", "nowhere"]).status.code(), Some(3));
}

/// Where public data lie; the message of the program says how to get them.
fn datasets() -> PathBuf {
    std::env::var_os("THERIAC_DATASETS")
        .map(PathBuf::from)
        .expect("THERIAC_DATASETS names the folder of data sets")
}

#[test]
fn the_series_of_tsb_are_measured_beside_published_results() {
    let data = datasets();
    let told = text(&["eval", "tsb", "--data", name(&data)]);
    assert!(
        told.contains("POLY") && told.contains("AutoEncoder") && told.contains("theriac (this run)"),
        "{told}"
    );
}

/// The goals of templates, on the systems that are here; each figure is of one configuration.
#[test]
fn templates_of_logs_are_found() {
    let found = metrics(&["eval", "loghub"]);
    for (name, goal) in [("ga", 0.93), ("fga", 0.91), ("pa", 0.75), ("fta", 0.70)] {
        let name = format!("loghub.{name}");
        assert!(found[&name] >= goal, "{name} {}", found[&name]);
    }
    assert!(found["loghub.as_labelled.pa"] >= 0.75 && found["loghub.as_labelled.fta"] >= 0.70);
    assert_eq!(found["loghub.HDFS.ga"], 1.0);
    let told = text(&["eval", "loghub", "--differences", "spark"]);
    assert!(told.contains("Spark, labels v2") && told.contains("PIPLUP, one setting"), "{told}");
}

/// Logs that nobody has published: a folder of their own is enough.
#[test]
fn logs_of_ones_own_are_scored() {
    let dir = tempfile::tempdir().unwrap();
    let rows: String = (0..40).map(|n| format!("{n},took {n} ms,took <*> ms\n")).collect();
    write(&dir.path().join("Own_2k.log_structured.csv"), &format!("LineId,Content,EventTemplate\n{rows}"));
    let found = metrics(&["eval", "loghub", "--data", name(dir.path())]);
    assert_eq!((found["loghub.ga"], found["loghub.Own.original.pa"]), (1.0, 1.0));
    let output = theriac(&["eval", "loghub", "--data", name(&dir.path().join("nowhere"))]);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && told.contains("nowhere: No such file"), "{told}");
}
