//! `AS OF` behind a table of knowledge, which DataFusion does not know: each table that is asked for as
//! it was becomes one of its own, under the name that it had in the text.

use theriac_contract::Timestamp;

use crate::{
    ask::QueryError,
    tables::{Table, tables},
};

/// A point in the history of what is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// With all facts up to this version.
    Version(u64),
    /// With all facts that were known at an instant.
    Time(Timestamp),
}

/// A table as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Past {
    /// Name under which the rewritten text asks for it.
    pub(crate) name: String,
    pub(crate) table: Table,
    pub(crate) moment: Moment,
}

/// A text without `AS OF`, and the tables that it asks for in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) sql: String,
    pub(crate) past: Vec<Past>,
}

/// A word, a quoted text or name, or one other character, by its place in the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Token {
    begin: usize,
    end: usize,
}

/// Words that may follow on a table and are no other name for it.
const KEYWORDS: [&str; 20] = [
    "WHERE",
    "JOIN",
    "INNER",
    "LEFT",
    "RIGHT",
    "FULL",
    "CROSS",
    "NATURAL",
    "ON",
    "USING",
    "GROUP",
    "HAVING",
    "ORDER",
    "LIMIT",
    "OFFSET",
    "UNION",
    "EXCEPT",
    "INTERSECT",
    "WINDOW",
    "FETCH",
];

/// The tokens of a text; blanks and comments are none.
fn tokens(sql: &str) -> Vec<Token> {
    let bytes = sql.as_bytes();
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80;
    let after =
        |from: usize, text: &str| sql[from..].find(text).map_or(bytes.len(), |at| from + at + text.len());
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let rest = &sql[at..];
        let end = match bytes[at] {
            byte if byte.is_ascii_whitespace() => {
                at += 1;
                continue;
            }
            _ if rest.starts_with("--") => {
                at = after(at, "\n");
                continue;
            }
            _ if rest.starts_with("/*") => {
                at = after(at + 2, "*/");
                continue;
            }
            // A quote that is doubled ends one token and begins the next: neither is looked into.
            b'\'' => after(at + 1, "'"),
            b'"' => after(at + 1, "\""),
            byte if is_word(byte) => {
                bytes[at..].iter().position(|byte| !is_word(*byte)).map_or(bytes.len(), |n| at + n)
            }
            _ => at + 1,
        };
        tokens.push(Token { begin: at, end });
        at = end;
    }
    tokens
}

/// Takes `AS OF` out of a text.
///
/// # Errors
/// If it stands behind something that has no versions, or names none.
pub(crate) fn asked(sql: &str) -> Result<Asked, QueryError> {
    let tokens = tokens(sql);
    let text = |index: usize| tokens.get(index).map_or("", |token| &sql[token.begin..token.end]);
    let is = |index: usize, word: &str| text(index).eq_ignore_ascii_case(word);
    let (mut out, mut past, mut copied) = (String::new(), Vec::<Past>::new(), 0);
    for index in 1..tokens.len() {
        let by_version = is(index + 2, "VERSION");
        if !(is(index, "AS") && is(index + 1, "OF") && (by_version || is(index + 2, "TIMESTAMP"))) {
            continue;
        }
        let table = table(text(index - 1))?;
        let moment = moment(by_version, text(index + 3))?;
        let name = format!("{} as of {}", table.name, past.len());
        let (begin, end) = (tokens[index - 1].begin, tokens[index + 3].end);
        out.push_str(&sql[copied..begin]);
        out.push_str(&format!("\"{name}\""));
        let next = text(index + 4);
        let is_name = next.starts_with(|c: char| c.is_alphabetic() || c == '_' || c == '"');
        if !is_name || KEYWORDS.iter().any(|word| next.eq_ignore_ascii_case(word)) {
            out.push_str(&format!(" AS {}", table.name));
        }
        copied = end;
        past.push(Past { name, table, moment });
    }
    out.push_str(&sql[copied..]);
    Ok(Asked { sql: out, past })
}

/// The table that stands before `AS OF`.
fn table(name: &str) -> Result<Table, QueryError> {
    let bare = name.trim_matches('"');
    let known = tables().into_iter().filter(Table::has_versions);
    known.clone().find(|table| table.name.eq_ignore_ascii_case(bare)).ok_or_else(|| {
        let names: Vec<&str> = known.map(|table| table.name).collect();
        QueryError::Sql(format!("`{bare}` has no versions; AS OF is for {}", names.join(", ")))
    })
}

fn moment(by_version: bool, literal: &str) -> Result<Moment, QueryError> {
    let quoted = literal.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''));
    let wrong = |reason: String| {
        let form = if by_version {
            "AS OF VERSION takes a number, as in AS OF VERSION 12"
        } else {
            "AS OF TIMESTAMP takes a time in quotes, as in AS OF TIMESTAMP '2026-01-01T12:00:00Z'"
        };
        QueryError::Sql(format!("{form}{reason}"))
    };
    match (by_version, quoted) {
        (true, _) => {
            literal.parse().map(Moment::Version).map_err(|_| wrong(format!("; `{literal}` is none")))
        }
        (false, Some(text)) => text.parse().map(Moment::Time).map_err(|error| wrong(format!(": {error}"))),
        (false, None) => Err(wrong(format!("; `{literal}` is none"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(sql: &str) -> (String, Vec<Moment>) {
        let asked = asked(sql).unwrap();
        (asked.sql, asked.past.iter().map(|past| past.moment).collect())
    }

    #[test]
    fn each_table_keeps_its_name_or_the_one_that_it_is_given() {
        let (sql, moments) = rewritten("SELECT * FROM beliefs as of version 3 WHERE beliefs.failures > 0");
        assert_eq!(sql, "SELECT * FROM \"beliefs as of 0\" AS beliefs WHERE beliefs.failures > 0");
        assert_eq!(moments, [Moment::Version(3)]);
        let (sql, moments) = rewritten(
            "select 1 from beliefs AS OF VERSION 3 a join Beliefs /* now */ as of timestamp '1970-01-01T00:00:07Z' as b on 1",
        );
        assert_eq!(sql, "select 1 from \"beliefs as of 0\" a join \"beliefs as of 1\" as b on 1");
        assert_eq!(moments, [Moment::Version(3), Moment::Time(Timestamp::from_seconds(7))]);
    }

    #[test]
    fn texts_and_other_names_are_left_alone() {
        for sql in [
            "SELECT 'beliefs AS OF VERSION 3', \"a AS OF VERSION 1\" -- b AS OF VERSION 3\nFROM plans",
            "SELECT at AS of FROM incidents",
            "SELECT 'it''s' /* knowledge AS OF VERSION 3",
            "",
        ] {
            assert_eq!(rewritten(sql), (sql.to_owned(), vec![]));
        }
    }

    #[test]
    fn says_what_may_stand_there() {
        let error = |sql: &str| asked(sql).unwrap_err().to_string();
        let topic = error("SELECT * FROM plans AS OF VERSION 3");
        assert!(
            topic.starts_with("`plans` has no versions; AS OF is for knowledge, beliefs, thresholds"),
            "{topic}"
        );
        assert_eq!(
            error("SELECT * FROM knowledge AS OF VERSION 'x'"),
            "AS OF VERSION takes a number, as in AS OF VERSION 12; `'x'` is none"
        );
        let time = error("SELECT * FROM knowledge AS OF TIMESTAMP 'noon'");
        assert!(
            time.contains("takes a time in quotes") && time.contains("`noon` is not a timestamp"),
            "{time}"
        );
    }
}
