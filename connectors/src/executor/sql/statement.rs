//! Statements with places for what a command says. Values are bound, and never become part of the text.

use serde::{Deserialize, Serialize};
use theriac_contract::Command;

/// One SQL statement. `{target}`, `{target.service}`, `{target.instance}`, `{param.NAME}` and, in what undoes
/// an action, `{before.NAME}` are bound as text; where another type is needed, a cast says so:
/// `{param.session}::int`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Statement {
    given: String,
    sql: String,
    values: Vec<Value>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Value {
    Target,
    Service,
    Instance,
    Parameter(String),
    Before(String),
}

/// What a statement must not begin with: whoever runs it decides what is one with what.
const TRANSACTIONS: [&str; 8] =
    ["BEGIN", "START", "COMMIT", "END", "ROLLBACK", "ABORT", "SAVEPOINT", "PREPARE TRANSACTION"];

/// Functions whose effect stays though the transaction that called them is rolled back.
const AT_ONCE: [&str; 11] = [
    "pg_terminate_backend",
    "pg_cancel_backend",
    "pg_promote",
    "pg_reload_conf",
    "pg_rotate_logfile",
    "pg_switch_wal",
    "pg_wal_replay_pause",
    "pg_wal_replay_resume",
    "pg_create_physical_replication_slot",
    "pg_drop_replication_slot",
    "dblink_exec",
];

impl Statement {
    /// The text as PostgreSQL gets it, with `$1` and so on.
    pub(super) fn sql(&self) -> &str {
        &self.sql
    }

    /// Whether it needs what was there before.
    pub(super) fn needs_before(&self) -> bool {
        self.values.iter().any(|value| matches!(value, Value::Before(_)))
    }

    /// A function in it whose effect no rollback takes back.
    pub(super) fn acts_at_once(&self) -> Option<&'static str> {
        let text = self.sql.to_ascii_lowercase();
        AT_ONCE.into_iter().find(|function| text.contains(function))
    }

    /// The values to bind, in order. None is NULL, which only what was there before can be.
    ///
    /// # Errors
    /// If the command, or what was noted of before, lacks one.
    pub(super) fn values(
        &self,
        command: &Command,
        before: Option<&serde_json::Value>,
    ) -> Result<Vec<Option<String>>, String> {
        let target = &command.action.target;
        self.values
            .iter()
            .map(|value| match value {
                Value::Target => Ok(Some(target.as_str().to_owned())),
                Value::Service => Ok(Some(target.service().to_owned())),
                Value::Instance => target
                    .as_str()
                    .split_once('/')
                    .map(|(_, instance)| Some(instance.to_owned()))
                    .ok_or_else(|| format!("{target} is not an instance, but `{}` needs one", self.given)),
                Value::Parameter(name) => {
                    let given = command.action.parameters.get(name).cloned().map(Some);
                    given.ok_or_else(|| format!("`{}` needs the parameter `{name}`", self.given))
                }
                Value::Before(name) => match before.and_then(|before| before.get(name)) {
                    None => Err(format!("`{}` needs `{name}`, which `before` did not give", self.given)),
                    Some(serde_json::Value::Null) => Ok(None),
                    Some(serde_json::Value::String(text)) => Ok(Some(text.clone())),
                    Some(other) => Ok(Some(other.to_string())),
                },
            })
            .collect()
    }
}

impl TryFrom<String> for Statement {
    type Error = String;

    fn try_from(given: String) -> Result<Self, String> {
        let words = given.split_whitespace().map(str::to_ascii_uppercase).collect::<Vec<_>>().join(" ");
        if words.is_empty() {
            return Err("a statement is empty; leave it out".to_owned());
        }
        let first = |word: &&&str| {
            words.strip_prefix(**word).is_some_and(|rest| !rest.starts_with(char::is_alphanumeric))
        };
        if let Some(word) = TRANSACTIONS.iter().find(first) {
            return Err(format!(
                "`{word}` may not be said: each action is one transaction by itself, or `transaction: false`"
            ));
        }
        let (sql, values) = translate(&given)?;
        Ok(Self { given, sql, values })
    }
}

impl From<Statement> for String {
    fn from(statement: Statement) -> Self {
        statement.given
    }
}

/// Puts `$n::text` in the places, which must not lie in quotes or comments: nothing is bound there.
fn translate(given: &str) -> Result<(String, Vec<Value>), String> {
    let (mut sql, mut values) = (String::new(), Vec::new());
    let mut rest = given;
    while let Some(next) = rest.chars().next() {
        let length = quoted(rest)?;
        if length > 0 {
            let (inside, behind) = rest.split_at(length);
            if let Some(start) =
                ["{target", "{param.", "{before."].iter().find(|start| inside.contains(**start))
            {
                return Err(format!(
                    "`{start}…` lies in quotes or in a comment, where nothing is filled in: write it without; \
                     it is bound as a text"
                ));
            }
            sql.push_str(inside);
            rest = behind;
        } else if next == '{' {
            let end = rest.find('}').ok_or_else(|| format!("`{rest}` lacks a `}}`"))?;
            let value = value(&rest[1..end])?;
            let place = values.iter().position(|known| *known == value).unwrap_or_else(|| {
                values.push(value);
                values.len() - 1
            });
            sql.push_str(&format!("${}::text", place + 1));
            rest = &rest[end + 1..];
        } else {
            sql.push(next);
            rest = &rest[next.len_utf8()..];
        }
    }
    Ok((sql, values))
}

