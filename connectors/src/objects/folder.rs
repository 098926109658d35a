//! Objects as the files of a folder.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use theriac_contract::{
    ObjectError, Objects,
    seeded::{self, Bug},
};

/// How the name of a file ends that is not whole yet.
const HALF: &str = "new";

/// A folder of its own on a disk.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    /// Opens the folder, making it if need be. Removes files that a process that was killed has
    /// half written.
    ///
    /// # Errors
    /// If it cannot be made, or a remnant not be removed.
    pub fn open(path: &Path) -> Result<Self, ObjectError> {
        let folder = Self { path: path.to_owned() };
        let made = fs::create_dir_all(path).and_then(|()| {
            // A folder that its own does not know of yet is lost with the power.
            if let Some(above) = path.parent().filter(|above| !above.as_os_str().is_empty()) {
                File::open(above)?.sync_all()?;
            }
            for entry in fs::read_dir(path)? {
                let file = entry?.path();
                if file.extension().is_some_and(|extension| extension == HALF) {
                    fs::remove_file(&file)?;
                }
            }
            Ok(())
        });
        made.map_err(|error| folder.unavailable("opening the folder", &error))?;
        Ok(folder)
    }

    fn unavailable(&self, what: &str, error: &io::Error) -> ObjectError {
        ObjectError::Unavailable {
            place: self.path.display().to_string(),
            what: what.to_owned(),
            reason: error.to_string(),
        }
    }

    fn sync(&self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()
    }
}

impl Objects for Folder {
    fn put(&self, name: &str, bytes: Vec<u8>) -> Result<(), ObjectError> {
        let half = self.path.join(format!("{name}.{HALF}"));
        let write = || {
            let mut file = File::create(&half)?;
            file.write_all(&bytes)?;
            if !seeded::on(Bug::CheckpointNotSynced) {
                file.sync_all()?;
            }
            fs::rename(&half, self.path.join(name))?;
            self.sync()
        };
        write().map_err(|error| self.unavailable(&format!("writing {name}"), &error))
    }

    fn get(&self, name: &str) -> Result<Vec<u8>, ObjectError> {
        let path = self.path.join(name);
        // A disk that cannot read a file reads others: the one before is still good.
        fs::read(&path).map_err(|error| ObjectError::Unreadable {
            name: path.display().to_string(),
            reason: error.to_string(),
        })
    }

    fn list(&self) -> Result<Vec<String>, ObjectError> {
        let mut names = Vec::new();
        let read = || {
            for entry in fs::read_dir(&self.path)? {
                let entry = entry?;
                if entry.file_type()?.is_file() {
                    names.extend(entry.file_name().into_string().ok());
                }
            }
            names.sort_unstable();
            Ok(names)
        };
        read().map_err(|error: io::Error| self.unavailable("listing it", &error))
    }

    fn delete(&self, name: &str) -> Result<(), ObjectError> {
        match fs::remove_file(self.path.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(self.unavailable(&format!("removing {name}"), &error))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_is_there_until_it_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b");
        let objects = Folder::open(&path).unwrap();
        objects.put("y", b"1".to_vec()).unwrap();
        objects.put("x.z", b"22".to_vec()).unwrap();
        objects.put("y", b"333".to_vec()).unwrap();
        fs::create_dir(path.join("w")).unwrap();
        fs::write(path.join("x.new"), "half").unwrap();
        let objects = Folder::open(&path).unwrap();
        assert_eq!(objects.list().unwrap(), ["x.z", "y"]);
        assert_eq!(objects.get("y").unwrap(), b"333");
        for _ in 0..2 {
            objects.delete("y").unwrap();
        }
        assert!(matches!(objects.get("y"), Err(ObjectError::Unreadable { .. })));
        fs::remove_dir_all(&path).unwrap();
        assert!(matches!(objects.put("y", Vec::new()), Err(ObjectError::Unavailable { .. })));
        assert!(matches!(objects.list(), Err(ObjectError::Unavailable { .. })));
    }
}
