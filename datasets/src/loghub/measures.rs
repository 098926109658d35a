//! How well lines were grouped, and their templates told.

use std::collections::{BTreeMap, BTreeSet};

/// Shares between 0 and 1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Accuracy {
    /// Grouping accuracy: lines whose group holds exactly the lines of their true template
    /// (Zhu et al., ICSE-SEIP 2019).
    pub ga: f64,
    /// F1 of groups that hold exactly the lines of a true template (Jiang et al., ISSTA 2024).
    pub fga: f64,
    /// Parsing accuracy: lines whose template is the true one, letter for letter (Dai et al., TSE 2020).
    pub pa: f64,
    /// F1 of templates all of whose lines have that very template (Khan et al., ICSE 2022).
    pub fta: f64,
    /// Groups that were found.
    pub found: usize,
    /// True templates.
    pub templates: usize,
}

fn f1(right: usize, found: usize, templates: usize) -> f64 {
    if right == 0 { 0.0 } else { 2.0 * right as f64 / (found + templates) as f64 }
}

/// Lines of each group. Lines whose true template is empty belong to none.
fn groups<'a, K: Ord + 'a>(keys: impl Iterator<Item = K>, truth: &[String]) -> BTreeMap<K, Vec<usize>> {
    let mut groups: BTreeMap<K, Vec<usize>> = BTreeMap::new();
    for (line, key) in keys.enumerate() {
        if !truth[line].is_empty() {
            groups.entry(key).or_default().push(line);
        }
    }
    groups
}

/// Measures groups and templates of lines against their true templates.
///
/// # Panics
/// If there is not one group and one template for each line.
#[must_use]
pub fn measure<G: Ord + Copy>(truth: &[String], found: &[G], templates: &[String]) -> Accuracy {
    assert!(truth.len() == found.len() && truth.len() == templates.len(), "one of each for every line");
    if truth.is_empty() {
        return Accuracy::default();
    }
    let lines = truth.len() as f64;
    let true_groups = groups(truth.iter(), truth);
    let found_groups = groups(found.iter().copied(), truth);
    let exact: BTreeSet<&Vec<usize>> = true_groups.values().collect();
    let right: Vec<usize> =
        found_groups.values().filter(|group| exact.contains(group)).map(Vec::len).collect();
    let equal = truth.iter().zip(templates).filter(|(truth, template)| truth == template).count();
    let by_text = groups(templates.iter(), truth);
    let told =
        by_text.iter().filter(|(text, group)| group.iter().all(|line| truth[*line] == ***text)).count();
    Accuracy {
        ga: right.iter().sum::<usize>() as f64 / lines,
        fga: f1(right.len(), found_groups.len(), true_groups.len()),
        pa: equal as f64 / lines,
        fta: f1(told, by_text.len(), true_groups.len()),
        found: found_groups.len(),
        templates: true_groups.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn by_hand() {
        // Of three true groups one is found exactly, one is torn in two.
        let truth = texts(&["a <*>", "a <*>", "b", "c <*>", "c <*>", ""]);
        let found = [0, 0, 1, 2, 3, 4];
        let templates = texts(&["a <*>", "a <*>", "x", "c <*>", "c 1", "?"]);
        let accuracy = measure(&truth, &found, &templates);
        assert_eq!((accuracy.found, accuracy.templates), (4, 3));
        assert!((accuracy.ga - 3.0 / 6.0).abs() < 1e-12);
        assert!((accuracy.fga - 2.0 * 2.0 / 7.0).abs() < 1e-12);
        assert!((accuracy.pa - 3.0 / 6.0).abs() < 1e-12);
        // `a <*>` and `c <*>` hold lines of that template only.
        assert!((accuracy.fta - 2.0 * 2.0 / 7.0).abs() < 1e-12);
    }

    #[test]
    fn all_right_is_one() {
        let truth = texts(&["a", "b", "a"]);
        let accuracy = measure(&truth, &[7, 3, 7], &truth);
        assert_eq!((accuracy.ga, accuracy.fga, accuracy.pa, accuracy.fta), (1.0, 1.0, 1.0, 1.0));
    }
}
