//! What a change does, as far as its diff tells.

use std::collections::BTreeSet;

use super::changes::{Change, words};

/// What kind of effect a change may have.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Effect {
    /// None: documents, tests, checks.
    Inert,
    /// There is no diff.
    Unknown,
    /// A number, by this factor (1 or more); units of time count.
    Value(f64),
    /// A word in an otherwise equal line.
    Text,
    /// The last part of a version, which by convention changes no behaviour.
    Patch,
    /// Code; the share of the distinct words of added lines that are not in removed ones.
    Code(f64),
}

/// A diff that was read.
#[derive(Clone, Debug)]
pub(super) struct Diff {
    pub(super) effect: Effect,
    /// Words that are only in added or only in removed lines, and those of lines that differ in a value.
    pub(super) changed: BTreeSet<String>,
}

impl Diff {
    pub(super) fn of(change: &Change) -> Self {
        let inert = !change.paths.is_empty() && change.paths.iter().all(|path| is_inert(path));
        let Some(diff) = change.diff.as_deref().filter(|diff| !diff.trim().is_empty()) else {
            let effect = if inert { Effect::Inert } else { Effect::Unknown };
            return Self { effect, changed: BTreeSet::new() };
        };
        let lines = |sign: char, header: &str| -> Vec<&str> {
            let own = diff.lines().filter(|line| !line.starts_with(header));
            own.filter_map(|line| line.strip_prefix(sign))
                .map(str::trim)
                .filter(|line| is_code(line))
                .collect()
        };
        let (removed, added) = (lines('-', "---"), lines('+', "+++"));
        let pairs: Vec<Pair> =
            added.iter().filter_map(|new| removed.iter().find_map(|old| pair(old, new))).collect();
        let all =
            |lines: &[&str]| -> BTreeSet<String> { lines.iter().flat_map(|line| words(line)).collect() };
        let (old, new) = (all(&removed), all(&added));
        let mut changed: BTreeSet<String> = old.symmetric_difference(&new).cloned().collect();
        changed.extend(pairs.iter().flat_map(|pair| words(&pair.line)));
        Self { effect: if inert { Effect::Inert } else { effect(&pairs, &old, &new) }, changed }
    }
}

fn effect(pairs: &[Pair], old: &BTreeSet<String>, new: &BTreeSet<String>) -> Effect {
    let factor = pairs.iter().filter_map(|pair| pair.factor).fold(0.0, f64::max);
    if factor >= 2.0 {
        return Effect::Value(factor);
    }
    if pairs.iter().any(|pair| pair.text) {
        return Effect::Text;
    }
    if factor > 0.0 {
        return Effect::Value(factor);
    }
    if !pairs.is_empty() && pairs.iter().all(|pair| pair.patch) {
        return Effect::Patch;
    }
    let fresh = new.difference(old).count() as f64;
    Effect::Code(fresh / new.len().max(1) as f64)
}

/// Files that do not run.
fn is_inert(path: &str) -> bool {
    const FOLDERS: [&str; 6] = ["doc", "docs", "documentation", "test", "testdata", "tests"];
    const ENDS: [&str; 7] = [".md", "_test.go", ".css", ".svg", ".txt", ".test.ts", "CODEOWNERS"];
    let hidden = path.starts_with('.');
    let folder = path.split('/').any(|folder| FOLDERS.contains(&folder));
    hidden || folder || ENDS.iter().any(|end| path.ends_with(end))
}

fn is_code(line: &str) -> bool {
    !line.is_empty() && !line.starts_with("//") && !line.starts_with('#')
}

/// Two lines that are the same but for values.
struct Pair {
    line: String,
    factor: Option<f64>,
    text: bool,
    patch: bool,
}

