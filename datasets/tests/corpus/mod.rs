//! Where tests find public data sets.

use std::{env, path::PathBuf};

use theriac_datasets::catalogue::locate;

/// The folder of a data set below `THERIAC_DATASETS`; fails with the way to get it.
pub(crate) fn folder(name: &str) -> PathBuf {
    let env = env::var_os("THERIAC_DATASETS").map(PathBuf::from);
    locate(name, None, env.as_deref()).unwrap_or_else(|missing| panic!("{missing}"))
}
