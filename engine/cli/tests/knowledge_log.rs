//! The log of facts as a user handles it: checked, carried elsewhere, branched, compacted; and the past
//! under another policy.

mod program;

use std::{fs, path::Path};

use program::{text, theriac};
use serde_json::Value;
use theriac_connectors::topics::{Embedded, Settings};
use theriac_contract::{Record, Topic, Topics};

/// A folder of the test, with paths in it as arguments.
struct Here(tempfile::TempDir);

impl Here {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    /// Runs `theriac knowledge` over one of its folders.
    fn knowledge(&self, folder: &str, arguments: &[&str]) -> String {
        text(&[&["knowledge"], arguments, &["--data-dir", &self.path(folder)]].concat())
    }

    /// What it says on standard error where it fails with a code.
    fn refused(&self, folder: &str, arguments: &[&str], code: i32) -> String {
        failed(&[&["knowledge"], arguments, &["--data-dir", &self.path(folder)]].concat(), code)
    }
}

fn failed(arguments: &[&str], code: i32) -> String {
    let output = theriac(arguments);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {told}");
    told
}

/// A past with a service that fails for a while.
fn past(here: &Here) -> String {
    let rows = (0..2400).map(|second| {
        let errors = if (1500..1800).contains(&second) { 90 + second % 7 } else { second % 5 };
        format!("2026-01-01T00:{:02}:{:02}Z,shop,{errors}\n", second / 60, second % 60)
    });
    let file = here.path("past.csv");
    fs::write(&file, format!("timestamp,service,errors\n{}", rows.collect::<String>())).expect("a file");
    file
}

fn replayed(here: &Here, folder: &str, more: &[&str]) {
    let (file, folder) = (past(here), here.path(folder));
    text(&[&["replay", &file, "--data-dir", &folder, "--output", "json"], more].concat());
}

/// The records of the facts in a folder.
fn records(folder: &str) -> Vec<Record> {
    let topics = Embedded::open_to_read(&Path::new(folder).join("topics")).expect("topics");
    let start = topics.start(Topic::Knowledge, 0);
    let read = topics.read(Topic::Knowledge, 0, start, usize::MAX).expect("facts");
    read.into_iter().map(|stored| stored.record).collect()
}

#[test]
fn what_was_changed_is_found() {
    let here = Here::new();
    replayed(&here, "run", &[]);
    let told = here.knowledge("run", &["verify"]);
    assert!(told.contains("are what was written; head "), "{told}");
    assert!(told.contains("keeps is what the log gives for version"), "{told}");
    let head = told.split("head ").nth(1).and_then(|rest| rest.split_whitespace().next()).expect("a head");
    here.knowledge("run", &["verify", "--head", head]);
    let noted = here.refused("run", &["verify", "--head", "00ff"], 1);
    assert!(noted.contains("no fact carries the head 00ff"), "{noted}");

    let facts = records(&here.path("run"));
    let write = |name: &str, facts: &[Record]| {
        let folder = Path::new(&here.path(name)).join("topics");
        let mut topics = Embedded::open(&folder, Settings::default()).expect("topics");
        topics.append(Topic::Knowledge, 0, facts).expect("room");
        topics.commit().expect("a disk");
    };
    let text_of = |record: &Record| String::from_utf8(record.value.clone()).expect("text");
    let changed = |index: usize, from: &str, to: &str| {
        let mut facts = facts.clone();
        let value = text_of(&facts[index]).replace(from, to);
        assert_ne!(value.as_bytes(), &facts[index].value[..], "{from} is not there");
        facts[index].value = value.into_bytes();
        facts
    };
    write("changed", &changed(1, "\"at\":\"2026", "\"at\":\"2025"));
    let told = here.refused("changed", &["verify"], 1);
    assert!(told.contains("knowledge/0: broken at offset 1: version 2 does not carry the digest"), "{told}");
    assert!(told.contains("export FILE --version 1` saves them"), "{told}");
    write("removed", &[&facts[..1], &facts[2..]].concat());
    let told = here.refused("removed", &["verify"], 1);
    assert!(told.contains("broken at offset 1: version 3 follows on version 1"), "{told}");
    // An end that is missing shows against what is kept beside the log.
    write("cut", &facts[..facts.len() - 1]);
    let told = here.knowledge("cut", &["verify"]);
    assert!(told.contains("no checkpoint here to hold it against"), "{told}");
    fs::rename(here.path("run/checkpoints"), here.path("cut/checkpoints")).expect("checkpoints");
    let told = here.refused("cut", &["verify"], 1);
    assert!(told.contains("facts were removed from the end; put the topic back from a backup"), "{told}");
    // What is sound can be saved from it, and checked where it is taken to.
    let saved = here.path("sound.json");
    here.knowledge("changed", &["export", &saved, "--version", "1"]);
    here.knowledge("sound", &["import", &saved]);
    let told = here.knowledge("sound", &["verify"]);
    assert!(told.contains("versions 1 to 1 are what was written"), "{told}");

    // Facts of a log that was begun before there was a chain.
    let mut old = facts;
    for record in &mut old {
        let value = text_of(record);
        let bare = value.split(",\"chain\"").next().expect("a part").to_owned() + "}";
        record.value = bare.into_bytes();
    }
    write("old", &old);
    let told = here.knowledge("old", &["verify"]);
    assert!(told.contains(&format!("versions 1 to {} carry no digest", old.len())), "{told}");
}

