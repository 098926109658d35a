//! What a campaign leaves behind: the page says what the report says, the table holds each episode, kinds that
//! are held out are nowhere shown one by one, and the modes are the same from the same seed.

#![allow(clippy::unwrap_used, reason = "a suite fails where it stands")]

mod program;

use std::{collections::BTreeMap, fs, path::Path};

use arrow::{
    array::{Array, AsArray, RecordBatch},
    datatypes::{Float64Type, UInt32Type, UInt64Type},
};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use program::{text, theriac};
use serde_json::Value;
use theriac_datasets::fleet::{HELD_OUT, record};

/// Baselines at four kinds of fault, two of which are held out.
fn campaign(folder: &Path, more: &[&str]) -> String {
    let (folder, faults) = (folder.display().to_string(), format!("F27,F30,{},{}", HELD_OUT[0], HELD_OUT[1]));
    let fixed = ["campaign", "--weeks", "0", "--faults", &faults, "--warm-up", "300", "--data-dir", &folder];
    text(&fixed.iter().copied().chain(more.iter().copied()).collect::<Vec<_>>())
}

fn metrics(folder: &Path) -> BTreeMap<String, f64> {
    let report = fs::read_to_string(folder.join("report.json")).unwrap();
    serde_json::from_value(serde_json::from_str::<Value>(&report).unwrap()["metrics"].clone()).unwrap()
}

fn table(folder: &Path) -> RecordBatch {
    let file = fs::File::open(folder.join("episodes.parquet")).unwrap();
    let mut reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap();
    let batch = reader.next().unwrap().unwrap();
    assert!(reader.next().is_none());
    batch
}

fn words(batch: &RecordBatch, name: &str) -> Vec<Option<String>> {
    let column = batch.column_by_name(name).unwrap().as_string::<i32>();
    column.iter().map(|word| word.map(str::to_owned)).collect()
}

/// Values of an attribute in a piece of markup.
fn attribute(piece: &str, name: &str) -> Option<f64> {
    let value = piece.split(&format!(" data-{name}=\"")).nth(1)?;
    value.split('"').next()?.parse().ok()
}

#[test]
fn the_page_says_what_the_report_says() {
    let folder = tempfile::tempdir().unwrap();
    campaign(folder.path(), &["--episodes", "5", "--healers", "b3,b0"]);
    let (metrics, page) =
        (metrics(folder.path()), fs::read_to_string(folder.path().join("campaign.html")).unwrap());
    let mut told = 0;
    for piece in page.split("<span data-metric=\"").skip(1) {
        let name = piece.split('"').next().unwrap();
        let of = |name: String| metrics.get(&name).copied();
        assert_eq!(attribute(piece, "value"), of(name.to_owned()), "{name}");
        assert_eq!(attribute(piece, "low"), of(format!("{name}.low")), "{name}");
        assert_eq!(attribute(piece, "high"), of(format!("{name}.high")), "{name}");
        told += 1;
    }
    assert!(told >= 20, "{told} figures");
    assert!(page.matches("<svg").count() >= 4 && !page.contains("http"), "pictures, and nothing is loaded");
    // What is seen is listed with the command that explains it.
    let command = "theriac campaign --faults F27 --seed 1 --episodes 1 --weeks 0 --healers b3 --warm-up 300 --keep --data-dir again &amp;&amp; theriac explain --data-dir again/kept/b3-F27-1";
    assert!(page.contains(command), "{page}");
    // The same campaign gives the same page.
    campaign(folder.path(), &["--episodes", "5", "--healers", "b3,b0"]);
    assert_eq!(fs::read_to_string(folder.path().join("campaign.html")).unwrap(), page);
}

#[test]
fn what_is_held_out_is_one_row_and_has_no_name() {
    let folder = tempfile::tempdir().unwrap();
    let printed = campaign(folder.path(), &["--episodes", "4", "--healers", "b3,b0"]);
    let page = fs::read_to_string(folder.path().join("campaign.html")).unwrap();
    let report = fs::read_to_string(folder.path().join("report.json")).unwrap();
    let batch = table(folder.path());
    let mut cells = String::new();
    for name in ["healer", "kind", "fault", "cause_class", "place", "mode"] {
        words(&batch, name).into_iter().flatten().for_each(|word| cells.push_str(&format!("{word}\n")));
    }
    for code in HELD_OUT {
        let name = &record(code).unwrap().name;
        for (file, text) in [("terminal", &printed), ("page", &page), ("report", &report), ("table", &cells)]
        {
            for word in [code, name, &name.replace('_', " ")] {
                assert!(!text.contains(word), "{file} names a kind that is held out");
            }
        }
    }
    assert!(page.contains("all kinds held out") && page.contains("2 episodes of kinds that are held out"));
    assert_eq!(cells.matches("held out").count(), 2 * 2 * 4, "two episodes of two healers in four columns");
    // Behind a figure of one kind of those held out there is no name, but it is one.
    assert!(!metrics(folder.path()).contains_key("campaign.b3.held_out.worst_fault_healed_share"));
}

