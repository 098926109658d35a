//! Spellings of templates that mean the same.
//!
//! Label sets differ in whether `10.0.0.1:80` is `<*>` or `<*>:<*>`, and in whether `blk_7` is
//! `blk_<*>`. The evaluation of Loghub-2.0 brings templates into one form before it compares them;
//! this is that form, after its description (Jiang et al., ISSTA 2024, section 4.2).

/// Where a template is taken apart.
fn is_separator(c: char) -> bool {
    c.is_whitespace()
        || matches!(
            c,
            ',' | '!'
                | ';'
                | ':'
                | '='
                | '|'
                | '"'
                | '\''
                | '['
                | ']'
                | '('
                | ')'
                | '{'
                | '}'
                | '.'
                | '-'
                | '+'
                | '@'
                | '#'
                | '$'
                | '%'
                | '&'
        )
}

/// Neighbours that become one.
const JOINED: [(&str, &str); 12] = [
    ("<*>.<*>", "<*>"),
    ("<*><*>", "<*>"),
    (" #<*># ", " <*> "),
    (" #<*> ", " <*> "),
    ("<*>:<*>", "<*>"),
    ("<*>#<*>", "<*>"),
    ("<*>/<*>", "<*>"),
    ("<*>@<*>", "<*>"),
    ("<*>.<*>", "<*>"),
    (" \"<*>\" ", " <*> "),
    (" '<*>' ", " <*> "),
    ("<*><*>", "<*>"),
];

/// The form in which templates are compared: blanks are single; a part between separators that is
/// a number, or that has `<*>` in it and no slash, is `<*>`; variables side by side are one.
#[must_use]
pub fn normal_form(template: &str) -> String {
    let blanks: Vec<&str> = template.split_whitespace().collect();
    let mut form = String::with_capacity(template.len());
    let mut put = |part: &str| {
        let number = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        let glued = part.contains("<*>") && !part.contains('/');
        form.push_str(if number || glued { "<*>" } else { part });
    };
    let joined = blanks.join(" ");
    let mut rest = joined.as_str();
    while let Some(at) = rest.find(is_separator) {
        put(&rest[..at]);
        let length = rest[at..].chars().next().map_or(1, char::len_utf8);
        put(&rest[at..at + length]);
        rest = &rest[at + length..];
    }
    put(rest);
    for (several, one) in JOINED {
        while form.contains(several) {
            form = form.replace(several, one);
        }
    }
    form
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_the_same() {
        for (template, form) in [
            ("took  <*> ms", "took <*> ms"),
            ("took 12 ms", "took <*> ms"),
            ("peer <*>:<*> gone", "peer <*> gone"),
            ("blk_<*> of <*>.<*>", "<*> of <*>"),
            ("file /a/<*>", "file /a/<*>"),
            ("path <*>/<*>", "path <*>"),
            ("said '<*>' and", "said <*> and"),
            ("12:30:01", "<*>"),
        ] {
            assert_eq!(normal_form(template), form, "{template}");
        }
    }
}
