//! A real service under load, run by the process executor, is broken in several ways and healed by
//! `theriac run`. Whether it was healed is judged from outside: by what the load met with, and by the
//! processes and releases that are there.

#![allow(clippy::unwrap_used, reason = "a suite fails where it stands")]

mod load;
mod shop;

use std::time::Duration;

use shop::Shop;
use theriac_tests::service::until;

/// The service answers, and `holds`; theriac has verified that it helped, and the incident is over.
fn healed(shop: &mut Shop, fault: &str, holds: impl Fn(&Shop) -> bool) {
    let begin = shop.broken_at();
    until(&format!("{fault}: good answers"), || {
        (holds(shop) && shop.load.good_in_a_row_since(begin) >= 20).then_some(())
    });
    println!("{fault}: recovered after {:.1} s", begin.elapsed().as_secs_f64());
    until(&format!("{fault}: a verified recovery"), || {
        (shop.recoveries() > shop.verified && shop.incidents_open() == 0).then_some(())
    });
    shop.verified = shop.recoveries();
    // Nobody harmed what had recovered.
    std::thread::sleep(Duration::from_secs(1));
    assert!(holds(shop) && shop.load.good_in_a_row_since(begin) >= 30, "{fault}: it did not last");
}

#[test]
fn a_service_that_is_killed_hung_leaking_or_badly_deployed_is_healed() {
    let mut shop = Shop::open();

    let killed = shop.pid();
    shop.signal("-KILL");
    until("failures", || (shop.load.failed_since(shop.broken_at()) > 0).then_some(()));
    healed(&mut shop, "killed", |shop| shop.pid() != killed);

    let hung = shop.pid();
    shop.signal("-STOP");
    until("failures", || (shop.load.failed_since(shop.broken_at()) > 0).then_some(()));
    healed(&mut shop, "hung", |shop| shop.pid() != hung && !shop::runs(hung));

    let leaking = shop.pid();
    shop.deploy("v1", "v2");
    healed(&mut shop, "leaking", |shop| shop.release() == "v1" && shop.pid() != leaking);

    let failing = shop.pid();
    shop.deploy("v1", "v3");
    until("failures", || (shop.load.failed_since(shop.broken_at()) > 0).then_some(()));
    healed(&mut shop, "badly deployed", |shop| shop.release() == "v1" && shop.pid() != failing);

    shop.close();
}

#[test]
fn a_bad_write_is_undone_by_the_newest_checkpoint_from_before() {
    let mut shop = Shop::open();
    let before = shop.pid();
    shop.spoil();
    until("failures", || (shop.load.failed_since(shop.broken_at()) > 0).then_some(()));
    assert!(!shop.orders_are_whole());
    healed(&mut shop, "a bad write", |shop| shop.orders_are_whole() && shop.pid() != before);
    let (restored, known) = (shop.restored(), shop.checkpoints());
    assert!(restored.len() == 1 && known.contains(&restored[0]), "{restored:?} of {known:?}");
    shop.close();
}