#[test]
fn facts_are_carried_elsewhere_and_back() {
    let here = Here::new();
    replayed(&here, "run", &[]);
    let (file, again) = (here.path("facts.json"), here.path("again.json"));
    here.knowledge("run", &["export", &file]);
    let told = here.knowledge("new", &["import", &file]);
    assert!(told.contains("facts taken with their versions; 0 were known"), "{told}");
    let log = |folder: &str| here.knowledge(folder, &["log", "--output", "json"]);
    assert_eq!(log("new"), log("run"));
    here.knowledge("new", &["verify"]);
    here.knowledge("new", &["export", &again]);
    assert_eq!(fs::read_to_string(&again).expect("a file"), fs::read_to_string(&file).expect("a file"));
    let told = here.knowledge("new", &["import", &file]);
    assert!(told.starts_with("0 facts taken"), "{told}");
    // Laid out otherwise, it still holds the same facts.
    let object: Value = serde_json::from_str(&fs::read_to_string(&file).expect("a file")).expect("JSON");
    let cut = fs::read_to_string(&file).expect("a file").replacen("\"entity_seen\"", "\"entity_felt\"", 1);
    fs::write(&again, cut).expect("a file");
    let told = here.refused("newer", &["import", &again], 2);
    assert!(told.contains("again.json") && told.contains("is no fact"), "{told}");
    assert_eq!(object["format"], "theriac knowledge");

    // Facts of another run are news where they are not known, and say what they contradict.
    fs::write(here.path("shop.yaml"), "services: [{ name: shop, calls: [bank] }]\n").expect("a file");
    fs::write(here.path("mall.yaml"), "services: [{ name: mall }]\n").expect("a file");
    for (name, topology) in [("a", "shop"), ("b", "mall")] {
        let config = format!("topology: {topology}.yaml\n");
        fs::write(here.path(&format!("{name}.yaml")), config).expect("a file");
        replayed(&here, name, &["-c", &here.path(&format!("{name}.yaml"))]);
    }
    let other = here.path("other.json");
    here.knowledge("b", &["export", &other]);
    let told = here.knowledge("a", &["import", &other]);
    assert!(told.contains("not taken: version 2 there, a file gives 1 nodes"), "{told}");
    assert!(told.contains("1 contradict what is known here"), "{told}");
    here.knowledge("a", &["verify"]);
}

