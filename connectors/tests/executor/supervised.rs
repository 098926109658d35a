//! Real services as real processes.

use std::{
    fs,
    net::TcpListener,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use theriac_connectors::executor::{
    Ledger, LedgerLimits, ProcessExecutor, Settings, check,
    process::{Inverse, Verb},
};
use theriac_contract::{Command, Executor, Id, Interval, Verdict};

use crate::{clock, command};

const LONG: Interval = Interval::from_seconds(60);

/// A folder with a service `cart` that notes each of its starts, with the release that it is of.
struct Shop {
    folder: tempfile::TempDir,
    settings: Value,
}

impl Shop {
    fn new() -> Self {
        Self::with("while true; do sleep 0.02; done")
    }

    /// A service that does this after it has noted its start.
    fn with(what_it_does: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        for version in ["v1", "v2", "v3"] {
            fs::create_dir_all(folder.path().join("releases").join(version)).expect("a release");
            fs::write(folder.path().join("releases").join(version).join("name"), version).expect("written");
        }
        symlink("releases/v1", folder.path().join("current")).expect("a link");
        let starts = folder.path().join("starts");
        let script = format!("echo \"$$ $(cat name)\" >> {}; {what_it_does}", starts.display());
        let settings = json!({
            "folder": folder.path().join("managed"),
            "services": { "cart": {
                "program": "/bin/sh",
                "arguments": ["-c", script],
                "environment_keep": ["PATH"],
                "directory": folder.path().join("current"),
                "release": folder.path().join("current"),
                "stop_grace": "300ms",
            } },
        });
        Self { folder, settings }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn cart(&mut self) -> &mut Value {
        &mut self.settings["services"]["cart"]
    }

    /// An executor as a process that begins anew has it.
    fn executor(&self) -> ProcessExecutor {
        let settings = serde_json::from_value(self.settings.clone()).expect("good settings");
        ProcessExecutor::new("local", settings).expect("good settings")
    }

    fn well(&self, verb: &str) -> String {
        let (verdict, detail) = self.executor().execute(&command(verb, "cart", LONG));
        assert_eq!(verdict, Verdict::Succeeded, "{detail}");
        detail
    }

    fn refused(&self, command: &Command) -> String {
        let (verdict, detail) = self.executor().execute(command);
        assert_eq!(verdict, Verdict::Failed { retryable: false }, "{detail}");
        detail
    }

    /// Number and release of each start.
    fn starts(&self) -> Vec<(u32, String)> {
        let text = fs::read_to_string(self.path("starts")).unwrap_or_default();
        let starts = text.lines().map(|line| line.split_once(' ').expect("two words"));
        starts.map(|(pid, release)| (pid.parse().expect("a number"), release.to_owned())).collect()
    }

    fn pid(&self) -> u32 {
        self.starts().last().expect("it was started").0
    }

    fn link(&self) -> String {
        fs::read_link(self.path("current")).expect("a link").display().to_string()
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        self.executor().execute(&command("stop", "cart", LONG));
    }
}

fn runs(pid: u32) -> bool {
    let stat = fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

fn kill(signal: &str, pid: u32) {
    let sent = std::process::Command::new("kill").args([signal, &pid.to_string()]).status();
    assert!(sent.expect("kill").success());
}

fn until(what: impl Fn() -> bool) {
    let begin = Instant::now();
    while !what() {
        assert!(begin.elapsed() < Duration::from_secs(20), "waited in vain");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn version(version: &str) -> Command {
    let mut command = command("rollback_deploy", "cart", LONG);
    command.action.parameters.insert("version".to_owned(), version.to_owned());
    command
}

fn undoing(done: &Command) -> Command {
    let mut undo = Command { compensation: true, ..done.clone() };
    undo.idempotency_key = Id::derive("compensation", &[done.idempotency_key.as_str()]);
    undo.action.parameters.clear();
    undo
}

#[test]
fn it_is_started_once_and_taken_over_by_whoever_comes_next() {
    let shop = Shop::new();
    assert!(shop.well("start").contains("undone by stop"));
    until(|| !shop.starts().is_empty());
    let pid = shop.pid();
    assert!(runs(pid));
    assert!(shop.well("start").starts_with(&format!("it runs already, pid {pid}")));
    assert_eq!(shop.starts().len(), 1);
    assert!(shop.well("stop").starts_with(&format!("pid {pid} ended")), "ended by itself");
    assert!(!runs(pid));
    assert!(shop.well("stop").starts_with("it did not run"));
}

#[test]
fn killed_before_its_number_was_noted_it_is_found_by_its_mark() {
    let shop = Shop::new();
    shop.well("start");
    until(|| !shop.starts().is_empty());
    let note = shop.path("managed/cart.json");
    let mut record: Value = serde_json::from_slice(&fs::read(&note).expect("the note")).expect("JSON");
    (record["process"], record["starting"]) = (Value::Null, json!(true));
    fs::write(&note, record.to_string()).expect("written");
    assert!(shop.well("start").starts_with(&format!("it runs already, pid {}", shop.pid())));
    assert_eq!(shop.starts().len(), 1, "it was not started twice");
}

#[test]
fn what_a_killed_one_left_running_is_no_service_and_is_cleared_away() {
    let mut shop = Shop::new();
    let script = format!(
        "echo \"$$ $(cat name)\" >> {}; sleep 300 & echo $! >> {}; setsid sleep 20 & wait",
        shop.path("starts").display(),
        shop.path("children").display()
    );
    shop.cart()["arguments"] = json!(["-c", script]);
    shop.well("start");
    let child = || fs::read_to_string(shop.path("children")).ok()?.lines().next()?.parse::<u32>().ok();
    until(|| child().is_some());
    let (child, main) = (child().expect("a number"), shop.pid());
    kill("-KILL", main);
    until(|| !runs(main));
    assert!(runs(child), "it outlives its parent");
    let said = shop.well("restart");
    assert!(said.starts_with("it had ended, and a process that it left was killed; started"), "{said}");
    until(|| !runs(child));
    until(|| shop.starts().len() == 2);
    assert_ne!(shop.pid(), main);
}

#[test]
fn another_process_with_its_number_is_left_alone() {
    let shop = Shop::new();
    shop.well("start");
    until(|| !shop.starts().is_empty());
    let mut other =
        std::process::Command::new("sleep").arg("60").stdin(Stdio::null()).spawn().expect("sleep");
    let note = shop.path("managed/cart.json");
    let mut record: Value = serde_json::from_slice(&fs::read(&note).expect("the note")).expect("JSON");
    kill("-KILL", shop.pid());
    until(|| !runs(shop.pid()));
    record["process"]["pid"] = json!(other.id());
    fs::write(&note, record.to_string()).expect("written");
    assert!(shop.well("stop").starts_with("it did not run"));
    assert!(other.try_wait().expect("a child").is_none(), "somebody else's process was ended");
    other.kill().expect("a child");
    other.wait().expect("a child");
}

#[test]
fn one_that_hangs_is_killed_after_the_grace_with_all_its_children() {
    let shop = Shop::with("trap '' TERM; sleep 300 & wait; sleep 300");
    shop.well("start");
    until(|| !shop.starts().is_empty());
    let pid = shop.pid();
    kill("-STOP", pid);
    let said = shop.well("restart");
    assert!(said.starts_with(&format!("pid {pid} did not end by itself and was killed; started")), "{said}");
    assert!(said.ends_with("cannot be undone: what the process held in memory is gone"), "{said}");
    assert!(!runs(pid));
    let group = |pid: u32| {
        let all =
            fs::read_dir("/proc").expect("proc").filter_map(|e| e.ok()?.file_name().to_str()?.parse().ok());
        let of = |member: &u32| {
            let stat = fs::read_to_string(format!("/proc/{member}/stat")).unwrap_or_default();
            let rest = stat.rsplit_once(") ").map(|(_, rest)| rest.to_owned()).unwrap_or_default();
            rest.split(' ').nth(2) == Some(&pid.to_string()) && !rest.starts_with('Z')
        };
        all.filter(of).count()
    };
    until(|| group(pid) == 0);
}

#[test]
fn one_that_does_not_get_well_failed_and_may_be_tried_again() {
    let mut shop = Shop::new();
    let free = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = free.local_addr().expect("an address").to_string();
    shop.cart()["health"] = json!({ "tcp": address });
    shop.cart()["healthy_within"] = json!("300ms");
    shop.well("start");
    drop(free);
    let (verdict, detail) = shop.executor().execute(&command("restart", "cart", LONG));
    assert_eq!(verdict, Verdict::Failed { retryable: true });
    assert!(detail.contains("but it is not well: "), "{detail}");
    shop.cart()["arguments"] = json!(["-c", "exit 3"]);
    let (verdict, detail) = shop.executor().execute(&command("restart", "cart", LONG));
    assert_eq!(verdict, Verdict::Failed { retryable: true });
    assert!(detail.ends_with("its process ended at once"), "{detail}");
}

#[test]
fn a_release_is_rolled_back_and_the_rollback_taken_back() {
    let shop = Shop::new();
    shop.well("start");
    fs::remove_file(shop.path("current")).expect("the link");
    symlink("releases/v2", shop.path("current")).expect("a link");
    shop.well("restart");
    until(|| shop.starts().len() == 2);

    // Without a version, the one before; another attempt under the same key does not go further back.
    let back = command("rollback_deploy", "cart", LONG);
    let ledger = |name: &str| {
        Ledger::open(&shop.path(name), LedgerLimits::default(), shop.executor()).expect("a ledger")
    };
    let (verdict, said) = ledger("a").execute(&back);
    assert_eq!(verdict, Verdict::Succeeded, "{said}");
    assert!(said.contains("now leads to releases/v1, not releases/v2"), "{said}");
    assert!(said.ends_with("undone by rollback_deploy"), "{said}");
    until(|| shop.starts().len() == 3);
    assert_eq!(ledger("a").execute(&back), (verdict, said), "answered from the ledger");
    assert_eq!(shop.starts().len(), 3, "a repeated key did not act");
    assert_eq!(ledger("b").execute(&Command { attempt: 2, ..back.clone() }).0, Verdict::Succeeded);
    assert_eq!(shop.link(), "releases/v1");

    assert_eq!(ledger("a").execute(&undoing(&back)).0, Verdict::Succeeded);
    assert_eq!(shop.link(), "releases/v2");
    assert_eq!(shop.executor().execute(&version("v3")).0, Verdict::Succeeded);
    until(|| shop.starts().last().is_some_and(|(_, release)| release == "v3"));
    assert_eq!(shop.link(), "releases/v3");
}

#[test]
fn what_cannot_be_rolled_back_is_refused_before_anything_is_done() {
    let mut shop = Shop::new();
    shop.well("start");
    until(|| !shop.starts().is_empty());
    assert!(shop.refused(&version("v9")).contains("there is no release "));
    for hostile in ["../../etc", "/etc", "..", ""] {
        assert!(shop.refused(&version(hostile)).ends_with("is no name of a folder"), "{hostile}");
    }
    let before = shop.refused(&command("rollback_deploy", "cart", LONG));
    assert!(before.ends_with("the release before is not known; name it in the parameter `version`"));
    let undo = shop.refused(&undoing(&command("rollback_deploy", "cart", LONG)));
    assert!(undo.ends_with("no rollback is remembered that it takes back"), "{undo}");
    shop.cart()["release"] = Value::Null;
    assert!(shop.refused(&version("v2")).ends_with("name the link to them in services.cart.release"));
    assert_eq!((shop.starts().len(), shop.link().as_str()), (1, "releases/v1"));
}

#[test]
fn a_checkpoint_is_restored_while_the_service_is_stopped() {
    let mut shop = Shop::new();
    let script = format!(
        "kill -0 $(head -1 {starts} | cut -d' ' -f1) 2>/dev/null && exit 9; echo \"$1\" > {restored}",
        starts = shop.path("starts").display(),
        restored = shop.path("restored").display()
    );
    shop.well("start");
    until(|| !shop.starts().is_empty());
    let mut restore = command("restore", "cart", LONG);
    assert!(shop.refused(&restore).ends_with("nothing is named that does it: services.cart.restore"));
    shop.well("start");
    until(|| shop.starts().len() == 2);
    fs::write(shop.path("starts"), format!("{} v1\n", shop.pid())).expect("written");
    shop.cart()["restore"] = json!({ "program": "/bin/sh", "arguments": ["-c", script, "restore", "{param.checkpoint}"], "environment_keep": ["PATH"] });
    restore.action.parameters.insert("checkpoint".to_owned(), "night-7".to_owned());
    let (verdict, said) = shop.executor().execute(&restore);
    assert_eq!(verdict, Verdict::Succeeded, "{said}");
    assert!(said.ends_with("cannot be undone: what was written after the checkpoint is gone"), "{said}");
    assert_eq!(fs::read_to_string(shop.path("restored")).expect("restored"), "night-7\n");
    until(|| shop.starts().len() == 2);
}

#[test]
fn what_was_done_is_taken_back_while_the_service_runs() {
    let mut shop = Shop::new();
    shop.well("start");
    until(|| !shop.starts().is_empty());
    let script =
        format!("test \"$1\" = order-7 || exit 3; echo \"$1\" >> {}", shop.path("taken_back").display());
    shop.cart()["compensate"] =
        json!({ "program": "/bin/sh", "arguments": ["-c", script, "compensate", "{param.what}"] });
    let mut compensate = command("compensate", "cart", LONG);
    let missing = shop.refused(&compensate);
    assert!(missing.ends_with("argument `{param.what}` needs the parameter `what`"), "{missing}");
    compensate.action.parameters.insert("what".to_owned(), "order-7".to_owned());
    assert_eq!(shop.executor().execute(&compensate).0, Verdict::Succeeded);
    assert_eq!(fs::read_to_string(shop.path("taken_back")).expect("taken back"), "order-7\n");
    compensate.action.parameters.insert("what".to_owned(), "order-8".to_owned());
    assert!(shop.refused(&compensate).contains("exit code 3"));
    assert!(runs(shop.pid()) && shop.starts().len() == 1, "it was not stopped");
}

#[test]
fn dry_runs_and_refusals_do_nothing() {
    let shop = Shop::new();
    let dry = |verb: &str| {
        let dry = Command { dry_run: true, ..command(verb, "cart/cart-1", LONG) };
        shop.executor().execute(&dry)
    };
    let told = "would restart cart (not running); cannot be undone: what the process held in memory is gone";
    assert_eq!(dry("restart"), (Verdict::Succeeded, told.to_owned()));
    assert_eq!(dry("rollback_deploy").0, Verdict::Failed { retryable: false }, "it would be refused");
    assert!(!shop.path("managed").exists() && shop.starts().is_empty());
    assert_eq!(
        shop.refused(&command("isolate", "cart", LONG)),
        "`isolate` is not supported for processes; supported are start, stop, restart, rollback_deploy, restore, compensate"
    );
    let stranger = shop.refused(&command("restart", "payment", LONG));
    assert_eq!(stranger, "payment is not managed here; managed are cart");
}

#[test]
fn inverses_are_inverse_to_each_other() {
    for verb in Verb::ALL {
        assert_eq!(Verb::named(verb.name()), Ok(verb));
        match verb.inverse() {
            Inverse::By(undo) => assert_eq!(undo.inverse(), Inverse::By(verb)),
            Inverse::Irreversible(why) => assert!(!why.is_empty()),
        }
    }
}

#[test]
fn settings_that_cannot_be_are_refused_with_their_place() {
    let refusal = |change: &dyn Fn(&mut Value)| {
        let mut local = Shop::new().settings.clone();
        local["kind"] = json!("process");
        change(&mut local);
        let settings = json!({ "executors": { "local": local }, "ledger": "/tmp/ledger" });
        let settings: Settings = serde_json::from_value(settings).expect("they can be read");
        check(&settings, None, &clock()).expect_err("refused").to_string()
    };
    let place = "executor `local`: services.cart";
    assert_eq!(
        refusal(&|s| s["services"]["cart"]["program"] = json!("sh")),
        format!("{place}.program `sh` must be an absolute path")
    );
    assert_eq!(
        refusal(&|s| s["services"]["cart"]["health"] = json!({ "tcp": "8080" })),
        format!("{place}.health.tcp `8080` must be host:port")
    );
    assert_eq!(
        refusal(&|s| s["services"]["cart"]["health"] = json!({ "http": "localhost" })),
        format!("{place}.health.http `localhost` must begin with http:// or https://")
    );
    assert_eq!(
        refusal(&|s| s["services"] = json!({})),
        "executor `local`: `services` names none; name those that it may start and stop"
    );
    let mut unsafe_ledger = Shop::new().settings.clone();
    unsafe_ledger["kind"] = json!("process");
    let settings = serde_json::from_value(json!({ "executors": { "local": unsafe_ledger } })).expect("read");
    let text = check(&settings, None, &clock()).expect_err("refused").to_string();
    assert!(text.ends_with("it really acts, so `ledger` must name a file that keeps what was done"));
}

#[test]
fn one_thing_at_a_time_is_done_to_a_service() {
    let mut shop = Shop::with("trap '' TERM; touch deaf; while true; do sleep 0.02; done");
    shop.cart()["stop_grace"] = json!("3s");
    shop.well("start");
    // Before it is deaf it would stop at once, and nobody would see that it is being stopped.
    until(|| shop.path("current/deaf").exists());
    let executor = Arc::new(shop.executor());
    let slow = Arc::clone(&executor);
    let stopping = std::thread::spawn(move || slow.execute(&command("stop", "cart", LONG)));
    let busy = (Verdict::Failed { retryable: true }, "something else is being done to cart".to_owned());
    until(|| executor.execute(&Command { dry_run: true, ..command("restart", "cart", LONG) }) == busy);
    assert_eq!(stopping.join().expect("no panic").0, Verdict::Succeeded);
    assert!(!runs(shop.pid()));
}
