//! What a user of the miner relies on.

use proptest::prelude::*;
use theriac_templates::{Mined, Miner, Settings, ValueKind};

fn mined(lines: &[&str]) -> (Miner, Vec<Mined>) {
    let mut miner = Miner::new(Settings::default());
    let mined = lines.iter().map(|line| miner.add(line)).collect();
    (miner, mined)
}

/// Texts of all templates.
fn texts(lines: &[&str]) -> Vec<String> {
    mined(lines).0.templates().into_iter().map(|known| known.text).collect()
}

#[test]
fn values_by_their_form_are_no_part_of_a_template() {
    assert_eq!(
        texts(&[
            "Received block blk_-160 of size 67108864 from /10.251.42.84",
            "Received block blk_358 of size 233217 from /10.251.215.16",
            "close, 403 bytes sent, lifetime <1 sec",
            "close, 1190 bytes (1.16 KB) sent, lifetime 00:02",
            "exception......0x1f",
        ]),
        [
            "Received block <*> of size <*> from <*>",
            "close, <*> bytes (<*> KB) sent, lifetime <*>:<*>",
            "exception......<*>",
        ]
    );
}

#[test]
fn words_that_vary_are_values() {
    let users = ["cyrus", "news", "test", "root"];
    let lines: Vec<String> =
        users.iter().map(|user| format!("session opened for user {user} by (uid=0)")).collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    assert_eq!(texts(&lines), ["session opened for user <*> by (uid=<*>)"]);
    assert_eq!(texts(&lines[..2]).len(), 2, "two may be two messages");
}

#[test]
fn a_value_that_is_sometimes_a_number_is_one() {
    let lines = ["Invalid user admin from 10.0.0.1", "Invalid user 0101 from 10.0.0.2"];
    assert_eq!(texts(&lines), ["Invalid user <*> from <*>"]);
}

#[test]
fn states_stay_apart() {
    let states = ["STOPPED", "STARTED", "FAILED", "WAITING"];
    let lines: Vec<String> =
        states.iter().map(|state| format!("task of the job is in state {state} now")).collect();
    assert_eq!(texts(&lines.iter().map(String::as_str).collect::<Vec<_>>()).len(), 4);
    assert_eq!(texts(&["link up on port 1", "link down on port 2"]).len(), 2);
}

#[test]
fn short_messages_need_many_words_to_hold_a_value() {
    let services = ["cups", "named", "xinetd", "crond", "sshd", "ntpd", "atd", "gpm", "smartd", "acpid"];
    let lines = services.map(|service| format!("{service} startup succeeded"));
    assert_eq!(texts(&lines.each_ref().map(String::as_str)).len(), 10, "they are ten messages");
}

#[test]
fn a_key_between_two_values_is_no_value() {
    let with = "authentication failure for sshd rhost=10.0.0.1 user=root";
    let without = "authentication failure for sshd rhost=10.0.0.2";
    assert_eq!(texts(&[with, without]).len(), 2);
}

#[test]
fn a_template_shows_what_its_lines_have_in_common() {
    assert_eq!(texts(&["boot of node-a12 done", "boot of node-b34 done"]), ["boot of node-<*> done"]);
    assert_eq!(texts(&["dump of core-ab.12 now", "dump of core-cd.34 now"]), ["dump of core-<*> now"]);
    assert_eq!(texts(&["get hdfs://a:1/x y", "get hdfs://b:2/z y"]), ["get hdfs://<*> y"]);
    assert_eq!(texts(&["used 12 MB of it", "used 7 GB of it"]), ["used <*> of it"]);
    // What varied in one of several templates varies in what they become.
    let lines = [
        "job run by ann in mode=fast today",
        "job run by bob in mode=fast today",
        "job run by bob in mode=slow today",
        "job run by cid in mode=fast today",
    ];
    assert_eq!(texts(&lines), ["job run by <*> in mode=<*> today"]);
}

#[test]
fn places_that_hold_values_are_known_after_room_was_made() {
    let settings = Settings { patterns_max: 60, ..Settings::default() };
    let mut miner = Miner::new(settings);
    let name = |number: u8| format!("hello u{} there", char::from(b'a' + number).to_string().repeat(3));
    let first = miner.add(&name(0)).template;
    (1..20).for_each(|number| assert_eq!(miner.add(&name(number)).new, number < 15, "{number}"));
    for number in 0..200_u32 {
        let letters: String = number.to_string().bytes().map(|digit| char::from(digit + 49)).collect();
        miner.add(&format!("{letters}x is {letters}y"));
        if number == 150 {
            (0..30).for_each(|_| {
                assert_eq!(miner.add("seen often enough").template, miner.add("seen often enough").template)
            });
        }
    }
    assert!(!miner.add("seen often enough").new, "of too many, those that are seen least are forgotten");
    assert!(miner.text(first).is_some());
    assert_eq!(miner.add("hello somebody there").template, first);
}

