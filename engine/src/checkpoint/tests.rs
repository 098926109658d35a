//! Checkpoints in a store that can be damaged, break off, and be written to by two.

use std::sync::{Mutex, PoisonError};

use proptest::prelude::*;

use super::*;

/// Objects in memory. `left` puts and deletes go well, then none.
#[derive(Default)]
struct Memory {
    objects: Mutex<BTreeMap<String, Vec<u8>>>,
    left: Mutex<Option<usize>>,
}

impl Memory {
    fn objects(&self) -> BTreeMap<String, Vec<u8>> {
        self.objects.lock().unwrap().clone()
    }

    fn set(&self, name: &str, bytes: Option<Vec<u8>>) {
        let mut objects = self.objects.lock().unwrap();
        match bytes {
            Some(bytes) => drop(objects.insert(name.to_owned(), bytes)),
            None => drop(objects.remove(name)),
        }
    }

    /// Breaks off after so many changes; none for never.
    fn break_off(&self, after: Option<usize>) {
        *self.left.lock().unwrap() = after;
    }

    fn change(&self) -> Result<(), ObjectError> {
        match self.left.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            Some(0) => Err(ObjectError::Unavailable {
                place: "memory".to_owned(),
                what: "a change".to_owned(),
                reason: "broken off".to_owned(),
            }),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }
}

impl Objects for Memory {
    fn put(&self, name: &str, bytes: Vec<u8>) -> Result<(), ObjectError> {
        self.change()?;
        self.set(name, Some(bytes));
        Ok(())
    }

    fn get(&self, name: &str) -> Result<Vec<u8>, ObjectError> {
        let missing =
            || ObjectError::Unreadable { name: name.to_owned(), reason: "it is not there".to_owned() };
        self.objects().remove(name).ok_or_else(missing)
    }

    fn list(&self) -> Result<Vec<String>, ObjectError> {
        Ok(self.objects().into_keys().collect())
    }

    fn delete(&self, name: &str) -> Result<(), ObjectError> {
        self.change()?;
        self.set(name, None);
        Ok(())
    }
}

fn manifest(round: u64) -> Manifest {
    Manifest {
        format: FORMAT,
        round,
        at: Timestamp(7),
        environment: "{}".to_owned(),
        ends: BTreeMap::from([("symptoms/0".to_owned(), 3)]),
        configuration: "c".to_owned(),
        journal: "j".to_owned(),
        knowledge_version: 2,
        tables: Vec::new(),
    }
}

fn tables(state: u64) -> Vec<StateTable> {
    vec![
        StateTable::from_json("a", 1, &[1, 2, state]).unwrap(),
        StateTable::from_json("b.c", 2, &"x").unwrap(),
    ]
}

fn opened(keep: usize) -> (Arc<Memory>, Checkpoints) {
    let memory = Arc::new(Memory::default());
    (Arc::clone(&memory), Checkpoints::new(memory, keep))
}

fn rounds(checkpoints: &Checkpoints) -> Vec<u64> {
    checkpoints.list().unwrap().iter().map(|name| name.round).collect()
}

#[test]
fn keeps_the_last_few_and_gives_back_what_was_written() {
    let (memory, checkpoints) = opened(2);
    for round in [3, 9, 27] {
        checkpoints.write(manifest(round), "c", tables(round)).unwrap();
    }
    assert_eq!(rounds(&checkpoints), [9, 27]);
    assert_eq!(memory.objects().len(), 6);
    let newest = checkpoints.list().unwrap().pop().unwrap();
    let (read, state) = checkpoints.read(&newest).unwrap();
    assert_eq!(read.ends, manifest(27).ends);
    assert_eq!(state, tables(27));
    assert!(newest.is_made_by("c") && !newest.is_made_by("d"));
}

#[test]
fn what_is_no_checkpoint_is_left_alone() {
    let (memory, checkpoints) = opened(1);
    let names = ["7", "+0000000000000000007-a-b.c", "00000000000000000007", "notes.txt"];
    names.iter().for_each(|name| memory.set(name, Some(b"mine".to_vec())));
    checkpoints.write(manifest(27), "c", tables(0)).unwrap();
    checkpoints.tidy(u64::MAX).unwrap();
    assert_eq!(rounds(&checkpoints), [27]);
    assert!(names.iter().all(|name| memory.objects().contains_key(*name)));
}

/// Wherever writing breaks off: the checkpoints that can be read are the old ones, or the old ones
/// and the new one; and after tidying up nothing of the attempt is left.
#[test]
fn broken_off_anywhere_nothing_is_damaged() {
    for changes in 0.. {
        let (memory, checkpoints) = opened(2);
        for round in [3, 9] {
            checkpoints.write(manifest(round), "c", tables(round)).unwrap();
        }
        memory.break_off(Some(changes));
        let done = checkpoints.write(manifest(27), "c", tables(27)).is_ok();
        memory.break_off(None);
        let found = rounds(&checkpoints);
        assert!([&[3, 9][..], &[3, 9, 27], &[9, 27]].contains(&&found[..]), "{changes}: {found:?}");
        for name in checkpoints.list().unwrap() {
            assert_eq!(checkpoints.read(&name).unwrap().1, tables(name.round), "{changes}");
        }
        checkpoints.tidy(27).unwrap();
        let found = rounds(&checkpoints);
        assert!(found == [3, 9] || found == [9, 27], "{changes}: {found:?}");
        assert_eq!(memory.objects().len(), 6, "{changes}: {:?}", memory.objects().keys());
        if done {
            assert!(changes >= 6, "it has fewer steps than objects");
            return;
        }
    }
}

