//! Real programs.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    time::{Duration, Instant},
};

use theriac_connectors::executor::{CommandExecutor, CommandSettings, Program};
use theriac_contract::{Command, Executor, Interval, Verdict};

use crate::command;

fn shell(script: &str) -> Program {
    let settings = serde_json::json!({ "program": "/bin/sh", "arguments": ["-c", script] });
    serde_json::from_value(settings).expect("good settings")
}

fn run(program: Program, timeout: Interval) -> (Verdict, String) {
    run_on(program, &command("restart", "cart/cart-2", timeout))
}

fn run_on(program: Program, command: &Command) -> (Verdict, String) {
    let programs = BTreeMap::from([("restart".to_owned(), program)]);
    CommandExecutor::new("local", CommandSettings { programs }).expect("good settings").execute(command)
}

const LONG: Interval = Interval::from_seconds(60);

#[test]
fn exit_codes_decide() {
    assert_eq!(run(shell("echo well; echo bad >&2"), LONG), (Verdict::Succeeded, "well\nbad".to_owned()));
    let (verdict, detail) = run(shell("echo no; exit 3"), LONG);
    assert_eq!((verdict, detail.as_str()), (Verdict::Failed { retryable: false }, "exit code 3: no"));
    assert_eq!(run(shell("exit 75"), LONG).0, Verdict::Failed { retryable: true });
    assert_eq!(run(shell("kill -9 $$"), LONG).0, Verdict::Unknown);
}

#[test]
fn arguments_stay_whole_and_are_no_options() {
    let mut command = command("restart", "cart/cart-2", LONG);
    let hostile = "a b; echo $(id) 'x' \"y\" > /tmp/z";
    command.action.parameters.insert("note".to_owned(), hostile.to_owned());
    let mut program = shell("unused");
    program.program = "/usr/bin/printf".into();
    program.arguments =
        ["[%s]", "{target}", "{target.service}", "{target.instance}", "v={param.note}", "{param.note}"]
            .map(str::to_owned)
            .into();
    let (verdict, detail) = run_on(program.clone(), &command);
    assert_eq!(verdict, Verdict::Succeeded);
    assert_eq!(detail, format!("[cart/cart-2][cart][cart-2][v={hostile}][{hostile}]"));

    command.action.parameters.insert("note".to_owned(), "--force".to_owned());
    assert!(run_on(program.clone(), &command).1.contains("looks like an option"));
    for (argument, words) in
        [("{param.absent}", "needs the parameter"), ("{target.zone}", "is not known"), ("{x", "lacks")]
    {
        program.arguments = vec![argument.to_owned()];
        let (verdict, detail) = run_on(program.clone(), &command);
        assert_eq!(verdict, Verdict::Failed { retryable: false });
        assert!(detail.contains(words), "{detail}");
    }
}

#[test]
fn the_environment_is_cleared() {
    let mut program = shell("unused");
    program.program = "/usr/bin/env".into();
    program.arguments.clear();
    program.environment_keep = vec!["PATH".to_owned(), "NO_SUCH_VARIABLE".to_owned()];
    program.environment = [("MODE".to_owned(), "heal".to_owned())].into();
    let (_, detail) = run(program, LONG);
    let names: Vec<&str> =
        detail.lines().filter_map(|line| line.split_once('=')).map(|(name, _)| name).collect();
    assert_eq!(names.len(), 2, "{detail}");
    assert!(names.contains(&"PATH") && detail.contains("MODE=heal"));
}

fn alive(pid: &str) -> bool {
    let stat = fs::read_to_string(Path::new("/proc").join(pid).join("stat")).unwrap_or_default();
    // A killed process that nobody has waited for yet is in state Z.
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

#[test]
fn the_whole_group_is_killed_at_the_timeout() {
    let folder = tempfile::tempdir().expect("a folder");
    let note = folder.path().join("pid");
    let script = format!("sleep 300 & echo $! > {}; wait", note.display());
    let began = Instant::now();
    let (verdict, detail) = run(shell(&script), Interval::from_seconds(2));
    assert_eq!(verdict, Verdict::TimedOut, "{detail}");
    assert!(began.elapsed() < Duration::from_secs(30));
    let grandchild = fs::read_to_string(note).expect("the grandchild began").trim().to_owned();
    let patience = Instant::now() + Duration::from_secs(10);
    while alive(&grandchild) && Instant::now() < patience {
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(!alive(&grandchild), "process {grandchild} is still there");
}

#[test]
fn a_flood_of_output_neither_blocks_nor_is_kept() {
    let mut program =
        shell("head -c 20000000 /dev/zero | tr '\\0' x; head -c 20000000 /dev/zero >&2; echo end >&2");
    program.output_bytes_max = 1000;
    let (verdict, detail) = run(program, LONG);
    assert_eq!(verdict, Verdict::Succeeded);
    assert!(detail.len() < 1100 && detail.starts_with("xxx"), "{}", detail.len());
}

#[test]
fn what_is_not_there_or_not_listed_is_not_run() {
    let mut program = shell("unused");
    program.program = "/no/such/program".into();
    assert_eq!(run(program, LONG).0, Verdict::Failed { retryable: false });
    let (verdict, detail) = run_on(shell("true"), &command("reboot", "host:a", LONG));
    assert_eq!(verdict, Verdict::Failed { retryable: false });
    assert!(detail.contains("no program is listed for the verb `reboot`"));
    let relative = Program { program: "sh".into(), ..shell("true") };
    let programs = BTreeMap::from([("restart".to_owned(), relative)]);
    assert!(CommandExecutor::new("local", CommandSettings { programs }).is_err());
}

#[test]
fn a_dry_run_runs_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let mark = folder.path().join("mark");
    let mut dry = command("restart", "cart", LONG);
    dry.dry_run = true;
    let (verdict, detail) = run_on(shell(&format!("touch {}", mark.display())), &dry);
    assert_eq!(verdict, Verdict::Succeeded);
    assert!(detail.starts_with("would run /bin/sh") && !mark.exists());
}