#[test]
fn names_stay_when_templates_become_one() {
    let lines = ["a", "b", "c"].map(|user| format!("session opened for user {user} by (uid=0)"));
    let (mut miner, mined) = mined(&lines.each_ref().map(String::as_str));
    assert!(mined[0].new && mined[1].new && !mined[2].new);
    let first = mined[0].template;
    assert!(mined[1].template > first);
    assert_eq!(miner.current(mined[1].template), first, "the older name is kept");
    assert_eq!(miner.given_up(), 1);
    assert_eq!(mined[2].template, first);
    assert_eq!(miner.text(mined[1].template), miner.text(first));
    let version = miner.version();
    assert_eq!(miner.add("session opened for user zoe by (uid=7)"), Mined { template: first, new: false });
    assert_eq!(miner.version(), version, "nothing new was learnt");
    // A second way to write it is learnt once.
    let other = "session opened for user a by 7 (uid=7)";
    miner.add(other);
    let version = miner.version();
    (0..9).for_each(|_| assert!(!miner.add(other).new));
    assert_eq!(miner.version(), version);
}

#[test]
fn parameters_have_kinds() {
    let line = "user=bob took 12 ms for /a/b from 10.0.0.7 0x1f blk_78";
    let earlier = "user=eve took 9 ms for /c from 10.0.0.8 0x2f blk_89";
    let (mut miner, _) = mined(&[earlier, line]);
    let read: Vec<(ValueKind, &str)> =
        miner.parameters(line).map(|p| (p.kind, std::str::from_utf8(p.text).unwrap())).collect();
    assert_eq!(
        read,
        [
            (ValueKind::Word, "bob"),
            (ValueKind::Number, "12"),
            (ValueKind::Path, "/a/b"),
            (ValueKind::Address, "10.0.0.7"),
            (ValueKind::Hexadecimal, "0x1f"),
            (ValueKind::Identifier, "blk_78"),
        ]
    );
    // Places are those of the template: each its own, and the same from line to line.
    let places: Vec<u64> = miner.parameters(line).map(|p| p.place).collect();
    miner.add(earlier);
    assert!(miner.parameters(earlier).map(|p| p.place).eq(places.iter().copied()));
    assert_eq!(places.iter().collect::<std::collections::BTreeSet<_>>().len(), 6);
}

#[test]
fn structured_payloads_keep_their_keys() {
    assert_eq!(
        texts(&[
            r#"{"level":"warn","ms":12,"message":"disk is full","host":"a.b"}"#,
            r#"{"level":"info","ms":7,"message":"all is well","host":"c.d"}"#,
        ])
        .len(),
        1
    );
    assert_eq!(texts(&["level=warn ms=12 host=a", "level=warn ms=7 host=b"]), ["level=warn ms=<*> host=<*>"]);
}

#[test]
fn a_record_is_told_by_its_first_line() {
    let trace = "request 7 failed\n  at a.b.C(C.java:12)\nCaused by: x";
    assert_eq!(texts(&[trace, "request 8 failed"]), ["request <*> failed"]);
}

/// Lines of a stream in which everything repeats, nothing is alike, or words vary.
fn stream(seed: u64, count: usize) -> Vec<String> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut draw = move |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let words =
        ["open", "close", "peer", "user", "failed", "ready", "queue", "x.y.z", "eth0", "=", "(", ")", "RUN"];
    let line = |_| match draw(5) {
        // Whatever place is looked at, some words stand there.
        4 => {
            let names = [
                ["ann", "bob", "cid", "dan"],
                ["sees", "hears", "asks", "tells"],
                ["old", "new", "red", "big"],
            ];
            let [a, b, c] = names.map(|four| four[draw(4) as usize]);
            format!("{a} often {b} the very {c} thing here")
        }
        0 => format!("user u{} logged in from 10.0.0.{}", draw(90), draw(250)),
        1 => format!(
            "name {} has left the room at {}",
            ["ann", "bob", "cid", "dan", "eve"][draw(5) as usize],
            draw(9)
        ),
        _ => (0..=draw(8)).map(|_| words[draw(13) as usize]).collect::<Vec<_>>().join(" "),
    };
    (0..count).map(line).collect()
}

