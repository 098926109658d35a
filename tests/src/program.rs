//! The real program, built once for each test executable and run as a user runs it.

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::OnceLock,
};

/// Cargo, as it would be started outside of a test: build scripts look at what it tells the
/// processes that it starts, and half of all packages would be built anew for nothing.
#[must_use]
pub fn cargo() -> Command {
    let mut cargo = Command::new(env!("CARGO"));
    for (name, _) in env::vars_os() {
        let told = ["CARGO_MANIFEST_", "CARGO_PKG_", "CARGO_CRATE_", "CARGO_BIN_", "CARGO_PRIMARY_"];
        if told.iter().any(|begin| name.to_string_lossy().starts_with(begin)) {
            cargo.env_remove(name);
        }
    }
    cargo
}

/// The program that `THERIAC_PROGRAM` names; or else builds `theriac` without SQL (which none of
/// these tests needs) in the profile and target folder of the test executable, and gives its path.
///
/// # Panics
/// If it cannot be built.
#[must_use]
pub fn path() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| {
        if let Some(path) = env::var_os("THERIAC_PROGRAM") {
            return PathBuf::from(path);
        }
        // <target>/<profile>/deps/<test executable>
        let test = env::current_exe().expect("a test has a path");
        let profile = test.ancestors().nth(2).expect("a test lies in <target>/<profile>/deps");
        let mut build = cargo();
        build.args(["build", "--quiet", "--package", "theriac", "--no-default-features"]);
        build.args(["--features", "kafka,object-store"]);
        if profile.ends_with("release") {
            build.arg("--release");
        }
        if let Some(target) = profile.parent() {
            build.arg("--target-dir").arg(target);
        }
        let status = build.current_dir(env!("CARGO_MANIFEST_DIR")).status().expect("cargo starts");
        assert!(status.success(), "theriac does not build");
        profile.join(format!("theriac{}", env::consts::EXE_SUFFIX))
    })
}

/// The program, to be started in a folder with these arguments and nothing on its input.
pub fn command<A: AsRef<std::ffi::OsStr>>(folder: &Path, arguments: &[A]) -> Command {
    let mut command = Command::new(path());
    command.current_dir(folder).args(arguments).stdin(Stdio::null());
    command
}

/// How a run ended.
#[derive(Clone, Debug)]
pub struct Ended {
    /// Exit code; −1 if a signal ended it.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

/// Runs the program in a folder to its end.
///
/// # Panics
/// If it cannot be started, or panics.
pub fn run<A: AsRef<std::ffi::OsStr>>(folder: &Path, arguments: &[A]) -> Ended {
    let Output { status, stdout, stderr } =
        command(folder, arguments).output().expect("the program that was built starts");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    let ended = Ended { code: status.code().unwrap_or(-1), out: text(stdout), err: text(stderr) };
    assert!(!ended.err.contains("panicked"), "a panic: {}", ended.err);
    ended
}

/// As [`run`], for what must go well; gives standard output.
///
/// # Panics
/// If it does not exit with 0.
pub fn run_well<A: AsRef<std::ffi::OsStr>>(folder: &Path, arguments: &[A]) -> String {
    let ended = run(folder, arguments);
    assert_eq!(ended.code, 0, "{}", ended.err);
    ended.out
}

/// The bytes of every file in the `topics` and `checkpoints` of a data folder, by path.
/// Folders count too, so that one left behind is seen.
///
/// # Panics
/// If one cannot be read.
#[must_use]
pub fn stored(data_dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    fn collect(folder: &Path, root: &Path, into: &mut BTreeMap<PathBuf, Vec<u8>>) {
        for entry in fs::read_dir(folder).expect("a folder that the program wrote") {
            let path = entry.expect("an entry of it").path();
            let name = path.strip_prefix(root).expect("it lies below").to_owned();
            if path.is_dir() {
                into.insert(name, Vec::new());
                collect(&path, root, into);
            } else {
                into.insert(name, fs::read(&path).expect("a file that the program wrote"));
            }
        }
    }
    let mut files = BTreeMap::new();
    for part in ["topics", "checkpoints"] {
        collect(&data_dir.join(part), data_dir, &mut files);
    }
    files
}

/// Fails with the first paths in which two data folders differ.
///
/// # Panics
/// If they differ.
pub fn assert_same(expected: &BTreeMap<PathBuf, Vec<u8>>, data_dir: &Path, what: &str) {
    let found = stored(data_dir);
    let mut wrong: Vec<String> = Vec::new();
    for (path, bytes) in expected {
        match found.get(path) {
            None => wrong.push(format!("{} is missing", path.display())),
            Some(other) if other != bytes => {
                let at = bytes.iter().zip(other).take_while(|(a, b)| a == b).count();
                wrong.push(format!(
                    "{} differs at byte {at} ({} bytes, not {})",
                    path.display(),
                    other.len(),
                    bytes.len()
                ));
            }
            Some(_) => {}
        }
    }
    wrong.extend(
        found.keys().filter(|path| !expected.contains_key(*path)).map(|p| format!("{} is new", p.display())),
    );
    assert!(wrong.is_empty(), "{what}: {}", wrong.join("; "));
}
