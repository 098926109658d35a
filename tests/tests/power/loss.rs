//! A loss of power, as far as a file system promises nothing: of every file only what was forced
//! to the disk is left, and of every folder the entries that were.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
    sync::OnceLock,
    time::UNIX_EPOCH,
};

/// The library that notes what is forced to the disk, built once with the system's C compiler.
fn shim() -> &'static Path {
    static SHIM: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    let (_, path) = SHIM.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("shim.so");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/power/shim.c");
        let mut compiler = Command::new("cc");
        let status =
            compiler.args(["-O1", "-shared", "-fPIC", "-o"]).arg(&path).arg(source).status().unwrap();
        assert!(status.success(), "cc cannot build tests/tests/power/shim.c");
        (folder, path)
    });
    path
}

/// Exit code of a process whose power failed.
const FAILED: i32 = 137;

/// Notes of what a process forced to the disk.
pub(crate) struct Disk {
    log: PathBuf,
}

impl Disk {
    /// With its notes in a new file.
    pub(crate) fn new(log: PathBuf) -> Self {
        assert!(!log.exists());
        Self { log }
    }

    /// Runs a process whose power fails before the `cut`th call that forces something to the disk,
    /// if it comes so far. Gives whether it failed.
    pub(crate) fn run(&self, command: &mut Command, cut: usize) -> bool {
        command.env("LD_PRELOAD", shim()).env("THERIAC_POWER_LOG", &self.log);
        let output = command.env("THERIAC_POWER_CUT", cut.to_string()).output().unwrap();
        let failed = output.status.code() == Some(FAILED);
        let ended = |status: ExitStatus| failed || status.success();
        assert!(ended(output.status), "{}: {}", output.status, String::from_utf8_lossy(&output.stderr));
        failed
    }

    /// Calls so far that forced something to the disk.
    pub(crate) fn calls(&self) -> usize {
        self.notes().lines().filter(|line| *line == "synced").count()
    }

    fn notes(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Takes from a folder, which is itself safe, what a loss of power takes.
    pub(crate) fn lose(&self, folder: &Path) {
        let notes = self.notes();
        let (mut files, mut folders) = (BTreeMap::new(), BTreeMap::new());
        let mut last = "";
        for line in notes.lines() {
            match line.split_once(' ') {
                Some(("file", rest)) => {
                    let (identity, length) = rest.split_once(' ').unwrap();
                    files.insert(identity, length.parse().unwrap());
                }
                Some(("folder", identity)) => {
                    last = identity;
                    folders.insert(identity, BTreeSet::new());
                }
                Some(("entry", name)) => drop(folders.get_mut(last).unwrap().insert(name)),
                _ => {}
            }
        }
        lose_from(folder, &files, &folders);
    }
}

fn lose_from(folder: &Path, files: &BTreeMap<&str, u64>, folders: &BTreeMap<&str, BTreeSet<&str>>) {
    let safe = folders.get(identity(folder).as_str());
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if safe.is_none_or(|names| !names.contains(name)) {
            if path.is_dir() { fs::remove_dir_all(&path).unwrap() } else { fs::remove_file(&path).unwrap() }
        } else if path.is_dir() {
            lose_from(&path, files, folders);
        } else {
            let length = files.get(identity(&path).as_str()).copied().unwrap_or(0);
            let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
            file.set_len(length.min(file.metadata().unwrap().len())).unwrap();
        }
    }
}

/// As the library notes it.
fn identity(path: &Path) -> String {
    let metadata = fs::metadata(path).unwrap();
    let made =
        metadata.created().map_or_else(|_| Default::default(), |at| at.duration_since(UNIX_EPOCH).unwrap());
    format!("{}.{}.{}", metadata.ino(), made.as_secs(), made.subsec_nanos())
}
