//! The program and all test executables, built with the bugs in them.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Stdio,
};

use serde_json::Value;
use theriac_tests::program::cargo;

/// What was built.
pub(crate) struct Built {
    /// The program.
    pub(crate) program: PathBuf,
    /// By the name of the suite.
    executables: BTreeMap<String, Executable>,
}

/// A test executable.
pub(crate) struct Executable {
    pub(crate) path: PathBuf,
    /// The folder of its package: where its tests expect to be run.
    pub(crate) package: PathBuf,
}

impl Built {
    /// Builds with the features that this runner was built with.
    pub(crate) fn all() -> Self {
        let output = cargo()
            .args(["test", "--quiet", "--workspace", "--no-run", "--message-format", "json"])
            .args(["--features", "theriac-tests/seeded-bugs"])
            .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
            .stderr(Stdio::inherit())
            .output()
            .expect("cargo starts");
        assert!(output.status.success(), "the tests do not build");
        let mut program = None;
        let mut executables = BTreeMap::new();
        for line in String::from_utf8_lossy(&output.stdout).lines() {
            let Ok(message) = serde_json::from_str::<Value>(line) else { continue };
            let Some(path) = message["executable"].as_str().map(PathBuf::from) else { continue };
            let name = message["target"]["name"].as_str().unwrap_or_default().to_owned();
            if message["profile"]["test"] == true {
                let manifest = Path::new(message["manifest_path"].as_str().unwrap_or_default());
                let package = manifest.parent().expect("a manifest lies in a folder").to_owned();
                executables.insert(name, Executable { path, package });
            } else if name == "theriac" {
                program = Some(path);
            }
        }
        Self { program: program.expect("the program is built with the tests"), executables }
    }

    /// The executable of a suite.
    pub(crate) fn executable(&self, name: &str) -> &Executable {
        self.executables.get(name).unwrap_or_else(|| panic!("there is no suite `{name}`"))
    }
}
