//! Calls as they are kept while they are under way, and how they can end.

use super::{clock::Nanos, topology::Operation};

/// A call by place and generation: a key of a call that is over finds nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct CallKey {
    index: u32,
    generation: u32,
}

/// How a call was answered, as its caller sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Answer {
    Good,
    /// The user's own mistake.
    Mistaken,
    Failed,
    Upstream,
    Timeout,
    Refused,
    Reset,
    Full,
    Limited,
    Unauthorized,
    Certificate,
    Unresolved,
    NoSpace,
}

impl Answer {
    pub(crate) const fn is_good(self) -> bool {
        matches!(self, Self::Good | Self::Mistaken)
    }

    /// `http.response.status_code`; 0 if there was no response.
    pub(crate) const fn status(self) -> u16 {
        match self {
            Self::Good => 200,
            Self::Mistaken => 404,
            Self::Failed | Self::NoSpace => 500,
            Self::Upstream => 502,
            Self::Full => 503,
            Self::Limited => 429,
            Self::Unauthorized => 401,
            _ => 0,
        }
    }

    /// `error.type`; empty if it was none.
    pub(crate) const fn error(self) -> &'static str {
        match self {
            Self::Good | Self::Mistaken => "",
            Self::Failed => "500",
            Self::NoSpace => "ENOSPC",
            Self::Upstream => "502",
            Self::Timeout => "timeout",
            Self::Refused => "connection_refused",
            Self::Reset => "connection_reset",
            Self::Full => "503",
            Self::Limited => "429",
            Self::Unauthorized => "401",
            Self::Certificate => "tls_certificate_expired",
            Self::Unresolved => "name_not_resolved",
        }
    }
}

/// Where a call stands in its trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Trace {
    pub(crate) id: (u64, u64),
    pub(crate) span: u64,
    pub(crate) parent: u64,
}

/// A request at a replica.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) replica: u32,
    pub(crate) caller: Option<CallKey>,
    pub(crate) op: Operation,
    pub(crate) route: u8,
    pub(crate) arrived: Nanos,
    /// It holds a slot.
    pub(crate) begun: bool,
    pub(crate) step: u8,
    pub(crate) attempt: u8,
    pub(crate) waiting: Option<CallKey>,
    /// It waits for a connection.
    pub(crate) queued: bool,
    pub(crate) called: Nanos,
    /// Counts its attempts over all steps, so that late news of an old one is known as such.
    pub(crate) serial: u32,
    pub(crate) flags: Flags,
    /// Number of the order that it is about.
    pub(crate) order: u32,
    pub(crate) trace: Option<Trace>,
    /// Span of the call that it makes.
    pub(crate) client_span: u64,
}

/// What is special about a request.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Flags {
    pub(crate) wrong: bool,
    pub(crate) degraded: bool,
    pub(crate) missed: bool,
    pub(crate) hot: bool,
    pub(crate) costly: bool,
    pub(crate) mistaken: bool,
    pub(crate) logged: bool,
    /// Not a user whose content counts.
    pub(crate) uncounted: bool,
    /// Who asks, and what for.
    pub(crate) tenant: u16,
    pub(crate) key: u16,
}

/// All calls in flight.
#[derive(Clone, Debug, Default)]
pub(crate) struct Calls {
    slots: Vec<(u32, Option<Call>)>,
    free: Vec<u32>,
}

impl Calls {
    pub(crate) fn insert(&mut self, call: Call) -> CallKey {
        if let Some(index) = self.free.pop() {
            let slot = &mut self.slots[index as usize];
            slot.1 = Some(call);
            return CallKey { index, generation: slot.0 };
        }
        self.slots.push((0, Some(call)));
        CallKey { index: self.slots.len() as u32 - 1, generation: 0 }
    }

    pub(crate) fn get(&mut self, key: CallKey) -> Option<&mut Call> {
        let slot = self.slots.get_mut(key.index as usize)?;
        if slot.0 == key.generation { slot.1.as_mut() } else { None }
    }

    pub(crate) fn remove(&mut self, key: CallKey) -> Option<Call> {
        let slot = self.slots.get_mut(key.index as usize)?;
        if slot.0 != key.generation {
            return None;
        }
        let call = slot.1.take()?;
        slot.0 = slot.0.wrapping_add(1);
        self.free.push(key.index);
        Some(call)
    }

    /// Calls that a replica has, in the order of their places.
    pub(crate) fn at(&self, replica: u32) -> Vec<CallKey> {
        let here = self.slots.iter().enumerate().filter_map(|(index, (generation, call))| {
            let call = call.as_ref().filter(|call| call.replica == replica)?;
            let _ = call;
            Some(CallKey { index: index as u32, generation: *generation })
        });
        here.collect()
    }
}
