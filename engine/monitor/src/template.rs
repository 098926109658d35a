//! First-cut log templates: what varies is masked, the rest is the template.
//!
//! A token (split at blanks) that holds a number, a hexadecimal word, a UUID, an address, a
//! path or a quoted text is masked: `took 12 ms` and `took 7 ms` are one template. The text
//! of a template depends on its line alone, so it is stable across runs and restarts.

/// Longest template in bytes; the rest of a line is cut off.
const LENGTH_MAX: usize = 200;

/// The template of a line.
#[must_use]
pub fn template(line: &str) -> String {
    let first = line.lines().next().unwrap_or("");
    let unquoted = mask_quoted(first);
    let mut text = String::with_capacity(unquoted.len().min(LENGTH_MAX));
    for token in unquoted.split_whitespace() {
        if text.len() + token.len() > LENGTH_MAX {
            text.push_str(" ...");
            break;
        }
        if !text.is_empty() {
            text.push(' ');
        }
        mask_token(token, &mut text);
    }
    text
}

/// Replaces what stands between quotation marks; a mark that is never closed stays.
fn mask_quoted(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(open) = rest.find('"') {
        let after = &rest[open + 1..];
        let Some(close) = after.find('"') else { break };
        text.push_str(&rest[..open]);
        text.push_str("<text>");
        rest = &after[close + 1..];
    }
    text.push_str(rest);
    text
}

/// Masks the value of `key=value`, or the token as a whole, keeping its punctuation.
fn mask_token(token: &str, out: &mut String) {
    let punctuation = |c: char| matches!(c, '(' | ')' | '[' | ']' | '{' | '}' | ',' | ';' | ':' | '.' | '\'');
    let core = token.trim_matches(punctuation);
    let start = token.find(core).unwrap_or(0);
    let (before, after) = (&token[..start], &token[start + core.len()..]);
    out.push_str(before);
    match core.split_once('=') {
        Some((key, value)) if !key.is_empty() && !has_digit(key) => {
            out.push_str(key);
            out.push('=');
            out.push_str(mask_word(value));
        }
        _ => out.push_str(mask_word(core)),
    }
    out.push_str(after);
}

fn has_digit(word: &str) -> bool {
    word.bytes().any(|byte| byte.is_ascii_digit())
}

fn mask_word(word: &str) -> &str {
    if is_path(word) {
        return "<path>";
    }
    if !has_digit(word) {
        return word;
    }
    let hexadecimal = word.trim_start_matches("0x");
    let is_hexadecimal = |text: &str| text.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
    if word.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'+' | b',' | b'%')) {
        if word.bytes().filter(|b| *b == b'.').count() == 3 { "<ip>" } else { "<number>" }
    } else if hexadecimal.len() >= 8 && is_hexadecimal(hexadecimal) || word.starts_with("0x") {
        "<hex>"
    } else if word.split(':').next().is_some_and(|host| host.bytes().filter(|b| *b == b'.').count() == 3) {
        "<ip>"
    } else {
        "<value>"
    }
}

fn is_path(word: &str) -> bool {
    word.contains("://") || word.starts_with('/') && word.len() > 1
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn masks_what_varies() {
        for (line, expected) in [
            ("took 12 ms", "took <number> ms"),
            ("took 7.25 ms, retry 3", "took <number> ms, retry <number>"),
            ("user=ab12 level=warn", "user=<value> level=warn"),
            ("GET /cart/17 failed", "GET <path> failed"),
            ("peer 10.0.0.1:8080 gone", "peer <ip> gone"),
            ("peer 10.0.0.1 gone", "peer <ip> gone"),
            ("id 6f1e0a9c-0000-4000-8000-000000000000.", "id <hex>."),
            ("said \"no 1\" and left", "said <text> and left"),
            ("open \" quote", "open \" quote"),
            ("", ""),
        ] {
            assert_eq!(template(line), expected, "{line}");
        }
    }

    proptest! {
        #[test]
        fn numbers_do_not_split_templates(a in 0_u32.., b in 0_u32..) {
            let line = |n: u32| format!("order {n} failed after {n} ms");
            prop_assert_eq!(template(&line(a)), template(&line(b)));
        }

        #[test]
        fn takes_any_text_and_stays_short(line in "\\PC{0,600}") {
            prop_assert!(template(&line).len() <= 4 * LENGTH_MAX);
        }
    }
}
