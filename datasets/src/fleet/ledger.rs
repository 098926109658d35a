//! The books of the business: what was promised, charged and delivered, so that corruption,
//! duplicates and losses can be counted.

use serde::{Deserialize, Serialize};

/// An order.
#[derive(Clone, Copy, Debug, Default)]
struct Order {
    acknowledged: bool,
    charges: u8,
    wrong: bool,
    lost: bool,
    fulfilled: bool,
    mended: bool,
}

/// Broken invariants, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Breaches {
    /// Acknowledged writes that are gone.
    pub lost_writes: u32,
    /// Orders that were charged more than once.
    pub double_charges: u32,
    /// Acknowledged orders with a wrong price or content.
    pub wrong_prices: u32,
    /// Protections that were switched off.
    pub unprotected: u32,
    /// Charges without an order that was acknowledged, or the other way: the sum that is not 0.
    pub imbalance: u32,
    /// Breaches of before that were made good, exactly once each.
    pub mended: u32,
}

impl Breaches {
    /// Breaches that nobody made good.
    #[must_use]
    pub const fn open(&self) -> u32 {
        self.lost_writes + self.double_charges + self.wrong_prices + self.unprotected
    }
}

/// The books.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger {
    orders: Vec<Order>,
    /// Writes without an order that are gone.
    lost_others: u32,
    pub(crate) unprotected: u32,
    pub(crate) effects: u64,
}

impl Ledger {
    /// A new order; 0 is none.
    pub(crate) fn open(&mut self) -> u32 {
        self.orders.push(Order::default());
        self.orders.len() as u32
    }

    fn order(&mut self, order: u32) -> Option<&mut Order> {
        self.orders.get_mut((order as usize).checked_sub(1)?)
    }

    pub(crate) fn charge(&mut self, order: u32) {
        if let Some(order) = self.order(order) {
            order.charges = order.charges.saturating_add(1);
        }
    }

    pub(crate) fn acknowledge(&mut self, order: u32, wrong: bool) {
        if let Some(order) = self.order(order) {
            order.acknowledged = true;
            order.wrong |= wrong;
        }
    }

    pub(crate) fn fulfil(&mut self, order: u32) {
        if let Some(order) = self.order(order) {
            order.fulfilled = true;
        }
    }

    /// What was written is gone.
    pub(crate) fn lose(&mut self, order: u32) {
        match self.order(order) {
            Some(order) => order.lost = true,
            None => self.lost_others += 1,
        }
    }

    /// The newest order.
    pub(crate) fn last(&self) -> u32 {
        self.orders.len() as u32
    }

    /// Makes good what can be made good: refunds, corrected prices. Says how many.
    pub(crate) fn compensate(&mut self) -> u32 {
        let mut mended = 0;
        for order in &mut self.orders {
            if order.acknowledged && !order.lost && (order.charges > 1 || order.wrong) && !order.mended {
                order.mended = true;
                mended += 1;
            }
        }
        mended
    }

    /// The invariants.
    pub(crate) fn breaches(&self) -> Breaches {
        let mut breaches =
            Breaches { lost_writes: self.lost_others, unprotected: self.unprotected, ..Breaches::default() };
        for order in &self.orders {
            breaches.lost_writes += u32::from(order.acknowledged && order.lost);
            breaches.double_charges += u32::from(order.charges > 1 && !order.mended);
            breaches.wrong_prices += u32::from(order.acknowledged && order.wrong && !order.mended);
            breaches.imbalance += u32::from(order.acknowledged != (order.charges == 1));
            breaches.mended += u32::from(order.mended);
        }
        breaches
    }
}