#[test]
fn the_table_holds_each_episode_as_it_was_played() {
    let folder = tempfile::tempdir().unwrap();
    campaign(folder.path(), &["--episodes", "5", "--healers", "b3,b0", "--modes", "single,concurrent"]);
    let batch = table(folder.path());
    let lines = fs::read_to_string(folder.path().join("episodes.jsonl")).unwrap();
    let played: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(batch.num_rows(), played.len());
    // Each row is that of an episode by what it cost, which no two have in common.
    let losses = batch.column_by_name("loss_s").unwrap().as_primitive::<Float64Type>();
    let (healers, modes) = (words(&batch, "healer"), words(&batch, "mode"));
    let seeds = batch.column_by_name("seed").unwrap().as_primitive::<UInt64Type>();
    let faults = batch.column_by_name("faults").unwrap().as_primitive::<UInt32Type>();
    let held_out = batch.column_by_name("held_out").unwrap().as_boolean();
    for one in &played {
        let fits = |row: &usize| {
            healers[*row].as_deref() == one["healer"].as_str()
                && Some(losses.value(*row)) == one["episode"]["loss"].as_f64()
        };
        let row = (0..batch.num_rows()).find(fits).unwrap();
        let mut key = one["job"].as_str().unwrap().split('/').skip(1);
        assert_eq!(Some(seeds.value(row)), key.next().unwrap().parse().ok());
        assert_eq!(modes[row].as_deref(), Some(key.next().unwrap_or("single")));
        let others = one["episode"]["others"].as_array().map_or(0, Vec::len);
        assert_eq!(faults.value(row) as usize, 1 + others);
        assert_eq!(Some(held_out.value(row)), one["held_out"].as_bool());
    }
    // Shares that are counted from it are those of the report.
    let (felt, recovered) =
        (batch.column_by_name("felt").unwrap().as_boolean(), batch.column_by_name("recover_s").unwrap());
    let of_b3 =
        || (0..batch.num_rows()).filter(|row| healers[*row].as_deref() == Some("b3") && felt.value(*row));
    let share = of_b3().filter(|row| recovered.is_valid(*row)).count() as f64 / of_b3().count() as f64;
    assert_eq!(metrics(folder.path())["campaign.b3.recovered"], share);
}

#[test]
fn modes_are_the_same_from_the_same_seed_and_leave_single_faults_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let run = |name: &str, more: &[&str]| {
        let at = folder.path().join(name);
        let arguments: Vec<&str> =
            ["--episodes", "2", "--healers", "b3"].iter().chain(more).copied().collect();
        campaign(&at, &arguments);
        let mut lines: Vec<String> =
            fs::read_to_string(at.join("episodes.jsonl")).unwrap().lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    let modes = ["--modes", "concurrent,cascade,intermittent"];
    let (first, again) = (run("first", &modes), run("again", &modes));
    assert_eq!(first, again);
    assert!(first.iter().all(|line| line.contains(r#""mode":"#)), "{first:?}");
    let (default, single) = (run("default", &[]), run("single", &["--modes", "single", "--mix", "uniform"]));
    assert_eq!(default, single);
    assert!(default.iter().all(|line| !line.contains(r#""mode":"#) && !line.contains(r#""others":"#)));
}

#[test]
fn the_table_of_healers_fits_a_terminal_of_100_characters() {
    let folder = tempfile::tempdir().unwrap();
    let printed = campaign(folder.path(), &["--episodes", "1", "--healers", "b0,b1,b2,b3,b4,b5"]);
    let lines = printed.lines().skip_while(|line| !line.starts_with("healer "));
    let table: Vec<&str> = lines.take(7).collect();
    assert!(table[0].contains("end to end") && table[0].contains("false claims"), "{printed}");
    assert!(table.iter().all(|line| line.chars().count() <= 100), "{table:?}");
    assert!(table[6].starts_with("b5 "), "{table:?}");
}

#[test]
fn modes_and_mixes_that_there_are_not_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().display().to_string();
    let refused = |more: &[&str]| {
        let fixed = ["campaign", "--weeks", "0", "--data-dir", &folder];
        let output = theriac(&fixed.iter().copied().chain(more.iter().copied()).collect::<Vec<_>>());
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    for (arguments, words) in [
        (
            ["--modes", "sideways"].as_slice(),
            "there is no mode `sideways`; there are single, concurrent, correlated, cascade, intermittent, during-healing",
        ),
        (&["--mix", "easy"], "there is no mix `easy`; there are uniform, prod, hard"),
        (
            &["--mix", "hard", "--faults", "F01"],
            "--mix hard has none of --faults F01: it is made of F13, F24",
        ),
        (&["--modes", "intermittent", "--faults", "F01"], "none of the chosen faults can come so"),
    ] {
        let (code, told) = refused(arguments);
        assert!(code == Some(2) && told.contains(words), "{told}");
    }
}