#[test]
fn what_is_exported_goes_on_as_if_nothing_had_been() {
    for (seed, settings) in [
        (1, Settings::default()),
        (2, Settings { templates_max: 60, ..Settings::default() }),
        (3, Settings { patterns_max: 80, ..Settings::default() }),
    ] {
        let lines = stream(seed, 3000);
        let mut whole = Miner::new(settings);
        let mut parts = Miner::new(settings);
        for (at, line) in lines.iter().enumerate() {
            if at % 700 == 350 {
                parts = Miner::import(&parts.export()).unwrap();
            }
            assert_eq!(whole.add(line), parts.add(line), "line {at} of seed {seed}");
        }
        assert_eq!(whole.templates(), parts.templates());
        assert_eq!(whole.export(), parts.export());
        assert_eq!((whole.shed(), whole.version()), (parts.shed(), parts.version()));
    }
}

#[test]
fn memory_is_bounded_whatever_comes() {
    let settings = Settings { templates_max: 500, patterns_max: 1000, ..Settings::default() };
    let mut miner = Miner::new(settings);
    let known = miner.add("a message that matters 1").template;
    let user = ["ann", "bob", "cid"].map(|user| miner.add(&format!("session opened for user {user} by x")));
    let letters = |number: usize| -> String {
        (0..6).map(|digit| char::from(b'a' + (number / 7_usize.pow(digit) % 7) as u8)).collect()
    };
    let mut longest = 0;
    for number in 0..12_000 {
        // Three words that no other line has: nothing can be made one.
        let [a, b, c] = [number, 7 * number + 1, 3 * number + 2].map(letters);
        miner.add(&format!("{a} {b}x {c}y"));
        assert!(miner.len() <= 500);
        longest = longest.max(miner.export().len() * usize::from(number % 3_000 == 2_999));
        if number % 100 == 0 {
            assert_eq!(miner.add("a message that matters 2").template, known, "what is seen often is kept");
            let session = format!("session opened for user u{} by x", letters(number));
            assert_eq!(miner.add(&session).template, user[0].template, "and what was learnt of it, too");
        }
    }
    assert!(longest < 2_000_000, "{longest} bytes");
    assert!(miner.shed().templates > 5_000, "{:?}", miner.shed());
    let long = "word ".repeat(10_000);
    miner.add(&long);
    assert_eq!(miner.shed().long_lines, 1);
}

#[test]
fn what_was_not_exported_is_refused() {
    let error = |text: &str| Miner::import(text).unwrap_err().to_string();
    assert!(error("{").contains("these are no templates that theriac exported"), "{}", error("{"));
    let (miner, _) = mined(&["one 1", "two 2"]);
    let exported = miner.export();
    let other = exported.replacen("\"version\":1", "\"version\":9", 1);
    assert!(error(&other).contains("form 9 cannot be read"), "{}", error(&other));
    let other = exported.replacen("\"slot\":1", "\"slot\":7", 1);
    assert!(error(&other).contains("a pattern is of template 7 of 2"), "{}", error(&other));
    let other = exported.replacen("\"next_id\":2", "\"next_id\":1", 1);
    assert!(error(&other).contains("template 1 is not below 1"), "{}", error(&other));
}