/// What was brought here before the first round is known in it, and a recovery meets it where it lies.
#[test]
fn a_run_begins_with_what_is_known_on_a_branch() {
    let here = Here::new();
    replayed(&here, "run", &[]);
    let newest = here.knowledge("run", &["log"]).lines().count();
    here.knowledge("run", &["branch", "less", "--version", "3"]);
    here.knowledge("run", &["branch", "all"]);
    let listed = here.knowledge("run", &["branches"]);
    assert!(listed.contains("less: as the main line up to version 3, 0 facts of its own"), "{listed}");
    let told = here.refused("run", &["branch", "less"], 2);
    assert!(told.contains("there is a branch `less` already"), "{told}");
    let told = here.refused("run", &["log", "--branch", "more"], 2);
    assert!(told.contains("no branch `more`") && told.contains("there are all, less"), "{told}");
    assert_eq!(here.knowledge("run", &["diff", "3", "less"]), "");
    assert_eq!(here.knowledge("run", &["diff", "less", "all"]), here.knowledge("run", &["diff", "3"]));
    // What is done on a branch, the main line does not know.
    here.knowledge("run", &["rollback", "1", "--branch", "all"]);
    assert_eq!(here.knowledge("run", &["log"]).lines().count(), newest);
    assert_eq!(here.knowledge("run", &["log", "--branch", "all"]).lines().count(), newest + 1);

    let symptoms = text(&["tap", "symptoms", "--data-dir", &here.path("run")]);
    let first: Value = serde_json::from_str(symptoms.lines().next().expect("a symptom")).expect("JSON");
    let id = first["id"].as_str().expect("an id");
    here.knowledge("run", &["judge", id, "noise", "--branch", "less"]);
    let judged = here.knowledge("run", &["diff", "3", "less"]);
    assert!(judged.contains("0 right, 0 noise -> 0 right, 1 noise"), "{judged}");

    let known = here.path("run");
    let begun = ["--knowledge", &known, "--branch", "less"];
    replayed(&here, "one", &begun);
    let log = here.knowledge("one", &["log"]);
    assert_eq!(
        log.lines().take(3).collect::<Vec<_>>(),
        here.knowledge("run", &["log"]).lines().take(3).collect::<Vec<_>>()
    );
    here.knowledge("one", &["verify"]);
    // Without checkpoints every round is done again, and must give what is stored.
    let before = records(&here.path("one"));
    fs::remove_dir_all(here.path("one/checkpoints")).expect("checkpoints");
    replayed(&here, "one", &begun);
    assert!(records(&here.path("one")) == before, "a recovery wrote other facts");
    let told = failed(
        &["replay", &past(&here), "--data-dir", &here.path("one"), "--knowledge", &known, "--branch", "all"],
        2,
    );
    assert!(told.contains("was begun with other knowledge"), "{told}");

    let told = here.knowledge("run", &["merge", "less"]);
    assert!(told.contains("judged noise") && told.contains("\n1 facts taken; 0 were known"), "{told}");
    let told = here.knowledge("run", &["merge", "less"]);
    assert!(told.starts_with("0 facts taken; 1 were known"), "{told}");
    here.knowledge("run", &["verify"]);
}

/// Facts before it are gone; those after it, and the run itself, do not notice.
#[test]
fn a_compacted_log_goes_on() {
    let here = Here::new();
    replayed(&here, "run", &[]);
    let facts = records(&here.path("run"));
    let newest = facts.len();
    let before = here.knowledge("run", &["topology"]);
    here.knowledge("run", &["compact"]);
    assert_eq!(here.knowledge("run", &["diff", &newest.to_string()]), "", "it changes nothing");
    assert!(records(&here.path("run"))[..newest] == facts[..], "nothing was removed");
    let told = here.knowledge("run", &["compact", "--remove"]);
    assert!(told.contains(&format!("{} facts before it are removed", newest + 1)), "{told}");
    assert_eq!(records(&here.path("run")).len(), 1);
    let told = here.knowledge("run", &["verify"]);
    assert!(told.contains(&format!("versions {0} to {0} are what was written", newest + 2)), "{told}");
    let after = here.knowledge("run", &["topology"]);
    assert_eq!(after.lines().skip(1).collect::<Vec<_>>(), before.lines().skip(1).collect::<Vec<_>>());
    let told = here.refused("run", &["topology", "--version", "3"], 2);
    assert!(
        told.contains(&format!("there is no version 3: the log has versions {0} to {0}", newest + 2)),
        "{told}"
    );
    for without_checkpoints in [false, true] {
        if without_checkpoints {
            fs::remove_dir_all(here.path("run/checkpoints")).expect("checkpoints");
        }
        replayed(&here, "run", &[]);
        let told = here.knowledge("run", &["verify"]);
        assert!(told.contains("are what was written"), "{told}");
    }
    let told = here.refused("run", &["rollback", "3"], 2);
    assert!(told.contains("version 3 is too old to go back to"), "{told}");
}

