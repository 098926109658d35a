//! The points of a model, stored once for all its trees.

use super::cover::Point;

/// The last ticks of a model as levels. A point is as many ticks in a row as the shingle has, so
/// overlapping points share their levels. Grows up to `window` ticks, then the oldest are
/// overwritten.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Ring {
    /// Channels of a tick side by side.
    pub(super) levels: Vec<u16>,
    /// Tick that is written next, once the ring is full.
    pub(super) head: usize,
}

/// What the levels of a ring mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) channels: usize,
    pub(super) shingle: usize,
    /// Ticks that the ring holds.
    pub(super) window: usize,
}

impl Shape {
    pub(super) fn dimensions(&self) -> usize {
        self.channels * self.shingle
    }
}

impl Ring {
    /// Ticks in it.
    pub(super) fn ticks(&self, shape: Shape) -> usize {
        self.levels.len() / shape.channels
    }

    /// Tick whose levels the next [`Ring::write`] overwrites, if any.
    pub(super) fn overwrites(&self, shape: Shape) -> Option<usize> {
        (self.ticks(shape) == shape.window).then_some(self.head)
    }

    /// Adds a tick.
    pub(super) fn write(&mut self, shape: Shape, levels: &[u16]) {
        if self.ticks(shape) < shape.window {
            if self.levels.len() == self.levels.capacity() {
                // Doubling, but never beyond the window.
                let room = self.levels.len().max(64).min(shape.window * shape.channels - self.levels.len());
                self.levels.reserve_exact(room);
            }
            self.levels.extend_from_slice(levels);
        } else {
            let start = self.head * shape.channels;
            self.levels[start..start + shape.channels].copy_from_slice(levels);
        }
        self.head = (self.head + 1) % shape.window;
    }

    /// First tick of the point that ends with the tick written last.
    pub(super) fn newest(&self, shape: Shape) -> u16 {
        ((self.head + shape.window - shape.shingle) % shape.window) as u16
    }

    /// The point that begins with tick `place`.
    #[inline(always)]
    pub(super) fn point<const L: usize>(&self, shape: Shape, place: u16) -> Point<L> {
        let start = usize::from(place) * shape.channels;
        let dimensions = shape.dimensions();
        let mut point = [0; L];
        if dimensions == L && start + L <= self.levels.len() {
            point.copy_from_slice(&self.levels[start..start + L]);
        } else {
            let unbroken = dimensions.min(self.levels.len() - start);
            point[..unbroken].copy_from_slice(&self.levels[start..start + unbroken]);
            point[unbroken..dimensions].copy_from_slice(&self.levels[..dimensions - unbroken]);
        }
        point
    }
}
