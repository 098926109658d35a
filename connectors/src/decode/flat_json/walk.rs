//! An object walked without objects: values are borrowed, attributes are known by their bytes.
//!
//! What resource and attributes are made of is gathered as it stands in the object, with the
//! names that it gets: these bytes are the key under which the memo knows the canonical text. So
//! the text is made once for each set, and out of its key. Whatever is wrong or odd is left to the
//! slow way, which says what is wrong.

use std::{borrow::Cow, ops::Range};

use theriac_contract::telemetry::{Attributes, Label};

use super::{Object, Role, Rows, Values, push};
use crate::decode::{
    json::{Cursor, rewrite, write_sorted},
    memo::{Kind, Memo},
    wire::LIST_MAX,
};

/// Separates parts of a key; JSON has none in its text.
const MEMBER: char = '\u{0}';
/// Leads an object whose members are gathered.
const OBJECT: char = '\u{1}';

/// Names and values of a resource or of attributes, as they stand.
#[derive(Default)]
pub(super) struct Gathered(String);

impl Gathered {
    fn clear(&mut self) {
        self.0.clear();
        self.0.shrink_to(1 << 16);
    }

    #[inline]
    fn member(&mut self, name: &str, raw: &str) {
        self.0.push_str(name);
        self.0.push(MEMBER);
        self.0.push_str(raw);
        self.0.push(MEMBER);
    }

    fn object(&mut self, raw: &str) {
        self.0.push(OBJECT);
        self.0.push_str(raw);
        self.0.push(MEMBER);
    }

    /// Appends the canonical text of what was gathered, behind `defaults`.
    fn write(&self, defaults: Option<&Attributes>, out: &mut String) -> Option<()> {
        let mut pairs: Vec<(Cow<'_, str>, Range<usize>)> = Vec::with_capacity(8);
        let mut values = String::with_capacity(self.0.len());
        for (name, value) in defaults.into_iter().flatten() {
            let start = values.len();
            values.push_str(&value.to_string());
            pairs.push((Cow::Borrowed(name), start..values.len()));
        }
        let mut parts = self.0.split_terminator(MEMBER);
        while let Some(part) = parts.next() {
            let Some(raw) = part.strip_prefix(OBJECT) else {
                let start = values.len();
                let mut cursor = Cursor::new(parts.next()?);
                rewrite(&mut cursor, &mut values)?;
                cursor.end()?;
                pairs.push((Cow::Borrowed(part), start..values.len()));
                continue;
            };
            let mut cursor = Cursor::new(raw);
            let mut members = cursor.object()?;
            while let Some(name) = members.key(&mut cursor)? {
                if pairs.len() == LIST_MAX {
                    return None;
                }
                let start = values.len();
                rewrite(&mut cursor, &mut values)?;
                pairs.push((Cow::Borrowed(name), start..values.len()));
            }
            cursor.end()?;
        }
        write_sorted(&mut pairs, &values, out);
        Some(())
    }
}

/// What an object holds, and what its attributes are made of.
#[derive(Default)]
pub(super) struct Scratch {
    resource: Gathered,
    attributes: Gathered,
    /// Keys of the object before with their roles: the next has the same, as a rule.
    shape: Vec<(Box<str>, Role)>,
}

/// Keys whose place in an object is remembered, and how long they may be.
const SHAPE_MAX: usize = 64;
const KEY_BYTES_MAX: usize = 256;

/// An object that was walked.
struct Walked<'a, 's> {
    values: Values<'a>,
    scratch: &'s mut Scratch,
    defaults: &'s Attributes,
}

/// Adds one object.
pub(super) fn walk(
    line: &str,
    defaults: &Attributes,
    scratch: &mut Scratch,
    mut role: impl FnMut(&str) -> Role,
    rows: &mut Rows,
) -> Option<()> {
    scratch.resource.clear();
    scratch.attributes.clear();
    let mut values = Values::default();
    let mut cursor = Cursor::new(line);
    let mut members = cursor.object()?;
    let mut place = 0;
    while let Some(key) = members.key(&mut cursor)? {
        let role = match scratch.shape.get_mut(place) {
            Some((known, role)) if **known == *key => *role,
            met => {
                let role = role(key);
                match met {
                    _ if key.len() > KEY_BYTES_MAX => {}
                    Some(met) => *met = (key.into(), role),
                    None if place < SHAPE_MAX => scratch.shape.push((key.into(), role)),
                    None => {}
                }
                role
            }
        };
        place += 1;
        let raw = cursor.raw()?;
        match role {
            role if values.take(role, raw) => {}
            Role::Attributes if raw == "null" => {}
            Role::Attributes => scratch.attributes.object(raw),
            Role::Resource if raw.starts_with('{') => scratch.resource.object(raw),
            Role::ResourceKey(name) => scratch.resource.member(name, raw),
            _ => scratch.attributes.member(key, raw),
        }
    }
    cursor.end()?;
    push(Walked { values, scratch, defaults }, rows).ok()
}

impl<'a> Object<'a> for Walked<'a, '_> {
    fn values(&self) -> Values<'a> {
        self.values
    }

    fn add(&mut self, more: &[(&'static str, Option<&'a str>)]) -> Result<(), String> {
        for (name, raw) in more {
            if let Some(raw) = raw {
                self.scratch.attributes.member(name, raw);
            }
        }
        Ok(())
    }

    fn labelled(&mut self, memo: &mut Memo, push: impl FnOnce(&str, Label<'_>)) -> Result<(), String> {
        // What is odd is told by the slow way.
        let odd = String::new;
        let Scratch { resource, attributes, .. } = &*self.scratch;
        let resource = memo.canonical(Kind::FlatResource, resource.0.as_bytes(), || {
            let mut out = String::new();
            resource.write(Some(self.defaults), &mut out).map(|()| out).ok_or_else(odd)
        })?;
        let made = |out: &mut String| attributes.write(None, out).ok_or_else(odd);
        let label = memo.text(Kind::FlatAttributes, attributes.0.as_bytes(), false, made)?.label;
        push(&resource, label);
        Ok(())
    }
}
