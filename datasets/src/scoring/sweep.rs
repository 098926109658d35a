//! F1 of rows at a threshold that does not know the labels it is scored on.

use std::collections::BTreeMap;

use super::{ScoringError, check, ranges::harmonic};

/// Candidates for a threshold from each file: its scores at even ranks.
const CANDIDATES: usize = 100;

/// One file of a sweep.
pub struct SweepFile<'a> {
    /// Files of one group share a threshold when it is chosen on the others.
    pub group: &'a str,
    /// Label of each row.
    pub labels: &'a [bool],
    /// Score of each row, on the same scale in all files.
    pub scores: &'a [f64],
}

/// Mean F1 over files, each with the same weight, at any one threshold.
pub struct Sweep {
    groups: Vec<String>,
    /// Of each file, the scores, descending, with the labelled rows up to each.
    files: Vec<(Vec<f64>, Vec<usize>)>,
    /// Candidates, descending.
    thresholds: Vec<f64>,
}

impl Sweep {
    /// Takes the files that have labelled rows and others.
    ///
    /// # Errors
    /// If a file does not have one finite score for each row.
    pub fn new(files: &[SweepFile<'_>]) -> Result<Self, ScoringError> {
        let mut sweep = Self { groups: Vec::new(), files: Vec::new(), thresholds: Vec::new() };
        for file in files {
            match check(file.labels, file.scores) {
                Ok(()) => {}
                Err(ScoringError::OneKind { .. }) => continue,
                Err(error) => return Err(error),
            }
            let mut order: Vec<usize> = (0..file.scores.len()).collect();
            order.sort_by(|a, b| file.scores[*b].total_cmp(&file.scores[*a]));
            let sorted: Vec<f64> = order.iter().map(|row| file.scores[*row]).collect();
            let hits = order.iter().scan(0, |hits, row| {
                *hits += usize::from(file.labels[*row]);
                Some(*hits)
            });
            let ranks = (0..CANDIDATES).map(|k| k * (sorted.len() - 1) / (CANDIDATES - 1));
            sweep.thresholds.extend(ranks.map(|rank| sorted[rank]));
            let hits = hits.collect();
            sweep.files.push((sorted, hits));
            sweep.groups.push(file.group.to_owned());
        }
        sweep.thresholds.sort_by(|a, b| b.total_cmp(a));
        sweep.thresholds.dedup();
        Ok(sweep)
    }

    /// Candidates, descending.
    #[must_use]
    pub fn thresholds(&self) -> &[f64] {
        &self.thresholds
    }

    /// Mean F1 of the rows whose score reaches `threshold`; none without files.
    #[must_use]
    pub fn at(&self, threshold: f64) -> Option<f64> {
        self.mean(threshold, |_| true)
    }

    /// The best of the thresholds for all files together, with its mean F1. It is fitted on
    /// the labels.
    #[must_use]
    pub fn best(&self) -> Option<(f64, f64)> {
        self.best_where(|_| true)
    }

    /// Mean F1 with the threshold of each group chosen on all others; where there is but one
    /// group, each file is one of its own. None if there is nothing to choose on.
    #[must_use]
    pub fn leave_one_group_out(&self) -> Option<f64> {
        let mut groups: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (file, group) in self.groups.iter().enumerate() {
            groups.entry(group.clone()).or_default().push(file);
        }
        if groups.len() == 1 {
            groups = (0..self.files.len()).map(|file| (file.to_string(), vec![file])).collect();
        }
        let mut sum = 0.0;
        for members in groups.values() {
            let (threshold, _) = self.best_where(|file| !members.contains(&file))?;
            sum += members.iter().map(|file| self.f1(*file, threshold)).sum::<f64>();
        }
        (!self.files.is_empty()).then(|| sum / self.files.len() as f64)
    }

    fn best_where(&self, counts: impl Fn(usize) -> bool) -> Option<(f64, f64)> {
        let mut best: Option<(f64, f64)> = None;
        for &threshold in &self.thresholds {
            let mean = self.mean(threshold, &counts)?;
            if best.is_none_or(|(_, most)| mean > most) {
                best = Some((threshold, mean));
            }
        }
        best
    }

    fn mean(&self, threshold: f64, counts: impl Fn(usize) -> bool) -> Option<f64> {
        let kept: Vec<f64> =
            (0..self.files.len()).filter(|file| counts(*file)).map(|file| self.f1(file, threshold)).collect();
        (!kept.is_empty()).then(|| kept.iter().sum::<f64>() / kept.len() as f64)
    }

    fn f1(&self, file: usize, threshold: f64) -> f64 {
        let (sorted, hits) = &self.files[file];
        let detected = sorted.partition_point(|score| *score >= threshold);
        let labelled = hits[hits.len() - 1] as f64;
        match detected.checked_sub(1).map(|last| hits[last] as f64) {
            Some(hits) => harmonic(hits / detected as f64, hits / labelled),
            None => 0.0,
        }
    }
}
