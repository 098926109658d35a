//! The link to the folder of the running release.

use std::{
    fs, io,
    os::unix::fs::symlink,
    path::{Component, Path, PathBuf},
};

/// Where the link leads, as it is written.
pub(super) fn target(link: &Path) -> io::Result<PathBuf> {
    fs::read_link(link)
}

/// The target for the release of this version: the neighbour of the present one.
///
/// # Errors
/// If the version is no name of a folder, or there is no such folder.
pub(super) fn of_version(link: &Path, now: &Path, version: &str) -> Result<PathBuf, String> {
    let mut parts = Path::new(version).components();
    if !matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None)) {
        return Err(format!("version `{version}` is no name of a folder"));
    }
    let target = now.with_file_name(version);
    let folder = link.parent().unwrap_or(Path::new("/")).join(&target);
    if folder.is_dir() { Ok(target) } else { Err(format!("there is no release {}", folder.display())) }
}

/// Points the link to `target`. At no moment is there no link.
pub(super) fn point(link: &Path, target: &Path) -> io::Result<()> {
    let mut name = link.file_name().unwrap_or_default().to_owned();
    name.push(".theriac-new");
    let scratch = link.with_file_name(name);
    match fs::remove_file(&scratch) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    symlink(target, &scratch)?;
    fs::rename(&scratch, link)?;
    fs::File::open(link.parent().unwrap_or(Path::new("/")))?.sync_all()
}
