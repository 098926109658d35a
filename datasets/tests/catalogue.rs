//! The manifest, and what a user is told where a data set is missing.

use std::{collections::BTreeSet, fs, path::Path};

use theriac_datasets::catalogue::{all, find, locate, locate_from_environment};

/// Whether an address names a commit.
fn is_pinned(address: &str) -> bool {
    let is_commit = |part: &str| part.len() == 40 && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    address.starts_with("https://") && address.split('/').any(is_commit)
}

#[test]
fn every_file_is_pinned() {
    let names: BTreeSet<&str> = all().iter().map(|dataset| dataset.name.as_str()).collect();
    assert_eq!(names.len(), all().len(), "a name twice");
    for dataset in all() {
        let name = &dataset.name;
        assert!(dataset.base_url.starts_with("https://"), "{name}");
        assert!(dataset.base_url.ends_with('/'), "{name}");
        assert!(dataset.base_url.contains(&dataset.revision), "{name}: the address is not pinned");
        assert!(is_pinned(&dataset.licence_url), "{name}: the licence is not pinned");
        assert!(dataset.can_be_fetched() || !dataset.note.is_empty(), "{name}: no way to get it");
        let paths: BTreeSet<&str> = dataset.files.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(paths.len(), dataset.files.len(), "{name}: a path twice");
        for file in &dataset.files {
            let parts: Vec<&str> = file.path.split('/').collect();
            assert!(!parts.contains(&"..") && !file.path.starts_with('/'), "{name}: {}", file.path);
            assert_eq!(file.sha256.len(), 64, "{}", file.path);
            assert!(file.sha256.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')), "{}", file.path);
            assert!(file.bytes > 0, "{}", file.path);
            let elsewhere = file.source.as_ref().filter(|source| source.contains("://"));
            assert!(elsewhere.is_none_or(|source| is_pinned(source)), "{}", file.path);
        }
    }
}

#[test]
fn an_unknown_name_gets_the_known_ones() {
    let missing = locate("nap", None, None).expect_err("no such data set");
    let text = missing.to_string();
    assert!(text.starts_with("there is no data set `nap`; there are: nab, "), "{text}");
    assert!(all().iter().all(|dataset| text.contains(&dataset.name)), "{text}");
}

#[test]
fn with_nothing_set_it_says_what_to_set_and_how_to_fetch() {
    let text = locate("nab", None, None).expect_err("nowhere to look").to_string();
    assert_eq!(
        text,
        "the data set `nab` is not here (neither --data nor THERIAC_DATASETS is set); get it with \
         `theriac datasets fetch nab` (9.6 MB, licence MIT), then give its folder as --data or the \
         folder above it as THERIAC_DATASETS"
    );
}

#[test]
fn it_names_the_folders_it_looked_at() {
    let empty = tempfile::tempdir().expect("a folder");
    let missing = locate("nab", Some(empty.path()), None).expect_err("the folder is empty");
    assert_eq!(missing.looked_at, [empty.path().join("nab"), empty.path().to_owned()]);
    let looked = format!("(looked at {}, {})", empty.path().join("nab").display(), empty.path().display());
    assert!(missing.to_string().contains(&looked), "{missing}");
    let missing = locate("nab", None, Some(empty.path())).expect_err("the folder is empty");
    assert_eq!(missing.looked_at, [empty.path().join("nab")]);
}

#[test]
fn what_cannot_be_fetched_says_how_to_get_it_by_hand() {
    let dataset = find("nezha-trainticket-dev").expect("it is in the manifest");
    let text = locate(&dataset.name, None, None).expect_err("nowhere to look").to_string();
    let fetch = "`theriac datasets fetch nezha-trainticket-dev` cannot get it: ";
    assert!(text.contains(fetch) && text.contains(&dataset.note), "{text}");
    assert!(text.ends_with(&format!("Source: {}", dataset.homepage)), "{text}");
}

#[test]
fn it_is_found_in_its_folder_and_in_the_one_above() {
    let root = tempfile::tempdir().expect("a folder");
    let nab = root.path().join("nab");
    assert!(locate("nab", Some(root.path()), None).is_err());
    write(&nab.join("labels/combined_labels.json"));
    assert_eq!(locate("nab", Some(root.path()), None), Ok(nab.clone()));
    assert_eq!(locate("nab", Some(&nab), None), Ok(nab.clone()));
    assert_eq!(locate("nab", None, Some(root.path())), Ok(nab.clone()));
    // A folder that was named is the one that counts.
    let other = tempfile::tempdir().expect("a folder");
    assert!(locate("nab", Some(other.path()), Some(root.path())).is_err());
    assert_eq!(locate_from_environment("nab", Some(&nab)), Ok(nab));
}

fn write(path: &Path) {
    fs::create_dir_all(path.parent().expect("a folder above")).expect("it can be made");
    fs::write(path, "{}").expect("it can be written");
}
