//! Which attributes of a span say who asks, and what for.

use serde::{Deserialize, Serialize};

use crate::traces::asked::{entry, text};

/// An attribute of spans that says who asks, and what such a one is called: `tenant.id` says which
/// `tenant`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asker {
    /// Name of the attribute.
    pub attribute: String,
    /// Word for what it names; `tenant` makes `tenant:7` the target of plans.
    pub kind: String,
}

/// Longest name of an asker or a key, in bytes: more is no name.
const LENGTH_MAX: usize = 120;

/// What is called a key.
pub(super) const KEY: &str = "key";

/// An attribute and what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) attribute: String,
    pub(super) kind: String,
    pub(super) name: String,
}

/// Who asks, and what for, as far as the attributes of a span say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Names {
    pub(super) asker: Option<Named>,
    pub(super) key: Option<Named>,
}

/// Whether a name is meant by a pattern: itself, or its beginning before a star at its end.
fn fits(pattern: &str, name: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == name, |beginning| name.starts_with(beginning))
}

impl Names {
    /// Of canonical attributes: an object without blanks, its names sorted. Of several askers the one
    /// that comes first among `askers` counts, of several keys the one that comes first among `keys`.
    pub(crate) fn of(attributes: &str, askers: &[Asker], keys: &[String]) -> Self {
        let (mut asker, mut key) = ((askers.len(), ""), (keys.len(), ""));
        let (mut asker_is, mut key_is) = ("", "");
        let mut rest = attributes.strip_prefix('{').unwrap_or_default();
        while let Some((name, value, behind)) = entry(rest) {
            let place = askers.iter().position(|asker| asker.attribute == name);
            if let Some(place) = place.filter(|place| *place < asker.0) {
                (asker, asker_is) = ((place, name), value);
            }
            let place = keys.iter().position(|pattern| fits(pattern, name));
            if let Some(place) = place.filter(|place| *place < key.0) {
                (key, key_is) = ((place, name), value);
            }
            rest = behind.strip_prefix(',').unwrap_or_default();
        }
        let named = |attribute: &str, kind: &str, value: &str| {
            let name = said(value)?;
            Some(Named { attribute: attribute.to_owned(), kind: kind.to_owned(), name })
        };
        Self {
            asker: askers.get(asker.0).and_then(|found| named(asker.1, &found.kind, asker_is)),
            key: keys.get(key.0).and_then(|_| named(key.1, KEY, key_is)),
        }
    }
}

/// A value as a name: a text, or a whole number.
fn said(value: &str) -> Option<String> {
    let whole = || value.parse::<i64>().ok().map(|number| number.to_string());
    text(value).or_else(whole).filter(|name| name.len() <= LENGTH_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;

    fn names(attributes: &str) -> (Option<String>, Option<String>) {
        let settings = Settings::default();
        let names = Names::of(attributes, &settings.askers, &settings.keys);
        let told = |named: Named| format!("{}:{}", named.kind, named.name);
        (names.asker.map(told), names.key.map(told))
    }

    fn some(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn the_first_of_the_list_counts_wherever_it_stands() {
        assert_eq!(names(r#"{"client.address":"10.0.0.1","tenant.id":"7"}"#), (some("tenant:7"), None));
        assert_eq!(names(r#"{"client.address":"10.0.0.1"}"#), (some("client:10.0.0.1"), None));
        assert_eq!(names(r#"{"enduser.id":42,"http.route":"/"}"#), (some("user:42"), None));
        assert_eq!(names(r#"{"cache.key":"a","db.query.parameter.id":"b"}"#), (None, some("key:a")));
        assert_eq!(names(r#"{"db.query.parameter.id":"b\"c"}"#), (None, some("key:b\"c")));
    }

    #[test]
    fn what_is_no_name_says_nothing() {
        let long = format!(r#"{{"tenant.id":"{}"}}"#, "x".repeat(121));
        let none = ["{}", "", "{", r#"{"tenant.id":""}"#, r#"{"tenant.id":[1]}"#, r#"{"tenant.id":1.5}"#];
        for attributes in none.into_iter().chain([long.as_str()]) {
            assert_eq!(names(attributes), (None, None), "{attributes}");
        }
    }
}
