//! The attributes of a record, gathered while its fields are walked.

use super::any_value;
use crate::decode::{
    memo::{Kind, Memo, Text},
    wire::{Fields, Run, Value},
};

/// The fields that are attributes. Those of the series that should come next, if they are the
/// ones that stand there, are passed over at one go.
pub(super) struct Attributes<'p> {
    raw: &'p [u8],
    fields: Run<'p>,
    /// Number of the field.
    number: u32,
    /// Whether they are those that should come, and no more.
    foreseen: bool,
}

impl<'p> Attributes<'p> {
    pub(super) const fn new(raw: &'p [u8], number: u32) -> Self {
        Self { raw, fields: Run::new(raw), number, foreseen: false }
    }

    /// Takes the one that begins at `start` and was the last of `fields` to be read.
    #[inline(always)]
    pub(super) fn add(
        &mut self,
        value: Value<'_>,
        start: usize,
        fields: &mut Fields<'p>,
        memo: &Memo,
    ) -> Result<(), String> {
        value.bytes("attributes")?;
        self.foreseen = false;
        if self.fields.is_empty() {
            let length = memo.foreseen(Kind::ProtoAttributes, &self.raw[start..]);
            // What is known consists of whole fields.
            if length > 0 {
                fields.move_to(start + length);
                self.foreseen = true;
            }
        }
        self.fields.add(start, fields.at());
        Ok(())
    }

    /// Their canonical text.
    #[inline(always)]
    pub(super) fn text<'m>(&self, memo: &'m mut Memo) -> Result<Text<'m>, String> {
        let raw = self.fields.bytes();
        memo.text(Kind::ProtoAttributes, raw, self.foreseen, |out| any_value::object(raw, self.number, out))
    }
}
