//! Test executables, and the program, built with the bugs in them.

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;

use crate::suites::Suite;

/// What was built.
pub(crate) struct Built {
    /// The program, if a suite runs it.
    pub(crate) program: Option<PathBuf>,
    /// By package and name of the suite.
    executables: BTreeMap<(String, String), Executable>,
}

/// A test executable.
pub(crate) struct Executable {
    pub(crate) path: PathBuf,
    /// The folder of its package: where its tests expect to be run.
    pub(crate) package: PathBuf,
}

impl Built {
    /// Builds what these suites need. Those of single packages need no more than these, and neither a
    /// Kafka nor the program.
    pub(crate) fn for_suites(suites: &BTreeSet<Suite>) -> Self {
        let mut built = Self { program: None, executables: BTreeMap::new() };
        if suites.iter().any(Suite::needs_program) {
            built.add(&["--workspace", "--features", "theriac-tests/seeded-bugs"]);
            assert!(built.program.is_some(), "the program is built with the tests");
        } else {
            // One by one: together they would be built with each other's features.
            for package in suites.iter().map(|suite| suite.0).collect::<BTreeSet<&str>>() {
                let features = match package {
                    "theriac-contract" => "seeded-bugs",
                    _ => "theriac-contract/seeded-bugs",
                };
                built.add(&["--package", package, "--features", features]);
            }
        }
        built
    }

    fn add(&mut self, which: &[&str]) {
        let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        for (name, _) in env::vars_os() {
            // What cargo tells the processes that it starts: build scripts look at it, and half of all
            // packages would be built anew for nothing.
            let told = ["CARGO_MANIFEST_", "CARGO_PKG_", "CARGO_CRATE_", "CARGO_BIN_", "CARGO_PRIMARY_"];
            if told.iter().any(|begin| name.to_string_lossy().starts_with(begin)) {
                cargo.env_remove(name);
            }
        }
        let output = cargo
            .args(["test", "--quiet", "--no-run", "--message-format", "json"])
            .args(which)
            .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."))
            .stderr(Stdio::inherit())
            .output()
            .expect("cargo starts");
        assert!(output.status.success(), "the tests do not build: {which:?}");
        for line in String::from_utf8_lossy(&output.stdout).lines() {
            let Ok(message) = serde_json::from_str::<Value>(line) else { continue };
            let Some(path) = message["executable"].as_str().map(PathBuf::from) else { continue };
            let name = message["target"]["name"].as_str().unwrap_or_default().to_owned();
            if message["profile"]["test"] == true {
                let manifest = Path::new(message["manifest_path"].as_str().unwrap_or_default());
                let folder = manifest.parent().expect("a manifest lies in a folder").to_owned();
                let executable = Executable { path, package: folder };
                self.executables.insert((package_of(&message), name), executable);
            } else if name == "theriac" {
                self.program = Some(path);
            }
        }
    }

    /// The executable of a suite.
    pub(crate) fn executable(&self, suite: &Suite) -> &Executable {
        let key = (suite.0.to_owned(), suite.1.to_owned());
        self.executables.get(&key).unwrap_or_else(|| panic!("there is no suite `{suite}`"))
    }
}

/// Name of the package of a message: `path+file:///folder#name@version`, the name left out if it is the folder's.
fn package_of(message: &Value) -> String {
    let id = message["package_id"].as_str().unwrap_or_default();
    let (folder, rest) = id.rsplit_once('#').unwrap_or((id, ""));
    let name = rest.rsplit_once('@').map(|(name, _)| name);
    name.unwrap_or_else(|| folder.rsplit('/').next().unwrap_or_default()).to_owned()
}