/// The old owner of a shard goes on writing while the new one writes: whatever the order of their
/// steps, what the new one has written can be read, and the old one removes none of it.
#[test]
fn an_old_owner_spoils_nothing() {
    for (old_round, same) in [(9, true), (9, false), (27, true), (27, false)] {
        for steps in 0..8 {
            let (memory, heir) = opened(2);
            heir.write(manifest(3), "c", tables(3)).unwrap();
            // The old owner gets so far, is paused,
            let zombie = Checkpoints::new(Arc::clone(&memory) as Arc<dyn Objects>, 2);
            let (made_by, state) = if same { ("c", old_round) } else { ("d", 1000) };
            let saved = || zombie.write(manifest(old_round), made_by, tables(state));
            memory.break_off(Some(steps));
            let _ = saved();
            memory.break_off(None);
            // the new one tidies up and writes, and the old one wakes up and does all of it.
            heir.tidy(9).unwrap();
            for round in [9, 27] {
                heir.write(manifest(round), "c", tables(round)).unwrap();
            }
            saved().unwrap();
            for round in [9, 27] {
                let mut written = heir.list().unwrap().into_iter().filter(|name| name.round == round);
                let own = written.find(|name| name.is_made_by("c")).expect("it was written");
                assert_eq!(heir.read(&own).unwrap().1, tables(round), "{old_round} {same} {steps}");
            }
        }
    }
}

/// An old owner that tidies up leaves alone what the new one has half written.
#[test]
fn what_is_being_written_is_not_removed() {
    let (memory, heir) = opened(2);
    memory.break_off(Some(2));
    assert!(heir.write(manifest(27), "c", tables(27)).is_err());
    memory.break_off(None);
    let half = memory.objects();
    heir.tidy(26).unwrap();
    heir.write(manifest(9), "c", tables(9)).unwrap();
    assert!(half.keys().all(|object| memory.objects().contains_key(object)));
}

#[test]
fn a_store_that_does_not_answer_is_no_damage() {
    let away = ObjectError::Unavailable { place: String::new(), what: String::new(), reason: String::new() };
    assert!(!CheckpointError::from(away).is_of_one());
    let lost = ObjectError::Unreadable { name: String::new(), reason: String::new() };
    assert!(CheckpointError::from(lost).is_of_one());
}

#[test]
fn every_flipped_byte_and_every_missing_end_is_found() {
    let (memory, checkpoints) = opened(1);
    checkpoints.write(manifest(1), "c", tables(3)).unwrap();
    let name = checkpoints.list().unwrap().pop().unwrap();
    for (object, whole) in memory.objects() {
        for position in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[position] ^= 0x10;
            memory.set(&object, Some(bytes));
            assert!(checkpoints.read(&name).is_err(), "{object}, byte {position}");
            memory.set(&object, Some(whole[..position].to_vec()));
            assert!(checkpoints.read(&name).is_err(), "{object}, length {position}");
        }
        memory.set(&object, None);
        assert!(checkpoints.read(&name).is_err(), "{object} is missing");
        memory.set(&object, Some(whole));
        assert!(checkpoints.read(&name).is_ok());
    }
}

proptest! {
    /// Several objects at once: torn, missing, changed, exchanged.
    #[test]
    fn no_damage_is_read(damages in prop::collection::vec((any::<prop::sample::Index>(), 0..4_u8, any::<prop::sample::Index>(), 1..=255_u8), 1..4)) {
        let (memory, checkpoints) = opened(1);
        checkpoints.write(manifest(1), "c", tables(3)).unwrap();
        let name = checkpoints.list().unwrap().pop().unwrap();
        let before = memory.objects();
        let names: Vec<&String> = before.keys().collect();
        for (which, kind, place, mask) in damages {
            let object = names[which.index(names.len())];
            let Some(mut bytes) = memory.objects().remove(object).filter(|bytes| !bytes.is_empty()) else { continue };
            let at = place.index(bytes.len());
            memory.set(object, match kind {
                0 => None,
                1 => { bytes.truncate(at); Some(bytes) }
                2 => { bytes[at] ^= mask; Some(bytes) }
                _ => Some(before[names[place.index(names.len())]].clone()),
            });
        }
        prop_assert!(memory.objects() == before || checkpoints.read(&name).is_err());
    }

    /// A name is read back, and nothing else is taken for one.
    #[test]
    fn a_name_is_its_text(round: u64, text in "[0-9a-f-]{0,60}") {
        let name = Name::of(round, "c", b"x");
        prop_assert_eq!(name.to_string().parse(), Ok(name));
        if let Ok(name) = text.parse::<Name>() {
            prop_assert_eq!(name.to_string(), text);
        }
    }
}
