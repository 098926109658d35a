//! Files of a campaign: a line for each thing that was played, so that it can be broken off and gone on
//! with.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File, OpenOptions},
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use serde::{Serialize, de::DeserializeOwned};
use theriac_datasets::fleet::trial::Yardstick;

use super::job::Played;
use crate::output::Wrong;

/// What was played so far.
pub(super) struct Results {
    folder: PathBuf,
    played: File,
    yardsticks: File,
    /// What each fault costs with nobody and with who knows the truth.
    pub(super) measured: BTreeMap<String, Yardstick>,
    /// By healer and job.
    pub(super) episodes: BTreeMap<(String, String), Played>,
}

impl Results {
    /// Opens a folder, or makes it. What was played there with other settings is no part of this
    /// campaign: it is refused.
    pub(super) fn open(folder: &Path, settings: &str) -> Result<Self> {
        fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
        let note = folder.join("settings");
        match fs::read_to_string(&note) {
            Ok(before) if before.trim() != settings => {
                let text = format!(
                    "{} holds a campaign with other settings ({}, now {settings}): name another folder with --data-dir, or delete this one",
                    folder.display(),
                    before.trim()
                );
                return Err(Wrong(text).into());
            }
            Ok(_) => {}
            Err(_) => {
                fs::write(&note, format!("{settings}\n")).with_context(|| note.display().to_string())?
            }
        }
        let (played, yardsticks) = (folder.join("episodes.jsonl"), folder.join("yardsticks.jsonl"));
        let episodes = read::<Played>(&played)?;
        let measured = read::<(String, Yardstick)>(&yardsticks)?;
        Ok(Self {
            folder: folder.to_owned(),
            played: append(&played)?,
            yardsticks: append(&yardsticks)?,
            measured: measured.into_iter().collect(),
            episodes: episodes.into_iter().map(|one| ((one.healer.clone(), one.job.clone()), one)).collect(),
        })
    }

    /// Puts down what a fault costs.
    pub(super) fn measured(&mut self, job: &str, yardstick: &Yardstick) -> Result<()> {
        write(&mut self.yardsticks, &(job, yardstick))?;
        self.measured.insert(job.to_owned(), yardstick.clone());
        Ok(())
    }

    /// Puts down how a job went.
    pub(super) fn played(&mut self, played: Played) -> Result<()> {
        write(&mut self.played, &played)?;
        self.episodes.insert((played.healer.clone(), played.job.clone()), played);
        Ok(())
    }

    /// What a healer has played of these jobs, in their order.
    pub(super) fn of<'a>(
        &'a self,
        healer: &str,
        jobs: &'a BTreeSet<String>,
    ) -> impl Iterator<Item = &'a Played> {
        let healer = healer.to_owned();
        jobs.iter().filter_map(move |job| self.episodes.get(&(healer.clone(), job.clone())))
    }

    /// A file beside the results.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

fn append(path: &Path) -> Result<File> {
    let opened = OpenOptions::new().create(true).append(true).open(path);
    opened.with_context(|| format!("{} cannot be written", path.display()))
}

fn write(file: &mut File, value: &impl Serialize) -> Result<()> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    file.write_all(&line).context("results cannot be written")
}

/// All whole lines of a file. A last line that was broken off is cut off, and played again.
fn read<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>> {
    let Ok(file) = File::open(path) else { return Ok(Vec::new()) };
    let mut reader = BufReader::new(file);
    let (mut values, mut whole, mut number, mut line) = (Vec::new(), 0_u64, 0, String::new());
    loop {
        line.clear();
        let length = reader.read_line(&mut line).with_context(|| path.display().to_string())?;
        number += 1;
        if !line.ends_with('\n') {
            break;
        }
        let value = serde_json::from_str(&line).map_err(|error| {
            Wrong(format!("{}:{number}: {error}: delete the line, or the folder", path.display()))
        })?;
        values.push(value);
        whole += length as u64;
    }
    let file = OpenOptions::new().write(true).open(path).with_context(|| path.display().to_string())?;
    file.set_len(whole).with_context(|| path.display().to_string())?;
    Ok(values)
}
