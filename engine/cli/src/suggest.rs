//! "Did you mean": the nearest of the known words.

/// Edit distance (Levenshtein) between two words.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

/// The known word nearest to `word`, if one is near enough to have been meant.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let scored = known.into_iter().map(|candidate| (distance(word, candidate), candidate));
    scored
        .min()
        .filter(|(distance, _)| *distance <= 1 + word.chars().count() / 3)
        .map(|(_, candidate)| candidate)
}

/// For a message that quotes an unknown word first and then lists the known ones, quoted or
/// not, as ``unknown field `x`, expected one of a, b`` does: the mend, or nothing.
pub(crate) fn for_message(message: &str) -> String {
    if !message.contains("unknown field") && !message.contains("unknown variant") {
        return String::new();
    }
    let known = message.split_once("expected ").map_or("", |(_, known)| known);
    let known = known.split(" at line ").next().unwrap_or_default();
    let known = known.split([' ', ',', '`']).filter(|word| !matches!(*word, "" | "one" | "of" | "or"));
    message
        .split('`')
        .nth(1)
        .and_then(|word| nearest(word, known))
        .map_or_else(String::new, |word| format!("; did you mean `{word}`?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_was_meant() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(nearest("latenes", ["lateness", "step"]), Some("lateness"));
        assert_eq!(nearest("zebra", ["lateness", "step"]), None);
        let message = "unknown field `data_dri`, expected one of `data_dir`, `sources`";
        assert_eq!(for_message(message), "; did you mean `data_dir`?");
        let bare = "unknown field `latenes`, expected one of step, lateness at line 2, column 3";
        assert_eq!(for_message(bare), "; did you mean `lateness`?");
    }
}