/// The words of a template stand in the line in their order.
fn fits(template: &str, line: &str) -> bool {
    let mut rest = line;
    for part in template.split("<*>").flat_map(str::split_whitespace) {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    true
}

proptest! {
    #[test]
    fn any_text_has_a_template_that_fits_it(line in "\\PC{0,200}|[ -~]{0,200}") {
        let mut miner = Miner::new(Settings::default());
        let first = miner.add(&line);
        let again = miner.add(&line);
        prop_assert!(first.new && !again.new && first.template == again.template);
        let text = miner.text(first.template).unwrap();
        prop_assert!(fits(&text, &line), "{text:?} {line:?}");
        let inside = |p: &theriac_templates::Parameter<'_>| line.as_bytes().windows(p.text.len()).any(|w| w == p.text);
        prop_assert!(miner.parameters(&line).all(|p| inside(&p)));
    }

    #[test]
    fn numbers_never_make_a_template(a in any::<u64>(), b in any::<u64>()) {
        let (miner, _) = mined(&[&format!("order {a} failed after {b} ms"), &format!("order {b} failed after {a} ms")]);
        prop_assert_eq!(miner.len(), 1);
    }

    #[test]
    fn the_same_lines_give_the_same_names(seed in 0_u64..50) {
        let lines = stream(seed, 400);
        let (mut one, mut other) = (Miner::new(Settings::default()), Miner::new(Settings::default()));
        for line in &lines {
            prop_assert_eq!(one.add(line), other.add(line));
        }
        prop_assert_eq!(one.export(), other.export());
    }
}

/// A queue of workers that say the same in two ways: `alpha` and `beta` in one, the others in another.
fn of_workers(number: usize) -> String {
    let names = ["alpha", "beta", "gamma", "delta", "omega", "kappa"];
    let name = names[number * 7919 % 6];
    match number * 7919 % 6 {
        0 | 1 => format!("worker {name} is now done with {number} of its jobs"),
        _ => format!("worker {name} is now done (with {number}) of its jobs"),
    }
}

#[test]
fn a_template_that_is_several_is_split() {
    let mut miner = Miner::new(Settings::default());
    let lines: Vec<String> = (0..20_000).map(of_workers).collect();
    let early: Vec<Mined> = lines[..1000].iter().map(|line| miner.add(line)).collect();
    let whole = miner.current(early[999].template);
    assert_eq!(texts_of(&miner), ["worker <*> is now done (with <*>) of its jobs"]);
    let late: Vec<Mined> = lines[1000..].iter().map(|line| miner.add(line)).collect();
    assert!(late.iter().all(|mined| !mined.new), "a part is nothing new");
    assert_eq!(
        texts_of(&miner),
        ["worker <*> is now done (with <*>) of its jobs", "worker <*> is now done with <*> of its jobs"]
    );
    let parts = miner.parts(whole).to_vec();
    assert_eq!(parts.len(), 2);
    assert_eq!((miner.current(whole), miner.whole(parts[1])), (parts[0], Some(whole)));
    assert_eq!((miner.renamed(whole), miner.parts(parts[0])), (whole, &[][..]));
    // From then on each line is of the part that its words are of.
    let number = 20_004;
    let of = |miner: &mut Miner, line: &str| miner.add(line).template;
    assert_eq!(of(&mut miner, &of_workers(number)), parts[usize::from(number * 7919 % 6 < 2)]);
    assert_eq!(of(&mut miner, "worker theta is now done (with 7) of its jobs"), parts[0]);
    // What it has learnt it hands on.
    let mut taken_up = Miner::import(&miner.export()).expect("it was exported");
    assert_eq!(taken_up.export(), miner.export());
    for number in 20_000..24_000 {
        assert_eq!(taken_up.add(&of_workers(number)), miner.add(&of_workers(number)));
    }
    assert_eq!(taken_up.export(), miner.export());
}

fn texts_of(miner: &Miner) -> Vec<String> {
    miner.templates().into_iter().map(|known| known.text).collect()
}

#[test]
fn values_that_are_few_are_not_split() {
    let users = ["root", "cyrus", "news", "test"];
    let mut miner = Miner::new(Settings::default());
    for number in 0..40_000_usize {
        // A reason is added to one in a hundred, whoever it is.
        let reason = if number * 7919 % 101 == 0 { " (again)" } else { "" };
        miner.add(&format!("session opened for user {} by uid{reason}", users[number % 4]));
    }
    assert!(
        texts_of(&miner).iter().any(|text| text == "session opened for user <*> by uid"),
        "{:?}",
        texts_of(&miner)
    );
}

#[test]
fn room_is_made_for_parts_too() {
    let settings = Settings { templates_max: 40, patterns_max: 80, ..Settings::default() };
    let mut miner = Miner::new(settings);
    for number in 0..24_000 {
        miner.add(&of_workers(number));
        if number % 50 == 0 {
            miner.add(&format!(
                "{} happened once",
                ["a", "b", "c", "d"].map(|x| x.repeat(number % 97 + 1)).join(" ")
            ));
        }
        assert!(miner.len() <= 40);
    }
    let mut taken_up = Miner::import(&miner.export()).expect("it was exported");
    assert_eq!(taken_up.export(), miner.export());
    assert_eq!(taken_up.add(&of_workers(1)), miner.add(&of_workers(1)));
}