/// A recorded demo, under the policy that it had, and under one that forbids what it did.
#[test]
fn another_policy_decides_otherwise() {
    let here = Here::new();
    let live = here.path("live");
    let healed = text(&["demo", "--record", "--data-dir", &live, "--output", "json"]);
    assert!(healed.contains("\"metrics\""), "{healed}");
    let policy = here.path("policy.yaml");
    fs::write(&policy, "plan: { dry_run: false, benefit_inside: 1.0, forbidden_verbs: [rollback_deploy] }\n")
        .expect("a file");
    let acting = here.path("acting.yaml");
    fs::write(&acting, "plan: { dry_run: false }\n").expect("a file");
    let diff = |policy: &str, more: &[&str]| {
        let all = ["replay", "--recorded", &live, "-c", &acting, "--policy", policy, "--diff"];
        text(&[&all, more].concat())
    };
    let same: Value = serde_json::from_str(&diff(&acting, &["--output", "json"])).expect("JSON");
    assert_eq!(same["differences"].as_array().map(Vec::len), Some(0), "{same}");
    assert!(same["decisions"]["before"].as_u64() > Some(3), "{same}");

    let told: Value = serde_json::from_str(&diff(&policy, &["--output", "json"])).expect("JSON");
    let differences = told["differences"].as_array().expect("differences");
    assert!(!differences.is_empty(), "{told}");
    let rolled_back = |one: &&Value| one["before"]["strategy"] == "rollback_deploy";
    let one = differences.iter().find(rolled_back).expect("a deploy was taken back");
    assert_ne!(one["after"]["strategy"], "rollback_deploy", "{one}");
    assert_eq!(one["before"]["would_act"], true);
    // What was done is a fact, what was not is an estimate.
    assert_eq!(one["before"]["outcome"]["fact"], "recovered", "{one}");
    let estimates = differences.iter().map(|one| &one["after"]["outcome"]["estimate"]);
    let estimate = estimates.into_iter().find(|one| one.is_object()).expect("something else that is done");
    let number = |name: &str| estimate[name].as_f64().expect("a number");
    assert!(0.0 < number("low") && number("low") < number("share") && number("share") < number("high"));
    for difference in differences {
        for side in ["before", "after"] {
            let steps = difference[side]["steps"].to_string();
            assert!(side == "before" || !steps.contains("rollback_deploy"), "{steps}");
        }
    }
    let times: Vec<&str> = differences.iter().filter_map(|one| one["at"].as_str()).collect();
    assert!(times.is_sorted(), "{times:?}");
    let text_of = diff(&policy, &[]);
    for part in [
        "the first that differs: ",
        "as configured  rollback_deploy on ",
        "fact: it was carried out, and recovered",
        "estimate: helps with ",
        "considered (hypothesis)",
        "rollback_deploy (1)",
    ] {
        assert!(text_of.contains(part), "{part} is not in: {text_of}");
    }
    let incident = one["incident"].as_str().expect("an id");
    let alone: Value = serde_json::from_str(&diff(&policy, &[incident, "--output", "json"])).expect("JSON");
    // The same each time, of that incident alone.
    let of_it: Vec<&Value> = differences.iter().filter(|one| one["incident"] == incident).collect();
    assert_eq!(alone["differences"].as_array().expect("some").iter().collect::<Vec<_>>(), of_it);
    let told = failed(&["replay", "nobody", "--recorded", &live, "--policy", &policy, "--diff"], 2);
    assert!(told.contains("no incident `nobody` was recorded"), "{told}");
    // The folder of the configuration is the recorded one, where none is named.
    fs::write(&acting, "data_dir: live\nplan: { dry_run: false }\n").expect("a file");
    let told = failed(&["replay", "incident-00", "-c", &acting, "--policy", &policy, "--diff"], 2);
    assert!(told.contains("no incident `incident-00` was recorded"), "{told}");

    // What only looked on regrets; what acted has nothing to regret in those incidents.
    let shadow = here.path("shadow");
    text(&["replay", "--recorded", &live, "--data-dir", &shadow, "--output", "json"]);
    let regret: Value =
        serde_json::from_str(&text(&["regret", "--data-dir", &shadow, "--output", "json"])).expect("JSON");
    let incidents = regret["incidents"].as_array().expect("incidents");
    let acting = incidents.iter().filter(|one| one["plan"]["acts"] == true);
    assert!(acting.clone().count() > 0, "{regret}");
    for one in acting {
        let saved: Vec<f64> =
            one["plan"]["saved"].as_array().expect("three").iter().filter_map(Value::as_f64).collect();
        assert!(saved[1] <= saved[0] && saved[0] <= saved[2], "{one}");
        assert!(saved[2] <= one["lasted"].as_f64().expect("seconds"), "more than it lasted: {one}");
    }
    let days = regret["days"].as_object().expect("days");
    let lasted = |object: &Value| object["lasted"].as_f64().expect("seconds");
    let of_days: f64 = days.values().map(lasted).sum();
    let of_incidents: f64 = incidents.iter().map(lasted).sum();
    assert!((of_days - of_incidents).abs() < 1e-6);
    let told = text(&["regret", "--data-dir", &shadow]);
    assert!(told.contains("(fact)") && told.contains("estimate: acting would have saved"), "{told}");
    let lived: Value =
        serde_json::from_str(&text(&["regret", "--data-dir", &live, "--output", "json"])).expect("JSON");
    assert!(lived["incidents"].as_array().expect("incidents").len() < incidents.len(), "{lived}");
}