fn value(name: &str) -> Result<Value, String> {
    let named = |name: &str| (!name.is_empty()).then(|| name.to_owned());
    let found = match name {
        "target" => Some(Value::Target),
        "target.service" => Some(Value::Service),
        "target.instance" => Some(Value::Instance),
        _ => match (name.strip_prefix("param."), name.strip_prefix("before.")) {
            (Some(parameter), _) => named(parameter).map(Value::Parameter),
            (None, Some(before)) => named(before).map(Value::Before),
            (None, None) => None,
        },
    };
    found.ok_or_else(|| {
        format!(
            "`{{{name}}}` is not known; known are {{target}}, {{target.service}}, {{target.instance}}, \
             {{param.NAME}} and {{before.NAME}}"
        )
    })
}

/// Length of the quoted text or comment that a text begins with; 0 if it begins with none. After
/// PostgreSQL's lexical structure: '…', "…", $tag$…$tag$, -- to the end of the line, nested /* … */.
fn quoted(text: &str) -> Result<usize, String> {
    let open = |what: &str| format!("{what} is not closed in `{text}`");
    if let Some(quote @ ('\'' | '"')) = text.chars().next() {
        let end = text[1..].find(quote).ok_or_else(|| open("a quote"))?;
        return Ok(end + 2);
    }
    if text.starts_with("--") {
        return Ok(text.find('\n').map_or(text.len(), |end| end + 1));
    }
    if text.starts_with("/*") {
        let (mut depth, mut at) = (0_u32, 0);
        loop {
            let rest = &text[at..];
            match (rest.starts_with("/*"), rest.starts_with("*/")) {
                (true, _) => (depth, at) = (depth + 1, at + 2),
                (_, true) => (depth, at) = (depth - 1, at + 2),
                _ => at += rest.chars().next().ok_or_else(|| open("a comment"))?.len_utf8(),
            }
            if depth == 0 {
                return Ok(at);
            }
        }
    }
    if let Some(rest) = text.strip_prefix('$') {
        let tag = rest.find('$').filter(|end| {
            let tag = &rest[..*end];
            !tag.starts_with(|c: char| c.is_ascii_digit())
                && tag.chars().all(|c| c.is_alphanumeric() || c == '_')
        });
        if let Some(tag) = tag {
            let tag = &text[..tag + 2];
            let end = text[tag.len()..].find(tag).ok_or_else(|| open("a dollar quote"))?;
            return Ok(end + 2 * tag.len());
        }
        return Err("`$` stands for nothing here: what a command says is written as {param.NAME}".to_owned());
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statement(text: &str) -> Result<Statement, String> {
        Statement::try_from(text.to_owned())
    }

    #[test]
    fn places_are_bound_once_each_and_never_spliced() {
        let made = statement("UPDATE j SET s = {param.s}, n = '{}' WHERE i = {target} OR k = {param.s}::int");
        let made = made.expect("a statement");
        assert_eq!(made.sql(), "UPDATE j SET s = $1::text, n = '{}' WHERE i = $2::text OR k = $1::text::int");
        assert_eq!(made.values, [Value::Parameter("s".to_owned()), Value::Target]);
    }

    #[test]
    fn quotes_and_comments_are_left_as_they_are() {
        for text in [
            "SELECT 'it''s {x', \"a{\", $$ {y $$, $tag$ $$ { $tag$",
            "SELECT 1 -- { one\n, 2 /* { /* nested { */ } */",
        ] {
            assert_eq!(statement(text).expect("a statement").sql(), text);
        }
    }

    #[test]
    fn what_would_be_misread_is_refused() {
        for (text, words) in [
            ("  ", "a statement is empty"),
            ("commit", "`COMMIT` may not be said"),
            ("Begin ; SELECT 1", "`BEGIN` may not be said"),
            ("SELECT '{param.x}'", "`{param.…` lies in quotes"),
            ("SELECT 1 /* {target} */", "`{target…` lies in quotes or in a comment"),
            ("SELECT {target.zone}", "`{target.zone}` is not known"),
            ("SELECT {param.}", "`{param.}` is not known"),
            ("SELECT {param.x", "lacks a `}`"),
            ("SELECT 'open", "a quote is not closed"),
            ("SELECT /* /* */ open", "a comment is not closed"),
            ("SELECT $a$ open", "a dollar quote is not closed"),
            ("SELECT $1", "written as {param.NAME}"),
        ] {
            let error = statement(text).expect_err(text);
            assert!(error.contains(words), "{text}: {error}");
        }
        assert!(statement("ENDURE").is_ok(), "only whole words are meant");
    }
}
