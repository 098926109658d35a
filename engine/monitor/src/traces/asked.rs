//! The few attributes of a call that are asked for, found without reading the others.

use crate::traces::catalog::Tie;

/// What the attributes of a call say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Asked {
    /// Whom it calls: `peer.service`, else the destination of a message, else the address of the
    /// server, else the database.
    pub(crate) peer: Option<String>,
    /// The instance of it that is called: `peer.instance`, else the address of the server.
    pub(crate) instance: Option<String>,
    /// The queue or topic of the message that it is about.
    pub(crate) queue: Option<String>,
    /// It speaks to a database.
    pub(crate) database: bool,
    /// It says itself that it is a repetition.
    pub(crate) resend: bool,
}

/// The last of the names that are asked for: canonical objects have theirs in order.
const LAST: &str = "server.address";

impl Asked {
    /// Of canonical attributes: an object without blanks, its names sorted.
    pub(crate) fn of(attributes: &str) -> Self {
        let (mut peer, mut instance, mut resend, mut database) = ([None; 6], None, false, false);
        let mut rest = attributes.strip_prefix('{').unwrap_or_default();
        while let Some((name, value, behind)) = entry(rest).filter(|(name, ..)| *name <= LAST) {
            match name {
                "peer.instance" => instance = text(value),
                "peer.service" => peer[0] = Some(value),
                "messaging.destination.name" => peer[1] = Some(value),
                "server.address" => peer[2] = Some(value),
                "net.peer.name" => peer[3] = Some(value),
                "db.system.name" => (peer[4], database) = (Some(value), true),
                "db.system" => (peer[5], database) = (Some(value), true),
                "http.request.resend_count" => resend = value.parse::<u64>().is_ok_and(|times| times > 0),
                _ => {}
            }
            rest = behind.strip_prefix(',').unwrap_or_default();
        }
        // A slash in the name of a topic would part a service from its instance.
        let queue = peer[1].and_then(text).map(|name| format!("topic:{}", name.replace('/', ".")));
        let instance = instance.or_else(|| text(peer[2]?));
        let mut named = (0..).zip(peer).filter_map(|(place, value)| Some((place, text(value?)?)));
        let peer = named.next().map(|(place, name)| queue.clone().filter(|_| place == 1).unwrap_or(name));
        Self { peer, instance, queue, database, resend }
    }

    /// Whom a call names, and how he is tied to the caller.
    pub(crate) fn call(&self) -> Option<(&String, Tie)> {
        let peer = self.peer.as_ref()?;
        let tie = match () {
            () if self.queue.as_ref() == Some(peer) => Tie::Publish,
            () if self.database => Tie::Query,
            () => Tie::Call,
        };
        Some((peer, tie))
    }
}

/// The value of an attribute, as it is written in canonical attributes.
pub(crate) fn value_of<'a>(attributes: &'a str, wanted: &str) -> Option<&'a str> {
    let mut rest = attributes.strip_prefix('{')?;
    while let Some((name, value, behind)) = entry(rest).filter(|(name, ..)| *name <= wanted) {
        if name == wanted {
            return Some(value);
        }
        rest = behind.strip_prefix(',').unwrap_or_default();
    }
    None
}

/// A text that is not empty.
pub(crate) fn text(value: &str) -> Option<String> {
    serde_json::from_str::<String>(value).ok().filter(|text| !text.is_empty())
}

/// Name and value at the front, and what is behind them. Names that need escapes are none that is
/// asked for.
pub(crate) fn entry(rest: &str) -> Option<(&str, &str, &str)> {
    let quoted = string(rest)?;
    let (name, behind) = rest.split_at(quoted);
    let behind = behind.strip_prefix(':')?;
    let (value, behind) = behind.split_at(value(behind)?);
    Some((&name[1..quoted - 1], value, behind))
}

/// Length of the string at the front, quotes included.
fn string(rest: &str) -> Option<usize> {
    let mut at = 1;
    if !rest.starts_with('"') {
        return None;
    }
    loop {
        at += rest.get(at..)?.find('"')? + 1;
        // The quote is a part of the text if an odd number of backslashes is before it.
        let before = rest.as_bytes()[1..at - 1].iter().rev().take_while(|byte| **byte == b'\\').count();
        if before % 2 == 0 {
            return Some(at);
        }
    }
}

/// Length of the value at the front.
fn value(rest: &str) -> Option<usize> {
    if rest.starts_with('"') {
        return string(rest);
    }
    let (mut at, mut depth) = (0, 0_u32);
    loop {
        match *rest.as_bytes().get(at)? {
            b'"' => at += string(rest.get(at..)?)? - 1,
            b'{' | b'[' => depth += 1,
            b',' | b'}' if depth == 0 => return Some(at),
            b'}' | b']' => depth = depth.checked_sub(1)?,
            _ => {}
        }
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};
    use theriac_contract::telemetry::{Attributes, canonical};

    use super::*;

    fn asked(attributes: Value) -> Asked {
        let attributes: Attributes = serde_json::from_value(attributes).expect("an object");
        Asked::of(&canonical(&attributes))
    }

    #[test]
    fn the_first_of_several_names_counts() {
        let peer = |attributes| asked(attributes).peer;
        assert_eq!(peer(json!({})), None);
        assert_eq!(peer(json!({"a": [1, {"b": "}]"}], "db.system": "redis"})).as_deref(), Some("redis"));
        assert_eq!(peer(json!({"db.system": "redis", "server.address": "db-1"})).as_deref(), Some("db-1"));
        assert_eq!(peer(json!({"messaging.destination.name": "orders"})).as_deref(), Some("topic:orders"));
        assert_eq!(peer(json!({"peer.service": "", "server.address": "b\"\\"})).as_deref(), Some("b\"\\"));
        assert_eq!(peer(json!({"peer.service": 7, "net.peer.name": "é", "z": 1})).as_deref(), Some("é"));
        assert!(asked(json!({"http.request.resend_count": 1})).resend);
        assert!(!asked(json!({"http.request.resend_count": 0})).resend);
        for broken in ["", "{", r#"{"a"#, r#"{"a":"#, r#"{"a":"b"#, r#"{"a":[}"#, "[]"] {
            assert_eq!(Asked::of(broken), Asked::default());
        }
    }

    proptest! {
        #[test]
        fn whatever_else_is_said_does_not_matter(
            others in prop::collection::btree_map("[a-z\"\\\\ é]{0,5}", prop_oneof![
                "[\\[\\]{},:a\"\\\\é]{0,9}".prop_map(Value::from),
                any::<i32>().prop_map(Value::from),
                prop::collection::vec("[\\]}\"\\\\]{0,3}", 0..3).prop_map(Value::from),
                "[}\"\\\\]{0,3}".prop_map(|text| json!({ "k": text })),
            ], 0..6),
            name in "[a-zé\"\\\\]{1,6}",
        ) {
            let mut all: serde_json::Map<String, Value> = others.into_iter().collect();
            all.insert("peer.service".to_owned(), name.clone().into());
            prop_assert_eq!(asked(Value::Object(all)).peer, Some(name));
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,40}") {
            Asked::of(&text);
            Asked::of(&format!("{{\"{text}"));
        }
    }
}
