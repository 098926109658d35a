//! Text files that may be packed.

use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
};

use crate::ReadError;

/// Bytes of a file, unpacked, that are read at most.
const UNPACKED_BYTES_MAX: u64 = 256 << 20;

/// The path with one of the endings "", `.zst`, `.gz` at which a file lies.
pub(crate) fn find(path: &Path) -> Option<PathBuf> {
    ["", ".zst", ".gz"].iter().find_map(|ending| {
        let mut name = path.as_os_str().to_owned();
        name.push(ending);
        let there = PathBuf::from(name);
        there.is_file().then_some(there)
    })
}

/// The path at which the text was found, and the text.
pub(crate) fn text(path: &Path) -> Result<(PathBuf, String), ReadError> {
    let there = find(path).unwrap_or_else(|| path.to_owned());
    let failed = |source| ReadError::Io { path: there.clone(), source };
    let file = fs::File::open(&there).map_err(failed)?;
    let packed = there.extension().and_then(|extension| extension.to_str());
    let reader: Box<dyn Read> = match packed {
        Some("zst") => Box::new(zstd::Decoder::new(file).map_err(failed)?),
        Some("gz") => Box::new(flate2::read::MultiGzDecoder::new(file)),
        _ => Box::new(file),
    };
    let mut bytes = Vec::new();
    reader.take(UNPACKED_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > UNPACKED_BYTES_MAX {
        return Err(ReadError::malformed(&there, None, format!("more than {UNPACKED_BYTES_MAX} bytes")));
    }
    let text = String::from_utf8(bytes).map_err(|_| ReadError::malformed(&there, None, "not UTF-8"))?;
    Ok((there, text))
}

/// Names of the folders in a folder, sorted; numbers by their value.
pub(crate) fn folders(dir: &Path) -> Result<Vec<String>, ReadError> {
    let failed = |source| ReadError::Io { path: dir.to_owned(), source };
    let mut names = Vec::new();
    for entry in fs::read_dir(dir).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if let Some(name) = path.file_name().and_then(|name| name.to_str()).filter(|_| path.is_dir()) {
            names.push(name.to_owned());
        }
    }
    names.sort_by_key(|name| {
        let number = name.trim_start_matches(|letter: char| !letter.is_ascii_digit());
        (name[..name.len() - number.len()].to_owned(), number.parse().unwrap_or(0_u64), name.clone())
    });
    Ok(names)
}
