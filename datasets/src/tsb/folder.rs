//! Which layout a folder has that nobody has seen before.

use std::path::{Path, PathBuf};

use super::{recording::Recording, series, smd};
use crate::{ReadError, nab::Corpus};

/// What a folder holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Folder {
    /// The layout of NAB.
    Nab(Corpus),
    /// The layout of SMD.
    Smd(Vec<Recording>),
    /// One CSV for each recording.
    Series(Vec<Recording>),
}

/// A folder cannot be evaluated.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// It is not there.
    #[error("{0} is not a folder")]
    NotThere(PathBuf),
    /// No layout fits.
    #[error(
        "{dir}: no data set that can be told. Expected one of\n  \
         NAB: data/CATEGORY/FILE.csv (timestamp,value) and labels/combined_windows.json{nab}\n  \
         SMD: test/NAME.txt and test_label/NAME.txt, train/NAME.txt if there is one{smd}\n  \
         CSV: [CATEGORY/]NAME.csv whose last column is `label`; none is here"
    )]
    Unknown {
        /// Folder.
        dir: PathBuf,
        /// What of NAB's layout is here.
        nab: String,
        /// What of SMD's layout is here.
        smd: String,
    },
    /// A layout, but not as it should be.
    #[error("in the layout of {layout}, {error}")]
    Read {
        /// Which.
        layout: &'static str,
        /// What is wrong.
        error: ReadError,
    },
}

/// Reads a folder in the layout that it has: NAB's, SMD's, or one CSV for each recording.
///
/// # Errors
/// If it has none of them, or a file is not as the layout has it.
pub fn open(dir: &Path) -> Result<Folder, FolderError> {
    if !dir.is_dir() {
        return Err(FolderError::NotThere(dir.to_owned()));
    }
    let nab = [dir.join("data").is_dir(), dir.join("labels/combined_windows.json").is_file()];
    let smd = [dir.join("test").is_dir(), dir.join("test_label").is_dir()];
    let read = |layout| move |error| FolderError::Read { layout, error };
    if nab == [true; 2] {
        Ok(Folder::Nab(Corpus::open(dir).map_err(read("NAB"))?))
    } else if smd == [true; 2] {
        Ok(Folder::Smd(smd::open(dir).map_err(read("SMD"))?))
    } else if nab == [false; 2] && smd == [false; 2] && series::is_there(dir) {
        Ok(Folder::Series(series::open(dir).map_err(read("one CSV for each recording"))?))
    } else {
        let nab = half(nab, ["data/", "labels/combined_windows.json"]);
        let smd = half(smd, ["test/", "test_label/"]);
        Err(FolderError::Unknown { dir: dir.to_owned(), nab, smd })
    }
}

/// Says which half of a layout is here, if one is.
fn half(here: [bool; 2], names: [&str; 2]) -> String {
    match here {
        [true, false] => format!(" (it has {}, but not {})", names[0], names[1]),
        [false, true] => format!(" (it has {}, but not {})", names[1], names[0]),
        _ => String::new(),
    }
}