/// Units of time, seconds.
fn unit(token: &str) -> Option<f64> {
    Some(match token {
        "ns" | "Nanosecond" => 1e-9,
        "us" | "Microsecond" => 1e-6,
        "ms" | "Millisecond" => 1e-3,
        "s" | "Second" => 1.0,
        "m" | "Minute" => 60.0,
        "h" | "Hour" => 3_600.0,
        _ => return None,
    })
}

/// Numbers with dots, words, and single other characters.
fn tokens(line: &str) -> Vec<&str> {
    let kind = |c: char| match c {
        c if c.is_ascii_digit() || c == '.' => 0,
        c if c.is_alphanumeric() || c == '_' => 1,
        _ => 2,
    };
    let mut tokens = Vec::new();
    let mut rest = line;
    while let Some(first) = rest.chars().next() {
        let same = |c: char| kind(c) == kind(first) && kind(first) != 2;
        let end = rest.char_indices().skip(1).find(|(_, c)| !same(*c)).map_or(rest.len(), |(at, _)| at);
        if !first.is_whitespace() {
            tokens.push(&rest[..end]);
        }
        rest = &rest[end..];
    }
    tokens
}

/// What two lines differ in, if that is one value or two (a number and its unit).
fn pair(old: &str, new: &str) -> Option<Pair> {
    let (before, after) = (tokens(old), tokens(new));
    if before.len() != after.len() {
        return None;
    }
    let differ: Vec<(&str, &str)> = before.into_iter().zip(after).filter(|(a, b)| a != b).collect();
    if differ.is_empty() || differ.len() > 2 {
        return None;
    }
    let (mut factor, mut text, mut patch) = (1.0, false, false);
    for (a, b) in &differ {
        if a.matches('.').count() > 1 {
            let parts = |version: &str| version.rsplit_once('.').map(|(front, _)| front.to_owned());
            patch |= parts(a) == parts(b);
            text |= parts(a) != parts(b);
        } else if let (Ok(a), Ok(b)) = (a.parse::<f64>(), b.parse::<f64>()) {
            factor *= if a > 0.0 && b > 0.0 { b / a } else { f64::INFINITY };
        } else if let (Some(a), Some(b)) = (unit(a), unit(b)) {
            factor *= b / a;
        } else {
            text = true;
        }
    }
    let factor = (factor != 1.0).then_some(if factor < 1.0 { 1.0 / factor } else { factor });
    Some(Pair { line: format!("{old} {new}"), factor, text, patch })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn effect_of(path: &str, diff: &str) -> Effect {
        let change = Change {
            id: "a".to_owned(),
            made: theriac_contract::Timestamp(0),
            message: String::new(),
            paths: vec![path.to_owned()],
            diff: Some(diff.to_owned()),
        };
        Diff::of(&change).effect
    }

    #[test]
    fn effects_are_told_from_lines() {
        assert_eq!(
            effect_of("a.go", "-\tTTL: 15 * time.Minute,\n+\tTTL: 15 * time.Second,"),
            Effect::Value(60.0)
        );
        assert_eq!(effect_of("a.yaml", "-  size: 50\n+  size: 60"), Effect::Value(1.2));
        assert_eq!(effect_of("a.yaml", "-  level: info\n+  level: debug"), Effect::Text);
        assert_eq!(effect_of("go.mod", "-\tx/y v1.5.4\n+\tx/y v1.5.5"), Effect::Patch);
        assert_eq!(effect_of("go.mod", "-\tx/y v1.5.4\n+\tx/y v1.6.0"), Effect::Text);
        assert_eq!(effect_of("docs/a.md", "-\tnothing\n+\tmuch more of it"), Effect::Inert);
        assert_eq!(effect_of("a.go", "+\talpha beta gamma"), Effect::Code(1.0));
        assert_eq!(
            effect_of("a.go", "-\talpha(beta)\n-\tgamma()\n+\treturn alpha(beta, gamma)"),
            Effect::Code(0.25)
        );
        assert_eq!(effect_of("a.go", ""), Effect::Unknown);
    }
}
