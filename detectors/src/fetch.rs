//! Memory ahead of need.
//!
//! Blocks of many columns, read side by side, are a pattern that no machine foresees: without being
//! asked for, most of the time over many series goes by waiting. Where the processor is not known to
//! have an instruction for it, nothing is asked for.

use multiversion::{multiversion, target::match_target};

/// Bytes that come together.
const LINE: usize = 64;

/// What is needed soon, brought near in small portions: a machine that is asked for much at once
/// forgets most of it.
pub(crate) struct Ahead<'a, T> {
    soon: &'a [T],
    line: usize,
}

impl<'a, T> Ahead<'a, T> {
    pub(crate) fn new(soon: &'a [T]) -> Self {
        Self { soon, line: 0 }
    }

    /// Asks for one of `portions` parts, as long as there is one.
    #[inline(always)]
    pub(crate) fn fetch(&mut self, portions: usize) {
        let lines = size_of_val(self.soon) / LINE;
        let end = lines.min(self.line + lines.div_ceil(portions));
        fetch(self.soon, self.line, end);
        self.line = end;
    }
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn fetch<T>(soon: &[T], from: usize, to: usize) {
    match_target! {
        "x86_64+avx512f" | "x86_64+avx2" => {
            use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
            for line in from..to {
                _mm_prefetch::<_MM_HINT_T1>(soon.as_ptr().cast::<i8>().wrapping_add(line * LINE));
            }
        },
        _ => {
            let _ = (soon, from, to);
        }
    }
}
